"""The complement of facts, pushed inward: one branch for each way to break one of the assertions.

A value breaks a bound by its opposite, a member's schema by a member that satisfies the complement, the schema of
all items or of all other members by *one* that does not satisfy it: the "exists" forms ``exists`` and ``contains``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from constrain.frontends.json_schema.facts import (
    ALL_TYPES,
    ARRAY,
    NUMBER,
    OBJECT,
    STRING,
    Bound,
    Branch,
    Contains,
    Facts,
    Keys,
    Located,
    Members,
    Refusal,
    negate,
)


def violations(facts: Facts) -> tuple[Branch, ...]:
    """Branches of which one holds exactly if ``facts`` do not."""
    derived = [_derive(facts, i, fields) for i, fields in enumerate(_broken(facts))]
    return (*((located,) for located in derived), *(branch for choice in facts.choices for branch in choice.deny()))


def _derive(facts: Facts, index: int, fields: dict[str, Any]) -> Located:
    return Facts(facts.path, ("not", facts.key, index), **fields), facts.path


def _broken(facts: Facts) -> Iterator[dict[str, Any]]:
    if facts.types != ALL_TYPES:
        yield {"types": ALL_TYPES & ~facts.types}
    if facts.plain:
        return
    if facts.values is not None:
        yield {"excluded": tuple(facts.values)}
    yield from _refused(facts)
    for kind, ways in ((STRING, _strings), (NUMBER, _numbers), (OBJECT, _objects), (ARRAY, _arrays)):
        if facts.types & kind:
            for fields in ways(facts):
                yield {"types": kind} | fields


def _refused(facts: Facts) -> Iterator[dict[str, Any]]:
    """What cannot be asserted cannot be denied either."""
    for refusal in facts.refused:
        yield {"types": refusal.types, "refused": (refusal,)}
    if facts.unique:
        reason = "that two items are equal is not regular"
        yield {"types": ARRAY, "fewest": 2, "refused": (Refusal("uniqueItems", facts.path, reason, ARRAY),)}
    for word, located, kind in (
        ("unevaluatedProperties", facts.unevaluated_members, OBJECT),
        ("unevaluatedItems", facts.unevaluated_items, ARRAY),
    ):
        if located is not None:
            reason = "it is in a place where its complement is needed (under not, or in a branch of oneOf)"
            yield {"types": kind, "refused": (Refusal(word, facts.path, reason, kind),)}


def _strings(facts: Facts) -> Iterator[dict[str, Any]]:
    if facts.shortest:
        yield {"longest": facts.shortest - 1}
    if facts.longest is not None:
        yield {"shortest": facts.longest + 1}
    for text in facts.texts:
        yield {"texts": (replace(text, wanted=not text.wanted),)}


def _numbers(facts: Facts) -> Iterator[dict[str, Any]]:
    if facts.lower is not None:
        yield {"upper": Bound(facts.lower.value, not facts.lower.is_open)}
    if facts.upper is not None:
        yield {"lower": Bound(facts.upper.value, not facts.upper.is_open)}
    for divisor, wanted in facts.multiples:
        yield {"multiples": ((divisor, not wanted),)}


def _objects(facts: Facts) -> Iterator[dict[str, Any]]:
    path = facts.path
    for name in facts.required:
        yield {"members": (Members(path, {name: negate(_declared(facts, name))}),)}
    if facts.least:
        yield {"most": facts.least - 1}
    if facts.most is not None:
        yield {"least": facts.most + 1}
    for name, asked in facts.needs:
        for other in asked:
            yield {"required": (name,), "members": (Members(path, {other: (False, path)}),)}
    for located in facts.names:
        yield {"exists": ((Keys(schema=negate(located)), (True, path)),)}
    for members in facts.members:
        yield from _members(members, facts.required)
    for keys, located in facts.exists:
        yield from _no_member(facts, keys, located)


def _declared(facts: Facts, name: str) -> Located:
    """The schema of a declared member. ("Required, and such" is broken by an object without it or with one that is
    not such: by one that has no such member, which is one branch and not two.)"""
    return next(
        (members.properties[name] for members in facts.members if name in members.properties), (True, facts.path)
    )


def _members(members: Members, required: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    path = members.path
    for name, located in members.properties.items():
        if located[0] is not True and name not in required:
            yield {"required": (name,), "members": (Members(path, {name: negate(located)}),)}
    for text, located in members.patterns:
        if located[0] is not True:
            yield {"exists": ((Keys((text,)), negate(located)),)}
    if members.additional[0] is not True:
        unmatched = tuple(replace(text, wanted=False) for text, _ in members.patterns)
        yield {"exists": ((Keys(unmatched, tuple(members.properties)), negate(members.additional)),)}


def _no_member(facts: Facts, keys: Keys, located: Located) -> Iterator[dict[str, Any]]:
    """No member is as ``exists`` asks."""
    path = facts.path
    if keys.schema is None and not keys.texts:
        anything: Located = (True, path)
        yield {"members": (Members(path, dict.fromkeys(keys.names, anything), (), negate(located)),)}
    elif keys.schema is None and not keys.names and len(keys.texts) == 1 and keys.texts[0].wanted:
        yield {"members": (Members(path, {}, ((keys.texts[0], negate(located)),)),)}
    else:
        reason = "the complement of a complement of members is not supported"
        yield {"refused": (Refusal("not", path, reason, OBJECT),)}


def _arrays(facts: Facts) -> Iterator[dict[str, Any]]:
    for i, located in enumerate(facts.prefix):
        if located[0] is not True:
            prefix = (*((True, facts.path) for _ in range(i)), negate(located))
            yield {"fewest": i + 1, "prefix": prefix}
    if facts.rest[0] is not True:
        before = tuple((True, facts.path) for _ in facts.prefix)
        yield {"prefix": before, "contains": (Contains(negate(facts.rest), 1, None, len(before)),)}
    if facts.fewest:
        yield {"utmost": facts.fewest - 1}
    if facts.utmost is not None:
        yield {"fewest": facts.utmost + 1}
    for contains in facts.contains:
        if contains.low:
            yield {"contains": (replace(contains, low=0, high=contains.low - 1),)}
        if contains.high is not None:
            yield {"contains": (replace(contains, low=contains.high + 1, high=None),)}
