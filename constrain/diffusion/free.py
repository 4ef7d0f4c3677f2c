"""``FreeCanvas``: the canvas of all texts, for runs without a constraint through the very same sampler."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from constrain.bits import from_ids
from constrain.canvas.base import OPEN, Ending, Ids, NotCompletable, Scores, ending_of
from constrain.tokens.base import Words
from constrain.vocab.vocabulary import Vocabulary

Flags = npt.NDArray[np.bool_]


def choosable(vocabulary: Vocabulary, ending: Ending) -> Flags:
    """(width,) bool: the ids that a sampler may ever choose: text, ends and padding, and no other special ids."""
    found = np.zeros(vocabulary.width, np.bool_)
    found[: len(vocabulary)] = vocabulary.packed.lengths > 0
    found[sorted(ending.behind)] = True
    return found


@dataclass(frozen=True)
class FreeCanvas:
    """A ``Canvas`` on which anything goes that the vocabulary has, in any order. Text still ends at the first end."""

    vocabulary: Vocabulary
    ending: Ending
    slots: Ids
    known: Flags  # (width,): what ``choosable`` says

    @classmethod
    def of(cls, vocabulary: Vocabulary, n: int, ending: Ending | None = None) -> FreeCanvas:
        """``n`` open slots."""
        ending = ending or ending_of(vocabulary)
        return cls(vocabulary, ending, np.full(n, OPEN, np.int32), choosable(vocabulary, ending))

    @property
    def filling(self) -> Ids:
        """(n,) int32: ends wherever it is open."""
        return np.where(self.slots == OPEN, np.int32(min(self.ending.ends)), self.slots)

    def allows(self, slot: int, token: int) -> bool:
        """Is there such a token?"""
        return self.slots[slot] == OPEN and 0 <= token < len(self.known) and bool(self.known[token])

    def mask(self, slot: int) -> Words:
        """(vocabulary.words,) int32: the same for all slots."""
        return from_ids(np.flatnonzero(self.known), 32 * self.vocabulary.words)

    def commit(self, slot: int, token: int) -> FreeCanvas:
        """The canvas with ``token`` in ``slot``."""
        if not self.allows(slot, token):
            raise NotCompletable(f"{self.vocabulary.describe(token)} cannot stand in slot {slot} of any text")
        slots = self.slots.copy()
        slots[slot] = token
        return replace(self, slots=slots)

    def best(self, scores: Scores) -> Ids:
        """(n,) int32: the best token of each slot."""
        free = np.where(self.known, scores, -np.inf).argmax(axis=1)
        return np.where(self.slots == OPEN, free, self.slots).astype(np.int32)
