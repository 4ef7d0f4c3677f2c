"""``Urn``: draws without replacement from unnormalised log masses, in float64, with no sort of the vocabulary.

Masses lie in blocks with a sum each. A draw looks for its block among the sums and for its token within the block; a
token taken out changes one sum. So the first draw costs one pass of ``exp`` over the vocabulary, and each further
one a few microseconds, where random keys (Gumbel) and their order would cost two logarithms a token and a sort.

Sums are of what is left, never what was there less what was taken out: no cancellation, and a token of mass zero
cannot be drawn. When almost nothing is left, relative to the heaviest token at the start, the scale moves to the
heaviest token left: tails of ``exp(-1000)`` are drawn as exactly as heads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from constrain.sampling.masses import Floats, log_sum

Indices = Sequence[int] | npt.NDArray[np.int64]
Scaled = tuple[float, Floats]

BLOCK = 512
_FAINT = 1e-200  # of the scale: below it the masses are computed anew, long before they lose bits (1e-308)
_NEGLIGIBLE = -37.0  # of a hit, in logarithm: 1 - exp(-37) is 1 in float64, and log(1 - hit) is -hit
_LOG_2 = math.log(2.0)


class Urn:
    """Tokens in play, as a ``Draws`` (``awrs.py``) whose masses are natural logarithms.

    ``log_mass``  float64 ``[n]``, finite or ``-inf`` (never drawn); not normalised, not changed, not copied.
    ``rng``       one float64 uniform for each block, token, count and coin that is drawn.
    ``scaled``    the logarithm of a scale, the heaviest, and all masses relative to it ``[n]``, where they are at hand
                  (``Masses.scaled``); not changed.
    """

    def __init__(self, log_mass: Floats, rng: np.random.Generator, scaled: Scaled | None = None) -> None:
        self._log_mass = log_mass
        self._rng = rng
        self._taken: list[Indices] = []
        if scaled is None:
            self._weigh()
        else:
            self._top, masses = scaled
            padded = _padding(len(masses))
            padded[: len(masses)] = masses
            self._lay_out(padded)

    def pick(self) -> int | None:
        """A token in play with probability proportional to its mass; it stays in play. ``None``: no mass is left."""
        if self._left == 0.0:
            return None
        block = self._index(self._sums)
        return block * BLOCK + self._index(self._masses[block])

    def drop(self, indices: Indices) -> None:
        """Take tokens out of play, those already out included."""
        if len(indices) == 0:
            return
        taken = np.asarray(indices, np.int64)
        self._taken.append(taken)
        self._masses.reshape(-1)[taken] = 0.0
        if len(taken) == 1:
            block = indices[0] // BLOCK
            self._sums[block] = self._masses[block].sum()
        else:
            self._masses.sum(axis=1, out=self._sums)
        self._left = float(self._sums.sum())
        if self._left < _FAINT:
            self._weigh()

    def mass(self, indices: Indices) -> float:
        """The logarithm of the mass of these tokens together, in play or not."""
        return log_sum(self._log_mass[np.asarray(indices, np.int64)])

    def remaining(self) -> float:
        """The logarithm of the mass in play."""
        return self._top + math.log(self._left) if self._left else -math.inf

    def phantoms(self, total: float, limit: int | None) -> int:
        """How often draws from a mass ``total`` (log) miss what is in play before one hits it; ``limit`` at most."""
        count = self._misses(min(self.remaining() - total, 0.0))
        return count if limit is None else min(count, limit)

    def flip(self, heads: float, tails: float, odds: int) -> bool:
        """A coin that says yes with probability ``odds exp(heads) / (odds exp(heads) + exp(tails))``."""
        return self._rng.random() < math.exp(-np.logaddexp(0.0, tails - heads - math.log(odds)))

    def _weigh(self) -> None:
        """The masses in play, relative to the heaviest, and their sums."""
        log_mass = self._log_mass
        if self._taken:
            log_mass = log_mass.copy()
            log_mass[np.concatenate(self._taken)] = -math.inf
        self._top = float(log_mass.max(initial=-math.inf))
        padded = _padding(len(log_mass))
        if self._top > -math.inf:
            np.exp(np.subtract(log_mass, self._top, out=padded[: len(log_mass)]), out=padded[: len(log_mass)])
        self._lay_out(padded)

    def _lay_out(self, padded: Floats) -> None:
        """Masses in blocks, and their sums."""
        self._masses = padded.reshape(-1, BLOCK)
        self._sums = self._masses.sum(axis=1)
        self._left = float(self._sums.sum())

    def _index(self, masses: Floats) -> int:
        """An index with probability proportional to its mass: the first whose cumulative mass exceeds the mark.

        The mark is below the last cumulative mass, as a uniform is below one and the product rounds to no more than
        the float before; so there is such an index, and its own mass is positive.
        """
        cumulative = masses.cumsum()
        return int(cumulative.searchsorted(self._rng.random() * cumulative[-1], side="right"))

    def _misses(self, log_hit: float) -> int:
        """Misses before the first hit: the whole part of an exponential time over the rate ``-log(1 - hit)``.

        An integer of any size: hits of probability ``exp(-2000)`` are waited for.
        """
        time = -math.log1p(-self._rng.random())
        if time == 0.0 or log_hit == 0.0:
            return 0
        return _floor_exp(math.log(time) - (math.log(-log1mexp(log_hit)) if log_hit > _NEGLIGIBLE else log_hit))


def log1mexp(x: float) -> float:
    """``log(1 - exp(x))`` for negative ``x``, with all its digits (Mächler 2012, the package Rmpfr's note)."""
    return math.log(-math.expm1(x)) if x > -_LOG_2 else math.log1p(-math.exp(x))


def _floor_exp(x: float) -> int:
    """The whole part of ``exp(x)``; past the largest float, with 53 bits and zeros after them."""
    zeros = max(0, int((x - 700.0) / _LOG_2))
    return int(math.exp(x - zeros * _LOG_2)) << zeros


def _padding(size: int) -> Floats:
    """Zeros for whole blocks of ``size`` masses."""
    return np.zeros(-(-size // BLOCK) * BLOCK)
