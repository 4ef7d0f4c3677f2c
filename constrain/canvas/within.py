"""``WithinTokens``: texts that fit a canvas, token by token from the left, so that a bound on tokens is always kept.

An automaton of a grammar alone allows what can be finished, however long that takes. Here a token is allowed if and
only if the text can end within the canvas after it, which the canvas knows exactly.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol, TypeVar

import numpy as np

from constrain.bits import from_ids
from constrain.canvas.base import OPEN, Ending
from constrain.canvas.base import Ids as Slots
from constrain.tokens.base import Words
from constrain.vocab.vocabulary import Vocabulary

Ids = tuple[int, ...]
REMEMBERED = 256  # canvases of prefixes
Self = TypeVar("Self", bound="Canvas")


class Canvas(Protocol):
    """What is needed of a canvas (``canvas/base.py``)."""

    @property
    def vocabulary(self) -> Vocabulary: ...
    @property
    def ending(self) -> Ending: ...
    @property
    def slots(self) -> Slots: ...
    def allows(self, slot: int, token: int) -> bool: ...
    def mask(self, slot: int) -> Words: ...
    def commit(self: Self, slot: int, token: int) -> Self: ...


class WithinTokens:
    """``TokenAutomaton``: the texts of a canvas with all slots open; states are the ids so far. Tokens are counted,
    so two spellings of the same bytes may differ in what may follow (the contract's law 2 is for automata of bytes).

    A text ends with one of the canvas's ends, or fills the canvas: then only an end may follow. Costs of a mask and of
    a step are those of the canvas.
    """

    def __init__(self, canvas: Canvas) -> None:
        """Raises ``ValueError`` where a slot is not open, or an end is required (it would be one of the tokens)."""
        if not (canvas.slots == OPEN).all() or canvas.ending.required:
            raise ValueError("texts are read from the left: give a canvas that is open, without a required end")
        if canvas.ending.ends != canvas.vocabulary.eos:
            raise ValueError("the canvas must end as the vocabulary does: with all of its ends, and no others")
        self.vocabulary: Vocabulary = canvas.vocabulary
        self._size = len(canvas.slots)
        self._canvases: OrderedDict[Ids, Canvas] = OrderedDict({(): canvas})
        self._first = canvas
        self._ends = np.array(sorted(self.vocabulary.eos), np.int64)

    def start(self) -> Ids:
        """No tokens yet."""
        return ()

    def advance(self, state: Ids, token: int) -> Ids | None:
        """The state after ``token``, or ``None`` when the token is not allowed."""
        if token in self.vocabulary.eos:
            ended = bool(state) and state[-1] in self.vocabulary.eos
            return (state if ended else (*state, token)) if self.is_accepting(state) else None
        if not 0 <= token < self.vocabulary.width or self._is_over(state):
            return None
        return (*state, token) if self._canvas(state).allows(len(state), token) else None

    def fill_mask(self, state: Ids, words: Words) -> None:
        """Overwrite ``words`` with the mask of ``state``."""
        if self._is_over(state):
            words[:] = from_ids(self._ends, 32 * self.vocabulary.words)
        else:
            words[:] = self._canvas(state).mask(len(state))

    def is_accepting(self, state: Ids) -> bool:
        """May the text end here?"""
        if self._is_over(state):
            return True
        return any(self._canvas(state).allows(len(state), int(end)) for end in self._ends)

    def _is_over(self, state: Ids) -> bool:
        """Is the canvas full, or has the text ended?"""
        return len(state) >= self._size or (bool(state) and state[-1] in self.vocabulary.eos)

    def _canvas(self, state: Ids) -> Canvas:
        """The canvas with the tokens of ``state``: that of the longest prefix that is remembered, and the rest."""
        known = len(state)
        while known and state[:known] not in self._canvases:
            known -= 1
        canvas = self._canvases.get(state[:known], self._first)
        for slot in range(known, len(state)):
            canvas = canvas.commit(slot, state[slot])
            self._canvases[state[: slot + 1]] = canvas
        while len(self._canvases) > REMEMBERED:
            self._canvases.popitem(last=False)
        return canvas
