"""Deterministic automata over symbol classes, by exploring a machine given as (start, step, accepts).

Intersection and complement are a local ``step`` and ``accepts`` each; ``explore`` numbers the states reached.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple, Protocol

from constrain.errors import LimitExceeded
from constrain.kernels.layout import L_CLASS, L_JUMP, L_MATCH, L_SPLIT

MAX_STATES = 10_000


class Simulation(Protocol):
    """A deterministic machine by its three functions; ``None`` is the dead state."""

    start: Any

    def step(self, state: Any, symbol: int) -> Any: ...

    def accepts(self, state: Any) -> bool: ...


class ProgramSimulation:
    """Subset simulation of a leaf program: states are numbers of sets of waiting instructions; steps are remembered."""

    def __init__(self, code: list[int], sets: list[frozenset[int]]) -> None:
        self._code = code
        self._sets = sets
        self._numbers: dict[frozenset[int], int] = {}
        self._members: list[frozenset[int]] = []
        self._steps: list[dict[int, int | None]] = []
        self.start = self._number([0])

    def step(self, state: int, symbol: int) -> int | None:
        known = self._steps[state]
        if symbol not in known:
            code, sets = self._code, self._sets
            after = [pc + 2 for pc in self._members[state] if code[pc] == L_CLASS and symbol in sets[code[pc + 1]]]
            known[symbol] = self._number(after) if after else None
        return known[symbol]

    def accepts(self, state: int) -> bool:
        return any(self._code[pc] == L_MATCH for pc in self._members[state])

    def _number(self, stack: list[int]) -> int | None:
        members = frozenset(closure(self._code, stack))
        if not members:
            return None
        number = self._numbers.setdefault(members, len(self._members))
        if number == len(self._members):
            self._members.append(members)
            self._steps.append({})
        return number


def closure(code: list[int], stack: list[int]) -> list[int]:
    """The match and class instructions reachable from the addresses on ``stack`` (used up) without a symbol."""
    seen: set[int] = set()
    found: list[int] = []
    while stack:
        pc = stack.pop()
        if pc in seen:
            continue
        seen.add(pc)
        if code[pc] == L_SPLIT:
            stack += code[pc + 1 : pc + 3]
        elif code[pc] == L_JUMP:
            stack.append(code[pc + 1])
        else:
            found.append(pc)
    return found


class AndSimulation:
    """All parts at once."""

    def __init__(self, parts: list[Simulation]) -> None:
        self._parts = parts
        start = tuple(part.start for part in parts)
        self.start = None if None in start else start

    def step(self, state: tuple[Any, ...], symbol: int) -> tuple[Any, ...] | None:
        after = []
        for part, inner in zip(self._parts, state, strict=True):
            target = part.step(inner, symbol)
            if target is None:
                return None
            after.append(target)
        return tuple(after)

    def accepts(self, state: tuple[Any, ...]) -> bool:
        return all(part.accepts(inner) for part, inner in zip(self._parts, state, strict=True))


class NotSimulation:
    """The complement; the body's dead state, wrapped so that it is a state, accepts."""

    def __init__(self, body: Simulation) -> None:
        self._body = body
        self.start = (body.start,)

    def step(self, state: tuple[Any], symbol: int) -> tuple[Any]:
        return (None if state[0] is None else self._body.step(state[0], symbol),)

    def accepts(self, state: tuple[Any]) -> bool:
        return state[0] is None or not self._body.accepts(state[0])


class NothingSimulation:
    """The empty language."""

    start: Any = None

    def step(self, state: Any, symbol: int) -> None:
        return None

    def accepts(self, state: Any) -> bool:
        return False


class Table(NamedTuple):
    """``edges[q]`` lists (target, classes); state 0 starts."""

    edges: tuple[tuple[tuple[int, frozenset[int]], ...], ...]
    accepting: tuple[bool, ...]


class TableSimulation:
    """A table, from any of its states."""

    def __init__(self, table: Table, start: int = 0) -> None:
        self._targets = [{symbol: target for target, symbols in row for symbol in symbols} for row in table.edges]
        self._accepting = table.accepting
        self.start = start

    def step(self, state: int, symbol: int) -> int | None:
        return self._targets[state].get(symbol)

    def accepts(self, state: int) -> bool:
        return self._accepting[state]


def explore(machine: Simulation, alphabet: tuple[int, ...]) -> Table | None:
    """Number the states reachable from the start breadth-first and drop those that cannot accept; None: no word."""
    if machine.start is None:
        return None
    index: dict[Hashable, int] = {machine.start: 0}
    order: list[Any] = [machine.start]
    edges: list[dict[int, set[int]]] = []
    for state in order:  # grows while we walk it
        row: dict[int, set[int]] = {}
        for symbol in alphabet:
            target = machine.step(state, symbol)
            if target is None:
                continue
            number = index.setdefault(target, len(order))
            if number == len(order):
                order.append(target)
                if number >= MAX_STATES:
                    raise LimitExceeded(
                        "states of an intersection or complement", number + 1, MAX_STATES, "simplify the expression"
                    )
            row.setdefault(number, set()).add(symbol)
        edges.append(row)
    return _trim(edges, [machine.accepts(state) for state in order])


def _trim(edges: list[dict[int, set[int]]], accepting: list[bool]) -> Table | None:
    alive = reach_back(len(edges), [(q, target) for q, row in enumerate(edges) for target in row], accepting)
    if not alive[0]:
        return None
    number = {q: i for i, q in enumerate(q for q in range(len(edges)) if alive[q])}
    kept = tuple(tuple((number[t], frozenset(symbols)) for t, symbols in edges[q].items() if alive[t]) for q in number)
    return Table(kept, tuple(accepting[q] for q in number))


def minimise(table: Table) -> Table:
    """The same language with the fewest states (Moore 1956: split classes until successors agree)."""
    size = len(table.edges)
    rows = [{symbol: target for target, symbols in row for symbol in symbols} for row in table.edges]
    kinds = [int(accepts) for accepts in table.accepting]
    count = len(set(kinds))
    while True:
        keys: dict[Hashable, int] = {}
        fresh = [
            keys.setdefault((kinds[q], frozenset((s, kinds[t]) for s, t in rows[q].items())), len(keys))
            for q in range(size)
        ]
        if len(keys) == count:
            break
        kinds, count = fresh, len(keys)
    if count == size:
        return table
    first = {kind: q for q, kind in reversed(list(enumerate(kinds)))}
    order = sorted(first, key=first.__getitem__)  # the start comes first
    place = {kind: i for i, kind in enumerate(order)}
    edges = []
    for kind in order:
        row: dict[int, set[int]] = {}
        for symbol, target in rows[first[kind]].items():
            row.setdefault(place[kinds[target]], set()).add(symbol)
        edges.append(tuple((target, frozenset(symbols)) for target, symbols in row.items()))
    return Table(tuple(edges), tuple(table.accepting[first[kind]] for kind in order))


def reach_back(size: int, pairs: list[tuple[int, int]], goals: list[bool]) -> list[bool]:
    """Which of ``size`` nodes reach a goal along ``pairs`` (from, to)."""
    before: list[list[int]] = [[] for _ in range(size)]
    for source, target in pairs:
        before[target].append(source)
    alive, stack = list(goals), [q for q in range(size) if goals[q]]
    while stack:
        for source in before[stack.pop()]:
            if not alive[source]:
                alive[source] = True
                stack.append(source)
    return alive
