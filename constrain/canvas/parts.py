"""A grammar in the form that charts want, in which each symbol is a part of the grammar as it was written.

``canvas/normal.py`` makes terminals as large as it can, for small charts. Here leaves stay terminals, and each symbol
has an expression of the grammar for what it matches: so what a chart says can be said of the grammar
(``canvas/quotient.py``), whose parts the engine reads as they were written.
"""

from __future__ import annotations

from collections.abc import Mapping

from constrain.canvas.bytesets import ByteDfa, of_literal, of_terminal, without_empty_text
from constrain.canvas.normal import not_context_free, reached_rules
from constrain.canvas.symbols import Normal, pruned
from constrain.errors import GrammarError
from constrain.ir.contexts import spelled_out
from constrain.ir.grammar import (
    Bag,
    Choice,
    Expr,
    Grammar,
    Joined,
    Literal,
    Ref,
    Repeat,
    Seq,
    Terminal,
    expand_joined,
)


class Parts:
    """``expressions[x]`` is what symbol x of ``normal`` matches (and perhaps the empty text); ``rules`` are those of
    the grammar, to which expressions refer. The first of them are leaves: ``Literal`` or ``Terminal``."""

    def __init__(self, grammar: Grammar) -> None:
        """Raises ``GrammarError`` where the grammar is not context-free, or matches nothing."""
        grammar = spelled_out(grammar)
        self.rules: Mapping[str, Expr] = reached_rules(grammar)
        builder = _Builder(self.rules)
        self.normal, kept = builder.build(grammar.start)
        self.expressions = [builder.expressions[number] for number in kept]


class _Builder:
    def __init__(self, rules: Mapping[str, Expr]) -> None:
        self.rules = rules
        self.expressions: list[Expr] = []
        self.numbers: dict[object, int] = {}
        self.tables: dict[int, ByteDfa] = {}
        self.units: list[tuple[int, int]] = []
        self.pairs: list[tuple[int, int, int]] = []
        self.nullable: set[int] = set()
        self.todo: list[int] = []

    def build(self, start: str) -> tuple[Normal, list[int]]:
        """The normal form, and for each of its symbols its number here."""
        first = self.number(Ref(start))
        for number in self.todo:  # grows while it is walked
            self.read(number, self.expressions[number])
        self._close_nullable()
        units = [*self.units, *((a, c) for a, b, c in self.pairs if b in self.nullable)]
        units += [(a, b) for a, b, c in self.pairs if c in self.nullable]
        order = [*self.tables, *(x for x in range(len(self.expressions)) if x not in self.tables)]
        to = {old: new for new, old in enumerate(order)}
        normal = pruned(
            Normal(
                list(self.tables.values()), [str(old) for old in order], to[first], first in self.nullable,
                list(dict.fromkeys((to[a], to[b]) for a, b in units)),
                list(dict.fromkeys((to[a], to[b], to[c]) for a, b, c in self.pairs)),
            )
        )  # fmt: skip
        made = normal.start < len(normal.terminals) or any(
            h == normal.start for h, *_ in [*normal.units, *normal.pairs]
        )
        if not made and not normal.accepts_empty:
            raise GrammarError(f"the grammar matches nothing: rule {start!r} has no finite text")
        return normal, [int(name) for name in normal.names]

    def number(self, expr: Expr, key: object = None) -> int:
        """The symbol of an expression. ``key``: what it is known by, where it is made anew each time."""
        key = expr.name if isinstance(expr, Ref) else key if key is not None else id(expr)
        if key not in self.numbers:
            self.numbers[key] = len(self.expressions)
            self.todo.append(len(self.expressions))
            self.expressions.append(expr)  # so that its identity stays its own
        return self.numbers[key]

    def read(self, number: int, expr: Expr) -> None:
        """The rules of a symbol."""
        match expr:
            case Literal(data=data):
                self.leaf(number, of_literal(data))
            case Terminal():
                self.leaf(number, of_terminal(expr))
            case Ref(name=name):
                self.units.append((number, self.number(self.rules[name])))
            case Choice(parts=parts):
                self.units += [(number, self.number(part)) for part in parts]
            case Seq(parts=parts):
                self.sequence(number, expr, 0)
            case Repeat():
                self.repeat(number, expr)
            case Joined():
                self.units.append((number, self.number(expand_joined(expr))))
            case Bag():
                raise not_context_free()
            case _:
                raise TypeError(f"not a grammar expression: {expr!r}")

    def leaf(self, number: int, table: ByteDfa) -> None:
        if not table.is_empty and table.accepts[0]:
            self.nullable.add(number)
            table = without_empty_text(table)
        if not table.is_empty:
            self.tables[number] = table

    def sequence(self, number: int, expr: Seq, first: int) -> None:
        """The parts from ``first`` on."""
        parts = expr.parts
        if first == len(parts):
            self.nullable.add(number)
        elif first == len(parts) - 1:
            self.units.append((number, self.number(parts[first])))
        else:
            rest = parts[first + 1 :]
            tail = self.number(rest[0]) if len(rest) == 1 else self.number(Seq(*rest), (id(expr), first))
            self.pairs.append((number, self.number(parts[first]), tail))

    def repeat(self, number: int, expr: Repeat) -> None:
        """The body once, and the rest of the repeat."""
        if expr.low == 0:
            self.nullable.add(number)
        if expr.high == 0:
            return
        body = self.number(expr.body)
        high = None if expr.high is None else expr.high - 1
        rest = number
        if (expr.low, expr.high) != (0, None):
            low = max(expr.low - 1, 0)
            rest = self.number(Repeat(expr.body, low, high), (id(expr.body), low, high))
        self.pairs.append((number, body, rest))

    def _close_nullable(self) -> None:
        before = -1
        while before < len(self.nullable):
            before = len(self.nullable)
            self.nullable |= {a for a, b in self.units if b in self.nullable}
            self.nullable |= {a for a, b, c in self.pairs if b in self.nullable and c in self.nullable}
