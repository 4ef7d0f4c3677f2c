"""What in the grammar of a schema makes compiling it or its masks slow: counted, not timed and not guessed.

Each bound stands where the cost began to show when it was measured on a vocabulary of 128,256 tokens (masks of half a
millisecond and more, or 20 ms to compile); below it a construct is as cheap as any.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from constrain.automata.course import Course
from constrain.frontends.json_schema.lower import Lowering
from constrain.ir import rx as _rx
from constrain.ir.grammar import Bag, Choice, Expr, Grammar, Terminal, walk
from constrain.ir.rx import Rx

MANY_ALTERNATIVES = 500
MANY_ITEMS = 32  # of a bag in any order whose number of elements is bounded
MANY_KINDS = 200
LONG_PATTERN = 1_000
LARGE_AUTOMATON = 600
MANY_WAYS = 200
MANY_RULES = 5_000
LONG_PROGRAM = 100_000


@dataclass(frozen=True)
class Hazard:
    """Something that costs time. ``where`` is a rule (``#/...``: a JSON pointer), ``count`` how much there is of it."""

    where: str
    what: str
    count: int


def hazards_of(grammar: Grammar, lowering: Lowering, program_words: int) -> list[Hazard]:
    """All hazards, each kind once a rule, with its largest count there."""
    found: dict[tuple[str, str], int] = {}
    for name, body in grammar.rules.items():
        for node in walk(body):
            for what, count in _of_node(node):
                found[name, what] = max(count, found.get((name, what), 0))
    for key, ways in lowering.solutions.items():
        if len(ways) > MANY_WAYS:
            found[lowering.names.get(key, "#"), "ways to satisfy what must hold together"] = len(ways)
    if len(grammar.rules) > MANY_RULES:
        found["#", "rules: compiling takes time and memory for each"] = len(grammar.rules)
    if program_words > LONG_PROGRAM:
        found["#", "words of the grammar's program"] = program_words
    return [Hazard(where, what, count) for (where, what), count in found.items()]


def has_large_terminals(grammar: Grammar) -> bool:
    """Has it a pattern or an automaton of numbers that is a hazard?"""
    return any(
        isinstance(node, Terminal) and any(_of_node(node)) for body in grammar.rules.values() for node in walk(body)
    )


def _of_node(node: Expr) -> Iterator[tuple[str, int]]:
    if isinstance(node, Choice) and len(node.parts) > MANY_ALTERNATIVES:
        yield "alternatives at one place: its mask reads the beginning of each", len(node.parts)
    elif isinstance(node, Terminal):
        if (length := _length(node.rx)) > LONG_PATTERN:
            yield "symbols of a pattern, its counts written out", length
        if (states := _largest_graph(node.rx)) > LARGE_AUTOMATON:
            yield "states of one automaton of numbers, by multipleOf or long bounds", states
    elif isinstance(node, Bag):
        yield from _of_bag(node)


def _of_bag(bag: Bag) -> Iterator[tuple[str, int]]:
    count = len(bag.items)
    if not bag.ordered and count > MANY_ITEMS and (bag.low or bag.high is not None):
        yield "members or items in any order, their number bounded", count
    elif not bag.ordered and count > MANY_KINDS:
        yield "kinds of members or items in any order", count
    tight = Course(bag).tight
    if tight:
        yield "kinds of unique words that can run out: each mask looks at the words used", len(tight)


def _length(rx: Rx) -> int:
    """Symbols of the expression when each count is written out, as the program of a terminal does."""
    match rx:
        case _rx.Repeat(body, low, high):
            return max(1, low if high is None else high) * _length(body)
        case _rx.Concat(parts) | _rx.Union(parts) | _rx.And(parts):
            return sum(map(_length, parts))
        case _rx.Not(body):
            return _length(body)
    return 1


def _largest_graph(rx: Rx) -> int:
    match rx:
        case _rx.Graph(edges):
            return len(edges)
        case _rx.Concat(parts) | _rx.Union(parts) | _rx.And(parts):
            return max(map(_largest_graph, parts), default=0)
        case _rx.Repeat(body) | _rx.Not(body):
            return _largest_graph(body)
    return 0
