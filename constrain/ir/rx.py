"""Regular expressions over symbols (code points, or bytes): immutable nodes built by smart constructors.

The algebra is closed under union, concatenation, bounded and unbounded repetition, intersection and
complement. Nothing here knows UTF-8 or JSON: how a symbol is spelled in bytes is a property of the
``Terminal`` that carries the expression (``ir/grammar.py``).

Build expressions with the functions below, never with the classes: the functions keep three invariants on
which later stages rely. ``Chars`` ranges are sorted, disjoint and not adjacent; ``NOTHING`` occurs only as a
whole expression or under ``Not``; nested ``Concat``, ``Union`` and ``And`` are flat.

What is easier to compute than to spell (numbers between bounds, multiples) is a ``Graph``: an automaton as data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

MAX_CODE_POINT = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)  # not characters: no UTF-8 text contains them

Ranges = tuple[tuple[int, int], ...]
R = TypeVar("R", bound="Rx")


class Rx:
    """A regular expression. Immutable and hashable; ``&``, ``|``, ``+``, ``-`` and ``~`` mean what sets mean."""

    __slots__ = ("_hash",)

    def __and__(self, other: Rx) -> Rx:
        return intersect((self, other))

    def __or__(self, other: Rx) -> Rx:
        return union((self, other))

    def __add__(self, other: Rx) -> Rx:
        return concat((self, other))

    def __sub__(self, other: Rx) -> Rx:
        return intersect((self, complement(other)))

    def __invert__(self) -> Rx:
        return complement(self)


def _hashed_once(cls: type[R]) -> type[R]:
    """Remember hashes: caches are keyed by expressions, and a hash visits all of one."""
    compute = cls.__hash__

    def remembered(self: R) -> int:
        try:
            return self._hash  # type: ignore[attr-defined,no-any-return]
        except AttributeError:
            object.__setattr__(self, "_hash", compute(self))
            return self._hash  # type: ignore[attr-defined,no-any-return]

    cls.__hash__ = remembered  # type: ignore[method-assign,assignment]
    return cls


@dataclass(frozen=True, slots=True)
class Chars(Rx):
    """One symbol out of inclusive ``ranges``."""

    ranges: Ranges


@_hashed_once
@dataclass(frozen=True, slots=True)
class Concat(Rx):
    """All parts, one after another; without parts the empty string."""

    parts: tuple[Rx, ...]


@_hashed_once
@dataclass(frozen=True, slots=True)
class Union(Rx):
    """Any one of the parts; without parts nothing."""

    parts: tuple[Rx, ...]


@_hashed_once
@dataclass(frozen=True, slots=True)
class Repeat(Rx):
    """``body`` at least ``low`` times and at most ``high`` times (``None``: no bound)."""

    body: Rx
    low: int
    high: int | None


@_hashed_once
@dataclass(frozen=True, slots=True)
class And(Rx):
    """What all parts match."""

    parts: tuple[Rx, ...]


@_hashed_once
@dataclass(frozen=True, slots=True)
class Not(Rx):
    """What ``body`` does not match, over the alphabet of the terminal that carries it."""

    body: Rx


Edge = tuple[int, int, int]  # first symbol, last symbol, state after


@dataclass(frozen=True, slots=True)
class Graph(Rx):
    """What a deterministic automaton accepts from ``start``.

    ``edges[q]`` are the edges of state ``q``: disjoint ranges, ascending. Every state leads to one of ``finals``.
    ``digest`` stands for ``edges`` and ``finals`` in hashes, so that these take no time; leave it to ``graph``.
    """

    edges: tuple[tuple[Edge, ...], ...] = field(hash=False)
    finals: frozenset[int] = field(hash=False)
    start: int
    digest: int = field(hash=True, compare=False, repr=False)


NOTHING: Rx = Union(())
EPSILON: Rx = Concat(())
ANY_CHAR: Rx = Chars(((0, SURROGATES[0] - 1), (SURROGATES[1] + 1, MAX_CODE_POINT)))
ANY_BYTE: Rx = Chars(((0, 255),))


def merge_ranges(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sort inclusive ranges and join those that overlap or touch."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if low > high:
            continue
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def invert_ranges(ranges: Ranges, top: int = MAX_CODE_POINT) -> Ranges:
    """The code points in 0..``top`` that no range covers, surrogates left out."""
    gaps, start = [], 0
    for low, high in merge_ranges((*ranges, SURROGATES)):
        if low > start:
            gaps.append((start, min(low - 1, top)))
        start = high + 1
    if start <= top:
        gaps.append((start, top))
    return tuple(gaps)


def chars(ranges: Iterable[tuple[int, int]]) -> Rx:
    """One symbol out of inclusive ranges (``NOTHING`` when there is none)."""
    merged = merge_ranges(ranges)
    return Chars(merged) if merged else NOTHING


def literal(text: str | bytes) -> Rx:
    """Exactly these symbols: the code points of a ``str``, the bytes of a ``bytes``."""
    symbols = text if isinstance(text, bytes) else [ord(c) for c in text]
    return concat(Chars(((s, s),)) for s in symbols)


def concat(parts: Iterable[Rx]) -> Rx:
    """All parts, one after another; ``NOTHING`` if one of them is."""
    flat: list[Rx] = []
    for part in parts:
        if part == NOTHING:
            return NOTHING
        flat.extend(part.parts if isinstance(part, Concat) else (part,))
    return flat[0] if len(flat) == 1 else Concat(tuple(flat))


def union(parts: Iterable[Rx]) -> Rx:
    """Either; single-symbol alternatives are joined into one ``Chars``, duplicates dropped."""
    flat: dict[Rx, None] = {}
    ranges: list[tuple[int, int]] = []
    for part in parts:
        for item in part.parts if isinstance(part, Union) else (part,):
            if isinstance(item, Chars):
                ranges.extend(item.ranges)
            else:
                flat[item] = None
    items = ([Chars(merge_ranges(ranges))] if ranges else []) + list(flat)
    return items[0] if len(items) == 1 else Union(tuple(items))


def repeat(body: Rx, low: int, high: int | None) -> Rx:
    """``body`` from ``low`` to ``high`` times (``None``: no bound). Raises ``ValueError`` for impossible bounds."""
    if low < 0 or (high is not None and high < low):
        raise ValueError(f"a repeat needs 0 <= low <= high, not {low}..{high}")
    if high == 0 or body == EPSILON:
        return EPSILON
    if body == NOTHING:
        return EPSILON if low == 0 else NOTHING
    return body if (low, high) == (1, 1) else Repeat(body, low, high)


ANY_TEXT: Rx = repeat(ANY_CHAR, 0, None)


def intersect(parts: Iterable[Rx]) -> Rx:
    """What all parts match; sets of single symbols are intersected at once."""
    flat: dict[Rx, None] = {}
    for part in parts:
        for item in part.parts if isinstance(part, And) else (part,):
            flat[item] = None
    if NOTHING in flat:
        return NOTHING
    items = list(flat)
    if items and all(isinstance(item, Chars) for item in items):
        ranges = items[0].ranges  # type: ignore[attr-defined]
        for item in items[1:]:
            ranges = _common(ranges, item.ranges)  # type: ignore[attr-defined]
        return chars(ranges)
    return items[0] if len(items) == 1 else And(tuple(items))


def complement(body: Rx) -> Rx:
    """Every symbol string that ``body`` does not match (over the alphabet of the terminal that carries it)."""
    return body.body if isinstance(body, Not) else Not(body)


def graph(edges: Sequence[Iterable[Edge]], finals: Iterable[int], start: int = 0) -> Rx:
    """The language of a deterministic automaton whose state ``q`` has the edges ``edges[q]`` (inclusive ranges).

    States off every way from ``start`` to a final one are dropped, the others numbered breadth-first from 0, and
    touching ranges with one target joined: ``NOTHING`` if none is left, ``EPSILON`` if that is the only member.
    Raises ``ValueError`` where ranges of one state overlap, or are empty.
    """
    alive = _leading_to(edges, finals)
    if start not in alive:
        return NOTHING
    numbers, order, rows = {start: 0}, [start], []
    for state in order:  # grows while we walk it
        row: list[Edge] = []
        last = reach = target_before = -1
        for low, high, target in sorted(edges[state]):
            if not last < low <= high:
                raise ValueError(f"state {state} has a bad range {low}..{high} after symbol {last}")
            last = high
            if target not in alive:
                continue
            number = numbers.get(target)
            if number is None:
                number = numbers[target] = len(order)
                order.append(target)
            if low - 1 == reach and number == target_before:
                row[-1] = (row[-1][0], high, number)
            else:
                row.append((low, high, number))
            reach, target_before = high, number
        rows.append(tuple(row))
    if rows == [()]:
        return EPSILON
    kept, ends = tuple(rows), frozenset(numbers[state] for state in finals if state in numbers)
    return Graph(kept, ends, 0, hash((kept, ends)))


def _leading_to(edges: Sequence[Iterable[Edge]], finals: Iterable[int]) -> set[int]:
    """The states from which one of ``finals`` can be reached."""
    before: list[list[int]] = [[] for _ in edges]
    for state, row in enumerate(edges):
        for target in {target for _, _, target in row}:
            before[target].append(state)
    alive = set(finals)
    stack = list(alive)
    while stack:
        fresh = [state for state in before[stack.pop()] if state not in alive]
        alive.update(fresh)
        stack += fresh
    return alive


def is_nullable(rx: Rx) -> bool:
    """Does the expression match the empty string?"""
    match rx:
        case Chars():
            return False
        case Concat(parts) | And(parts):
            return all(is_nullable(p) for p in parts)
        case Union(parts):
            return any(is_nullable(p) for p in parts)
        case Repeat(body, low, _):
            return low == 0 or is_nullable(body)
        case Not(body):
            return not is_nullable(body)
        case Graph():
            return rx.start in rx.finals
    raise TypeError(f"not a regular expression: {rx!r}")


def _common(left: Ranges, right: Ranges) -> Ranges:
    return tuple((max(a, c), min(b, d)) for a, b in left for c, d in right if max(a, c) <= min(b, d))
