"""Choices that only complete facts show: which member, or which item, is the one that must exist.

``exists`` among the members may be a declared one or another; ``contains`` may be met by an item of the prefix
or by one after it; a value that an array or object must *not* equal can differ in any part.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

from constrain.frontends.json_schema.facts import (
    ARRAY,
    OBJECT,
    Branch,
    Choice,
    Contains,
    Facts,
    Keys,
    Located,
    Members,
    negate,
)
from constrain.frontends.json_schema.negation import violations
from constrain.frontends.json_schema.pointer import Path
from constrain.frontends.json_schema.values import equality_key

IsKey = Callable[[Keys, str], bool]


def expand(facts: Facts, is_key: IsKey) -> tuple[Facts, list[Choice]] | None:
    """``facts`` without one kind of what is to be expanded, and the choices that stand for it; ``None``: nothing is."""
    if facts.excluded and any(isinstance(value, (list, dict)) for value in facts.excluded):
        return _differ(facts)
    if facts.types & OBJECT and any(not keys.others for keys, _ in facts.exists):
        return _members(facts, is_key)
    if facts.types & ARRAY and any(contains.start < len(facts.prefix) for contains in facts.contains):
        return _items(facts)
    return None


def _one_of(branches: list[Branch]) -> Choice:
    return Choice(tuple(branches), tuple)


# ---- values ------------------------------------------------------------------------------------------------


def _differ(facts: Facts) -> tuple[Facts, list[Choice]]:
    rest = copy(facts)
    rest.excluded = tuple(value for value in facts.excluded if not isinstance(value, (list, dict)))
    parts = [value for value in facts.excluded if isinstance(value, (list, dict))]
    return rest, [_one_of(list(violations(value_facts(value, facts.path)))) for value in parts]


def value_facts(value: Any, path: Path) -> Facts:
    """Facts that hold for ``value`` only."""
    key = ("value", equality_key(value))
    if isinstance(value, list):
        prefix = tuple((value_facts(item, path), path) for item in value)
        return Facts(path, key, types=ARRAY, fewest=len(value), utmost=len(value), prefix=prefix)
    if isinstance(value, dict):
        properties = {name: (value_facts(member, path), path) for name, member in value.items()}
        members = Members(path, properties, additional=(False, path))
        return Facts(path, key, types=OBJECT, required=tuple(value), members=(members,))
    return Facts(path, key, values=[value])


# ---- members -----------------------------------------------------------------------------------------------


def declared_names(facts: Facts) -> list[str]:
    """The keys that the facts speak of by name, in the order of their first mention."""
    names = dict.fromkeys(name for members in facts.members for name in members.properties)
    names.update(dict.fromkeys(facts.required))
    for name, asked in facts.needs:
        names.update(dict.fromkeys((name, *asked)))
    return list(names)


def _members(facts: Facts, is_key: IsKey) -> tuple[Facts, list[Choice]]:
    rest = copy(facts)
    rest.exists = tuple(item for item in facts.exists if item[0].others)
    names = declared_names(facts)
    has_others = all(rules.additional[0] is not False or rules.patterns for rules in facts.members)
    asked = [item for item in facts.exists if not item[0].others]
    return rest, [_one_of(_ways(facts.path, names, *item, is_key, has_others)) for item in asked]


def _ways(path: Path, names: list[str], keys: Keys, located: Located, is_key: IsKey, has_others: bool) -> list[Branch]:
    ways: list[Branch] = []
    for name in names:
        if is_key(keys, name):
            member = Members(path, {name: located})
            ways.append(((Facts(path, object(), types=OBJECT, required=(name,), members=(member,)), path),))
    if has_others:
        other = (replace(keys, others=True), located)
        ways.append(((Facts(path, object(), types=OBJECT, exists=(other,)), path),))
    return ways


# ---- items -------------------------------------------------------------------------------------------------


def _items(facts: Facts) -> tuple[Facts, list[Choice]]:
    rest = copy(facts)
    rest.contains = tuple(c for c in facts.contains if c.start >= len(facts.prefix))
    others = facts.types & ~ARRAY
    no_array: list[Branch] = [((Facts(facts.path, object(), types=others), facts.path),)] if others else []
    asked = [contains for contains in facts.contains if contains.start < len(facts.prefix)]
    return rest, [_one_of([*no_array, *_places(facts.path, contains)]) for contains in asked]


def _places(path: Path, contains: Contains) -> list[Branch]:
    """Is the item at ``start`` one of those that count, is it none, or is there no such item?"""
    start, low, high = contains.start, contains.low, contains.high
    ways: list[Branch] = []
    if high != 0:
        after = replace(contains, low=max(low - 1, 0), high=None if high is None else high - 1, start=start + 1)
        ways.append(_with_item(path, start, contains.schema, after))
    other: Located = (True, path) if high is None else negate(contains.schema)
    ways.append(_with_item(path, start, other, replace(contains, start=start + 1)))
    if low == 0:
        ways.append(((Facts(path, object(), types=ARRAY, utmost=start), path),))
    return ways


def _with_item(path: Path, index: int, located: Located, after: Contains) -> Branch:
    prefix = (*((True, path) for _ in range(index)), located)
    still = (after,) if after.low or after.high is not None else ()
    return ((Facts(path, object(), types=ARRAY, fewest=index + 1, prefix=prefix, contains=still), path),)


def partitions(items: list[Any]) -> list[list[list[Any]]]:
    """All ways to divide ``items`` into groups."""
    if not items:
        return [[]]
    first, result = items[0], []
    for groups in partitions(items[1:]):
        result.append([[first], *groups])
        result += [[*groups[:i], [first, *group], *groups[i + 1 :]] for i, group in enumerate(groups)]
    return result
