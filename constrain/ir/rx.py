"""Regular expressions over symbols (code points, or bytes): immutable nodes built by smart constructors.

The algebra is closed under union, concatenation, bounded and unbounded repetition, intersection and
complement. Nothing here knows UTF-8 or JSON: how a symbol is spelled in bytes is a property of the
``Terminal`` that carries the expression (``ir/grammar.py``).

Build expressions with the functions below, never with the classes: the functions keep three invariants on
which later stages rely. ``Chars`` ranges are sorted, disjoint and not adjacent; ``NOTHING`` occurs only as a
whole expression or under ``Not``; nested ``Concat``, ``Union`` and ``And`` are flat.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MAX_CODE_POINT = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)  # not characters: no UTF-8 text contains them

Ranges = tuple[tuple[int, int], ...]


class Rx:
    """A regular expression. Immutable and hashable; ``&``, ``|``, ``+``, ``-`` and ``~`` mean what sets mean."""

    __slots__ = ()

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


@dataclass(frozen=True, slots=True)
class Chars(Rx):
    """One symbol out of inclusive ``ranges``."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Concat(Rx):
    """All parts, one after another; without parts the empty string."""

    parts: tuple[Rx, ...]


@dataclass(frozen=True, slots=True)
class Union(Rx):
    """Any one of the parts; without parts nothing."""

    parts: tuple[Rx, ...]


@dataclass(frozen=True, slots=True)
class Repeat(Rx):
    """``body`` at least ``low`` times and at most ``high`` times (``None``: no bound)."""

    body: Rx
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class And(Rx):
    """What all parts match."""

    parts: tuple[Rx, ...]


@dataclass(frozen=True, slots=True)
class Not(Rx):
    """What ``body`` does not match, over the alphabet of the terminal that carries it."""

    body: Rx


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
    raise TypeError(f"not a regular expression: {rx!r}")


def _common(left: Ranges, right: Ranges) -> Ranges:
    return tuple((max(a, c), min(b, d)) for a, b in left for c, d in right if max(a, c) <= min(b, d))
