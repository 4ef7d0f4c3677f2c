"""``meet``: the facts that hold where two sets of facts hold, so that sibling keywords are never dropped."""

from __future__ import annotations

from constrain.frontends.json_schema.facts import Conj, Facts, Located
from constrain.frontends.json_schema.values import common_values


def both(left: Located, right: Located) -> Located:
    """The schema that asks for both."""
    if left[0] is True:
        return right
    if right[0] is True:
        return left
    return Conj(_members(left) + _members(right)), left[1]


def _members(located: Located) -> tuple[Located, ...]:
    return located[0].members if isinstance(located[0], Conj) else (located,)


def meet(left: Facts, right: Facts) -> Facts:
    """What a value must satisfy to satisfy both. Exact: nothing is approximated."""
    if left.count == 0:
        return right
    if right.count == 0:
        return left
    facts = Facts()
    facts.path = left.path
    facts.ids = ids_of(left) | ids_of(right)
    facts.count = left.count + right.count
    facts.refused = left.refused + right.refused
    facts.any_of = left.any_of + right.any_of
    facts.types = left.types & right.types
    facts.values = _meet_values(left, right)
    facts.shortest, facts.longest = max(left.shortest, right.shortest), lower_bound(left.longest, right.longest)
    facts.patterns = tuple(dict.fromkeys(left.patterns + right.patterns))
    _meet_members(facts, left, right)
    _meet_items(facts, left, right)
    return facts


def ids_of(facts: Facts) -> frozenset[int]:
    """The identities of the schema objects behind ``facts``."""
    return facts.ids or frozenset((id(facts.origin),))


def lower_bound(left: int | None, right: int | None) -> int | None:
    """The lower of two upper bounds, of which ``None`` is no bound."""
    if left is None or right is None:
        return right if left is None else left
    return min(left, right)


def _meet_values(left: Facts, right: Facts) -> list[object] | None:
    if left.values is None or right.values is None:
        return right.values if left.values is None else left.values
    return common_values(left.values, right.values)


def _meet_members(facts: Facts, left: Facts, right: Facts) -> None:
    names = dict.fromkeys((*left.properties, *right.properties))
    facts.properties = {name: _as_conj(both(left.property(name), right.property(name))) for name in names}
    facts.additional = both(left.additional, right.additional)
    facts.required = tuple(dict.fromkeys(left.required + right.required))


def _as_conj(located: Located) -> object:
    return located[0] if isinstance(located[0], (Conj, bool)) else Conj((located,))


def _meet_items(facts: Facts, left: Facts, right: Facts) -> None:
    length = max(len(left.prefix), len(right.prefix))
    facts.prefix = tuple(both(left.item(i), right.item(i)) for i in range(length))
    facts.rest = both(left.rest, right.rest)
    facts.fewest, facts.most = max(left.fewest, right.fewest), lower_bound(left.most, right.most)
