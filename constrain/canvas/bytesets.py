"""Regular languages of bytes, as automata: those of terminals, and what is built of them.

Tables for all bytes. Sequences, choices and repetitions of such are joined and determinised again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constrain.automata.wordlanguage import WordLanguage
from constrain.canvas.spelled import Span, spellings
from constrain.errors import LimitExceeded
from constrain.ir.grammar import Encoding, Terminal
from constrain.ir.rx import Rx

Table = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
NOWHERE = -1
MAX_STATES = 20_000


class ByteDfa(NamedTuple):
    """A deterministic automaton without useless states; state 0 is the start.

    step     (states, 256) int32   successor, ``NOWHERE`` for none
    accepts  (states,) bool
    """

    step: Table
    accepts: Flags

    @property
    def is_empty(self) -> bool:
        """Does it accept nothing at all?"""
        return not len(self.accepts)


EMPTY = ByteDfa(np.empty((0, 256), np.int32), np.empty(0, np.bool_))


def of_terminal(terminal: Terminal) -> ByteDfa:
    """The spellings of a terminal, not to be changed. Raises ``LimitExceeded`` where it needs too many states."""
    return _spelled(terminal.rx, terminal.encoding, terminal.low, terminal.high, terminal.exclude)


@lru_cache(maxsize=64)  # a grammar, its gaps and its parts have the same terminals, and some take a second
def _spelled(rx: Rx, encoding: Encoding, low: int, high: int | None, exclude: tuple[str, ...]) -> ByteDfa:
    terminal = Terminal(rx, encoding, low, high, exclude=exclude)
    graph = WordLanguage(terminal).graph
    if graph is None:
        return EMPTY
    parts = Fragments()
    first, last = parts.state(), parts.state()
    quote = of_literal(b'"' if terminal.encoding == "json" else b"")
    numbers = {(graph.start, 0): first}
    symbols: dict[tuple[Span, ...], ByteDfa] = {}  # small, and read in many places where symbols are counted
    todo = list(numbers)
    for state, read in todo:  # grows while it is walked
        here = numbers[state, read]
        if state in graph.finals and read >= terminal.low:
            parts.insert(quote, here, last)
        if read == terminal.high:
            continue
        after = read + 1 if terminal.high is not None else min(read + 1, terminal.low)
        for target in dict.fromkeys(target for _, _, target in graph.edges[state]):
            if (target, after) not in numbers:
                numbers[target, after] = parts.state()
                todo.append((target, after))
            ranges = tuple((low, high) for low, high, there in graph.edges[state] if there == target)
            if ranges not in symbols:
                symbols[ranges] = of_symbols(ranges, terminal.encoding)
            parts.insert(symbols[ranges], here, numbers[target, after])
    return minimal(parts.determinise(first, last))


def of_symbols(ranges: Iterable[Span], encoding: Encoding) -> ByteDfa:
    """One symbol of some ranges, as an encoding spells it."""
    parts = Fragments()
    first, last = parts.state(), parts.state()
    for low, high in ranges:
        for spelling in spellings(low, high, encoding):
            parts.spell(spelling, first, last)
    return minimal(parts.determinise(first, last))


def of_literal(data: bytes) -> ByteDfa:
    """Exactly ``data``."""
    step = np.full((len(data) + 1, 256), NOWHERE, np.int32)
    step[np.arange(len(data)), list(data)] = np.arange(1, len(data) + 1)
    return ByteDfa(step, np.arange(len(data) + 1) == len(data))


def trimmed(dfa: ByteDfa) -> ByteDfa:
    """Without states from which nothing is accepted (all are reachable)."""
    alive = dfa.accepts.copy()
    while True:
        following = np.where(dfa.step == NOWHERE, False, alive[dfa.step]).any(axis=1) | alive
        if (following == alive).all():
            break
        alive = following
    if not len(alive) or not alive[0]:
        return EMPTY
    numbers = np.append(np.where(alive, np.cumsum(alive) - 1, NOWHERE), NOWHERE).astype(np.int32)
    return ByteDfa(numbers[dfa.step[alive]], dfa.accepts[alive])


def minimal(dfa: ByteDfa) -> ByteDfa:
    """The smallest automaton of the same language (Moore 1956: classes are split until their members agree)."""
    dfa = trimmed(dfa)
    if dfa.is_empty:
        return dfa
    columns = np.unique(dfa.step, axis=1)  # equal bytes once
    classes = dfa.accepts.astype(np.int64)
    count = 0
    while True:
        padded = np.append(classes, -1)
        _, classes = np.unique(np.column_stack((classes, padded[columns])), axis=0, return_inverse=True)
        classes = classes.ravel()
        if int(classes.max()) + 1 == count:
            break
        count = int(classes.max()) + 1
    # numbered in the order in which states are met, so that the start is 0
    _, first = np.unique(classes, return_index=True)
    order = np.argsort(first)
    number = np.empty(count, np.int32)
    number[order] = np.arange(count)
    members = first[order]
    renamed = np.append(number[classes], NOWHERE).astype(np.int32)
    return ByteDfa(renamed[dfa.step[members]], dfa.accepts[members])


class Fragments:
    """A nondeterministic automaton in the making: states with silent steps, and copies of tables."""

    def __init__(self) -> None:
        self.silent: list[list[int]] = []
        self.spans: list[list[tuple[int, int, int]]] = []
        self.rows: list[Table | None] = []
        self.offsets: list[int] = []

    def state(self) -> int:
        """A new state."""
        self.silent.append([])
        self.spans.append([])
        self.rows.append(None)
        self.offsets.append(0)
        return len(self.silent) - 1

    def join(self, source: int, target: int) -> None:
        """A silent step."""
        self.silent[source].append(target)

    def insert(self, dfa: ByteDfa, source: int, target: int) -> None:
        """What ``dfa`` accepts leads from ``source`` to ``target``."""
        base = len(self.silent)
        for row, accepts in zip(dfa.step, dfa.accepts, strict=True):
            self.silent.append([target] if accepts else [])
            self.spans.append([])
            self.rows.append(row)
            self.offsets.append(base)
        if not dfa.is_empty:
            self.join(source, base)
        if len(self.silent) > 20 * MAX_STATES:
            raise LimitExceeded("states of a regular part", len(self.silent), 20 * MAX_STATES)

    def spell(self, spelling: Sequence[Span], source: int, target: int) -> None:
        """A byte of each range, one after another, leads from ``source`` to ``target``."""
        for k, (low, high) in enumerate(spelling):
            there = target if k == len(spelling) - 1 else self.state()
            self.spans[source].append((low, high, there))
            source = there

    def determinise(self, start: int, end: int, limit: int = MAX_STATES) -> ByteDfa:
        """All that leads from ``start`` to ``end`` (subset construction, Rabin and Scott 1959)."""
        classes, representatives = self._byte_classes()
        ranges = {(low, high) for spans in self.spans for low, high, _ in spans}
        covered = {(low, high): np.unique(classes[low : high + 1]).tolist() for low, high in ranges}
        edges = [self._edges(state, representatives, covered) for state in range(len(self.silent))]
        first = self._closure([start])
        numbers, order = {first: 0}, [first]
        table: list[list[int]] = []
        for subset in order:  # grows while it is walked
            after: dict[int, set[int]] = {}
            for state in subset:
                for k, target in edges[state]:
                    after.setdefault(k, set()).add(target)
            table.append([NOWHERE] * len(representatives))
            for k, targets in after.items():
                following = self._closure(targets)
                table[-1][k] = numbers.setdefault(following, len(order))
                if table[-1][k] == len(order):
                    order.append(following)
            if len(order) > limit:
                raise LimitExceeded("states of a regular part", len(order), limit)
        step = np.array(table, np.int32).reshape(len(order), len(representatives))[:, classes]
        return trimmed(ByteDfa(step, np.array([end in subset for subset in order])))

    def _closure(self, states: Iterable[int]) -> frozenset[int]:
        """With all that silent steps lead to; states that only have silent steps are kept where they may be ends."""
        stack = list(states)
        found = set(stack)
        while stack:
            for target in self.silent[stack.pop()]:
                if target not in found:
                    found.add(target)
                    stack.append(target)
        return frozenset(found)

    def _edges(
        self, state: int, representatives: npt.NDArray[np.intp], covered: dict[tuple[int, int], list[int]]
    ) -> list[tuple[int, int]]:
        """(class of bytes, target) for each step of a state. ``covered``: the classes of each range of bytes."""
        row, base = self.rows[state], self.offsets[state]
        if row is not None:
            targets = row[representatives]
            return [(int(k), base + int(targets[k])) for k in np.flatnonzero(targets != NOWHERE)]
        return [(k, target) for low, high, target in self.spans[state] for k in covered[low, high]]

    def _byte_classes(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """A class for each byte, and a byte for each class: bytes of a class are never told apart."""
        cuts = np.zeros(257, np.int32)
        for low, high, _ in (span for spans in self.spans for span in spans):
            cuts[low] = cuts[high + 1] = 1
        rows = [np.cumsum(cuts[:256]), *{row.tobytes(): row for row in self.rows if row is not None}.values()]
        _, representatives, classes = np.unique(np.array(rows), axis=1, return_index=True, return_inverse=True)
        return classes.ravel(), representatives


def without_empty_text(table: ByteDfa) -> ByteDfa:
    """The same without the empty text: a start of its own, which does not accept."""
    later = np.where(table.step == NOWHERE, NOWHERE, table.step + 1).astype(np.int32)
    return minimal(ByteDfa(np.vstack((later[:1], later)), np.append(False, table.accepts)))
