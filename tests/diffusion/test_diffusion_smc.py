"""Twisted SMC against the chain itself, counted out: every order of slots, every token, every step."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from diffusion.tiny_denoisers import END, ENDING, FACTS, MASK, PAD, VOCABULARY, canvas, contextual
from sampling.significance import ALPHA, two_sided

from constrain.canvas.base import OPEN
from constrain.diffusion.free import FreeCanvas, choosable
from constrain.diffusion.laws import log_law
from constrain.diffusion.smc import least_entropy, smc
from constrain.errors import ConstrainError

Ids = tuple[int, ...]
DENOISER = contextual(4, 1.0)
CHOOSABLE = choosable(VOCABULARY, ENDING)
KNOWN = np.flatnonzero(CHOOSABLE).tolist()


@cache
def law(ids: Ids) -> Any:
    """(n, width) probabilities of the model, whatever is decided."""
    masked = [MASK if token == OPEN else token for token in ids]
    logits = DENOISER(torch.tensor([[3, *masked]]))[0, 1:]
    return log_law(logits, CHOOSABLE).exp().numpy()[:, : VOCABULARY.width]


def chosen(ids: Ids, count: int, order: str) -> list[tuple[Ids, float]]:
    """Sets of slots that a step fills, with their probabilities."""
    places = [i for i, token in enumerate(ids) if token == OPEN]
    count = min(count, len(places))
    if order == "left":
        return [(tuple(places[:count]), 1.0)]
    sets = list(itertools.combinations(places, count))
    return [(each, 1 / len(sets)) for each in sets]


def chain(ids: Ids, count: int, order: str) -> dict[Ids, float]:
    """The law of the last canvas of the unconstrained chain."""
    found: dict[Ids, float] = defaultdict(float)
    reached = {ids: 1.0}
    while any(OPEN in each for each in reached):
        following: dict[Ids, float] = defaultdict(float)
        for each, p in reached.items():
            for places, q in chosen(each, count, order):
                for tokens in itertools.product(KNOWN, repeat=len(places)):
                    after = list(each)
                    for place, token in zip(places, tokens, strict=True):
                        after[place] = token
                    r = math.prod(float(law(each)[i, t]) for i, t in zip(places, tokens, strict=True))
                    following[tuple(after)] += p * q * r
        reached = following
    for each, p in reached.items():
        found[each] += p
    return found


@cache
def target(count: int, order: str, n: int = 3) -> dict[Ids, float]:
    """Probabilities of the valid ones, which sum to the probability that the chain ends in a valid text."""
    valid = set(canvas("same", n).completions)
    return {ids: p for ids, p in chain((OPEN,) * n, count, order).items() if ids in valid}


def test_the_chain_is_a_law() -> None:
    assert math.isclose(sum(chain((OPEN,) * 2, 1, "random").values()), 1.0, rel_tol=1e-9)


@pytest.mark.parametrize(
    ("particles", "tokens", "order", "ess", "resampling"),
    [
        (1, 1, "random", 0.5, "stratified"),
        (4, 1, "random", 1.0, "stratified"),
        (4, 1, "left", 0.9, "systematic"),
        (3, 2, "random", 1.0, "residual"),
        (4, 3, "left", 0.5, "multinomial"),
    ],
)
def test_weights_are_unbiased_for_every_text(
    particles: int, tokens: int, order: str, ess: float, resampling: str
) -> None:
    """``E[mean weight times share of x] = P(chain ends in x)``, for each valid ``x`` and all together."""
    exact = target(tokens, order)
    estimates = defaultdict(list)
    runs = 300
    for seed in range(runs):
        got = smc(
            DENOISER, [3], canvas("same", 3), particles=particles, tokens=tokens, order=order, ess=ess,
            resampling=resampling, seed=seed,
        )  # fmt: skip
        shares: dict[Ids, float] = defaultdict(float)
        for ids, weight in zip(got.ids.tolist(), got.weights, strict=True):
            shares[tuple(ids)] += float(weight)
        estimates[()].append(math.exp(got.log_z))
        for ids in exact:
            estimates[ids].append(math.exp(got.log_z) * shares[ids])
    for ids, values in estimates.items():
        truth = exact[ids] if ids else sum(exact.values())
        spread = np.std(values, ddof=1) / math.sqrt(runs)
        if np.count_nonzero(values) >= 30:  # else its mean is not normal
            assert two_sided((np.mean(values) - truth) / max(spread, 1e-12)) > ALPHA / len(exact), (ids, truth)


def test_all_at_once_needs_no_correction() -> None:
    """One step for all slots is exact sampling: equal weights, and the estimate is the probability itself."""
    exact = sum(target(3, "left").values())
    got = smc(DENOISER, [3], canvas("same", 3), particles=4, tokens=3, order="left")
    assert math.isclose(math.exp(got.log_z), exact, rel_tol=1e-9)
    assert got.ess == [1.0] and got.resamplings == [] and got.calls == 1
    assert np.allclose(got.weights, 0.25)


def test_many_particles_have_the_law_of_the_chain_where_single_steps_have_not() -> None:
    """What the correction is for: the chain of exact steps is measurably off, the weighted particles are not."""
    exact = target(1, "left")
    total = sum(exact.values())
    got = smc(DENOISER, [3], canvas("same", 3), particles=3000, tokens=1, order="left", ess=0.0)
    ids = [tuple(row) for row in got.ids.tolist()]
    weighted = {each: float(got.weights[[i == each for i in ids]].sum()) for each in exact}
    plain = {each: ids.count(each) / len(ids) for each in exact}

    def off(law: dict[Ids, float]) -> float:
        return sum(abs(law[each] - p / total) for each, p in exact.items()) / 2

    assert off(weighted) < 0.05 < off(plain) / 2
    assert math.isclose(math.exp(got.log_z), total, rel_tol=0.1)


def test_texts_weights_and_draws() -> None:
    got = smc(DENOISER, [3], canvas("pairs", 4), particles=5, tokens=2)
    assert all(text.endswith("c") for text in got.texts) and len(got.texts) == 5
    assert math.isclose(got.weights.sum(), 1.0) and got.draw(3) in got.texts
    assert got.calls == 2 and len(got.ess) == 2
    assert all(END not in row or set(row[row.index(END) :]) <= {END, PAD} for row in got.ids.tolist())


def test_slots_of_least_entropy() -> None:
    scores = np.log(np.array([[0.5, 0.5], [0.9, 0.1], [1.0, 1e-300], [0.6, 0.4]]))
    got = least_entropy(np.array([0, 1, 3]), scores, 2, np.random.default_rng(0))
    assert got.tolist() == [1, 3]


def test_a_canvas_that_cannot_count_is_refused() -> None:
    with pytest.raises(ConstrainError, match="has no log_mass"):
        smc(DENOISER, [], FreeCanvas.of(VOCABULARY, 3, ENDING))


def test_a_model_that_gives_valid_text_nothing_is_refused() -> None:
    row = torch.full((11,), -torch.inf)
    row[0] = 0.0
    only_a = type(DENOISER)(lambda ids: row.expand(*ids.shape, 11), FACTS)
    with pytest.raises(ConstrainError, match="no valid text has a probability"):
        smc(only_a, [], canvas("same", 3))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"particles": 0}, "particles must be 1"),
        ({"tokens": 0}, "tokens must be 1"),
        ({"order": "right"}, "there is no order 'right'"),
        ({"resampling": "none"}, "there is no resampling 'none'"),
        ({"ess": 2.0}, "ess must be between"),
        ({"temperature": 0.0}, "temperature must be finite"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smc(DENOISER, [], canvas("same", 3), **wrong)
