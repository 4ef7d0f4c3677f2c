"""How the tokens of a vocabulary spell the terminals of a grammar.

A token can end a terminal, spell others, and leave one unfinished. What it does at a slot depends on what is unfinished
there, a *state* of some terminal's automaton, or, between terminals, a *context*: which terminals may follow. What a
token does behind the end of a terminal depends on the rest of its bytes only; rests that do the same are one
*point*. So a slot that is open has few different things to offer, however large the vocabulary is.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constrain.canvas.bytesets import NOWHERE
from constrain.canvas.normal import Normal
from constrain.errors import LimitExceeded
from constrain.kernels.spelling import walk_trie
from constrain.vocab.trie import Trie, build_trie
from constrain.vocab.vocabulary import Vocabulary

Ids = npt.NDArray[np.int32]
Table = npt.NDArray[np.int32]
NONE = -1
MAX_SUBSETS = 50_000


class Context(NamedTuple):
    """The terminals that may come next, and whether the text may end."""

    terminals: frozenset[int]
    may_end: bool


class Rest(NamedTuple):
    """What the rest of a token does: ``ends``, terminals that end at another point of it (terminal, point), and
    ``opens``, terminals that it leaves unfinished (terminal, state)."""

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
        self._join_tables()
        self._find_contexts()
        self._classes: dict[Rest, int] = {}
        self.rests: list[Rest] = []
        self._points: dict[tuple[int, bytes], int] = {}
        self._lexemes = _Subsets(self, chained=False)
        self._texts = _Subsets(self, chained=True)
        self._choices: dict[int, Choices] = {}
        self._starts: dict[int, Starts] = {}
        self._effects: dict[tuple[int, int], Effect] = {}

    def _join_tables(self) -> None:
        """All automata in one table; ``dead`` is a state of its own."""
        terminals = self.normal.terminals
        sizes = [len(t.accepts) for t in terminals]
        base = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        self.dead = int(base[-1])
        self.step: Table = np.full((self.dead + 1, 256), self.dead, np.int32)
        self.accepts = np.zeros(self.dead + 1, np.bool_)
        self.owner = np.repeat(np.arange(len(terminals), dtype=np.int32), sizes)
        for first, terminal in zip(base, terminals, strict=False):
            size = len(terminal.accepts)
            self.step[first : first + size] = np.where(terminal.step == NOWHERE, self.dead, terminal.step + first)
            self.accepts[first : first + size] = terminal.accepts
        self.first_state = [int(state) for state in base[:-1]]
        self.goes_on = (self.step != self.dead).any(axis=1)

    def _find_contexts(self) -> None:
        """``contexts[0]`` is the beginning; ``after[t]`` is the context behind terminal t."""
        first, follow, final = _first_and_follow(self.normal)
        numbers: dict[Context, int] = {}

        def number(context: Context) -> int:
            return numbers.setdefault(context, len(numbers))

        number(Context(frozenset(first), self.normal.accepts_empty))
        self.after = [number(Context(frozenset(follow[t]), t in final)) for t in range(len(self.normal.terminals))]
        self.contexts = list(numbers)

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
            for terminal in lexemes.accepted[subset]:
                point = self.point(self.after[terminal], rest[k + 1 :])
                if point != NONE:
                    ends.add((terminal, point))
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
            self._effects[key] = self._effect(state, self.vocabulary.tokens[token])
        return self._effects[key]

    def _effect(self, state: int, data: bytes | None) -> Effect:
        context = self.after[self.owner[state]]
        points = set()
        for k, byte in enumerate(data or b""):
            state = int(self.step[state, byte])
            if self.accepts[state]:
                points.add(self.point(context, data[k + 1 :]))  # type: ignore[index]
            if state == self.dead:
                break
        return Effect(state if data and self.goes_on[state] else NONE, frozenset(points - {NONE}))

    def start(self, context: int, token: int) -> int:
        """The point at which ``token`` begins in ``context``; NONE if it cannot."""
        data = self.vocabulary.tokens[token] if token < len(self.vocabulary) else None
        return self.point(context, data) if data else NONE

    # ---- the whole vocabulary --------------------------------------------------------------------------------

    @cached_property
    def trie(self) -> _Walker:
        return _Walker(build_trie(self.vocabulary))

    def choices(self, state: int) -> Choices:
        """All tokens that do something in ``state``."""
        if state not in self._choices:
            self._choices[state] = self._find_choices(state)
        return self._choices[state]

    def _find_choices(self, state: int) -> Choices:
        trie, context = self.trie, self.after[self.owner[state]]
        nodes = trie.walk(0, state, self.dead, self.step)
        states = trie.states[nodes].copy()
        found: dict[int, set[int]] = {}  # points, by token
        ended = nodes[self.accepts[states]]
        for node in ended:
            for token in trie.ids_at(node):
                found.setdefault(token, set()).add(context)
        first = self._texts.start(context)
        for node in trie.with_child(ended, self._texts.table[first] != 0):
            for token, data in self._below(int(node), context):
                point = self.point(context, data)
                if point != NONE:
                    found.setdefault(token, set()).add(point)
        groups: dict[Effect, list[Ids]] = {}
        tokens, owners = trie.tokens_of(nodes)
        after = np.where(self.goes_on[states], states, NONE)[owners]
        special = np.isin(tokens, np.fromiter(found, np.int64, len(found)))
        plain = ~special & (after != NONE)
        for value in np.unique(after[plain]):
            groups[Effect(int(value), frozenset())] = [tokens[plain & (after == value)]]
        last = dict(zip(tokens[special].tolist(), after[special].tolist(), strict=True))
        sets: dict[Effect, list[int]] = {}
        for token, points in found.items():
            sets.setdefault(Effect(last.get(token, NONE), frozenset(points)), []).append(token)
        for key, members in sets.items():
            groups.setdefault(key, []).append(np.array(members, np.int32))
        return _as_choices({key: np.sort(np.concatenate(parts)).astype(np.int32) for key, parts in groups.items()})

    def _below(self, node: int, context: int) -> Iterable[tuple[int, bytes]]:
        """Tokens below a node whose bytes from there can be spelled in the context, with these bytes."""
        trie, start = self.trie, self._texts.start(context)
        depth = int(trie.depth[node])
        reached, _ = trie.tokens_of(trie.walk(node, start, 0, self._texts.table))
        for token in reached.tolist():
            yield token, self.vocabulary.tokens[token][depth:]

    def starts(self, context: int) -> Starts:
        """All tokens that can begin in ``context``."""
        if context not in self._starts:
            groups: dict[int, list[int]] = {}
            for token, data in self._below(0, context):
                point = self.point(context, data)
                if point != NONE:
                    groups.setdefault(point, []).append(token)
            rests = [self.rest(point) for point in groups]
            everything = Rest(
                frozenset().union(*(r.ends for r in rests)), frozenset().union(*(r.opens for r in rests)),
                max((r.height for r in rests), default=0),
            )  # fmt: skip
            tokens = tuple(np.array(sorted(members), np.int32) for members in groups.values())
            self._starts[context] = Starts(tuple(groups), tokens, everything)
        return self._starts[context]


class _Subsets:
    """Sets of states of terminals as states of one deterministic automaton, explored from where they are asked for.

    ``chained``: behind the end of a terminal those that may follow begin, so it lives as long as any spelling does.
    """

    def __init__(self, spelling: Spelling, *, chained: bool) -> None:
        self.spelling, self.chained = spelling, chained
        self.numbers: dict[frozenset[int], int] = {frozenset(): 0}  # number 0 is dead
        self.members: list[frozenset[int]] = [frozenset()]
        self.rows: list[list[int]] = [[0] * 256]
        self.accepted: list[tuple[int, ...]] = [()]  # terminals that end here
        self.opens: list[frozenset[tuple[int, int]]] = [frozenset()]  # (terminal, state) that go on
        self.table: Table = np.zeros((1, 256), np.int32)

    def start(self, context: int) -> int:
        """The set with which ``context`` begins; all that follows is explored."""
        spelling = self.spelling
        number = self._number(spelling.first_state[t] for t in spelling.contexts[context].terminals)
        while len(self.rows) < len(self.members):
            self._explore(self.members[len(self.rows)])
            if len(self.rows) > MAX_SUBSETS:
                raise LimitExceeded("states of terminals that follow one another", len(self.rows), MAX_SUBSETS)
        if len(self.table) < len(self.rows):
            self.table = np.array(self.rows, np.int32)
        return number

    def _explore(self, subset: frozenset[int]) -> None:
        spelling = self.spelling
        columns = spelling.step[list(subset)]
        distinct, which = np.unique(columns, axis=1, return_inverse=True)
        numbers = [self._number(column.tolist()) for column in distinct.T]
        self.rows.append([numbers[k] for k in which.ravel()])
        self.accepted.append(tuple({int(spelling.owner[s]) for s in subset if spelling.accepts[s]}))
        self.opens.append(frozenset((int(spelling.owner[s]), s) for s in subset if spelling.goes_on[s]))

    def _number(self, states: Iterable[int]) -> int:
        subset = set(states) - {self.spelling.dead}
        if self.chained:
            spelling = self.spelling
            for terminal in {int(spelling.owner[s]) for s in subset if spelling.accepts[s]}:
                followers = spelling.contexts[spelling.after[terminal]].terminals
                subset.update(spelling.first_state[t] for t in followers)
        key = frozenset(subset)
        number = self.numbers.setdefault(key, len(self.members))
        if number == len(self.members):
            self.members.append(key)
        return number


class _Walker:
    """The vocabulary's trie with what walks need."""

    def __init__(self, trie: Trie) -> None:
        self.trie = trie
        nodes = len(trie.byte)
        self.parent = np.zeros(nodes, np.int32)
        self.parent[trie.kid] = np.repeat(np.arange(nodes, dtype=np.int32), np.diff(trie.kid0))
        self.depth = np.zeros(nodes, np.int32)
        level = trie.kid[trie.kid0[0] : trie.kid0[1]]
        depth = 1
        while len(level):
            self.depth[level] = depth
            level = np.concatenate([trie.kid[trie.kid0[n] : trie.kid0[n + 1]] for n in level])
            depth += 1
        self.states = np.zeros(nodes, np.int32)
        self._visited = np.zeros(nodes, np.int32)
        self._walk = walk_trie.direct

    def walk(self, top: int, start: int, dead: int, step: Table) -> npt.NDArray[np.int32]:
        """The nodes below ``top`` where the automaton lives; ``states`` has its states there, until the next walk."""
        trie = self.trie
        count = self._walk(top, start, dead, trie.byte, trie.end, self.parent, step.reshape(-1), self.states,
                           self._visited)  # fmt: skip
        return self._visited[:count].copy()

    def ids_at(self, node: int) -> list[int]:
        """Tokens that end at a node."""
        trie = self.trie
        return trie.ids[trie.token0[node] : trie.token0[node + 1]].tolist()  # type: ignore[no-any-return]

    def tokens_of(self, nodes: npt.NDArray[np.int32]) -> tuple[Ids, npt.NDArray[np.int64]]:
        """Tokens that end at the nodes, and for each the index of its node."""
        trie = self.trie
        first, counts = trie.token0[nodes], trie.token0[nodes + 1] - trie.token0[nodes]
        owners = np.repeat(np.arange(len(nodes)), counts)
        offsets = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        return trie.ids[first[owners] + offsets], owners

    def with_child(self, nodes: npt.NDArray[np.int32], alive: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        """Those nodes that have a child on an edge with a byte that is ``alive``."""
        counts = self.trie.kid0[nodes + 1] - self.trie.kid0[nodes]
        owners = np.repeat(np.arange(len(nodes)), counts)
        offsets = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        kids = self.trie.kid[self.trie.kid0[nodes][owners] + offsets]
        return nodes[np.unique(owners[alive[self.trie.byte[kids]]])]  # type: ignore[no-any-return]


def _as_choices(groups: dict[Effect, Ids]) -> Choices:
    states = {key.state for key in groups} - {NONE}
    points = frozenset().union(*(key.points for key in groups))
    return Choices(tuple(groups), tuple(groups.values()), tuple(sorted(states)), tuple(sorted(points)))


def _first_and_follow(normal: Normal) -> tuple[set[int], list[set[int]], set[int]]:
    """Terminals that can begin a text, those that can follow each terminal, and those that can end a text."""
    count = len(normal.terminals)
    first = [{x} if x < count else set() for x in range(normal.symbols)]
    last = [{x} if x < count else set() for x in range(normal.symbols)]
    changed = True
    while changed:
        changed = False
        for head, *parts in [*normal.units, *normal.pairs]:
            if not first[parts[0]] <= first[head] or not last[parts[-1]] <= last[head]:
                first[head] |= first[parts[0]]
                last[head] |= last[parts[-1]]
                changed = True
    follow: list[set[int]] = [set() for _ in range(count)]
    for _, left, right in normal.pairs:
        for terminal in last[left]:
            follow[terminal] |= first[right]
    return first[normal.start], follow, last[normal.start]
