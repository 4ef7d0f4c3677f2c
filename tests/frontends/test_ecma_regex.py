"""ECMA-262 patterns: hand-written cases, Python's ``re`` where both dialects agree, and real schemas."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from pattern_oracles import SHORT, matches, patterns

from constrain.errors import GrammarError
from constrain.frontends.regex import regex_to_rx

ECMA = [
    ("^a$", ["a"], ["a\n", "ba", ""]),
    ("a|^b$", ["xay", "b"], ["xb"]),
    ("^$", [""], ["a", "\n"]),
    ("", ["", "a\n"], []),
    (r"^\/x$", ["/x"], []),
    (r"^[\w-.]$", ["-", ".", "a"], ["+", "é"]),
    (r"^[a-\d]$", ["a", "-", "5"], ["b"]),
    (r"^[^]$", ["\n", "a", "\U0001f600"], ["", "ab"]),
    ("^[]$", [], ["", "a", "]"]),
    (r"^\d$", ["5"], ["٣", "५"]),
    (r"^\w$", ["_"], ["é"]),
    (r"^\s$", ["\ufeff", "\u2028", " ", "\v"], ["\x85", "\x1c", "a"]),
    (r"^\S$", ["\x85", "a"], ["\ufeff"]),
    ("^.$", ["\x85", "a", "\U0001f600"], ["\n", "\r", "\u2028", "\u2029", ""]),
    (r"^\cJ$", ["\n"], ["J"]),
    (r"^[\cJ\b]$", ["\n", "\b"], ["b"]),
    (r"^\u{1F600}$", ["\U0001f600"], []),
    (r"^\uD83D\uDE00$", ["\U0001f600"], []),
    (r"^[\uD83D\uDE00]$", ["\U0001f600"], []),
    (r"^\u0041\x42$", ["AB"], []),
    ("^{a}$", ["{a}"], ["a"]),
    ("^a]}$", ["a]}"], []),
    ("^x{$", ["x{"], []),
    ("^a{b,2}$", ["a{b,2}"], []),
    ("^(?<name>a)(?:b)$", ["ab"], []),
    (r"^\0$", ["\0"], []),
    (r"^\_\@\"\-\ $", ['_@"- '], []),
    ("^a{2,3}?$", ["aa", "aaa"], ["a"]),
    (r"^\p{Lu}\P{L}$", ["A1"], ["a1", "AB"]),
    (r"^[\p{L}\d]+$", ["é5"], ["-"]),
    (r"^[^\p{L}]$", ["5"], ["é"]),
    ("^[[]$", ["["], []),
    ("^[a-]$", ["a", "-"], []),
    ("^[-a]$", ["a", "-"], []),
    (r"^[\]-a]$", ["]", "^", "a"], ["b"]),
    ("^(a|)$", ["", "a"], []),
    (r"^[\D]$", ["٣", "a"], ["3"]),
    ("^[--0]$", ["-", ".", "0"], [","]),
    (r"\n$", ["a\n"], ["\na"]),
    ("^(a$|b)c?$", ["a", "bc", "b"], ["ac"]),
    (r"^[&&~~||]$", ["&", "|"], []),
    ("^[{}]{1}$", ["{"], []),
    ("^[(?=]$", ["?"], []),
]


@pytest.mark.parametrize(("pattern", "good", "bad"), ECMA)
def test_ecma_patterns(pattern: str, good: list[str], bad: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        language = regex_to_rx(pattern, dialect="ecma", search=True)
    assert [text for text in good + bad if matches(language, text)] == good


ECMA_REFUSED = [
    ("(?i)a", "no group"),
    ("(?P<n>a)", "no group"),
    (r"\Aa", "no escape"),
    (r"a\Z", "no escape"),
    (r"\a", "no escape"),
    (r"(a)\1", "back-reference"),
    (r"(?<n>a)\k<n>", "back-reference"),
    (r"\01", "no escape"),
    ("a{,5}", "no quantifier"),
    ("a{2, 5}", "no quantifier"),
    ("(?=a)", "look-ahead"),
    ("(?<!a)", "look-behind"),
    (r"\bword", "word boundary"),
    (r"\p{Script=Greek}", "not supported"),
    (r"\p{Nope}", "not supported"),
    (r"\pL", "not supported"),
    ("(a", "unterminated"),
    ("a)", "unbalanced"),
    ("[a", "unterminated"),
    ("*a", "nothing to repeat"),
    ("a**", "nothing to repeat"),
    ("^*", "nothing to repeat"),
    ("[b-a]", "out of order"),
    ("a{2,1}", "out of order"),
    ("\\", "backslash"),
    ("[\\", "backslash"),
    (r"\u{110000}", "past the last"),
    (r"[\1]", "no escape"),
    ("{2}", "nothing to repeat"),
    ("a++", "nothing to repeat"),
    (r"\x4", "no escape"),
    (r"\c1", "no escape"),
]


@pytest.mark.parametrize(("pattern", "message"), ECMA_REFUSED)
def test_ecma_refusals(pattern: str, message: str) -> None:
    with pytest.raises(GrammarError, match=message) as caught:
        regex_to_rx(pattern, dialect="ecma", search=True)
    assert caught.value.column is not None


@given(patterns(["a", "b", r"\n", "[ab]", "b?", "^", "(?:$)"]))
def test_ecma_agrees_with_python_where_the_dialects_agree(pattern: str) -> None:
    language = regex_to_rx(pattern.replace("{,2}", "{0,2}"), dialect="ecma", search=True)
    oracle = re.compile(pattern.replace("$", r"\Z"))
    for text in SHORT:
        assert matches(language, text) == bool(oracle.search(text)), (pattern, text)


def test_ecma_takes_no_flags() -> None:
    with pytest.raises(ValueError, match="flags"):
        regex_to_rx("a", re.I, dialect="ecma")


# --- real schemas ------------------------------------------------------------------------------------------------


@cache
def patterns_and_strings(folder: Path) -> tuple[Counter[str], set[str]]:
    """All patterns of the MaskBench schemas with how often they occur, and the strings of the instances."""
    found: Counter[str] = Counter()
    strings: set[str] = set()

    def walk(value: object, is_schema: bool) -> None:
        if isinstance(value, dict):
            if is_schema and isinstance(value.get("pattern"), str):
                found[value["pattern"]] += 1
            if is_schema and isinstance(value.get("patternProperties"), dict):
                found.update(value["patternProperties"].keys())
            for item in value.values():
                walk(item, is_schema)
        elif isinstance(value, list):
            for item in value:
                walk(item, is_schema)
        elif isinstance(value, str) and not is_schema and len(value) <= 40:
            strings.add(value)

    with zipfile.ZipFile(folder / "maskbench/dev.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".json"):
                case = json.loads(archive.read(name))
                walk(case["schema"], True)
                for test in case["tests"]:
                    walk(test["data"], False)
    return found, strings


def test_patterns_of_real_schemas(shared_data: Path) -> None:
    found, _ = patterns_and_strings(shared_data)
    outcome: Counter[str] = Counter()
    for pattern in found:
        try:
            regex_to_rx(pattern, dialect="ecma", search=True)
            outcome["translated"] += 1
        except GrammarError as error:
            outcome[error.message] += 1
    assert outcome["translated"] > 0.99 * len(found), outcome
    assert set(outcome) <= {"translated", "look-ahead is not supported", "back-reference is not supported"}, outcome


def test_real_patterns_on_real_strings(shared_data: Path) -> None:
    """Python's ``re.search`` (ASCII) is the oracle where both dialects read the pattern in the same way."""
    found, strings = patterns_and_strings(shared_data)
    texts = sorted(text for text in strings if text.isascii() and "\n" not in text)[::300]
    for pattern in sorted(found)[::20]:
        if re.search(r"\[\]|\[\^\]|\\[pPcuZAaxs]|\(\?|\\[0-9]", pattern) or not pattern.isascii():
            continue
        oracle = re.compile(pattern, re.ASCII)
        language = regex_to_rx(pattern, dialect="ecma", search=True)
        for text in texts:
            assert matches(language, text) == bool(oracle.search(text)), (pattern, text)
