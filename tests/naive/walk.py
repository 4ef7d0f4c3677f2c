"""Masks by trying every token: the meaning of a mask, for any token automaton."""

from __future__ import annotations

import numpy as np

from constrain.tokens.base import State, TokenAutomaton, Words


def allowed_by_stepping(automaton: TokenAutomaton[State], state: State) -> list[int]:
    """The ids that ``advance`` takes."""
    return [t for t in range(automaton.vocabulary.width) if automaton.advance(state, t) is not None]


def fill_by_stepping(automaton: TokenAutomaton[State], state: State, words: Words) -> None:
    unsigned = words.view(np.uint32)
    unsigned[:] = 0
    for token in allowed_by_stepping(automaton, state):
        unsigned[token >> 5] |= np.uint32(1 << (token & 31))


def bits_of(words: Words) -> list[int]:
    """The ids whose bits are set, by Python integer arithmetic."""
    return [32 * w + b for w, word in enumerate(words.tolist()) for b in range(32) if (word & 0xFFFFFFFF) >> b & 1]
