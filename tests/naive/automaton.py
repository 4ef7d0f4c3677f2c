"""``NaiveAutomaton``: a state is the text so far. The twin of the engine for small vocabularies."""

from __future__ import annotations

from naive.language import Spans
from naive.walk import fill_by_stepping

from constrain.ir.grammar import Grammar
from constrain.tokens.base import Words
from constrain.vocab.vocabulary import Vocabulary

FINISHED = "finished"
NaiveState = bytes | str


class NaiveAutomaton:
    def __init__(self, grammar: Grammar, vocabulary: Vocabulary) -> None:
        self.grammar = grammar
        self.vocabulary = vocabulary
        self._facts: dict[bytes, tuple[bool, bool]] = {}

    def start(self) -> NaiveState:
        return b""

    def advance(self, state: NaiveState, token: int) -> NaiveState | None:
        if token in self.vocabulary.eos:
            return FINISHED if self.is_accepting(state) else None
        data = self.vocabulary.tokens[token] if 0 <= token < len(self.vocabulary) else None
        return None if data is None else self.advance_bytes(state, data)

    def advance_bytes(self, state: NaiveState, data: bytes) -> NaiveState | None:
        if isinstance(state, str):
            return state if not data else None
        return state + data if self.facts(state + data)[1] else None

    def fill_mask(self, state: NaiveState, words: Words) -> None:
        fill_by_stepping(self, state, words)

    def is_accepting(self, state: NaiveState) -> bool:
        return isinstance(state, str) or self.facts(state)[0]

    def facts(self, data: bytes) -> tuple[bool, bool]:
        """(is a member, is the beginning of one), remembered."""
        if data not in self._facts:
            spans = Spans(self.grammar, data)
            self._facts[data] = (spans.accepted, spans.viable)
        return self._facts[data]

    def forced_bytes(self, state: NaiveState) -> bytes:
        """The longest text that every completion starts with (at most 64 bytes)."""
        forced = b""
        while isinstance(state, bytes) and len(forced) < 64 and not self.is_accepting(state):
            nexts = [b for b in range(256) if self.advance_bytes(state, bytes([b])) is not None]
            if len(nexts) != 1:
                break
            forced, state = forced + bytes(nexts), state + bytes(nexts)
        return forced

    def explain(self, state: NaiveState, token: int) -> str:
        return f"token {self.vocabulary.describe(token)} cannot follow {state!r}"
