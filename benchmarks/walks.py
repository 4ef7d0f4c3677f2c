"""Random walks over the masks of a schema's grammar, as a model with random logits would go."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from constrain.bits import Ids, allocate, ids_of
from constrain.tokens.pushdown import PushdownAutomaton

CLOSING = b'}]:"'
OPENING = b"{[, \t\r\n\\"
RARE = 0.02  # blanks, escapes, exponents: else they would fill the texts, or be too large to compute with
OUTSIDE, INSIDE, ESCAPED = range(3)  # of a string


@dataclass(frozen=True)
class Walk:
    """Where a walk came to: ``finished`` or ``long``, or ``dead end`` or ``broken law``, which must not be."""

    end: str
    text: bytes


class Walker:
    """Walks over one automaton; after ``soft`` bytes it prefers what closes, and what it has been told to write."""

    def __init__(self, automaton: PushdownAutomaton, hints: list[bytes], *, soft: int = 60, hard: int = 1500) -> None:
        self.automaton = automaton
        self.tokens = automaton.vocabulary.tokens
        self.words = allocate(automaton.vocabulary.width)
        self.hints = hints
        self.soft, self.hard = soft, hard
        self.appeal = np.array([0.0 if t is None else _appeal(t) for t in self.tokens])
        self.rank = np.array([9 if t is None else _rank(t) for t in self.tokens])
        self.rank_in_string = np.array([9 if t is None else _rank_in_string(t) for t in self.tokens])

    def walk(self, rng: Random) -> Walk:
        automaton, state, text, mode = self.automaton, self.automaton.start(), b"", OUTSIDE
        while len(text) < self.hard:
            automaton.fill_mask(state, self.words)
            allowed = ids_of(self.words)
            texts = allowed[~np.isin(allowed, sorted(automaton.vocabulary.eos))]
            if not len(allowed):
                return Walk("dead end", text)
            is_end = automaton.is_accepting(state)
            if is_end and (not len(texts) or len(text) >= self.soft or rng.random() < 0.3):
                return Walk("finished", text)
            piece = self._hint(state, rng, len(text))
            if piece is None:
                token = self._choose(texts, rng, len(text) >= self.soft, mode != OUTSIDE)
                piece = self.tokens[token]
                after = automaton.advance(state, token)
            else:
                after = automaton.advance_bytes(state, piece)
            if after is None:
                return Walk("broken law", text + piece)
            state, text = after, text + piece
            for byte in piece:
                mode = _mode_after(mode, byte)
        return Walk("long", text)

    def _hint(self, state: int, rng: Random, length: int) -> bytes | None:
        """Now and then, and always when it is late, a piece that the schema speaks of, if it may come next."""
        if self.hints and (length >= self.soft or rng.random() < 0.3):
            piece = rng.choice(self.hints)
            if self.automaton.advance_bytes(state, piece) is not None:
                return piece
        return None

    def _choose(self, allowed: Ids, rng: Random, late: bool, in_string: bool) -> int:
        if late and rng.random() > 0.1:
            ranks = (self.rank_in_string if in_string else self.rank)[allowed]
            allowed = allowed[ranks == ranks.min()]
        weights = self.appeal[allowed].cumsum()
        return int(allowed[np.searchsorted(weights, rng.random() * weights[-1], side="right")])


def _mode_after(mode: int, byte: int) -> int:
    if mode == ESCAPED:
        return INSIDE
    if byte == 0x22:
        return INSIDE if mode == OUTSIDE else OUTSIDE
    return ESCAPED if mode == INSIDE and byte == 0x5C else mode


def _appeal(token: bytes) -> float:
    return RARE if not token or token[0] >= 0x80 or not token.strip(b" \t\r\n\\") or token in b"eE" else 1.0


def _rank(token: bytes) -> int:
    """What closes comes first, what opens last."""
    if token and token[0] in CLOSING:
        return CLOSING.index(token[0]) + 4 * (len(token) > 1)
    return 9 if not token or token[0] in OPENING else 8


def _rank_in_string(token: bytes) -> int:
    return (0 if token == b'"' else 1) if token[:1] == b'"' else 8


def hints(schema: Any) -> list[bytes]:
    """The keys that a schema speaks of, as members begin."""
    return [json.dumps(name, ensure_ascii=False).encode() + b":" for name in sorted(_names(schema))]


def _names(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_names, schema))
    if not isinstance(schema, dict):
        return set()
    found = set().union(*map(_names, schema.values()))
    for word in ("properties", "dependentRequired", "dependentSchemas", "dependencies"):
        if isinstance(schema.get(word), dict):
            found |= schema[word].keys()
    if isinstance(schema.get("required"), list):
        found |= {name for name in schema["required"] if isinstance(name, str)}
    return found
