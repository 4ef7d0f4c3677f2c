"""The shipped grammars, on the cases that stand beside them, by Lark, which defines them.

The engine is asked by the plug-in of pytest that comes with the package: ``constrain_grammars`` in pyproject.toml.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import product

import pytest
from shipped_grammars import NAMES, cases, options, parser, parses

ALL = [(name, kind, text) for name in NAMES for kind in ("accept", "reject") for text in cases(name, kind)]
SLOW = ("sqlite",)  # has tests of its own
WITH_LEXER = [case for case in ALL if options(case[0]) and case[0] not in SLOW]
WITHOUT_LEXER = [case for case in ALL if not options(case[0])]


def test_every_grammar_has_cases_of_both_kinds() -> None:
    assert {"arithmetic", "csv", "email", "iso_date", "iso_datetime", "json"} <= set(NAMES)
    assert {"cpp", "python", "smiles", "xml"} <= set(NAMES)
    for name in NAMES:
        assert len(cases(name, "accept")) >= 10 and len(cases(name, "reject")) >= 10


def test_every_day_of_the_calendar_and_no_other() -> None:
    dates = parser("iso_date", "lalr")
    for year in (0, 1, 4, 100, 400, 1900, 2000, 2023, 2024, 9999):
        for month, day in product(range(14), range(33)):
            text = f"{year:04}-{month:02}-{day:02}"
            assert parses(dates, text) == _is_date(text), text


def test_every_leap_second_is_the_end_of_a_half_year_in_utc() -> None:
    """Python's ``datetime`` knows no second 60, so the one before it says where the text is in UTC."""
    instants, accepted = parser("iso_datetime", "lalr"), 0
    offsets = [f"{sign}{hour:02}:00" for sign in "+-" for hour in range(24)]
    for day, hour, offset in product(("06-29", "06-30", "07-01", "12-31", "01-01", "01-02"), range(24), offsets):
        before = datetime.fromisoformat(f"2020-{day}T{hour:02}:59:59{offset}").astimezone(UTC)
        expected = (before.month, before.day, before.hour) in {(6, 30, 23), (12, 31, 23)}
        assert parses(instants, f"2020-{day}T{hour:02}:59:60{offset}") == expected, (day, hour, offset)
        accepted += expected
    assert accepted == 2 * len(offsets)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("kind", ["lalr", "earley"])
@pytest.mark.parametrize(("name", "expected", "text"), WITHOUT_LEXER)
def test_lark_agrees(name: str, expected: str, text: str, kind: str) -> None:
    assert parses(parser(name, kind), text) == (expected == "accept")


@pytest.mark.parametrize(("name", "expected", "text"), WITH_LEXER)
def test_lark_agrees_with_the_options_of_the_first_line(name: str, expected: str, text: str) -> None:
    assert parses(parser(name), text) == (expected == "accept")
