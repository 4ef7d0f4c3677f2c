"""A grammar in the form that charts want: regular terminals, and rules with one or two symbols on the right.

What is regular because it is not recursive becomes one terminal, as large as it can be: the fewer the places where
symbols meet, the smaller the chart. A grammar without recursion is a single terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from constrain.automata.analysis import reachable
from constrain.automata.recursion import strongly_connected
from constrain.canvas.bytesets import ByteDfa, Fragments, of_literal, of_terminal, without_empty_text
from constrain.canvas.symbols import Normal, merged, pruned, without_empty
from constrain.errors import GrammarError, LimitExceeded
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
    Token,
    expand_joined,
    walk,
)
from constrain.ir.lexing import Lexing

MAX_TERMINAL = 5_000  # states of a terminal that is put together; what needs more stays rules
MAX_WHOLE = 20_000  # of a grammar that is regular as a whole: it needs no chart, so its size matters less


def normal_form(grammar: Grammar, *, lexed: bool = False) -> Normal:
    """``grammar`` in normal form. Raises ``GrammarError`` where it is not context-free (bags), or matches nothing.

    ``lexed``: leave the tokens of a lexer as terminals (else grammars with a lexer are spelled out, which is exact
    too, and too large for programming languages).
    """
    if grammar.lexing is None or not lexed:
        grammar = spelled_out(grammar)
    return _Builder(reached_rules(grammar), grammar.lexing).build(grammar.start)


def reached_rules(grammar: Grammar) -> dict[str, Expr]:
    """The rules that the start rule comes to, those too that are made when they are asked for."""
    reached = reachable(grammar, grammar.start)
    while reached.waiting:
        for name in reached.waiting:
            grammar.rules[name]
        reached = reachable(grammar, grammar.start)
    return reached.rules


def table_of(expr: Expr) -> ByteDfa:
    """The automaton of an expression without references. Raises ``LimitExceeded`` where it is too large."""
    table = _Builder({}).table(expr)
    if table is None:
        raise LimitExceeded("states of a terminal", MAX_TERMINAL + 1, MAX_TERMINAL)
    return table


class NotSmall(Exception):
    """An expression is recursive, or too large for one terminal."""


class _Builder:
    def __init__(self, rules: dict[str, Expr], lexing: Lexing | None = None) -> None:
        self.rules, self.lexing, self.limit = rules, lexing, MAX_TERMINAL
        self.tokens: dict[int, int] = {}
        calls = {name: {n.name for n in walk(body) if isinstance(n, Ref)} for name, body in rules.items()}
        self.regular_names: set[str] = set()
        for names in strongly_connected(calls):  # those that are called come first
            if len(names) == 1 and calls[names[0]] <= self.regular_names:
                self.regular_names.update(names)
        self.tables: dict[int, ByteDfa] = {}  # of leaves, by identity
        self.known: dict[str, ByteDfa | None] = {}  # of rules
        self.parts: dict[int, ByteDfa | None] = {}  # of expressions, by identity
        self.kept: list[Expr] = []
        self.productions: dict[str, list[list[str | int]]] = {}  # ints are terminals
        self.terminals: list[ByteDfa] = []
        self.names: list[str] = []
        self.by_table: dict[bytes, int] = {}
        self.fresh = 0

    def build(self, start: str) -> Normal:
        self.known[start] = self._whole(start)
        self._rule(start)
        normal = without_empty(self.productions, self.terminals, self.names, start)
        tokens: list[tuple[int, ...]] = [(token,) for token in self.tokens]
        return merged(pruned(replace(normal, lexing=self.lexing, tokens=tokens)))

    def _whole(self, start: str) -> ByteDfa | None:
        """The automaton of the whole grammar if that is regular, and not too large for that."""
        self.limit = MAX_WHOLE
        found = self.table(Ref(start))
        self.limit = MAX_TERMINAL
        if found is None:
            self.known.clear()  # parts may be larger than charts want them
            self.parts.clear()
        return found

    # ---- regular parts ---------------------------------------------------------------------------------------

    def _is_regular(self, expr: Expr) -> bool:
        return self.lexing is None and all(not isinstance(n, Ref) or n.name in self.regular_names for n in walk(expr))

    def table(self, expr: Expr) -> ByteDfa | None:
        """The automaton of a regular expression; ``None`` if it is recursive or too large."""
        if isinstance(expr, Ref):
            if expr.name not in self.known:
                regular = expr.name in self.regular_names
                self.known[expr.name] = self.table(self.rules[expr.name]) if regular else None
            return self.known[expr.name]
        if id(expr) not in self.parts:
            self.kept.append(expr)  # so that its identity stays its own
            self.parts[id(expr)] = self._determinise(expr) if self._is_regular(expr) else None
        return self.parts[id(expr)]

    def _determinise(self, expr: Expr) -> ByteDfa | None:
        parts = Fragments()
        first, last = parts.state(), parts.state()
        try:
            self._draw(expr, parts, first, last)
            return parts.determinise(first, last, self.limit)
        except (NotSmall, LimitExceeded):
            return None

    def _leaf(self, expr: Literal | Terminal) -> ByteDfa:
        if id(expr) not in self.tables:
            self.kept.append(expr)
            self.tables[id(expr)] = of_literal(expr.data) if isinstance(expr, Literal) else of_terminal(expr)
        return self.tables[id(expr)]

    def _draw(self, expr: Expr, parts: Fragments, first: int, last: int) -> None:
        """All texts of ``expr`` as ways from ``first`` to ``last`` (Thompson 1968)."""
        match expr:
            case Literal() | Terminal():
                parts.insert(self._leaf(expr), first, last)
            case Ref():
                table = self.table(expr)
                if table is None:
                    raise NotSmall
                parts.insert(table, first, last)
            case Seq():
                here = first
                for part in expr.parts:
                    there = parts.state()
                    self._draw(part, parts, here, there)
                    here = there
                parts.join(here, last)
            case Choice():
                for part in expr.parts:
                    self._draw(part, parts, first, last)
            case Repeat():
                self._draw_repeat(expr, parts, first, last)
            case Joined():
                self._draw_joined(expr, parts, first, last)
            case Bag():
                raise not_context_free()
            case _:
                raise TypeError(f"not a grammar expression: {expr!r}")

    def _draw_repeat(self, expr: Repeat, parts: Fragments, first: int, last: int) -> None:
        here = first
        for _ in range(expr.low):
            there = parts.state()
            self._draw(expr.body, parts, here, there)
            here = there
        if expr.high is None:
            loop, after = parts.state(), parts.state()
            parts.join(here, loop)
            self._draw(expr.body, parts, loop, after)
            parts.join(after, loop)
            parts.join(loop, last)
            return
        parts.join(here, last)
        for _ in range(expr.high - expr.low):
            there = parts.state()
            self._draw(expr.body, parts, here, there)
            parts.join(there, last)
            here = there

    def _draw_joined(self, expr: Joined, parts: Fragments, first: int, last: int) -> None:
        """Two chains: before anything was written, and after."""
        fresh, written = first, parts.state()
        for item, required in expr.items:
            next_fresh, next_written, begun = parts.state(), parts.state(), parts.state()
            self._draw(item, parts, fresh, next_written)
            self._draw(expr.separator, parts, written, begun)
            self._draw(item, parts, begun, next_written)
            if not required:
                parts.join(fresh, next_fresh)
                parts.join(written, next_written)
            fresh, written = next_fresh, next_written
        parts.join(fresh, last)
        parts.join(written, last)

    # ---- rules -----------------------------------------------------------------------------------------------

    def _new(self, label: str) -> str:
        self.fresh += 1
        return f"{label}'{self.fresh}"

    def _terminal(self, table: ByteDfa, label: str) -> list[list[str | int]]:
        """Right-hand sides for a regular language: its terminal, nothing if it may be empty."""
        sides: list[list[str | int]] = [[]] if not table.is_empty and table.accepts[0] else []
        if not table.is_empty and table.accepts[0]:
            table = without_empty_text(table)
        if not table.is_empty:
            key = table.step.tobytes() + table.accepts.tobytes()
            number = self.by_table.setdefault(key, len(self.terminals))
            if number == len(self.terminals):
                self.terminals.append(table)
                self.names.append(label)
            sides.append([number])
        return sides

    def _token(self, token: Token) -> int:
        if self.lexing and token.number in self.lexing.empty:
            hint = "its lexer has tokens that read nothing, because of conflicts or indentation: resolve the conflicts"
            raise GrammarError(f"a canvas cannot follow the token {token.name!r}, which reads nothing", hint=hint)
        number = self.tokens.setdefault(token.number, len(self.tokens))
        if number == len(self.names):
            self.names.append(token.name)
        return number

    def _rule(self, start: str) -> None:
        todo = [start]
        done = {start}

        def call(name: str) -> str:
            if name not in done:
                done.add(name)
                todo.append(name)
            return name

        for name in todo:  # grows while it is walked
            table = self.table(Ref(name))
            self.productions[name] = (
                self._terminal(table, name) if table is not None else self._sides(self.rules[name], name, call)
            )

    def _sides(self, expr: Expr, label: str, call: Callable[[str], str]) -> list[list[str | int]]:
        """The right-hand sides of an expression."""
        if isinstance(expr, Choice):
            regular = [part for part in expr.parts if self.table(part) is not None]
            sides = [s for part in expr.parts if part not in regular for s in self._sides(part, label, call)]
            if regular:
                table = self.table(Choice(*regular))
                if table is None:
                    return sides + [s for part in regular for s in self._sides(part, label, call)]
                sides += self._terminal(table, label)
            return sides
        table = self.table(expr)
        if table is not None:
            return self._terminal(table, _label(expr, label))
        match expr:
            case Ref():
                return [[call(expr.name)]]
            case Token():
                return [[self._token(expr)]]
            case Seq():
                return [self._sequence(expr.parts, label, call)]
            case Repeat():
                return self._repeat(expr, label, call)
            case Joined():
                return self._sides(expand_joined(expr), label, call)
            case Bag():
                raise not_context_free()
        raise LimitExceeded(f"states of terminal {label!r}", MAX_TERMINAL + 1, MAX_TERMINAL)

    def _symbol(self, expr: Expr, label: str, call: Callable[[str], str]) -> list[str | int]:
        """Symbols for an expression: a rule of its own, unless it has but one right-hand side."""
        sides = self._sides(expr, label, call)
        if len(sides) == 1:
            return sides[0]
        name = self._new(label)
        self.productions[name] = sides
        return [name]

    def _sequence(self, parts: Iterable[Expr], label: str, call: Callable[[str], str]) -> list[str | int]:
        """Neighbours that are regular become one terminal, as long as that stays small."""
        symbols: list[str | int] = []
        run: list[Expr] = []

        def flush() -> None:
            if run:
                symbols.extend(self._symbol(Seq(*run) if len(run) > 1 else run[0], label, call))
            run.clear()

        for part in parts:
            if self.table(part) is None:
                flush()
                symbols.extend(self._symbol(part, label, call))
                continue
            if run and self.table(Seq(*run, part)) is None:
                flush()
            run.append(part)
        flush()
        return symbols

    def _repeat(self, expr: Repeat, label: str, call: Callable[[str], str]) -> list[list[str | int]]:
        body = self._symbol(expr.body, label, call)
        low = body * expr.low
        if expr.high is None:
            loop = self._new(label)
            self.productions[loop] = [[], [*body, loop]]
            return [[*low, loop]]
        if expr.high == expr.low:
            return [low]
        rest: list[str | int] = []
        for _ in range(expr.high - expr.low):
            name = self._new(label)
            self.productions[name] = [[], [*body, *rest]]
            rest = [name]
        return [[*low, *rest]]


def _label(expr: Expr, label: str) -> str:
    if isinstance(expr, Terminal) and expr.name:
        return expr.name
    return expr.name if isinstance(expr, Ref) else label


def not_context_free() -> GrammarError:
    """What is raised where there is a bag."""
    return GrammarError(
        "a canvas needs a context-free grammar, and this one has elements in any order without duplicates",
        hint="for JSON Schema: declare all properties and say additionalProperties: false",
    )
