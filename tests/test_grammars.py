"""The shipped grammars, on the cases that stand beside them, by Lark, which defines them.

The engine is asked by the plug-in of pytest that comes with the package: ``constrain_grammars`` in pyproject.toml."""

from __future__ import annotations

from datetime import date
from functools import cache
from itertools import product
from pathlib import Path

import lark
import pytest

from constrain.testing import read_cases

FOLDER = Path(__file__).parents[1] / "grammars"
NAMES = sorted(path.stem for path in FOLDER.glob("*.lark"))


def cases(name: str, kind: str) -> list[str]:
    return [case.text for case in read_cases(FOLDER / f"{name}.{kind}.txt")]


ALL = [(name, kind, text) for name in NAMES for kind in ("accept", "reject") for text in cases(name, kind)]


@cache
def parser(name: str, kind: str) -> lark.Lark:
    """``strict`` makes Lark prove with interegular that no two terminals of one context collide."""
    options = {"strict": True} if kind == "lalr" else {}
    return lark.Lark((FOLDER / f"{name}.lark").read_text(encoding="utf-8"), parser=kind, **options)


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


@pytest.mark.parametrize("kind", ["lalr", "earley"])
@pytest.mark.parametrize(("name", "expected", "text"), ALL)
def test_lark_agrees(name: str, expected: str, text: str, kind: str) -> None:
    if expected == "accept":
        parser(name, kind).parse(text)
    else:
        with pytest.raises(lark.exceptions.UnexpectedInput):
            parser(name, kind).parse(text)
