"""Arrays: ``prefixItems``, ``items``, ``minItems``, ``maxItems``. Counts stay counts; nothing is unrolled."""

from __future__ import annotations

from constrain.frontends.json_schema.facts import Facts
from constrain.frontends.json_schema.meet import lower_bound
from constrain.frontends.json_schema.outcome import Impossible, Lowerer, Outcome
from constrain.frontends.json_schema.pointer import pointer
from constrain.ir.grammar import EMPTY, Choice, Expr, Repeat, Seq


def array_expr(lowerer: Lowerer, facts: Facts, depth: int) -> Outcome:
    """The arrays whose elements satisfy their schemas, in a number within the bounds."""
    layout, low, high = lowerer.layout, facts.fewest, facts.most
    if not facts.prefix and facts.rest[0] is True and low == 0 and high is None:
        return lowerer.anything(layout.any_array)
    if high is not None and low > high:
        return Impossible(facts.path, f"minItems {low} is more than maxItems {high}")
    prefix, rest, blocked = _slots(lowerer, facts, depth)
    if rest is None:
        high = lower_bound(high, len(prefix))
    if blocked and low > len(prefix):
        return blocked
    if high == 0:
        return layout.array(EMPTY)
    elements = _after_prefix(lowerer, facts, prefix, rest, high) if prefix else _alike(lowerer, rest, low, high)
    return layout.array(elements if low else Choice(EMPTY, elements))


def _slots(lowerer: Lowerer, facts: Facts, depth: int) -> tuple[list[Expr], Expr | None, Impossible | None]:
    """The prefix items that an array can have, the items after them (``None``: there are none), and what is
    impossible about the first position that cannot be filled."""
    prefix: list[Expr] = []
    for schema, path in (*facts.prefix, facts.rest):
        if facts.most is not None and len(prefix) >= facts.most:
            break
        item = lowerer.lower(schema, path, depth)
        if isinstance(item, Impossible):
            return prefix, None, item
        prefix.append(lowerer.layout.item(item))
    rest = prefix.pop() if len(prefix) > len(facts.prefix) else None
    return prefix, rest, None


def _alike(lowerer: Lowerer, item: Expr | None, low: int, high: int | None) -> Expr:
    """One item or more, all with the same schema."""
    assert item is not None  # else the array is known to be empty
    if high == 1:
        return item
    more = Repeat(Seq(lowerer.layout.comma, item), max(low - 1, 0), None if high is None else high - 1)
    return Seq(item, more)


def _after_prefix(lowerer: Lowerer, facts: Facts, prefix: list[Expr], rest: Expr | None, high: int | None) -> Expr:
    """One item or more: the prefix as far as it goes, then the rest. Each optional position is a rule, so that a long
    prefix does not nest deeply."""
    comma, count, low = lowerer.layout.comma, len(prefix), facts.fewest
    tail: Expr = EMPTY
    if rest is not None:
        tail = Repeat(Seq(comma, rest), max(low - count, 0), None if high is None else high - count)
    sure = min(max(low, 1), count)
    for i in range(count - 1, sure - 1, -1):
        name = f"#{pointer(facts.path)} from item {i}"
        tail = lowerer.add_rule(name, Choice(EMPTY, Seq(comma, prefix[i], tail)))
    return Seq(lowerer.layout.list_of(prefix[:sure]), tail)
