"""Proposals of another model: laws of what is accepted, for bounds that hold and for those that do not; the curve."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import exp, inf, log
from typing import Any

import numpy as np
import pytest
from enumerable import Ids
from problems import ANYTHING, OTHER, WANTED, WORLD, Program, mean_of, members, solve, trie
from significance import ALPHA, goodness_of_fit

from constrain.sampling.methods import guard as module
from constrain.sampling.methods.guard import guard, kl_proposal, point
from constrain.sampling.methods.scoring import score
from constrain.sampling.results import Sample, Samples
from constrain.sampling.trie import Trie

# Masked draws of OTHER, weighed by WORLD. Both count their members' two ends together.
WEIGHTS = {
    (*ids, end): WORLD.probability(ids)
    * WORLD.law(ids)[end]
    / WORLD.end(ids)
    / (OTHER.gcd[ids] * OTHER.law(ids)[end] / OTHER.end(ids))
    for ids in WORLD.members
    for end in WORLD.eos
}
PROPOSALS = {
    (*ids, end): OTHER.gcd[ids] * OTHER.law(ids)[end] / OTHER.end(ids) for ids in WORLD.members for end in WORLD.eos
}
BOUND = max(WEIGHTS.values())


def run(n: int, seed: int = 0, known: Trie | None = None, **options: Any) -> Samples:
    return solve(guard, known or trie(WORLD), n, seed, proposal=OTHER.model(), **options)


def clipped(beta: float) -> dict[tuple[int, ...], float]:
    """``min(P, beta a) / Z_beta``."""
    masses = {w: float(PROPOSALS[w]) * min(float(WEIGHTS[w]), beta) for w in WEIGHTS}
    return {w: mass / sum(masses.values()) for w, mass in masses.items()}


def target() -> dict[Ids, float]:
    return {ids: float(p) for ids, p in WORLD.target.items()}


def difference(p: dict[Any, float], q: dict[Any, float]) -> float:
    return 0.5 * sum(abs(p.get(w, 0.0) - q.get(w, 0.0)) for w in {*p, *q})


# ---- what comes out ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("draws", ["mask", "asap"])
@pytest.mark.parametrize("slack", [1.0, 2.5])
def test_a_bound_that_holds_gives_the_target(slack: float, draws: str) -> None:
    # ASAp's weights are at most those of unmasked draws, which may exceed those of masked ones.
    bound = max(WORLD.mass[ids] / OTHER.mass[ids] for ids in WORLD.members) if draws == "asap" else BOUND
    found = run(700, beta=slack * float(bound) * (1 + 1e-12), draws=draws)
    assert found.guarantee == "exact, independent"
    assert not found.notes
    assert {each.log_weight for each in found} == {0.0}
    assert goodness_of_fit(members(found), target()) > ALPHA


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_bound_that_does_not_hold_gives_the_clipped_law_and_weights_that_mend_it(share: float) -> None:
    beta = share * float(BOUND)
    found = run(2000, beta=beta)
    assert found.guarantee == "asymptotic"
    assert "no bound" in found.notes[0]
    law = clipped(beta)
    assert goodness_of_fit((each.tokens for each in found), law) > ALPHA
    full = clipped(inf)
    far = difference(law, full)
    kept = sum(float(PROPOSALS[w]) * min(float(WEIGHTS[w]), beta) for w in WEIGHTS)
    assert 0.01 < far <= 1 - kept / float(WORLD.z)
    assert found.facts["tv_bound"] == pytest.approx(1 - kept / float(WORLD.z), abs=0.03)
    mended: dict[tuple[int, ...], float] = {}
    for sample, weight in zip(found, found.weights, strict=True):
        mended[sample.tokens] = mended.get(sample.tokens, 0.0) + float(weight)
    assert difference(mended, full) < 0.5 * far


def test_a_pilot_sets_the_bound_and_claims_nothing() -> None:
    found = run(200)
    assert found.guarantee == "asymptotic"
    assert found.facts["log_beta"] <= log(BOUND) + 1e-9
    assert found.certificate.attempts > 800  # the pilot, and the proposals
    assert goodness_of_fit((each.tokens for each in found), clipped(exp(found.facts["log_beta"]))) > ALPHA


def test_a_program_is_asked_about_proposals() -> None:
    known = trie(ANYTHING, Program(WANTED))
    found = solve(guard, known, 1000, proposal=ANYTHING.model(), beta=1.0)
    assert goodness_of_fit(members(found), {ids: float(p) for ids, p in WANTED.target.items()}) > ALPHA


def test_the_first_round_gives_an_unbiased_estimate() -> None:
    found = [run(4, seed, beta=float(BOUND), slots=4) for seed in range(300)]
    assert mean_of((each.facts["log_z_unbiased"] for each in found), WORLD.z) > ALPHA


def test_proposals_of_the_model_itself() -> None:
    found = solve(guard, trie(WORLD), 800, proposal=WORLD.model(), beta=1.0)
    assert found.guarantee == "exact, independent"
    assert goodness_of_fit(members(found), target()) > ALPHA
    assert found.facts["proposal_calls"] > 0
    assert found.facts["kl_proposal"] == pytest.approx(
        sum(float(p) * (log(p) - log(WORLD.gcd[ids])) for ids, p in WORLD.target.items()), abs=0.05
    )


def test_budgets() -> None:
    found = run(50, beta=1000 * float(BOUND), budget=300)
    assert found.certificate.attempts == 300
    assert len(found) + found.missing == 50
    assert found.missing > 40
    assert "of 300 proposals" in found.notes[0]
    pilot = run(4, budget=20)
    assert pilot.certificate.attempts <= 20


@pytest.mark.parametrize(
    "wrong", [{"beta": 0.0}, {"beta": inf}, {"draws": "best"}, {"pilot": 0}, {"pilot": 9, "budget": 8}]
)
def test_wrong_arguments(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        run(2, **wrong)


# ---- the curve ---------------------------------------------------------------------------------------------


def test_the_curve_keeps_guards_identity() -> None:
    found = run(2000, beta=float(BOUND))
    curve = found.facts["curve"]
    assert [p["log_beta"] for p in curve] == sorted(p["log_beta"] for p in curve)
    for before, after in pairwise(curve):
        assert after["acceptance"] <= before["acceptance"] + 1e-12
        assert after["tv_bound"] <= before["tv_bound"] + 1e-12
        assert after["kl"] <= before["kl"] + 1e-12
    assert all(p["tv"] <= p["tv_bound"] + 1e-12 for p in curve)
    for p in curve:
        law = clipped(exp(p["log_beta"]))
        full = clipped(inf)
        assert p["tv"] == pytest.approx(difference(law, full), abs=0.03)
        assert p["kl"] == pytest.approx(sum(full[w] * log(full[w] / law[w]) for w in full), abs=0.03)
        rate = sum(float(PROPOSALS[w]) * min(1.0, float(WEIGHTS[w]) / exp(p["log_beta"])) for w in WEIGHTS)
        assert p["acceptance"] == pytest.approx(rate, abs=0.03)
    first = curve[0]  # everything wanted is accepted: KL(g || a) = KL(g || g') - log AR
    assert found.facts["kl_proposal"] == pytest.approx(first["kl"] - log(first["acceptance"]), abs=1e-9)
    assert found.facts["acceptance"] == pytest.approx(float(WORLD.z / BOUND), abs=0.03)


def test_points_of_the_curve_by_hand() -> None:
    weights = np.log([0.4, 0.1, 0.1]).tolist()
    at = point(np.array([*weights, -inf]), log(0.2))
    assert at["acceptance"] == pytest.approx((1 + 0.5 + 0.5 + 0) / 4)
    assert at["tv_bound"] == pytest.approx(1 - 0.4 / 0.6)
    assert at["tv"] == pytest.approx(2 / 3 - 0.5)
    assert at["kl"] == pytest.approx(2 / 3 * log((2 / 3) / 0.5) + 2 * (1 / 6 * log((1 / 6) / 0.25)))
    assert kl_proposal(np.array(weights)) == pytest.approx(sum(p * log(p / (1 / 3)) for p in (2 / 3, 1 / 6, 1 / 6)))
    assert point(np.array([-inf]), 0.0)["acceptance"] == 0.0


# ---- scores ------------------------------------------------------------------------------------------------


def test_scores_are_those_of_the_world_in_one_call() -> None:
    known = trie(WORLD)
    texts = [(*ids, end) for ids in WORLD.members for end in WORLD.eos]
    for (log_p, log_mask), text in zip(score(known, texts), texts, strict=True):
        ids, share = text[:-1], WORLD.law(text[:-1])[text[-1]] / WORLD.end(text[:-1])
        assert exp(log_p) == pytest.approx(float(WORLD.mass[ids] * share))
        assert exp(log_mask) == pytest.approx(float(WORLD.gcd[ids] * share))
    assert known.model.usage.calls == 1
    assert known.lowest == pytest.approx(log(WORLD.z))  # all was seen
    assert score(known, texts[:2]) and known.model.usage.calls == 1


def test_scores_go_on_from_what_is_known() -> None:
    known = trie(WORLD)
    end = WORLD.eos[0]
    short, longer = (0, end), (2, 0, end)
    once = score(known, [short])
    assert score(known, [longer, short])[1:] == once
    assert score(known, [(0, 0, end), (1, 2, end)]) == [(-inf, -inf)] * 2  # not in the language


def test_little_memory_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("constrain.sampling.methods.scoring.MOST_NUMBERS", 1)
    large = trie(WORLD)
    run(400, beta=float(BOUND) * (1 + 1e-12), known=large)
    small = trie(WORLD, max_bytes=large.bytes // 2)
    found = run(400, beta=float(BOUND) * (1 + 1e-12), known=small)
    assert small.bytes <= large.bytes // 2
    assert goodness_of_fit(members(found), target()) > ALPHA


# ---- mutations ---------------------------------------------------------------------------------------------


def test_proposals_that_are_all_accepted_are_caught() -> None:
    found = run(1500, beta=float(min(WEIGHTS.values())) * 0.99)
    assert goodness_of_fit(members(found), target()) < 1e-12


def test_a_forgotten_end_of_sequence_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = score

    def forgetful(known: Trie, texts: list[tuple[int, ...]]) -> list[tuple[float, float]]:
        ends = [log(WORLD.law(text[:-1])[text[-1]]) for text in texts]
        return [(log_p - end, log_mask) for (log_p, log_mask), end in zip(right(known, texts), ends, strict=True)]

    monkeypatch.setattr(module, "score", forgetful)
    found = run(4000, beta=float(BOUND) * 2)
    assert goodness_of_fit(members(found), target()) < 1e-12


def test_coins_that_look_at_other_weights_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = module.Source.draw

    def swapped(self: module.Source, count: int, phase: int) -> list[Sample]:
        drawn = draw(self, count, phase)
        logs = [each.log_weight for each in drawn]
        return [
            Sample(s.text, s.tokens, s.log_p, w, s.log_mask) for s, w in zip(drawn, logs[1:] + logs[:1], strict=True)
        ]

    monkeypatch.setattr(module.Source, "draw", swapped)
    found = run(800, beta=float(BOUND))
    assert goodness_of_fit(members(found), target()) < 1e-12


def test_weights_are_those_that_are_counted() -> None:
    assert sum(PROPOSALS.values()) == 1  # no proposal is lost here
    assert sum(PROPOSALS[w] * WEIGHTS[w] for w in WEIGHTS) == WORLD.z
    assert isinstance(BOUND, Fraction)
