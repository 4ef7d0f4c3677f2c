"""What a caller can get wrong: clear errors, never memory that is not ours."""

from __future__ import annotations

import numpy as np
import pytest

import constrain
from constrain.testing import byte_vocabulary

AUTOMATON = constrain.compile(constrain.regex("ab*"), byte_vocabulary())
WORDS = AUTOMATON.vocabulary.words


@pytest.mark.parametrize("state", [-1, 0, 10**6])
def test_a_state_of_another_automaton_is_refused(state: int) -> None:
    with pytest.raises(ValueError, match="not one of this automaton"):
        AUTOMATON.advance(state, ord("a"))
    with pytest.raises(ValueError, match="not one of this automaton"):
        AUTOMATON.fill_mask(state, np.zeros(WORDS, np.int32))
    with pytest.raises(ValueError, match="not one of this automaton"):
        AUTOMATON.is_accepting(state)


@pytest.mark.parametrize(
    "words",
    [
        np.zeros(WORDS - 1, np.int32),
        np.zeros(WORDS, np.int64),
        np.zeros((1, WORDS), np.int32),
        np.zeros(2 * WORDS, np.int32)[::2],
    ],
    ids=["too short", "wrong dtype", "two dimensions", "not contiguous"],
)
def test_a_mask_of_the_wrong_form_is_refused(words: np.ndarray) -> None:
    with pytest.raises(ValueError, match="C-contiguous int32"):
        AUTOMATON.fill_mask(AUTOMATON.start(), words)


@pytest.mark.parametrize("token", [-1, 257, 10**9])
def test_ids_outside_the_vocabulary_are_not_allowed(token: int) -> None:
    assert AUTOMATON.advance(AUTOMATON.start(), token) is None
