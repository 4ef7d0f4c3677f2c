"""Random walks over the masks of schemas: no dead end, and what is written satisfies the schema, for ``jsonschema``."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import pytest

import constrain
from benchmarks.schema_walks import judge, main, oracle
from benchmarks.walks import Walker, hints
from constrain.frontends.json_schema import json_schema_grammar
from constrain.testing import byte_vocabulary
from constrain.vocab.vocabulary import Vocabulary

NODE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
    "required": ["value", "next"],
    "unevaluatedProperties": False,
}
ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
        "lines": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {"sku": {"type": "string", "minLength": 1}, "count": {"minimum": 1, "type": "integer"}},
                "required": ["sku", "count"],
                "additionalProperties": False,
            },
            "contains": {"properties": {"count": {"multipleOf": 10}}},
        },
        "paid": {"type": "boolean"},
        "card": {"type": "string", "maxLength": 4},
        "date": {"format": "date", "type": "string"},
    },
    "required": ["id", "lines"],
    "dependentRequired": {"card": ["paid"]},
    "if": {"required": ["card"]},
    "then": {"properties": {"paid": {"const": True}}},
    "maxProperties": 5,
    "additionalProperties": False,
}
SHAPES = {
    "oneOf": [
        {"properties": {"kind": {"const": "circle"}, "r": {"exclusiveMinimum": 0}}, "required": ["kind", "r"]},
        {"properties": {"kind": {"const": "square"}, "side": {"type": "number"}}, "required": ["kind", "side"]},
        {"properties": {"kind": {"enum": ["circle", "square"]}}, "required": ["kind"], "maxProperties": 1},
    ],
    "type": "object",
}
OTHERS: list[Any] = [
    {"type": "array", "uniqueItems": True, "items": {"enum": [1, "a", None, "b"]}, "minItems": 3},
    {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": "^[ab]{1,2}$"}, "minItems": 6},
    {
        "type": "object",
        "patternProperties": {"^x": {"type": "integer"}},
        "propertyNames": {"maxLength": 3},
        "minProperties": 2,
    },
    {"type": "object", "minProperties": 3, "maxProperties": 3, "propertyNames": {"enum": ["a", "b", "c"]}},
    {"type": "array", "contains": {"type": "string"}, "minContains": 2, "maxContains": 2, "maxItems": 4},
    {"not": {"type": ["object", "array", "string"]}, "multipleOf": 0.25, "maximum": 3, "minimum": -2},
    {"type": "array", "prefixItems": [{"type": "string"}, {"const": 2}], "unevaluatedItems": {"type": "null"}},
    {
        "allOf": [{"required": ["a"]}, {"properties": {"a": {"minLength": 2}}}],
        "type": "object",
        "not": {"required": ["b"]},
    },
    {"type": "string", "allOf": [{"pattern": "a"}, {"pattern": "b"}, {"pattern": "^[^c]*$"}], "maxLength": 5},
]
NASTY = (
    b'"}',
    b'",',
    b'":',
    b'": "',
    b"[{",
    b"}]",
    b'\\"',
    b"\\u00",
    b"00",
    b"\xc3",
    b"\xa9\xc3",
    b"null",
    b', "',
    b"aa",
    b"-1",
    b"e1",
)


@pytest.mark.parametrize("schema", [NODE, ORDER, SHAPES, *OTHERS], ids=lambda schema: json.dumps(schema)[:50])
@pytest.mark.parametrize("order", ["schema", "any"])
@pytest.mark.parametrize("pieces", [(), NASTY], ids=["bytes", "nasty"])
def test_walks_end_in_what_the_oracle_accepts(schema: Any, order: Any, pieces: tuple[bytes, ...]) -> None:
    automaton = constrain.compile(json_schema_grammar(schema, property_order=order), byte_vocabulary(*pieces))
    assert violations(automaton, schema, 25) == []


@pytest.mark.parametrize("schema", [NODE, ORDER, SHAPES], ids=["node", "order", "shapes"])
def test_walks_with_a_real_vocabulary(schema: Any, llama2: Vocabulary) -> None:
    automaton = constrain.compile(json_schema_grammar(schema), llama2)
    assert violations(automaton, schema, 8) == []


def violations(automaton: Any, schema: Any, count: int) -> list[Any]:
    """What went wrong on ``count`` walks."""
    walker, validator = Walker(automaton, hints(schema)), oracle(schema, ("date",))
    found = []
    for walk in (walker.walk(Random(seed)) for seed in range(count)):
        verdict = judge(validator, walk.text) if walk.end == "finished" else walk.end
        if verdict not in ("accepted", "no verdict"):
            found.append((verdict, walk.text))
    return found


def test_the_judge_sees_what_is_wrong() -> None:
    validator = oracle({"type": "object", "properties": {"a": {"multipleOf": 0.01}}})
    assert judge(validator, b'{"a": 0.07}') == judge(validator, b'{"a": 1e2}') == "accepted"
    assert judge(validator, b'{"a": 0.075}').startswith("rejected: multipleOf at $.a")
    assert judge(validator, b'{"a": 1, "a": 1}') == "rejected: duplicate keys"
    assert judge(validator, b'{"a": 1').startswith("rejected: ")
    assert judge(validator, b'{"a": 1e99999}') == "no verdict"


def test_the_walker_reports_dead_ends_and_broken_laws() -> None:
    class Stuck:
        vocabulary = byte_vocabulary()
        mask = 0

        def start(self) -> int:
            return 0

        def is_accepting(self, state: int) -> bool:
            return False

        def fill_mask(self, state: int, words: Any) -> None:
            words[:] = self.mask

        def advance(self, state: int, token: int) -> None:
            return None

    automaton: Any = Stuck()
    assert Walker(automaton, []).walk(Random(0)).end == "dead end"
    automaton.mask = 1
    assert Walker(automaton, []).walk(Random(0)).end == "broken law"


def test_walks_of_real_schemas(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--data", str(shared_data / "maskbench/dev.zip"), "--schemas", "20", "--walks", "2", "--seed", "3"]
    assert main(words) == 0
    summary = capsys.readouterr().out
    assert "walks finished" in summary and "oracle accepted" in summary and "rejected" not in summary


def test_the_script_reports_violations(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(
        "benchmarks.schema_walks.json_schema_grammar", lambda schema: json_schema_grammar({"type": "null"})
    )
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("s.json", json.dumps({"schema": {"type": "integer"}, "tests": []}))
    assert main(["--data", str(tmp_path / "data.zip"), "--walks", "2"]) == 1
    assert "rejected: type at $" in capsys.readouterr().out
