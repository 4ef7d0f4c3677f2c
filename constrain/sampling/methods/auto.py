"""``auto``: the best guarantee that the budget allows, decided by looking at a few weighted draws.

The pilot's draws are of the defensive mixture. They teach the trie and say how probable wanted texts are: an exact
sample takes ``S(root) / Z`` walks. Where that many are within the budget, exact sampling it is. Otherwise, where the
pilot's weights are even (an effective sample size above ``EVEN`` of their number), weighted draws; else particles,
which are resampled on the way. The pilot is paid for out of the budget, and none of its draws is a sample: the choice
was made by them.
"""

from __future__ import annotations

from math import exp, inf

import numpy as np

from constrain.sampling.certificate import mean
from constrain.sampling.methods.drawing import exact, importance
from constrain.sampling.methods.resampling import effective_size
from constrain.sampling.methods.smc import smc
from constrain.sampling.problem import Problem
from constrain.sampling.results import Samples
from constrain.sampling.trie import DEAD
from constrain.sampling.walk import Draw

PILOT = 12
EVEN = 0.3
WALKS = 50  # for each exact sample, where no budget was given


def auto(problem: Problem) -> Samples:
    """``n`` samples: exact if the budget of walks (default: 50 for each sample) allows, else weighted."""
    pilot = problem.draws("defensive", _pilot(problem), 9)
    if problem.budget is not None:
        problem.budget -= len(pilot)
    walks, even = _prospects(problem, pilot)
    problem.notes.append(
        f"{len(pilot)} draws to begin with: about {walks:.3g} walks for an exact sample, effective share {even:.2f}"
    )
    if problem.n * walks <= (WALKS * problem.n if problem.budget is None else problem.budget):
        return exact(problem)
    return importance(problem) if even > EVEN else smc(problem)


def _pilot(problem: Problem) -> int:
    """How many draws to begin with: at most half of what the budget leaves beside one walk for each sample."""
    return PILOT if problem.budget is None else max(0, min(PILOT, (problem.budget - problem.n) // 2))


def _prospects(problem: Problem, pilot: list[Draw]) -> tuple[float, float]:
    """About how many walks an exact sample takes, and the share of the pilot's draws that its weights are worth."""
    logs = np.array([draw.log_w for draw in pilot])
    log_z, _ = mean(logs)
    if problem.trie.root.bound == DEAD:  # known already: no text is wanted
        return 0.0, 0.0
    if log_z == DEAD:
        return inf, 0.0
    return exp(min(problem.trie.root.bound - log_z, 700.0)), effective_size(logs) / len(logs)
