"""Rules with one or two symbols on the right, made small: no empty text, nothing useless, equals as one.

Symbols never match the empty text: whether the start symbol does is said apart (Chomsky 1959; Lange and Leiß 2009 for
keeping rules with one symbol).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from constrain.canvas.bytesets import NOWHERE, ByteDfa, Fragments, minimal
from constrain.errors import GrammarError
from constrain.ir.lexing import Lexing


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


def without_empty(
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


def merged(normal: Normal) -> Normal:
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
