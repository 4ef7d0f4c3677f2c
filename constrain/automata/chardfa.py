"""Deterministic automata over symbol classes, by exploring a machine given as (start, step, accepts).

Intersection and complement are a local ``step`` and ``accepts`` each; ``explore`` numbers the states reached.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple, Protocol

from constrain.errors import LimitExceeded
from constrain.kernels.layout import L_CLASS, L_JUMP, L_MATCH, L_SPLIT

MAX_STATES = 50_000


class Simulation(Protocol):
    """A deterministic machine by its three functions; ``None`` is the dead state."""

    start: Any

    def step(self, state: Any, symbol: int) -> Any: ...

    def accepts(self, state: Any) -> bool: ...


class ProgramSimulation:
    """Subset simulation of a leaf program: a state is the frozen set of waiting instructions."""

    def __init__(self, code: list[int], sets: list[frozenset[int]]) -> None:
        self._code = code
        self._sets = sets
        self.start = self._closure([0])

    def step(self, state: frozenset[int], symbol: int) -> frozenset[int] | None:
        code = self._code
        return self._closure([pc + 2 for pc in state if code[pc] == L_CLASS and symbol in self._sets[code[pc + 1]]])

    def accepts(self, state: frozenset[int]) -> bool:
        return any(self._code[pc] == L_MATCH for pc in state)

    def _closure(self, stack: list[int]) -> frozenset[int] | None:
        return frozenset(closure(self._code, stack)) or None


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


class Table(NamedTuple):
    """``edges[q]`` lists (target, classes); state 0 starts."""

    edges: tuple[tuple[tuple[int, frozenset[int]], ...], ...]
    accepting: tuple[bool, ...]


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
