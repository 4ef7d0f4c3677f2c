"""JSON that a validator accepts: beginnings against a reader written plainly, and every kind of validator."""

from __future__ import annotations

import itertools
import json
import random
import re

import jsonschema
import pydantic
import pytest
from shipped_grammars import cases
from soundness import edited, rejected_beginnings

from constrain.predicates import JsonValidates

ANY = JsonValidates(lambda value: True)
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


class Model(pydantic.BaseModel):
    n: int


def total(value: object) -> None:
    if value != {"n": 1}:
        raise ValueError(value)


VALIDATORS = {
    "jsonschema": jsonschema.Draft202012Validator(SCHEMA),
    "model": Model,
    "adapter": pydantic.TypeAdapter(Model),
    "function": lambda value: isinstance(value, dict) and isinstance(value.get("n"), int),
    "raising": total,
}


@pytest.mark.parametrize("name", VALIDATORS)
def test_validators(name: str) -> None:
    predicate = JsonValidates(VALIDATORS[name])
    assert predicate.complete_ok(b' {"n": 1 }\n') and predicate.complete_ok(b'{"n": "x", "n": 1}')
    for text in (b'{"n": "x"}', b'{"m": 1}', b"[]", b'{"n": 1', b'{"n": NaN}', b"", b"{'n': 1}", b'{"n": 1} x'):
        assert not predicate.complete_ok(text)
    assert predicate.prefix_ok(b'{"n": "x') and not predicate.prefix_ok(b"{n")


def test_what_rejects() -> None:
    def broken(value: object) -> bool:
        raise KeyError("n")

    with pytest.raises(KeyError):
        JsonValidates(broken).complete_ok(b"1")
    assert not JsonValidates(broken, rejects=KeyError).complete_ok(b"1")
    schema = JsonValidates(lambda value: jsonschema.validate(value, SCHEMA), rejects=jsonschema.ValidationError)
    assert schema.complete_ok(b'{"n": 1}') and not schema.complete_ok(b"1")
    with pytest.raises(ValueError, match="Draft202012Validator"):
        JsonValidates(SCHEMA)


def test_what_python_cannot_hold() -> None:
    assert ANY.prefix_ok(b"[" * 100_000) and not ANY.complete_ok(b"[" * 100_000 + b"]" * 100_000)
    assert ANY.prefix_ok(b"1" * 5000) and not ANY.complete_ok(b"1" * 5000)


def test_bytes() -> None:
    assert ANY.prefix_ok(b'"\xe2\x82') and not ANY.complete_ok(b'"\xe2\x82"')
    assert not ANY.prefix_ok(b'"\xff') and not ANY.prefix_ok(b"\xef\xbb\xbf1") and not ANY.prefix_ok(b'"\n')
    assert ANY.complete_ok(rb'"\ud800"')


# --- A reader of beginnings, written plainly ---

STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
BEGUN_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*(?:\\(?:u[0-9a-fA-F]{0,3})?)?')
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
BEGUN_NUMBER = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*|(?:\.[0-9]+)?[eE][-+]?[0-9]*)?)?")


def begins_json(text: str) -> bool:
    """Is the text a beginning of JSON? By a stack of what must come."""
    wanted = ["blank", "value"]  # the last comes next
    at = 0
    while True:
        while at < len(text) and text[at] in " \t\n\r":
            at += 1
        if at == len(text):
            return True
        want = wanted.pop() if wanted else "blank"
        options = {"value": "value", "value or ]": "value", "member": "name", "member or }": "name"}
        if want == "blank":
            return False
        if want in ("value or ]", "member or }") and text[at] == want[-1]:
            at += 1
        elif options.get(want) == "name":
            found = STRING.match(text, at)
            if not found:
                return BEGUN_STRING.fullmatch(text, at) is not None
            wanted += ["} or ,", "value", ":"]
            at = found.end()
        elif options.get(want) == "value":
            if want == "value or ]":
                wanted.append("] or ,")
            if text[at] in "[{":
                wanted.append("value or ]" if text[at] == "[" else "member or }")
                at += 1
            elif found := re.compile("true|false|null").match(text, at) or STRING.match(text, at):
                at = found.end()
            else:
                rest = text[at:]
                if any(word.startswith(rest) for word in ("true", "false", "null")):
                    return True
                if BEGUN_STRING.fullmatch(rest) or BEGUN_NUMBER.fullmatch(rest):
                    return True
                if not (found := NUMBER.match(text, at)):
                    return False
                at = found.end()
        elif want in ("] or ,", "} or ,"):
            if text[at] not in want:
                return False
            if text[at] == ",":
                wanted += [want, "value"] if want[0] == "]" else ["member"]
            at += 1
        elif text[at] == want:
            at += 1
        else:
            return False


def test_beginnings_are_exactly_those_of_json() -> None:
    """All texts of up to four pieces, and edited cases of the shipped grammar."""
    pieces = [
        "{",
        "}",
        "[",
        "]",
        '"a"',
        '"',
        ",",
        ":",
        " ",
        "0",
        "1",
        "-",
        ".5",
        "e",
        "t",
        "true",
        "nul",
        "\\",
        "u00e",
        "é",
        "+",
    ]
    texts = ["".join(some) for n in range(4) for some in itertools.product(pieces, repeat=n)]
    rng = random.Random(1)
    texts += [edited(rng.choice(cases("json", "accept")), pieces, rng) for _ in range(3000)]
    assert [text for text in texts if ANY.prefix_ok(text.encode()) != begins_json(text)] == []
    assert [text for text in texts if ANY.complete_ok(text.encode()) != is_json(text)] == []
    assert rejected_beginnings(ANY, (text.encode() for text in texts), rng, most=5) == []


def is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=lambda name: json.loads(""))
    except ValueError:
        return False
    return True
