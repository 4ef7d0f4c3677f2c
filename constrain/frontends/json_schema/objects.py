"""Objects: ``properties``, ``required``, ``additionalProperties``, in declared order or in any.

Each declared key appears at most once, in its canonical spelling. The key of any other member is any JSON string
whose *value* is none of the declared names, however it is spelled. That two other members have the same key
is not excluded: no context-free grammar can, and both values satisfy the schema.
"""

from __future__ import annotations

from collections.abc import Iterable

from constrain.errors import LimitExceeded
from constrain.frontends.json_schema.facts import Facts
from constrain.frontends.json_schema.layout import ANY_STRING, ANY_TEXT, QUOTE
from constrain.frontends.json_schema.outcome import Impossible, Lowerer, Outcome
from constrain.frontends.json_schema.pointer import pointer
from constrain.frontends.json_schema.values import spell_string
from constrain.ir.grammar import EMPTY, Choice, Expr, Joined, Repeat, Seq, Terminal

MAX_UNORDERED = 6  # members in any order: 2 ** 6 rules


def object_expr(lowerer: Lowerer, facts: Facts, depth: int) -> Outcome:
    """The objects whose members satisfy their schemas and that have the required ones."""
    layout, additional = lowerer.layout, facts.additional
    if not facts.properties and not facts.required and additional[0] is True:
        return lowerer.anything(layout.any_object)
    items: list[tuple[Expr, bool]] = []
    required = frozenset(facts.required)
    properties = facts.properties
    base = (facts.path, "properties")
    for name, schema in properties.items():
        value = lowerer.lower(schema, (base, name), depth)
        if not isinstance(value, Impossible):
            items.append((layout.member(spell_string(name), value), name in required))
        elif name in required:
            return value
    extra = lowerer.lower(*additional, depth)
    undeclared = list(dict.fromkeys(name for name in facts.required if name not in properties))
    if isinstance(extra, Impossible):
        if undeclared:
            return Impossible(facts.path, f"member {undeclared[0]!r} is required, and additionalProperties forbids it")
        return _object_of(lowerer, facts, items, None)
    items += [(layout.member(spell_string(name), extra), True) for name in undeclared]
    other = layout.other_member(other_key((*properties, *undeclared)), extra)
    return _object_of(lowerer, facts, items, other)


def _object_of(lowerer: Lowerer, facts: Facts, items: list[tuple[Expr, bool]], other: Expr | None) -> Expr:
    layout = lowerer.layout
    if lowerer.any_order and len(items) + (other is not None) > 1:
        return layout.object(_in_any_order(lowerer, facts, items, other))
    if other is not None:
        items.append((layout.one_or_more(other), False))
    return layout.object(Joined(tuple(items), layout.comma))


def _in_any_order(lowerer: Lowerer, facts: Facts, items: list[tuple[Expr, bool]], other: Expr | None) -> Expr:
    """Each item at most once, the required ones exactly once, others between them: one rule for each set of items
    that are still to come."""
    if len(items) > MAX_UNORDERED:
        hint = f"use property_order='schema', or fewer properties (at {pointer(facts.path) or '/'})"
        raise LimitExceeded("members of an object in any order", len(items), MAX_UNORDERED, hint)
    place, comma, everything = f"#{pointer(facts.path)}", lowerer.layout.comma, (1 << len(items)) - 1
    members = [lowerer.add_rule(f"{place} member {i}", item) for i, (item, _) in enumerate(items)]
    needed = sum(1 << i for i, (_, required) in enumerate(items) if required)
    tails: list[Expr] = []  # what may follow when the items in the set of this number are still to come
    for left in range(everything + 1):
        more = [Seq(comma, members[i], tails[left & ~(1 << i)]) for i in range(len(items)) if left >> i & 1]
        tail: Expr = Choice(*more) if left & needed else Choice(EMPTY, *more)
        if other is not None:
            tail = Seq(Repeat(Seq(comma, other), 0, None), tail)
        tails.append(lowerer.add_rule(f"{place} with {left:b} to come", tail))
    first = [Seq(members[i], tails[everything & ~(1 << i)]) for i in range(len(items))]
    first += [Seq(other, tails[everything])] if other is not None else []
    return Choice(*first) if needed else Choice(EMPTY, *first)


def other_key(names: Iterable[str]) -> Expr:
    """A string, quotes included, whose value is none of ``names``."""
    words = tuple(dict.fromkeys(names))
    return Seq(QUOTE, Terminal(ANY_TEXT, "json", name="other key", exclude=words)) if words else ANY_STRING
