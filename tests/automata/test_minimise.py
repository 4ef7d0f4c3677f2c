"""Minimal automata: the same language, and no two states that no text tells apart."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from strategies import random_rx

from constrain.automata.chardfa import Table, TableSimulation, explore, minimise
from constrain.automata.leafcode import simulation
from constrain.automata.partition import Partition


def accepts(table: Table, word: tuple[int, ...], start: int = 0) -> bool:
    machine = TableSimulation(table, start)
    state: int | None = start
    for symbol in word:
        state = machine.step(state, symbol) if state is not None else None
    return state is not None and machine.accepts(state)


@pytest.mark.parametrize("seed", range(150))
def test_minimal_automata_accept_the_same_and_have_no_twins(seed: int) -> None:
    rx = random_rx(Random(seed))
    partition = Partition.of(rx, 0x10FFFF)
    table = explore(simulation(rx, partition), partition.alphabet)
    if table is None:
        return
    small = minimise(table)
    size = 3 if len(partition.alphabet) < 6 else 2
    words = [w for n in range(size + 1) for w in itertools.product(partition.alphabet, repeat=n)]
    assert [accepts(small, w) for w in words] == [accepts(table, w) for w in words]
    assert len(small.edges) <= len(table.edges)
    assert minimise(small) == small
