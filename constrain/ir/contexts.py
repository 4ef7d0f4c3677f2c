"""A grammar over tokens as one over bytes: rules for each pair of contexts, before and after.

The product of the grammar with its contexts (Bar-Hillel, Perles and Shamir 1961). Exact, with nothing that leads
nowhere, and large: the pushdown machine follows contexts itself where it can (``automata/program.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from constrain.errors import LimitExceeded
from constrain.ir.grammar import EMPTY, NEVER, Choice, Expr, Grammar, Ref, Repeat, RulesOnDemand, Seq, Token, walk
from constrain.ir.lexing import Lexing

MAX_CONTEXTS = 2_000
MAX_RULES = 200_000


def spelled_out(grammar: Grammar, *, max_rules: int = MAX_RULES) -> Grammar:
    """The same language without tokens. Raises ``LimitExceeded`` where contexts or rules are too many."""
    if grammar.lexing is None:
        return grammar
    if not grammar.lexing.is_finite:
        raise LimitExceeded("contexts of a lexer that knows indentation", MAX_CONTEXTS + 1, MAX_CONTEXTS)
    return _Product(grammar, grammar.lexing, max_rules).grammar()


class Outcomes:
    """``of(expr, context)``: the contexts in which ``expr``, begun in ``context``, can end. Least fixpoint."""

    def __init__(self, grammar: Grammar, lexing: Lexing, max_rules: int) -> None:
        self.rules, self.lexing, self.max_rules = grammar.rules, lexing, max_rules
        self.found: dict[tuple[str, int], set[int]] = {}
        self.users: dict[tuple[str, int], set[tuple[str, int]]] = {}
        self.todo: list[tuple[str, int]] = []
        self.reader: tuple[str, int] | None = None
        self.after: dict[int, frozenset[int]] = {}
        self.tokens: dict[tuple[int, int], frozenset[int]] = {}

    def solve(self) -> None:
        """Until nothing changes."""
        while self.todo:
            key = self.todo.pop()
            self.reader = key
            found = self.of(self.rules[key[0]], {key[1]})
            self.reader = None
            if not found <= self.found[key]:
                self.found[key] |= found
                self.todo.extend(self.users.get(key, ()))
            if len(self.found) > self.max_rules:
                raise LimitExceeded("rules for each context", len(self.found), self.max_rules)

    def of(self, expr: Expr, contexts: Iterable[int]) -> set[int]:
        """All ends of ``expr`` begun in any of the contexts, as far as they are known."""
        now = set(contexts)
        match expr:
            case Token():
                return set().union(*(self.token(expr.number, c) for c in now))
            case Ref():
                return {end for c in now for end in self.rule(expr.name, c)}
            case Seq():
                for part in expr.parts:
                    now = self.of(part, now)
                return now
            case Choice():
                return {end for part in expr.parts for end in self.of(part, now)}
            case Repeat(low=1, high=None):
                found, new = set[int](), now
                while new:
                    new = self.of(expr.body, new) - found
                    found |= new
                return found
        raise TypeError(f"not an expression over tokens: {expr!r}")

    def token(self, number: int, context: int) -> frozenset[int]:
        """The same for a token."""
        key = (number, context)
        if key not in self.tokens:
            ways = self.lexing.ways(context, number)
            self.tokens[key] = frozenset().union(*(self.skip(way.after) for way in ways))
        return self.tokens[key]

    def rule(self, name: str, context: int) -> set[int]:
        """The same for a rule; who asks is told when it changes."""
        key = (name, context)
        if key not in self.found:
            self.found[key] = set()
            self.todo.append(key)
        if self.reader is not None:
            self.users.setdefault(key, set()).add(self.reader)
        return self.found[key]

    def skip(self, context: int) -> frozenset[int]:
        """This context and those behind blanks."""
        if context not in self.after:
            found, todo = {context}, [context]
            for each in todo:  # grows
                new = {way.after for way in self.lexing.blanks(each)} - found
                found |= new
                todo += new
            self.after[context] = frozenset(found)
            if len(self.after) > MAX_CONTEXTS:
                raise LimitExceeded("contexts of a lexer", len(self.after), MAX_CONTEXTS)
        return self.after[context]


class _Product:
    def __init__(self, grammar: Grammar, lexing: Lexing, max_rules: int) -> None:
        self.source, self.lexing, self.max_rules = grammar, lexing, max_rules
        self.outcomes = Outcomes(grammar, lexing, max_rules)
        self.rules: dict[str, Expr] = {}
        self.todo: list[tuple[str, int, int]] = []
        self.bodies: list[Expr] = []
        self.known: dict[tuple[tuple[int, ...], int], frozenset[int]] = {}  # by the identity of parts of the grammar

    def grammar(self) -> Grammar:
        top = "text"
        while top in self.source.rules:
            top = f"_{top}"
        start, end = self.source.start, Token(self.lexing.end)
        whole = Seq(Ref(start), end)
        firsts = self.outcomes.skip(self.lexing.first)
        for first in firsts:
            self.outcomes.rule(start, first)
        self.outcomes.solve()
        parts = []
        for first in sorted(firsts):
            for last in sorted(self.outcomes.of(whole, {first})):
                parts.append(Seq(self.blanks(self.lexing.first, first), self.expr(whole, first, last)))
        self.rules[top] = Choice(*parts)
        while self.todo:
            name, before, after = self.todo.pop()
            self.rules[_name(name, before, after)] = self.expr(self.source.rules[name], before, after)
            if len(self.rules) > self.max_rules:
                raise LimitExceeded("rules for each pair of contexts", len(self.rules), self.max_rules)
        return Grammar(top, self.with_embedded(), self.source.unenforced)

    def with_embedded(self) -> Mapping[str, Expr]:
        """The rules here and those that bodies of tokens refer to."""
        rules = self.source.rules
        if not isinstance(rules, RulesOnDemand):
            todo = [node.name for body in self.bodies for node in walk(body) if isinstance(node, Ref)]
            for name in todo:  # grows
                if name not in self.rules:
                    self.rules[name] = rules[name]
                    todo += [node.name for node in walk(rules[name]) if isinstance(node, Ref)]
            return self.rules
        made = {**rules.made, **self.rules}
        keep = rules  # who lets go of it lets go of what waits
        return RulesOnDemand(made, rules.waiting, rules.sound, lambda: (keep, None)[1], rules.common, rules.parts)

    def expr(self, expr: Expr, before: int, after: int) -> Expr:
        """What leads from one context to the other."""
        match expr:
            case Token():
                return self.token(expr.number, before, after)
            case Ref():
                return self.ref(expr.name, before, after)
            case Choice():
                return _either(self.expr(p, before, after) for p in expr.parts if after in self.ends((p,), before))
            case Seq():
                return self.sequence(expr, 0, before, after)
            case Repeat():
                return self.repeat(expr, before, after)
        raise TypeError(f"not an expression over tokens: {expr!r}")

    def ref(self, name: str, before: int, after: int) -> Expr:
        key = _name(name, before, after)
        if key not in self.rules:
            self.rules[key] = NEVER
            self.todo.append((name, before, after))
        return Ref(key)

    def sequence(self, expr: Seq, at: int, before: int, after: int) -> Expr:
        """The parts from ``at`` on."""
        if at == len(expr.parts):
            return EMPTY if before == after else NEVER
        part, rest = expr.parts[at], expr.parts[at + 1 :]
        if not rest:
            return self.expr(part, before, after)
        middles = [m for m in sorted(self.ends((part,), before)) if after in self.ends(rest, m)]
        follow = self.sequence if len(middles) == 1 or len(rest) == 1 else self.rest
        return _either(Seq(self.expr(part, before, m), follow(expr, at + 1, m, after)) for m in middles)

    def rest(self, expr: Seq, at: int, before: int, after: int) -> Expr:
        """The same as a rule of its own: the ways through a sequence are too many to be written one by one."""
        key = f"rest {id(expr)} {at} {before} {after}"
        if key not in self.rules:
            self.rules[key] = NEVER
            self.rules[key] = self.sequence(expr, at, before, after)
        return Ref(key)

    def ends(self, parts: tuple[Expr, ...], before: int) -> frozenset[int]:
        """The contexts in which a sequence can end, remembered: nothing changes any more."""
        key = (tuple(map(id, parts)), before)
        if key not in self.known:
            self.known[key] = frozenset(self.outcomes.of(Seq(*parts), {before}))
        return self.known[key]

    def repeat(self, expr: Repeat, before: int, after: int) -> Expr:
        """A rule of its own: one round, then perhaps others."""
        key = f"repeat {id(expr)} {before} {after}"
        if key not in self.rules:
            self.rules[key] = NEVER
            ways: list[Expr] = []
            for middle in sorted(self.outcomes.of(expr.body, {before})):
                once = self.expr(expr.body, before, middle)
                if middle == after:
                    ways.append(once)
                if after in self.outcomes.of(expr, {middle}):
                    ways.append(Seq(once, self.repeat(expr, middle, after)))
            self.rules[key] = _either(ways)
        return Ref(key)

    def token(self, number: int, before: int, after: int) -> Expr:
        ways = [way for way in self.lexing.ways(before, number) if after in self.outcomes.skip(way.after)]
        bodies = [EMPTY if way.body is None else way.body for way in ways]
        self.bodies += bodies
        blanks = [self.blanks(way.after, after) for way in ways]
        return _either(_both(*parts) for parts in zip(bodies, blanks, strict=True))

    def blanks(self, before: int, after: int) -> Expr:
        """Any number of blanks."""
        if before == after and not self.lexing.blanks(before):
            return EMPTY
        key = f"blanks {before} {after}"
        if key not in self.rules:
            self.rules[key] = NEVER
            ways: list[Expr] = [EMPTY] if before == after else []
            for way in self.lexing.blanks(before):
                if after in self.outcomes.skip(way.after):
                    assert way.body is not None, "blanks read something"
                    ways.append(Seq(way.body, self.blanks(way.after, after)))
            self.rules[key] = _either(ways)
        return Ref(key)


def _either(parts: Iterable[Expr]) -> Expr:
    ways = tuple(parts)
    return ways[0] if len(ways) == 1 else Choice(*ways)


def _both(first: Expr, second: Expr) -> Expr:
    return second if first is EMPTY else first if second is EMPTY else Seq(first, second)


def _name(name: str, before: int, after: int) -> str:
    return f"{name} {before} {after}"
