"""How terminals can be read: a *way* is an automaton and the context that follows it.

A grammar without a lexer has one way for each terminal. A lexer's contexts (``ir/lexing.py``) decide how a token can be
read and what was promised about the text behind it. To both is added which terminals the rules allow next: what can
be told apart here need not be tried on canvases.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from constrain.canvas.bytesets import ByteDfa
from constrain.canvas.normal import table_of
from constrain.canvas.symbols import Normal
from constrain.errors import LimitExceeded
from constrain.ir.grammar import Expr
from constrain.ir.lexing import Way as LexedWay

BLANK = -1  # what may be skipped, as a terminal
MAX_CONTEXTS = 5_000


class Context(NamedTuple):
    """``scan``: the lexer's context (0 without a lexer); the terminals that rules allow next; may they end the text?"""

    scan: int
    terminals: frozenset[int]
    final: bool


class Way(NamedTuple):
    """``symbol``: a terminal, or BLANK; ``table``: which automaton reads it; ``after``: the context behind it."""

    symbol: int
    table: int
    after: int


class Ways:
    """``contexts[0]`` is the beginning; ``of[c]`` are the ways in context c, blanks too; ``tables``: their automata."""

    def __init__(self, normal: Normal) -> None:
        """Raises ``LimitExceeded`` where a lexer has too many contexts."""
        self.normal, self.lexing = normal, normal.lexing
        self.tables: list[ByteDfa] = list(normal.terminals)
        self._bodies: dict[int, tuple[Expr, int]] = {}
        self._numbers: dict[Context, int] = {}
        self.contexts: list[Context] = []
        self.of: list[tuple[Way, ...]] = []
        first, self._follow, self._final = first_and_follow(normal)
        self._number(Context(self.lexing.first if self.lexing else 0, frozenset(first), normal.accepts_empty))
        for context in self.contexts:  # grows while it is walked
            self.of.append(tuple(dict.fromkeys(self._ways(context))))
            if len(self.contexts) > MAX_CONTEXTS:
                raise LimitExceeded("contexts of a lexer on a canvas", len(self.contexts), MAX_CONTEXTS)
        self._merge()

    def _merge(self) -> None:
        """Contexts that allow the same, and then lead to contexts that do, become one (Moore 1956)."""
        facts = [(self.may_end(k), frozenset((w.symbol, w.table) for w in ways)) for k, ways in enumerate(self.of)]
        classes = _numbered(facts)
        while True:
            finer = _numbered(
                [(classes[k], frozenset((w.symbol, w.table, classes[w.after]) for w in ways))
                 for k, ways in enumerate(self.of)]
            )  # fmt: skip
            if max(finer) == max(classes):
                break
            classes = finer
        members = [classes.index(k) for k in range(max(classes) + 1)]
        self.contexts = [self.contexts[k] for k in members]
        self.of = [tuple(dict.fromkeys(w._replace(after=classes[w.after]) for w in self.of[k])) for k in members]

    def may_end(self, context: int) -> bool:
        """Can the text end here, for rules and lexer?"""
        scan, _, final = self.contexts[context]
        return final and (self.lexing is None or bool(self.lexing.ways(scan, self.lexing.end)))

    def _number(self, context: Context) -> int:
        number = self._numbers.setdefault(context, len(self.contexts))
        if number == len(self.contexts):
            self.contexts.append(context)
        return number

    def _ways(self, context: Context) -> list[Way]:
        if self.lexing is None:
            return [Way(t, t, self._behind(0, t)) for t in sorted(context.terminals)]
        found = []
        for terminal in sorted(context.terminals):
            for token in self.normal.tokens[terminal]:
                for way in self.lexing.ways(context.scan, token):
                    table = self._table(way)
                    if table is not None:
                        found.append(Way(terminal, table, self._behind(way.after, terminal)))
        for way in self.lexing.blanks(context.scan):
            table = self._table(way)
            if table is not None:
                found.append(Way(BLANK, table, self._number(context._replace(scan=way.after))))
        return found

    def _behind(self, scan: int, terminal: int) -> int:
        return self._number(Context(scan, frozenset(self._follow[terminal]), terminal in self._final))

    def _table(self, way: LexedWay) -> int | None:
        """The number of an automaton; ``None`` where it matches nothing."""
        if way.body is None:
            return None
        known = self._bodies.get(id(way.body))
        if known is None:
            table = table_of(way.body)
            known = self._bodies[id(way.body)] = way.body, len(self.tables)
            self.tables.append(table)
        return None if self.tables[known[1]].is_empty else known[1]


def _numbered(values: Sequence[Hashable]) -> list[int]:
    """A number for each value, the same for equal ones, in the order in which they are met."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(value, len(numbers)) for value in values]


def first_and_follow(normal: Normal) -> tuple[set[int], list[set[int]], set[int]]:
    """Terminals that can begin a text, those that can follow each terminal, and those that can end a text."""
    count = normal.count
    first = [{x} if x < count else set() for x in range(normal.symbols)]
    last = [{x} if x < count else set() for x in range(normal.symbols)]
    changed = True
    while changed:
        changed = False
        for head, *parts in [*normal.units, *normal.pairs]:
            if not first[parts[0]] <= first[head] or not last[parts[-1]] <= last[head]:
                first[head] |= first[parts[0]]
                last[head] |= last[parts[-1]]
                changed = True
    follow: list[set[int]] = [set() for _ in range(count)]
    for _, left, right in normal.pairs:
        for terminal in last[left]:
            follow[terminal] |= first[right]
    return first[normal.start], follow, last[normal.start]
