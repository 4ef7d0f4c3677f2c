"""Membership in the language of a grammar, by the definitions: the slow, obvious twin of the engine.

For one text, two facts about each expression and start position are the least solution of monotone equations:

* ``ends``: the positions where a member of the expression that starts here can end;
* ``open``: is all of the text from here on the beginning of some member (which may go on past the text)?

Both are exact, for every context-free grammar. ``open`` at the end of the text means "has a member at all".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from functools import lru_cache

from naive import bags
from naive.rx import ALPHABETS, derive, derive_all, inhabited, nullable, symbols_of
from naive.spelling import decode, decode_cut

from constrain.ir.grammar import Bag, Choice, Expr, Grammar, Joined, Literal, Ref, Repeat, Seq, Terminal


def accepts(grammar: Grammar, data: bytes) -> bool:
    """Is ``data`` a member of the grammar's language?"""
    return Spans(grammar, data).accepted


def is_prefix(grammar: Grammar, data: bytes) -> bool:
    """Is ``data`` the beginning of a member (or a member)?"""
    return Spans(grammar, data).viable


def members(grammar: Grammar, alphabet: Iterable[bytes], length: int) -> Iterator[bytes]:
    """All members that are at most ``length`` pieces of ``alphabet``; repeated when they can be cut in two ways."""
    pieces = tuple(alphabet)
    stack = [(b"", 0)]
    while stack:
        data, used = stack.pop()
        spans = Spans(grammar, data)
        if spans.accepted:
            yield data
        if spans.viable and used < length:
            stack.extend((data + piece, used + 1) for piece in pieces)


class Spans:
    """Where each rule of ``grammar`` can start and end in ``data``."""

    def __init__(self, grammar: Grammar, data: bytes) -> None:
        self.rules = grammar.rules
        self.data = data
        self.end = len(data)
        self.ends_of: dict[tuple[str, int], set[int]] = {}
        self.is_open: dict[tuple[str, int], bool] = {}
        self.known: dict[tuple[Terminal, int], frozenset[int]] = {}  # terminals depend on nothing else: ask once
        self.so_far_ends: dict[tuple[Expr, int], AbstractSet[int]] = {}
        self.so_far_open: dict[tuple[Expr, int], bool] = {}
        whole = Ref(grammar.start)
        self.accepted = self._solve(lambda: self.end in self.ends(whole, 0))
        self.viable = self.accepted or self._solve(lambda: self.open(whole, 0))

    def _solve(self, question: Callable[[], bool]) -> bool:
        """Ask until nothing that the answer depends on grows any more."""
        grown = True
        while grown:
            asked = len(self.ends_of) + len(self.is_open)
            answer = question()
            grown = self._grow() or asked != len(self.ends_of) + len(self.is_open)
        return answer

    def _grow(self) -> bool:
        """Apply every rule once, those asked for last first; tells whether anything grew."""
        grown = False
        for name, i in reversed(tuple(self.ends_of)):
            more = self.ends(self.rules[name], i) - self.ends_of[name, i]
            self.ends_of[name, i] |= more
            grown |= self._forget(bool(more))
        for name, i in reversed(tuple(self.is_open)):
            more = self.open(self.rules[name], i) > self.is_open[name, i]
            self.is_open[name, i] |= more
            grown |= self._forget(more)
        return grown

    def _forget(self, grown: bool) -> bool:
        if grown:
            self.so_far_ends.clear()
            self.so_far_open.clear()
        return grown

    def ends(self, expr: Expr, i: int) -> AbstractSet[int]:
        """Where a member of ``expr`` that starts at ``i`` can end, as far as known by now."""
        if (expr, i) not in self.so_far_ends:
            self.so_far_ends[expr, i] = self.ends_by_definition(expr, i)
        return self.so_far_ends[expr, i]

    def ends_by_definition(self, expr: Expr, i: int) -> AbstractSet[int]:
        match expr:
            case Literal():
                return {i + len(expr.data)} if self.data.startswith(expr.data, i) else set()
            case Terminal():
                return self.terminal_ends(expr, i)
            case Ref():
                return frozenset(self.ends_of.setdefault((expr.name, i), set()))
            case Choice():
                return set().union(*(self.ends(part, i) for part in expr.parts))
            case Seq():
                return self.after(expr.parts, {i})
            case Repeat():
                return self.repeated(expr.body, expr.low, expr.high, i)
            case Joined():
                return {p for p, _ in self.joined(expr, len(expr.items), i)}
            case Bag():
                return bags.ends(self, expr, i)
        raise TypeError(expr)

    def terminal_ends(self, terminal: Terminal, i: int) -> frozenset[int]:
        if (terminal, i) not in self.known:
            ends = (j for j in range(i, self.end + 1) if matches(terminal, self.data[i:j]))
            self.known[terminal, i] = frozenset(ends)
        return self.known[terminal, i]

    def after(self, parts: Iterable[Expr], at: AbstractSet[int]) -> AbstractSet[int]:
        """Positions after one member of each part in turn."""
        for part in parts:
            at = set().union(*(self.ends(part, i) for i in at))
        return at

    def repeated(self, body: Expr, low: int, high: int | None, i: int) -> AbstractSet[int]:
        at: AbstractSet[int] = {i}
        for _ in range(low):
            at = self.after((body,), at)
        rounds = 0
        while high is None or rounds < high - low:
            more = at | self.after((body,), at)
            if more == at:
                break
            at, rounds = more, rounds + 1
        return at

    def joined(self, expr: Joined, count: int, i: int) -> set[tuple[int, bool]]:
        """(position, has anything been written?) after the first ``count`` items."""
        at = {(i, False)}
        for item, required in expr.items[:count]:
            parts = {False: (item,), True: (expr.separator, item)}
            written = {(e, True) for p, some in at for e in self.after(parts[some], {p})}
            at = written if required else at | written
        return at

    def open(self, expr: Expr, i: int) -> bool:
        """Is the text from ``i`` on the beginning of a member of ``expr``, as far as known by now?"""
        if (expr, i) not in self.so_far_open:
            self.so_far_open[expr, i] = self.open_by_definition(expr, i)
        return self.so_far_open[expr, i]

    def open_by_definition(self, expr: Expr, i: int) -> bool:
        match expr:
            case Literal():
                return expr.data.startswith(self.data[i:])
            case Terminal():
                return opens(expr, self.data[i:])
            case Ref():
                return self.is_open.setdefault((expr.name, i), False)
            case Choice():
                return any(self.open(part, i) for part in expr.parts)
            case Seq():
                return self.open_sequence(expr.parts, i)
            case Repeat():
                return self.open_repeat(expr, i)
            case Joined():
                return self.open_joined(expr, i)
            case Bag():
                return bags.is_open(self, expr, i)
        raise TypeError(expr)

    def productive(self, expr: Expr) -> bool:
        return self.open(expr, self.end)

    def open_sequence(self, parts: tuple[Expr, ...], i: int) -> bool:
        if self.end in self.after(parts, {i}):
            return True
        return all(map(self.productive, parts)) and any(
            self.open(part, j) for k, part in enumerate(parts) for j in self.after(parts[:k], {i})
        )

    def open_repeat(self, expr: Repeat, i: int) -> bool:
        if self.end in self.ends(expr, i):
            return True
        if expr.high == 0:
            return False
        starts = self.repeated(expr.body, 0, None if expr.high is None else expr.high - 1, i)
        return any(self.open(expr.body, j) for j in starts)

    def open_joined(self, expr: Joined, i: int) -> bool:
        if self.end in self.ends(expr, i):
            return True
        for k, (item, _) in enumerate(expr.items):
            later = [part for part, required in expr.items[k + 1 :] if required]
            if not all(map(self.productive, (*later, expr.separator) if later else ())):
                continue
            for p, some in self.joined(expr, k, i):
                if self.open_sequence((expr.separator, item) if some else (item,), p):
                    return True
        return False


@lru_cache(maxsize=200_000)
def matches(terminal: Terminal, data: bytes) -> bool:
    """Is ``data`` a member of the terminal?"""
    symbols = decode(data, terminal.encoding)
    if symbols is None or len(symbols) < terminal.low or (terminal.high is not None and len(symbols) > terminal.high):
        return False
    return nullable(derive_all(terminal.language, symbols))


@lru_cache(maxsize=200_000)
def opens(terminal: Terminal, data: bytes) -> bool:
    """Is ``data`` the beginning of a member of the terminal?"""
    if matches(terminal, data):
        return True
    alphabet = ALPHABETS[terminal.encoding]
    for symbols, ranges in decode_cut(data, terminal.encoding):
        rest = derive_all(terminal.language, symbols)
        low, high, used = terminal.low, terminal.high, len(symbols)
        nexts = [rest] if ranges is None else [derive(rest, s) for s in symbols_of(rest, ranges)]
        used += ranges is not None
        bound = None if high is None else high - used
        if any((bound is None or bound >= 0) and inhabited(r, max(low - used, 0), bound, alphabet) for r in nexts):
            return True
    return False
