"""Rules for tokens in contexts: what a ``TOKEN`` instruction calls (``ir/lexing.py`` says what contexts are).

A context has a block of rule numbers: its base plus the token's number is the rule for that token there, and the
number after those of the tokens is the rule for what may be skipped. Bodies are made when a rule is first called.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence, Set

from constrain.automata.analysis import nullable, nullable_rules
from constrain.automata.recursion import left_calls, split_left, strongly_connected
from constrain.errors import LimitExceeded
from constrain.ir.contexts import spelled_out
from constrain.ir.grammar import EMPTY, NEVER, Choice, Expr, Grammar, Ref, Repeat, Seq, Terminal, Token, walk
from constrain.ir.lexing import Enter, Lexing, Way

FEW_CONTEXTS, FEW_TOKENS = 40, 60
OTHER = -1
SMALL_PRODUCT = 3_000  # rules


class TokenRules:
    """The blocks of a grammar's contexts. ``reserve(count)`` sets that many rule numbers aside, returns the first."""

    def __init__(self, lexing: Lexing, reserve: Callable[[int], int]) -> None:
        self.lexing, self.reserve = lexing, reserve
        self.bases: list[int] = []  # ascending
        self.contexts: list[int] = []  # of the base at the same place
        self.base_of: dict[int, int] = {}

    def context(self, context: int) -> int:
        """The base of a context."""
        if context not in self.base_of:
            base = self.reserve(len(self.lexing.names) + 1)
            self.base_of[context] = base
            self.bases.append(base)
            self.contexts.append(context)
        return self.base_of[context]

    def blanks(self, context: int) -> int:
        """The rule for what may be skipped."""
        return self.context(context) + len(self.lexing.names)

    def block(self, number: int) -> range:
        """All rules of the context to which a rule belongs."""
        base = self.bases[bisect_right(self.bases, number) - 1]
        return range(base, base + len(self.lexing.names) + 1)

    def body(self, number: int) -> Expr:
        """What a rule of a block stands for."""
        return _either(self._ways(number), self.lexing)

    def _ways(self, number: int) -> Sequence[Way]:
        place = bisect_right(self.bases, number) - 1
        context, token = self.contexts[place], number - self.bases[place]
        is_token = token < len(self.lexing.names)
        return self.lexing.ways(context, token) if is_token else self.lexing.blanks(context)

    def name(self, number: int) -> str:
        """What messages call it."""
        token = number - self.bases[bisect_right(self.bases, number) - 1]
        return self.lexing.names[token] if token < len(self.lexing.names) else "ignored text"

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self.bases, number) - 1
        return place >= 0 and number - self.bases[place] <= len(self.lexing.names)


def leaves(body: Expr) -> Iterator[Terminal]:
    """The terminals that a rule of a block begins with."""
    for part in body.parts if isinstance(body, Choice) else ():
        if isinstance(part, Enter) and isinstance(part.body, Terminal):
            yield part.body


def _either(ways: Sequence[Way], lexing: Lexing) -> Expr:
    parts = [Enter(way.after, way.body, probe=way.body is not None and lexing.may_be_stuck(way.after)) for way in ways]
    return Choice(*parts) if parts else NEVER


def runnable(grammar: Grammar) -> Grammar:
    """A grammar that the machine can run: the same where it can follow contexts by itself, else the product with them.

    It cannot where a rule calls itself before anything is read but a token that reads nothing, or with nothing but such
    tokens behind it: the return stacks would be circular. And it need not where there is nothing to follow, one context
    throughout, or where the grammar is small and its lexer can get stuck: then the product costs less than to probe
    each place (``kernels/probe.py``), which need not come to an end.
    """
    lexing = grammar.lexing
    if lexing is None:
        return grammar
    contexts = _few_contexts(lexing) if lexing.is_finite else []
    if _hidden_recursion(grammar, lexing) or len(contexts) == 2:  # the one, and that after the end
        return spelled_out(grammar)
    if any(map(lexing.may_be_stuck, contexts)):
        try:
            return spelled_out(grammar, max_rules=SMALL_PRODUCT)
        except LimitExceeded:
            return grammar
    return grammar


def _few_contexts(lexing: Lexing) -> list[int]:
    """All contexts, if they and the tokens are few; else none."""
    tokens = range(len(lexing.names))
    seen = [lexing.first]
    for context in seen:  # grows
        if len(tokens) > FEW_TOKENS and len(seen) > 2:
            return []
        ways = [*(way for token in tokens for way in lexing.ways(context, token)), *lexing.blanks(context)]
        seen += [after for after in dict.fromkeys(way.after for way in ways) if after not in seen]
        if len(seen) > FEW_CONTEXTS:
            return []
    return seen


def first_tokens(rules: Mapping[str, Expr], nulls: set[str]) -> dict[str, set[int]]:
    """The tokens with which each rule can begin, ``OTHER`` among them if it can begin with something else. Least fixed
    point."""
    found: dict[str, set[int]] = {name: set() for name in rules}
    changed = True
    while changed:
        changed = False
        for name, body in rules.items():
            before = len(found[name])
            _add_first(body, found, nulls, found[name])
            changed = changed or len(found[name]) > before
    return found


def _add_first(expr: Expr, known: Mapping[str, Set[int]], nulls: set[str], found: set[int]) -> None:
    match expr:
        case Token():
            found.add(expr.number)
        case Ref():
            found |= known[expr.name]
        case Choice():
            for part in expr.parts:
                _add_first(part, known, nulls, found)
        case Seq():
            for part in expr.parts:
                _add_first(part, known, nulls, found)
                if not nullable(part, nulls):
                    break
        case Repeat():
            _add_first(expr.body, known, nulls, found)
        case _:
            found.add(OTHER)


def _hidden_recursion(grammar: Grammar, lexing: Lexing) -> bool:
    """Is there left recursion behind tokens that read nothing?"""
    if lexing.empty <= {lexing.end}:
        return False  # without a look at the rules, which may be waiting
    if not any(type(node) is Token and node.number in lexing.empty for e in grammar.rules.values() for node in walk(e)):
        return False
    bare = {name: _without(body, lexing) for name, body in grammar.rules.items()}
    nulls, bare_nulls = nullable_rules(dict(grammar.rules), set()), nullable_rules(bare, set())
    calls = {name: left_calls(body, bare_nulls) for name, body in bare.items()}
    for names in strongly_connected(calls):
        inside = set(names)
        for name in names:
            if calls[name] & inside != left_calls(grammar.rules[name], nulls) & inside:
                return True
        if _is_circular(bare, inside, bare_nulls):
            return True
    return False


def _is_circular(rules: Mapping[str, Expr], names: set[str], nulls: set[str]) -> bool:
    """Can one of these rules stand for itself alone? What reads nothing beside it would be taken for ever."""
    alone: dict[str, set[str]] = {name: set() for name in names}
    for name in names & rules.keys():
        lefts, _ = split_left(rules[name], names, nulls)
        alone[name] = {first for first, after in lefts if nullable(after, nulls)}
    return any(len(circle) > 1 or circle[0] in alone[circle[0]] for circle in strongly_connected(alone))


def _without(expr: Expr, lexing: Lexing) -> Expr:
    """The expression without tokens that read nothing."""
    match expr:
        case Token():
            return EMPTY if expr.number in lexing.empty else expr
        case Seq():
            return Seq(*(_without(part, lexing) for part in expr.parts))
        case Choice():
            return Choice(*(_without(part, lexing) for part in expr.parts))
        case Repeat():
            return Repeat(_without(expr.body, lexing), expr.low, expr.high)
    return expr
