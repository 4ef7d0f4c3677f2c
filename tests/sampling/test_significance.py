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
    [
        (3.841458820694124, 1, 0.05000000000000006),
        (24.0, 1, 9.633570086430946e-07),
        (0.02, 2, 0.9900498337491681),
        (18.307038053275146, 10, 0.05000000000000001),
        (80.0, 11, 1.475729792835745e-12),
        (35.5, 40, 0.6729171934280674),
        (150.0, 41, 2.4370440631183003e-14),
        (700.0, 333, 2.965923767412505e-28),
        (1e-06, 3, 0.9999999997340385),
        (60.0, 1, 9.485737571073848e-15),
    ],
)
def test_survival(x: float, freedom: int, expected: float) -> None:
    assert math.isclose(chi_square_survival(x, freedom), expected, rel_tol=1e-11)


def test_ends_of_the_survival_function() -> None:
    assert chi_square_survival(0, 3) == 1
    assert chi_square_survival(math.inf, 3) == 0
    for x, freedom in ((-1.0, 2), (1.0, 0), (math.nan, 2)):
        with pytest.raises(ValueError, match="chi-square is at least 0"):
            chi_square_survival(x, freedom)


def test_two_sided() -> None:
    assert math.isclose(two_sided(-1.959963984540054), 0.05, rel_tol=1e-12)


def test_small_cells_are_pooled() -> None:
    assert pooled([(90, 88.0), (6, 7.0), (3, 3.0), (1, 2.0)]) == [(90, 88.0), (6, 7.0), (4, 5.0)]
    assert pooled([(98, 98.0), (2, 2.0)]) == [(100, 100.0)]


def test_fit_of_right_and_wrong_draws() -> None:
    p_values = [goodness_of_fit(draws(seed), LAW) for seed in range(200)]
    assert min(p_values) > ALPHA
    assert 0.35 < np.mean(np.array(p_values) < 0.5) < 0.65  # they are uniform
    wrong = {"a": 0.42, "b": 0.38, "c": 0.15, "d": 0.0498, "e": 0.0002}
    assert goodness_of_fit(draws(1), wrong) < ALPHA
    assert goodness_of_fit([*draws(1), "f"], LAW) == 0
    with pytest.raises(ValueError, match="sums to one"):
        goodness_of_fit(draws(1), {"a": 0.5})
    with pytest.raises(ValueError, match="draw more"):
        goodness_of_fit(["a", "b", "a"], LAW)


def test_total_variation_and_its_floor() -> None:
    assert math.isclose(total_variation("aab", {"a": 0.5, "c": 0.5}), 0.5)
    measured = np.mean([total_variation(draws(seed), LAW) for seed in range(100)])
    assert math.isclose(measured, noise_floor(LAW, 4000), rel_tol=0.1)


def test_means() -> None:
    values = np.random.default_rng(3).exponential(2.0, 5000)
    assert mean_is(values, 2.0) > ALPHA > mean_is(values, 2.3)
    assert mean_is([0.25] * 9, 0.25) == 1
    assert mean_is([0.25] * 9, 0.26) == 0


def test_two_samples() -> None:
    other = {"a": 0.42, "b": 0.38, "c": 0.15, "d": 0.05}
    assert same_law(draws(1), draws(2)) > ALPHA > same_law(draws(1), draws(2, law=other))
    assert same_law(draws(1), draws(2, 300)) > ALPHA
    with pytest.raises(ValueError, match="draw more"):
        same_law("ab", "ba")


def test_pairs() -> None:
    first, second = draws(1), draws(2)
    assert independent(zip(first, second, strict=True)) > ALPHA
    echoed = [b if i % 8 else a for i, (a, b) in enumerate(zip(first, second, strict=True))]
    assert independent(zip(first, echoed, strict=True)) < ALPHA
