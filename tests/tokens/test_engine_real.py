"""The engine over real vocabularies: the contract, and whole masks against stepping through every token."""

from __future__ import annotations

import random

import pytest
from data.grammars import CASES
from naive.walk import allowed_by_stepping

import constrain
from constrain.bits import allocate, ids_of
from constrain.members import random_member
from constrain.testing import check_token_automaton, respell
from constrain.vocab.vocabulary import Vocabulary

NAMES = [
    "JSON",
    "CSV",
    "blocks by braces with statements",
    "JSON string that is not a given value, however spelled",
    "objects in objects, keys unique in each",
    "bag of unique numbers",
]
CHOSEN = [pytest.param(case.grammar, id=case.name) for case in CASES if case.name in NAMES]


@pytest.fixture(params=["llama3_1", "llama2"])
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("grammar", CHOSEN)
def test_contract(grammar: constrain.Grammar, vocabulary: Vocabulary) -> None:
    automaton = constrain.compile(grammar, vocabulary)
    check_token_automaton(automaton, rng=random.Random(0), sequences=4, depth=15, tokens_per_state=200)


@pytest.mark.parametrize("grammar", CHOSEN)
def test_masks_equal_stepping_along_members(grammar: constrain.Grammar, vocabulary: Vocabulary) -> None:
    """A random spelling of a random member is taken to its end; on the way masks are what ``advance`` takes."""
    rng = random.Random(3)
    automaton = constrain.compile(grammar, vocabulary)
    ids = respell(vocabulary, random_member(grammar, rng, size=60), rng)
    assert ids is not None
    state = automaton.start()
    for i, token in enumerate(ids):
        if i in (0, len(ids) // 2):
            words = allocate(vocabulary.width)
            automaton.fill_mask(state, words)
            assert ids_of(words).tolist() == allowed_by_stepping(automaton, state)
        state = automaton.advance(state, token)
        assert state is not None
    assert automaton.is_accepting(state)
