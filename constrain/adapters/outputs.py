"""``Output``: what a generated row is worth. Truncated text is reported as truncated, never as a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from constrain.tokens.base import TokenAutomaton


@dataclass(frozen=True, slots=True)
class Output:
    """One generated row, read back with its automaton.

    ``text``       the bytes of the generated ids, up to the end or to the first id that the grammar does not allow.
    ``ids``        the generated ids that were read, an end-of-sequence id included.
    ``complete``   the row ended with an end-of-sequence id where the grammar allows one: ``text`` is a result.
    ``accepting``  ``text`` is a whole text of the language, whether or not the model chose to end there.
    ``violation``  empty, or why the row is not in the language. Masked rows have none; what may have one are the
                   place-holders that beam search returns when the language has fewer texts than were asked for.
    """

    text: bytes
    ids: tuple[int, ...]
    complete: bool
    accepting: bool
    violation: str = ""

    @property
    def truncated(self) -> bool:
        """Was the row cut before it ended (``max_new_tokens``, a stopping criterion)?"""
        return not self.complete and not self.violation


def read_output(automaton: TokenAutomaton[Any], ids: Sequence[int]) -> Output:
    """Read the generated ``ids`` of one row (without its prompt); whatever follows an end-of-sequence id is padding."""
    state, text = automaton.start(), b""
    for position, token in enumerate(ids):
        following = automaton.advance(state, token)
        if following is None:
            name = automaton.vocabulary.describe(token)
            why = f"token {name} at generated position {position} is not allowed after {text!r}"
            return Output(text, tuple(ids[:position]), False, False, why)
        if token in automaton.vocabulary.eos:
            return Output(text, tuple(ids[: position + 1]), True, True)
        text += automaton.vocabulary.decode([token])
        state = following
    return Output(text, tuple(ids), False, automaton.is_accepting(state))
