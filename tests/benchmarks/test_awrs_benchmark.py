"""The AWRS benchmark: its exact Z is exact, its particles are unbiased for it, and its report has a row for each."""

from __future__ import annotations

import asyncio
import itertools
import math

import numpy as np
import pytest

from benchmarks import awrs_bench
from benchmarks.awrs_scenes import Walk, our_smc
from constrain.sampling.methods.awrs import ESTIMATORS


def enumerated(walk: Walk) -> float:
    """Z by all texts."""
    total = 0.0
    for length in range(walk.length + 1):
        for text in itertools.product(range(walk.size), repeat=length):
            written = [b"".join(walk.tokens[token] for token in text[:end]) for end in range(1, length + 1)]
            if all(map(walk.prefix_ok, written)) and walk.complete_ok(written[-1] if written else b""):
                total += math.exp(sum(walk.row(text[:i])[token] for i, token in enumerate(text)) + walk.row(text)[-1])
    return total


def test_the_exact_z_is_that_of_all_texts() -> None:
    walk = Walk(size=6, length=3, classes=3, seed=4)
    assert walk.z() == pytest.approx(enumerated(walk), rel=1e-12)


@pytest.mark.parametrize("threshold", [0.5, 0.0])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_particles_estimate_it_without_bias(name: str, threshold: float) -> None:
    walk = Walk(size=6, length=3, classes=3, seed=4)
    run = our_smc(walk, name, threshold, seed=1)

    async def estimates() -> list[float]:
        return [math.exp((await run(6)).log_weight) / walk.z() for _ in range(300)]

    found = np.array(asyncio.run(estimates()))
    assert abs(found.mean() - 1) < 6 * found.std() / math.sqrt(len(found))


def test_a_report_has_all_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awrs_bench, "genlm_version", lambda: "")
    cases = awrs_bench.enumerable_cases()[:1] + awrs_bench.step_cases([100], 0)[:1]
    report = awrs_bench.report("Steps", asyncio.run(awrs_bench.steps(cases, 5, 0)))
    for case, name in itertools.product(cases, ESTIMATORS):
        assert f"| {case.name} | {name} | " in report
    assert "genlm" not in report
