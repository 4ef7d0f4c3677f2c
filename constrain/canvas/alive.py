"""Which tokens are part of a completion: from a chart whose facts are marked, slot by slot."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from constrain.canvas.charts import Chart
from constrain.canvas.lattice import Lattice, Node
from constrain.canvas.spelling import NONE

Ids = npt.NDArray[np.int32]


class Alive:
    """``wanted[i][s]``: the nodes at which what is in state s before slot i shall end, in some completion."""

    def __init__(self, lattice: Lattice, chart: Chart) -> None:
        self.lattice = lattice
        self.facts = _alive_leaves(lattice, chart)
        self.wanted: list[dict[int, int]] = [{} for _ in range(len(lattice.slots) + 1)]
        self._begin()
        for i in range(len(lattice.slots)):
            self._go_on(i)

    def _begin(self) -> None:
        """What terminals leave unfinished where they begin."""
        for (terminal, node), row in self.facts.items():
            slot = self.lattice.nodes[node].slot
            for kind, state in self.lattice.rest(node).opens:
                if kind == terminal:
                    self._want(slot + 1, state, row)

    def _go_on(self, i: int) -> None:
        for state, row in self.wanted[i].items():
            for target in self.lattice.slots[i].states(state):
                self._want(i + 1, target, row)

    def _want(self, slot: int, state: int, row: int) -> None:
        row &= self.lattice.closings[slot].get(state, 0)
        if row:
            self.wanted[slot][state] = self.wanted[slot].get(state, 0) | row

    def tokens(self, slot: int) -> Ids:
        """All ids that may stand in an open slot as text, ascending."""
        found = [np.empty(0, np.int32), *self._in_states(slot), *self._in_contexts(slot)]
        return np.unique(np.concatenate(found))

    def _in_states(self, slot: int) -> Iterator[Ids]:
        """Tokens that go on with, or end, what is unfinished."""
        later = self.lattice.closings[slot + 1]
        for state, row in self.wanted[slot].items():
            choices = self.lattice.spelling.choices(state)
            for effect, tokens in zip(choices.keys, choices.tokens, strict=True):
                goes_on = effect.state != NONE and row & later.get(effect.state, 0)
                if goes_on or any(row >> self.lattice.at(slot, point) & 1 for point in effect.points):
                    yield tokens

    def _in_contexts(self, slot: int) -> Iterator[Ids]:
        """Tokens that begin a terminal."""
        spelling = self.lattice.spelling
        for context in range(len(spelling.contexts)):
            node = self.lattice.number.get(Node(slot, context))
            if node is None:
                continue
            starts = spelling.starts(context)
            for point, tokens in zip(starts.points, starts.tokens, strict=True):
                if self._can_begin(slot, node, point):
                    yield tokens

    def _can_begin(self, slot: int, node: int, point: int) -> bool:
        """Does a token that is at ``point`` when it begins at ``node`` lead to an end that is wanted?"""
        lattice = self.lattice
        rest = lattice.spelling.rest(point)
        later = lattice.closings[slot + 1]
        return any(self.facts.get((t, node), 0) >> lattice.at(slot, p) & 1 for t, p in rest.ends) or any(
            self.facts.get((t, node), 0) & later.get(s, 0) for t, s in rest.opens
        )


def _alive_leaves(lattice: Lattice, chart: Chart) -> dict[tuple[int, int], int]:
    """(terminal, node): the nodes at which it ends in some completion."""
    assert chart.alive is not None
    numbers = chart.numbers[: len(lattice.spelling.normal.terminals)]
    found = {}
    for terminal, node in zip(*np.nonzero(numbers >= 0), strict=True):
        row = chart.alive[numbers[terminal, node]]
        if row.any():
            found[int(terminal), int(node)] = int.from_bytes(row.tobytes(), "little")
    return found
