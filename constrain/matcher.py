"""``Matcher``: a token automaton and the states it has been through. The one mutable object of the core.

One matcher follows one sequence. It is the convenient face of the engine; code that branches (beams, particles,
speculation) can keep bare states instead, since they are values.
"""

from __future__ import annotations

from typing import Generic, Protocol, runtime_checkable

import numpy as np

from constrain.bits import Ids, allocate, ids_of
from constrain.errors import ConstraintViolation
from constrain.tokens.base import State, TokenAutomaton, Words


@runtime_checkable
class TextAutomaton(Protocol[State]):
    """What a token automaton may offer beyond the contract: reading text that is not cut into tokens."""

    def advance_bytes(self, state: State, data: bytes) -> State | None:
        """The state after ``data``, or ``None`` when no text of the language goes on like this."""
        ...

    def forced_bytes(self, state: State) -> bytes:
        """The longest byte string that every completion starts with."""
        ...

    def explain(self, state: State, token: int) -> str:
        """In words: why ``token`` may not come next, and what may."""
        ...


class Matcher(Generic[State]):
    """Follows one token sequence through ``automaton``: step, undo, ask what may come next.

    Each successful ``advance``, ``try_advance`` or ``advance_bytes`` is one step; ``len(matcher)`` counts them and
    ``rollback`` undoes them. A step that fails changes nothing.
    """

    def __init__(self, automaton: TokenAutomaton[State]) -> None:
        self.automaton = automaton
        self._steps: list[tuple[State, bool]] = [(automaton.start(), False)]  # (state, ended by an end of sequence?)

    def __len__(self) -> int:
        return len(self._steps) - 1

    @property
    def state(self) -> State:
        """The current state: a value, usable with ``automaton`` at any time."""
        return self._steps[-1][0]

    def advance(self, token: int) -> None:
        """Step by ``token``. Raises ``ConstraintViolation`` (and advances nothing) when it is not allowed."""
        if not self.try_advance(token):
            raise ConstraintViolation(self.explain(token))

    def try_advance(self, token: int) -> bool:
        """Step by ``token`` if it is allowed; tells whether it was."""
        state = self.automaton.advance(self.state, token)
        if state is None:
            return False
        self._steps.append((state, self.is_finished() or token in self.automaton.vocabulary.eos))
        return True

    def advance_bytes(self, data: bytes) -> None:
        """Step by text that need not be cut like the vocabulary's tokens, such as a forced beginning.

        Raises ``ConstraintViolation`` (and advances nothing) when no text of the language goes on like this.
        """
        state = self._text("advance_bytes").advance_bytes(self.state, data)
        if state is None:
            raise ConstraintViolation(f"the text {data!r} cannot come next: no text of the grammar goes on like this")
        self._steps.append((state, self.is_finished()))

    def rollback(self, n: int = 1) -> None:
        """Undo the last ``n`` steps. Raises ``ValueError`` when there are fewer."""
        if not 0 <= n <= len(self):
            raise ValueError(f"cannot undo {n} steps: {len(self)} have been made")
        del self._steps[len(self._steps) - n :]

    def mask(self) -> Words:
        """The ids allowed next, as a fresh ``(vocabulary.words,)`` int32 row (bit layout: ``constrain.bits``)."""
        words = allocate(self.automaton.vocabulary.width)
        self.fill_mask(words)
        return words

    def fill_mask(self, words: Words) -> None:
        """Overwrite the caller's ``(vocabulary.words,)`` int32 C-contiguous row with the mask."""
        shape = (self.automaton.vocabulary.words,)
        if words.shape != shape or words.dtype != np.int32 or not words.flags.c_contiguous:
            raise ValueError(f"a mask row is C-contiguous int32 of shape {shape}, not {words.dtype} of {words.shape}")
        self.automaton.fill_mask(self.state, words)

    def allowed_tokens(self) -> Ids:
        """The ids allowed next, ascending, as a fresh int64 array."""
        return ids_of(self.mask())

    def is_accepting(self) -> bool:
        """Is the text so far a whole text of the language?"""
        return self.automaton.is_accepting(self.state)

    def is_finished(self) -> bool:
        """Has an end-of-sequence id been taken?"""
        return self._steps[-1][1]

    def forced_bytes(self) -> bytes:
        """The longest byte string that every completion starts with; empty when there is a choice, or none."""
        return self._text("forced_bytes").forced_bytes(self.state)

    def explain(self, token: int) -> str:
        """In words: why ``token`` may not come next, and what may."""
        if isinstance(self.automaton, TextAutomaton):
            return self.automaton.explain(self.state, token)
        return f"token {self.automaton.vocabulary.describe(token)} is not allowed after {len(self)} steps"

    def copy(self) -> Matcher[State]:
        """An independent matcher at the same point, with the same history; the automaton is shared."""
        twin = Matcher(self.automaton)
        twin._steps = self._steps.copy()
        return twin

    def _text(self, wanted: str) -> TextAutomaton[State]:
        if isinstance(self.automaton, TextAutomaton):
            return self.automaton
        raise TypeError(f"{type(self.automaton).__name__} reads tokens only; {wanted}() needs a TextAutomaton")
