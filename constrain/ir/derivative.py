"""Derivatives of regular expressions, by ranges of symbols instead of single ones.

Brzozowski 1964 ("Derivatives of regular expressions", J. ACM 11), with classes as in Owens, Reppy and Turon 2009
("Regular-expression derivatives re-examined", JFP 19). Complement and intersection cost nothing extra here. Good for
small questions about one expression (is it empty? a sample?); the engine has its own, faster automata.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from constrain.errors import LimitExceeded
from constrain.ir.grammar import Encoding
from constrain.ir.rx import (
    ANY_BYTE,
    ANY_CHAR,
    EPSILON,
    NOTHING,
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
    is_nullable,
    repeat,
    union,
)

MAX_STATES = 20_000
EVERYTHING: Rx = complement(NOTHING)


class SymbolDfa(NamedTuple):
    """Deterministic automaton over symbols; state 0 is the start.

    ``edges[q]`` are ``(low, high, target)``: disjoint inclusive ranges, ascending, that together cover what can be
    read in ``q``; edges to states without any accepted continuation may be among them.
    """

    accepting: tuple[bool, ...]
    edges: tuple[tuple[tuple[int, int, int], ...], ...]


def alphabet(encoding: Encoding) -> Ranges:
    """The symbols that a terminal of this encoding can spell."""
    every = ANY_BYTE if encoding == "bytes" else ANY_CHAR
    assert isinstance(every, Chars)
    return every.ranges


def derive(rx: Rx, symbol: int) -> Rx:
    """The expression for what may follow ``symbol`` in a string of ``rx``."""
    match rx:
        case Chars(ranges):
            return EPSILON if any(low <= symbol <= high for low, high in ranges) else NOTHING
        case Concat(parts):
            return _derive_concat(parts, symbol)
        case Union(parts):
            return _either(derive(part, symbol) for part in parts)
        case And(parts):
            return _both(derive(part, symbol) for part in parts)
        case Not(body):
            return complement(derive(body, symbol))
        case Repeat(body, low, high):
            # Exact for nullable bodies too: then the count below which nothing may stop does not bind.
            rest = repeat(body, max(low - 1, 0), None if high is None else high - 1)
            return concat((derive(body, symbol), rest))
        case Graph(edges):
            target = next((t for low, high, t in edges[rx.start] if low <= symbol <= high), None)
            if target is None:
                return NOTHING
            return replace(rx, start=target) if edges[target] else EPSILON
    raise TypeError(f"not a regular expression: {rx!r}")


def classes(rx: Rx, within: Ranges) -> tuple[tuple[int, int], ...]:
    """A partition of ``within`` into ranges; ``derive`` gives the same for all symbols of one range."""
    cuts = _cuts(rx)
    pieces = []
    for low, high in within:
        starts = sorted({low} | {c for c in cuts if low < c <= high})
        pieces += list(zip(starts, [*(s - 1 for s in starts[1:]), high], strict=True))
    return tuple(pieces)


def symbol_dfa(rx: Rx, within: Ranges, limit: int = MAX_STATES) -> SymbolDfa:
    """All derivatives of ``rx`` by symbols of ``within``. Raises ``LimitExceeded`` past ``limit`` states."""
    numbers, queue, edges = {rx: 0}, [rx], []
    for state in queue:
        row: list[tuple[int, int, int]] = []
        for low, high in classes(state, within):
            target = derive(state, low)
            if target == NOTHING:
                continue
            if target not in numbers:
                numbers[target] = len(queue)
                queue.append(target)
            row.append((low, high, numbers[target]))
        edges.append(tuple(row))
        if len(queue) > limit:
            raise LimitExceeded("derivatives of one regular expression", len(queue), limit)
    return SymbolDfa(tuple(map(is_nullable, queue)), tuple(edges))


def is_empty(rx: Rx, within: Ranges, limit: int = MAX_STATES) -> bool:
    """Does no string of symbols of ``within`` match? Raises ``LimitExceeded`` when too large to tell."""
    return not any(symbol_dfa(rx, within, limit).accepting)


def _derive_concat(parts: tuple[Rx, ...], symbol: int) -> Rx:
    ways = []
    for i, part in enumerate(parts):
        ways.append(concat((derive(part, symbol), *parts[i + 1 :])))
        if not is_nullable(part):
            break
    return _either(ways)


def _cuts(rx: Rx) -> set[int]:
    """First symbols of ranges, and symbols just after ranges, wherever the next symbol is compared with a range."""
    match rx:
        case Chars(ranges):
            return {low for low, _ in ranges} | {high + 1 for _, high in ranges}
        case Concat(parts):
            found: set[int] = set()
            for part in parts:
                found |= _cuts(part)
                if not is_nullable(part):
                    break
            return found
        case Union(parts) | And(parts):
            return set().union(*map(_cuts, parts))
        case Not(body) | Repeat(body, _, _):
            return _cuts(body)
        case Graph(edges):
            return {low for low, _, _ in edges[rx.start]} | {high + 1 for _, high, _ in edges[rx.start]}
    raise TypeError(f"not a regular expression: {rx!r}")


# Brzozowski's finiteness needs unions and intersections up to order, duplicates and trivial parts; the constructors
# drop duplicates, these two add the rest. Hashes of expressions depend on integers only, so the order is repeatable.


def _either(parts: Iterable[Rx]) -> Rx:
    items = _parts(union(parts))
    return EVERYTHING if EVERYTHING in items else union(sorted(items, key=hash))


def _both(parts: Iterable[Rx]) -> Rx:
    joined = intersect(parts)
    if not isinstance(joined, And):
        return joined
    return intersect(sorted((p for p in joined.parts if p != EVERYTHING), key=hash) or (EVERYTHING,))


def _parts(rx: Rx) -> tuple[Rx, ...]:
    return rx.parts if isinstance(rx, Union) else (rx,)
