"""The statistics that sampler tests rest on: against figures of mpmath, and on samples that are right and wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sampling.significance import (
    ALPHA,
    chi_square_survival,
    goodness_of_fit,
    independent,
    mean_is,
    noise_floor,
    pooled,
    same_law,
    total_variation,
    two_sided,
)

LAW = {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.0498, "e": 0.0002}


def draws(seed: int, n: int = 4000, law: dict[str, float] = LAW) -> list[str]:
    return [str(x) for x in np.random.default_rng(seed).choice(list(law), n, p=list(law.values()))]


# mpmath.gammainc(k / 2, x / 2, regularized=True) at 40 digits
@pytest.mark.parametrize(
    ("x", "freedom", "expected"),
    MPMATH,
)
def test_survival(x: float, freedom: int, expected: float) -> None:
    assert math.isclose(chi_square_survival(x, freedom), expected, rel_tol=1e-11)
