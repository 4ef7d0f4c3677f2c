"""Derivatives by ranges, against the twin's derivatives by single symbols."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from naive import rx as naive
from strategies import SYMBOLS, expressions

from constrain.errors import LimitExceeded
from constrain.ir import rx
from constrain.ir.derivative import SymbolDfa, alphabet, classes, derive, is_empty, symbol_dfa
from constrain.ir.rx import Rx

EVERY = alphabet("utf8")
PROBES = [*map(ord, SYMBOLS), 0, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0x10000, 0x10FFFF]


def run(dfa: SymbolDfa, symbols: list[int]) -> bool:
    state: int | None = 0
    for symbol in symbols:
        assert state is not None
        state = next((t for low, high, t in dfa.edges[state] if low <= symbol <= high), None)
        if state is None:
            return False
    return dfa.accepting[state]


@given(expressions())
@settings(max_examples=150)
def test_automaton_accepts_what_derivatives_match(expr: Rx) -> None:
    dfa = symbol_dfa(expr, EVERY)
    for n in range(4):
        for symbols in itertools.product([97, 98, 0xE9, 34], repeat=n):
            assert run(dfa, list(symbols)) == naive.nullable(naive.derive_all(expr, list(symbols)))


@given(expressions())
@settings(max_examples=150)
def test_classes_partition_and_do_not_matter(expr: Rx) -> None:
    pieces = classes(expr, EVERY)
    assert rx.merge_ranges(pieces) == EVERY
    assert sum(high - low + 1 for low, high in pieces) == sum(high - low + 1 for low, high in EVERY)
    for low, high in pieces:
        for symbol in (p for p in (*PROBES, high) if low <= p <= high):
            assert derive(expr, symbol) == derive(expr, low)


@pytest.mark.parametrize("encoding", ["utf8", "bytes", "json"])
@given(expr=expressions())
@settings(max_examples=80)
def test_emptiness(encoding: str, expr: Rx) -> None:
    assert is_empty(expr, alphabet(encoding)) != naive.inhabited(expr, 0, None, naive.ALPHABETS[encoding])


def test_known_emptiness() -> None:
    a, b = rx.literal("a"), rx.literal("b")
    assert is_empty(a & b, EVERY)
    assert is_empty(rx.repeat(a, 1, None) - rx.repeat(a, 0, None), EVERY)
    assert not is_empty(~(a | b), EVERY)
    assert is_empty(rx.chars(((256, 400),)), alphabet("bytes"))
    assert is_empty(~rx.repeat(rx.ANY_CHAR, 0, None), EVERY)


def test_too_many_states_is_an_error_with_numbers() -> None:
    tail = rx.concat((rx.repeat(rx.ANY_CHAR, 0, None), rx.literal("a"), rx.repeat(rx.ANY_CHAR, 14, 14)))
    with pytest.raises(LimitExceeded) as caught:
        symbol_dfa(tail, EVERY, limit=200)
    assert caught.value.limit == 200 and caught.value.given > 200
