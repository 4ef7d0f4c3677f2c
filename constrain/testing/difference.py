"""Do two grammars have the same language? A shortest text on which they differ, or that there is none.

Both read texts byte by byte at once; a pair of states is looked at once, however it was reached. States of the engine
are values, equal ones have equal futures, and each has one, so the first pair found that accepts on one side only
gives a shortest witness (breadth-first: Hopcroft and Karp 1971, without their merging, which would lose the
shortest). Where the search *closes*, because no pair leads to a new one, the languages have been compared wholly: so
for grammars without recursion in the middle, whose states are finitely many. Other searches go on for ever; they are
cut off, and the result says up to which length texts have been compared. Whether two context-free grammars are
equivalent cannot be decided.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from constrain.bits import allocate, ids_of
from constrain.errors import LimitExceeded
from constrain.ir.grammar import Grammar
from constrain.testing.verdicts import Recogniser, Text, decoded
from constrain.tokens.pushdown import PushdownAutomaton

MAX_PAIRS = 50_000
# The order in which bytes are tried: of equally short witnesses the most readable is found.
ORDER = (*b"0123456789", *range(97, 123), *range(65, 91), *range(32, 48), *range(58, 65), *range(91, 97),
         *range(123, 127), 10, 9, 13, *range(128, 256), *range(9), 11, 12, *range(14, 32), 127)  # fmt: skip

Source = Grammar | PushdownAutomaton
Side = Literal["a", "b"]
Pair = tuple[int, int]
DEAD = 0  # the state after a text that no text of the language begins with


@dataclass(frozen=True)
class Comparison:
    """What a search for a difference has found. True if there is a difference.

    witness      a shortest text of one language and not of the other; ``None`` if there is none as far as was looked
    accepted_by  whose text it is: ``"a"``, ``"b"``
    is_prefix    the search was cut off at a text that only begins texts of ``accepted_by``: it is not one itself, and
                 not surely as short as can be, but no text that begins so is of the other language
    exact        the question is decided: there is a difference, or all texts have been compared
    complete_to  all texts of up to so many bytes have been compared; ``None``: all texts
    pairs        pairs of states that were looked at
    """

    witness: Text | None
    accepted_by: Side | None
    is_prefix: bool
    exact: bool
    complete_to: int | None
    pairs: int

    def __bool__(self) -> bool:
        return self.accepted_by is not None

    def __str__(self) -> str:
        if self.is_prefix:
            other = "b" if self.accepted_by == "a" else "a"
            return f"only {self.accepted_by} has texts that begin with {self.witness!r}; {other} has none"
        if self:
            other = "b" if self.accepted_by == "a" else "a"
            return f"{self.witness!r} is a text of {self.accepted_by} and not of {other}"
        if self.exact:
            return "no difference: all texts have been compared"
        return f"no difference in texts of up to {self.complete_to} bytes; longer ones have not been compared"


class LanguagesDiffer(AssertionError):
    """An assertion about two grammars does not hold; ``comparison`` has the witness."""

    def __init__(self, message: str, comparison: Comparison) -> None:
        super().__init__(message)
        self.comparison = comparison


def find_difference(a: Source, b: Source, *, up_to: int | None = None, max_pairs: int = MAX_PAIRS) -> Comparison:
    """A shortest text that is in one of the two languages only.

    The search ends by itself where the languages are regular (or differ); otherwise after texts of ``up_to`` bytes or
    ``max_pairs`` pairs of states: ``exact`` is then false. Raises what ``constrain.compile`` raises.
    """
    return _Search(a, b, ("a", "b"), max_pairs).run(up_to)


def assert_equivalent(a: Source, b: Source, *, up_to: int | None = None, max_pairs: int = MAX_PAIRS) -> None:
    """Both grammars have the same language; with ``up_to``, as far as texts of so many bytes go.

    Raises ``LanguagesDiffer`` with a shortest witness; ``LimitExceeded`` where the bound on pairs of states ends the
    search before the question is decided: of grammars that nest, ask with ``up_to``.
    """
    _settle(_Search(a, b, ("a", "b"), max_pairs), up_to, "the languages differ")


def assert_subset(a: Source, b: Source, *, up_to: int | None = None, max_pairs: int = MAX_PAIRS) -> None:
    """Each text of ``a`` (with ``up_to``: of so many bytes) is one of ``b``. Raises as ``assert_equivalent``."""
    _settle(_Search(a, b, ("a",), max_pairs), up_to, "the first language is not a part of the second")


def _settle(search: _Search, up_to: int | None, claim: str) -> None:
    found = search.run(up_to)
    if found:
        assert found.witness is not None
        refuses = search.sides[0 if found.accepted_by == "b" else 1]
        name = "b" if found.accepted_by == "a" else "a"
        raise LanguagesDiffer(f"{claim}: {found}\n{name}: {refuses.judge(found.witness).explain()}", found)
    if not found.exact and (up_to is None or found.complete_to is None or found.complete_to < up_to):
        hint = f"{found}; pass up_to={found.complete_to} to be content with that, or a larger max_pairs"
        raise LimitExceeded("pairs of states", found.pairs, search.max_pairs, hint)


class _Search:
    """Breadth-first over pairs of states. ``kinds``: the sides whose texts the other must have."""

    def __init__(self, a: Source, b: Source, kinds: tuple[Side, ...], max_pairs: int) -> None:
        self.sides = Recogniser(a), Recogniser(b)
        self.kinds = kinds
        self.max_pairs = max_pairs
        self.readers = tuple(_Reader(side.automaton) for side in self.sides)
        self.origin: dict[Pair, tuple[Pair, int] | None] = {}
        self.lone: Pair | None = None  # the first pair from which one side only goes on

    def run(self, up_to: int | None) -> Comparison:
        start = self.readers[0].start, self.readers[1].start
        self.origin[start] = None
        if side := self.difference(start):
            return self.found(start, side)
        layer, length = deque([start]), 0
        while layer and (up_to is None or length < up_to):
            following: deque[Pair] = deque()
            for pair in layer:
                for byte, after in self.successors(pair):
                    self.origin[after] = pair, byte
                    if side := self.difference(after):
                        return self.found(after, side)
                    following.append(after)
                if len(self.origin) > self.max_pairs:
                    return self.cut_off(length)
            layer, length = following, length + 1
        return self.nothing(None if not layer else length)

    def successors(self, pair: Pair) -> list[tuple[int, Pair]]:
        """New pairs one byte on, each with the first byte that leads there."""
        rows = self.readers[0].row(pair[0]), self.readers[1].row(pair[1])
        found: dict[Pair, int] = {}
        for byte, after in zip(ORDER, zip(*rows, strict=True), strict=True):
            if after not in self.origin and after not in found and self.matters(after):
                found[after] = byte
        return [(byte, after) for after, byte in found.items()]

    def matters(self, pair: Pair) -> bool:
        """Can a difference come of it?"""
        return pair[0] != DEAD or (pair[1] != DEAD and "b" in self.kinds)

    def difference(self, pair: Pair) -> Side | None:
        """The side that accepts alone, if that matters."""
        accepts = self.readers[0].accepts(pair[0]), self.readers[1].accepts(pair[1])
        if accepts[0] and not accepts[1]:
            return "a"
        if accepts[1] and not accepts[0] and "b" in self.kinds:
            return "b"
        if self.lone is None and DEAD in pair and self.matters(pair):
            self.lone = pair
        return None

    def text(self, pair: Pair) -> Text:
        """The text that led to a pair."""
        data, step = bytearray(), self.origin[pair]
        while step is not None:
            data.append(step[1])
            step = self.origin[step[0]]
        return decoded(bytes(reversed(data)))

    def found(self, pair: Pair, side: Side) -> Comparison:
        text = self.text(pair)
        size = len(text.encode() if isinstance(text, str) else text)
        return Comparison(text, side, False, True, size - 1 if size else 0, len(self.origin))

    def cut_off(self, length: int) -> Comparison:
        """After texts of ``length`` bytes have been compared. Where one side only goes on, that is a difference."""
        if self.lone is None:
            return self.nothing(length)
        side: Side = "b" if self.lone[0] == DEAD else "a"
        return Comparison(self.text(self.lone), side, True, True, length, len(self.origin))

    def nothing(self, complete_to: int | None) -> Comparison:
        return Comparison(None, None, False, complete_to is None, complete_to, len(self.origin))


class _Reader:
    """One automaton, byte by byte; what each byte leads to is remembered."""

    def __init__(self, automaton: PushdownAutomaton) -> None:
        self.automaton = automaton
        self.start = automaton.start()
        self._rows: dict[int, tuple[int, ...]] = {DEAD: (DEAD,) * 256}
        self._words = allocate(automaton.vocabulary.width)

    def row(self, state: int) -> tuple[int, ...]:
        """The states after each byte, in the order of ``ORDER``."""
        row = self._rows.get(state)
        if row is None:
            row = self._rows[state] = self._step(state)
        return row

    def _step(self, state: int) -> tuple[int, ...]:
        self.automaton.fill_mask(state, self._words)
        after = np.zeros(256, np.int64)
        for byte in ids_of(self._words).tolist():
            if byte < 256:
                after[byte] = self.automaton.advance(state, byte) or DEAD
        return tuple(after[list(ORDER)].tolist())

    def accepts(self, state: int) -> bool:
        return state != DEAD and self.automaton.is_accepting(state)
