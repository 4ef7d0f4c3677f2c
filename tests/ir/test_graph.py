"""Graphs: what the constructor keeps, and that every way of reading them agrees with running the automaton."""

from __future__ import annotations

import itertools
import re
from random import Random

import pytest
from hypothesis import given, settings
from naive import rx as naive
from strategies import random_automaton, randoms

import constrain
from constrain.errors import GrammarError
from constrain.ir.derivative import alphabet, derive, is_empty
from constrain.ir.grammar import Grammar, Terminal, show_rx
from constrain.ir.rx import (
    EPSILON,
    NOTHING,
    Edge,
    Graph,
    Rx,
    complement,
    concat,
    graph,
    is_nullable,
    literal,
    repeat,
    union,
)
from constrain.testing import byte_vocabulary

BYTES = byte_vocabulary()
TEXTS = [text for n in range(5) for text in itertools.product(map(ord, 'abé"'), repeat=n)]
ENDS_IN_AB = [[(98, 98, 0), (97, 97, 1)], [(97, 97, 1), (98, 98, 2)], [(97, 97, 1), (98, 98, 0)]]


def runs(edges: list[list[Edge]], finals: set[int], start: int, symbols: tuple[int, ...]) -> bool:
    """The definition."""
    state = start
    for symbol in symbols:
        targets = [target for low, high, target in edges[state] if low <= symbol <= high]
        if not targets:
            return False
        (state,) = targets
    return state in finals


def accepts(rx: Rx, symbols: tuple[int, ...]) -> bool:
    for symbol in symbols:
        rx = derive(rx, symbol)
    return is_nullable(rx)


@given(randoms())
@settings(max_examples=300)
def test_the_language_is_kept(rng: Random) -> None:
    edges, finals, start = random_automaton(rng)
    rx = graph(edges, finals, start)
    for text in TEXTS:
        expected = runs(edges, finals, start, text)
        assert accepts(rx, text) == naive.nullable(naive.derive_all(rx, list(text))) == expected
    if rx == NOTHING:
        assert not finals or not any(runs(edges, finals, start, text) for text in TEXTS)
    else:
        assert isinstance(rx, Graph) or rx == EPSILON


@given(randoms())
@settings(max_examples=300)
def test_what_is_kept_is_trim(rng: Random) -> None:
    rx = graph(*random_automaton(rng))
    if isinstance(rx, Graph):
        reached = {0: None}
        for state in (states := [0]):
            fresh = [target for _, _, target in rx.edges[state] if target not in reached]
            states += dict.fromkeys(fresh)
            reached |= dict.fromkeys(fresh)
        assert states == list(range(len(rx.edges)))  # numbered breadth-first
        for state, row in enumerate(rx.edges):
            assert graph(rx.edges, rx.finals, state) != NOTHING
            assert all(
                high < low and (high + 1 < low or t != u) for (_, high, t), (low, _, u) in itertools.pairwise(row)
            )
        assert graph(rx.edges, rx.finals, rx.start) == rx
        assert hash(graph(rx.edges, rx.finals, rx.start)) == hash(rx)


@given(randoms())
@settings(max_examples=60)
@pytest.mark.parametrize("form", ["alone", "repeated", "complement", "less"])
def test_the_engine_reads_graphs(form: str, rng: Random) -> None:
    rx = graph(*random_automaton(rng))
    rx = {
        "alone": rx,
        "repeated": repeat(rx, 1, 2),
        "complement": complement(rx),
        "less": union((concat((rx, literal("a"))), literal("bb"))) - literal("ba"),
    }[form]
    empty = is_empty(rx, alphabet("utf8"))
    try:
        automaton = constrain.compile(Grammar("s", {"s": Terminal(rx)}), BYTES)
    except GrammarError:
        assert empty
        return
    assert not empty
    for text in TEXTS:
        state: int | None = automaton.start()
        for byte in "".join(map(chr, text)).encode():
            state = None if state is None else automaton.advance(state, byte)
        found = state is not None and automaton.is_accepting(state)
        assert found == naive.nullable(naive.derive_all(rx, list(text)))


def test_a_known_graph() -> None:
    rx = graph(ENDS_IN_AB, {2})
    assert show_rx(rx) == "<automaton of 3 states>"
    for text in ("".join(t) for n in range(7) for t in itertools.product("abc", repeat=n)):
        assert accepts(rx, tuple(map(ord, text))) == (re.fullmatch("[ab]*ab", text) is not None)
    assert rx != graph(ENDS_IN_AB, {1}) and rx == graph([*ENDS_IN_AB, [(1, 2, 0)], []], {2, 4})
    assert derive(derive(rx, 97), 98) == Graph(rx.edges, rx.finals, 2, rx.digest)


def test_ranges_of_one_target_are_joined() -> None:
    rx = graph([[(98, 99, 1), (97, 97, 2), (100, 100, 1), (102, 102, 1)], [], [(0, 9, 2)]], {1})
    assert isinstance(rx, Graph) and rx.edges == (((98, 100, 1), (102, 102, 1)), ())


def test_the_empty_text_and_nothing() -> None:
    assert graph([[(97, 97, 1)], []], {0}) == EPSILON
    assert graph([[(97, 97, 1)], [(97, 97, 0)]], ()) == NOTHING
    assert graph([[(97, 97, 0)], []], {1}) == NOTHING


@pytest.mark.parametrize("row", [[(97, 99, 0), (99, 99, 1)], [(99, 98, 1)], [(97, 97, 1), (97, 97, 1)], [(-2, -1, 1)]])
def test_ranges_that_overlap_or_are_empty(row: list[Edge]) -> None:
    with pytest.raises(ValueError, match="state 0 has a bad range"):
        graph([row, []], {0, 1})
