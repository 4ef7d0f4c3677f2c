"""Matching of regular expressions by Brzozowski derivatives (J. ACM 11, 1964), one symbol at a time.

Shares nothing with the library but the node classes and their constructors.
"""

from __future__ import annotations

import dataclasses
from functools import cache

from constrain.ir.rx import (
    EPSILON,
    MAX_CODE_POINT,
    NOTHING,
    SURROGATES,
    And,
    Chars,
    Concat,
    Graph,
    Not,
    Ranges,
    Repeat,
    Rx,
    Union,
    complement,
    concat,
    intersect,
    repeat,
    union,
)

STATES = 20_000  # more distinct derivatives than this is a mistake in a test, not a language to explore


@cache
def nullable(rx: Rx) -> bool:
    match rx:
        case Chars():
            return False
        case Concat(parts) | And(parts):
            return all(nullable(p) for p in parts)
        case Union(parts):
            return any(nullable(p) for p in parts)
        case Repeat(body, low, _):
            return low == 0 or nullable(body)
        case Not(body):
            return not nullable(body)
        case Graph():
            return rx.start in rx.finals
    raise TypeError(rx)


@cache
def derive(rx: Rx, symbol: int) -> Rx:
    """What may follow ``symbol`` in a string of ``rx``."""
    match rx:
        case Chars(ranges):
            return EPSILON if any(a <= symbol <= b for a, b in ranges) else NOTHING
        case Union(parts):
            return union(derive(p, symbol) for p in parts)
        case And(parts):
            return intersect(derive(p, symbol) for p in parts)
        case Not(body):
            return complement(derive(body, symbol))
        case Repeat(body, low, high):
            rest = repeat(body, max(low - 1, 0), None if high is None else high - 1)
            return concat((derive(body, symbol), rest))
        case Concat(parts):
            ways = []
            for i, part in enumerate(parts):
                ways.append(concat((derive(part, symbol), *parts[i + 1 :])))
                if not nullable(part):
                    break
            return union(ways)
        case Graph(edges):
            targets = [target for low, high, target in edges[rx.start] if low <= symbol <= high]
            return dataclasses.replace(rx, start=targets[0]) if targets else NOTHING
    raise TypeError(rx)


def derive_all(rx: Rx, symbols: list[int]) -> Rx:
    for symbol in symbols:
        rx = derive(rx, symbol)
    return rx


def cuts(rx: Rx) -> set[int]:
    """Where the truth of "is in this range" can change: one symbol out of every class of ``rx`` is among them."""
    match rx:
        case Chars(ranges):
            return {0} | {a for a, _ in ranges} | {b + 1 for _, b in ranges}
        case Concat(parts) | Union(parts) | And(parts):
            return set().union({0}, *map(cuts, parts))
        case Repeat(body, _, _) | Not(body):
            return cuts(body)
        case Graph(edges):
            return set().union({0}, *({low, high + 1} for row in edges for low, high, _ in row))
    raise TypeError(rx)


def symbols_of(rx: Rx, within: Ranges) -> list[int]:
    """At least one symbol of every class of ``rx`` that meets ``within``, and only symbols of ``within``."""
    found = {c for c in cuts(rx) if any(a <= c <= b for a, b in within)}
    return sorted(found | {a for a, _ in within})


ALPHABETS: dict[str, Ranges] = {
    "bytes": ((0, 255),),
    "utf8": ((0, SURROGATES[0] - 1), (SURROGATES[1] + 1, MAX_CODE_POINT)),
    "json": ((0, SURROGATES[0] - 1), (SURROGATES[1] + 1, MAX_CODE_POINT)),
}


@cache
def inhabited(rx: Rx, low: int, high: int | None, alphabet: Ranges) -> bool:
    """Is there a string in ``rx`` of ``low`` to ``high`` symbols of ``alphabet``?"""
    symbols = symbols_of(rx, alphabet)
    layer = {rx}
    for _ in range(max(low, 0)):
        layer = {derive(r, s) for r in layer for s in symbols} - {NOTHING}
    seen, count = set(layer), max(low, 0)
    while layer and (high is None or count <= high):
        if any(map(nullable, layer)):
            return True
        layer = {derive(r, s) for r in layer for s in symbols} - seen - {NOTHING}
        seen |= layer
        count += 1
        if len(seen) > STATES:
            raise RuntimeError(f"more than {STATES} derivatives")
    return False
