"""Regular expression -> leaf program: Thompson construction over classes of symbols.

Intersections and complements are first turned into deterministic automata (``automata/chardfa.py``). The states
and transitions of these, and of graphs, become instructions; everything else translates directly, in linear size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from constrain.automata.chardfa import (
    AndSimulation,
    NothingSimulation,
    NotSimulation,
    ProgramSimulation,
    Simulation,
    Table,
    TableSimulation,
    explore,
    minimise,
)
from constrain.automata.partition import Partition, edge_ranges
from constrain.errors import LimitExceeded
from constrain.ir import rx as _rx
from constrain.ir.rx import Rx
from constrain.kernels.layout import L_CLASS, L_JUMP, L_MATCH, L_SPLIT

MAX_CODE = 1 << 20  # words of one leaf program; a bounded repeat costs as many copies of its body as its bound


@dataclass(frozen=True)
class LeafCode:
    """A leaf program with addresses relative to its start.

    code     list of int32: ``L_MATCH``; ``L_CLASS, set`` (``set`` indexes ``sets`` rows); ``L_SPLIT, a, b``;
             ``L_JUMP, a``
    cuts     first symbol of each run, ascending, from 0
    classes  class of each run
    sets     (class sets, classes) uint8 membership
    """

    code: list[int]
    cuts: list[int]
    classes: list[int]
    sets: npt.NDArray[np.uint8]


def compile_leaf(rx: Rx, top: int) -> LeafCode | None:
    """Program of a non-empty language over symbols 0..``top``; ``None`` when the language is empty."""
    partition = Partition.of(rx, top)
    rx = _determinise_boolean(rx, partition)
    if rx == _rx.NOTHING:
        return None
    emitter = _Emitter(partition)
    emitter.emit(rx)
    emitter.code.append(L_MATCH)
    sets = np.zeros((max(len(emitter.sets), 1), partition.size), np.uint8)
    for row, members in enumerate(emitter.sets):
        sets[row, list(members)] = 1
    return LeafCode(emitter.code, partition.cuts, partition.classes, sets)


@dataclass(frozen=True, slots=True)
class Machine(Rx):
    """A trimmed deterministic automaton inside an expression; stands for an intersection, complement or graph."""

    table: Table


def _determinise_boolean(rx: Rx, partition: Partition) -> Rx:
    """Replace each And / Not / Graph by a ``Machine``, or by ``NOTHING``, and simplify around it."""
    match rx:
        case _rx.Chars():  # nothing when it lies past the alphabet, or has surrogates only
            return rx if partition.classes_of(rx) else _rx.NOTHING
        case Machine():
            return rx
        case _rx.Graph():
            table = _table(rx, partition)
            return Machine(table) if table else _rx.NOTHING
        case _rx.Concat(parts):
            return _rx.concat(_determinise_boolean(p, partition) for p in parts)
        case _rx.Union(parts):
            # Not the smart constructor: joined Chars would be unknown to the partition.
            kept = [q for q in (_determinise_boolean(p, partition) for p in parts) if q != _rx.NOTHING]
            return kept[0] if len(kept) == 1 else _rx.Union(tuple(kept))
        case _rx.Repeat(body, low, high):
            return _rx.repeat(_determinise_boolean(body, partition), low, high)
        case _rx.And() | _rx.Not():
            table = explore(simulation(rx, partition), partition.alphabet)
            return Machine(table) if table else _rx.NOTHING
    raise TypeError(f"not a regular expression: {rx!r}")


def _all_of(parts: list[Simulation], partition: Partition) -> Simulation:
    """The intersection, two by two: minimal automata on the way keep the product small."""
    while len(parts) > 2:
        table = explore(AndSimulation(parts[:2]), partition.alphabet)
        if table is None:
            return NothingSimulation()
        parts = [TableSimulation(minimise(table)), *parts[2:]]
    return AndSimulation(parts)


def _small(rx: Rx, partition: Partition) -> Simulation:
    """A part of an intersection or complement, as a minimal automaton: products of small automata are small."""
    if isinstance(rx, _rx.Not):
        return NotSimulation(_small(rx.body, partition))
    table = explore(simulation(rx, partition), partition.alphabet)
    return NothingSimulation() if table is None else TableSimulation(minimise(table))


def _table(graph: _rx.Graph, partition: Partition) -> Table | None:
    """A graph over classes of symbols."""
    members = {pair: partition.classes_of(_rx.Chars((pair,))) for pair in edge_ranges(graph.edges)}
    joined: dict[tuple[tuple[int, int], ...], frozenset[int]] = {}  # many states have the same ranges (of a word, say)
    edges = []
    for row in graph.edges:
        ranges: dict[int, list[tuple[int, int]]] = {}
        for low, high, target in row:
            ranges.setdefault(target, []).append((low, high))
        for pairs in map(tuple, ranges.values()):
            if pairs not in joined:
                joined[pairs] = frozenset().union(*(members[pair] for pair in pairs))
        edges.append(tuple((target, joined[tuple(pairs)]) for target, pairs in ranges.items()))
    table = Table(tuple(edges), tuple(state in graph.finals for state in range(len(edges))))
    if graph.start == 0 and all(members.values()):
        return table
    return explore(TableSimulation(table, graph.start), partition.alphabet)  # ranges outside the alphabet: trim again


def simulation(rx: Rx, partition: Partition) -> Simulation:
    """A deterministic machine for ``rx`` over the classes of ``partition``, which was made of it or of more."""
    match rx:
        case _rx.And(parts):
            return _all_of([_small(part, partition) for part in parts], partition)
        case _rx.Not(body):
            return NotSimulation(_small(body, partition))
    rx = _determinise_boolean(rx, partition)
    if isinstance(rx, Machine):
        return TableSimulation(rx.table)
    emitter = _Emitter(partition)
    if rx == _rx.NOTHING:
        emitter.class_(frozenset())
    else:
        emitter.emit(rx)
    return ProgramSimulation([*emitter.code, L_MATCH], list(emitter.sets))


class _Emitter:
    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.code: list[int] = []
        self.sets: dict[frozenset[int], int] = {}

    def emit(self, rx: Rx) -> None:
        """Append code that matches ``rx`` and falls through."""
        match rx:
            case _rx.Chars():
                self.class_(self.partition.classes_of(rx))
            case _rx.Concat(parts):
                for part in parts:
                    self.emit(part)
            case _rx.Union(parts):
                self._union(parts)
            case _rx.Repeat(body, low, high):
                self._repeat(body, low, high)
            case Machine(table):
                self._machine(table)
            case _:
                raise TypeError(f"not a regular expression: {rx!r}")
        if len(self.code) > MAX_CODE:
            raise LimitExceeded(
                "size of one regular terminal", len(self.code), MAX_CODE, "lower the bounds of its repeats"
            )

    def class_(self, members: frozenset[int]) -> None:
        self.code += (L_CLASS, self.sets.setdefault(members, len(self.sets)))

    def _union(self, parts: tuple[Rx, ...]) -> None:
        jumps = []
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            split = len(self.code)
            if not last:
                self.code += (L_SPLIT, split + 3, 0)
            self.emit(part)
            if not last:
                jumps.append(len(self.code) + 1)
                self.code += (L_JUMP, 0)
                self.code[split + 2] = len(self.code)
        for place in jumps:
            self.code[place] = len(self.code)

    def _repeat(self, body: Rx, low: int, high: int | None) -> None:
        if high is None:
            for _ in range(max(low - 1, 0)):
                self.emit(body)
            start = len(self.code)
            if low == 0:
                self.code += (L_SPLIT, start + 3, 0)
                self.emit(body)
                self.code += (L_JUMP, start)
                self.code[start + 2] = len(self.code)
            else:
                self.emit(body)
                end = len(self.code)
                self.code += (L_SPLIT, start, end + 3)
            return
        for _ in range(low):
            self.emit(body)
        skips = []
        for _ in range(high - low):
            skips.append(len(self.code) + 2)
            self.code += (L_SPLIT, len(self.code) + 3, 0)
            self.emit(body)
        for place in skips:
            self.code[place] = len(self.code)

    def _machine(self, table: Table) -> None:
        """Each state is a chain of splits over its edges and, where it accepts, over leaving."""
        starts: list[int] = []
        jumps: list[tuple[int, int]] = []  # (place to patch, state)
        leaves: list[int] = []
        for edges, accepting in zip(table.edges, table.accepting, strict=True):
            starts.append(len(self.code))
            for index, (target, members) in enumerate(edges):
                split = len(self.code) if accepting or index < len(edges) - 1 else None
                if split is not None:
                    self.code += (L_SPLIT, split + 3, 0)
                self.class_(members)
                jumps.append((len(self.code) + 1, target))
                self.code += (L_JUMP, 0)
                if split is not None:
                    self.code[split + 2] = len(self.code)
            if accepting:
                leaves.append(len(self.code) + 1)
                self.code += (L_JUMP, 0)
        for place, state in jumps:
            self.code[place] = starts[state]
        for place in leaves:
            self.code[place] = len(self.code)
