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
    """Masses ``exp(log_p)``, given as logarithms ``[n]``."""

    def __init__(self, log_p: Floats) -> None:
        self._log_p = log_p
        self._taken: list[int] = []
        self._scale()

    def _scale(self) -> None:
        """All that is left, relative to the largest of it."""
        left = self._log_p.copy()
        left[self._taken] = -inf
        self._top = float(left.max()) if len(left) else -inf
        self._mass = np.zeros((len(left) + BLOCK - 1) // BLOCK * BLOCK)
        if self._top > -inf:
            np.exp(left - self._top, out=self._mass[: len(left)])
        self._sums = self._mass.reshape(-1, BLOCK).sum(axis=1)
        self._total = float(self._sums.sum())

    def take(self, place: int) -> None:
        """Take the mass at ``place`` away."""
        self._taken.append(place)
        self._mass[place] = 0.0
        block = place // BLOCK
        self._sums[block] = self._mass[block * BLOCK : (block + 1) * BLOCK].sum()
        self._total = float(self._sums.sum())
        if self._total < FAINT and self._top > -inf:
            self._scale()

    @property
    def log_total(self) -> float:
        """The log of what is left; ``-inf`` for nothing."""
        return log(self._total) + self._top if self._total > 0.0 else -inf

    def draw(self, uniform: float) -> int:
        """A place with probability proportional to its mass, by inversion of one uniform in [0, 1)."""
        wanted = uniform * self._total
        bounds = self._sums.cumsum()
        block = min(int(bounds.searchsorted(wanted, side="right")), len(bounds) - 1)
        while self._sums[block] == 0.0:  # rounding has led past the last mass
            block -= 1
        inner = self._mass[block * BLOCK : (block + 1) * BLOCK].cumsum()
        place = int(inner.searchsorted(wanted - (bounds[block] - self._sums[block]), side="right"))
        if place >= BLOCK or self._mass[block * BLOCK + place] == 0.0:
            place = int(np.flatnonzero(self._mass[block * BLOCK : (block + 1) * BLOCK])[-1])
        return block * BLOCK + place
