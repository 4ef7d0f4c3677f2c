"""The shipped grammars, on the cases that stand beside them: by Lark, which defines them, and by the engine."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import lark
import pytest
from lark.indenter import DedentError, PythonIndenter

import constrain
from constrain.testing import byte_vocabulary

FOLDER = Path(__file__).parents[1] / "grammars"
NAMES = sorted(path.stem for path in FOLDER.glob("*.lark"))
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "e": ""}


def unescape(line: str) -> str:
    """The text that a line of a case file stands for (see grammars/README.md)."""
    return re.sub(r"\\(?:x([0-9a-f]{2})|(.))", lambda m: chr(int(m[1], 16)) if m[1] else ESCAPES[m[2]], line)


def cases(name: str, kind: str) -> list[str]:
    lines = (FOLDER / f"{name}.{kind}.txt").read_text(encoding="utf-8").split("\n")
    return [unescape(line) for line in lines if line]


def source(name: str) -> str:
    return (FOLDER / f"{name}.lark").read_text(encoding="utf-8")


def options(name: str) -> dict[str, Any]:
    """What the first line says of how Lark reads the file: ``// constrain: parser=earley lexer=basic``, or nothing."""
    first = re.match(r"// constrain:(.*)", source(name))
    given: dict[str, Any] = dict(word.split("=") for word in first[1].split()) if first else {}
    if "postlex" in given:
        given["postlex"] = {"python": PythonIndenter}[given["postlex"]]()
    return given


OPTIONS = {name: options(name) for name in NAMES}
ALL = [(name, kind, text) for name in NAMES for kind in ("accept", "reject") for text in cases(name, kind)]
WITH_LEXER = [case for case in ALL if OPTIONS[case[0]]]
WITHOUT_LEXER = [case for case in ALL if not OPTIONS[case[0]]]


@cache
def parser(name: str, kind: str) -> lark.Lark:
    """``strict`` makes Lark prove with interegular that no two terminals of one context collide."""
    return lark.Lark(source(name), parser=kind, strict=kind == "lalr")


@cache
def parser_of_options(name: str) -> lark.Lark:
    return lark.Lark(source(name), **OPTIONS[name])


@cache
def automaton(name: str) -> object:
    return constrain.compile(constrain.lark(FOLDER / f"{name}.lark"), byte_vocabulary())


def test_every_grammar_has_cases_of_both_kinds() -> None:
    assert {"arithmetic", "cpp", "csv", "email", "iso_date", "iso_datetime", "json", "smiles", "xml"} <= set(NAMES)
    for name in NAMES:
        assert len(cases(name, "accept")) >= 10 and len(cases(name, "reject")) >= 10


def test_every_day_of_the_calendar_and_no_other() -> None:
    dates = parser("iso_date", "lalr")
    for year in (0, 1, 4, 100, 400, 1900, 2000, 2023, 2024, 9999):
        for month, day in product(range(14), range(33)):
            text = f"{year:04}-{month:02}-{day:02}"
            assert _parses(dates, text) == _is_date(text), text


def test_every_leap_second_is_the_end_of_a_half_year_in_utc() -> None:
    """Python's ``datetime`` knows no second 60, so the one before it says where the text is in UTC."""
    instants, accepted = parser("iso_datetime", "lalr"), 0
    offsets = [f"{sign}{hour:02}:00" for sign in "+-" for hour in range(24)]
    for day, hour, offset in product(("06-29", "06-30", "07-01", "12-31", "01-01", "01-02"), range(24), offsets):
        before = datetime.fromisoformat(f"2020-{day}T{hour:02}:59:59{offset}").astimezone(UTC)
        expected = (before.month, before.day, before.hour) in {(6, 30, 23), (12, 31, 23)}
        assert _parses(instants, f"2020-{day}T{hour:02}:59:60{offset}") == expected, (day, hour, offset)
        accepted += expected
    assert accepted == 2 * len(offsets)


def _parses(grammar: lark.Lark, text: str) -> bool:
    try:
        grammar.parse(text)
    except (lark.exceptions.UnexpectedInput, DedentError):
        return False
    return True


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def test_escapes() -> None:
    assert unescape(r"a\nb\\n\x41\e") == "a\nb\\nA"


@pytest.mark.parametrize("kind", ["lalr", "earley"])
@pytest.mark.parametrize(("name", "expected", "text"), WITHOUT_LEXER)
def test_lark_agrees(name: str, expected: str, text: str, kind: str) -> None:
    assert _parses(parser(name, kind), text) == (expected == "accept")


@pytest.mark.parametrize(("name", "expected", "text"), WITH_LEXER)
def test_lark_agrees_with_the_options_of_the_first_line(name: str, expected: str, text: str) -> None:
    assert _parses(parser_of_options(name), text) == (expected == "accept")


@pytest.mark.parametrize(("name", "expected", "text"), WITHOUT_LEXER)
def test_engine_agrees(name: str, expected: str, text: str) -> None:
    engine = automaton(name)
    state = engine.advance_bytes(engine.start(), text.encode())
    assert (state is not None and engine.is_accepting(state)) == (expected == "accept")
