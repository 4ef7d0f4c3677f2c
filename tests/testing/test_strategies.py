"""Strategies of grammars: only members, never too long, small when shrunk; judged by re, json and the naive twin."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from data.grammars import CASES, Case
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from naive.language import accepts, is_prefix

import constrain
from constrain.errors import GrammarError, LimitExceeded
from constrain.ir.grammar import Grammar, Literal, Ref, Seq
from constrain.testing import byte_vocabulary, mutations, prefixes, strings, tokenizations

JSON = constrain.lark(Path(__file__).parents[2] / "grammars/json.lark")
ARITHMETIC = constrain.lark(Path(__file__).parents[2] / "grammars/arithmetic.lark")
PATTERNS = (
    r"(a|b)*abb", r"[0-9]{3,5}", r"a?b{2}c*", r"\w+@\w+\.(com|org)", r"[^\x00-\x7f]{1,3}", r"x{0,40}y{3}",
    r"é|ß|𝄞+", r"",
)  # fmt: skip


def least(strategy: SearchStrategy[Any], condition: Callable[[Any], bool], examples: int = 1000) -> Any:
    """The minimal example that Hypothesis finds."""
    options = settings(max_examples=examples, derandomize=True, database=None, deadline=None)
    return find(strategy, condition, settings=options)


def drawn(strategy: SearchStrategy[Any], examples: int = 60) -> list[Any]:
    """Examples as Hypothesis draws them."""
    found = []

    @settings(max_examples=examples)
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_members_of_curated_grammars(case: Case) -> None:
    for text in drawn(strings(case.grammar, max_size=40), 12):
        data = text.encode() if isinstance(text, str) else text
        assert len(data) <= 40
        assert len(data) > 25 or accepts(case.grammar, data), text


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_by_re(pattern: str) -> None:
    texts = drawn(strings(constrain.regex(pattern), max_size=30))
    assert all(re.fullmatch(pattern, text) and len(text.encode()) <= 30 for text in texts)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_mutations_by_re(pattern: str) -> None:
    found = drawn(mutations(constrain.regex(pattern)))
    assert all(mutation.is_member == bool(re.fullmatch(pattern, mutation.text)) for mutation in found)
    assert not all(mutation.is_member for mutation in found)


def test_mutations_of_json_by_the_parser() -> None:
    found = drawn(mutations(JSON), 200)
    assert {mutation.is_member for mutation in found} == {True, False}
    for text, is_member in found:
        try:
            json.loads(text)
        except ValueError:
            assert not is_member, text
        else:
            assert is_member, text


def test_schemas_by_jsonschema() -> None:
    schema = {
        "type": "object",
        "properties": {"id": {"type": "integer", "minimum": 7}, "tags": {"type": "array", "uniqueItems": True,
                       "items": {"type": "string", "maxLength": 2}, "minItems": 2}},
        "required": ["id", "tags"],
        "additionalProperties": {"type": "null"},
        "minProperties": 3,
    }  # fmt: skip
    texts = drawn(strings(constrain.json_schema(schema, property_order="any"), max_size=90))
    validator = jsonschema.Draft202012Validator(schema)
    assert all(validator.is_valid(json.loads(text)) and len(text.encode()) <= 90 for text in texts)
    assert len({tuple(json.loads(text)) for text in texts}) > 5


@given(st.data())
def test_every_prefix_can_be_continued(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from([case for case in CASES if case.name in ("JSON", "joined, some required")]))
    text = data.draw(prefixes(case.grammar, max_size=20))
    assert is_prefix(case.grammar, text.encode())


def test_prefixes_reach_from_nothing_to_the_whole() -> None:
    found = set(drawn(prefixes(constrain.regex("abc")), 100))
    assert found == {"", "a", "ab", "abc"}


def test_tokenizations_spell_members_in_many_ways() -> None:
    vocabulary = byte_vocabulary(b"ab", b"bc", b"abc", b"ab")
    found = {tuple(ids) for ids in drawn(tokenizations(constrain.regex("abc"), vocabulary), 200)}
    assert found == {(97, 98, 99), (256, 99), (259, 99), (97, 257), (258,)}
    assert least(tokenizations(constrain.regex("abc"), vocabulary), lambda ids: True) == [258]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (lambda text: True, "0"),
        (lambda text: "[" in text and '"' not in text, "[]"),
        (lambda text: isinstance(json.loads(text), list) and len(json.loads(text)) >= 3, "[0,0,0]"),
        (lambda text: "." in text and text[0] == "0", "0.0"),
    ],
)
def test_failing_examples_shrink_to_what_matters(condition: Callable[[str], bool], expected: str) -> None:
    found = least(strings(JSON), condition)
    assert found.strip() == expected and len(found) <= len(expected) + 1  # blanks of a lexer may stay behind


def test_nested_examples_shrink_to_the_part_that_matters() -> None:
    assert least(strings(ARITHMETIC), lambda text: "^" in text) in ("0^0", "1^1")
    assert least(strings(ARITHMETIC), lambda text: "(" in text).strip() in ("(0)", "a()")
    assert least(strings(constrain.regex(r"[^a]+z?")), lambda text: len(text) > 3) == "0000"
    assert least(mutations(constrain.regex("(ab)+")), lambda mutation: not mutation.is_member).text in ("b", "a", "")


def test_members_differ() -> None:
    assert len(set(drawn(strings(JSON), 200))) > 50


def test_size_is_a_bound_and_what_does_not_fit_is_refused() -> None:
    grammar = constrain.regex("é{3}x*")
    assert set(drawn(strings(grammar, max_size=7), 30)) == {"ééé", "éééx"}
    with pytest.raises(LimitExceeded, match=r"shortest member: 6 exceeds the limit of 5"):
        strings(grammar, max_size=5)


def test_bytes_where_the_grammar_is_one_of_bytes() -> None:
    strategy = strings(constrain.regex(rb"[a\xff]{1,2}"))
    assert set(drawn(strategy)) <= {b"a", b"\xff", b"aa", b"a\xff", b"\xffa", b"\xff\xff"}
    assert least(strategy, lambda data: data.endswith(b"\xff")) == b"\xff"
    assert all(isinstance(found.text, bytes) for found in drawn(mutations(Grammar("s", {"s": Literal(b"\xc3")})), 10))


def test_no_members_no_strategy() -> None:
    with pytest.raises(GrammarError, match="no text at all matches"):
        strings(Grammar("s", {"s": Seq(Literal(b"a"), Ref("s"))}))
    with pytest.raises(TypeError, match=r"a Grammar is needed, not str: make one with constrain\.regex"):
        strings("a+")  # type: ignore[arg-type]


def test_compiled_grammars_will_do() -> None:
    automaton = constrain.compile(constrain.regex("ab?"), byte_vocabulary())
    assert set(drawn(strings(automaton), 20)) == {"a", "ab"}


def test_without_hypothesis_the_rest_works_and_the_error_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import constrain, constrain.testing as t\n"
        "print(t.find_difference(constrain.regex('a'), constrain.regex('b')).witness)\n"
        "t.strings\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stdout == "a\n" and run.returncode == 1
    assert "constrain.testing.strings needs Hypothesis: pip install 'constrain-lm[testing]'" in run.stderr
