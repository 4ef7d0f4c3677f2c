"""Counting of a ``Bag``: which elements may come next, which bounds are still open, when it may end.

A control state says how far the bounds are met, and no more than that, so that there are few. ``Control.take`` enters
a state only if all bounds and needs can still be met from it: a bag never runs into a dead end because of its counts.
Words are not known here (see ``ir/words.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from math import inf
from typing import NamedTuple

from constrain.errors import LimitExceeded
from constrain.ir.grammar import Bag, Item

MAX_SETS = 10_000  # sets of items that need each other in circles, tried for one answer

Caps = Mapping[int, float]
UNCAPPED: Caps = {}


class State(NamedTuple):
    """How far the bounds are met. Sets of items are bit masks.

    last      index of the last item taken (ordered bags only, else 0)
    total     number of elements, or the lower bound where more would tell nothing
    present   items that were taken, as far as it matters for later ones
    missing   items of which more elements must come
    counts    elements so far of each item that is counted
    """

    last: int
    total: int
    present: int
    missing: int
    counts: tuple[int, ...]


class Control:
    """The bounds of one bag."""

    def __init__(self, bag: Bag) -> None:
        self.items = bag.items
        self.ordered, self.low = bag.ordered, bag.low
        self.high: float = inf if bag.high is None else bag.high
        self.highs: list[float] = [self._high(item) for item in bag.items]
        self.owed = [max(item.low, 1) for item in bag.items]
        self.closures = _closures(bag.items)
        counted = [i for i, high in enumerate(self.highs) if self.owed[i] > 1 or 1 < high < inf]
        self.place = {i: place for place, i in enumerate(counted)}
        self.never = _mask(i for i, high in enumerate(self.highs) if high == 0)
        self.single = _mask(i for i, high in enumerate(self.highs) if high == 1)
        self.needed = 0
        for i, closure in enumerate(self.closures):
            self.needed |= closure & ~(1 << i)
        self.cyclic = any(
            self.closures[j] >> i & 1 for i, closure in enumerate(self.closures) for j in indices(closure & ~(1 << i))
        )
        required = 0
        for i, item in enumerate(bag.items):
            if item.low:
                required |= self.closures[i]
        first = State(0, 0, 0, required, (0,) * len(counted))
        self.start: State | None = first if self.is_feasible(first) else None

    def _high(self, item: Item) -> float:
        """Upper bound of an item; none where that of the bag is reached first."""
        return inf if item.high is None or item.high >= self.high else item.high

    def is_final(self, state: State) -> bool:
        """May the bag end here?"""
        return state.missing == 0 and state.total >= self.low

    def take(self, state: State, i: int) -> State | None:
        """The state after one more element of item ``i``; ``None`` where the bounds would be broken or out of reach."""
        last, total, present, missing, counts = state
        bit = 1 << i
        if total >= self.high or i < last or self.unavailable(state) & bit:
            return None
        count = 1
        if i in self.place:
            place = self.place[i]
            count += counts[place]
            most = self.owed[i] if self.highs[i] == inf else count
            counts = (*counts[:place], min(count, most), *counts[place + 1 :])
        missing |= self.closures[i] & ~present
        missing = missing & ~bit if count >= self.owed[i] else missing | bit
        present |= bit & (self.single | self.needed)
        if self.ordered:
            last, present = i, present & (self.needed | -1 << i)
        if self.high == inf:
            total = min(total + 1, self.low)
        else:
            total += 1
        after = State(last, total, present, missing, counts)
        return after if self.is_feasible(after) else None

    def open_items(self, state: State) -> int:
        """Items of which an element may come as far as is seen at once: ``take`` refuses all others."""
        if state.total >= self.high:
            return 0
        items = ((1 << len(self.items)) - 1) & ~self.unavailable(state)
        if self.ordered and state.missing:  # the first that must come is not to be skipped
            items &= ((state.missing & -state.missing) << 1) - 1
        return items

    def unavailable(self, state: State) -> int:
        """Items of which no more elements may come."""
        gone = self.never | (state.present & self.single)
        for i, place in self.place.items():
            if state.counts[place] >= self.highs[i]:
                gone |= 1 << i
        return gone | ((1 << state.last) - 1)

    def demand(self, state: State) -> int:
        """How many more elements must come, at least."""
        return max(self._owed(state), self.low - state.total)

    def _owed(self, state: State) -> int:
        if not self.place:
            return state.missing.bit_count()
        return sum(self.owed[i] - self._count(state, i) for i in indices(state.missing))

    def _count(self, state: State, i: int) -> int:
        return state.counts[self.place[i]] if i in self.place else 0

    def is_feasible(self, state: State, caps: Caps = UNCAPPED) -> bool:
        """Can all bounds and needs be met from here, with at most ``caps[i]`` more elements of item ``i``?"""
        gone = self.unavailable(state) | _mask(i for i, cap in caps.items() if cap == 0)
        if state.missing & gone:
            return False
        for i, cap in caps.items():
            if state.missing >> i & 1 and self.owed[i] - self._count(state, i) > cap:
                return False
        if self.high == inf and state.missing.bit_count() >= self.low - state.total:
            return True
        owed, lacking, room = self._owed(state), self.low - state.total, self.high - state.total
        if owed > room:
            return False
        return owed >= lacking or self._fills(state, gone, caps, owed, lacking, room)

    def _fills(self, state: State, gone: int, caps: Caps, owed: int, lacking: int, room: float) -> bool:
        """Can ``lacking`` to ``room`` elements come in all, of which ``owed`` must?

        A set of further items that brings all that it needs allows any number between its size and what it can take.
        Without circles of needs such a set grows by one item at a time, so the largest one decides.
        """
        settled = state.present | state.missing
        usable = [i for i in range(len(self.items)) if not self.closures[i] & ~settled & gone and not gone >> i & 1]
        space = {i: self._space(state, i, caps) for i in usable}
        if sum(space.values()) < lacking:
            return False
        if not self.cyclic or room == inf:
            return True
        seen, stack = {state.missing}, [state.missing]
        while stack:
            chosen = stack.pop()
            least = owed + (chosen & ~state.missing).bit_count()
            most = sum(space[i] for i in usable if (chosen | state.present) >> i & 1)
            if least <= room and most >= lacking:
                return True
            for i in usable:
                more = chosen | (self.closures[i] & ~state.present)
                if more not in seen:
                    seen.add(more)
                    stack.append(more)
            if len(seen) > MAX_SETS:
                hint = "drop a bound on the number of elements, or the circles in what items need"
                raise LimitExceeded("sets of items that need each other", len(seen), MAX_SETS, hint)
        return False

    def _space(self, state: State, i: int, caps: Caps) -> float:
        return min(self.highs[i] - self._count(state, i), caps.get(i, inf))

    @cached_property
    def most_owed(self) -> int:
        """No state demands more elements than this."""
        return max(self.low, sum(self.owed))


def _closures(items: tuple[Item, ...]) -> list[int]:
    """For each item the mask of itself and all that it needs, directly or not."""
    closures = [1 << i | _mask(item.needs) for i, item in enumerate(items)]
    grown = any(item.needs for item in items)
    while grown:
        grown = False
        for i, closure in enumerate(closures):
            more = closure
            for j in indices(closure):
                more |= closures[j]
            grown |= more != closure
            closures[i] = more
    return closures


def _mask(indices: Iterable[int]) -> int:
    mask = 0
    for i in indices:
        mask |= 1 << i
    return mask


def indices(mask: int) -> list[int]:
    """The items in a set."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found
