"""Chains: the density of moves counted out, the balance of the kernel to the last digit, laws after a few steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from math import exp, inf, log, prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from enumerable import Ids, World, bigram
from problems import ANYTHING, TOKENS, WANTED, WORLD, Program, mean_of, members, solve, trie
from significance import ALPHA, goodness_of_fit

from constrain.sampling.masses import log_sum
from constrain.sampling.methods import mcmc as module
from constrain.sampling.methods.mcmc import CUTS, Chain, Cut, Text, Token, common, log_acceptance, log_density, mcmc
from constrain.sampling.problem import Problem
from constrain.sampling.results import Samples

Matrix = npt.NDArray[np.float64]
Full = tuple[int, ...]  # ids, with the end

# What is masked, and what is wanted of it.
SETTINGS = {"mask": (WORLD, WORLD), "program": (ANYTHING, WANTED)}


# ---- the kernel, counted out -------------------------------------------------------------------------------


@cache
def masked(world: World, prefix: Ids) -> dict[int, Fraction]:
    """The masked law after a prefix, the ends apart."""
    law = world.law(prefix)
    ids = [*world.children[prefix], *(world.eos if world.accepts(prefix) else ())]
    return {i: law[i] / sum(law[j] for j in ids) for i in ids}


def entropy(law: Mapping[int, Fraction]) -> float:
    return -sum(float(p) * log(p) for p in law.values() if p)


def text_of(world: World, ids: Full) -> Text:
    """A text as a chain holds it, from fractions."""
    tokens = []
    for place, token in enumerate(ids):
        here = masked(world, ids[:place])
        spread = np.expm1(entropy(here)) if len(here) > 1 else 0.0
        log_p = log(world.law(ids[:place])[token])
        tokens.append(Token(token, log_p, log(here[token]), log(spread) if spread > 0 else -inf))
    return tokens


def texts(setting: str) -> list[Text]:
    world, wanted = SETTINGS[setting]
    return [text_of(world, (*ids, end)) for ids in wanted.members for end in world.eos]


def ids_of(text: Text) -> Full:
    return tuple(token.id for token in text)


def probability(text: Text) -> float:
    return exp(sum(token.log_p for token in text))


def kernel(cut: Cut, states: list[Text]) -> Matrix:
    """The probability of a step from each state to each: staying where it is refused, or the draft broke off."""
    moves = np.array([[exp(log_density(cut, x, y) + log_acceptance(cut, x, y)) for y in states] for x in states])
    kept: Matrix = moves + np.diag(1.0 - moves.sum(axis=1))
    return kept


def balance(cut: Cut, states: list[Text]) -> float:
    """How far the target is from being kept, and from detailed balance: the largest difference, relative."""
    target = np.array([probability(x) for x in states])
    target /= target.sum()
    step = kernel(cut, states)
    flow = target[:, None] * step
    return max(float(np.abs(target @ step - target).max()), float(np.abs(flow - flow.T).max()))


def counted(world: World, cut: str, x: Full, y: Full) -> Fraction:
    """The density of a move by going through all cuts: the probability of writing ``y`` on from each."""
    choices = [Fraction(1, len(x))] * len(x) if cut == "uniform" else [Fraction(t == 0) for t in range(len(x))]
    if cut == "priority":
        spreads = [
            np.expm1(entropy(masked(world, x[:t]))) if len(masked(world, x[:t])) > 1 else 0.0 for t in range(len(x))
        ]
        choices = [Fraction(s) / Fraction(sum(spreads)) for s in spreads]
    tails = [prod((masked(world, y[:i])[y[i]] for i in range(t, len(y))), start=Fraction(1)) for t in range(len(y))]
    return sum((choices[t] * tails[t] for t in range(min(len(x), len(y))) if x[:t] == y[:t]), Fraction())


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("cut", CUTS)
def test_the_density_of_a_move_is_counted_over_all_cuts(cut: str, setting: str) -> None:
    states = texts(setting)
    world, _ = SETTINGS[setting]
    for x in states:
        densities = [exp(log_density(CUTS[cut], x, y)) for y in states]
        expected = [float(counted(world, cut, ids_of(x), ids_of(y))) for y in states]
        assert densities == pytest.approx(expected, rel=1e-12)
        if setting == "mask":  # no draft breaks off
            assert sum(densities) == pytest.approx(1.0, abs=1e-12)
        else:
            assert sum(densities) < 0.999


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("cut", CUTS)
def test_the_kernel_keeps_the_target(cut: str, setting: str) -> None:
    assert balance(CUTS[cut], texts(setting)) < 1e-12
    step = kernel(CUTS[cut], texts(setting))
    assert (step > -1e-12).all()
    assert (np.linalg.matrix_power(step, 400) > 0).all()  # every text is reached


def test_two_texts_have_their_beginning_in_common() -> None:
    x, y = ([Token(i, 0, 0, 0) for i in ids] for ids in ((1, 2, 3), (1, 2, 4, 5)))
    assert (common(x, y), common(x, x), common(x, x[:2]), common(x, [])) == (2, 3, 2, 0)


def test_priority_is_uniform_where_nothing_can_vary() -> None:
    forced = [Token(0, -1.0, 0.0, -inf), Token(3, -1.0, 0.0, -inf)]
    assert np.exp(module.priority(forced)).tolist() == [0.5, 0.5]


# ---- chains ------------------------------------------------------------------------------------------------


def start(setting: str) -> dict[Full, float]:
    """The law of the first wanted draw under the mask."""
    law = {ids_of(x): exp(sum(token.log_mask for token in x)) for x in texts(setting)}
    return {ids: p / sum(law.values()) for ids, p in law.items()}


def run(setting: str, n: int, seed: int = 0, reach: bool = True, **options: Any) -> Samples:
    world, wanted = SETTINGS[setting]
    return solve(mcmc, trie(world, Program(wanted) if world is not wanted else None, reach), n, seed, **options)


def law_after(cut: str, setting: str, steps: int) -> dict[Full, float]:
    first = start(setting)
    after = np.array(list(first.values())) @ np.linalg.matrix_power(kernel(CUTS[cut], texts(setting)), steps)
    return dict(zip(first, (after / after.sum()).tolist(), strict=True))


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("steps", [0, 3])
def test_chains_have_the_law_of_the_kernel_after_few_steps(steps: int, cut: str, setting: str) -> None:
    found = run(setting, 1500, steps=steps, proposal=cut)
    assert goodness_of_fit((each.tokens for each in found), law_after(cut, setting, steps)) > ALPHA


@pytest.mark.parametrize("reach", [True, False])
@pytest.mark.parametrize("cut", CUTS)
def test_chains_come_to_the_target(cut: str, reach: bool) -> None:
    found = run("mask", 800, reach=reach, steps=25, proposal=cut)
    assert goodness_of_fit(members(found), {ids: float(p) for ids, p in WORLD.target.items()}) > ALPHA
    assert found.guarantee == "asymptotic"
    assert 0 < found.facts["changes"] < found.facts["acceptance"] < 1


def test_tokens_carry_what_the_mask_and_the_model_say() -> None:
    known = trie(WORLD)
    chains = [Chain(Problem(known, 1), CUTS["priority"], 5, 99, np.random.default_rng(i)) for i in range(30)]
    for chain in chains:
        while not chain.over:
            known.expand([chain.node])
            chain.go()
        expected = text_of(WORLD, ids_of(chain.text))
        assert np.array([token[1:] for token in chain.text]) == pytest.approx(
            np.array([token[1:] for token in expected])
        )
    assert len({ids_of(chain.text) for chain in chains}) > 3


@pytest.mark.parametrize("cut", ["uniform", "priority"])
def test_the_estimate_of_the_first_draws_is_unbiased(cut: str) -> None:
    found = [run("program", 4, seed, steps=1, proposal=cut) for seed in range(300)]
    assert all(each.certificate.unbiased for each in found)
    assert mean_of((each.certificate.log_z for each in found), WANTED.z) > ALPHA


def test_restarts_are_evidence_too() -> None:
    found = run("mask", 20, steps=100, proposal="restart")
    assert not found.certificate.unbiased
    assert found.certificate.relative_error < 0.05
    assert found.certificate.log_z == pytest.approx(log(WORLD.z), abs=5 * found.certificate.relative_error)


def test_budgets_are_shared_out_and_what_they_did_not_allow_is_said() -> None:
    short = run("mask", 10, steps=50, budget=60)
    assert short.certificate.attempts == 60
    assert short.facts["steps"] == 50  # 6 walks for each chain, one of them its start
    assert "50 of 500 steps" in short.notes[0]
    few = run("mask", 10, steps=3, budget=4)
    assert (len(few), few.missing) == (4, 6)
    assert "found no text to start from" in few.notes[0]


def test_what_cannot_be_started_is_missing() -> None:
    dead = World("dead", TOKENS, "a", 3, bigram([0, 1, 0, 0], *[[0, 0, 0, 1]] * 3))
    found = solve(mcmc, trie(dead), 3)
    assert (len(found), found.missing, found.certificate.log_z) == (0, 3, -inf)


def test_wrong_arguments() -> None:
    for wrong in ({"proposal": "best"}, {"steps": -1}):
        with pytest.raises(ValueError):
            solve(mcmc, trie(WORLD), 1, **wrong)


def test_chains_need_little_memory_and_few_calls() -> None:
    small = trie(WORLD, reach=False, max_bytes=3000)
    found = solve(mcmc, small, 800, slots=3, steps=12, proposal="restart")
    assert small.bytes < 9000
    assert goodness_of_fit((each.tokens for each in found), law_after("restart", "mask", 12)) > ALPHA
    known = trie(WORLD)
    nodes = len(WORLD.children)
    assert solve(mcmc, known, 200).certificate.calls <= nodes
    assert solve(mcmc, known, 200, seed=1).certificate.calls <= 2


# ---- mutations ---------------------------------------------------------------------------------------------


def last_cut_alone(cut: Cut, x: Text, y: Text) -> float:
    place = min(common(x, y), len(x) - 1)
    return float(cut(x)[place]) + sum(token.log_mask for token in y[place:])


def every_cut(cut: Cut, x: Text, y: Text) -> float:
    """Cuts past what the texts have in common too, which lead elsewhere."""
    places = range(min(len(x), len(y)))
    return log_sum(np.array([cut(x)[t] + sum(token.log_mask for token in y[t:]) for t in places]))


def any_cut(cut: Cut, x: Text, y: Text) -> float:
    """As if each cut were certain."""
    return log_sum(np.array([sum(token.log_mask for token in y[t:]) for t in range(min(common(x, y), len(x) - 1) + 1)]))


def without_the_end(cut: Cut, x: Text, y: Text) -> float:
    return log_density(cut, x, y) - y[-1].log_mask


def one_way(cut: Cut, x: Text, y: Text) -> float:
    """No density at all: as if proposals were symmetric."""
    return 0.0


@pytest.mark.parametrize("mutant", [every_cut, any_cut, without_the_end, one_way])
def test_wrong_densities_do_not_keep_the_target(mutant: Callable[..., float], monkeypatch: pytest.MonkeyPatch) -> None:
    states = texts("mask")
    right = {cut: np.array([[log_density(CUTS[cut], x, y) for y in states] for x in states]) for cut in CUTS}
    monkeypatch.setattr(module, "log_density", mutant)
    for cut, proposals in right.items():
        if cut == "restart" and mutant in (every_cut, any_cut):
            continue  # one cut is all there is
        accept = np.array([[log_acceptance(CUTS[cut], x, y) for y in states] for x in states])
        flow = np.array([[probability(x)] for x in states]) * np.exp(proposals + accept)
        assert np.abs(flow - flow.T).max() > 1e-3 * flow.sum()


@pytest.mark.parametrize("cut", ["uniform", "priority"])
def test_a_density_of_one_cut_is_caught_though_it_cancels_in_the_ratio(cut: str) -> None:
    for x in texts("mask"):
        for y in texts("mask"):
            if x != y:
                some, all_ = (g(CUTS[cut], x, y) for g in (last_cut_alone, log_density))
                back, all_back = (g(CUTS[cut], y, x) for g in (last_cut_alone, log_density))
                assert some - back == pytest.approx(all_ - all_back) or -inf in (some, back)
                assert common(x, y) == 0 or some < all_ - 1e-3


@pytest.mark.parametrize("cut", CUTS)
def test_chains_that_take_every_move_are_caught(cut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "log_acceptance", lambda cut, x, y: 0.0)
    found = run("mask", 800, steps=15, proposal=cut)
    assert goodness_of_fit(members(found), {ids: float(p) for ids, p in WORLD.target.items()}) < 1e-12


def test_moves_are_counted() -> None:
    found = run("mask", 300, steps=20, proposal="restart")
    moved = Counter(each.tokens for each in found)
    assert len(moved) > 5
    assert found.facts["steps"] == 6000
