"""``auto``: the best guarantee that the budget allows, decided by looking at a few weighted draws.

The pilot's draws are of the defensive mixture. They teach the trie and say how probable wanted texts are: an exact
sample takes ``S(root) / Z`` walks. Where that many are within the budget, exact sampling it is. Otherwise, where the
pilot's weights are even (an effective sample size above ``EVEN`` of their number), weighted draws; else particles,
which are resampled on the way.
"""

from __future__ import annotations

from dataclasses import replace
from math import exp

import numpy as np

from constrain.sampling.certificate import mean
from constrain.sampling.methods.drawing import exact, importance
from constrain.sampling.methods.smc import smc
from constrain.sampling.problem import Problem
from constrain.sampling.results import Samples, normalised

PILOT = 12
EVEN = 0.3
WALKS = 50  # for each exact sample, where no budget was given


def auto(problem: Problem) -> Samples:
    """``n`` samples: exact if the budget of walks (default: 50 for each sample) allows, else weighted."""
    pilot = problem.draws("defensive", PILOT, 9)
    logs = np.array([draw.log_w for draw in pilot])
    log_z, _ = mean(logs)
    budget = WALKS * problem.n if problem.budget is None else problem.budget
    walks = exp(min(problem.trie.root.bound - log_z, 700.0)) if log_z > -np.inf else np.inf
    even = 1.0 / (PILOT * float((normalised(logs) ** 2).sum()))
    said = f"{PILOT} draws to begin with: about {walks:.3g} walks for an exact sample, effective share {even:.2f}"
    problem.notes.append(said)
    if walks * problem.n <= budget:
        return exact(replace(problem, budget=None))
    return importance(problem) if log_z > -np.inf and even > EVEN else smc(problem)
