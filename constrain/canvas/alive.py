"""Which tokens are part of a completion: from a chart whose facts are marked, slot by slot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from constrain.canvas.charts import Chart
from constrain.canvas.lattice import Lattice, Node
from constrain.canvas.spelling import NONE, Rest
from constrain.canvas.ways import BLANK

Ids = npt.NDArray[np.int32]


class Alive:
    """What some completion uses. Sets of nodes as in ``Lattice``:

    ``wanted[i][s]``  where one shall be behind what is in state s before slot i
    ``facts[t, v]``   where one shall be behind terminal t that begins at node v; for BLANK, blanks that begin there
    """

    def __init__(self, lattice: Lattice, chart: Chart, starts: Iterable[int]) -> None:
        """``starts``: nodes where some completion begins."""
        self.lattice = lattice
        self.facts = _alive_leaves(lattice, chart)
        self.wanted: list[dict[int, int]] = [{} for _ in range(len(lattice.slots) + 1)]
        self.facts[BLANK, 0] = sum(1 << node for node in starts)
        symbols: dict[int, list[int]] = {}
        for symbol, node in self.facts:
            symbols.setdefault(node, []).append(symbol)
        node = 0
        for i in range(len(lattice.slots)):
            self._go_on(i)
            while node < len(lattice.nodes) and lattice.nodes[node].slot == i:
                for symbol in {BLANK, *symbols.get(node, ())}:
                    self._begin(i, symbol, node)
                node += 1

    def _begin(self, i: int, symbol: int, node: int) -> None:
        """What begins at a node."""
        row = self.facts.get((symbol, node), 0)
        if not row:
            return
        rest = self.lattice.rest(node)
        for kind, point in rest.ends:
            if kind == symbol:
                self._end(i, point, row)
        for kind, state in rest.opens:
            if kind == symbol:
                self._want(i + 1, state, row)

    def _go_on(self, i: int) -> None:
        """What is unfinished before a slot."""
        for state, row in self.wanted[i].items():
            for point in self.lattice.slots[i].points(state):
                self._end(i, point, row)
            for target in self.lattice.slots[i].states(state):
                self._want(i + 1, target, row)

    def _end(self, slot: int, point: int, row: int) -> None:
        """Something ends at a point; blanks lead on."""
        node = self.lattice.at(slot, point)
        row &= self.lattice.ends[node]
        if row:
            self.facts[BLANK, node] = self.facts.get((BLANK, node), 0) | row

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
        lattice = self.lattice
        later = lattice.closings[slot + 1]
        for state, row in self.wanted[slot].items():
            choices = lattice.spelling.choices(state)
            for effect, tokens in zip(choices.keys, choices.tokens, strict=True):
                goes_on = effect.state != NONE and row & later.get(effect.state, 0)
                if goes_on or any(row & lattice.ends[lattice.at(slot, point)] for point in effect.points):
                    yield tokens

    def _in_contexts(self, slot: int) -> Iterator[Ids]:
        """Tokens that begin a terminal, or blanks."""
        spelling = self.lattice.spelling
        for context in range(len(spelling.contexts)):
            node = self.lattice.number.get(Node(slot, context))
            if node is None:
                continue
            starts = spelling.starts(context)
            for point, tokens in zip(starts.points, starts.tokens, strict=True):
                if self._can_begin(slot, node, spelling.rest(point)):
                    yield tokens

    def _can_begin(self, slot: int, node: int, rest: Rest) -> bool:
        """Does a token that does this when it begins at ``node`` lead to an end that is wanted?"""
        lattice, facts = self.lattice, self.facts
        later = lattice.closings[slot + 1]
        return any(facts.get((t, node), 0) & lattice.ends[lattice.at(slot, p)] for t, p in rest.ends) or any(
            facts.get((t, node), 0) & later.get(s, 0) for t, s in rest.opens
        )


def _alive_leaves(lattice: Lattice, chart: Chart) -> dict[tuple[int, int], int]:
    """(terminal, node): where one is behind it in some completion."""
    assert chart.alive is not None
    numbers = chart.numbers[: lattice.spelling.normal.count]
    found = {}
    for terminal, node in zip(*np.nonzero(numbers >= 0), strict=True):
        row = chart.alive[numbers[terminal, node]]
        if row.any():
            found[int(terminal), int(node)] = int.from_bytes(row.tobytes(), "little")
    return found
