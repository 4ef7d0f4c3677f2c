"""The lattice of a canvas: where terminals can begin and end within its slots.

Nodes are (slot, point): between tokens (points that are contexts), or inside the token of a slot. A terminal that a
token leaves unfinished is in a *state* at the boundary of slots. Only what can be come to from the beginning is there.
Behind a terminal blanks may be skipped: it ends wherever they end, too.
Sets of nodes are Python integers here, a bit for each node: few slots matter to each, and most sets are small.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple, Protocol

from constrain.canvas.base import Undecided
from constrain.canvas.spelling import NONE, Effect, Rest, Spelling
from constrain.canvas.ways import BLANK


class Limits(NamedTuple):
    """What one chart may cost: places where terminals can meet, and seconds to find them (None: any number)."""

    places: int = 8_000
    seconds: float | None = 2.0


NOTHING = Rest(frozenset(), frozenset(), 0)


class Slot(Protocol):
    """What may stand in a slot."""

    def states(self, state: int) -> Sequence[int]:
        """States that may follow a state."""

    def points(self, state: int) -> Sequence[int]:
        """Points at which its terminal may end."""

    def begin(self, context: int) -> Rest:
        """What may begin in a context."""


class OpenSlot:
    """Any token."""

    def __init__(self, spelling: Spelling) -> None:
        self.spelling = spelling

    def states(self, state: int) -> Sequence[int]:
        return self.spelling.choices(state).states

    def points(self, state: int) -> Sequence[int]:
        return self.spelling.choices(state).points

    def begin(self, context: int) -> Rest:
        return self.spelling.starts(context).rest


class SimpleSlot:
    """Any token within which no terminal ends: so there are few places where terminals meet, and less to prepare."""

    def __init__(self, spelling: Spelling) -> None:
        self.spelling = spelling

    def states(self, state: int) -> Sequence[int]:
        return self.spelling.simple_choices(state).states

    def points(self, state: int) -> Sequence[int]:
        return self.spelling.simple_choices(state).points

    def begin(self, context: int) -> Rest:
        return self.spelling.simple_start(context)


class TokenSlot:
    """One token."""

    def __init__(self, spelling: Spelling, token: int) -> None:
        self.spelling, self.token = spelling, token

    def states(self, state: int) -> Sequence[int]:
        after = self.effect(state).state
        return () if after == NONE else (after,)

    def points(self, state: int) -> Sequence[int]:
        return tuple(self.effect(state).points)

    def begin(self, context: int) -> Rest:
        point = self.spelling.start(context, self.token)
        return NOTHING if point == NONE else self.spelling.rest(point)

    def effect(self, state: int) -> Effect:
        return self.spelling.effect(state, self.token)


class Node(NamedTuple):
    """A place where terminals meet: before the token of ``slot`` (the point is a context), or inside it."""

    slot: int
    point: int


class Lattice:
    """Nodes in the order of the text. Sets of nodes:

    ``ends[v]``         where one can be behind a terminal that ends at node v: there, or behind blanks
    ``closings[i][s]``  where one can be behind what is in state s before slot i
    ``leaves[t, v]``    where one can be behind terminal t when it begins at node v
    """

    def __init__(self, spelling: Spelling, slots: Sequence[Slot], limits: Limits) -> None:
        """Raises ``Undecided`` above the limits."""
        self.spelling, self.slots, self.limits = spelling, slots, limits
        self._deadline = inf if limits.seconds is None else time.monotonic() + limits.seconds
        self.nodes: list[Node] = []
        self.number: dict[Node, int] = {}
        self.states: list[set[int]] = [set() for _ in range(len(slots) + 1)]
        self._reach()
        self.ends = [0] * len(self.nodes)
        self.closings: list[dict[int, int]] = [{} for _ in range(len(slots) + 1)]
        self.leaves: dict[tuple[int, int], int] = {}
        self._close()

    # ---- forward: what can be come to ------------------------------------------------------------------------

    def _reach(self) -> None:
        contexts: list[set[int]] = [set() for _ in range(len(self.slots) + 1)]
        contexts[0].add(0)
        for i, slot in enumerate(self.slots):
            inside: set[int] = set()
            for state in self.states[i]:
                self._check_time()
                self.states[i + 1].update(slot.states(state))
                self._meet(slot.points(state), inside, contexts[i + 1])
            self._add(i, contexts[i])
            for context in contexts[i]:
                self._check_time()
                self._follow(i, slot.begin(context), inside, contexts[i + 1])
            stack = list(inside)
            while stack:
                known = set(inside)
                self._follow(i, self.spelling.rest(stack.pop()), inside, contexts[i + 1])
                stack.extend(inside - known)
            self._add(i, sorted(inside, key=lambda point: -self.spelling.rest(point).height))
        self._add(len(self.slots), contexts[-1])

    def _follow(self, i: int, rest: Rest, inside: set[int], contexts: set[int]) -> None:
        self._meet([point for _, point in rest.ends], inside, contexts)
        self.states[i + 1].update(state for _, state in rest.opens)

    def _meet(self, points: Iterable[int], inside: set[int], contexts: set[int]) -> None:
        for point in points:
            (contexts if self.spelling.is_context(point) else inside).add(point)

    def _add(self, slot: int, points: Iterable[int]) -> None:
        for point in points:
            self.number[Node(slot, point)] = len(self.nodes)
            self.nodes.append(Node(slot, point))
        if len(self.nodes) > self.limits.places:
            hint = "commit fewer slots at once, or from left to right; or raise the limit"
            raise Undecided("places of the chart of a canvas", len(self.nodes), self.limits.places, hint)

    def _check_time(self) -> None:
        late = time.monotonic() - self._deadline
        if late > 0 and self.limits.seconds is not None:
            allowed = round(1000 * self.limits.seconds)
            hint = "what was prepared meanwhile is remembered; or allow more time"
            raise Undecided("milliseconds for one question about a canvas", allowed + round(1000 * late), allowed, hint)

    # ---- backward: where what has begun can end --------------------------------------------------------------

    def _close(self) -> None:
        node = len(self.nodes) - 1
        for i in range(len(self.slots), -1, -1):
            while node >= 0 and self.nodes[node].slot == i:
                self._close_node(node, i)
                node -= 1
            if i < len(self.slots):
                self._close_states(i)

    def _close_node(self, node: int, slot: int) -> None:
        """All that begins at a node; those behind it are done."""
        ends, rest = 1 << node, self.rest(node)
        rows: dict[int, int] = {}
        for terminal, point in rest.ends:
            rows[terminal] = rows.get(terminal, 0) | self.ends[self.at(slot, point)]
        for terminal, state in rest.opens:
            row = self.closings[slot + 1].get(state, 0)
            if row:
                rows[terminal] = rows.get(terminal, 0) | row
        for terminal, row in rows.items():
            if terminal == BLANK:
                ends |= row
            else:
                self.leaves[terminal, node] = row
        self.ends[node] = ends

    def _close_states(self, i: int) -> None:
        """All that is unfinished before slot i."""
        slot, later, here = self.slots[i], self.closings[i + 1], self.closings[i]
        for state in self.states[i]:
            row = 0
            for point in slot.points(state):
                row |= self.ends[self.at(i, point)]
            for target in slot.states(state):
                row |= later.get(target, 0)
            if row:
                here[state] = row

    def at(self, slot: int, point: int) -> int:
        """The node of a point in the token of ``slot``; a context lies behind the token."""
        return self.number[Node(slot + self.spelling.is_context(point), point)]

    def rest(self, node: int) -> Rest:
        """What can begin at a node."""
        slot, point = self.nodes[node]
        if not self.spelling.is_context(point):
            return self.spelling.rest(point)
        return self.slots[slot].begin(point) if slot < len(self.slots) else NOTHING

    @property
    def starts(self) -> list[int]:
        """Where the text can begin: at the first node, or behind blanks."""
        return members(self.ends[0])

    def end_nodes(self, positions: Iterable[int]) -> list[int]:
        """The nodes at which the text may end, if it may have so many tokens."""
        wanted, may_end = set(positions), self.spelling.may_end
        return [
            number
            for number, (slot, point) in enumerate(self.nodes)
            if slot in wanted and self.spelling.is_context(point) and may_end[point]
        ]


def members(row: int) -> list[int]:
    """The nodes of a set."""
    found = []
    while row:
        low = row & -row
        found.append(low.bit_length() - 1)
        row ^= low
    return found
