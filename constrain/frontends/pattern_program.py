"""Patterns with tests as programs of nondeterministic threads, which ``look_around`` runs.

A program is a list of addresses. What is at one is in the tables below; who reads or passes a test goes on at the
next. An atomic group is laid out twice: the first copy is what threads run, and there the ways of a fork count in
their order; its *twin* says only whether the group could match on from an address, which is what a less preferred way
must rule out (Berglund et al. 2017, "On the semantics of atomic subgroups in practical regular expressions").
"""

from __future__ import annotations

from dataclasses import dataclass, field

from constrain.errors import LimitExceeded
from constrain.frontends.anchored import Anchor, Atomic, Either, Known, Look, Loop, Mark, Node, Sequenced
from constrain.frontends.char_sets import LINE_FEED
from constrain.ir import rx
from constrain.ir.rx import Ranges

MAX_PROGRAM = 20_000
_LAST_LINE = Look(Sequenced((rx.repeat(rx.chars(LINE_FEED), 0, 1), Anchor("end", "\\Z"))), behind=False, negated=False)


@dataclass
class Program:
    """By address: the set that is read; the ways to go without reading, best first; the test to pass as (kind, set of
    symbols that it asks for); the look-around to ask for as (negated, its body or number, address after it); what is
    learnt of a group; what of a group has to be known.

    ``done``: where a body has matched. ``twins``: what to add to a fork's ways for their twins. ``bodies``: where those
    of look-behinds begin, inner ones first. ``ends`` is where the pattern as a whole has matched.
    """

    chars: dict[int, Ranges] = field(default_factory=dict)
    ways: dict[int, tuple[int, ...]] = field(default_factory=dict)
    tests: dict[int, tuple[str, Ranges]] = field(default_factory=dict)
    aheads: dict[int, tuple[bool, int, int]] = field(default_factory=dict)
    behinds: dict[int, tuple[bool, int, int]] = field(default_factory=dict)
    marks: dict[int, Mark] = field(default_factory=dict)
    asks: dict[int, Known] = field(default_factory=dict)
    bodies: list[int] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    twins: dict[int, int] = field(default_factory=dict)
    size: int = 0
    _ordered: list[int] | None = None  # forks so far of the atomic group that is being laid out

    def place(self) -> int:
        if self.size >= MAX_PROGRAM:
            raise LimitExceeded("instructions of a pattern with look-around", self.size + 1, MAX_PROGRAM)
        self.size += 1
        return self.size - 1

    def finish(self, node: Node) -> Program:
        """The program of a node that must match up to the end of the text."""
        self.emit(node)
        self.tests[self.place()] = ("end", ())
        self.done.add(self.place())
        return self

    def emit(self, node: Node) -> None:
        """Append code that matches ``node`` and falls through."""
        match node:
            case rx.Chars(ranges):
                self.chars[self.place()] = ranges
            case rx.Concat(parts) | Sequenced(parts):
                for part in parts:
                    self.emit(part)
            case rx.Union(parts) | Either(parts):
                self.branch(parts)
            case rx.Repeat(body, low, high):
                self.repeat(body, low, high, lazy=False)
            case Loop(body, low, high, lazy):
                self.repeat(body, low, high, lazy)
            case Anchor("end_or_newline"):
                self.look(_LAST_LINE)
            case Anchor(kind, _, symbols):
                self.tests[self.place()] = (kind, symbols)
            case Look():
                self.look(node)
            case Atomic(body):
                self.atomic(body)
            case Mark():
                self.marks[self.place()] = node
            case Known():
                self.asks[self.place()] = node
            case _:
                raise TypeError(f"not a node of a pattern: {node!r}")

    def branch(self, parts: tuple[Node, ...]) -> None:
        fork = self.fork()
        starts, exits = [], []
        for part in parts:
            starts.append(self.size)
            self.emit(part)
            exits.append(self.place())
        self.ways[fork] = tuple(starts)
        self.ways.update(dict.fromkeys(exits, (self.size,)))

    def repeat(self, body: Node, low: int, high: int | None, lazy: bool) -> None:
        """A round that reads nothing never helps past ``low``, so closures need not count them."""
        for _ in range(low):
            self.emit(body)
        forks = []
        for _ in range(1 if high is None else high - low):
            forks.append(self.fork())
            self.emit(body)
        if high is None:
            self.ways[self.place()] = (forks[0],)
        for fork in forks:
            self.ways[fork] = (self.size, fork + 1) if lazy else (fork + 1, self.size)

    def fork(self) -> int:
        fork = self.place()
        if self._ordered is not None:
            self._ordered.append(fork)
        return fork

    def look(self, node: Look) -> None:
        outer, self._ordered = self._ordered, None
        asked = self.place()
        start = self.size
        self.emit(node.body)
        self.done.add(self.place())
        if node.behind:
            self.behinds[asked] = (node.negated, len(self.bodies), self.size)
            self.bodies.append(start)
        else:
            self.aheads[asked] = (node.negated, start, self.size)
        self._ordered = outer

    def atomic(self, body: Node) -> None:
        outer, forks = self._ordered, list[int]()
        start, self._ordered = self.size, forks
        self.emit(body)
        over = self.place()
        self.twins.update(dict.fromkeys(forks, self.size - start))
        self._ordered = None
        self.emit(body)
        self.done.add(self.place())
        self.ways[over] = (self.size,)
        self._ordered = outer
