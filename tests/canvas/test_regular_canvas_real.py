"""Records over a real vocabulary: whatever is proposed, what comes out is what an independent parser takes."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import constrain
from constrain.bits import ids_of
from constrain.canvas.base import OPEN, ending_of
from constrain.canvas.normal import normal_form
from constrain.canvas.regular import RegularCanvas
from constrain.canvas.tokendfa import TokenDfa, regular_language
from constrain.vocab.vocabulary import Vocabulary

FIELDS = {"name": str, "age": int, "member": bool}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "member": {"type": "boolean"}},
    "required": list(FIELDS),
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def automaton(shared_data: Path) -> TokenDfa:
    vocabulary = constrain.vocabulary(shared_data / "tokenizers/qwen2_5")
    dfa = regular_language(normal_form(constrain.json_schema(SCHEMA)))
    assert dfa is not None
    return TokenDfa(dfa, vocabulary, ending_of(vocabulary))


def text_of(vocabulary: Vocabulary, ids: list[int]) -> bytes:
    """Up to the first end, by the table of tokens alone."""
    pieces = [vocabulary.tokens[token] for token in takewhile(lambda token: token not in vocabulary.eos, ids)]
    return b"".join(piece or b"?" for piece in pieces)


def check(vocabulary: Vocabulary, ids: list[int]) -> None:
    value: Any = json.loads(text_of(vocabulary, ids))
    assert {name: type(item) for name, item in value.items()} == FIELDS


@pytest.mark.parametrize(("n", "at_once"), [(32, 1), (48, 4), (256, 8)])
def test_random_proposals_always_end_in_a_record(automaton: TokenDfa, n: int, at_once: int) -> None:
    """Ids drawn blindly are mostly refused; then one of the mask is taken."""
    rng = np.random.default_rng(n)
    canvas = RegularCanvas.of(automaton, n)
    while (canvas.slots == OPEN).any():
        slots = rng.permutation(np.flatnonzero(canvas.slots == OPEN))[:at_once]
        canvas, taken = canvas.commit_many(slots, rng.integers(0, automaton.vocabulary.width, len(slots)))
        check(automaton.vocabulary, canvas.filling.tolist())
        for slot in slots[~taken]:
            canvas = canvas.commit(int(slot), int(rng.choice(ids_of(canvas.mask(int(slot))))))
    check(automaton.vocabulary, canvas.slots.tolist())


def test_infilling_between_fixed_text(automaton: TokenDfa) -> None:
    vocabulary = automaton.vocabulary
    ids = vocabulary.ids_by_bytes
    begun, later = [ids[t][0] for t in (b'{"', b"name", b'":"')], [ids[t][0] for t in (b'","', b"age", b'":')]
    canvas = RegularCanvas.of(automaton, [*begun, OPEN, OPEN, *later, *[OPEN] * 20])
    before = canvas.mask(3)
    canvas = canvas.commit(3, ids[b"Ada"][0])
    assert text_of(vocabulary, canvas.filling.tolist()).startswith(b'{"name":"Ada')
    assert set(ids_of(canvas.mask(4))) <= set(ids_of(before))
    check(vocabulary, canvas.filling.tolist())


def test_samples_and_best_are_records(automaton: TokenDfa) -> None:
    rng = np.random.default_rng(7)
    canvas = RegularCanvas.of(automaton, 24)
    scores = rng.normal(size=(24, automaton.vocabulary.width))
    best = canvas.best(scores)
    drawn = canvas.sample(scores, rng, 3)
    sums = [float(scores[np.arange(24), ids].sum()) for ids in (best, *drawn)]
    for ids in (best, *drawn):
        check(automaton.vocabulary, ids.tolist())
    assert sums[0] == max(sums)
    shares = np.exp(canvas.marginals(scores, [0, 5, 23])).sum(axis=1)
    assert shares == pytest.approx(np.ones(3), rel=1e-9)
