"""The partition of all strings by which of several expressions they match: one product automaton for all regions.

The product of the expressions' automata is explored once; each set of expressions that some string matches, and no
others, is a region: the same automaton with other final states. (As complements and intersections, n expressions
would need 2^n explorations to tell which of them are empty.)
"""

from __future__ import annotations

from functools import lru_cache

from constrain.automata.chardfa import Table, explore
from constrain.automata.leafcode import simulation
from constrain.automata.partition import Partition
from constrain.errors import LimitExceeded
from constrain.ir.rx import MAX_CODE_POINT, NOTHING, And, Rx, graph

MAX_STATES = 20_000  # of the product
Region = tuple[frozenset[int], Rx]  # positions of the expressions that match, and the strings


@lru_cache(maxsize=1024)
def regions(expressions: tuple[Rx, ...]) -> tuple[Region, ...]:
    """The non-empty regions; their union is every string. Raises ``LimitExceeded`` for a product that is too large."""
    partition = Partition.of(And(expressions), MAX_CODE_POINT)
    tables = [explore(simulation(rx, partition), partition.alphabet) for rx in expressions]
    states, rows = _product([table for table in tables if table is not None], partition.alphabet)
    place = [i for i, table in enumerate(tables) if table is not None]
    accepting = [table.accepting for table in tables if table is not None]
    finals: dict[frozenset[int], list[int]] = {}
    for number, state in enumerate(states):
        matched = frozenset(
            place[i] for i, inner in enumerate(state) if inner is not None and accepting[i][inner]
        )  # fmt: skip
        finals.setdefault(matched, []).append(number)
    runs = _runs(partition, MAX_CODE_POINT)
    edges = [[(low, high, row[kind]) for low, high, kind in runs] for row in rows]
    return tuple((matched, graph(edges, ends)) for matched, ends in finals.items())


@lru_cache(maxsize=1024)
def determinise(rx: Rx, top: int) -> Rx:
    """The same language over symbols 0..``top`` as a ``Graph`` that starts at 0 (or ``NOTHING``)."""
    partition = Partition.of(rx, top)
    table = explore(simulation(rx, partition), partition.alphabet)
    if table is None:
        return NOTHING
    runs = _runs(partition, top)
    rows = [{kind: target for target, kinds in row for kind in kinds} for row in table.edges]
    edges = [[(low, high, row[kind]) for low, high, kind in runs if kind in row] for row in rows]
    return graph(edges, [state for state, accepts in enumerate(table.accepting) if accepts])


State = tuple[int | None, ...]


def _product(tables: list[Table], alphabet: tuple[int, ...]) -> tuple[list[State], list[dict[int, int]]]:
    """All states reachable together (``None``: that automaton is dead) and their successors by class of symbols."""
    targets = [[{kind: t for t, kinds in row for kind in kinds} for row in table.edges] for table in tables]
    start: State = tuple(0 for _ in tables)
    numbers, order, rows = {start: 0}, [start], []
    for state in order:  # grows while we walk it
        row = {}
        for kind in alphabet:
            after = tuple(
                None if inner is None else targets[i][inner].get(kind) for i, inner in enumerate(state)
            )  # fmt: skip
            number = numbers.setdefault(after, len(order))
            if number == len(order):
                if number >= MAX_STATES:
                    raise LimitExceeded("states of patterns of keys together", number, MAX_STATES)
                order.append(after)
            row[kind] = number
        rows.append(row)
    return order, rows


def _runs(partition: Partition, top: int) -> list[tuple[int, int, int]]:
    """(first symbol, last symbol, class) for all symbols that can occur."""
    ends = [cut - 1 for cut in partition.cuts[1:]] + [top]
    known = set(partition.alphabet)
    runs = zip(partition.cuts, ends, partition.classes, strict=True)
    return [(low, high, kind) for low, high, kind in runs if kind in known]
