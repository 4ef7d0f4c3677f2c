"""What must be known of a grammar before code is made: which rules are nullable, productive, reachable.

A rule is *nullable* when it matches the empty string, *productive* when it matches anything at all.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import lru_cache
from math import inf
from typing import NamedTuple

from constrain.automata.course import Course
from constrain.errors import GrammarError
from constrain.ir import rx as _rx
from constrain.ir.grammar import (
    EMPTY,
    NEVER,
    Bag,
    Choice,
    Expr,
    Grammar,
    Item,
    Joined,
    Literal,
    Ref,
    Repeat,
    RulesOnDemand,
    Seq,
    Terminal,
    Token,
    children,
    show,
)
from constrain.ir.lexing import Enter
from constrain.ir.rx import ANY_TEXT, Rx, is_nullable

MAX_SURE = 400  # instructions
MAX_FITTING = 1 << 20  # instructions times bound on the length: far below the limits of leaves

IsEmpty = Callable[[Terminal], bool]


class NonEmpty(Expr):
    """A ``Ref`` or ``Terminal`` without its empty match. Only the compiler makes these."""

    __slots__ = ("body",)

    def __init__(self, body: Ref | Terminal) -> None:
        self.body = body


def terminal_nullable(terminal: Terminal) -> bool:
    """Does a terminal match the empty string? (A JSON terminal ends with a quote, so never.)"""
    return terminal.encoding != "json" and terminal.low == 0 and is_nullable(terminal.language)


class Reached(NamedTuple):
    """What can be reached: rules in the order of discovery, terminals, rules that are not made yet (they are not looked
    into), and whether there is a ``Choice`` without parts."""

    rules: dict[str, Expr]
    terminals: list[Terminal]
    waiting: list[str]
    has_never: bool


def reachable(grammar: Grammar, start: str, known: Container[str] = ()) -> Reached:
    """What ``start`` leads to, without the rules that are ``known``.

    Raises ``GrammarError`` for a reference to a rule that is not there.
    """
    if start not in grammar.rules:
        raise GrammarError(f"the start rule {start!r} is not defined", hint=_known(grammar))
    unmade = grammar.rules.waiting if isinstance(grammar.rules, RulesOnDemand) else ()
    rules, terminals, visited = {start: grammar.rules[start]}, {}, set()
    waiting: dict[str, None] = {}
    todo, has_never = [start], False
    for name in todo:  # grows while we walk it
        stack = [rules[name]]
        while stack:
            node = stack.pop()
            kind = type(node)
            if kind is Literal:
                continue
            if kind is Terminal:
                terminals[id(node)] = node
            elif kind is Ref:
                target: str = node.name  # type: ignore[attr-defined]
                if target in rules or target in known:
                    continue
                if target in unmade:
                    waiting[target] = None
                elif target in grammar.rules:
                    rules[target] = grammar.rules[target]
                    todo.append(target)
                else:
                    where = f"rule {name!r}"
                    raise GrammarError(f"rule {target!r} is not defined", where=where, hint=_known(grammar))
            elif id(node) not in visited:
                visited.add(id(node))
                below = node.parts if kind is Seq or kind is Choice else children(node)  # type: ignore[attr-defined]
                has_never = has_never or (kind is Choice and not below)
                stack.extend(reversed(below))
    return Reached(rules, list(terminals.values()), list(waiting), has_never)  # type: ignore[arg-type]


def _known(grammar: Grammar) -> str:
    names = list(grammar.rules)
    return f"defined rules: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"


def nullable_rules(rules: dict[str, Expr], found: set[str]) -> set[str]:
    """Least fixpoint: adds to ``found``, which holds the nullable ones of the rules known before."""
    changed = True
    while changed:
        changed = False
        for name, body in rules.items():
            if name not in found and nullable(body, found):
                found.add(name)
                changed = True
    return found


def nullable(expr: Expr, rules: set[str]) -> bool:
    """Does the expression match the empty string, given the nullable rules?"""
    kind = type(expr)
    if kind is Literal:
        return not expr.data  # type: ignore[attr-defined]
    if kind is Seq:
        return all(nullable(p, rules) for p in expr.parts)  # type: ignore[attr-defined]
    if kind is Choice:
        return any(nullable(p, rules) for p in expr.parts)  # type: ignore[attr-defined]
    if kind is Ref:
        return expr.name in rules  # type: ignore[attr-defined]
    if kind is Repeat:
        return expr.low == 0 or nullable(expr.body, rules)  # type: ignore[attr-defined]
    if kind is Terminal:
        return terminal_nullable(expr)  # type: ignore[arg-type]
    if kind is NonEmpty or kind is Token or kind is Enter:
        return False  # what reads nothing here has its effect on what follows
    if kind is Bag:
        return expr.low == 0 and not any(item.low for item in expr.items)  # type: ignore[attr-defined]
    assert isinstance(expr, Joined)
    return nullable_joined(expr, rules)


def nullable_joined(expr: Joined, rules: set[str]) -> bool:
    """Only required items have to match; between two of them so must the separator."""
    required = [item for item, needed in expr.items if needed]
    if not all(nullable(item, rules) for item in required):
        return False
    return len(required) < 2 or nullable(expr.separator, rules)


def surely_matches(terminal: Terminal) -> bool:
    """Is it plain, without making its automaton, that a terminal matches something and that the automaton is small?"""
    rx = terminal.rx
    if terminal.exclude and rx != ANY_TEXT:
        return False
    if terminal.low or terminal.high is not None:
        return rx == ANY_TEXT and (terminal.high is None or terminal.low <= terminal.high)
    return _program_size(rx, terminal.encoding == "bytes") <= MAX_SURE


def surely_fits(terminal: Terminal) -> bool:
    """Is it plain that making the automaton of a terminal meets no limit?"""
    if terminal.exclude and terminal.rx != ANY_TEXT:
        return False
    bound = max(terminal.low, terminal.high or 0)
    return (bound + 1) * _program_size(terminal.rx, terminal.encoding == "bytes") <= MAX_FITTING


@lru_cache(maxsize=4096)
def _program_size(rx: Rx, of_bytes: bool) -> float:
    """About how many instructions an expression becomes; infinite where that is not plain, or it may match nothing."""
    match rx:
        case _rx.Chars(ranges):
            spelled = any(low <= 0xFF if of_bytes else low < 0xD800 or high > 0xDFFF for low, high in ranges)
            return 2 if spelled else inf
        case _rx.Concat(parts):
            return sum(_program_size(part, of_bytes) for part in parts)
        case _rx.Union(parts):
            return sum(_program_size(part, of_bytes) for part in parts) + 5 * len(parts) if parts else inf
        case _rx.Repeat(body, low, high):
            return max(low + 1, high or 0) * (_program_size(body, of_bytes) + 3)
    return inf


def productive_rules(rules: dict[str, Expr], found: set[str], is_empty: IsEmpty) -> set[str]:
    """Least fixpoint, innermost rules first: adds to ``found``, which holds the productive ones known before."""
    changed = True
    while changed:
        changed = False
        for name in reversed(rules):
            if name not in found and productive(rules[name], found, is_empty):
                found.add(name)
                changed = True
    return found


def productive(expr: Expr, rules: set[str], is_empty: IsEmpty) -> bool:
    """Does the expression match anything, given the productive rules?"""
    kind = type(expr)
    if kind is Literal or kind is Token or kind is Enter:
        return True
    if kind is Terminal:
        return not is_empty(expr)  # type: ignore[arg-type]
    if kind is Ref:
        return expr.name in rules  # type: ignore[attr-defined]
    if kind is Seq:
        parts = expr.parts  # type: ignore[attr-defined]
        return all(type(part) is Literal or productive(part, rules, is_empty) for part in parts)
    if kind is Choice:
        return any(productive(part, rules, is_empty) for part in expr.parts)  # type: ignore[attr-defined]
    if kind is Repeat:
        return expr.low == 0 or productive(expr.body, rules, is_empty)  # type: ignore[attr-defined]
    if kind is Joined:
        needed = [item for item, required in expr.items if required]  # type: ignore[attr-defined]
        return all(productive(part, rules, is_empty) for part in needed) and (
            len(needed) < 2 or productive(expr.separator, rules, is_empty)  # type: ignore[attr-defined]
        )
    if kind is Bag:
        return _productive_bag(expr, rules, is_empty)  # type: ignore[arg-type]
    raise TypeError(f"not a grammar expression: {expr!r}")


def _productive_bag(expr: Bag, rules: set[str], is_empty: IsEmpty) -> bool:
    if expr.low == 0 and not any(item.low for item in expr.items):
        return True  # it may be empty
    bag = without_unproductive(expr, rules, is_empty)
    if bag is None:
        return False
    if bag.low <= 1 and len(bag.items) == 1 and bag.items[0].low <= 1 and bag.high != 0 and bag.items[0].high != 0:
        return True  # one element will do
    return nullable(bag, rules) or Course(bag).start is not None


def without_unproductive(bag: Bag, rules: set[str], is_empty: IsEmpty) -> Bag | None:
    """The bag without items that match nothing or need such; ``None`` when one of them must be there."""
    kept = {i for i, item in enumerate(bag.items) if all(productive(part, rules, is_empty) for part in item.parts)}
    while lost := {i for i in kept if not kept.issuperset(bag.items[i].needs)}:
        kept -= lost
    if any(item.low for i, item in enumerate(bag.items) if i not in kept):
        return None
    alone = not productive(bag.separator, rules, is_empty)
    if len(kept) == len(bag.items) and not alone:
        return bag
    if alone and bag.low > 1:
        return None
    number = {i: place for place, i in enumerate(sorted(kept))}
    items = tuple(
        with_parts(item, item.parts, tuple(number[need] for need in item.needs))
        for item in (bag.items[i] for i in sorted(kept))
    )
    if not alone:
        return Bag(items, bag.separator, bag.low, bag.high, ordered=bag.ordered)
    high = 1 if bag.high is None else min(bag.high, 1)
    return Bag(items, EMPTY, bag.low, high, ordered=bag.ordered)


def with_parts(item: Item, parts: tuple[Expr, ...], needs: tuple[int, ...]) -> Item:
    """The item with other parts (as many, in the order of ``Item.parts``) and other needs."""
    opening = parts[0] if item.opening is not None else None
    return Item(parts[-1], item.low, item.high, opening=opening, word=item.word, needs=needs)


def prune(expr: Expr, rules: set[str], is_empty: IsEmpty) -> Expr:
    """The same language without parts that match nothing; ``NEVER`` when nothing is left."""
    if not productive(expr, rules, is_empty):
        return NEVER
    match expr:
        case Seq():
            return Seq(*(prune(p, rules, is_empty) for p in expr.parts))
        case Choice():
            return Choice(*(prune(p, rules, is_empty) for p in expr.parts if productive(p, rules, is_empty)))
        case Repeat():
            if not productive(expr.body, rules, is_empty):
                return Seq()
            return Repeat(prune(expr.body, rules, is_empty), expr.low, expr.high)
        case Joined():
            if not productive(expr.separator, rules, is_empty):  # then at most one item can be there
                needed = [item for item, required in expr.items if required]
                alone = needed or [item for item, _ in expr.items if productive(item, rules, is_empty)]
                choice = [prune(item, rules, is_empty) for item in alone]
                return choice[0] if needed else Choice(Seq(), *choice)
            items = tuple(
                (prune(item, rules, is_empty), required)
                for item, required in expr.items
                if productive(item, rules, is_empty)
            )
            return Joined(items, prune(expr.separator, rules, is_empty))
        case Bag():
            bag = without_unproductive(expr, rules, is_empty)
            assert bag is not None
            parts = (tuple(prune(part, rules, is_empty) for part in item.parts) for item in bag.items)
            elements = (with_parts(item, new, item.needs) for item, new in zip(bag.items, parts, strict=True))
            separator = prune(bag.separator, rules, is_empty)
            return Bag(tuple(elements), separator, bag.low, bag.high, ordered=bag.ordered)
    return expr


def why_empty(name: str, rules: dict[str, Expr], found: set[str], is_empty: IsEmpty) -> str:
    """One sentence on what makes a rule unproductive."""
    body = rules[name]
    stack = [body]
    while stack:
        node = stack.pop()
        if isinstance(node, Terminal) and is_empty(node):
            return f"its terminal {show(node)} matches nothing"
        if isinstance(node, Ref) and node.name not in found and node.name != name:
            return f"it needs rule {node.name!r}, which matches nothing either"
        if isinstance(node, Bag) and not productive(node, found, is_empty):
            return f"its {show(node)} cannot be filled: bounds that contradict each other, or too few words or items"
        stack.extend(children(node))
    return "every alternative needs the rule itself again, or there is no alternative"
