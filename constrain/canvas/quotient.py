"""What may stand in a gap of a text, as a grammar: the quotient of a language by what follows the gap.

Let the text behind the gap be a lattice whose first node is the gap. ``X|w`` is what is left of the texts of a symbol X
when an end of them that lies between the gap and node w is taken away. Where A is made of B and C, the cut goes through
C, so ``A|w`` is B and then ``C|w``; or through B, whose end then lies at a node m from which C leads to w: ``B|m``
(context-free languages are closed under quotients by regular ones: Ginsburg and Spanier 1963). Of a terminal,
beginnings are left: the same automaton, which ends in other states.

The text before the gap is the beginning of all texts of this grammar, and is read first. It also decides which symbols
there are: those that in the chart of the whole text lie across the gap, as part of a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from constrain.canvas.base import NotCompletable
from constrain.canvas.bytesets import NOWHERE, ByteDfa
from constrain.canvas.charts import Chart, outside, row_of
from constrain.canvas.segments import Lattice, Row, Text
from constrain.canvas.unbounded import Unbounded
from constrain.ir import rx
from constrain.ir.grammar import EMPTY, Choice, Expr, Grammar, Ref, Seq, Terminal, walk


class Quotients:
    """Makes grammars of gaps in texts of one grammar. What they have in common is made once."""

    def __init__(self, unbounded: Unbounded) -> None:
        self.unbounded, self.normal = unbounded, unbounded.normal
        self.edges = [_edges(dfa) for dfa in self.normal.terminals]
        self.whole = self._whole_symbols()

    def of(self, before: bytes, after: Sequence[bytes | None]) -> Grammar:
        """All texts ``before + p`` such that ``before``, ``p`` and ``after`` can be completed (``None`` is a gap of any
        bytes). Raises ``NotCompletable`` if there is no such text."""
        return _Quotient(self, before, after).grammar()

    def terminal(self, number: int, finals: Iterable[int]) -> Expr:
        """The automaton of a terminal, with other states to end in."""
        return Terminal(rx.graph(self.edges[number], finals), "bytes", name=self.normal.names[number])

    def _whole_symbols(self) -> dict[str, Expr]:
        sides: list[list[Expr]] = [[] for _ in range(self.normal.symbols)]
        for head, *parts in [*self.normal.units, *self.normal.pairs]:
            sides[head].append(Seq(*(Ref(_whole(part)) for part in parts)))
        for number, dfa in enumerate(self.normal.terminals):
            sides[number] = [self.terminal(number, np.flatnonzero(dfa.accepts).tolist())]
        return {_whole(number): Choice(*ways) for number, ways in enumerate(sides)}


class _Quotient:
    def __init__(self, quotients: Quotients, before: bytes, after: Sequence[bytes | None]) -> None:
        self.quotients, self.normal, self.gap = quotients, quotients.normal, len(before)
        rest = Text.of([before, *after])
        self.chart: Chart
        _, self.chart = quotients.unbounded.chart(Text.of([before, None, *after]))
        self.last = len(rest.data)
        self.found = outside(self.chart, [0], row_of([self.last], self.chart.rows.shape[1]))
        self.may_be_empty = self.normal.accepts_empty and not rest.data
        self.ends_here = rest == Text(before, ())
        lattice = Lattice(quotients.unbounded.lexemes, rest)
        self.cut_in_gap = self.gap in rest.gaps  # what follows the gap is another one
        self.ends = lattice.ends_after_gap(self.gap) if self.cut_in_gap else lattice.ends(self.gap)

    def grammar(self) -> Grammar:
        """See ``Quotients.of``."""
        start, sides = _whole(self.normal.start), []
        rules: dict[str, Expr] = {}
        if self.found and not self.ends_here:
            rules, start = self._cut_symbols(), _cut(self.normal.start, self.last)
        if self.found:
            sides.append(Ref(start))
        if self.may_be_empty:
            sides.append(EMPTY)
        if not sides:
            raise NotCompletable("whatever is written into the gap, the text is not one of the grammar")
        return Grammar("text", _reached("text", {**self.quotients.whole, **rules, "text": Choice(*sides)}))

    def _cut_symbols(self) -> dict[str, Expr]:
        """``X|w`` for all symbols X that lie across the gap and end at w."""
        across = [self._across(symbol) for symbol in range(self.normal.symbols)]
        sides: dict[str, list[Expr]] = {_cut(x, w): [] for x, ends in enumerate(across) for w in _bits(ends)}
        for number in range(len(self.normal.terminals)):
            self._cut_terminal(number, across[number], sides)
        for a, b in self.normal.units:
            for w in _bits(across[a] & across[b]):
                sides[_cut(a, w)].append(Ref(_cut(b, w)))
        for a, b, c in self.normal.pairs:
            for w in _bits(across[a] & across[c]):
                sides[_cut(a, w)].append(Seq(Ref(_whole(b)), Ref(_cut(c, w))))
            for m in _bits(across[b]):
                for w in _bits(_number(self.chart.alive_row(c, m)) & across[a]):
                    if (a, w) != (b, m):
                        sides[_cut(a, w)].append(Ref(_cut(b, m)))
        return {name: Choice(*ways) for name, ways in sides.items()}

    def _across(self, symbol: int) -> int:
        """Nodes behind the gap at which ``symbol`` ends where it begins before it or in it, as part of a text."""
        assert self.chart.alive is not None
        numbers = self.chart.numbers[symbol, : self.gap + 1]
        rows = self.chart.alive[numbers[numbers >= 0]]
        ends = _number(np.bitwise_or.reduce(rows, axis=0)) if len(rows) else 0
        first = self.gap if self.cut_in_gap else self.gap + 1
        return ends >> first << first

    def _cut_terminal(self, number: int, ends: int, sides: dict[str, list[Expr]]) -> None:
        lexemes = self.quotients.unbounded.lexemes
        first = int(lexemes.first[number])
        rows = self.ends[first : first + len(self.normal.terminals[number].accepts)]
        for w in _bits(ends):
            finals = np.flatnonzero(rows[:, w >> 5] >> (w & 31) & 1)
            sides[_cut(number, w)].append(self.quotients.terminal(number, finals.tolist()))


def _whole(symbol: int) -> str:
    return f"s{symbol}"


def _cut(symbol: int, end: int) -> str:
    return f"s{symbol}|{end}"


def _number(row: Row | None) -> int:
    """A row of bits as one integer."""
    return 0 if row is None else int.from_bytes(row.tobytes(), "little")


def _bits(row: int) -> Iterator[int]:
    """The bits of a row, ascending."""
    while row:
        yield (row & -row).bit_length() - 1
        row &= row - 1


def _reached(start: str, rules: dict[str, Expr]) -> dict[str, Expr]:
    """The rules that ``start`` comes to."""
    found = {start: rules[start]}
    stack = [start]
    while stack:
        for node in walk(rules[stack.pop()]):
            if isinstance(node, Ref) and node.name not in found:
                found[node.name] = rules[node.name]
                stack.append(node.name)
    return found


def _edges(dfa: ByteDfa) -> list[list[rx.Edge]]:
    """For each state, ranges of bytes with one successor."""
    return [_ranges(row) for row in dfa.step]


def _ranges(row: Row) -> list[rx.Edge]:
    firsts = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist(), 256]
    return [
        (low, high - 1, int(row[low]))
        for low, high in zip(firsts, firsts[1:], strict=False)
        if row[low] != NOWHERE
    ]
