"""A text that proves that a text with gaps can be completed: read off its chart from above.

Within one pair of nodes a symbol may be derived by way of others at the same pair (rules with one symbol; pairs whose
other symbol lies in a gap), so a shortest way to one that really divides the text is looked for. What lies wholly in
a gap becomes a shortest text of its symbol.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np

from constrain.canvas.bytesets import NOWHERE, ByteDfa
from constrain.canvas.charts import Chart, nodes_of
from constrain.canvas.segments import Text
from constrain.canvas.symbols import Normal


class Fact(NamedTuple):
    """A symbol that can lie between two nodes."""

    symbol: int
    begin: int
    end: int


Step = tuple[Fact, ...]
Place = TypeVar("Place")


class Witness:
    """A text of ``normal`` that has the segments of ``text``."""

    def __init__(self, normal: Normal, text: Text, chart: Chart) -> None:
        self.normal, self.segments, self.chart = normal, text, chart
        self.rules: list[list[tuple[int, ...]]] = [[] for _ in range(normal.symbols)]
        for head, *parts in [*normal.units, *normal.pairs]:
            self.rules[head].append(tuple(parts))

    def text(self) -> bytes:
        """The text. The chart must have the start symbol from the first node to the last."""
        pieces = []
        stack = [Fact(self.normal.start, 0, self.chart.nodes - 1)]
        while stack:
            fact = stack.pop()
            if fact.begin == fact.end:
                pieces.append(self.shortest[fact.symbol])
            elif fact.symbol < len(self.normal.terminals):
                pieces.append(self._spell(fact))
            else:
                stack.extend(reversed(self._divide(fact)))
        return b"".join(pieces)

    def _divide(self, fact: Fact) -> Step:
        """What ``fact`` is made of, in smaller pieces: terminals, pieces of less text, and pieces of gaps."""
        before: dict[Fact, tuple[Fact, Step, Step]] = {}  # how a fact at the same nodes was come to
        queue, seen = deque([fact]), {fact}
        while queue:
            here = queue.popleft()
            if (pieces := self._pieces(here)) is not None:
                while here != fact:
                    here, left, right = before[here]
                    pieces = (*left, *pieces, *right)
                return pieces
            for below, left, right in self._same_nodes(here):
                if below not in seen:
                    seen.add(below)
                    before[below] = (here, left, right)
                    queue.append(below)
        raise AssertionError(f"{fact} is in the chart without a reason")

    def _pieces(self, fact: Fact) -> Step | None:
        """Two pieces that are both smaller, or a terminal."""
        if fact.symbol < len(self.normal.terminals):
            return (fact,)
        for parts in self.rules[fact.symbol]:
            if len(parts) == 1:
                continue
            row = self.chart.row(parts[0], fact.begin)
            for middle in nodes_of(row) if row is not None else ():
                if fact.begin < middle < fact.end and self.chart.has(*(right := Fact(parts[1], middle, fact.end))):
                    return Fact(parts[0], fact.begin, middle), right
        return None

    def _same_nodes(self, fact: Fact) -> Iterator[tuple[Fact, Step, Step]]:
        """Facts between the same nodes of which ``fact`` can be made, with what comes before and behind in a gap."""
        for parts in self.rules[fact.symbol]:
            if len(parts) == 1:
                if self.chart.has(*(only := Fact(parts[0], fact.begin, fact.end))):
                    yield only, (), ()
                continue
            first, last = Fact(parts[0], fact.begin, fact.begin), Fact(parts[1], fact.end, fact.end)
            left, right = Fact(parts[0], fact.begin, fact.end), Fact(parts[1], fact.begin, fact.end)
            if self.chart.has(*first) and self.chart.has(*right):
                yield right, (first,), ()
            if self.chart.has(*left) and self.chart.has(*last):
                yield left, (), (last,)

    def _spell(self, fact: Fact) -> bytes:
        """A terminal between two different nodes."""
        dfa, gaps = self.normal.terminals[fact.symbol], set(self.segments.gaps)

        def moves(place: tuple[int, int]) -> Iterator[tuple[int, tuple[int, int]]]:
            state, node = place
            if node in gaps:
                yield from ((byte, (after, node)) for byte, after in _edges(dfa, state))
            if node < fact.end and (after := int(dfa.step[state, self.segments.data[node]])) != NOWHERE:
                yield self.segments.data[node], (after, node + 1)

        found = _first_way((0, fact.begin), moves, lambda place: place[1] == fact.end and bool(dfa.accepts[place[0]]))
        assert found is not None, f"{fact} is in the chart without a reason"
        return found

    @cached_property
    def shortest(self) -> list[bytes]:
        """For each symbol a shortest text (Knuth 1977, without the queue: texts only get shorter)."""
        texts: list[bytes | None] = [_shortest(dfa) for dfa in self.normal.terminals]
        texts += [None] * (self.normal.symbols - len(texts))
        changed = True
        while changed:
            changed = False
            for head, rules in enumerate(self.rules):
                for parts in rules:
                    below = [texts[part] for part in parts]
                    text = None if None in below else b"".join(below)  # type: ignore[arg-type]
                    known = texts[head]
                    if text is not None and (known is None or len(text) < len(known)):
                        texts[head], changed = text, True
        return texts  # type: ignore[return-value]


def _edges(dfa: ByteDfa, state: int) -> list[tuple[int, int]]:
    """(byte, successor), one byte for each successor."""
    successors, bytes_ = np.unique(dfa.step[state], return_index=True)
    return [(int(b), int(s)) for s, b in zip(successors, bytes_, strict=True) if s != NOWHERE]


def _shortest(dfa: ByteDfa) -> bytes:
    found = _first_way(0, lambda state: _edges(dfa, state), lambda state: bool(dfa.accepts[state]))
    assert found is not None, "a terminal is empty"
    return found


def _first_way(
    start: Place, moves: Callable[[Place], Iterable[tuple[int, Place]]], is_end: Callable[[Place], bool]
) -> bytes | None:
    """The bytes of a shortest way (breadth first)."""
    ways = {start: b""}
    queue = deque([start])
    while queue:
        place = queue.popleft()
        if is_end(place):
            return ways[place]
        for byte, after in moves(place):
            if after not in ways:
                ways[after] = ways[place] + bytes([byte])
                queue.append(after)
    return None
