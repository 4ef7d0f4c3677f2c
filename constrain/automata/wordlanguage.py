"""How many words of a terminal are left once some have been used. Only finite languages can be used up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from constrain.automata.regions import determinise
from constrain.errors import LimitExceeded
from constrain.ir.grammar import Terminal
from constrain.ir.rx import (
    ANY_CHAR,
    EPSILON,
    MAX_CODE_POINT,
    And,
    Chars,
    Concat,
    Edge,
    Graph,
    Not,
    Ranges,
    Repeat,
    Rx,
    Union,
    repeat,
)
from constrain.ir.words import started_symbols

MAX_LISTED = 10_000
_ANYTHING = repeat(ANY_CHAR, 0, None)


def is_endless(rx: Rx) -> bool:
    """Does every beginning of a string of the language begin infinitely many of them, as is easily seen?

    It does where anything may come first (then what begins any string is in the middle of others), and where the last
    part repeats without bound. False: not known.
    """
    match rx:
        case Repeat(_, _, None):
            return True
        case Concat(parts) if parts:
            return parts[0] == _ANYTHING or is_endless(parts[-1])
        case Union(parts):
            return bool(parts) and all(map(is_endless, parts))
        case And(parts):
            return _ANYTHING in parts[:1] and all(isinstance(part, Not) and is_finite(part.body) for part in parts[1:])
        case Not(body):
            return is_finite(body)
        case Graph():
            return len(_endless_states(rx.edges)) == len(rx.edges)
    return False


def can_run_out(terminal: Terminal) -> bool:
    """Can the words be used up, all of them or those that begin with something? True: they might.

    Words left out do not matter: infinitely many less some are infinitely many.
    """
    return terminal.high is not None or not is_endless(terminal.rx)


def is_finite(rx: Rx) -> bool:
    """Are there finitely many strings (by the form of the expression: no repeat without an upper bound)?"""
    match rx:
        case Chars():
            return True
        case Repeat(body, _, high):
            return high is not None and is_finite(body)
        case And(parts):
            return any(map(is_finite, parts))
        case Concat(parts) | Union(parts):
            return all(map(is_finite, parts))
    return False


def _endless_states(edges: Sequence[Sequence[Edge]]) -> frozenset[int]:
    """The states of a trim automaton from which infinitely many strings are accepted: those that reach a circle."""
    before: list[list[int]] = [[] for _ in edges]
    left = []
    for state, row in enumerate(edges):
        targets = {target for _, _, target in row}
        left.append(len(targets))
        for target in targets:
            before[target].append(state)
    core = set(range(len(edges)))
    waiting = [state for state, count in enumerate(left) if not count]
    while waiting:
        state = waiting.pop()
        core.discard(state)
        for source in before[state]:
            left[source] -= 1
            if not left[source]:
                waiting.append(source)
    return frozenset(core)


class WordLanguage:
    """The words of one terminal, and how many of them begin with something."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.encoding = terminal.encoding
        self.letter = terminal.encoding[0]

    @cached_property
    def graph(self) -> Graph | None:
        """An automaton of the language without the window; ``None`` if it is empty."""
        found = determinise(self.terminal.language, 255 if self.encoding == "bytes" else MAX_CODE_POINT)
        if found == EPSILON:
            return Graph(((),), frozenset((0,)), 0, 0)
        return found if isinstance(found, Graph) else None

    @property
    def edges(self) -> Sequence[Sequence[Edge]]:
        return self.graph.edges if self.graph else ()

    @property
    def finals(self) -> frozenset[int]:
        return self.graph.finals if self.graph else frozenset()

    @cached_property
    def endless(self) -> frozenset[int]:
        """States from which infinitely many strings are accepted."""
        return _endless_states(self.graph.edges) if self.graph else frozenset()

    def state(self, symbols: str) -> int | None:
        """The state after reading; ``None`` when no word begins so."""
        if self.graph is None:
            return None
        state = self.graph.start
        for symbol in symbols:
            code = ord(symbol)
            state = next((t for low, high, t in self.graph.edges[state] if low <= code <= high), -1)
            if state < 0:
                return None
        return state

    def contains(self, value: str) -> bool:
        """Is this the value of a word of the language?"""
        size = len(value) - 1
        high = self.terminal.high
        if value[0] != self.letter or size < self.terminal.low or (high is not None and size > high):
            return False
        state = self.state(value[1:])
        return state is not None and state in self.finals

    def count(self, prefix: str, rest: bytes, most: int) -> int:
        """How many words begin with ``prefix`` (a value) and go on with a symbol that begins with ``rest``; counts to
        ``most`` only."""
        state, size = self.state(prefix[1:]), len(prefix) - 1
        if state is None:
            return 0
        layer = {state: 1}
        if rest:
            layer, size = self._step(layer, most, started_symbols(rest)), size + 1
        found, low, high = 0, self.terminal.low, self.terminal.high
        while layer and (high is None or size <= high):
            if high is None and not self.endless.isdisjoint(layer):
                return most
            if size >= low:
                found += sum(count for q, count in layer.items() if q in self.finals)
            if found >= most:
                return most
            layer, size = self._step(layer, most), size + 1
        return found

    def _step(self, layer: dict[int, int], most: int, within: Ranges | None = None) -> dict[int, int]:
        """Strings by the state they lead to, one symbol on."""
        after: dict[int, int] = {}
        for state, count in layer.items():
            for low, high, target in self.edges[state]:
                width = high - low + 1
                if within is not None:
                    width = sum(max(min(high, b) - max(low, a) + 1, 0) for a, b in within)
                if width:
                    after[target] = min(after.get(target, 0) + count * width, most)
        return after

    def is_left(self, prefix: str, rest: bytes, words: tuple[str, ...]) -> bool:
        """Does a word that begins so remain without ``words`` (values that begin with ``prefix``, distinct)?"""
        used = sum(self._begins(word, prefix, rest) and self.contains(word) for word in words)
        return self.count(prefix, rest, used + 1) > used

    def _begins(self, word: str, prefix: str, rest: bytes) -> bool:
        if not word.startswith(prefix):
            return False
        if not rest:
            return True
        return len(word) > len(prefix) and any(a <= ord(word[len(prefix)]) <= b for a, b in started_symbols(rest))

    def remaining(self, words: tuple[str, ...], most: int) -> tuple[str, ...] | None:
        """All values that are not in ``words``; ``None`` when there are more than ``most``."""
        used = sum(map(self.contains, words))
        if self.count(self.letter, b"", used + most + 1) > used + most:
            return None
        if used + most > MAX_LISTED:
            hint = "lower the least number of elements"
            raise LimitExceeded("words of a bag that are nearly used up", used + most, MAX_LISTED, hint)
        return tuple(sorted(set(self.values()) - set(words)))

    def values(self) -> Iterator[str]:
        """The values of all words, shorter ones first."""
        size, high = self.terminal.low, self.terminal.high
        while (size <= high) if high is not None else (size <= len(self.edges) or bool(self.endless)):
            yield from self._of_size(size)
            size += 1

    def _of_size(self, size: int) -> Iterator[str]:
        """The values of words of ``size`` symbols, by the states from which as many symbols lead to an end."""
        layers = [set(self.finals)]
        for _ in range(size):
            layers.append({q for q, edges in enumerate(self.edges) if any(t in layers[-1] for _, _, t in edges)})
        stack = [(0, self.letter)] if 0 in layers[size] else []  # graphs made here start at 0
        while stack:
            state, value = stack.pop()
            left = size - len(value) + 1
            if left == 0:
                yield value
                continue
            for low, high, target in self.edges[state]:
                if target in layers[left - 1]:
                    stack.extend((target, value + chr(code)) for code in range(low, high + 1))
