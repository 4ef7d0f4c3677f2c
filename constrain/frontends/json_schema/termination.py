"""Two ways in which recursion goes wrong: rules that lead back to themselves at once, and rules that never end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from constrain.errors import GrammarError
from constrain.ir.grammar import Choice, Expr, Joined, Ref, Repeat, Seq


def check_circles(edges: Iterable[tuple[str, str]]) -> None:
    """Raise ``GrammarError`` if the rules that mention each other about the *same* value form a circle.

    JSON Schema calls such a schema an infinite loop (core, section 9.4.1): it asks for nothing but itself.
    """
    after: dict[str, list[str]] = {}
    for rule, mentioned in edges:
        after.setdefault(rule, []).append(mentioned)
    done: set[str] = set()
    for start in after:
        trail: list[str] = []
        stack = [(start, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                done.add(trail.pop())
            elif name in trail:
                circle = " -> ".join([*trail[trail.index(name) :], name])
                raise GrammarError("$ref leads back to itself about the same value", where=f"schema at {circle}")
            elif name not in done:
                trail.append(name)
                stack.append((name, True))
                stack.extend((mentioned, False) for mentioned in after.get(name, ()))


def productive_rules(rules: Mapping[str, Expr]) -> set[str]:
    """The rules that have a finite member: the least fixpoint, by rounds."""
    alive: set[str] = set()
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
        case Joined():
            return all(_is_productive(item, alive) for item, required in expr.items if required)
    return True
