"""Left recursion, removed rule by rule with the left-corner construction.

A rule A that can call itself before any byte is read would make closures infinite. Take the set of rules that
left-call each other with A (its component). Each production of a component rule B either starts with a rule X of
the component, B = X rest, or it is a *seed*. A then becomes a small automaton: read a seed of some X, and from
"X has been read" go on with the rest of any production B = X rest to "B has been read", until B is A. (Rosenkrantz
and Lewis 1970; Moore 2000 for the restriction to left-recursive rules.) The size is at most the component's
size for each rule of it, and lists become loops.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeVar

from constrain.automata.analysis import NonEmpty, nullable
from constrain.errors import GrammarError
from constrain.ir.grammar import (
    EMPTY,
    Bag,
    Choice,
    Expr,
    Joined,
    Literal,
    Ref,
    Repeat,
    Seq,
    Terminal,
    Token,
    expand_joined,
)

Name = TypeVar("Name", bound=Hashable)
Split = tuple[list[tuple[str, Expr]], list[Expr]]


@dataclass
class Component:
    """Left-recursive rules that call each other. ``rests[X]`` lists (B, rest); ``seeds[X]`` what starts X afresh."""

    names: list[str]
    seeds: dict[str, list[Expr]] = field(default_factory=dict)
    rests: dict[str, list[tuple[str, Expr]]] = field(default_factory=dict)


def left_calls(expr: Expr, nulls: set[str]) -> set[str]:
    """Names of the rules that the expression can call before it reads a byte."""
    first = expr
    while type(first) is Seq and first.parts:
        first = first.parts[0]
    if type(first) is Literal and first.data:
        return set()
    found: set[str] = set()
    _collect(expr, nulls, found)
    return found


def _collect(expr: Expr, nulls: set[str], found: set[str]) -> None:
    match expr:
        case Ref():
            found.add(expr.name)
        case NonEmpty():
            _collect(expr.body, nulls, found)
        case Seq():
            for part in expr.parts:
                _collect(part, nulls, found)
                if not nullable(part, nulls):
                    return
        case Choice():
            for part in expr.parts:
                _collect(part, nulls, found)
        case Repeat():
            _collect(expr.body, nulls, found)
        case Joined():
            for item, required in expr.items:
                _collect(item, nulls, found)
                if nullable(item, nulls):
                    _collect(expr.separator, nulls, found)
                elif required:
                    return
        case Bag():  # no element is empty, so nothing after the first one is reached
            for element in expr.items:
                _collect(Seq(*element.parts), nulls, found)


def components(rules: dict[str, Expr], nulls: set[str]) -> dict[str, Component]:
    """The component of each left-recursive rule; empty for most grammars."""
    calls = {name: left_calls(body, nulls) & rules.keys() for name, body in rules.items()}
    if not any(calls.values()):
        return {}
    result: dict[str, Component] = {}
    for names in strongly_connected(calls):
        if len(names) == 1 and names[0] not in calls[names[0]]:
            continue
        component = _component(names, rules, nulls)
        result.update(dict.fromkeys(names, component))
    return result


def _component(names: list[str], rules: dict[str, Expr], nulls: set[str]) -> Component:
    component = Component(names, {n: [] for n in names}, {n: [] for n in names})
    inside = set(names)
    for head in names:
        lefts, rest = split_left(rules[head], inside, nulls)
        component.seeds[head] = rest
        for first, after in lefts:
            component.rests[first].append((head, after))
    return component


def split_left(expr: Expr, inside: set[str], nulls: set[str]) -> Split:
    """The non-empty matches of ``expr`` as: those that start with a rule of ``inside`` (rule, what follows it), and
    the others (expressions that read a byte before any rule of ``inside`` is called)."""
    match expr:
        case Ref() if expr.name in inside:
            return [(expr.name, EMPTY)], []
        case NonEmpty():
            return split_left(expr.body, inside, nulls)
        case Ref() | Terminal():
            return [], [NonEmpty(expr)]
        case Literal():
            return [], [expr] if expr.data else []
        case Token():
            return [], [expr]
        case Choice():
            pairs = [split_left(p, inside, nulls) for p in expr.parts]
            return [left for lefts, _ in pairs for left in lefts], [r for _, rest in pairs for r in rest]
        case Seq():
            return _split_seq(expr.parts, inside, nulls)
        case Repeat():
            low = 0 if nullable(expr.body, nulls) else max(expr.low - 1, 0)
            high = None if expr.high is None else expr.high - 1
            if high == -1:
                return [], []
            again = Repeat(expr.body, low, high)
            lefts, rest = split_left(expr.body, inside, nulls)
            return [(name, Seq(after, again)) for name, after in lefts], [Seq(r, again) for r in rest]
        case Joined():
            return split_left(expand_joined(expr), inside, nulls)
        case Bag():
            if not inside.isdisjoint(left_calls(expr, nulls)):
                name = min(inside & left_calls(expr, nulls))
                raise GrammarError(
                    f"rule {name!r} begins with a bag whose elements begin with that rule",
                    hint="write that list without left recursion",
                )
            return [], [Bag(expr.items, expr.separator, max(expr.low, 1), expr.high, ordered=expr.ordered)]
    raise TypeError(f"not a grammar expression: {expr!r}")


def _split_seq(parts: tuple[Expr, ...], inside: set[str], nulls: set[str]) -> Split:
    lefts: list[tuple[str, Expr]] = []
    rest: list[Expr] = []
    for i, part in enumerate(parts):
        tail = parts[i + 1 :]
        part_lefts, part_rest = split_left(part, inside, nulls)
        lefts += [(name, Seq(after, *tail)) for name, after in part_lefts]
        rest += [Seq(r, *tail) for r in part_rest]
        if not nullable(part, nulls):
            break
    return lefts, rest


def strongly_connected(calls: dict[Name, set[Name]]) -> list[list[Name]]:
    """Strongly connected components, callees before callers (Tarjan 1972, iterative)."""
    index: dict[Name, int] = {}
    low: dict[Name, int] = {}
    stack: list[Name] = []
    on_stack: set[Name] = set()
    result: list[list[Name]] = []
    for root in calls:
        if root in index:
            continue
        work = [(root, iter(calls[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            name, successors = work[-1]
            for target in successors:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(calls[target])))
                    break
                if target in on_stack:
                    low[name] = min(low[name], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    at = len(stack) - 1
                    while stack[at] != name:  # not index(): it looks from the other end
                        at -= 1
                    result.append(stack[at:])
                    on_stack.difference_update(stack[at:])
                    del stack[at:]
    return result
