"""The urn: its draws have the law of the masses left, and its sums keep their digits down to the last token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.sampling.masses import Masses, log_sum
from constrain.sampling.methods.urn import BLOCK, Urn, log1mexp

CHI_SQUARE_SIGMAS = 6.0  # of Wilson and Hilferty's cube root, one-sided: 1e-9


class Fixed:
    """A generator whose uniforms are given."""

    def __init__(self, uniforms: Sequence[float]) -> None:
        self.uniforms = list(uniforms)

    def random(self) -> float:
        return self.uniforms.pop(0)


def improbable(counts: np.ndarray, expected: np.ndarray) -> bool:
    """Pearson's chi-square, cells of fewer than five lumped, against its law (Wilson and Hilferty)."""
    small = expected < 5
    counts = np.append(counts[~small], counts[small].sum())
    expected = np.append(expected[~small], expected[small].sum())
    counts, expected = counts[expected > 0], expected[expected > 0]
    statistic, degrees = (((counts - expected) ** 2) / expected).sum(), len(expected) - 1
    spread = 2 / (9 * degrees)
    return bool(((statistic / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread) > CHI_SQUARE_SIGMAS)


@pytest.mark.parametrize("size", [5, BLOCK, 3 * BLOCK + 7])
def test_the_law_of_draws_before_and_after_some_are_taken_out(size: int) -> None:
    rng = np.random.default_rng(7)
    masses = rng.exponential(size=size) ** 3
    masses[::7] = 0.0
    with np.errstate(divide="ignore"):
        urn = Urn(np.log(masses), rng)
    for taken in ([], [int(masses.argmax())], list(range(1, size // 2))):
        urn.drop(taken)
        masses[taken] = 0.0
        counts = np.bincount([urn.pick() for _ in range(12000)], minlength=size)
        assert not counts[masses == 0].any()
        assert not improbable(counts, masses / masses.sum() * 12000)
        assert improbable(counts, np.roll(masses, 1) / masses.sum() * 12000), "the test cannot fail"
        assert urn.remaining() == pytest.approx(math.log(math.fsum(masses)), rel=1e-14, abs=1e-14)


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-53])
def test_the_ends_of_the_uniform_do_not_draw_what_has_no_mass(uniform: float) -> None:
    log_mass = np.full(2 * BLOCK + 3, -np.inf)
    log_mass[[5, BLOCK + 9, BLOCK + 11]] = np.log([0.1, 0.3, 0.7])
    urn = Urn(log_mass, Fixed([uniform, uniform]))  # type: ignore[arg-type]
    assert urn.pick() in (5, BLOCK + 9, BLOCK + 11)


@given(st.lists(st.floats(-2000, 50), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_taking_out_one_by_one_leaves_the_sum_of_the_rest(log_masses: list[float], order: object) -> None:
    log_mass = np.array(log_masses)
    urn = Urn(log_mass, np.random.default_rng(0))
    left = list(range(len(log_mass)))
    order.shuffle(left)  # type: ignore[attr-defined]
    while left:
        assert urn.remaining() == pytest.approx(log_sum(log_mass[left]), rel=1e-13, abs=1e-12)
        assert urn.pick() in left
        urn.drop([left.pop()])
    assert (urn.pick(), urn.remaining()) == (None, -math.inf)


def test_many_taken_out_at_once() -> None:
    log_mass = np.log(np.arange(1.0, 5 * BLOCK))
    urn = Urn(log_mass, np.random.default_rng(0))
    urn.drop(np.arange(100, len(log_mass)))
    assert urn.remaining() == pytest.approx(math.log(100 * 101 / 2), rel=1e-14)
    assert urn.mass([1, 2]) == pytest.approx(math.log(5), rel=1e-14)
    assert urn.mass([]) == -math.inf


def test_phantoms_are_geometric() -> None:
    urn = Urn(np.log([0.3, 0.7]), np.random.default_rng(11))
    total = urn.remaining()
    assert {urn.phantoms(total, None) for _ in range(20)} == {0}
    urn.drop([1])
    counts = np.bincount([urn.phantoms(total, 40) for _ in range(10000)], minlength=41)
    law = np.array([*(0.3 * 0.7**k for k in range(40)), 0.7**40])
    assert not improbable(counts, law * 10000)
    assert improbable(counts, np.roll(law, 1) * 10000), "the test cannot fail"


@pytest.mark.parametrize("depth", [20.0, 36.9, 37.1, 600.0, 800.0, 5000.0])
def test_phantoms_before_an_improbable_hit(depth: float) -> None:
    urn = Urn(np.array([0.0, -depth]), Fixed([1 - math.exp(-1)]))  # type: ignore[arg-type]
    total = urn.remaining()
    urn.drop([0])
    count = urn.phantoms(total, None)
    assert isinstance(count, int)
    assert math.log(count) == pytest.approx(depth, rel=1e-8)


def test_the_coin() -> None:
    urn = Urn(np.zeros(1), np.random.default_rng(2))
    heads = sum(urn.flip(math.log(0.1), math.log(0.6), 2) for _ in range(4000))
    assert abs(heads - 1000) < 6 * math.sqrt(4000 * 0.25 * 0.75)
    assert [urn.flip(-math.inf, 0.0, 1), urn.flip(0.0, -math.inf, 1), urn.flip(-5000.0, 0.0, 3)] == [False, True, False]


@pytest.mark.parametrize("x", [Fraction(-1, 10**9), Fraction(-1, 1000), Fraction(-7, 10), Fraction(-3), Fraction(-30)])
def test_log1mexp_keeps_its_digits(x: Fraction) -> None:
    term, series = Fraction(1), Fraction(0)
    for n in range(1, 200):
        term = term * x / n
        series -= term  # 1 - exp(x)
    if x > Fraction(-1, 100):
        assert log1mexp(float(x)) == pytest.approx(math.log(series), rel=1e-14)
    else:
        assert log1mexp(float(x)) == pytest.approx(math.log1p(float(series - 1)), rel=1e-13)


def test_masses_that_are_at_hand_give_the_same_urn() -> None:
    """The same draws, also after much was taken out of both and the scale has moved."""
    log_mass = np.random.default_rng(3).normal(size=1300) * 40
    masses = Masses(log_mass)
    for place in range(0, 1300, 7):
        masses.take(place)  # does not change what is handed over
    order = np.argsort(-log_mass)
    plain, handed = (Urn(log_mass, np.random.default_rng(5), scaled) for scaled in (None, masses.scaled))
    for beginning in range(0, 1200, 50):
        assert [plain.pick() for _ in range(20)] == [handed.pick() for _ in range(20)]
        assert plain.remaining() == pytest.approx(handed.remaining(), rel=1e-12)
        for urn in (plain, handed):
            urn.drop(order[beginning : beginning + 50])
    assert masses.scaled[1] == pytest.approx(np.exp(log_mass - log_mass.max()))
