"""Do rules keep brackets and indentation balanced? Then they never ask for what a post-lexer does not give.

They do if each right-hand side does by itself: then each rule does, by induction on derivations. Where this is
not so nothing is wrong, but at each place one has to look whether anything can follow (``may_be_stuck``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lark.indenter import Indenter
from lark.parsers.grammar_analysis import calculate_sets


@dataclass(frozen=True)
class Balance:
    """``outside``, ``inside``: the terminals that rules may ask for outside and inside of brackets. ``holds``:
    brackets, and INDENT with DEDENT, are balanced, these and line breaks come outside of brackets only, and INDENT and
    DEDENT only behind one another or a line break."""

    holds: bool
    outside: frozenset[str]
    inside: frozenset[str]


def balance(rules: Sequence[Any], start: str, indenter: Indenter) -> Balance:
    """What holds for the rules that ``start`` leads to."""
    opens = indenter.OPEN_PAREN_types
    closes = [name for name in indenter.CLOSE_PAREN_types if name not in opens]
    ups, downs = [indenter.INDENT_type], [indenter.DEDENT_type]
    outer = {*ups, *downs, indenter.NL_type}
    is_balanced = all(min(_depths(rule, opens, closes)) >= 0 == _depths(rule, opens, closes)[-1] for rule in rules)
    if not is_balanced or any(min(_depths(rule, ups, downs)) < 0 != _depths(rule, ups, downs)[-1] for rule in rules):
        return Balance(False, frozenset(), frozenset())
    asked: dict[bool, set[str]] = {False: set(), True: set()}
    for name, is_inside in _asked(rules, start, opens, closes):
        asked[is_inside].add(name)
    holds = not asked[True] & outer and not _stray(rules, outer, {*ups, *downs})
    return Balance(holds, frozenset(asked[False]), frozenset(asked[True]))


def _depths(rule: Any, opens: Collection[str], closes: Collection[str]) -> list[int]:
    """The depth before each symbol of a rule, and at its end."""
    found = [0]
    for item in rule.expansion:
        found.append(found[-1] + (item.name in opens) - (item.name in closes))
    return found


def _asked(
    rules: Sequence[Any], start: str, opens: Collection[str], closes: Collection[str]
) -> Iterator[tuple[str, bool]]:
    """The terminals that are met, each with whether it is in brackets."""
    todo = [(start, False)]
    seen = set(todo)
    for origin, is_inside in todo:  # grows
        for rule in rules:
            if rule.origin.name != origin:
                continue
            for item, depth in zip(rule.expansion, _depths(rule, opens, closes), strict=False):
                key = (str(item.name), is_inside or depth > 0)
                if item.is_term:
                    yield key
                elif key not in seen:
                    seen.add(key)
                    todo.append(key)


def _stray(rules: Sequence[Any], before: Collection[str], wanted: Collection[str]) -> bool:
    """May one of the terminals ``wanted`` come behind one that is not in ``before``?"""
    _, follow, _ = calculate_sets(rules)  # type: ignore[no-untyped-call]
    return any(
        symbol.is_term and symbol.name not in before and any(after.name in wanted for after in follow[symbol])
        for symbol in follow
    )
