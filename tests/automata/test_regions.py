"""Regions of several expressions: each string lies in exactly one, the one that lists what matches it."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.automata import regions as module
from constrain.automata.regions import regions
from constrain.errors import LimitExceeded
from constrain.frontends.json_schema.matching import matches
from constrain.frontends.regex import regex_to_rx
from constrain.ir.rx import ANY_CHAR, NOTHING, repeat

PATTERNS = ["^a", "b$", "^(ab|ba)$", "c", "^[^a]*$", "^a{1,2}$", "^$", "(aa)+", "^.{2}$"]
WORDS = ["".join(w) for n in range(5) for w in itertools.product("abc", repeat=n)] + ["é", "aé", "\U0001f600b"]


def search(pattern: str) -> object:
    return regex_to_rx(pattern, dialect="ecma", search=True)


@given(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=4, unique=True))
def test_every_string_is_in_the_region_of_what_matches_it(patterns: list[str]) -> None:
    found = regions(tuple(search(p) for p in patterns))
    assert len({matched for matched, _ in found}) == len(found)
    for word in WORDS:
        wanted = frozenset(i for i, p in enumerate(patterns) if re.search(p.replace("$", r"\Z"), word))
        assert [matched for matched, rx in found if matches(rx, word)] == [wanted]


def test_empty_regions_are_left_out() -> None:
    both = regions((search("^a"), search("^b")))
    assert {matched for matched, _ in both} == {frozenset(), frozenset({0}), frozenset({1})}
    everything = repeat(ANY_CHAR, 0, None)
    assert {matched for matched, _ in regions((everything,))} == {frozenset({0})}
    assert {matched for matched, _ in regions((NOTHING, everything))} == {frozenset({1})}


def test_a_product_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STATES", 50)
    with pytest.raises(LimitExceeded, match="patterns of keys"):
        regions((search("a.{7}$"), search("b.{6}$")))
