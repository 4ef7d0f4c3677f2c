"""``meet``: the facts that hold where two sets of facts hold, so that sibling keywords are never dropped."""

from __future__ import annotations

from constrain.frontends.json_schema.facts import Facts, both, lower_bound, tighter
from constrain.frontends.json_schema.values import common_values

_JOINED = ("refused", "excluded", "texts", "multiples", "members", "required", "names", "needs", "exists", "contains")


def meet(left: Facts, right: Facts) -> Facts:
    """What a value must satisfy to satisfy both. Exact: nothing is approximated. Choices are left to the caller."""
    facts = Facts(left.path if left.path is not None else right.path)
    for name in _JOINED:
        mine, other = getattr(left, name), getattr(right, name)
        if mine or other:
            setattr(facts, name, mine if not other else other if not mine else tuple(dict.fromkeys(mine + other))
                    if name in ("texts", "required", "multiples") else mine + other)  # fmt: skip
    facts.types = left.types & right.types
    facts.values = right.values if left.values is None else left.values
    if left.values is not None and right.values is not None:
        facts.values = common_values(left.values, right.values)
    facts.shortest, facts.longest = max(left.shortest, right.shortest), lower_bound(left.longest, right.longest)
    facts.lower = tighter(left.lower, right.lower, 1)
    facts.upper = tighter(left.upper, right.upper, -1)
    facts.least, facts.most = max(left.least, right.least), lower_bound(left.most, right.most)
    _meet_items(facts, left, right)
    return facts


def _meet_items(facts: Facts, left: Facts, right: Facts) -> None:
    if left.prefix or right.prefix:
        length = max(len(left.prefix), len(right.prefix))
        facts.prefix = tuple(both(left.item(i), right.item(i)) for i in range(length))
    facts.rest = both(left.rest, right.rest)
    facts.fewest, facts.utmost = max(left.fewest, right.fewest), lower_bound(left.utmost, right.utmost)
    facts.unique = left.unique or right.unique
