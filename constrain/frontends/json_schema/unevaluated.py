"""``unevaluatedProperties`` and ``unevaluatedItems``: once it is known which subschemas hold, they are ordinary.

In one alternative it is certain which schemas have been applied to the value, so the members and items
that they evaluate are known: those take no part, all others are ``additional`` ones (core, section 11).
"""

from __future__ import annotations

from collections.abc import Callable

from constrain.frontends.json_schema.facts import Choice, Facts, Located, Members, negate
from constrain.frontends.json_schema.meet import meet


def evaluation(
    facts: Facts, evaluators: list[tuple[Facts, list[Facts]]], counts_contains: Callable[[Facts], bool]
) -> Facts:
    """``facts`` and what each evaluator asks, given the facts whose annotations it sees (itself among them)."""
    for asking, applied in evaluators:
        if asking.unevaluated_members is not None:
            facts = _members(facts, asking, applied)
        if asking.unevaluated_items is not None:
            facts = _items(facts, asking, applied, counts_contains)
    return facts


def _members(facts: Facts, asking: Facts, applied: list[Facts]) -> Facts:
    if any(f.evaluates_members or (f is not asking and f.unevaluated_members is not None) for f in applied):
        return facts
    anything: Located = (True, asking.path)
    names = {name: anything for f in applied for members in f.members for name in members.properties}
    patterns = tuple((text, anything) for f in applied for members in f.members for text, _ in members.patterns)
    assert asking.unevaluated_members is not None
    return meet(facts, Facts(asking.path, members=(Members(asking.path, names, patterns, asking.unevaluated_members),)))


def _items(facts: Facts, asking: Facts, applied: list[Facts], counts_contains: Callable[[Facts], bool]) -> Facts:
    if any(f.evaluates_items or (f is not asking and f.unevaluated_items is not None) for f in applied):
        return facts
    count = max(len(f.prefix) for f in applied)
    located = asking.unevaluated_items
    assert located is not None
    contained = [c.schema for f in applied if counts_contains(f) for c in f.contains]
    if contained:
        either = (*contained, located)
        choice = Choice(tuple((b,) for b in either), lambda: (tuple(map(negate, either)),))
        key = ("either", asking.key, *(f.key for f in applied))
        located = (Facts(asking.path, key, choices=(choice,)), asking.path)
    prefix = tuple((True, asking.path) for _ in range(count))
    return meet(facts, Facts(asking.path, prefix=prefix, rest=located))
