"""``assert_matches_parser`` finds planted faults, shrinks them, and is content where there is none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import constrain
from constrain.testing import Disagreement, assert_matches_parser

JSON = constrain.lark(Path(__file__).parents[2] / "grammars/json.lark")


def test_parsers_that_agree() -> None:
    assert_matches_parser(JSON, json.loads, rejects=ValueError, max_examples=300)
    assert_matches_parser(
        constrain.regex("(ab)+c?"), lambda text: bool(re.fullmatch("(ab)+c?", text)), max_examples=200
    )
    assert_matches_parser(constrain.regex(rb"a\xff?"), lambda data: data in (b"a", b"a\xff"), max_examples=100)


def test_a_parser_that_accepts_too_much() -> None:
    def lenient(text: str) -> None:
        json.loads(re.sub(r",\s*]", "]", text))  # a comma after the last element

    with pytest.raises(Disagreement) as caught:
        assert_matches_parser(JSON, lenient, rejects=ValueError)
    error = caught.value
    assert error.text == "[,]" and error.answer.accepted and not error.verdict.accepted
    assert error.verdict.place.offset == 1
    message = str(error)
    assert "grammar and parser disagree about '[,]'" in message and "parser accepts" in message
    assert "<text>:1:2: unexpected ',' (byte 1)" in message and "expected: " in message


def test_a_parser_that_accepts_too_little() -> None:
    def strict(text: str) -> object:
        if "\\" in text:
            raise ValueError("no escapes, please")
        return json.loads(text)

    with pytest.raises(Disagreement, match=r"grammar accepts\n  parser rejects: ValueError: no escapes") as caught:
        assert_matches_parser(JSON, strict, rejects=ValueError)
    assert len(caught.value.text) in (4, 8)  # "\\b" or "\\u0000"
    assert_matches_parser(constrain.regex("a{2,3}"), lambda text: set(text) <= {"a"}, subset=True, max_examples=100)


def test_a_parser_that_crashes() -> None:
    def fragile(text: str) -> object:
        return json.loads(text)[0] if text.startswith("[") else json.loads(text)

    with pytest.raises(Disagreement, match="parser crashes: IndexError") as caught:
        assert_matches_parser(JSON, fragile, rejects=ValueError)
    assert caught.value.text == "[]" and caught.value.answer.crashed


def test_false_rejects_and_other_results_accept() -> None:
    assert_matches_parser(
        constrain.regex("a|b"), lambda text: None if text in "ab" and text else False, max_examples=50
    )
    with pytest.raises(Disagreement, match=r"parser rejects \(returned False\)"):
        assert_matches_parser(constrain.regex("a|b"), lambda text: text == "a", max_examples=50)


def test_texts_of_ones_own_come_first() -> None:
    """A fault that nobody would come upon by chance, in a text and near one."""
    secret = '{"open": "sesame"}'
    for bad in (secret, secret.replace("sesame", "seesame")):
        with pytest.raises(Disagreement) as caught:
            assert_matches_parser(JSON, lambda text, bad=bad: json.loads("{" * (text == bad) + text), corpus=[secret],
                                  rejects=ValueError)  # fmt: skip
        assert caught.value.text == bad


def test_the_same_texts_each_time_unless_seeded() -> None:
    def texts(seed: int | None) -> list[str]:
        seen: list[str] = []
        grammar = constrain.regex("[a-z]{3,9}")
        assert_matches_parser(grammar, seen.append, subset=True, max_examples=40, seed=seed)
        return seen

    assert texts(None) == texts(None) and texts(1) == texts(1) and texts(1) != texts(2)
