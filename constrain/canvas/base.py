"""``Canvas``: a row of slots, each a token or open, that can always be completed to a text of the grammar.

The text is the tokens up to the first end; behind it come ends and padding only. A canvas without an end is full of
text. Invariant: ``filling`` is a completion, always: the *certificate*. So nothing that is committed can lead astray,
whatever the model proposes, and a decision that takes too long can be put off instead of guessed.

A canvas is a value: ``commit`` returns another one, which shares what it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from constrain.errors import ConstrainError, LimitExceeded
from constrain.tokens.base import Words
from constrain.vocab.vocabulary import Vocabulary

Ids = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float64]
OPEN = -1  # in arrays of slots: nothing is decided here
Self = TypeVar("Self", bound="Canvas")


class Ending(NamedTuple):
    """How a text ends within its canvas: one of ``ends``, then any of ``ends`` or ``padding`` to the last slot.

    ``required``: must there be an end (or else may the text fill the canvas)?
    """

    ends: frozenset[int]
    padding: frozenset[int]
    required: bool = False

    @property
    def behind(self) -> frozenset[int]:
        """What may stand behind the first end."""
        return self.ends | self.padding


def ending_of(vocabulary: Vocabulary, pad: int | None = None) -> Ending:
    """The ends that the vocabulary knows, with a padding id of the model if it has one of its own."""
    return Ending(vocabulary.eos, frozenset() if pad is None else frozenset((pad,)))


class NotCompletable(ConstrainError):
    """No text of the grammar fits: into so few slots, or around what is fixed."""


class Undecided(LimitExceeded):
    """Whether it is allowed was not found out within the limit that was set. The canvas is as good as before."""


class Canvas(Protocol):
    """What samplers ask of a canvas. ``n`` slots; ``width`` ids in a row of scores (the vocabulary's width)."""

    vocabulary: Vocabulary
    ending: Ending

    @property
    def slots(self) -> Ids:
        """(n,) int32, read-only: the id in each slot, ``OPEN`` where none is yet."""

    @property
    def filling(self) -> Ids:
        """(n,) int32, read-only: the certificate. It agrees with ``slots``."""

    def allows(self, slot: int, token: int) -> bool:
        """Is there a completion with ``token`` in the open ``slot``? Exact, or ``Undecided`` is raised."""

    def mask(self, slot: int) -> Words:
        """(vocabulary.words,) int32, bits LSB first, the caller's: all that ``allows`` allows in the open ``slot``.

        Raises ``Undecided``.
        """

    def commit(self: Self, slot: int, token: int) -> Self:
        """The canvas with ``token`` in the open ``slot``. Raises ``NotCompletable`` if it is not allowed, and
        ``Undecided``."""

    def best(self, scores: Scores) -> Ids:
        """(n,) int32: a completion with the greatest sum of ``scores`` (n, width; logarithms, -inf for never)."""


def checked_slots(slots: int | Sequence[int] | Ids, width: int) -> Ids:
    """As an array of its own."""
    if isinstance(slots, (int, np.integer)):
        if slots < 0:
            raise ValueError(f"a canvas has 0 slots or more, not {slots}")
        return np.full(int(slots), OPEN, np.int32)
    given = np.array(slots, np.int64).reshape(-1)
    wrong = given[(given != OPEN) & ((given < 0) | (given >= width))]
    if len(wrong):
        raise ValueError(f"slots hold ids below {width} or OPEN ({OPEN}), not {wrong[0]}")
    return given.astype(np.int32)
