"""Masses in blocks against plain sums in high precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.sampling.masses import BLOCK, Masses

logs = st.lists(st.one_of(st.floats(-800, 5), st.just(-math.inf)), min_size=1, max_size=40)


def left_of(log_p: list[float], taken: set[int]) -> float:
    """The log of what is left, by the definition."""
    terms = [x for i, x in enumerate(log_p) if i not in taken and x > -math.inf]
    top = max(terms, default=0.0)
    return math.log(math.fsum(math.exp(x - top) for x in terms)) + top if terms else -math.inf


@given(logs, st.randoms(use_true_random=False))
def test_what_is_left_after_taking_in_any_order(log_p: list[float], random: object) -> None:
    """Down to the last, however much smaller it is than the first."""
    masses, taken = Masses(np.array(log_p)), set[int]()
    order = list(range(len(log_p)))
    random.shuffle(order)  # type: ignore[attr-defined]
    for place in order:
        assert masses.log_total == pytest.approx(left_of(log_p, taken), rel=1e-12, abs=1e-12)
        if masses.log_total > -math.inf:
            drawn = masses.draw(0.999999)
            assert drawn not in taken and log_p[drawn] > -math.inf
        masses.take(place)
        taken.add(place)
    assert masses.log_total == -math.inf


@pytest.mark.parametrize("size", [1, 5, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_draws_invert_the_distribution(size: int) -> None:
    """The uniforms that draw a place fill an interval of its share: found by bisection of its ends."""
    rng = np.random.default_rng(size)
    log_p = rng.normal(size=size) * 3
    masses = Masses(log_p)
    for place in rng.choice(size, size=size // 3, replace=False).tolist():
        masses.take(place)
    every = np.exp(log_p) / np.exp(log_p).sum()
    check_inversion(masses.draw_any, every, rng)
    left = every.copy()
    left[masses._taken] = 0.0
    check_inversion(masses.draw, left / left.sum(), rng)


def check_inversion(draw: Callable[[float], int], shares: np.ndarray, rng: np.random.Generator) -> None:
    for place in rng.choice(np.flatnonzero(shares), size=20, replace=True).tolist():
        begin = shares[:place].sum()
        end = begin + shares[place]
        for uniform in (begin + 1e-9 * shares[place], (begin + end) / 2, end - 1e-9 * shares[place]):
            if shares[place] > 1e-6:
                assert draw(uniform) == place


def test_a_faint_mass_is_found_when_all_others_are_gone() -> None:
    masses = Masses(np.array([0.0, -2000.0, -2001.0]))
    masses.take(0)
    assert masses.log_total == pytest.approx(-2000 + math.log1p(math.exp(-1)))
    assert [masses.draw(u) for u in (0.0, 0.73, 0.74)] == [1, 1, 2]


def test_no_mass_at_all() -> None:
    assert Masses(np.array([-math.inf, -math.inf])).log_total == -math.inf
    assert Masses(np.empty(0)).log_total == -math.inf


def test_sums_are_not_differences() -> None:
    """Take almost everything: what is left is exact, not the difference of two nearly equal sums."""
    small = 1e-12
    masses = Masses(np.log([1.0, 1.0, small]))
    masses.take(0)
    masses.take(1)
    assert Fraction(math.exp(masses.log_total)) == pytest.approx(Fraction(small), rel=1e-14)
