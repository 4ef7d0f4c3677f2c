"""``Masses``: probabilities of many tokens, to draw one in proportion, and to take one away, without touching all.

In blocks: a sum of blocks' sums costs ``n / BLOCK``, a change costs ``BLOCK``. Sums are made anew, never by
subtraction, so nothing is lost when almost all the mass is taken away. What is too small beside the largest mass for a
float64 comes into its own when all larger ones are gone: then the rest is scaled anew.
"""

from __future__ import annotations

from math import inf, log

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BLOCK = 256
FAINT = 1e-250  # beside the largest: below it, float64 has lost some of what is left


class Masses:
    """Masses ``exp(log_p)``, given as logarithms ``[n]``. All of them stay drawable by ``draw_any``, in their order.

    Memory: ``8 n`` bytes, and a block's for each block that something was taken from.
    """

    def __init__(self, log_p: Floats) -> None:
        self._log_p = log_p
        self._taken: list[int] = []
        self._top, self._blocks = _scaled(log_p)
        self._all = self._sums = self._blocks.sum(axis=1)
        self._total = float(self._sums.sum())
        self._left: dict[int, Floats] = {}  # blocks as they are with something taken away
        self.log_all = self.log_total
        self._log_scale = self._top  # of the blocks

    @property
    def scaled(self) -> tuple[float, Floats]:
        """The logarithm of a scale, and all masses relative to it, ``[n]``: not to be changed."""
        return self._log_scale, self._blocks.reshape(-1)[: len(self._log_p)]

    def take(self, place: int) -> None:
        """Take the mass at ``place`` away."""
        if not self._taken:
            self._sums = self._all.copy()
        self._taken.append(place)
        number, inner = divmod(place, self._blocks.shape[1])
        block = self._left[number] if number in self._left else self._blocks[number].copy()
        block[inner] = 0.0
        self._left[number] = block
        self._sums[number] = block.sum()
        self._total = float(self._sums.sum())
        if self._total < FAINT and self._top > -inf:
            self._scale_anew()

    def _scale_anew(self) -> None:
        """What is left, relative to the largest of it."""
        left = self._log_p.copy()
        left[self._taken] = -inf
        self._top, blocks = _scaled(left)
        self._left = dict(enumerate(blocks))
        self._sums = blocks.sum(axis=1)
        self._total = float(self._sums.sum())

    @property
    def log_total(self) -> float:
        """The log of what is left; ``-inf`` for nothing."""
        return log(self._total) + self._top if self._total > 0.0 else -inf

    def draw(self, uniform: float) -> int:
        """A place of what is left, in proportion to its mass, by inversion of one uniform in [0, 1)."""
        number, wanted = _find(self._sums, uniform)
        block = self._left[number] if number in self._left else self._blocks[number]
        return number * len(block) + _place(block, wanted)

    def draw_any(self, uniform: float) -> int:
        """A place in proportion to its mass, taken away or not."""
        number, wanted = _find(self._all, uniform)
        block = self._blocks[number]
        return number * len(block) + _place(block, wanted)


def _scaled(log_p: Floats) -> tuple[float, Floats]:
    """The largest logarithm, and the masses relative to it, ``[blocks, BLOCK]``, or one block if they are fewer."""
    top = float(log_p.max()) if len(log_p) else -inf
    width = min(BLOCK, max(len(log_p), 1))
    masses = np.zeros(-(-len(log_p) // width) * width)
    if top > -inf:
        np.exp(log_p - top, out=masses[: len(log_p)])
    return top, masses.reshape(-1, width)


def _find(sums: Floats, uniform: float) -> tuple[int, float]:
    """The block that holds a share of all, and what of the share lies in it."""
    bounds = sums.cumsum()
    wanted = uniform * float(bounds[-1])
    number = min(int(bounds.searchsorted(wanted, side="right")), len(bounds) - 1)
    while sums[number] == 0.0:  # rounding has led past the last mass
        number -= 1
    return number, wanted - float(bounds[number] - sums[number])


def _place(block: Floats, wanted: float) -> int:
    place = int(block.cumsum().searchsorted(wanted, side="right"))
    return place if place < len(block) and block[place] > 0.0 else int(np.flatnonzero(block)[-1])


def log_sum(terms: Floats) -> float:
    """``log(sum(exp(terms)))``; ``-inf`` for no terms."""
    if not len(terms):
        return -inf
    top = float(terms.max())
    return top if top == -inf else top + float(np.log(np.exp(terms - top).sum()))


def log_add(a: float, b: float) -> float:
    """``log(exp(a) + exp(b))``."""
    return float(np.logaddexp(a, b))
