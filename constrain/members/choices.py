"""``Choices``: what decides while a member is written, and the source of them that is a ``Random``.

Whatever is simplest comes first (index 0, no more, not rare), so that a source which prefers small numbers, as
Hypothesis does when it shrinks, gives short members of simple characters.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Choices(Protocol):
    """Decisions, made one after another."""

    def index(self, count: int) -> int:
        """A number from 0 to ``count - 1``."""
        ...

    def more(self) -> bool:
        """Shall one more be written? Rather yes."""
        ...

    def rare(self) -> bool:
        """Shall it be the unusual way? Rather no."""
        ...

    def weigh(self, size: int) -> None:
        """What was chosen is ``size`` bytes longer than need be: it shall not look simple for want of decisions."""
        ...

    def part(self, write: Callable[[], bytes]) -> bytes:
        """What ``write()`` gives: the text of a recursive rule, whose decisions belong together."""
        ...


class RandomChoices:
    """Decisions by a ``Random``."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def index(self, count: int) -> int:
        """A number from 0 to ``count - 1``, all alike."""
        return self.rng.randrange(count)

    def more(self) -> bool:
        """Yes, in three cases of five."""
        return self.rng.random() < 0.6

    def rare(self) -> bool:
        """Yes, in one case of twenty."""
        return self.rng.random() < 0.05

    def weigh(self, size: int) -> None:
        """Nothing to do: it matters to those who shrink."""

    def part(self, write: Callable[[], bytes]) -> bytes:
        """Nothing to do: parts matter to those who shrink."""
        return write()


def index(choices: Choices, count: int) -> int:
    """A number below ``count``; no decision where there is no choice."""
    return choices.index(count) if count > 1 else 0


def pick(items: Sequence[Item], weights: Sequence[int], choices: Choices) -> Item:
    """One of the items, by their weights."""
    if len(items) == 1:
        return items[0]
    sums = list(accumulate(weights))
    return items[bisect_right(sums, index(choices, sums[-1]))]
