"""A plain DFA over bytes as a ``TokenAutomaton``: derivatives of a byte regex, every token stepped byte by byte.

The independent twin of the engine in the tests of the adapters. States are ints, as in the engine.
"""

from __future__ import annotations

import numpy as np

from constrain.ir.grammar import Grammar, Terminal
from constrain.ir.rx import EPSILON, NOTHING, Chars, Concat, Repeat, Rx, Union, concat, is_nullable, repeat, union
from constrain.tokens.base import Words
from constrain.vocab.vocabulary import Vocabulary


def derivative(rx: Rx, byte: int) -> Rx:
    """What may follow ``byte`` (Brzozowski 1964); ``NOTHING`` when nothing may."""
    match rx:
        case Chars(ranges):
            return EPSILON if any(low <= byte <= high for low, high in ranges) else NOTHING
        case Concat(parts):
            if not parts:
                return NOTHING
            head, tail = parts[0], concat(parts[1:])
            first = concat((derivative(head, byte), tail))
            return union((first, derivative(tail, byte))) if is_nullable(head) else first
        case Union(parts):
            return union(derivative(part, byte) for part in parts)
        case Repeat(body, low, high):
            rest = repeat(body, max(low - 1, 0), None if high is None else high - 1)
            return concat((derivative(body, byte), rest))
    raise TypeError(f"no derivative for {rx!r}")


class DfaAutomaton:
    """Built from a grammar of one rule with one ``bytes`` terminal."""

    def __init__(self, grammar: Grammar, vocabulary: Vocabulary) -> None:
        terminal = grammar.rules[grammar.start]
        assert isinstance(terminal, Terminal) and terminal.encoding == "bytes"
        self.vocabulary = vocabulary
        self._languages: list[Rx] = [terminal.rx]  # state 0 is the start
        self._numbers: dict[Rx, int] = {terminal.rx: 0}
        self._finished = -1
        self._masks: dict[int, Words] = {}

    def start(self) -> int:
        return 0

    def advance(self, state: int, token: int) -> int | None:
        if token in self.vocabulary.eos:
            return self._finished if self.is_accepting(state) else None
        data = self.vocabulary.tokens[token] if 0 <= token < len(self.vocabulary) else None
        if data is None or state == self._finished:
            return None
        rx = self._languages[state]
        for byte in data:
            rx = derivative(rx, byte)
        return None if rx == NOTHING else self._number(rx)

    def fill_mask(self, state: int, words: Words) -> None:
        if state not in self._masks:
            flags = np.zeros(32 * len(words), np.uint8)
            for token in range(self.vocabulary.width):
                flags[token] = self.advance(state, token) is not None
            self._masks[state] = np.packbits(flags, bitorder="little").view(np.int32)
        words[:] = self._masks[state]

    def is_accepting(self, state: int) -> bool:
        return state == self._finished or is_nullable(self._languages[state])

    def _number(self, rx: Rx) -> int:
        if rx not in self._numbers:
            self._numbers[rx] = len(self._languages)
            self._languages.append(rx)
        return self._numbers[rx]
