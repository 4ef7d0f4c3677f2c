"""The methods that are one descent of the trie: mask, asap, importance, exact.

* ``mask``: draws as masking makes them, each with its importance weight ``prod Z_u``.
* ``asap``: adaptive sampling with approximate expected futures (Park et al. 2024, algorithm 1). Its draws come to
  follow the target as more are made; with its weights they are properly weighted from the first. After the first
  updates what was never visited is drawn too often, so single draws can be worse than masking's: see ``defensive``.
* ``importance``: ASAp and masking mixed, half and half, whose weights are at most twice masking's; self-normalised.
* ``exact``: adaptive rejection with an early coin: each sample follows the target exactly, and independently of the
  others.
"""

from __future__ import annotations

from math import inf, log, log1p, sqrt

import numpy as np

from constrain.sampling.certificate import mean
from constrain.sampling.masses import log_sum
from constrain.sampling.problem import Problem
from constrain.sampling.results import Samples
from constrain.sampling.trie import DEAD
from constrain.sampling.walk import Draw, Mode

ATTEMPTS = 1000  # walks for each exact sample, on average, before it is given up


def mask(problem: Problem) -> Samples:
    """``n`` draws under the mask. Walks that find nothing wanted (the cap, the predicate) are tried no second time."""
    return _weighted(problem, "mask", "mask")


def asap(problem: Problem, defensive: bool = False) -> Samples:
    """``n`` draws by ASAp, one after the other (``slots=1``) or several together, which learn from each other later."""
    return _weighted(problem, "asap", "defensive" if defensive else "asap")


def importance(problem: Problem) -> Samples:
    """``n`` draws of the defensive mixture, for averages under their weights and for ``Samples.resample``."""
    return _weighted(problem, "importance", "defensive")


def exact(problem: Problem) -> Samples:
    """``n`` exact, independent samples, or as many as the budget of walks allows (default: 1,000 for each)."""
    budget = ATTEMPTS * problem.n if problem.budget is None else problem.budget
    draws = problem.draws("exact", problem.n, 0, budget=budget)
    found = sorted((draw for draw in draws if draw.found), key=lambda draw: draw.index)
    missing = problem.n - len(found)
    if missing:
        problem.notes.append(_explain_missing(problem, len(found), budget))
    log_z, error = mean(draw.log_w for draw in draws if draw.attempt == 0)
    return problem.result(
        "exact",
        "exact, independent",
        (problem.sample(draw, 0.0) for draw in found),
        missing=missing,
        # The number of walks depends on what they found. The first of each sample are so many as were asked for.
        estimate=_by_acceptance(draws),
        unbiased=False,
        log_z_unbiased=log_z,
        relative_error_unbiased=error,
    )


def _by_acceptance(draws: list[Draw]) -> tuple[float, float]:
    """``log Z`` from how many walks were accepted under which bounds, and its relative error.

    A walk begun under the bound ``S`` is accepted with probability ``a = Z / S``, whatever was before, so up to the
    ``n``-th acceptance ``sum 1 / S`` is ``n / Z`` on average, with relative variance ``v = sum a (1 - a) / n^2``; ``(1
    - v) n / sum 1 / S`` takes most of the bias of the inverse away. (The mean of ``S 1{accepted}`` is unbiased for a
    fixed number of walks, but early bounds are high, and walks under them hardly ever accepted: most of the time it is
    far too small.)
    """
    found = sum(draw.found for draw in draws)
    if not found:
        return -inf, inf
    inverse = np.array([-draw.log_bound for draw in draws])
    log_z = log(found) - log_sum(inverse)
    accepted = np.exp(np.minimum(log_z + inverse, 0.0))
    variance = min(float((accepted * (1.0 - accepted)).sum()) / found**2, 0.5)
    return log_z + log1p(-variance), sqrt(variance)


def _weighted(problem: Problem, method: str, mode: Mode) -> Samples:
    draws = sorted(problem.draws(mode, problem.n, 0, budget=problem.budget), key=lambda draw: draw.index)
    problem.evidence.terms += [draw.log_w for draw in draws]  # of those that found nothing too
    found = [problem.sample(draw, draw.log_w) for draw in draws if draw.found]
    return problem.result(method, "properly weighted", found, missing=problem.n - len(found))


def _explain_missing(problem: Problem, found: int, budget: int) -> str:
    if problem.trie.root.bound == DEAD:
        return "no text is wanted: none that the model can write within max_tokens is accepted"
    return (
        f"{found} of {problem.n} samples found in {budget} walks: allow more with budget=, or take a method whose "
        "samples are weighted (importance, smc)"
    )
