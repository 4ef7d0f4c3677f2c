"""``constrain.sample`` and ``Sampler``: budget and usage of every method, ``auto``'s choice, JSON, wrong arguments."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from sampling.enumerable import World, bigram
from sampling.significance import goodness_of_fit
from sampling.worlds import WORLDS

from constrain.sampling.api import METHODS, Sampler
from constrain.sampling.lm.model import TableModel
from constrain.sampling.methods.auto import PILOT
from constrain.sampling.results import Samples

ALPHA = 1e-6
OPTIONS: dict[str, dict[str, Any]] = {"guard": {"proposal": TableModel(lambda prefix: [0.25] * 4, 4, "even")}}


def sampler(world: World, **options: Any) -> Sampler:
    return Sampler(world.model(), world.vocabulary(), None, world.grammar(), max_tokens=world.max_tokens, **options)


def drawn(method: str, n: int, **options: Any) -> tuple[Samples, Sampler]:
    fresh = sampler(WORLDS["history"])
    return fresh.sample(n, method=method, **OPTIONS.get(method, {}), **options), fresh


@pytest.mark.parametrize("budget", [1, 2, 5, 30])
@pytest.mark.parametrize("method", METHODS)
def test_no_method_begins_more_walks_than_the_budget(method: str, budget: int) -> None:
    result, fresh = drawn(method, 3, budget=budget)
    assert result.certificate.attempts <= budget
    assert result.missing == max(3 - len(result), 0)
    assert (result.certificate.calls, result.certificate.tokens) == (fresh.model.usage.calls, fresh.model.usage.tokens)


# --- What auto chooses ---


def test_auto_is_exact_where_that_is_cheap() -> None:
    world = WORLDS["trap"]
    result = sampler(world).sample(1000, seed=5)
    assert (result.method, result.guarantee, result.missing) == ("exact", "exact, independent", 0)
    assert goodness_of_fit([s.tokens[:-1] for s in result], {i: float(p) for i, p in world.target.items()}) > ALPHA
    assert f"{PILOT} draws to begin with" in result.notes[0]


def test_auto_draws_with_weights_where_the_budget_is_small_and_weights_are_even() -> None:
    """All texts cost half their mass at each token alike: weights are equal, and exact samples dear."""
    world = World("even", (b"a", b"b", b"x"), "[ab]{12}", 12, bigram(*[(1, 1, 20, 1)] * 4))
    result = sampler(world).sample(3, budget=60)
    assert (result.method, result.guarantee) == ("importance", "properly weighted")
    assert result.certificate.attempts == PILOT + 3


def test_auto_takes_particles_where_weights_are_uneven() -> None:
    """After "a" masking leaves almost all, after "b" next to nothing, and it draws both alike."""
    world = World(
        "uneven", (b"a", b"b", b"x"), "[ab]{12}", 12, bigram((1, 1, 1, 1), (45, 45, 9, 1), (1, 1, 199, 1), (1, 1, 1, 1))
    )
    result = sampler(world).sample(3, budget=60)
    assert (result.method, result.guarantee) == ("smc", "properly weighted")


def test_auto_says_where_no_text_is_wanted() -> None:
    twins = WORLDS["twins"]
    result = sampler(World("none", twins.tokens, "aaa", 2, twins.law)).sample(3)
    assert not len(result) and result.missing == 3
    assert "no text is wanted" in result.notes[-1]


# --- JSON ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 4])
def test_results_are_json(method: str, n: int) -> None:
    """Also where nothing can be said of an error, which is infinite then: JSON has no such number."""
    result, _ = drawn(method, n)
    read = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert [sample["text"] for sample in read["samples"]] == result.texts
    assert read["facts"].keys() == result.facts.keys()


def test_infinities_are_null_in_json_wherever_they_are() -> None:
    result, _ = drawn("mask", 1)
    facts = {"curve": [{"kl": math.inf, "n": 3}], "pair": (math.nan, 0.5), "name": "x"}
    read = replace(result, facts=facts).to_dict()["facts"]
    assert read == {"curve": [{"kl": None, "n": 3}], "pair": [None, 0.5], "name": "x"}


# --- Wrong arguments ---


def test_unknown_options_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"method 'smc' has no option 'stpes'.*particles, ess, resampling"):
        drawn("smc", 1, stpes=3)
    with pytest.raises(ValueError, match=r"method 'exact' has no option 'temprature'.*it has none"):
        drawn("exact", 1, temprature=3)
    with pytest.raises(ValueError, match=r"method 'guard' needs the option 'proposal'"):
        sampler(WORLDS["trap"]).sample(1, method="guard")


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 2.5}, {"slots": 0}, {"budget": 0}, {"seed": -1}, {"n": True}])
def test_numbers_that_make_no_sense_are_named(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name} must be .*not {value}"):
        sampler(WORLDS["trap"]).sample(**({"n": 1} | wrong))
