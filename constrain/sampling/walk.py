"""Walks down the weighted trie: one descent of which masking, ASAp and exact rejection are modes.

A walk at ``u`` carries the bound ``b`` with which it came. There it reads ``s = S(u)``, draws ``a`` with probability
``p(a|u) S(ua) / s``, and carries ``b = S(ua)`` on.

* *asap*: nothing else. The walk's importance weight ``W = P / q`` is exact, for every draw.
* *exact*: before it draws, the walk dies with probability ``1 - s / b``. Products telescope: whatever other walks do to
  the trie meanwhile, a walk that starts under the bound ``S(root)`` comes out as ``w`` with probability
  ``P(w) / S(root)``, and walks in different slots come out independently.
* *mask*: it draws ``a`` with probability ``p(a|u) / Z_u``, as a logits processor makes ``generate()`` do.
* *defensive*: a fair coin decides once for each walk between *mask* and *asap*; the weight is that of the mixture, at
  most twice that of either.

Draw a walk's randomness from a stream of its own and it does not depend on how many walks go down together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import exp, log
from typing import Literal

import numpy as np

from constrain.sampling.masses import log_add
from constrain.sampling.trie import DEAD, Law, Trie

Mode = Literal["mask", "asap", "defensive", "exact"]
HALF = log(0.5)


@dataclass(frozen=True, slots=True)
class Draw:
    """What a walk came to.

    ``tokens``   ids, the end of sequence included where it was reached.
    ``log_p``    the model's log probability of ``tokens``.
    ``log_w``    log importance weight ``log P - log q``; ``-inf`` if the walk found nothing wanted. In mode *exact*:
                 the log of the bound under which the walk started, so that its exponential is unbiased for Z too.
    ``log_mask`` the log probability with which masking alone would have drawn ``tokens``.
    ``index``    the number that the walk was given; ``attempt``: how many walks had that number before it.
    ``log_bound``  the bound ``log S(root)`` under which the walk started.
    """

    tokens: tuple[int, ...]
    log_p: float
    log_w: float
    log_mask: float
    index: int
    attempt: int
    log_bound: float = 0.0

    @property
    def found(self) -> bool:
        """Is this a wanted text?"""
        return self.log_w > DEAD


class Walk:
    """One walk. ``step`` takes it from an expanded node to the next."""

    __slots__ = (
        "_adaptive",
        "attempt",
        "bound",
        "index",
        "log_asap",
        "log_mask",
        "log_p",
        "mode",
        "node",
        "rng",
        "start",
    )

    def __init__(self, trie: Trie, mode: Mode, index: int, attempt: int, rng: np.random.Generator) -> None:
        self.node = trie.root
        self.mode: Mode = mode
        self.index = index
        self.attempt = attempt
        self.rng = rng
        self.start = self.bound = trie.root.bound
        self.log_p = self.log_mask = self.log_asap = 0.0
        self._adaptive = mode != "mask" and not (mode == "defensive" and self.coin(HALF))

    def step(self, trie: Trie) -> None:
        """Draw a token and go to its node; die where nothing wanted follows, or, in mode *exact*, by the coin."""
        node = self.node
        law = node.law
        trie.touch(node)
        if law is None:  # expanded, and no token allowed
            self.bound = DEAD
            return
        total = law.bound()
        trie.lower(node, total)
        if node.bound == DEAD or (self.mode == "exact" and not self.coin(min(node.bound - self.bound, 0.0))):
            self.bound = DEAD
            return
        token = self.choose(law, self._adaptive)
        known = law.children.get(token)
        relied_on = 0.0 if known is None else known.bound  # S(ua) as it was used
        child = trie.child(node, token)
        self.log_p += child.log_p
        self.log_mask += child.log_p - law.log_mass
        self.log_asap += child.log_p + relied_on - total
        self.node = child
        self.bound = relied_on if child.bound > DEAD else DEAD

    def coin(self, log_probability: float) -> bool:
        """``True`` with a probability given by its logarithm."""
        return bool(self.rng.random() < exp(log_probability))

    def choose(self, law: Law, adaptive: bool) -> int:
        """A token in proportion to ``p(a) S(a)``, or to ``p(a)`` alone."""
        uniform = self.rng.random()
        return law.draw(uniform) if adaptive else law.draw_masked(uniform)

    @property
    def over(self) -> bool:
        """Has it come to an end, a good one or a bad one?"""
        return self.bound == DEAD or self.node.ended

    def result(self) -> Draw:
        """What it came to."""
        found = self.bound > DEAD and self.node.ended
        log_w = self._log_weight() if found else DEAD
        return Draw(self.node.tokens(), self.log_p, log_w, self.log_mask, self.index, self.attempt, self.start)

    def _log_weight(self) -> float:
        if self.mode == "exact":
            return self.start
        if self.mode == "defensive":
            return self.log_p - log_add(HALF + self.log_mask, HALF + self.log_asap)
        return self.log_p - (self.log_asap if self.mode == "asap" else self.log_mask)


@dataclass
class Descent:
    """Walks in a fixed number of slots on one trie. Iterate over it: draws come as they end.

    Number ``i`` takes its randomness from ``streams(i)``. In mode *exact* a number is tried until a wanted text is
    found, and each number that was begun is brought to its end, however long others take: the first to finish would be
    short texts. ``budget`` bounds the walks that are begun; it does not depend on what they found, so what was found
    within it is exact.
    """

    trie: Trie
    mode: Mode
    numbers: int
    streams: Callable[[int], np.random.Generator]
    slots: int = 16
    budget: int | None = None
    begun: int = 0
    _next: int = 0
    _again: list[tuple[int, int, np.random.Generator]] = field(default_factory=list)  # numbers to be tried once more
    _under_way: list[Walk] = field(default_factory=list)

    def __iter__(self) -> Iterator[Draw]:
        self.trie.expand([self.trie.root])
        self.trie.settle(self.trie.root)
        while self._fill_slots():
            self.trie.expand(walk.node for walk in self._under_way)
            going: list[Walk] = []
            for walk in self._under_way:
                yield from self._go(walk, going)
            self._under_way = going

    def _fill_slots(self) -> bool:
        """Begin walks in free slots; not while the trie waits for all to end, to forget."""
        if self.trie.bytes > self.trie.max_bytes:
            if self._under_way:
                return True
            self.trie.shrink()
            self.trie.expand([self.trie.root])
        while len(self._under_way) < self.slots and self._may_begin() and (self._again or self._next < self.numbers):
            self._under_way.append(self._begin(*(self._again.pop(0) if self._again else self._new())))
        return bool(self._under_way)

    def _new(self) -> tuple[int, int, np.random.Generator]:
        """A number that has not been tried."""
        self._next += 1
        return self._next - 1, 0, self.streams(self._next - 1)

    def _may_begin(self) -> bool:
        return self.budget is None or self.begun < self.budget

    def _begin(self, index: int, attempt: int, rng: np.random.Generator) -> Walk:
        self.begun += 1
        return Walk(self.trie, self.mode, index, attempt, rng)

    def _go(self, walk: Walk, going: list[Walk]) -> Iterator[Draw]:
        """Take a walk on until a model has to be asked, and its number's next walks too."""
        while True:
            while not walk.over:
                if not self.trie.knows(walk.node):
                    going.append(walk)
                    return
                walk.step(self.trie)
            self.trie.settle(walk.node)
            draw = walk.result()
            yield draw
            if draw.found or self.mode != "exact":
                return
            if not self._may_begin() or self.trie.root.bound == DEAD:
                return
            if self.trie.bytes > self.trie.max_bytes:  # it waits for the others, to forget
                self._again.append((walk.index, walk.attempt + 1, walk.rng))
                return
            walk = self._begin(walk.index, walk.attempt + 1, walk.rng)
