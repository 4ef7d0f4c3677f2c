"""``guard``: another model proposes, this one disposes (Kim et al., *Guaranteed Generation*, arXiv 2410.06716).

Proposals ``w`` come from any model, say the same one behind a prompt that asks for what is wanted, drawn under the
same grammar with density ``a(w)``. The problem's model says ``P(w)``, in one forward pass. A proposal is accepted with
probability ``min(1, W / beta)``, ``W = P / a`` (quasi-rejection: Eikema et al. 2022). What comes out
has the law ``g_beta = min(P, beta a) / Z_beta``, with ``Z_beta = sum min(P, beta a)``:

* where ``beta`` bounds all weights it is the target ``g = P / Z``: exact and independent samples;
* else ``TV(g, g_beta) <= 1 - Z_beta / Z``, the share of the mass that is clipped off.

The acceptance rate is ``AR = Z_beta / beta``, and
``KL(g || a) = KL(g || g_beta) + E_g[log min(1, W / beta)] - log AR``: what is accepted less often is the better for it.
With ``beta`` below all weights every wanted proposal is accepted, and this is GUARD's theorem
``KL(g || a) = KL(g || g') - log AR``. The curve over ``beta`` is estimated of all draws at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, inf, log
from typing import Any, Literal

import numpy as np

from constrain.sampling.certificate import Evidence, mean
from constrain.sampling.lm.causal import CausalModel
from constrain.sampling.lm.model import LanguageModel
from constrain.sampling.lm.prompts import encode_prompt
from constrain.sampling.masses import Floats, log_sum
from constrain.sampling.methods.scoring import score
from constrain.sampling.problem import Problem
from constrain.sampling.results import Guarantee, Sample, Samples, normalised
from constrain.sampling.trie import DEAD, Trie

PILOT, ROUNDS, COINS = 60, 1000, 61  # names of streams of randomness
ATTEMPTS = 1000  # proposals for each sample, before it is given up
POINTS = 16  # of the curve
SLACK = 1e-9  # by which rounding may lift a weight over a bound that is tight


def guard(
    problem: Problem,
    proposal: LanguageModel | tuple[Any, Any, Any],
    beta: float | None = None,
    pilot: int | None = None,
    draws: Literal["mask", "asap"] = "mask",
) -> Samples:
    """``n`` texts proposed by another model, accepted with probability ``min(1, W / beta)``.

    ``proposal``  a ``LanguageModel`` over the same vocabulary, or ``(model, tokenizer, prompt)`` as for
                  ``constrain.sample``.
    ``beta``      a bound on ``W = P / a``, positive. If it is one, samples are exact and independent; a weight above it
                  shows that it is none, which is said. ``None``: the greatest weight of a pilot. That is no bound: the
                  guarantee is "asymptotic", and ``facts["tv_bound"]`` estimates how far off the samples are at most.
    ``pilot``     draws to set ``beta`` by (default: ``4 n``, at least 32, at most half of the budget); none of them is
                  a sample.
    ``draws``     how the proposal's model is drawn from: "mask", or "asap", which learns from what it meets.

    The budget (default 1,000 for each sample) counts proposals, the pilot's too. Samples have the weight
    ``max(1, W / beta)``: 1 where ``beta`` held, and else what makes averages right again. A predicate is asked by both
    tries: for one that is slow, remember its answers.

    ``facts``: ``log_beta``, ``acceptance`` (of the proposals after the pilot), ``tv_bound`` (at this ``beta``,
    estimated), ``kl_proposal`` (``KL(g || a)`` in nats), ``curve``, ``log_z_unbiased`` and ``relative_error_unbiased``
    (of the first round, whose size was fixed), ``proposal_calls``, ``proposal_tokens``. ``curve``: for each ``beta`` of
    a grid the keys ``log_beta``, ``acceptance``, ``tv`` (total variation from the target), ``tv_bound`` and ``kl``
    (``KL(g || g_beta)``), all estimated from all weights.
    """
    if beta is not None and not 0.0 < beta < inf:
        raise ValueError(f"beta must be positive and finite, not {beta}")
    if draws not in ("mask", "asap"):
        raise ValueError(f"draws must be 'mask' or 'asap', not {draws!r}")
    source = Source(problem, proposals_of(problem, proposal), draws)
    budget = ATTEMPTS * problem.n if problem.budget is None else problem.budget
    tried = [] if beta is not None else source.draw(_pilot(problem, pilot, budget), PILOT)
    log_beta = log(beta) if beta is not None else max((each.log_weight for each in tried), default=DEAD)
    accepted, rounds = _accept(problem, source, log_beta, budget - len(tried))
    return _result(problem, source, log_beta, beta is not None, accepted, tried, rounds)


@dataclass
class Source:
    """Proposals of another model, the one of ``proposals``, weighed by that of ``problem``."""

    problem: Problem
    proposals: Problem
    mode: Literal["mask", "asap"]

    def draw(self, count: int, phase: int) -> list[Sample]:
        """``count`` proposals, in the order of their numbers, with weight ``log W`` (``-inf``: not wanted)."""
        drawn = sorted(self.proposals.draws(self.mode, count, phase), key=lambda draw: draw.index)
        found = [draw.tokens for draw in drawn if draw.found]
        scores = iter(score(self.problem.trie, found))
        samples = [
            self._weigh(draw.tokens, draw.log_p - draw.log_w, *(next(scores) if draw.found else (DEAD, DEAD)))
            for draw in drawn
        ]
        self.problem.evidence.attempts += count
        self.problem.trie.shrink()
        return samples

    def _weigh(self, tokens: tuple[int, ...], log_proposal: float, log_p: float, log_mask: float) -> Sample:
        if log_p == DEAD:
            return self.problem.read(tokens, DEAD, DEAD, DEAD)
        self.problem.evidence.see(tokens, log_p)
        return self.problem.read(tokens, log_p, log_p - log_proposal, log_mask)


def proposals_of(problem: Problem, proposal: LanguageModel | tuple[Any, Any, Any]) -> Problem:
    """The same problem for the model that proposes, with a trie of its own."""
    if isinstance(proposal, tuple):
        causal, tokenizer, prompt = proposal
        model: LanguageModel = CausalModel(causal, encode_prompt(tokenizer, prompt))
    else:
        model = proposal
    trie = Trie(model, problem.trie.target, problem.trie.max_bytes)
    return Problem(trie, problem.n, problem.seed, problem.slots, evidence=Evidence())


def _pilot(problem: Problem, pilot: int | None, budget: int) -> int:
    size = min(max(4 * problem.n, 32), max(budget // 2, 1)) if pilot is None else pilot
    if not 1 <= size <= budget:
        raise ValueError(f"a pilot of {size} draws is not possible: 1 or more, and at most the budget of {budget}")
    return size


def _accept(problem: Problem, source: Source, log_beta: float, budget: int) -> tuple[list[Sample], list[list[Sample]]]:
    """The first ``n`` accepted proposals, in the order of their numbers, and all rounds of proposals.

    Rounds are brought to their ends, and their sizes do not depend on what they find: were the first to finish taken,
    they would be short texts.
    """
    coins = problem.stream(COINS)
    accepted: list[Sample] = []
    rounds: list[list[Sample]] = []
    if log_beta == DEAD:
        return accepted, rounds
    for size in _sizes(max(problem.n, problem.slots), budget):
        rounds.append(source.draw(size, ROUNDS + len(rounds)))
        accepted += [each for each in rounds[-1] if coins.random() < exp(min(each.log_weight - log_beta, 0.0))]
        problem.report(min(len(accepted), problem.n))
        if len(accepted) >= problem.n:
            break
    return accepted[: problem.n], rounds


def _sizes(size: int, budget: int) -> Iterator[int]:
    while budget > 0:
        yield min(size, budget)
        budget -= size


def _result(
    problem: Problem,
    source: Source,
    log_beta: float,
    given: bool,
    accepted: list[Sample],
    tried: list[Sample],
    rounds: list[list[Sample]],
) -> Samples:
    weights = np.array([each.log_weight for part in [tried, *rounds] for each in part])
    after = sum(map(len, rounds))
    rate = sum(float(np.exp(np.minimum([each.log_weight - log_beta for each in part], 0.0)).sum()) for part in rounds)
    log_z, error = mean(each.log_weight for each in tried or rounds[0])
    if len(accepted) < problem.n:
        problem.notes.append(
            f"{len(accepted)} of {problem.n} samples accepted of {after} proposals: allow more with budget="
        )
    here = point(weights, log_beta)
    used = source.proposals.trie.model.usage.since(source.proposals.before)
    return problem.result(
        "guard",
        _guarantee(problem, weights, log_beta, given),
        [_sample(each, log_beta) for each in accepted],
        missing=problem.n - len(accepted),
        estimate=mean(weights),
        unbiased=False,
        log_beta=log_beta,
        acceptance=rate / max(after, 1),
        tv_bound=here["tv_bound"],
        kl_proposal=kl_proposal(weights),
        curve=[point(weights, float(each)) for each in grid(weights, log_beta)],
        log_z_unbiased=log_z,
        relative_error_unbiased=error,
        proposal_calls=used.calls,
        proposal_tokens=used.tokens,
    )


def _guarantee(problem: Problem, weights: Floats, log_beta: float, given: bool) -> Guarantee:
    top = float(weights.max())
    if given and top <= log_beta + SLACK:
        return "exact, independent"
    if given:
        problem.notes.append(f"beta={exp(log_beta):.6g} is no bound: a weight of {exp(top):.6g} was met")
    return "asymptotic"


def _sample(drawn: Sample, log_beta: float) -> Sample:
    above = drawn.log_weight - log_beta
    return Sample(drawn.text, drawn.tokens, drawn.log_p, above if above > SLACK else 0.0, drawn.log_mask)


# ---- the curve ---------------------------------------------------------------------------------------------


def grid(log_weights: Floats, log_beta: float) -> Floats:
    """Values of ``log beta``: from the least weight met to the greatest, and the one that is used."""
    met = log_weights[log_weights > DEAD]
    if not len(met):
        return met
    return np.unique(np.append(np.linspace(met.min(), met.max(), POINTS), log_beta))


def point(log_weights: Floats, log_beta: float) -> dict[str, float]:
    """A point of the curve, as all draws estimate it: ``log_beta``, ``acceptance``, ``tv``, ``tv_bound``, ``kl``."""
    clipped = np.minimum(log_weights, log_beta)
    total = log_sum(log_weights)
    if total == DEAD:
        return {"log_beta": log_beta, "acceptance": 0.0, "tv": 1.0, "tv_bound": 1.0, "kl": inf}
    kept = log_sum(clipped)
    target, result = normalised(log_weights), normalised(clipped)
    some = target > 0.0
    return {
        "log_beta": log_beta,
        "acceptance": min(exp(kept - log_beta) / len(log_weights), 1.0),
        "tv": 0.5 * float(np.abs(target - result).sum()),
        "tv_bound": max(0.0, -float(np.expm1(kept - total))),
        "kl": max(0.0, float((target[some] * (log_weights[some] - clipped[some])).sum()) + kept - total),
    }


def kl_proposal(log_weights: Floats) -> float:
    """``KL(g || a)`` in nats: ``E_g[log W] - log Z``."""
    total = log_sum(log_weights)
    if total == DEAD:
        return inf
    target = normalised(log_weights)
    some = target > 0.0
    return float((target[some] * log_weights[some]).sum()) - (total - log(len(log_weights)))
