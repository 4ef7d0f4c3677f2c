"""``TokenAutomaton``: the contract between everything that makes masks and everything that uses them.

The five laws (checked by ``constrain.testing.check_token_automaton``):

1. *Mask and step agree.* For an ordinary token, its bit is set if and only if ``advance`` is not ``None``;
   an end-of-sequence bit is set if and only if ``is_accepting``.
2. *Only bytes matter.* Two token sequences with the same concatenated bytes reach states with equal masks.
3. *No dead ends.* A reachable state has a non-empty mask.
4. *States are values.* ``advance`` changes nothing that can be seen; equal states have equal masks; states are
   hashable.
5. *The tail is closed.* Bits of ids without bytes, and of all ids from ``len(vocabulary)`` to the end of the
   last word, are zero (end-of-sequence ids excepted, which follow law 1).

After an end-of-sequence id the state is ``FINISHED``: accepting, and only end-of-sequence ids may follow.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from constrain.vocab.vocabulary import Vocabulary

Words = npt.NDArray[np.int32]
State = TypeVar("State", bound=Hashable)


class TokenAutomaton(Protocol[State]):
    """A language over tokens. Immutable for its users; states are values."""

    vocabulary: Vocabulary

    def start(self) -> State:
        """The state before the first token."""
        ...

    def advance(self, state: State, token: int) -> State | None:
        """The state after ``token``, or ``None`` when the token is not allowed."""
        ...

    def fill_mask(self, state: State, words: Words) -> None:
        """Overwrite ``words`` (``(vocabulary.words,)`` int32, C-contiguous, the caller's) with the mask.

        Bit ``t & 31`` (least significant first) of word ``t >> 5`` is set if and only if id ``t`` is allowed.
        """
        ...

    def is_accepting(self, state: State) -> bool:
        """Is the text so far a whole text of the language?"""
        ...
