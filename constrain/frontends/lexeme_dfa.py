"""Small deterministic automata over classes of symbols: what two regular expressions say of each other.

Used where an ``Rx`` alone does not do: to follow two languages at once and to read an automaton back as an
expression. Every state is reachable and can still accept, so "there is a move" means "some member goes on so".
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from constrain.errors import LimitExceeded
from constrain.ir import rx
from constrain.ir.rx import EPSILON, NOTHING, Ranges, Rx

MAX_STATES = 20_000  # of one automaton while it is built
MAX_READ_BACK = 400  # states of an automaton that is turned into an expression, which may square its size

Moves = tuple[tuple[Ranges, int], ...]


@dataclass(frozen=True, eq=False)
class Dfa:
    """``moves[state]`` lists ``(symbols, next state)``, symbols disjoint. State 0 is the start.

    The empty language has no states at all.
    """

    moves: tuple[Moves, ...]
    accepting: frozenset[int]

    def accepts(self, symbols: Iterable[int]) -> bool:
        state: int | None = 0 if self.moves else None
        for symbol in symbols:
            if state is None:
                return False
            state = self.next(state, symbol)
        return state in self.accepting

    def next(self, state: int, symbol: int) -> int | None:
        for ranges, target in self.moves[state]:
            if any(low <= symbol <= high for low, high in ranges):
                return target
        return None

    def smallest(self) -> Dfa:
        """The same language with no two equal states; the start stays 0."""
        block = _equal_states(self)
        order: dict[int, int] = {}
        for number in block:
            order.setdefault(number, len(order))
        rows: list[Moves] = [()] * len(order)
        for state, moves in enumerate(self.moves):
            rows[order[block[state]]] = tuple((r, order[b]) for b, r in _by_block(moves, block).items())
        return Dfa(tuple(rows), frozenset(order[block[state]] for state in self.accepting))

    @cached_property
    def expression(self) -> Rx:
        """The language as an expression."""
        edges = {
            (source, target): rx.chars(ranges) for source, moves in enumerate(self.moves) for ranges, target in moves
        }
        return path_language(len(self.moves), edges, (0,) if self.moves else (), self.accepting)


def path_language(count: int, edges: Mapping[tuple[int, int], Rx], starts: Iterable[int], ends: Iterable[int]) -> Rx:
    """All paths from ``starts`` to ``ends`` in a graph of ``count`` nodes: states are eliminated one by one.

    Brzozowski and McCluskey 1963; the node with the fewest paths through it goes first.
    """
    if count > MAX_READ_BACK:
        raise LimitExceeded("states of a terminal read back as an expression", count, MAX_READ_BACK)
    first, last = count, count + 1
    out: dict[int, dict[int, Rx]] = {node: {} for node in range(count + 2)}
    for (source, target), label in edges.items():
        if label != NOTHING:
            out[source][target] = label
    out[first] = dict.fromkeys(starts, EPSILON)
    for node in ends:
        out[node][last] = EPSILON
    into = {node: {source for source in out if node in out[source]} for node in out}
    left = set(range(count))
    while left:
        node = min(left, key=lambda n: (len(into[n] - {n}) * len(out[n].keys() - {n}), n))
        left.remove(node)
        _bypass(node, out, into)
    return out[first].get(last, NOTHING)


def _bypass(node: int, out: dict[int, dict[int, Rx]], into: dict[int, set[int]]) -> None:
    """Take a node out of the graph; the paths through it become edges."""
    around = rx.repeat(out[node].pop(node, NOTHING), 0, None)
    into[node].discard(node)
    for source in into.pop(node):
        head = out[source].pop(node)
        for target, tail in out[node].items():
            through = rx.concat((head, around, tail))
            out[source][target] = rx.union((out[source].get(target, NOTHING), through))
            into[target].add(source)
    for target in out.pop(node):
        into[target].discard(node)


def trimmed(moves: Mapping[Hashable, Mapping[Hashable, Ranges]], start: Hashable, accepting: set[Hashable]) -> Dfa:
    """The automaton for states of any kind without its dead states, numbered from 0."""
    live = _can_reach(moves, accepting)
    if start not in live:
        return Dfa((), frozenset())
    order = {start: 0}
    for state in moves:
        if state in live:
            order.setdefault(state, len(order))
    rows: list[Moves] = [()] * len(order)
    for state, number in order.items():
        rows[number] = tuple((ranges, order[t]) for t, ranges in moves[state].items() if t in live)
    return Dfa(tuple(rows), frozenset(order[state] for state in accepting))


def _can_reach(moves: Mapping[Hashable, Mapping[Hashable, Ranges]], goal: set[Hashable]) -> set[Hashable]:
    sources: dict[Hashable, list[Hashable]] = {}
    for source, targets in moves.items():
        for target in targets:
            sources.setdefault(target, []).append(source)
    found, stack = set(goal), list(goal)
    while stack:
        for source in sources.get(stack.pop(), ()):
            if source not in found:
                found.add(source)
                stack.append(source)
    return found


def _equal_states(dfa: Dfa) -> list[int]:
    """Moore 1956: split by acceptance, then by where the moves lead, until nothing splits. State to block."""
    block = [int(state in dfa.accepting) for state in range(len(dfa.moves))]
    count = len(set(block))
    while True:
        names: dict[Hashable, int] = {}
        finer = []
        for state, moves in enumerate(dfa.moves):
            signature = (block[state], frozenset(_by_block(moves, block).items()))
            finer.append(names.setdefault(signature, len(names)))
        if len(names) == count:
            return block
        block, count = finer, len(names)


def _by_block(moves: Moves, block: list[int]) -> dict[int, Ranges]:
    joined: dict[int, list[tuple[int, int]]] = {}
    for ranges, target in moves:
        joined.setdefault(block[target], []).extend(ranges)
    return {number: rx.merge_ranges(ranges) for number, ranges in joined.items()}


@dataclass(frozen=True)
class Overlap:
    """How the members of one language run into the continuations of a state of another automaton.

    ``free``: its members that do not begin with such a continuation (at least one symbol long).
    ``cut``: are there members that do? ``straddles``: the (accepting state, other state) pairs of members
    that end within a continuation.
    """

    free: Dfa
    cut: bool
    straddles: frozenset[tuple[int, int]]


def overlap(language: Dfa, other: Dfa, state: int) -> Overlap:
    """Follow ``language`` and ``other`` from ``state`` together."""
    if not language.moves or not any(both for both in _first_symbols(language, other, state)):
        return Overlap(language, False, frozenset())
    start: tuple[int, int | None] = (0, state)
    moves: dict[Hashable, dict[Hashable, Ranges]] = {}
    accepting: set[Hashable] = set()
    straddles = set()
    cut, stack = False, [start]
    while stack:
        pair = stack.pop()
        if pair in moves:
            continue
        mine, theirs = pair
        targets: dict[Hashable, Ranges] = {}
        moves[pair] = targets
        if mine in language.accepting:
            accepting.add(pair)
            if theirs is not None and pair != start:
                straddles.add((mine, theirs))
        for ranges, target, follower in _together(language.moves[mine], () if theirs is None else other.moves[theirs]):
            if follower in other.accepting:
                cut = True  # whatever follows: all members from here on begin with a continuation
                continue
            key: Hashable = (target, follower)
            targets[key] = rx.merge_ranges((*targets.get(key, ()), *ranges))
            stack.append((target, follower))
        if len(moves) > MAX_STATES:
            raise LimitExceeded("states of two terminals together", len(moves), MAX_STATES)
    return Overlap(trimmed(moves, start, accepting), cut, frozenset(straddles))


def _first_symbols(language: Dfa, other: Dfa, state: int) -> Iterator[Ranges]:
    for mine, _ in language.moves[0]:
        for theirs, _ in other.moves[state]:
            yield common(mine, theirs)


def _together(mine: Moves, theirs: Moves) -> Iterable[tuple[Ranges, int, int | None]]:
    for ranges, target in mine:
        left = ranges
        for others, follower in theirs:
            both = common(left, others)
            if both:
                yield both, target, follower
                left = without(left, others)
        if left:
            yield left, target, None


def common(left: Ranges, right: Ranges) -> Ranges:
    """The symbols in both."""
    found, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low <= high:
            found.append((low, high))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def without(left: Ranges, right: Ranges) -> Ranges:
    """The symbols in the first only."""
    found, j = [], 0
    for low, high in left:
        while j < len(right) and right[j][1] < low:
            j += 1
        k = j
        while k < len(right) and right[k][0] <= high:
            if right[k][0] > low:
                found.append((low, right[k][0] - 1))
            low = right[k][1] + 1
            k += 1
        if low <= high:
            found.append((low, high))
    return tuple(found)
