"""``Warped`` against transformers' own warpers, and what it promises where they leave it open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from constrain.sampling.lm.model import Laws, Request, TableModel
from constrain.sampling.lm.warped import Warped, normalised


def random_law(generator: np.random.Generator, width: int) -> Laws:
    return normalised(generator.normal(scale=3, size=(1, width)))[0]


def by_transformers(law: Laws, temperature: float, top_k: int | None, top_p: float | None) -> Laws:
    scores = TemperatureLogitsWarper(temperature)(None, torch.from_numpy(law)[None])
    if top_k is not None:
        scores = TopKLogitsWarper(top_k)(None, scores)
    if top_p is not None:
        scores = TopPLogitsWarper(top_p)(None, scores)
    return torch.log_softmax(scores, -1)[0].numpy()


def table(law: Laws) -> TableModel:
    return TableModel(lambda _: np.exp(law).tolist(), width=len(law))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7])
@pytest.mark.parametrize("top_k", [None, 1, 5, 40, 100])
@pytest.mark.parametrize("top_p", [None, 1e-9, 0.3, 0.9, 0.999])
def test_laws_are_those_of_transformers(temperature: float, top_k: int | None, top_p: float | None) -> None:
    generator = np.random.default_rng(7)
    for _ in range(10):
        law = random_law(generator, 40)
        [warped] = Warped(table(law), temperature, top_k, top_p).laws([Request((), (1,))])
        expected = by_transformers(law, temperature, top_k, top_p)
        for row in warped:
            np.testing.assert_array_equal(np.isinf(row), np.isinf(expected))
            np.testing.assert_allclose(np.exp(row), np.exp(expected), rtol=1e-10, atol=0)


def warp(probabilities: list[float], **how: Any) -> list[float]:
    model = TableModel(lambda _: probabilities, width=len(probabilities))
    return np.exp(Warped(model, **how).laws([Request(())])[0][0]).tolist()


def test_ties() -> None:
    even = [0.25, 0.25, 0.25, 0.25]
    assert warp(even, top_k=2) == pytest.approx(even)
    assert warp(even, top_p=0.3) == pytest.approx(even)
    assert warp([0.5, 0.25, 0.125, 0.125], top_p=0.76) == pytest.approx([0.5, 0.25, 0.125, 0.125])
    assert warp([0.5, 0.25, 0.125, 0.125], top_p=0.75) == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert warp([0.125, 0.5, 0.125, 0.25], top_k=3) == pytest.approx([0.125, 0.5, 0.125, 0.25])


def test_impossible_tokens_stay_impossible() -> None:
    assert warp([0.0, 0.5, 0.5, 0.0], temperature=3.0) == [0.0, 0.5, 0.5, 0.0]
    assert warp([0.0, 0.5, 0.5, 0.0], top_k=3, top_p=0.999) == [0.0, 0.5, 0.5, 0.0]


def test_small_probabilities_survive() -> None:
    tiny = 1e-300
    [law] = Warped(table(np.log([1.0, tiny])), 2.0).laws([Request(())])[0]
    assert law[1] == pytest.approx(np.log(tiny) / 2)


def test_without_warping_laws_are_untouched() -> None:
    model = table(random_law(np.random.default_rng(8), 9))
    np.testing.assert_array_equal(Warped(model).laws([Request(())])[0], model.laws([Request(())])[0])


def test_keys_widths_and_usage() -> None:
    model = table(random_law(np.random.default_rng(8), 9))
    keys = {Warped(model, *how).key for how in ((1.0,), (0.5,), (1.0, 3), (1.0, None, 0.3), (1.0, None, 0.4))}
    assert len(keys) == 5 and all(key.startswith("table|") for key in keys)
    warped = Warped(model, 0.5)
    warped.laws([Request(())])
    assert warped.width == 9 and warped.usage is model.usage and model.usage.calls == 1


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"temperature": float("inf")}, "temperature=inf"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_k": 1.5}, "top_k=1.5"),
        ({"top_k": True}, "top_k=True"),
        ({"top_p": 0.0}, "top_p=0.0"),
        ({"top_p": 1.1}, "top_p=1.1"),
        ({"top_p": float("nan")}, "top_p=nan"),
    ],
)
def test_wrong_arguments(how: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Warped(TableModel(lambda _: [1.0], width=1), **how)
