"""A derivation out of a chart, and the tokens that spell it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from constrain.canvas.charts import Chart
from constrain.canvas.lattice import Lattice
from constrain.canvas.spelling import NONE, Effect, Rest
from constrain.canvas.ways import BLANK
from constrain.kernels.chart import derive


class Leaf(NamedTuple):
    """A terminal between two nodes."""

    terminal: int
    begin: int
    end: int


class Need(NamedTuple):
    """What the token of a slot has to do, from what is before it: the state of an unfinished terminal or, between
    terminals (``state`` is NONE), the beginning of ``terminal`` in ``context``. It leads to the state ``target`` or, if
    that is NONE, ends the terminal at ``point``; what comes behind the point is what the point stands for."""

    state: int
    context: int
    terminal: int
    target: int
    point: int

    def is_met_by(self, effect: Effect) -> bool:
        """Does a token do it that has this effect in the state?"""
        return effect.state == self.target if self.target != NONE else self.point in effect.points

    def is_begun_by(self, rest: Rest) -> bool:
        """Does a token do it that does this in the context?"""
        if self.target != NONE:
            return (self.terminal, self.target) in rest.opens
        return (self.terminal, self.point) in rest.ends


def derivation(chart: Chart, terminals: int, begin: int, end: int) -> list[Leaf]:
    """The leaves of some derivation of the start symbol between two nodes, in the order of the text."""
    rules, words = chart.rules, chart.rows.shape[1]
    leaves = np.zeros((chart.nodes, 3), np.int32)
    scratch = (np.zeros(3 * chart.nodes + 3, np.int32), np.zeros(rules.symbols, np.int32),
               np.zeros(rules.symbols, np.int32), np.zeros(3, np.int32))  # fmt: skip
    count = derive(chart.nodes, words, terminals, rules.start, begin, end, *rules.units, *rules.pairs,
                   chart.numbers.reshape(-1), chart.rows.reshape(-1), *scratch, leaves.reshape(-1))  # fmt: skip
    if count < 0:
        raise AssertionError("a chart holds only what has a derivation")
    return [Leaf(*leaf) for leaf in leaves[:count].tolist()]


def needs(lattice: Lattice, begin: int, leaves: list[Leaf], length: int) -> list[Need]:
    """(length,) what each of the first ``length`` slots has to do so that the leaves are spelled one after another.

    ``begin``: where the first leaf begins, behind blanks perhaps.
    """
    found: dict[int, Need] = {}
    steps = [(BLANK, 0, begin), *leaves]
    for terminal, node, end in steps:
        symbol = terminal
        while node != end:
            node = _follow(lattice, symbol, node, end, found)
            symbol = BLANK  # what is left is skipped
    if len(found) != length:
        raise AssertionError("leaves follow one another")
    return [found[slot] for slot in range(length)]


def _follow(lattice: Lattice, symbol: int, node: int, end: int, found: dict[int, Need]) -> int:
    """Read one ``symbol`` from a node, towards ``end``; where it ends."""
    slot, begun = lattice.nodes[node]
    target, point = _first_step(lattice, symbol, node, end)
    if lattice.spelling.is_context(begun):
        found[slot] = Need(NONE, begun, symbol, target, point)
    while target != NONE:
        slot, state = slot + 1, target
        target, point = _step(lattice, slot, state, end)
        found[slot] = Need(state, NONE, symbol, target, point)
    return lattice.at(slot, point)


def _first_step(lattice: Lattice, symbol: int, node: int, end: int) -> tuple[int, int]:
    """How a symbol leaves the node where it begins: (state behind the token, NONE), or (NONE, point of its end)."""
    slot, _ = lattice.nodes[node]
    rest = lattice.rest(node)
    for kind, point in rest.ends:
        if kind == symbol and lattice.ends[lattice.at(slot, point)] >> end & 1:
            return NONE, point
    later = lattice.closings[slot + 1]
    return next(s for kind, s in rest.opens if kind == symbol and later.get(s, 0) >> end & 1), NONE


def _step(lattice: Lattice, slot: int, state: int, end: int) -> tuple[int, int]:
    """How the token of a slot goes on in a state, towards an end."""
    for point in lattice.slots[slot].points(state):
        if lattice.ends[lattice.at(slot, point)] >> end & 1:
            return NONE, point
    later = lattice.closings[slot + 1]
    return next(s for s in lattice.slots[slot].states(state) if later.get(s, 0) >> end & 1), NONE
