"""``Warped``: another model's laws at a temperature, cut to the most probable tokens: a law of its own.

Everything faithful is relative to the law that is sampled, so warping happens here, before any sampler, in float64,
and not to what a grammar left over. The order is that of transformers: temperature, then top-k, then top-p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from constrain.sampling.lm.model import LanguageModel, Laws, Request


class Warped:
    """The laws of ``model``, warped; a :class:`LanguageModel`.

    ``temperature``  finite, above 0: logarithms are divided by it
    ``top_k``        at least 1: keep the ``k`` most probable tokens, and all that are as probable as the last of them
    ``top_p``        above 0, at most 1: keep a token if the more probable ones hold less than ``p`` together. Tokens of
                     equal probability stay or go together (transformers, which sorts, may keep some of them only)

    What is left is normalised, each time before the next step. ``usage`` is the model's own. Raises ``ValueError``.
    """

    def __init__(
        self, model: LanguageModel, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
    ) -> None:
        _check(temperature, top_k, top_p)
        self.model = model
        self.width = model.width
        self.usage = model.usage
        self.key = f"{model.key}|temperature={temperature!r},top_k={top_k},top_p={top_p!r}"
        self._temperature, self._top_k, self._top_p = float(temperature), top_k, top_p

    def laws(self, requests: Sequence[Request]) -> list[Laws]:
        """See :class:`LanguageModel`."""
        return [self._warp(laws) for laws in self.model.laws(requests)]

    def _warp(self, laws: Laws) -> Laws:
        if self._temperature != 1:
            laws = normalised(laws / self._temperature)
        if self._top_k is not None and self._top_k < self.width:
            laws = normalised(_keep_most_probable(laws, self._top_k))
        if self._top_p is not None and self._top_p < 1:
            laws = normalised(_keep_nucleus(laws, self._top_p))
        return laws


def normalised(scores: Laws) -> Laws:
    """Logarithms of probabilities in proportion to the exponentials of ``scores``, row by row."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _keep_most_probable(laws: Laws, count: int) -> Laws:
    least = np.partition(laws, -count, axis=-1)[:, -count, None]
    return np.where(laws < least, -np.inf, laws)


def _keep_nucleus(laws: Laws, mass: float) -> Laws:
    falling = -np.sort(-laws, axis=-1)
    until = np.cumsum(np.exp(falling), axis=-1)
    kept = 1 + (until[:, :-1] < mass).sum(axis=-1, keepdims=True)  # the first, and each that less than p lies before
    least = np.take_along_axis(falling, kept - 1, axis=-1)
    return np.where(laws < least, -np.inf, laws)


def _check(temperature: float, top_k: int | None, top_p: float | None) -> None:
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(
            f"temperature={temperature!r}: it must be finite and above 0 (0 is no law to sample from but one text)"
        )
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
        raise ValueError(f"top_k={top_k!r}: it must be an int, at least 1, or None for all tokens")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p={top_p!r}: it must be above 0 and at most 1, or None for all tokens")
