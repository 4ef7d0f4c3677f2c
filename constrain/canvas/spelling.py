"""How the tokens of a vocabulary spell the terminals of a grammar.

A token can end a terminal, spell others, and leave one unfinished. What it does at a slot depends on what is unfinished
there, a *state* of some terminal's automaton, or, between terminals, a *context* (``ways.py``). What a
token does behind the end of a terminal depends on the rest of its bytes only; rests that do the same are one
*point*. So a slot that is open has few different things to offer, however large the vocabulary is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constrain.canvas.bytesets import NOWHERE
from constrain.canvas.symbols import Normal
from constrain.canvas.trie import Walker
from constrain.canvas.ways import Ways
from constrain.errors import LimitExceeded
from constrain.vocab.trie import build_trie
from constrain.vocab.vocabulary import Vocabulary

Ids = npt.NDArray[np.int32]
Table = npt.NDArray[np.int32]
NONE = -1
MAX_SUBSETS = 50_000
FEW = 16  # tokens that are looked at one by one
Meaning = tuple[int, frozenset[tuple[int, int]]]


class Rest(NamedTuple):
    """What the rest of a token does: ``ends``, terminals that end at another point of it (terminal, point), and
    ``opens``, terminals that it leaves unfinished (terminal, state). A terminal may be BLANK."""

    ends: frozenset[tuple[int, int]]
    opens: frozenset[tuple[int, int]]
    height: int  # the most terminals that it ends

    @property
    def is_dead(self) -> bool:
        return not self.ends and not self.opens


class Effect(NamedTuple):
    """What a token does in the middle of a terminal: the state that follows (NONE: none), and the points at which the
    terminal ends within the token."""

    state: int
    points: frozenset[int]


class Choices(NamedTuple):
    """What an open slot offers in a state: tokens by what they do. ``keys[k]`` is done by ``tokens[k]``."""

    keys: tuple[Effect, ...]
    tokens: tuple[Ids, ...]
    states: tuple[int, ...]  # all states that may follow
    points: tuple[int, ...]  # all points that may


class Simple(NamedTuple):
    """The states and points (contexts, all) to which a slot leads by tokens within which no terminal ends."""

    states: tuple[int, ...]
    points: tuple[int, ...]


class Starts(NamedTuple):
    """What an open slot offers between terminals, in a context: points whose rest is a whole token, with these."""

    points: tuple[int, ...]
    tokens: tuple[Ids, ...]
    rest: Rest  # all together


class Spelling:
    """A grammar's terminals over a vocabulary. Points below ``len(contexts)`` are the contexts themselves: the token
    has been used up. Not thread-safe: what is asked for is remembered."""

    def __init__(self, normal: Normal, vocabulary: Vocabulary) -> None:
        self.normal, self.vocabulary = normal, vocabulary
        self.ways = Ways(normal)
        self.contexts = self.ways.contexts
        self.may_end = [self.ways.may_end(context) for context in range(len(self.contexts))]
        self._join_tables()
        self._classes: dict[Rest, int] = {}
        self.rests: list[Rest] = []
        self._points: dict[tuple[int, bytes], int] = {}
        self._lexemes = _Subsets(self)
        self._below: dict[tuple[int, int], Ids] = {}
        self._choices: dict[int, Choices] = {}
        self._starts: dict[int, Starts] = {}
        self._simple: dict[int, Simple] = {}
        self._simple_starts: dict[int, Rest] = {}
        self._effects: dict[tuple[int, int], Effect] = {}

    def _join_tables(self) -> None:
        """The automata of all ways in one table, once for each context that may follow. ``dead`` is a state too;
        ``symbol[s]`` and ``after[s]`` say what a state reads, and the context behind it."""
        copies = sorted({way for ways in self.ways.of for way in ways})
        sizes = [len(self.ways.tables[way.table].accepts) for way in copies]
        base = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        self.dead = int(base[-1])
        self.step: Table = np.full((self.dead + 1, 256), self.dead, np.int32)
        self.accepts = np.zeros(self.dead + 1, np.bool_)
        self.symbol = [way.symbol for way, size in zip(copies, sizes, strict=True) for _ in range(size)]
        self.after = [way.after for way, size in zip(copies, sizes, strict=True) for _ in range(size)]
        for first, size, way in zip(base[:-1], sizes, copies, strict=True):
            table = self.ways.tables[way.table]
            self.step[first : first + size] = np.where(table.step == NOWHERE, self.dead, table.step + first)
            self.accepts[first : first + size] = table.accepts
        self.goes_on = (self.step != self.dead).any(axis=1)
        begins = {way: int(state) for way, state in zip(copies, base[:-1], strict=True)}
        self.first_states = [tuple(begins[way] for way in ways) for ways in self.ways.of]

    # ---- one token -------------------------------------------------------------------------------------------

    def rest(self, point: int) -> Rest:
        """What the rest of a token does that is at ``point``, which is not a context."""
        return self.rests[point - len(self.contexts)]

    def is_context(self, point: int) -> bool:
        """Is the token used up there?"""
        return point < len(self.contexts)

    def point(self, context: int, rest: bytes) -> int:
        """The point where ``rest`` is left of a token, in ``context``; NONE if that leads nowhere."""
        if not rest:
            return context
        key = (context, rest)
        if key not in self._points:
            self._points[key] = self._number(self._read(context, rest))
        return self._points[key]

    def _read(self, context: int, rest: bytes) -> Rest:
        lexemes = self._lexemes
        ends: set[tuple[int, int]] = set()
        subset, height = lexemes.start(context), 0
        for k, byte in enumerate(rest):
            subset = lexemes.rows[subset][byte]
            for symbol, after in lexemes.accepted[subset]:
                point = self.point(after, rest[k + 1 :])
                if point != NONE:
                    ends.add((symbol, point))
                    height = max(height, 1 + self._height(point))
        return Rest(frozenset(ends), lexemes.opens[subset], height)

    def _height(self, point: int) -> int:
        return 0 if self.is_context(point) else self.rest(point).height

    def _number(self, rest: Rest) -> int:
        if rest.is_dead:
            return NONE
        number = self._classes.setdefault(rest, len(self.contexts) + len(self.rests))
        if number == len(self.contexts) + len(self.rests):
            self.rests.append(rest)
        return number

    def effect(self, state: int, token: int) -> Effect:
        """What ``token`` does in ``state``."""
        key = (state, token)
        if key not in self._effects:
            self._effects[key] = self._effect(state, self.data(token))
        return self._effects[key]

    def _effect(self, state: int, data: bytes) -> Effect:
        context = self.after[state]
        points = set()
        for k, byte in enumerate(data):
            state = int(self.step[state, byte])
            if self.accepts[state]:
                points.add(self.point(context, data[k + 1 :]))
            if state == self.dead:
                break
        return Effect(state if data and self.goes_on[state] else NONE, frozenset(points - {NONE}))

    def start(self, context: int, token: int) -> int:
        """The point at which ``token`` begins in ``context``; NONE if it cannot."""
        data = self.data(token)
        return self.point(context, data) if data else NONE

    def data(self, token: int) -> bytes:
        """The bytes of a token; none for an id that stands for no text."""
        return (self.vocabulary.tokens[token] if token < len(self.vocabulary) else None) or b""

    # ---- the whole vocabulary --------------------------------------------------------------------------------

    @cached_property
    def trie(self) -> Walker:
        return Walker(build_trie(self.vocabulary))

    def choices(self, state: int) -> Choices:
        """All tokens that do something in ``state``."""
        if state not in self._choices:
            nodes = self.trie.walk(0, state, self.dead, self.step)
            states = self.trie.states[nodes].copy()
            keys, meanings = self._meanings(0, nodes, states, self._ended)
            groups: dict[Effect, list[Ids]] = {}
            for key, tokens in self.trie.grouped(0, keys, 0):
                last, more = meanings[key]
                points = frozenset(point for _, point in (*self._ended(last), *more))
                effect = Effect(last if last != NONE and self.goes_on[last] else NONE, points)
                groups.setdefault(effect, []).append(tokens)
            self._choices[state] = _as_choices({key: np.sort(np.concatenate(g)) for key, g in groups.items()})
        return self._choices[state]

    def simple_choices(self, state: int) -> Simple:
        """What tokens within which no terminal ends do in ``state``."""
        if state not in self._simple:
            trie = self.trie
            nodes = trie.walk(0, state, self.dead, self.step)
            found = np.unique(trie.states[nodes[trie.has_tokens[nodes]]])
            contexts = {point for last in found.tolist() for _, point in self._ended(last)}
            self._simple[state] = Simple(tuple(found[self.goes_on[found]].tolist()), tuple(sorted(contexts)))
        return self._simple[state]

    def simple_start(self, context: int) -> Rest:
        """What tokens within which no terminal ends begin in ``context``."""
        if context not in self._simple_starts:
            states = self.first_states[context]
            simple = [(self.symbol[state], self.simple_choices(state)) for state in states]
            ends = frozenset((symbol, point) for symbol, done in simple for point in done.points)
            opens = frozenset((symbol, later) for symbol, done in simple for later in done.states)
            self._simple_starts[context] = Rest(ends, opens, 1)
        return self._simple_starts[context]

    def _ended(self, state: int) -> tuple[tuple[int, int], ...]:
        """(symbol, context behind it) where a terminal may end in a state."""
        return ((self.symbol[state], self.after[state]),) if state != NONE and self.accepts[state] else ()

    def starts(self, context: int) -> Starts:
        """All tokens that can begin in ``context``."""
        if context not in self._starts:
            points = self._points_below(0, context)
            groups = {int(point): tokens for point, tokens in self.trie.grouped(0, points, NONE)}
            rests = [self.rest(point) for point in groups]
            everything = Rest(
                frozenset().union(*(r.ends for r in rests)), frozenset().union(*(r.opens for r in rests)),
                max((r.height for r in rests), default=0),
            )  # fmt: skip
            tokens = tuple(np.sort(members) for members in groups.values())
            self._starts[context] = Starts(tuple(groups), tokens, everything)
        return self._starts[context]

    def _points_below(self, node: int, context: int) -> Ids:
        """For each token at a node or below it, in the order of the trie: its point when it has been read up to the
        node, and ``context`` follows there; NONE for none."""
        trie = self.trie
        first, last = trie.range(node)
        if last - first <= FEW:
            depth = int(trie.depth[node])
            data = (self.vocabulary.tokens[token] for token in trie.trie.ids[first:last].tolist())
            return np.array([self.point(context, rest[depth:]) for rest in data if rest is not None], np.int32)
        if (node, context) not in self._below:
            self._below[node, context] = self._find_points_below(node, context)
        return self._below[node, context]

    def _find_points_below(self, node: int, context: int) -> Ids:
        trie, lexemes = self.trie, self._lexemes
        start = lexemes.start(context)
        nodes = trie.walk(node, start, 0, lexemes.table)
        states = trie.states[nodes].copy()
        keys, meanings = self._meanings(node, nodes, states, lexemes.accepted.__getitem__)
        points = np.array([self._meaning(last, more) for last, more in meanings], np.int32)
        found = points[keys]
        found[: trie.ends_at(node)] = context
        return found

    def _meaning(self, subset: int, more: frozenset[tuple[int, int]]) -> int:
        """The point of a rest that ends in a set of states, and whose parts do more."""
        ended = () if subset == NONE else self._lexemes.accepted[subset]
        ends = more.union(ended)  # the context behind it is the point where a token is used up
        opens = frozenset() if subset == NONE else self._lexemes.opens[subset]
        height = max((1 + self._height(point) for _, point in ends), default=0)
        return self._number(Rest(ends, opens, height))

    def _begins(self, context: int) -> npt.NDArray[np.bool_]:
        """(256,) the bytes with which something can begin in ``context``."""
        found: npt.NDArray[np.bool_] = (self.step[list(self.first_states[context])] != self.dead).any(axis=0)
        return found

    def _meanings(
        self, top: int, nodes: Ids, states: Ids, ended: Callable[[int], tuple[tuple[int, int], ...]]
    ) -> tuple[Ids, list[Meaning]]:
        """What tokens below ``top`` do that an automaton has followed to ``nodes`` in ``states``: a number for each
        token in the order of the trie (0: nothing), and for each number the last state (NONE: dead before its end) and
        what it does where a terminal ends before its end: (symbol, point)."""
        trie = self.trie
        begin, end = trie.range(top)
        meanings: list[Meaning] = [(NONE, frozenset())]
        keys = np.zeros(end - begin, np.int32)
        numbers: dict[Meaning, int] = {meanings[0]: 0}

        def number(meaning: Meaning) -> int:
            if meaning not in numbers:
                numbers[meaning] = len(meanings)
                meanings.append(meaning)
            return numbers[meaning]

        distinct, which = np.unique(states, return_inverse=True)
        of_state = np.array([number((int(state), frozenset())) for state in distinct], np.int32)
        places, owners = trie.places_of(nodes)
        keys[places - begin] = of_state[which.ravel()][owners]
        for k, state in enumerate(distinct.tolist()):
            for symbol, context in ended(state):
                for node in trie.with_child(nodes[which.ravel() == k], self._begins(context)).tolist():
                    first, last = trie.range(node)
                    first += trie.ends_at(node)
                    points = self._points_below(node, context)[trie.ends_at(node) :]
                    part = keys[first - begin : last - begin]
                    for pair in np.unique(np.column_stack((part, points))[points != NONE], axis=0):
                        old, point = pair.tolist()
                        state_, more = meanings[old]
                        part[(part == old) & (points == point)] = number((state_, more | {(symbol, point)}))
        return keys, meanings


class _Subsets:
    """Sets of states, those of terminals that may be read from one place, as states of one deterministic automaton;
    explored from where they are asked for."""

    def __init__(self, spelling: Spelling) -> None:
        self.spelling = spelling
        self.numbers: dict[frozenset[int], int] = {frozenset(): 0}  # number 0 is dead
        self.members: list[frozenset[int]] = [frozenset()]
        self.rows: list[list[int]] = [[0] * 256]
        self.accepted: list[tuple[tuple[int, int], ...]] = [()]  # (terminal, context behind it) that end here
        self.opens: list[frozenset[tuple[int, int]]] = [frozenset()]  # (terminal, state) that go on
        self.table: Table = np.zeros((1, 256), np.int32)

    def start(self, context: int) -> int:
        """The set with which ``context`` begins; all that follows is explored."""
        spelling = self.spelling
        number = self._number(spelling.first_states[context])
        while len(self.rows) < len(self.members):
            self._explore(self.members[len(self.rows)])
            if len(self.rows) > MAX_SUBSETS:
                raise LimitExceeded("states of terminals that are read together", len(self.rows), MAX_SUBSETS)
        known = len(self.table)
        if known < len(self.rows):
            self.table = np.vstack((self.table, np.array(self.rows[known:], np.int32)))
        return number

    def _explore(self, subset: frozenset[int]) -> None:
        spelling = self.spelling
        columns = spelling.step[list(subset)]
        distinct, which = np.unique(columns, axis=1, return_inverse=True)
        numbers = [self._number(column.tolist()) for column in distinct.T]
        self.rows.append([numbers[k] for k in which.ravel()])
        self.accepted.append(tuple({(spelling.symbol[s], spelling.after[s]) for s in subset if spelling.accepts[s]}))
        self.opens.append(frozenset((spelling.symbol[s], s) for s in subset if spelling.goes_on[s]))

    def _number(self, states: Iterable[int]) -> int:
        key = frozenset(states) - {self.spelling.dead}
        number = self.numbers.setdefault(key, len(self.members))
        if number == len(self.members):
            self.members.append(key)
        return number


def _as_choices(groups: dict[Effect, Ids]) -> Choices:
    states = {key.state for key in groups} - {NONE}
    points = frozenset().union(*(key.points for key in groups))
    return Choices(tuple(groups), tuple(groups.values()), tuple(sorted(states)), tuple(sorted(points)))
