"""What may stand in a gap of a text, as a grammar: the quotient of a language by what is before and behind the gap.

In the chart of the whole text, whose gap is a node g, a symbol X lies from v to w. If both are g, X lies in the gap, as
it is. Else what is left of X in the gap is a symbol ``v|X|w`` of the new grammar: of the texts of X, those that begin
with the text from v to the gap and end with one that leads from there to w, without both. Where X is made of B and C,
they meet in the gap, or before it (B is gone, and C is cut), or behind it (C is gone). Of a terminal its automaton is
left, with another start and other states to end in (context-free languages are closed under quotients by regular ones:
Ginsburg and Spanier 1963; the construction is that of Bar-Hillel, Perles and Shamir 1961).

So all that is made for grammars (masks, canvases, samplers) is made for gaps, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from constrain.canvas.base import NotCompletable
from constrain.canvas.bytesets import NOWHERE, ByteDfa
from constrain.canvas.charts import outside, row_of
from constrain.canvas.parts import Parts
from constrain.canvas.segments import Lattice, Row, Text
from constrain.canvas.unbounded import Unbounded
from constrain.ir import rx
from constrain.ir.grammar import EMPTY, Choice, Expr, Grammar, Literal, Ref, Seq, Terminal, walk

TEXT = "\0gap"  # the start rule: not a name that a grammar has
IN_GAP = -1  # instead of a node: begins, or ends, in the gap


class Cut(NamedTuple):
    """``v|X|w``: ``begin`` is a node before the gap, ``end`` one behind it, or ``IN_GAP``."""

    begin: int
    symbol: int
    end: int

    @property
    def name(self) -> str:
        """The name of its rule."""
        return f"\0{self.begin}|{self.symbol}|{self.end}"


class Quotients:
    """Makes grammars of gaps in texts of one grammar. What they have in common is made once."""

    def __init__(self, grammar: Grammar) -> None:
        """Raises ``GrammarError`` where the grammar is not context-free, or matches nothing."""
        self.parts = Parts(grammar)
        self.normal = self.parts.normal
        self.unbounded = Unbounded(self.normal)
        self.edges = [_edges(dfa) for dfa in self.normal.terminals]
        self.units: list[list[int]] = [[] for _ in range(self.normal.symbols)]
        self.pairs: list[list[tuple[int, int]]] = [[] for _ in range(self.normal.symbols)]
        for head, part in self.normal.units:
            self.units[head].append(part)
        for head, left, right in self.normal.pairs:
            self.pairs[head].append((left, right))

    def of(self, before: bytes, after: Sequence[bytes | None]) -> Grammar:
        """The texts p such that ``before``, ``p`` and ``after``, one after another, can be completed, where each
        ``None`` in ``after`` is a gap of any bytes. Raises ``NotCompletable`` if there is no such text."""
        return _Quotient(self, before, after).grammar()


class _Quotient:
    def __init__(self, quotients: Quotients, before: bytes, after: Sequence[bytes | None]) -> None:
        self.quotients, self.normal, self.lexemes = quotients, quotients.normal, quotients.unbounded.lexemes
        self.before, self.gap, self.rest = before, len(before), Text.of([before, *after])
        _, self.chart = quotients.unbounded.chart(Text.of([before, None, *after]))
        self.found = outside(self.chart, [0], row_of([len(self.rest.data)], self.chart.rows.shape[1]))
        self.may_be_empty = self.normal.accepts_empty and not self.rest.data
        self.gap_follows = self.gap in self.rest.gaps
        self.rows: dict[tuple[int, int], int] = {}
        self.cuts: dict[str, Cut] = {}

    def grammar(self) -> Grammar:
        """See ``Quotients.of``."""
        if not self.found and not self.may_be_empty:
            raise NotCompletable("whatever is written into the gap, the text is not one of the grammar")
        sides = [EMPTY] * self.may_be_empty + [self.ref(self.whole_text())] * self.found
        rules: dict[str, Expr] = {TEXT: Choice(*sides)}
        todo = [TEXT]
        for name in todo:  # grows while it is walked
            for node in walk(rules[name]):
                if isinstance(node, Ref) and node.name not in rules:
                    cut = self.cuts.get(node.name)
                    rules[node.name] = self.quotients.parts.rules[node.name] if cut is None else self.body(cut)
                    todo.append(node.name)
        return Grammar(TEXT, rules)

    def whole_text(self) -> Cut:
        """The start symbol, from the first node to the last."""
        last = len(self.rest.data)
        ends_in_gap = last == self.gap and not self.gap_follows
        return Cut(0 if self.gap else IN_GAP, self.normal.start, IN_GAP if ends_in_gap else last)

    def ref(self, cut: Cut) -> Expr:
        """What is left of a symbol."""
        if cut.begin == cut.end == IN_GAP:
            return self.quotients.parts.expressions[cut.symbol]
        self.cuts[cut.name] = cut
        return Ref(cut.name)

    def body(self, cut: Cut) -> Expr:
        """The rule of what is left of a symbol."""
        if cut.symbol < len(self.normal.terminals):
            return self.leaf(cut)
        sides = [self.ref(cut._replace(symbol=b)) for b in self.quotients.units[cut.symbol] if self.lies(b, cut)]
        for b, c in self.quotients.pairs[cut.symbol]:
            left, right = Cut(cut.begin, b, IN_GAP), Cut(IN_GAP, c, cut.end)
            if self.lies(b, left) and self.lies(c, right):
                sides.append(Seq(self.ref(left), self.ref(right)))
            sides += [self.ref(right._replace(begin=m)) for m in self.nodes_before(b, cut) if self.lies(c, right, m)]
            sides += [self.ref(left._replace(end=m)) for m in self.nodes_behind(b, cut) if self.lies(c, right, m)]
        return Choice(*sides)

    # ---- what the chart says -----------------------------------------------------------------------------------

    def alive(self, symbol: int, node: int) -> int:
        """The nodes to which a symbol leads from a node, as part of a text: a bit for each."""
        if (symbol, node) not in self.rows:
            row = self.chart.alive_row(symbol, node)
            self.rows[symbol, node] = 0 if row is None else int.from_bytes(row.tobytes(), "little")
        return self.rows[symbol, node]

    def node(self, place: int) -> int:
        """The node of a place."""
        return self.gap if place == IN_GAP else place

    def lies(self, symbol: int, cut: Cut, begin: int | None = None) -> bool:
        """Can a symbol lie where ``cut`` does (or from another node to its end)?"""
        first = self.node(cut.begin) if begin is None else begin
        return bool(self.alive(symbol, first) >> self.node(cut.end) & 1)

    def nodes_before(self, symbol: int, cut: Cut) -> Iterator[int]:
        """Nodes before the gap at which a symbol can end that begins with ``cut``."""
        if cut.begin != IN_GAP:
            yield from _bits(self.alive(symbol, cut.begin) & ((1 << self.gap) - 1))

    def nodes_behind(self, symbol: int, cut: Cut) -> Iterator[int]:
        """Nodes behind the gap at which a symbol can end that begins with ``cut``."""
        if cut.end != IN_GAP:
            first = self.gap if self.gap_follows else self.gap + 1
            yield from _bits(self.alive(symbol, self.node(cut.begin)) >> first << first)

    # ---- leaves ------------------------------------------------------------------------------------------------

    @cached_property
    def ends(self) -> Row:
        """(states, words): the nodes at which what is in a state when the gap ends can end."""
        lattice = Lattice(self.lexemes, self.rest)
        return lattice.ends_after_gap(self.gap) if self.gap_follows else lattice.ends(self.gap)

    def leaf(self, cut: Cut) -> Expr:
        """The texts that lead from the state in which the gap finds a leaf to one in which it may leave it."""
        first = int(self.lexemes.first[cut.symbol])
        dfa = self.normal.terminals[cut.symbol]
        start = 0
        for byte in self.before[cut.begin :] if cut.begin != IN_GAP else b"":
            start = int(dfa.step[start, byte])
        finals = dfa.accepts
        if cut.end != IN_GAP:
            rows = self.ends[first : first + len(finals)]
            finals = (rows[:, cut.end >> 5] >> (cut.end & 31) & 1).astype(np.bool_)
        whole = self.quotients.parts.expressions[cut.symbol]
        if isinstance(whole, Literal):  # its states are numbers of bytes
            return Choice(*(Literal(whole.data[start:end]) for end in np.flatnonzero(finals).tolist() if end >= start))
        name = getattr(whole, "name", "") or "a terminal"
        return Terminal(rx.graph(self.quotients.edges[cut.symbol], np.flatnonzero(finals).tolist(), start), "bytes",
                        name=f"part of {name}")  # fmt: skip


def _bits(row: int) -> Iterator[int]:
    """The bits of a row, ascending."""
    while row:
        yield (row & -row).bit_length() - 1
        row &= row - 1


def _edges(dfa: ByteDfa) -> list[list[rx.Edge]]:
    """For each state, ranges of bytes with one successor."""
    return [_ranges(row) for row in dfa.step]


def _ranges(row: Row) -> list[rx.Edge]:
    firsts = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist(), 256]
    spans = pairwise(firsts)
    return [(low, high - 1, int(row[low])) for low, high in spans if row[low] != NOWHERE]
