"""Walks: their laws and weights, by enumeration of all outcomes; then by simulation, on the stored cases too."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sampling.enumerable import Ids, World, worlds_of
from sampling.outcomes_of_walks import fresh_trie, outcomes
from sampling.significance import goodness_of_fit, independent, mean_is, same_law
from sampling.worlds import WORLDS

from constrain.sampling.methods.drawing import exact, importance, mask
from constrain.sampling.problem import Problem
from constrain.sampling.trie import DEAD, Law, Trie
from constrain.sampling.walk import Descent, Draw, Mode, Walk

ALPHA = 1e-6
SMALL = [WORLDS[name] for name in ("trap", "twins", "ends", "dead_end", "empty", "unspellable")]
STORED = "faithful/exact_seq.jsonl"


def member(world: World, draw: Draw) -> Ids:
    """What was drawn, without its end."""
    return tuple(token for token in draw.tokens if token not in world.eos)


def moments(
    monkeypatch: pytest.MonkeyPatch, world: World, mode: Mode, walks: int, slots: int = 1
) -> tuple[list[dict[Ids, float]], list[dict[Ids, float]]]:
    """For each walk: the law of what it finds, and ``E[W 1{found w}]``."""
    laws: list[dict[Ids, float]] = [defaultdict(float) for _ in range(walks)]
    weighted: list[dict[Ids, float]] = [defaultdict(float) for _ in range(walks)]
    total = 0.0
    for probability, draws, _ in outcomes(monkeypatch, lambda: fresh_trie(world), mode, walks, slots):
        total += probability
        for place, draw in enumerate(draws):
            if draw.found:
                laws[place][member(world, draw)] += probability
                weighted[place][member(world, draw)] += probability * math.exp(draw.log_w)
    assert total == pytest.approx(1.0, abs=1e-12)
    return laws, weighted


# --- By enumeration ---


@pytest.mark.parametrize("world", SMALL, ids=lambda world: world.name)
@pytest.mark.parametrize("mode", ["mask", "asap", "defensive", "exact"])
def test_every_text_is_properly_weighted_at_every_walk(
    monkeypatch: pytest.MonkeyPatch, world: World, mode: Mode
) -> None:
    _, weighted = moments(monkeypatch, world, mode, 1 if world.name == "ends" else 2)
    for found in weighted:
        assert found == pytest.approx({ids: float(mass) for ids, mass in world.mass.items() if mass}, abs=1e-13)


@pytest.mark.parametrize("mode", ["asap", "exact"])
def test_later_walks_are_properly_weighted_too(monkeypatch: pytest.MonkeyPatch, mode: Mode) -> None:
    _, weighted = moments(monkeypatch, WORLDS["trap"], mode, 4 if mode == "asap" else 3)
    for found in weighted:
        assert found == pytest.approx({ids: float(mass) for ids, mass in WORLDS["trap"].mass.items()}, abs=1e-13)


@pytest.mark.parametrize("world", SMALL, ids=lambda world: world.name)
def test_the_first_walk_is_masked_decoding(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    for mode in ("mask", "asap"):
        laws, _ = moments(monkeypatch, world, mode, 1)  # type: ignore[arg-type]
        assert laws[0] == pytest.approx({ids: float(p) for ids, p in world.gcd.items()}, abs=1e-13)


@pytest.mark.parametrize("mode", ["mask", "asap", "exact"])
@pytest.mark.parametrize("world", [WORLDS["trap"], WORLDS["dead_end"], WORLDS["twins"]], ids=lambda world: world.name)
def test_walks_in_two_slots_are_jointly_right(monkeypatch: pytest.MonkeyPatch, world: World, mode: Mode) -> None:
    """They teach each other on the way, and yet ``E[W1 1{w1} W2 1{w2}] = P(w1) P(w2)``: uncorrelated for all w1, w2."""
    joint: dict[tuple[Ids, Ids], float] = defaultdict(float)
    for probability, draws, _ in outcomes(monkeypatch, lambda: fresh_trie(world), mode, 2, slots=2):
        first, second = draws
        if first.found and second.found:
            weight = math.exp(first.log_w + second.log_w)
            joint[member(world, first), member(world, second)] += probability * weight
    mass = {ids: float(mass) for ids, mass in world.mass.items() if mass}
    expected = {(a, b): mass[a] * mass[b] for a in mass for b in mass}
    assert joint == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("world", SMALL, ids=lambda world: world.name)
def test_bounds_are_bounds_and_weights_keep_below_them(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    for _, draws, trie in outcomes(monkeypatch, lambda: fresh_trie(world), "asap", 2):
        for node in trie.nodes():
            ids = tuple(token for token in node.tokens() if token not in world.eos)
            future = 1.0 if node.ended else float(world.future.get(ids, 0))
            assert math.exp(node.bound) >= future * (1 - 1e-12)
        assert all(draw.log_w <= 1e-12 for draw in draws)
        seen = {draw.tokens: draw.log_p for draw in draws if draw.found}
        assert sum(map(math.exp, seen.values())) <= float(world.z) * (1 + 1e-12)
        assert float(world.z) <= math.exp(trie.lowest) * (1 + 1e-12)


def test_stored_laws_of_asap(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = {world.name: world for world, _ in worlds_of(shared_data / STORED)}
    with (shared_data / "faithful/exact_asap.jsonl").open(encoding="utf-8") as lines:
        for case in map(json.loads, lines):
            world = worlds[case["id"]]
            walks = {1: 4, 2: 4, 5: 4, 14: 2, 17: 2, 20: 2}.get(len(world.members), 1)
            laws, weighted = moments(monkeypatch, world, "asap", walks)
            for row, law, weights in zip(case["asap"], laws, weighted, strict=False):
                named = {"|".join(world.tokens[i].decode() for i in ids): p for ids, p in law.items()}
                stored = {name: p for name, p in row["law"].items() if p}
                assert {name: named.get(name, 0.0) for name in stored} == pytest.approx(stored, abs=1e-9), case["id"]
                assert sum(weights.values()) == pytest.approx(case["Z"], rel=1e-9)


# --- By simulation ---


def simulate(world: World, mode: Mode, n: int, seed: int, slots: int) -> list[Draw]:
    problem = Problem(fresh_trie(world), n, seed, slots)
    return [draw for draw in problem.draws(mode, n, 0) if draw.found]


@pytest.mark.parametrize("name", ["trap", "spellings", "cap", "bytes", "history", "trigram", "geometric"])
@pytest.mark.parametrize("slots", [1, 7])
def test_exact_samples_follow_the_target(name: str, slots: int) -> None:
    world = WORLDS[name]
    drawn = [member(world, draw) for draw in simulate(world, "exact", 1500, 11, slots)]
    assert len(drawn) == 1500
    assert goodness_of_fit(drawn, {ids: float(p) for ids, p in world.target.items()}) > ALPHA


def test_stored_cases(shared_data: Path) -> None:
    """Exact samples follow the stored target, masked ones the stored law of masking, and weights average to Z."""
    for world, case in worlds_of(shared_data / STORED):
        if case["truncated_listing"]:
            continue
        target: Any = case["target"]
        masked: Any = case["gcd_dist"]
        for mode, law in (("exact", target), ("mask", masked)):
            draws = simulate(world, mode, 600, 5, 4)  # type: ignore[arg-type]
            names = ["|".join(world.tokens[i].decode() for i in member(world, draw)) for draw in draws]
            total = sum(law.values())
            if 600 * (1 - max(law.values()) / total) < 5:  # hardly anything but one text: nothing to compare
                assert set(names) <= set(law)
            else:
                assert goodness_of_fit(names, {name: p / total for name, p in law.items()}) > ALPHA, (case["id"], mode)
            if mode == "mask":
                assert mean_is([math.exp(draw.log_w) / float(world.z) for draw in draws], 1.0) > ALPHA, case["id"]


def test_the_first_and_the_tenth_exact_sample_have_one_law() -> None:
    """And are independent of each other: whatever was learnt between them does not show."""
    world = WORLDS["trap"]
    runs = [sorted(simulate(world, "exact", 10, seed, 3), key=lambda draw: draw.index) for seed in range(600)]
    assert all(len(run) == 10 for run in runs)
    first, tenth = ([member(world, run[number]) for run in runs] for number in (0, 9))
    assert same_law(first, tenth) > ALPHA
    assert independent(zip(first, tenth, strict=True)) > ALPHA
    assert goodness_of_fit(tenth, {ids: float(p) for ids, p in world.target.items()}) > ALPHA


@pytest.mark.parametrize("name", ["trap", "geometric", "history"])
def test_z_of_exact_samples_is_within_its_error(name: str) -> None:
    """The standard error covers the true error, and is not much larger, over runs of 20 samples each."""
    world = WORLDS[name]
    certificates = [exact(Problem(fresh_trie(world), 20, seed, 4)).certificate for seed in range(100)]
    errors = np.array([math.exp(found.log_z) / float(world.z) - 1 for found in certificates])
    claimed = np.array([found.relative_error for found in certificates])
    assert abs(errors.mean()) < 0.06
    assert 0.3 < np.sqrt((errors**2).mean() / (claimed**2).mean()) < 1.2
    assert (abs(errors) < 4 * claimed).all()


def test_what_is_drawn_does_not_depend_on_the_number_of_slots() -> None:
    """A masked walk depends on its own stream of randomness only."""
    world = WORLDS["history"]
    alone, together = (
        sorted(Problem(fresh_trie(world), 40, 3, slots).draws("mask", 40, 0), key=lambda draw: draw.index)
        for slots in (1, 16)
    )
    assert [draw.tokens for draw in alone] == [draw.tokens for draw in together]


def test_what_is_known_is_not_asked_again() -> None:
    world = WORLDS["trap"]
    trie = fresh_trie(world)
    list(Descent(trie, "exact", 400, lambda i: np.random.default_rng(i)))
    before = trie.model.usage.copy()
    assert before.tokens <= sum(node.law is not None for node in trie.nodes())
    list(Descent(trie, "exact", 400, lambda i: np.random.default_rng(i + 1000)))
    assert trie.model.usage == before


def test_a_budget_stops_and_says_so() -> None:
    world = WORLDS["rare"]
    result = exact(Problem(fresh_trie(world), 20, 1, 4, budget=6))
    assert result.missing == 20 - len(result)
    assert result.certificate.attempts == 6
    assert "allow more with budget=" in result.notes[0]


def test_a_language_without_texts_ends() -> None:
    world = World("none", (b"a",), "aaa", 2, WORLDS["twins"].law)
    for method in (mask, importance, exact):
        result = method(Problem(fresh_trie(World("none", (b"a", b"a", b"b"), "aaa", 2, world.law)), 5))
        assert not len(result) and result.missing == 5
        assert result.certificate.log_upper == DEAD


# --- Planted bugs: the identity of every text finds them ---


def test_planted_bugs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, replacement: Any, owner: Any = Walk) -> bool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, replacement)
            try:
                for mode in ("asap", "exact"):
                    _, weighted = moments(monkeypatch, WORLDS["trap"], mode, 2)  # type: ignore[arg-type]
                    for found in weighted:
                        assert found == pytest.approx({i: float(m) for i, m in WORLDS["trap"].mass.items()}, rel=1e-9)
            except AssertionError:
                return True
        return False

    weight, result, bound = Walk._log_weight, Walk.result, Law.bound

    def masks_weight(walk: Walk) -> float:
        return walk.log_p - walk.log_mask

    def swapped(walk: Walk) -> float:
        return weight(walk) + (0.3 if walk.node.token else -0.3)

    def forgets_the_end(walk: Walk) -> Draw:
        draw = result(walk)
        return Draw(draw.tokens, draw.log_p, draw.log_w - walk.node.log_p, draw.log_mask, draw.index, draw.attempt)

    def in_single_precision(law: Law) -> float:
        return float(np.float32(bound(law)))

    def unheard(trie: Trie, node: Any) -> None:
        """Laws draw by bounds that are no longer those that walks carry on."""

    assert not broken("result", result)
    assert broken("_log_weight", masks_weight)
    assert broken("_log_weight", swapped)
    assert broken("result", forgets_the_end)
    assert broken("bound", in_single_precision, Law)
    assert broken("note", unheard, Trie)


def test_no_coin_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its coin the exact mode is ASAp, which favours what is not known yet."""
    world = WORLDS["trap"]
    monkeypatch.setattr(Walk, "coin", lambda walk, log_probability: True)
    drawn = [member(world, simulate(world, "exact", 1, seed, 1)[0]) for seed in range(300)]
    assert goodness_of_fit(drawn, {ids: float(p) for ids, p in world.target.items()}) < ALPHA
