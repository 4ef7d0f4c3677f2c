"""The shipped grammars, on the cases that stand beside them: by Lark, which defines them, and by the engine."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path

import lark
import pytest

import constrain
from constrain.testing import byte_vocabulary

FOLDER = Path(__file__).parents[1] / "grammars"
HEADER = "// constrain: "  # says how Lark reads a file, where that is not as these tests do: such files have their own
NAMES = sorted(path.stem for path in FOLDER.glob("*.lark") if not path.read_text("utf-8").startswith(HEADER))
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "e": ""}


def unescape(line: str) -> str:
    """The text that a line of a case file stands for (see grammars/README.md)."""
    return re.sub(r"\\(?:x([0-9a-f]{2})|(.))", lambda m: chr(int(m[1], 16)) if m[1] else ESCAPES[m[2]], line)


def cases(name: str, kind: str) -> list[str]:
    lines = (FOLDER / f"{name}.{kind}.txt").read_text(encoding="utf-8").split("\n")
    return [unescape(line) for line in lines if line]


ALL = [(name, kind, text) for name in NAMES for kind in ("accept", "reject") for text in cases(name, kind)]


@cache
def parser(name: str, kind: str) -> lark.Lark:
    """``strict`` makes Lark prove with interegular that no two terminals of one context collide."""
    options = {"strict": True} if kind == "lalr" else {}
    return lark.Lark((FOLDER / f"{name}.lark").read_text(encoding="utf-8"), parser=kind, **options)


@cache
def automaton(name: str) -> object:
    return constrain.compile(constrain.lark(FOLDER / f"{name}.lark"), byte_vocabulary())


def test_every_grammar_has_cases_of_both_kinds() -> None:
    assert NAMES == ["arithmetic", "csv", "iso_date", "json"]
    for name in NAMES:
        assert len(cases(name, "accept")) >= 10 and len(cases(name, "reject")) >= 10


def test_every_day_of_the_calendar_and_no_other() -> None:
    dates = parser("iso_date", "lalr")
    for year in (0, 1, 4, 100, 400, 1900, 2000, 2023, 2024, 9999):
        for month, day in product(range(14), range(33)):
            text = f"{year:04}-{month:02}-{day:02}"
            assert _parses(dates, text) == _is_date(text), text


def _parses(grammar: lark.Lark, text: str) -> bool:
    try:
        grammar.parse(text)
    except lark.exceptions.UnexpectedInput:
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
@pytest.mark.parametrize(("name", "expected", "text"), ALL)
def test_lark_agrees(name: str, expected: str, text: str, kind: str) -> None:
    if expected == "accept":
        parser(name, kind).parse(text)
    else:
        with pytest.raises(lark.exceptions.UnexpectedInput):
            parser(name, kind).parse(text)


@pytest.mark.parametrize(("name", "expected", "text"), ALL)
def test_engine_agrees(name: str, expected: str, text: str) -> None:
    engine = automaton(name)
    state = engine.advance_bytes(engine.start(), text.encode())
    assert (state is not None and engine.is_accepting(state)) == (expected == "accept")
