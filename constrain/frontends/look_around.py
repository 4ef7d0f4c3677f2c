"""Patterns whose tests look at what is around them: look-ahead, look-behind, the ends of words and lines.

Such a pattern is compiled to a program of nondeterministic threads, and sets of threads become states, as usual. A
thread that passes a look-ahead goes on at once but *owes* it: it carries the threads of the look-ahead's body along,
and lives only as long as they keep its promise (some of them must match; for ``(?!...)`` none may). These may owe
things themselves, so nesting is nothing special. The bodies of look-behinds are followed from every position of
the text, by threads of their own; what of them has just matched is known wherever one is asked for. A thread that
takes a less preferred way through an atomic group owes that no better way leads through it. And a thread knows what
its groups have matched, as far as the pattern asks.

Look-aheads at the beginning of the text and look-behinds at its end, the usual case, need none of that: they are
languages of the whole text, to be intersected or taken away.

A state holds the threads as they stand *before* the tests at their position, because ``$`` and ``\\b`` ask for the
next symbol; ``_Machine.settle`` passes the tests once that is known. There are finitely many states, and exploring
them is exact: see Berglund, van der Merwe and Watson 2021 ("Regular expressions with lookahead", J.UCS 27), who
build Boolean automata for the same purpose.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from constrain.errors import LimitExceeded
from constrain.frontends.anchored import (
    Anchor,
    Either,
    Look,
    NeighboursMatter,
    Node,
    Sequenced,
    looks_around,
    resolve,
    sequence,
)
from constrain.frontends.char_sets import atoms, common
from constrain.frontends.pattern_program import Program
from constrain.ir import rx
from constrain.ir.rx import Ranges, Rx

MAX_STATES = 2_000
MAX_STEPS = 400_000  # of threads, while states are explored: some seconds
_STARTS, _ENDS = ("start", "line_start"), ("end", "end_or_newline", "line_end")


class Thread(NamedTuple):
    """Where it stands, what it owes, and what it knows: the last word (number) of each group that has matched."""

    place: int
    debts: frozenset[Debt]
    known: frozenset[tuple[int, int]]


Debt = tuple[bool, frozenset[Thread]]  # negated?, the threads of the body
State = tuple[bool, int, tuple[frozenset[Thread], ...], frozenset[Thread]]  # at the start?, symbol before, bodies, main
_NO_DEBTS: frozenset[Debt] = frozenset()
_NOTHING_KNOWN: frozenset[tuple[int, int]] = frozenset()


def language(node: Node, anything: Rx = rx.ANY_TEXT) -> Rx:
    """The strings that the node matches from the beginning to the end of the text, with look-around or without.

    ``anything``: all texts there are. Raises ``LimitExceeded`` for automata that are too large.
    """
    if not looks_around(node):
        try:
            return resolve(node)
        except NeighboursMatter:
            return _automaton(node)
    if isinstance(node, Either):
        return rx.union(language(part, anything) for part in node.parts)
    looks, rest = _outer_looks(node)
    if not looks:
        return language(rest, anything) if isinstance(rest, Either) else _automaton(rest)
    found = [language(rest, anything)]
    for look in looks:
        tested = language(_whole(look, anything), anything)
        found.append(rx.complement(tested) if look.negated else tested)
    return rx.intersect(found)


def _outer_looks(node: Node) -> tuple[list[Look], Node]:
    """The look-aheads at the beginning of the text and the look-behinds at its end, and the pattern without them and
    without the anchors there, which always hold."""
    parts = list(node.parts) if isinstance(node, Sequenced) else [node]
    begin, end = 0, len(parts)
    while begin < end and (_is_look(parts[begin], behind=False) or _is_anchor(parts[begin], _STARTS)):
        begin += 1
    while end > begin and (_is_look(parts[end - 1], behind=True) or _is_anchor(parts[end - 1], _ENDS)):
        end -= 1
    outer = (*parts[:begin], *parts[end:])
    return [part for part in outer if isinstance(part, Look)], sequence(parts[begin:end])


def _whole(look: Look, anything: Rx) -> Node:
    """The texts that begin (or end, for a look-behind) with what ``look`` asks for."""
    parts = look.body.parts if isinstance(look.body, Sequenced) else (look.body,)
    if look.behind:
        return sequence([*([] if _is_anchor(parts[0], ("start",)) else [anything]), *parts])
    return sequence([*parts, *([] if _is_anchor(parts[-1], ("end",)) else [anything])])


def _is_look(node: Node, *, behind: bool) -> bool:
    return isinstance(node, Look) and node.behind == behind


def _is_anchor(node: Node, kinds: tuple[str, ...]) -> bool:
    return isinstance(node, Anchor) and node.kind in kinds


def _automaton(node: Node) -> Rx:
    return _Machine(Program().finish(node)).explore()


@dataclass(frozen=True)
class _Here:
    """A position: is it the first, the last; the classes of the symbols before and after it; what of the look-behinds'
    bodies matches up to it."""

    first: bool
    last: bool
    before: int
    after: int
    behind: list[frozenset[Thread]]


class _Machine:
    """``classes`` are the sets of symbols that tests ask for; the class of a symbol is a bit mask: in which it is."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.steps = 0
        self.classes = {ranges: 1 << n for n, ranges in enumerate({r for _, r in program.tests.values() if r})}
        self.atoms = [ranges for ranges, _ in atoms(list({*program.chars.values(), *self.classes}))]
        self.readers = [
            {place for place, ranges in program.chars.items() if common(ranges, atom[:1])} for atom in self.atoms
        ]
        self.kinds = [
            sum(bit for ranges, bit in self.classes.items() if common(ranges, atom[:1])) for atom in self.atoms
        ]

    def explore(self) -> Rx:
        start: State = (True, 0, (frozenset(),) * len(self.program.bodies), _beginning(0))
        moves: dict[Hashable, dict[Hashable, Ranges]] = {}
        accepting: set[Hashable] = set()
        stack = [start]
        while stack:
            state = stack.pop()
            if state in moves:
                continue
            found: dict[State, list[tuple[int, int]]] = {}
            if any(thread.place in self.program.done for thread in self.settled(state, None)[1]):
                accepting.add(state)
            settled: dict[int, tuple[list[frozenset[Thread]], frozenset[Thread]]] = {}
            for number, atom in enumerate(self.atoms):
                kind = self.kinds[number]
                if kind not in settled:
                    settled[kind] = self.settled(state, kind)
                behind, threads = settled[kind]
                after = self.step(threads, number)
                if after:
                    bodies = tuple(self.step(body, number, drop_done=True) for body in behind)
                    found.setdefault((False, kind, bodies, after), []).extend(atom)
            moves[state] = {target: rx.merge_ranges(ranges) for target, ranges in found.items()}
            stack.extend(found)
            if len(moves) > MAX_STATES:
                raise LimitExceeded("states of a pattern with look-around", len(moves), MAX_STATES, "simplify it")
            if self.steps > MAX_STEPS:
                raise LimitExceeded("steps through a pattern with look-around", self.steps, MAX_STEPS, "simplify it")
        places = {state: i for i, state in enumerate(moves)}
        edges = [
            [(low, high, places[to]) for to, ranges in row.items() for low, high in ranges] for row in moves.values()
        ]
        return rx.graph(edges, [places[state] for state in accepting], places[start])

    def settled(self, state: State, kind: int | None) -> tuple[list[frozenset[Thread]], frozenset[Thread]]:
        """The state's threads past the tests; ``kind``: the class of the next symbol (``None``: the text ends)."""
        first, before, bodies, threads = state
        here = _Here(first, kind is None, before, kind or 0, [])
        for start, body in zip(self.program.bodies, bodies, strict=True):
            here.behind.append(self.settle(body | _beginning(start), here))
        return here.behind, self.settle(threads, here)

    def settle(self, threads: frozenset[Thread], here: _Here) -> frozenset[Thread]:
        """Where the threads wait to read, or are done, once all tests at this position are passed."""
        stack: list[Thread] = []
        for place, debts, known in threads:
            left = self.remaining(((negated, self.settle(body, here)) for negated, body in debts), here)
            if left is not None:
                stack.append(Thread(place, left, known))
        seen: set[Thread] = set()
        found: set[Thread] = set()
        while stack:
            thread = stack.pop()
            if thread not in seen:
                seen.add(thread)
                onward = self.onward(thread, here)
                if onward is None:
                    found.add(thread)
                else:
                    stack += onward
        self.steps += len(seen)
        return _least(found)

    def onward(self, thread: Thread, here: _Here) -> list[Thread] | None:
        """Where a thread goes without reading; ``None`` if it waits to read, or is done."""
        program, (place, debts, known) = self.program, thread
        if place in program.chars or place in program.done:
            return None
        if place in program.ways:
            return self.choices(thread, here)
        if place in program.marks:
            mark = program.marks[place]
            others = (pair for pair in known if pair[0] != mark.group)
            return [Thread(place + 1, debts, frozenset((*others, (mark.group, mark.word))))]
        if place in program.asks:
            ask = program.asks[place]
            held = any(group == ask.group and ask.word in (None, word) for group, word in known)
            return [Thread(place + 1, debts, known)] if held != ask.negated else []
        if place in program.tests:
            return [Thread(place + 1, debts, known)] if self.passes(program.tests[place], here) else []
        return self.promise(thread, here)

    def choices(self, thread: Thread, here: _Here) -> list[Thread]:
        """The ways from a fork. In an atomic group, a way owes that no better one leads through the group."""
        place, debts, known = thread
        ways = self.program.ways[place]
        to_twin = self.program.twins.get(place)
        if to_twin is None:
            return [Thread(way, debts, known) for way in ways]
        found, better = [Thread(ways[0], debts, known)], set[Thread]()
        for way, next_way in pairwise(ways):
            better |= self.settle(frozenset({Thread(way + to_twin, _NO_DEBTS, known)}), here)
            self.steps += len(better)
            left = self.remaining([*debts, (True, frozenset(better))], here)
            if left is None:
                break
            found.append(Thread(next_way, left, known))
        return found

    def promise(self, thread: Thread, here: _Here) -> list[Thread]:
        """Past the look-around at a thread's place, if it is not refuted at once."""
        place, debts, known = thread
        if place in self.program.aheads:
            negated, start, after = self.program.aheads[place]
            body = self.settle(frozenset({Thread(start, _NO_DEBTS, known)}), here)
        else:
            negated, number, after = self.program.behinds[place]
            body = frozenset(thread for thread in here.behind[number] if thread.place in self.program.done)
        left = self.remaining([*debts, (negated, body)], here)
        return [] if left is None else [Thread(after, left, known)]

    def remaining(self, debts: Iterable[Debt], here: _Here) -> frozenset[Debt] | None:
        """The debts that are not yet decided; ``None`` if one is broken. Those that must not match are one."""
        left: set[Debt] = set()
        refused: set[Thread] = set()
        for negated, threads in debts:
            matched = any(thread.place in self.program.done and not thread.debts for thread in threads)
            waiting = threads and not here.last
            if matched or not waiting:
                if matched == negated:
                    return None
            elif negated:
                refused |= threads
            else:
                left.add((False, threads))
        if refused:
            left.add((True, _least(refused)))
        return frozenset(left)

    def step(self, threads: frozenset[Thread], atom: int, *, drop_done: bool = False) -> frozenset[Thread]:
        """After a symbol. Threads that are done but owe something wait for that."""
        readers, after = self.readers[atom], set()
        for place, debts, known in threads:
            if place in readers:
                place += 1
            elif drop_done or place not in self.program.done or not debts:
                continue
            later = [(negated, self.step(body, atom)) for negated, body in debts]
            if all(body or negated for negated, body in later):
                after.add(Thread(place, frozenset(debt for debt in later if debt[1]), known))
        return frozenset(after)

    def passes(self, test: tuple[str, Ranges], here: _Here) -> bool:
        """Does a test hold here? ``before`` and ``after``: is there a symbol of the set that it asks for?"""
        kind, symbols = test
        bit = self.classes.get(symbols, 0)
        before, after = bool(here.before & bit), bool(here.after & bit)
        match kind:
            case "start":
                return here.first
            case "end":
                return here.last
            case "line_start":
                return here.first or before
            case "line_end":
                return here.last or after
            case "word_edge":
                return before != after
            case "no_word_edge":
                return before == after
            case "some_text":
                return not (here.first and here.last)
        raise ValueError(f"not a test: {kind!r}")


def _beginning(place: int) -> frozenset[Thread]:
    return frozenset({Thread(place, _NO_DEBTS, _NOTHING_KNOWN)})


def _least(threads: set[Thread]) -> frozenset[Thread]:
    """Without the threads that owe more than another one at the same place that knows the same."""
    by_place: dict[tuple[int, frozenset[tuple[int, int]]], list[frozenset[Debt]]] = {}
    for place, debts, known in threads:
        by_place.setdefault((place, known), []).append(debts)
    return frozenset(
        Thread(place, debts, known)
        for (place, known), listed in by_place.items()
        for debts in listed
        if len(listed) == 1 or not any(other < debts for other in listed)
    )
