"""The AWRS benchmark: its exact Z is exact, its particles are unbiased for it, and its report has a row for each."""

from __future__ import annotations

import asyncio
import itertools
import math

import numpy as np
import pytest

from benchmarks import awrs_bench
from benchmarks.awrs_bench import Walk
from constrain.sampling.methods.awrs import ESTIMATORS


def enumerated(walk: Walk) -> float:
    """Z by all texts."""
    total = 0.0
    for length in range(walk.length + 1):
        for text in itertools.product(range(walk.size), repeat=length):
            if all(walk.prefix_ok(text[: end + 1]) for end in range(length)) and walk.complete_ok(text):
                total += math.exp(sum(walk.row(text[:i])[token] for i, token in enumerate(text)) + walk.row(text)[-1])
    return total


def test_the_exact_z_is_that_of_all_texts() -> None:
    walk = Walk(size=6, length=3, classes=3, seed=4)
    assert walk.z() == pytest.approx(enumerated(walk), rel=1e-12)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_particles_estimate_it_without_bias(name: str) -> None:
    walk = Walk(size=6, length=3, classes=3, seed=4)
    run = awrs_bench.our_smc(walk, name, threshold=0.5, seed=1)

    async def estimates() -> list[float]:
        return [math.exp((await run(6))[0]) / walk.z() for _ in range(300)]

    found = np.array(asyncio.run(estimates()))
    assert abs(found.mean() - 1) < 6 * found.std() / math.sqrt(len(found))


def test_a_report_has_all_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awrs_bench, "genlm_version", lambda: "")
    cases = awrs_bench.enumerable_cases()[:1] + awrs_bench.step_cases([100], 0)[:1]
    report = awrs_bench.report("Steps", asyncio.run(awrs_bench.steps(cases, 5, 0)))
    for case, name in itertools.product(cases, ESTIMATORS):
        assert f"| {case.name} | {name} | " in report
    assert "genlm" not in report
