"""Arrays: ``prefixItems``, ``items``, ``minItems``, ``maxItems``, ``contains``. Counts stay counts."""

from __future__ import annotations

from copy import copy

from constrain.errors import LimitExceeded
from constrain.frontends.json_schema.facts import (
    ARRAY,
    Contains,
    Facts,
    Located,
    Refusal,
    all_of,
    both,
    lower_bound,
    negate,
)
from constrain.frontends.json_schema.outcome import Impossible, Lowerer, Outcome, union_of
from constrain.frontends.json_schema.pointer import pointer
from constrain.frontends.json_schema.unique import unique_items
from constrain.frontends.json_schema.witnesses import partitions
from constrain.ir.grammar import EMPTY, Bag, Choice, Expr, Item, Repeat, Seq

MAX_WITNESSES = 4
DEEP = 4  # from this level on items are rules: they are written twice, so that nesting would double them each time


def array_expr(lowerer: Lowerer, facts: Facts, depth: int) -> Outcome:
    """The arrays whose elements satisfy their schemas, in a number within the bounds."""
    layout, facts = lowerer.layout, _without_banned(facts)
    if facts.utmost is not None and facts.fewest > facts.utmost:
        return Impossible(facts.path, f"minItems {facts.fewest} is more than maxItems {facts.utmost}")
    if facts.unique and (facts.utmost is None or facts.utmost > 1):
        return _unique(lowerer, facts, depth)
    if not facts.contains:
        return _plain(lowerer, facts, depth)
    if facts.prefix:
        return _prefix_then(lowerer, facts, depth)
    ways = [_counted(lowerer, facts, kinds, depth) for kinds in _kinds(lowerer, facts)]
    possible = union_of(ways)
    if possible is None:
        return ways[0] if ways else Impossible(facts.path, "no array has what contains asks for")
    return layout.array(possible)


def _without_banned(facts: Facts) -> Facts:
    """``contains`` with at most 0 items asks all items for the complement."""
    banned = [contains for contains in facts.contains if contains.high == 0]
    if not banned or facts.prefix:
        return facts
    rest = copy(facts)
    rest.contains = tuple(contains for contains in facts.contains if contains.high != 0)
    for contains in banned:
        rest.rest = both(rest.rest, negate(contains.schema))
        if contains.low:
            rest.fewest, rest.utmost = 1, 0
    return rest


def _plain(lowerer: Lowerer, facts: Facts, depth: int) -> Outcome:
    layout, low, high = lowerer.layout, facts.fewest, facts.utmost
    if not facts.prefix and facts.rest[0] is True and low == 0 and high is None:
        return lowerer.anything(layout.any_array)
    prefix, rest, blocked = _slots(lowerer, facts, depth)
    if rest is None:
        high = lower_bound(high, len(prefix))
    if blocked and low > len(prefix):
        return blocked
    if high is not None and low > high:
        return Impossible(facts.path, f"at least {low} items are asked for, and at most {high} are allowed")
    if high == 0:
        return layout.array(EMPTY)
    if depth > DEEP and isinstance(rest, Seq):
        rest = lowerer.add_rule(f"#{pointer(facts.path)}/items", rest)
    elements = _after_prefix(lowerer, facts, prefix, rest, high) if prefix else _alike(lowerer, rest, low, high)
    return layout.array(elements if low else Choice(EMPTY, elements))


def _slots(lowerer: Lowerer, facts: Facts, depth: int) -> tuple[list[Expr], Expr | None, Impossible | None]:
    """The prefix items that an array can have, the items after them (``None``: there are none), and what is
    impossible about the first position that cannot be filled."""
    prefix: list[Expr] = []
    for located in (*facts.prefix, facts.rest):
        if facts.utmost is not None and len(prefix) >= facts.utmost:
            break
        item = lowerer.lower(located, depth)
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


# ---- contains ----------------------------------------------------------------------------------------------

Kind = tuple[Located, int, int | None]  # items of one kind: their schema, and how many there are


def _kinds(lowerer: Lowerer, facts: Facts) -> list[list[Kind]]:
    """The kinds of items that are counted; a list for each way in which the items that must exist can be told apart."""
    rest = facts.rest
    if len(facts.contains) == 1:
        contains = facts.contains[0]
        counted = (both(rest, contains.schema), contains.low, contains.high)
        other = rest if contains.high is None else both(rest, negate(contains.schema))
        return [[counted, (other, 0, None)]]
    if any(contains.low > 1 or contains.high is not None for contains in facts.contains):
        return _two_bounds(lowerer, facts)
    asked = [contains.schema for contains in facts.contains if contains.low]
    if len(asked) > MAX_WITNESSES:
        raise LimitExceeded(f"items that must exist at {pointer(facts.path) or '/'}", len(asked), MAX_WITNESSES)
    return [
        [*((both(rest, all_of(tuple(group))), 1, None) for group in groups), (rest, 0, None)]
        for groups in partitions(asked)
    ]


def _two_bounds(lowerer: Lowerer, facts: Facts) -> list[list[Kind]]:
    """Several ``contains`` with counts: exact if no item can satisfy two of them, which is not known here."""
    same: dict[int, Contains] = {}
    for contains in facts.contains:
        key = id(contains.schema[0])
        known = same.get(key)
        if known is None:
            same[key] = contains
        else:
            high = lower_bound(known.high, contains.high)
            same[key] = Contains(contains.schema, max(known.low, contains.low), high, contains.start)
    if len(same) == 1:
        merged = Facts(facts.path, rest=facts.rest, contains=tuple(same.values()))
        return _kinds(lowerer, merged)
    reason = "several contains with minContains or maxContains at one place"
    lowerer.refuse(Refusal("contains", facts.path, reason, ARRAY))
    return [[(facts.rest, 0, None)]]


def _counted(lowerer: Lowerer, facts: Facts, kinds: list[Kind], depth: int) -> Outcome:
    """All items, between the brackets."""
    items = []
    for located, low, high in kinds:
        if high is not None and low > high:
            return Impossible(facts.path, f"minContains {low} is more than maxContains {high}")
        item = lowerer.lower(located, depth)
        if isinstance(item, Impossible):
            if low:
                return item
        elif high != 0:
            items.append(Item(lowerer.layout.item(item), low, high))
    lowerer.uses("counter", facts.path, ("contains", "minContains", "maxContains"))
    return _bag(lowerer, facts, items)


def _bag(lowerer: Lowerer, facts: Facts, items: list[Item]) -> Outcome:
    least = max(facts.fewest, sum(item.low for item in items))
    if facts.utmost is not None and least > facts.utmost:
        return Impossible(facts.path, f"at least {least} items are asked for, and at most {facts.utmost}")
    most = sum(item.high for item in items) if all(item.high is not None for item in items) else None  # type: ignore[misc]
    if most is not None and least > most:
        return Impossible(facts.path, f"at least {least} items are asked for, and at most {most} can differ")
    return Bag(tuple(items), lowerer.layout.comma, facts.fewest, facts.utmost) if items else EMPTY


def _prefix_then(lowerer: Lowerer, facts: Facts, depth: int) -> Outcome:
    """A prefix, and items to count after it."""
    layout, count = lowerer.layout, len(facts.prefix)
    after = _without_banned(
        Facts(
            facts.path,
            rest=facts.rest,
            contains=facts.contains,
            fewest=max(facts.fewest - count, 0),
            utmost=None if facts.utmost is None else facts.utmost - count,
        )
    )
    must = any(contains.low for contains in facts.contains)
    short = None
    if not must:
        short = _plain(lowerer, _without_rest(facts), depth)
    if after.utmost is not None and after.utmost <= 0:
        return short or Impossible(facts.path, "no item comes after the prefix, where contains asks for one")
    prefix = []
    for located in facts.prefix:
        item = lowerer.lower(located, depth)
        if isinstance(item, Impossible):
            return short or item
        prefix.append(layout.item(item))
    after.fewest = max(after.fewest, 1)
    ways = [_counted(lowerer, after, kinds, depth) for kinds in _kinds(lowerer, after)]
    long: list[Expr] = [layout.array(Seq(layout.list_of(prefix), layout.comma, way))
                        for way in ways if not isinstance(way, Impossible)]  # fmt: skip
    found = union_of([*long, short] if short is not None else long)
    if found is not None:
        return found
    return next((way for way in ways if isinstance(way, Impossible)), Impossible(facts.path, "no array is possible"))


def _without_rest(facts: Facts) -> Facts:
    """The arrays that end with the prefix or in it."""
    count = len(facts.prefix)
    fields = {"prefix": facts.prefix, "rest": (False, facts.path), "fewest": facts.fewest}
    return Facts(facts.path, **fields, utmost=lower_bound(facts.utmost, count))


# ---- uniqueItems -------------------------------------------------------------------------------------------


def _unique(lowerer: Lowerer, facts: Facts, depth: int) -> Outcome:
    kinds: list[Kind] = [(facts.rest, 0, None)]
    if facts.prefix or len(facts.contains) > 1:
        return _refuse_unique(lowerer, facts, "beside prefixItems or several contains", depth)
    for contains in facts.contains:  # kinds that have no item in common: else each could hold the same one
        kinds = [(both(facts.rest, contains.schema), contains.low, contains.high)]
        kinds.append((both(facts.rest, negate(contains.schema)), 0, None))
    items: list[Item] = []
    for located, low, high in kinds:
        found = unique_items(lowerer, located, facts.path, depth)
        if isinstance(found, str):
            return _refuse_unique(lowerer, facts, found, depth)
        if (low or high is not None) and len(found) != 1:
            if not found and low:
                return Impossible(facts.path, "no item satisfies contains")
            if found:
                return _refuse_unique(lowerer, facts, "beside contains with items of several kinds", depth)
        for item in found:
            item.low, item.high = low, lower_bound(item.high, high)
            items.append(item)
    lowerer.uses("state", facts.path, ("uniqueItems",))
    found_bag = _bag(lowerer, facts, items)
    return found_bag if isinstance(found_bag, Impossible) else lowerer.layout.array(found_bag)


def _refuse_unique(lowerer: Lowerer, facts: Facts, reason: str, depth: int) -> Outcome:
    lowerer.refuse(Refusal("uniqueItems", facts.path, reason, ARRAY))
    without = copy(facts)
    without.unique = False
    return array_expr(lowerer, without, depth)
