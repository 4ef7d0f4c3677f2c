"""Particles: proper weights under every way to step, to resample and to look ahead; and what breaks them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import inf, log
from typing import Any

import numpy as np
import pytest
from enumerable import World, bigram
from problems import (
    ANYTHING,
    TOKENS,
    WANTED,
    WORLD,
    Program,
    mean_of,
    properly_weighted,
    solve,
    trie,
    weighted,
)
from significance import ALPHA, goodness_of_fit, mean_is

from constrain.sampling.certificate import mean
from constrain.sampling.methods import smc
from constrain.sampling.methods.particles import Particle, Steps
from constrain.sampling.methods.resampling import SCHEMES, effective_size, residual, stratified, systematic
from constrain.sampling.methods.sis import awrs
from constrain.sampling.results import Samples

RUNS = 500
COUNT = 6  # particles
SURE = 1e-12  # a mutation is caught beyond all doubt


def named(options: object) -> str:
    """A parameter as a test's name, which must be the same in every process: functions by their names."""
    if isinstance(options, dict):
        return ",".join(f"{key}={named(value)}" for key, value in options.items()) or "plain"
    return getattr(options, "__name__", str(options))


def runs(method: Any, predicate: bool, reach: bool = True, reuse: int = 3, **options: Any) -> Iterator[Samples]:
    """Runs with different seeds; a trie serves a few of them, so that it is met fresh and with knowledge."""
    world = ANYTHING if predicate else WORLD
    for seed in range(RUNS):
        if seed % reuse == 0:
            known = trie(world, Program(WANTED) if predicate else None, reach)
        yield solve(method, known, COUNT, seed, **options)


def lookahead(text: bytes) -> float:
    """A bad guess."""
    return -0.7 * text.count(b"a") + 0.3 * len(text)


STEPS = [
    {},
    {"twist": "trie"},
    {"twist": lookahead},
    {"ess": 0.0},
    {"ess": 1.0},
    {"ess": 1.0, "twist": "trie", "reuse": 1},
    {"resampling": "systematic"},
    {"resampling": "multinomial", "ess": 0.9},
    {"resampling": "residual", "ess": 0.9},
]
ASKING = [
    {"estimator": "roulette"},
    {"estimator": "geometric", "accepts": 3},
    {"estimator": "two_loop"},
    {"max_rejects": 1, "ess": 1.0},
]


@pytest.mark.parametrize("reach", [True, False])
@pytest.mark.parametrize("options", STEPS, ids=named)
def test_weights_of_masked_particles_are_proper(options: dict[str, Any], reach: bool) -> None:
    done = list(runs(smc.smc, False, reach, particles=COUNT, **options))
    assert properly_weighted((weighted(run, COUNT) for run in done), WORLD.mass) > ALPHA
    assert mean_of((run.certificate.log_z for run in done), WORLD.z) > ALPHA


@pytest.mark.parametrize("options", STEPS + ASKING, ids=named)
def test_weights_of_particles_that_ask_a_program_are_proper(options: dict[str, Any]) -> None:
    done = list(runs(smc.smc, True, particles=COUNT, **options))
    assert properly_weighted((weighted(run, COUNT) for run in done), WANTED.mass) > ALPHA
    assert mean_of((run.certificate.log_z for run in done), WANTED.z) > ALPHA


@pytest.mark.parametrize("options", [{}, *ASKING[:3], {"max_rejects": 2}], ids=named)
@pytest.mark.parametrize("predicate", [True, False])
def test_weights_of_independent_draws_are_proper(options: dict[str, Any], predicate: bool) -> None:
    done = list(runs(awrs, predicate, reach=False, **options))
    world = WANTED if predicate else WORLD
    assert properly_weighted((weighted(run, COUNT) for run in done), world.mass) > ALPHA
    assert mean_of((run.certificate.log_z for run in done), world.z) > ALPHA


def test_a_critic_changes_the_target_and_not_the_certificate() -> None:
    done = list(runs(smc.smc, False, particles=COUNT, ess=0.9, critic=lambda text: log(2.0) * text.count(b"b")))
    masses = {ids: mass * 2 ** WORLD.text(ids).count(b"b") for ids, mass in WORLD.mass.items()}
    assert properly_weighted((weighted(run, COUNT) for run in done), masses) > ALPHA
    assert mean_of((run.certificate.log_z for run in done), WORLD.z) > ALPHA
    assert mean_of((run.facts["log_z_critic"] for run in done), sum(masses.values(), Fraction())) > ALPHA


def test_one_large_population_follows_the_target() -> None:
    found = solve(smc.smc, trie(WORLD), 20_000, particles=20_000)
    assert (
        goodness_of_fit(
            (each.tokens[:-1] for each in found.resample(1000, seed=1)), {w: float(p) for w, p in WORLD.target.items()}
        )
        > ALPHA
    )
    assert found.certificate.log_z == pytest.approx(log(WORLD.z), abs=4 * found.certificate.relative_error)


# ---- resampling --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES.keys())
def test_each_particle_has_its_expected_number_of_copies(scheme: Any) -> None:
    rng = np.random.default_rng(5)
    for weights in (np.array([0.5, 0.0, 0.13, 0.07, 0.3]), rng.dirichlet([3.0] * 7), np.full(4, 0.25)):
        size = len(weights)
        counts = np.array([np.bincount(scheme(weights, rng), minlength=size) for _ in range(4000)])
        assert (counts.sum(axis=1) == size).all()
        assert not counts[:, weights == 0.0].any()
        assert min(mean_is(counts[:, i].tolist(), size * weights[i]) for i in range(size) if weights[i]) > ALPHA


def test_schemes_keep_to_their_bounds() -> None:
    rng = np.random.default_rng(6)
    for weights in rng.dirichlet([0.4] * 6, size=300):
        expected = len(weights) * weights
        counts = {f: np.bincount(f(weights, rng), minlength=6) for f in (systematic, stratified, residual)}
        assert (np.abs(counts[systematic] - expected) < 1.0 + 1e-9).all()
        assert (np.abs(counts[stratified] - expected) < 2.0).all()
        assert (counts[residual] >= np.floor(expected)).all()


def test_effective_size() -> None:
    assert effective_size(np.log([0.2, 0.2, 0.2])) == pytest.approx(3.0)
    assert effective_size(np.array([-1000.0, -inf])) == 1.0
    assert effective_size(np.log([1.0, 2.0]) - 900.0) == pytest.approx(9 / 5)
    assert effective_size(np.array([-inf, -inf])) == 0.0


# ---- what is said about a run ------------------------------------------------------------------------------


def test_thresholds_decide_when_to_resample() -> None:
    never = solve(smc.smc, trie(WORLD), 30, ess=0.0)
    always = solve(smc.smc, trie(WORLD), 30, ess=1.0)
    assert never.facts["resamplings"] == []
    uneven = [step for step, share in enumerate(always.facts["ess"][:-1], 1) if share < 1.0]  # at the end: for nothing
    assert always.facts["resamplings"] == uneven != []
    assert all(0 < share <= 1 + 1e-12 for share in always.facts["ess"])
    assert never.facts["log_z"][-1] == never.certificate.log_z


def test_without_resampling_the_error_is_the_usual_one() -> None:
    found = solve(smc.smc, trie(WORLD), 40, ess=0.0)
    assert len(found) == 40
    assert found.certificate.relative_error == pytest.approx(mean(each.log_weight for each in found)[1])


def test_the_error_is_as_large_as_the_estimates_scatter() -> None:
    estimates = [solve(smc.smc, trie(WORLD), 64, seed, resampling="multinomial") for seed in range(300)]
    values = np.exp([run.certificate.log_z for run in estimates]) / float(WORLD.z)
    squares = [run.certificate.relative_error**2 for run in estimates]
    assert values.var(ddof=1) == pytest.approx(np.mean(squares), rel=0.3)


def test_the_model_is_called_once_for_each_depth() -> None:
    found = solve(smc.smc, trie(WORLD), 50)
    assert found.certificate.calls <= WORLD.max_tokens + 1
    assert found.certificate.attempts == len(found) == 50
    again = trie(WORLD)
    solve(smc.smc, again, 200)
    assert solve(smc.smc, again, 50, seed=3).certificate.calls == 0


def test_a_program_is_asked_once_for_each_node() -> None:
    for method in (smc.smc, awrs):
        program = Program(WANTED)
        known = trie(ANYTHING, program)
        found = solve(method, known, 60)
        nodes = sum(1 for _ in known.nodes())
        assert len(program.asked) == nodes - 1 >= found.facts["predicate_calls"] > 0  # no question about the root
        assert found.certificate.log_lower - 1e-9 <= log(WANTED.z) <= found.certificate.log_upper + 1e-9


def test_particles_are_those_asked_for() -> None:
    assert len(solve(smc.smc, trie(WORLD), 1)) == 8
    assert len(solve(smc.smc, trie(WORLD), 12)) == 12
    assert len(solve(smc.smc, trie(WORLD), 12, budget=5)) == 5
    assert solve(smc.smc, trie(WORLD), 12, budget=5).missing == 7
    for wrong in ({"particles": 0}, {"particles": 9, "budget": 8}, {"ess": 1.5}, {"resampling": "best"}):
        with pytest.raises(ValueError):
            solve(smc.smc, trie(WORLD), 2, **wrong)


def test_nothing_wanted() -> None:
    dead = World("dead", TOKENS, "a", 3, bigram([0, 1, 0, 0], *[[0, 0, 0, 1]] * 3))
    for twist in (None, "trie"):
        found = solve(smc.smc, trie(dead), 4, twist=twist)
        assert (len(found), found.missing, found.certificate.log_z) == (0, 4, -inf)
    assert solve(awrs, trie(dead), 4).missing == 4


def test_twists_and_critics_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="twist"):
        solve(smc.smc, trie(WORLD), 2, twist=lambda text: inf)
    with pytest.raises(ValueError, match="predicate"):
        solve(smc.smc, trie(WORLD), 2, critic=lambda text: -inf)


def test_weights_are_proper_in_few_slots_and_little_memory() -> None:
    known = trie(WORLD, reach=False, max_bytes=3000)
    found = [solve(awrs, known, COUNT, seed, slots=2) for seed in range(RUNS)]
    roomy = trie(WORLD, reach=False)
    solve(awrs, roomy, COUNT * RUNS)
    assert 2 * known.bytes < roomy.bytes
    assert properly_weighted((weighted(run, COUNT) for run in found), WORLD.mass) > ALPHA


# ---- mutations ---------------------------------------------------------------------------------------------


def caught(predicate: bool = False, **options: Any) -> float:
    done = list(runs(smc.smc, predicate, particles=COUNT, **options))
    world = WANTED if predicate else WORLD
    return properly_weighted((weighted(run, COUNT) for run in done), world.mass)


def test_swapped_weights_are_caught_though_their_mean_is_right() -> None:
    done = [swap(run) for run in runs(smc.smc, False, particles=COUNT, ess=0.0)]
    assert properly_weighted((weighted(run, COUNT) for run in done), WORLD.mass) < SURE
    assert mean_of((log(sum(weighted(run, COUNT).values())) for run in done), WORLD.z) > ALPHA


def swap(run: Samples) -> Samples:
    weights = [sample.log_weight for sample in run]
    pairs = zip(run, weights[1:] + weights[:1], strict=True)
    return replace(run, samples=tuple(replace(sample, log_weight=weight) for sample, weight in pairs))


def test_a_forgotten_end_of_sequence_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    weigh = Steps._weigh

    def forgetful(self: Steps, particle: Particle, log_total: float, relied_on: float) -> None:
        weigh(self, particle, 0.0 if particle.node.ended else log_total, relied_on)

    monkeypatch.setattr(Steps, "_weigh", forgetful)
    assert caught() < SURE
    assert caught(predicate=True) < SURE


@pytest.mark.parametrize("weights", ["none", "own"])
def test_wrong_weights_after_resampling_are_caught(monkeypatch: pytest.MonkeyPatch, weights: str) -> None:
    def careless(each: Any, **changes: Any) -> Any:
        if isinstance(each, Particle):
            changes = {"log_weight": 0.0} if weights == "none" else {}
        return replace(each, **changes)

    monkeypatch.setattr(smc, "replace", careless)
    assert caught(ess=0.9) < SURE


def test_a_twist_that_is_not_taken_back_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    guess = Steps._guess
    monkeypatch.setattr(Steps, "_guess", lambda self, node: 0.0 if node.depth == 1 else guess(self, node))
    assert caught(twist=lookahead) > ALPHA  # another twist, no mutation: whatever it says, weights are proper
    weigh = Steps._weigh

    def forgetful(self: Steps, particle: Particle, log_total: float, relied_on: float) -> None:
        particle.log_guess = 0.0
        weigh(self, particle, log_total, relied_on)

    monkeypatch.setattr(Steps, "_weigh", forgetful)
    assert caught(twist=lookahead) < SURE
    assert caught(twist="trie") < SURE


def test_masks_that_count_for_nothing_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    weigh = Steps._weigh
    monkeypatch.setattr(Steps, "_weigh", lambda self, particle, log_total, relied: weigh(self, particle, 0.0, relied))
    assert caught() < SURE
    assert caught(predicate=True) < SURE
