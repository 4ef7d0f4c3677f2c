"""Patterns with look-ahead, look-behind and word boundaries, as automata.

Such a pattern is compiled to a program of nondeterministic threads, and sets of threads become states, as usual. A
thread that passes a look-ahead goes on at once but *owes* it: it carries the threads of the look-ahead's body along,
and lives only as long as they keep its promise (some of them must match; for ``(?!...)`` none may). These may owe
things themselves, so nesting is nothing special. The bodies of look-behinds are followed from every position of
the text, by threads of their own; what of them has just matched is known wherever one is asked for.

Look-aheads at the beginning of an anchored pattern, the usual case, need none of that: they are languages of the whole
text, to be intersected or taken away.

A state holds the threads as they stand *before* the tests at their position, because ``$`` and ``\\b`` ask for the
next symbol; ``_Machine.settle`` passes the tests once that is known. There are finitely many states, and exploring
them is exact: see Berglund, van der Merwe and Watson 2021 ("Regular expressions with lookahead", J.UCS 27), who
build Boolean automata for the same purpose.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from constrain.errors import LimitExceeded, UnsupportedPattern
from constrain.frontends import char_sets
from constrain.frontends.anchored import Anchor, Either, Look, Loop, Node, Sequenced, looks_around, resolve, sequence
from constrain.frontends.char_sets import atoms
from constrain.frontends.lexeme_dfa import common, trimmed
from constrain.ir import rx
from constrain.ir.rx import Ranges, Rx

MAX_STATES = 2_000
MAX_PROGRAM = 20_000
START = Anchor("start", "^")
_ANYTHING = rx.repeat(rx.ANY_CHAR, 0, None)
_WORD = char_sets.ASCII_SETS["w"]

Thread = tuple[int, frozenset["Debt"]]  # instruction, debts
Debt = tuple[bool, frozenset[Thread]]  # negated?, the threads of the body
State = tuple[bool, bool, tuple[frozenset[Thread], ...], frozenset[Thread]]
_NO_DEBTS: frozenset[Debt] = frozenset()


def language(node: Node) -> Rx:
    """The strings that the node matches from the beginning to the end of the text, with look-around or without.

    Raises ``LimitExceeded`` for automata that are too large, ``UnsupportedPattern`` for anchors of single lines.
    """
    if not looks_around(node):
        return resolve(node)
    looks, rest = _leading(node)
    if not looks:
        return _automaton(node)
    tested = ((look.negated, language(_at_start(look.body))) for look in looks)
    return rx.intersect((language(rest), *(rx.complement(found) if negated else found for negated, found in tested)))


def _leading(node: Node) -> tuple[list[Look], Node]:
    """The look-aheads at the very beginning of the text, and the pattern without them."""
    parts = list(node.parts) if isinstance(node, Sequenced) else [node]
    end = 0
    while end < len(parts) and (_is_ahead(parts[end]) or _is_anchor(parts[end], "start")):
        end += 1
    head = parts[:end] if _is_anchor(parts[0], "start") else []
    looks = [part for part in head if isinstance(part, Look)]
    return looks, sequence([parts[0], *parts[end:]])


def _at_start(body: Node) -> Node:
    """``body`` at the beginning of the text, anything behind it."""
    parts = body.parts if isinstance(body, Sequenced) else (body,)
    return sequence([START, *parts, *([] if _is_anchor(parts[-1], "end") else [_ANYTHING])])


def _is_ahead(node: Node) -> bool:
    return isinstance(node, Look) and not node.behind


def _is_anchor(node: Node, kind: str) -> bool:
    return isinstance(node, Anchor) and node.kind == kind


def _automaton(node: Node) -> Rx:
    program = _Program()
    program.emit(node)
    program.tests[program.place()] = "end"
    program.done.add(program.place())
    return _Machine(program).explore()


@dataclass
class _Program:
    """By address: the set that is read (then the next address), the ways to go without reading, the test to pass, the
    look-around to ask for as (negated, its body or number, address after it). ``done``: where a body has matched."""

    chars: dict[int, Ranges] = field(default_factory=dict)
    ways: dict[int, tuple[int, ...]] = field(default_factory=dict)
    tests: dict[int, str] = field(default_factory=dict)
    aheads: dict[int, tuple[bool, int, int]] = field(default_factory=dict)
    behinds: dict[int, tuple[bool, int, int]] = field(default_factory=dict)
    bodies: list[int] = field(default_factory=list)  # of look-behinds, inner ones first
    done: set[int] = field(default_factory=set)
    size: int = 0

    def place(self) -> int:
        if self.size >= MAX_PROGRAM:
            raise LimitExceeded("instructions of a pattern with look-around", self.size + 1, MAX_PROGRAM)
        self.size += 1
        return self.size - 1

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
            case rx.Repeat(body, low, high) | Loop(body, low, high):
                self.repeat(body, low, high)
            case Anchor(kind, spelling):
                if kind not in ("start", "end", "word_edge", "no_word_edge"):
                    raise UnsupportedPattern(f"{spelling!r} in a pattern with look-around is not supported")
                self.tests[self.place()] = kind
            case Look():
                self.look(node)
            case _:
                raise TypeError(f"not a node of a pattern: {node!r}")

    def branch(self, parts: tuple[Node, ...]) -> None:
        fork = self.place()
        starts, exits = [], []
        for part in parts:
            starts.append(self.size)
            self.emit(part)
            exits.append(self.place())
        self.ways[fork] = tuple(starts)
        self.ways.update(dict.fromkeys(exits, (self.size,)))

    def repeat(self, body: Node, low: int, high: int | None) -> None:
        """A round that reads nothing never helps past ``low``, so closures need not count them."""
        for _ in range(low):
            self.emit(body)
        forks = []
        for _ in range(1 if high is None else high - low):
            forks.append(self.place())
            self.emit(body)
        if high is None:
            self.ways[self.place()] = (forks[0],)
        self.ways.update((fork, (fork + 1, self.size)) for fork in forks)

    def look(self, node: Look) -> None:
        asked = self.place()
        start = self.size
        self.emit(node.body)
        self.done.add(self.place())
        if node.behind:
            self.behinds[asked] = (node.negated, len(self.bodies), self.size)
            self.bodies.append(start)
        else:
            self.aheads[asked] = (node.negated, start, self.size)


@dataclass(frozen=True)
class _Here:
    """A position: is it the first, the last, between word and other symbols; what the look-behinds' bodies match."""

    first: bool
    last: bool
    edge: bool
    behind: list[frozenset[Thread]]


class _Machine:
    def __init__(self, program: _Program) -> None:
        self.program = program
        self.has_edges = any(kind.endswith("word_edge") for kind in program.tests.values())
        sets = {*program.chars.values(), *([_WORD] if self.has_edges else [])}
        self.atoms = [ranges for ranges, _ in atoms(list(sets))]
        self.readers = [
            {place for place, ranges in program.chars.items() if common(ranges, atom[:1])} for atom in self.atoms
        ]
        self.words = [self.has_edges and bool(common(_WORD, atom[:1])) for atom in self.atoms]

    def explore(self) -> Rx:
        start: State = (True, False, (frozenset(),) * len(self.program.bodies), frozenset({(0, _NO_DEBTS)}))
        moves: dict[Hashable, dict[Hashable, Ranges]] = {}
        accepting: set[Hashable] = set()
        stack = [start]
        while stack:
            state = stack.pop()
            if state in moves:
                continue
            found: dict[State, list[tuple[int, int]]] = {}
            if any(place in self.program.done for place, _ in self.settled(state, None)[1]):
                accepting.add(state)
            known: dict[bool, tuple[list[frozenset[Thread]], frozenset[Thread]]] = {}
            for number, atom in enumerate(self.atoms):
                word = self.words[number]
                if word not in known:
                    known[word] = self.settled(state, word)
                behind, threads = known[word]
                after = self.step(threads, number)
                if after:
                    bodies = tuple(self.step(body, number, drop_done=True) for body in behind)
                    found.setdefault((False, word, bodies, after), []).extend(atom)
            moves[state] = {target: rx.merge_ranges(ranges) for target, ranges in found.items()}
            stack.extend(found)
            if len(moves) > MAX_STATES:
                raise LimitExceeded("states of a pattern with look-around", len(moves), MAX_STATES, "simplify it")
        dfa = trimmed(moves, start, accepting)
        edges = [[(low, high, to) for ranges, to in row for low, high in ranges] for row in dfa.moves]
        return rx.graph(edges, dfa.accepting) if edges else rx.NOTHING

    def settled(self, state: State, word: bool | None) -> tuple[list[frozenset[Thread]], frozenset[Thread]]:
        """The state's threads past the tests; ``word``: is the next symbol one of a word (``None``: the text ends)."""
        first, before, bodies, threads = state
        here = _Here(first, word is None, before != bool(word), [])
        for start, body in zip(self.program.bodies, bodies, strict=True):
            here.behind.append(self.settle(body | {(start, _NO_DEBTS)}, here))
        return here.behind, self.settle(threads, here)

    def settle(self, threads: frozenset[Thread], here: _Here) -> frozenset[Thread]:
        """Where the threads wait to read, or are done, once all tests at this position are passed."""
        program = self.program
        stack: list[Thread] = []
        for place, debts in threads:
            left = self.remaining(((negated, self.settle(body, here)) for negated, body in debts), here)
            if left is not None:
                stack.append((place, left))
        seen: set[Thread] = set()
        found: set[Thread] = set()
        while stack:
            thread = stack.pop()
            if thread in seen:
                continue
            seen.add(thread)
            place, debts = thread
            if place in program.chars or place in program.done:
                found.add(thread)
            elif place in program.ways:
                stack.extend((way, debts) for way in program.ways[place])
            elif place in program.tests:
                if _passes(program.tests[place], here):
                    stack.append((place + 1, debts))
            else:
                stack.extend(self.promise(place, debts, here))
        return _least(found)

    def promise(self, place: int, debts: frozenset[Debt], here: _Here) -> list[Thread]:
        """Past the look-around at ``place``, if it is not refuted at once."""
        if place in self.program.aheads:
            negated, start, after = self.program.aheads[place]
            body = self.settle(frozenset({(start, _NO_DEBTS)}), here)
        else:
            negated, number, after = self.program.behinds[place]
            body = frozenset(thread for thread in here.behind[number] if thread[0] in self.program.done)
        left = self.remaining([*debts, (negated, body)], here)
        return [] if left is None else [(after, left)]

    def remaining(self, debts: Iterable[Debt], here: _Here) -> frozenset[Debt] | None:
        """The debts that are not yet decided; ``None`` if one is broken. Those that must not match are one."""
        left: set[Debt] = set()
        refused: set[Thread] = set()
        for negated, threads in debts:
            matched = any(place in self.program.done and not owed for place, owed in threads)
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
        for place, debts in threads:
            if place in readers:
                place += 1
            elif drop_done or place not in self.program.done or not debts:
                continue
            later = [(negated, self.step(body, atom)) for negated, body in debts]
            if all(body or negated for negated, body in later):
                after.add((place, frozenset(debt for debt in later if debt[1])))
        return frozenset(after)


def _passes(kind: str, here: _Here) -> bool:
    match kind:
        case "start":
            return here.first
        case "end":
            return here.last
    return here.edge == (kind == "word_edge")


def _least(threads: set[Thread]) -> frozenset[Thread]:
    """Without the threads that owe more than another one at the same place."""
    by_place: dict[int, list[frozenset[Debt]]] = {}
    for place, debts in threads:
        by_place.setdefault(place, []).append(debts)
    return frozenset(
        (place, debts)
        for place, listed in by_place.items()
        for debts in listed
        if len(listed) == 1 or not any(other < debts for other in listed)
    )
