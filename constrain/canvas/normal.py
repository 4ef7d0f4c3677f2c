"""A grammar in the form that charts want: regular terminals, and rules with one or two symbols on the right.

What is regular because it is not recursive becomes one terminal, as large as it can be: the fewer the places where
symbols meet, the smaller the chart. A grammar without recursion is a single terminal. What is left is brought into
pairs, and symbols never match the empty text: whether the start symbol does is said apart (Chomsky 1959; Lange and
Leiß 2009 for keeping rules with one symbol).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from constrain.automata.analysis import reachable
from constrain.automata.recursion import strongly_connected
from constrain.canvas.bytesets import NOWHERE, ByteDfa, Fragments, minimal, of_literal, of_terminal
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


@dataclass
class Normal:
    """Symbols are numbers: terminals first, then nonterminals. Rules A -> B and A -> B C are tuples.

    ``terminals[t]`` accepts no empty text and is not empty; it stands alone, or, where there is a ``lexing``, is what
    that reads as one of ``tokens[t]``, context by context. ``start`` may be a terminal. ``names`` are for messages.
    """

    terminals: list[ByteDfa]
    names: list[str]
    start: int
    accepts_empty: bool
    units: list[tuple[int, int]] = field(default_factory=list)
    pairs: list[tuple[int, int, int]] = field(default_factory=list)
    lexing: Lexing | None = None
    tokens: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many terminals there are."""
        return len(self.tokens) if self.lexing else len(self.terminals)

    @property
    def symbols(self) -> int:
        """How many there are."""
        return len(self.names)


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
        self.recursive: set[str] = set()
        for names in strongly_connected(calls):
            if len(names) > 1 or names[0] in calls[names[0]]:
                self.recursive.update(names)
        self.regular_names = {name for name in rules if self._is_flat(name, calls)}
        self.tables: dict[int, ByteDfa] = {}  # of leaves, by identity
        self.known: dict[str, ByteDfa | None] = {}  # of rules
        self.parts: dict[int, ByteDfa | None] = {}  # of expressions, by identity
        self.kept: list[Expr] = []
        self.productions: dict[str, list[list[str | int]]] = {}  # ints are terminals
        self.terminals: list[ByteDfa] = []
        self.names: list[str] = []
        self.by_table: dict[bytes, int] = {}
        self.fresh = 0

    def _is_flat(self, name: str, calls: dict[str, set[str]]) -> bool:
        stack, seen = [name], {name}
        while stack:
            current = stack.pop()
            if current in self.recursive:
                return False
            for callee in calls[current]:
                if callee not in seen:
                    seen.add(callee)
                    stack.append(callee)
        return True

    def build(self, start: str) -> Normal:
        self.known[start] = self._whole(start)
        self._rule(start)
        normal = _without_empty(self.productions, self.terminals, self.names, start)
        tokens: list[tuple[int, ...]] = [(token,) for token in self.tokens]
        return _merged(pruned(replace(normal, lexing=self.lexing, tokens=tokens)))

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
        known: ByteDfa | None = None

        def flush() -> None:
            nonlocal run, known
            if run:
                symbols.extend(self._symbol(Seq(*run) if len(run) > 1 else run[0], label, call))
            run, known = [], None

        for part in parts:
            if self.table(part) is None:
                flush()
                symbols.extend(self._symbol(part, label, call))
                continue
            longer = self.table(Seq(*run, part)) if run else None
            if run and longer is None:
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


def without_empty_text(table: ByteDfa) -> ByteDfa:
    """The same without the empty text: a start of its own, which does not accept."""
    later = np.where(table.step == NOWHERE, NOWHERE, table.step + 1).astype(np.int32)
    return minimal(ByteDfa(np.vstack((later[:1], later)), np.append(False, table.accepts)))


def _without_empty(
    productions: dict[str, list[list[str | int]]], terminals: list[ByteDfa], names: list[str], start: str
) -> Normal:
    """Pairs, no empty right-hand sides, nothing that matches nothing."""
    nullable = _least(productions, lambda symbol, found: symbol in found)
    productive = _least(productions, lambda symbol, found: isinstance(symbol, int) or symbol in found)
    if start not in productive:
        raise GrammarError(f"the grammar matches nothing: rule {start!r} has no finite text")
    numbers: dict[str, int] = {}
    labels = list(names)

    def number(name: str) -> int:
        if name not in numbers:
            numbers[name] = len(labels)
            labels.append(name)
        return numbers[name]

    def of(symbol: str | int) -> int:
        return symbol if isinstance(symbol, int) else number(symbol)

    def optional(symbol: str | int) -> bool:
        return symbol in nullable

    units: dict[tuple[int, int], None] = {}
    pairs: dict[tuple[int, int, int], None] = {}
    tails: dict[tuple[str | int, ...], str] = {}
    todo: list[tuple[int, tuple[str | int, ...]]] = []

    def tail(symbols: tuple[str | int, ...]) -> str:
        """A name for a rest of a right-hand side; equal rests share it."""
        if symbols not in tails:
            name = tails[symbols] = f"<{' '.join(map(str, symbols))}>"
            if all(optional(s) for s in symbols):
                nullable.add(name)
            todo.append((number(name), symbols))
        return tails[symbols]

    number(start)
    for name, sides in productions.items():
        for side in sides:
            if name in productive and all(isinstance(s, int) or s in productive for s in side):
                todo.append((number(name), tuple(side)))
    for head, symbols in todo:  # grows while it is walked
        if len(symbols) == 1:
            units[head, of(symbols[0])] = None
        elif len(symbols) >= 2:
            rest: str | int = symbols[1] if len(symbols) == 2 else tail(symbols[1:])
            pairs[head, of(symbols[0]), of(rest)] = None
            if optional(symbols[0]):
                units[head, of(rest)] = None
            if optional(rest):
                units[head, of(symbols[0])] = None
    return Normal(terminals, labels, numbers[start], start in nullable, list(units), list(pairs))


def _least(productions: dict[str, list[list[str | int]]], holds: Callable[[str | int, set[str]], bool]) -> set[str]:
    found: set[str] = set()
    changed = True
    while changed:
        changed = False
        for name, sides in productions.items():
            if name not in found and any(all(holds(symbol, found) for symbol in side) for side in sides):
                found.add(name)
                changed = True
    return found


def pruned(normal: Normal) -> Normal:
    """Without symbols that match only the empty text, or that the start never comes to; units to themselves too."""
    made = set(range(normal.count))
    changed = True
    while changed:
        before = len(made)
        made |= {a for a, b in normal.units if b in made} | {a for a, b, c in normal.pairs if b in made and c in made}
        changed = len(made) > before
    units = [(a, b) for a, b in normal.units if b in made and a != b]
    pairs = [(a, b, c) for a, b, c in normal.pairs if b in made and c in made]
    used, stack = {normal.start}, [normal.start]
    below: dict[int, list[int]] = {}
    for head, *parts in [*units, *pairs]:
        below.setdefault(head, []).extend(parts)
    while stack:
        for part in below.get(stack.pop(), ()):
            if part not in used:
                used.add(part)
                stack.append(part)
    order = sorted(used)  # terminals stay first
    to = {old: new for new, old in enumerate(order)}
    kept = [k for k in order if k < normal.count]
    return replace(
        normal,
        terminals=[normal.terminals[k] for k in kept if not normal.lexing],
        tokens=[normal.tokens[k] for k in kept if normal.lexing],
        names=[normal.names[k] for k in order],
        start=to[normal.start],
        units=[(to[a], to[b]) for a, b in units if a in to],
        pairs=[(to[a], to[b], to[c]) for a, b, c in pairs if a in to],
    )


def _merged(normal: Normal) -> Normal:
    """Symbols that occur in the same places become one, so often as there are any: ``+`` and ``-`` mostly do.

    What one of them matches the others may match there, too, so that one symbol for all changes nothing. Terminals
    and other symbols are kept apart.
    """
    while True:
        places: dict[int, list[tuple[int, int, int]]] = {symbol: [] for symbol in range(normal.symbols)}
        for head, below in normal.units:
            places[below].append((head, 0, 0))
        for head, left, right in normal.pairs:
            places[left].append((head, 1, right))
            places[right].append((head, 2, left))
        groups: dict[tuple[object, ...], list[int]] = {}
        for symbol, where in places.items():
            alone = symbol if symbol == normal.start or any(symbol in (a, c) for a, _, c in where) else NOWHERE
            groups.setdefault((symbol < normal.count, alone, frozenset(where)), []).append(symbol)
        if len(groups) == normal.symbols:
            return normal
        normal = _renamed(normal, sorted(groups.values()))


def _renamed(normal: Normal, groups: list[list[int]]) -> Normal:
    """Each group of symbols as one."""
    to = {old: new for new, group in enumerate(groups) for old in group}
    terminals = [group for group in groups if group[0] < normal.count]
    return replace(
        normal,
        terminals=[_union([normal.terminals[t] for t in group]) for group in terminals if not normal.lexing],
        tokens=[tuple(k for t in group for k in normal.tokens[t]) for group in terminals if normal.lexing],
        names=[" | ".join(dict.fromkeys(normal.names[x] for x in group)) for group in groups],
        start=to[normal.start],
        units=[*dict.fromkeys((to[a], to[b]) for a, b in normal.units if to[a] != to[b])],
        pairs=[*dict.fromkeys((to[a], to[b], to[c]) for a, b, c in normal.pairs)],
    )


def _union(tables: list[ByteDfa]) -> ByteDfa:
    """All that any of the automata accepts."""
    if len(tables) == 1:
        return tables[0]
    parts = Fragments()
    first, last = parts.state(), parts.state()
    for table in tables:
        parts.insert(table, first, last)
    return minimal(parts.determinise(first, last))
