"""The canvas benchmark fills canvases wholly, counts what is valid, and times each step."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

import constrain
from benchmarks.canvasbench import Prepared, accepted_by, best_under, is_json, proposals, refused, report, run
from constrain.bits import from_ids
from constrain.canvas import OPEN, Canvas, Canvases
from constrain.testing import byte_vocabulary

GRAMMAR = constrain.regex(r"\[[0-9]{1,3}\]")
make = Canvases(GRAMMAR, byte_vocabulary()).of


@pytest.mark.parametrize("kind", ["random", "adversarial"])
@pytest.mark.parametrize(("k", "steps"), [(1, 8), (4, 2), (8, 1)])
def test_every_canvas_is_filled(kind: str, k: int, steps: int) -> None:
    clock = count(step=2_000_000)
    rng = np.random.default_rng(1)
    prepared = Prepared(make, lambda canvas: is_json(canvas) and OPEN not in canvas.slots, [])
    times = run(prepared, 8, k, kind, rng, 2, clock=lambda: next(clock))
    assert times == ([2.0] * (2 * steps), 2, 2)


def test_adversarial_proposals_are_refused() -> None:
    canvas = make(6)
    slots, tokens = proposals(canvas, 4, "adversarial", np.random.default_rng(1))
    assert len(slots) == len(tokens) == 4
    assert not any(canvas.allows(slot, token) for slot, token in zip(slots, tokens, strict=True))
    assert refused(canvas, 0, ord("[")) == ord("[") + 1


def test_the_best_token_under_a_mask() -> None:
    scores = np.array([5, 9, 3, 4] * 10, np.float32)
    assert best_under(from_ids([2, 38, 39], 40), scores) == 39


def test_a_text_that_is_no_json_is_seen() -> None:
    accepted = accepted_by(GRAMMAR, byte_vocabulary())
    filled: Canvas = make(6)
    assert not is_json(filled)
    assert not accepted(filled)
    for slot, token in enumerate(filled.filling.tolist()):
        filled = filled.commit(slot, token)
    assert is_json(filled)
    assert accepted(filled)


def test_the_report_has_a_row_for_each_record() -> None:
    times = {"grammar": "g", "slots": 8, "commits": 4, "proposals": "random"}
    text = report([{"prepared": list("abc")}, {**times, "steps": [1.0, 2.0, 3.0], "valid": 5, "runs": 6}])
    assert "| a | b | c |" in text
    assert "| g | 8 | 4 | random | 3 | 2.00 | 2.80 | 2.98 | 5 of 6 |" in text
