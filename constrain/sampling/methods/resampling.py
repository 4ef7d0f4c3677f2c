"""Resampling: which particles live on, and how often.

Each scheme gives every particle ``n`` times its normalised weight as the *expected* number of copies, which is all that
unbiasedness needs; they differ in the variance. (Douc, Cappé & Moulines 2005, *Comparison of resampling schemes for
particle filtering*.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from constrain.sampling.masses import Floats

Ancestors = npt.NDArray[np.int64]


def stratified(weights: Floats, rng: np.random.Generator) -> Ancestors:
    """One uniform in each of ``n`` equal parts of the unit interval."""
    return _invert(weights, (np.arange(len(weights)) + rng.random(len(weights))) / len(weights))


def systematic(weights: Floats, rng: np.random.Generator) -> Ancestors:
    """One uniform, the same in each of ``n`` equal parts."""
    return _invert(weights, (np.arange(len(weights)) + rng.random()) / len(weights))


def multinomial(weights: Floats, rng: np.random.Generator) -> Ancestors:
    """``n`` independent draws."""
    return _invert(weights, rng.random(len(weights)))


def residual(weights: Floats, rng: np.random.Generator) -> Ancestors:
    """The whole part of ``n`` times each weight for certain, the rest by independent draws."""
    expected = weights * len(weights)
    whole = np.floor(expected)
    certain = np.repeat(np.arange(len(weights)), whole.astype(np.int64))
    missing = len(weights) - len(certain)
    if not missing:
        return certain
    return np.concatenate([certain, _invert(expected - whole, rng.random(missing))])


SCHEMES = {"stratified": stratified, "systematic": systematic, "multinomial": multinomial, "residual": residual}


def effective_size(log_weights: Floats) -> float:
    """``(sum W)^2 / sum W^2``: as many equal weights would be worth as much; 0 where all are zero."""
    top = log_weights.max()
    if top == -np.inf:
        return 0.0
    weights = np.exp(log_weights - top)
    return float(weights.sum() ** 2 / (weights**2).sum())


def _invert(weights: Floats, uniforms: Floats) -> Ancestors:
    """The index into whose share of the cumulative weights each uniform falls; never one of weight zero."""
    cumulative = weights.cumsum()
    places = cumulative.searchsorted(uniforms * cumulative[-1], side="right")
    return np.asarray(np.minimum(places, np.flatnonzero(weights)[-1]), np.int64)
