"""Which symbols lie where: the closure of a grammar over a lattice, and what of it belongs to a whole text.

A *lattice* is a set of nodes in an order that all text follows, and for each terminal the pairs of nodes between which
it can lie. ``inside`` adds the pairs of all other symbols (Bar-Hillel, Perles and Shamir 1961); ``outside`` keeps
those that are part of a text from a start node to an end node. Sets of nodes are rows of bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from constrain.canvas.symbols import Normal
from constrain.kernels.chart import NO_ROW, close_inside, close_outside

Row = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.int32]


def row_of(nodes: Iterable[int], words: int) -> Row:
    """(words,) int32: a row with the bits of ``nodes``, the lowest first."""
    bits = np.zeros(32 * words, np.uint8)
    bits[list(nodes)] = 1
    return np.packbits(bits, bitorder="little").view(np.int32)


def nodes_of(row: Row) -> list[int]:
    """The nodes of a row, ascending."""
    found: list[int] = np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little")).tolist()
    return found


class Rules:
    """The rules of a normal form as arrays, by child and by parent (built once for a grammar)."""

    def __init__(self, normal: Normal) -> None:
        self.symbols = normal.symbols
        self.start = normal.start
        self.unit_of = _grouped(normal.symbols, [(b, (a,)) for a, b in normal.units])
        self.left_of = _grouped(normal.symbols, [(b, (a, c)) for a, b, c in normal.pairs])
        self.right_of = _grouped(normal.symbols, [(c, (a, b)) for a, b, c in normal.pairs])
        self.units = _grouped(normal.symbols, [(a, (b,)) for a, b in normal.units])
        self.pairs = _grouped(normal.symbols, [(a, (b, c)) for a, b, c in normal.pairs])


@dataclass
class Chart:
    """``row(x, v)``: the nodes at which ``x`` can end when it begins at node ``v``."""

    rules: Rules
    nodes: int
    numbers: Numbers  # (symbols, nodes): the number of a row, NO_ROW for none
    rows: Row  # (rows, words)
    alive: Row | None = None  # (rows, words), after outside()

    def row(self, symbol: int, node: int) -> Row | None:
        """(words,) int32; ``None`` for no node at all."""
        number = int(self.numbers[symbol, node])
        if number == NO_ROW:
            return None
        found: Row = self.rows[number]
        return found

    def has(self, symbol: int, begin: int, end: int) -> bool:
        """Can ``symbol`` lie between these nodes?"""
        number = int(self.numbers[symbol, begin])
        return number != NO_ROW and bool(self.rows[number, end >> 5] >> (end & 31) & 1)

    def alive_row(self, symbol: int, node: int) -> Row | None:
        """Those ends that are part of a whole text."""
        number = int(self.numbers[symbol, node])
        if number == NO_ROW or self.alive is None or not self.alive[number].any():
            return None
        return self.alive[number]  # type: ignore[no-any-return]


def inside(rules: Rules, nodes: int, leaves: Mapping[tuple[int, int], Row]) -> Chart:
    """The chart of a lattice. ``leaves[t, v]``: the nodes at which terminal ``t`` can end when it begins at ``v``.

    Nodes are numbered in the order of the text: an end is never before its begin, and at it only where a node stands
    for a gap of any length.
    """
    words = words_for(nodes)
    numbers = np.full((rules.symbols, nodes), NO_ROW, np.int32)
    rows = np.zeros((max(2 * len(leaves), 64), words), np.int32)
    for number, ((terminal, node), row) in enumerate(leaves.items()):
        numbers[terminal, node] = number
        rows[number] = row
    return close(rules, numbers, rows, len(leaves))


def close(rules: Rules, numbers: Numbers, rows: Row, used: int) -> Chart:
    """``inside``, where the rows of terminals are there already: ``numbers`` (symbols, nodes), the first ``used`` of
    ``rows`` (room, words). Both are overwritten; all other rows have to be zero."""
    nodes, words = numbers.shape[1], rows.shape[1]
    state = np.array([nodes - 1, used, len(rows)], np.int64)
    scratch = _scratch(rules.symbols, words)
    while close_inside(nodes, words, rules.symbols, *rules.unit_of, *rules.left_of, *rules.right_of,
                       numbers.reshape(-1), rows.reshape(-1), *scratch, state):  # fmt: skip
        rows = np.vstack((rows, np.zeros_like(rows)))
        state[2] = len(rows)
    return Chart(rules, nodes, numbers, rows)


def outside(chart: Chart, starts: Iterable[int], ends: Row) -> bool:
    """Mark what is part of a text from one of ``starts`` to one of ``ends``; is there one?"""
    rules, words = chart.rules, chart.rows.shape[1]
    chart.alive = alive = np.zeros_like(chart.rows)
    for node in starts:
        number = int(chart.numbers[rules.start, node])
        if number != NO_ROW:
            alive[number] = chart.rows[number] & ends
    if not alive.any():
        return False
    close_outside(chart.nodes, words, rules.symbols, *rules.units, *rules.pairs, chart.numbers.reshape(-1),
                  chart.rows.reshape(-1), alive.reshape(-1), *_scratch(rules.symbols, words))  # fmt: skip
    return True


def words_for(nodes: int) -> int:
    """Words of a row."""
    return nodes + 31 >> 5


def _scratch(symbols: int, words: int) -> tuple[Row, Row, Row, Row]:
    return (
        np.zeros(words, np.int32),
        np.zeros(symbols * words, np.int32),
        np.zeros(symbols, np.int32),
        np.zeros(symbols + 1, np.int32),
    )


def _grouped(symbols: int, items: list[tuple[int, tuple[int, ...]]]) -> tuple[Numbers, Numbers]:
    """(first, values): the values of key k are ``values[first[k]:first[k + 1]]``, each flattened."""
    items = sorted(items)
    width = len(items[0][1]) if items else 1
    counts = np.bincount([key for key, _ in items], minlength=symbols) if items else np.zeros(symbols, np.int64)
    first = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    values = np.array([value for _, value in items], np.int32).reshape(len(items), width)
    return first, np.ascontiguousarray(values.ravel()) if len(items) else np.zeros(1, np.int32)
