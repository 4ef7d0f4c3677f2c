"""The oracles of the sampler tests: against stored figures, closed forms, the engine, and each other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from sampling.dynamic import NgramWorld, TableAutomaton
from sampling.enumerable import World, divergence, log, total_variation, worlds_of
from sampling.significance import ALPHA, goodness_of_fit
from sampling.worlds import WORLDS

import constrain
from constrain.sampling.lm.model import Request

ORDERS = {"trigram": 3}
EVERY = [pytest.param(world, id=world.name) for world in WORLDS.values()]
NGRAM = [pytest.param(world, id=world.name) for world in WORLDS.values() if world.name != "history"]


def dynamic(world: World, order: int = 2) -> NgramWorld:
    """The same world for dynamic programming, with the engine as its automaton."""
    automaton = constrain.compile(world.grammar(), world.vocabulary())
    law = lambda context: [float(p) for p in world.law(context)]  # noqa: E731
    return NgramWorld(law, ORDERS.get(world.name, order), automaton, tuple(world.eos), world.width, world.max_tokens)


# --- Enumeration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", EVERY)
def test_probabilities_add_up(world: World) -> None:
    assert all(sum(world.law(prefix)) == 1 for prefix in world.children)
    assert sum(world.target.values()) == 1
    assert world.future[()] == world.z > 0
    assert sum(world.texts(world.target).values()) == 1
    assert all(world.gcd[ids] * world.weight[ids] == mass for ids, mass in world.mass.items() if mass)


@pytest.mark.parametrize("world", EVERY)
def test_weights_of_masked_draws_are_unbiased(world: World) -> None:
    """E[W] = Z; and, where no draw dies, KL(GCD || pi) = log Z - E[log W]."""
    assert sum(p * world.weight[ids] for ids, p in world.gcd.items()) == world.z
    assert world.relative_variance >= 0
    if sum(world.gcd.values()) == 1:
        mean = math.fsum(float(p) * log(world.weight[ids]) for ids, p in world.gcd.items())
        assert math.isclose(divergence(world.gcd, world.target), log(world.z) - mean, rel_tol=1e-9, abs_tol=1e-12)


def test_the_worlds_are_as_difficult_as_they_say() -> None:
    assert float(WORLDS["rare"].z) < 1e-10
    assert total_variation(WORLDS["trap"].gcd, WORLDS["trap"].target) > Fraction(1, 2)
    assert sum(WORLDS["dead_end"].gcd.values()) < 1
    assert len(WORLDS["spellings"].texts(WORLDS["spellings"].target)) < len(WORLDS["spellings"].target)
    assert set(WORLDS["empty"].target) == {()}
    assert {ids for ids in WORLDS["cap"].children if len(ids) == 1} == {(0,), (1,)}
    assert (0, 0, 0) not in WORLDS["cap"].children
    assert WORLDS["bytes"].texts(WORLDS["bytes"].target).keys() == {t.encode() for t in ("é", "éé", "aéé", "aéaé")}


def test_closed_form_of_the_geometric_world() -> None:
    """S -> a S | b with p(a) = p(b) = 1/10: pi(a^n b) = 9/10 10^-n without a cap, and GCD halves at each token."""
    world = WORLDS["geometric"]
    assert world.z == (1 - Fraction(1, 10**12)) / 9
    assert world.target[(0, 0, 1)] == Fraction(1, 1000) / world.z
    assert [world.gcd[(0,) * n + (1,)] for n in range(12)] == [
        *(Fraction(1, 2 ** (n + 1)) for n in range(11)),
        Fraction(1, 2**11),
    ]
    assert math.isclose(divergence(world.gcd, world.target), math.log(0.5 / 0.9) + math.log(5), abs_tol=2e-3)


@pytest.mark.parametrize("world", EVERY)
def test_the_engine_allows_what_the_world_does(world: World) -> None:
    """The world knows the cap, and the engine does not: what the world allows the engine must."""
    automaton = constrain.compile(world.grammar(), world.vocabulary())
    states = {(): automaton.start()}
    for prefix in sorted(world.children, key=len):
        matcher_state = states[prefix]
        assert automaton.is_accepting(matcher_state) == world.accepts(prefix)
        for token in world.children[prefix]:
            after = automaton.advance(matcher_state, token)
            assert after is not None
            states[(*prefix, token)] = after


@pytest.mark.parametrize("world", EVERY)
def test_the_model_is_the_law(world: World) -> None:
    model = world.model()
    for prefix in list(world.children)[:20]:
        ((row,),) = model.laws([Request(prefix)])
        assert np.allclose(np.exp(row), [float(p) for p in world.law(prefix)], rtol=1e-15)


def stored(shared_data: Path) -> Iterator[tuple[World, dict]]:
    return worlds_of(shared_data / "faithful/exact_seq.jsonl")


def test_stored_cases(shared_data: Path) -> None:
    """Another program's figures for 24 worlds."""
    names = []
    for world, case in stored(shared_data):
        names.append(world.name)
        assert (str(world.z), len(world.members)) == (case["Z"], case["n_sequences"])
        assert math.isclose(float(world.allowed[()]), case["root_mask_mass"], rel_tol=1e-12)
        figures = {
            "kl_gcd_to_target": divergence(world.gcd, world.target),
            "kl_target_to_gcd": divergence(world.target, world.gcd),
            "tv": float(total_variation(world.gcd, world.target)),
            "importance_relvar": float(world.relative_variance),
            "ess_fraction": float(1 / (1 + world.relative_variance)),
        }
        assert figures == pytest.approx(case["gcd"], rel=1e-9, abs=1e-12)
        for law, expected in ((world.future, "efg"), (world.target, "target"), (world.gcd, "gcd_dist")):
            named = {"|".join(world.tokens[i].decode() for i in ids): float(p) for ids, p in law.items()}
            assert {name: named[name] for name in case[expected]} == pytest.approx(
                case[expected], rel=1e-12, abs=1e-300
            )
    assert len(names) == 24


# --- Dynamic programming ----------------------------------------------------------------------------------------


def agree(world: World) -> None:
    program = dynamic(world)
    assert math.isclose(program.log_z, log(world.z), rel_tol=1e-12, abs_tol=1e-12)
    for prefix, future in list(world.future.items())[:200]:
        assert math.isclose(math.exp(program.log_future(prefix)), float(future), rel_tol=1e-10, abs_tol=0)
    expected = np.zeros_like(program.marginals)
    for ids, p in world.target.items():
        for i, token in enumerate((*ids, world.eos[0])):
            expected[i, token] += float(p)
    assert np.allclose(program.marginals, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("world", NGRAM)
def test_dynamic_programming_is_enumeration(world: World) -> None:
    agree(world)


def test_dynamic_programming_on_stored_cases(shared_data: Path) -> None:
    for world, _ in stored(shared_data):
        agree(world)


def test_fifty_tokens_in_closed_form() -> None:
    """Words over two letters, each 9/20 likely, with an even number of the first: Z and marginals are known."""
    even = TableAutomaton([{0: 1, 1: 0}, {0: 0, 1: 1}], frozenset({0}))
    program = NgramWorld(lambda _: (0.45, 0.45, 0.1), 1, even, (2,), 3, 50)
    z = 0.1 * (1 + sum(0.9**n / 2 for n in range(1, 51)))
    assert math.isclose(program.log_z, math.log(z), rel_tol=1e-13)
    assert math.isclose(program.marginals[0, 2], 0.1 / z, rel_tol=1e-12)
    assert math.isclose(program.marginals[50, 2], 0.1 * 0.9**50 / 2 / z, rel_tol=1e-12)
    assert math.isclose(program.log_future((0,) * 50), math.log(0.1), rel_tol=1e-13)
    assert math.isclose(math.exp(program.log_future((0,) * 49)), 0.045, rel_tol=1e-12)


@pytest.mark.parametrize("name", ["trap", "spellings", "ends", "trigram"])
def test_draws_of_the_program_follow_the_target(name: str) -> None:
    world, rng = WORLDS[name], np.random.default_rng(7)
    program = dynamic(world)
    draws = [program.draw(rng) for _ in range(2000)]
    target = {ids: float(p) for ids, p in world.target.items()}
    assert goodness_of_fit(draws, target) > ALPHA
    masked = {ids: float(p) for ids, p in world.gcd.items()}
    assert goodness_of_fit(draws, masked) < ALPHA
