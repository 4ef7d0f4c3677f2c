"""Rules that have no finite member, because their recursion never ends, and rules that nothing mentions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from constrain.ir.grammar import Bag, Choice, Expr, Joined, Ref, Repeat, Seq, walk


def reachable_rules(rules: Mapping[str, Expr], start: str) -> dict[str, Expr]:
    """The rules that ``start`` leads to."""
    found = {start: None}
    waiting = [start]
    for name in waiting:  # grows while we walk it
        for node in walk(rules[name]):
            if isinstance(node, Ref) and node.name not in found:
                found[node.name] = None
                waiting.append(node.name)
    return {name: body for name, body in rules.items() if name in found}


def productive_rules(rules: Mapping[str, Expr], known: Iterable[str] = ()) -> set[str]:
    """The rules that have a finite member, those ``known`` to have one among them: the least fixpoint, by rounds."""
    alive = set(known)
    waiting = list(rules)[::-1]
    while True:
        left: list[str] = []
        for name in waiting:
            if _is_productive(rules[name], alive):
                alive.add(name)
            else:
                left.append(name)
        if len(left) == len(waiting):
            return alive
        waiting = left


def _is_productive(expr: Expr, alive: set[str]) -> bool:
    match expr:
        case Ref():
            return expr.name in alive
        case Seq():
            return all(_is_productive(part, alive) for part in expr.parts)
        case Choice():
            return any(_is_productive(part, alive) for part in expr.parts)
        case Repeat():
            return expr.low == 0 or _is_productive(expr.body, alive)
        case Bag():
            return all(_is_productive(part, alive) for item in expr.items if item.low for part in item.parts)
        case Joined():
            return all(_is_productive(item, alive) for item, required in expr.items if required)
    return True
