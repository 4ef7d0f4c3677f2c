"""Tests of samples against laws. All return p-values, to be compared with ``ALPHA``; cells expect 5 draws or more."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

ALPHA = 1e-6
LEAST = 5.0  # expected draws in a cell
Outcome = TypeVar("Outcome", bound=Hashable)
Other = TypeVar("Other", bound=Hashable)
Table = npt.NDArray[np.float64]


def chi_square_survival(x: float, freedom: int) -> float:
    """The probability of more than ``x`` under the chi-square law: a finite sum of positive terms.

    Abramowitz and Stegun, 26.4.4 (odd degrees: the tails of a normal law, and half-integer orders) and 26.4.5.
    """
    if freedom < 1 or not x >= 0:
        raise ValueError(f"chi-square is at least 0, with at least 1 degree of freedom, not {x} with {freedom}")
    if x == 0 or math.isinf(x):
        return float(x == 0)
    half = freedom % 2 / 2
    orders = [i + half for i in range(freedom // 2)]
    terms = [math.exp(a * math.log(x / 2) - x / 2 - math.lgamma(a + 1)) for a in orders]
    return min(1.0, math.fsum([*terms, math.erfc(math.sqrt(x / 2)) if half else 0.0]))


def two_sided(z: float) -> float:
    """The probability of a normal deviate further out than ``z``."""
    return math.erfc(abs(z) / math.sqrt(2))


# --- One sample and a law ---------------------------------------------------------------------------------------


def goodness_of_fit(draws: Iterable[Outcome], law: Mapping[Outcome, float]) -> float:
    """Chi-square of draws against a law. An outcome that the law says is impossible gives 0."""
    counts = Counter(draws)
    probabilities = _checked(law)
    if any(probabilities.get(outcome, 0.0) == 0.0 for outcome in counts):
        return 0.0
    n = counts.total()
    cells = pooled([(counts[outcome], n * p) for outcome, p in probabilities.items()])
    if len(cells) == 1:
        raise ValueError(f"{n} draws cannot test a law of {len(probabilities)} outcomes: draw more, or compare sets")
    statistic = math.fsum((seen - expected) ** 2 / expected for seen, expected in cells)
    return chi_square_survival(statistic, len(cells) - 1)


def pooled(cells: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """(seen, expected) cells, the smallest put together until each expects ``LEAST``."""
    ordered = sorted(cells, key=lambda cell: cell[1], reverse=True)
    while len(ordered) > 1 and ordered[-1][1] < LEAST:
        (seen, expected), (other, more) = ordered.pop(), ordered.pop()
        ordered.append((seen + other, expected + more))
    return ordered


def total_variation(draws: Iterable[Outcome], law: Mapping[Outcome, float]) -> float:
    """Between the frequencies of draws and a law."""
    counts = Counter(draws)
    n = counts.total()
    return 0.5 * math.fsum(abs(counts[outcome] / n - law.get(outcome, 0.0)) for outcome in {*counts, *law})


def noise_floor(law: Mapping[Outcome, float], n: int) -> float:
    """The total variation to be expected of ``n`` exact draws (normal approximation of each cell)."""
    return 0.5 * math.sqrt(2 / math.pi) * math.fsum(math.sqrt(p * (1 - p) / n) for p in law.values())


def mean_is(values: Sequence[float], expected: float) -> float:
    """A z-test of a mean. Values that are all the same must be ``expected``, to 1e-9."""
    sample = np.asarray(values, np.float64)
    deviation = sample.std(ddof=1) / math.sqrt(len(sample))
    if deviation <= 1e-12 * abs(expected):
        return float(math.isclose(sample.mean(), expected, rel_tol=1e-9))
    return two_sided((sample.mean() - expected) / deviation)


def _checked(law: Mapping[Outcome, float]) -> dict[Outcome, float]:
    probabilities = {outcome: float(p) for outcome, p in law.items()}
    if not math.isclose(math.fsum(probabilities.values()), 1.0, rel_tol=1e-9):
        raise ValueError(f"a law sums to one, not {math.fsum(probabilities.values())}")
    return probabilities


# --- Two samples, and pairs -------------------------------------------------------------------------------------


def same_law(first: Iterable[Outcome], second: Iterable[Outcome]) -> float:
    """Chi-square of two samples: have they one law?"""
    return _homogeneous(_counted([*((0, x) for x in first), *((1, x) for x in second)]))


def independent(pairs: Iterable[tuple[Outcome, Other]]) -> float:
    """Chi-square of pairs: do their halves have to do with each other?"""
    return _homogeneous(_counted(list(pairs)))


def _counted(pairs: Sequence[tuple[Hashable, Hashable]]) -> Table:
    """The contingency table of pairs."""
    rows = {row: i for i, row in enumerate(dict.fromkeys(row for row, _ in pairs))}
    columns = {column: i for i, column in enumerate(dict.fromkeys(column for _, column in pairs))}
    table = np.zeros((len(rows), len(columns)))
    for row, column in pairs:
        table[rows[row], columns[column]] += 1
    return table


def _homogeneous(table: Table) -> float:
    """Do the rows of a table have one law?"""
    while min(table.shape) > 1 and _least(table) < LEAST:
        table = _merged(table)
    if min(table.shape) == 1:
        raise ValueError(f"{int(table.sum())} draws fill no table of two rows and columns: draw more")
    expected = _expected(table)
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    return chi_square_survival(float(((table - expected) ** 2 / expected).sum()), freedom)


def _expected(table: Table) -> Table:
    return np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()


def _least(table: Table) -> float:
    return float(_expected(table).min())


def _merged(table: Table) -> Table:
    """The two rarest columns put together, or rows, whichever kind there is more of."""
    wide = table if table.shape[1] >= table.shape[0] else table.T
    order = np.argsort(-wide.sum(axis=0), kind="stable")
    kept, last = wide[:, order[:-2]], wide[:, order[-2:]].sum(axis=1, keepdims=True)
    merged = np.hstack([kept, last])
    return merged if table.shape[1] >= table.shape[0] else merged.T
