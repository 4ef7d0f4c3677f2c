"""Whole grammars as parts of others: their rules are renamed apart, and those that wait still do.

An ``Assembly`` collects the rules of one new grammar. What is embedded keeps the names of its rules where they are
free. Only what can be reached is taken; a rule that is made when a text gets there (``RulesOnDemand``) becomes one that
is made when a text gets there, and the names in it are settled then. A grammar that was put together here is a part
as its *recipe*, so that what occurs in many parts of a grammar is in it once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

from constrain.errors import ConstrainError, GrammarError
from constrain.ir.contexts import spelled_out
from constrain.ir.grammar import (
    NEVER,
    Bag,
    Choice,
    Common,
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
    walk,
)

TOP = "<text>"  # the start rule of a grammar that was put together


class Rule:
    """A named rule of a grammar that is being built: it can stand in its own definition, and in those of others.

    ``value = Rule("value")``, then ``value.define(choices([regex("[0-9]+"), sequence("(", value, ")")]))``. The name
    is for messages; two rules may have the same.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.body: Piece | None = None

    def define(self, body: Piece) -> Grammar:
        """What the rule means; returns the grammar that begins with it.

        Rules in ``body`` may be defined later: put the grammar together when all are, ``sequence(rule)`` say.
        Raises ``GrammarError`` where the rule has a definition already, ``TypeError``.
        """
        if self.body is not None:
            raise GrammarError(
                f"the rule {self.name!r} is defined already", hint="make another Rule for another meaning"
            )
        build(lambda assembly: assembly.expr(body))  # raises what it has to say of it
        self.body = body
        return build(lambda assembly: assembly.expr(self))

    def __repr__(self) -> str:
        return f"Rule({self.name!r})"


Piece = Grammar | Rule | str | bytes
Recipe = Callable[["Assembly"], Expr]


@dataclass(frozen=True)
class Built(Grammar):
    """A grammar that was put together, and how."""

    recipe: Recipe = field(kw_only=True, repr=False, compare=False)


def build(recipe: Recipe) -> Built:
    """The grammar that a recipe makes of no other rules."""
    assembly = Assembly()
    start = recipe(assembly)
    grammar = assembly.finish(start)
    return Built(grammar.start, grammar.rules, grammar.unenforced, recipe=recipe)


class Assembly:
    """The rules of a grammar that is put together. Not thread-safe until it is finished."""

    def __init__(self) -> None:
        self.rules: dict[str, Expr] = {}
        self.later: dict[str, Callable[[], Expr]] = {}
        self.sound: set[str] = set()
        self.parts: list[Expr] = []
        self.common: Common | None = None
        self.unenforced: dict[int, ConstrainError] = {}
        self._entries: dict[int, tuple[Grammar, Expr]] = {}  # id(grammar) -> (the grammar: kept alive, its place)
        self._names: dict[Rule, str] = {}
        self._pending: list[tuple[str, Callable[[], Expr]]] = []  # rules that have a name, and what makes them

    def expr(self, piece: Piece) -> Expr:
        """The piece as an expression over the rules here. Raises ``GrammarError``, ``TypeError``."""
        match piece:
            case str():
                return Literal(encoded(piece))
            case bytes():
                return Literal(piece)
            case Rule():
                return self.rule(piece)
            case Grammar():
                return self._embedded(piece)
        _refuse(piece)

    def named(self, expr: Expr, name: str) -> Expr:
        """The expression to stand in many places: a rule, where it is large."""
        if isinstance(expr, Literal | Terminal | Ref):
            return expr
        name = self.fresh(name)
        self.rules[name] = expr
        return Ref(name)

    def finish(self, start: Expr) -> Grammar:
        """The grammar that begins with ``start``."""
        name = start.name if isinstance(start, Ref) and start.name in self.rules else TOP
        if name == TOP:
            self.rules[TOP] = start
        self.settle()
        unenforced = tuple(self.unenforced.values())
        if not self.later and self.common is None:
            return Grammar(name, self.rules, unenforced)
        # What makes a rule knows this assembly, and it knows them: let go by hand.
        rules = RulesOnDemand(self.rules, self.later, self.sound, self.later.clear, self.common, self.parts)
        return Grammar(name, rules, unenforced)

    def promise(self, name: str, make: Callable[[], Expr]) -> str:
        """A rule called so, or nearly so, is there; ``settle`` makes it. Its name."""
        name = self.fresh(name)
        self.rules[name] = NEVER
        self._pending.append((name, make))
        return name

    def settle(self) -> None:
        """Make the rules that have been promised, and those that they lead to."""
        while self._pending:
            name, make = self._pending.pop()
            self.rules[name] = make()

    def fresh(self, name: str) -> str:
        """The name, or that with a number, such that no other rule has it."""
        number, found = 1, name
        while found in self.rules or found in self.later or found == TOP:
            number += 1
            found = f"{name}.{number}"
        return found

    def rule(self, rule: Rule) -> Expr:
        """A rule's place."""
        if rule.body is None:
            return Ref(f"{rule.name}, a Rule without a definition")  # compiling will say that there is no such rule
        if rule not in self._names:
            self._names[rule] = self.promise(rule.name, partial(self.expr, rule.body))
        return Ref(self._names[rule])

    def _embedded(self, grammar: Grammar) -> Expr:
        known = self._entries.get(id(grammar))
        if known is None:
            self.unenforced.update((id(error), error) for error in grammar.unenforced)
            plain = spelled_out(
                grammar
            )  # as a part of something else it is a set of texts; no lexer runs across its end
            entry = grammar.recipe(self) if isinstance(grammar, Built) else _Embedding(self, plain).entry()
            known = self._entries[id(grammar)] = grammar, entry
            return known[1]
        again = self.named(known[1], "part")  # written once, however many places it stands in
        self._entries[id(grammar)] = grammar, again
        return again


class _Embedding:
    """The names that the rules of one grammar have in an assembly."""

    def __init__(self, assembly: Assembly, grammar: Grammar) -> None:
        self.assembly, self.start, self.rules = assembly, grammar.start, grammar.rules
        self.names: dict[str, str] = {}
        if isinstance(self.rules, RulesOnDemand):
            assembly.parts += self.rules.parts
            self._share(self.rules.common)

    def _share(self, common: Common | None) -> None:
        """Rules in common keep their names, or else they are rules like others."""
        assembly = self.assembly
        if common is None or (assembly.common is not common and self._taken(common)):
            return
        assembly.common = common
        assembly.rules.update(common.rules)
        assembly.sound.update(common.rules)
        self.names.update((name, name) for name in common.rules)

    def _taken(self, common: Common) -> bool:
        return self.assembly.common is not None or any(self.assembly.fresh(name) != name for name in common.rules)

    def entry(self) -> Expr:
        """What stands for the grammar."""
        if isinstance(self.rules, RulesOnDemand) or len(self.rules) > 1:
            return self.renamed(Ref(self.start))
        body = self.rules[self.start]
        again = any(isinstance(node, Ref) and node.name == self.start for node in walk(body))
        return self.renamed(Ref(self.start) if again else body)

    def make(self, name: str) -> Expr:
        """The body of a rule that waited."""
        body = self.body(name)
        self.assembly.settle()
        return body

    def body(self, name: str) -> Expr:
        return self.renamed(self.rules[name])

    def name(self, old: str) -> str:
        """What a rule is called here. A name without a rule stays: compiling will say so."""
        new = self.names.get(old)
        if new is not None:
            return new
        on_demand = self.rules if isinstance(self.rules, RulesOnDemand) else None
        if on_demand is not None and old in on_demand.waiting:
            new = self.assembly.fresh(old)
            self.assembly.later[new] = partial(self.make, old)
        elif old in self.rules:
            new = self.assembly.promise(old, partial(self.body, old))
        else:
            new = old
        if on_demand is not None and old in on_demand.sound:
            self.assembly.sound.add(new)
        self.names[old] = new
        return new

    def renamed(self, expr: Expr) -> Expr:
        """The expression with the names that rules have here; the very same where they are the same."""
        match expr:
            case Literal() | Terminal():
                return expr
            case Ref():
                return self._reference(expr)
            case Seq():
                parts = self._all(expr.parts)
                return expr if parts is expr.parts else Seq(*parts)
            case Choice():
                parts = self._all(expr.parts)
                return expr if parts is expr.parts else Choice(*parts)
            case Repeat():
                body = self.renamed(expr.body)
                return expr if body is expr.body else Repeat(body, expr.low, expr.high)
            case Joined():
                items = self._all(tuple(item for item, _ in expr.items))
                required = (needed for _, needed in expr.items)
                return Joined(tuple(zip(items, required, strict=True)), self.renamed(expr.separator))
            case Bag():
                bag_items = tuple(map(self._item, expr.items))
                return Bag(bag_items, self.renamed(expr.separator), expr.low, expr.high, ordered=expr.ordered)
        raise TypeError(f"not an expression that can be embedded: {expr!r}")

    def _all(self, parts: tuple[Expr, ...]) -> tuple[Expr, ...]:
        renamed = tuple(map(self.renamed, parts))
        return parts if all(new is old for new, old in zip(renamed, parts, strict=True)) else renamed

    def _item(self, item: Item) -> Item:
        opening = None if item.opening is None else self.renamed(item.opening)
        body = self.renamed(item.body)
        return Item(body, item.low, item.high, opening=opening, word=item.word, needs=item.needs)

    def _reference(self, ref: Ref) -> Expr:
        new = self.name(ref.name)
        return ref if new == ref.name else Ref(new)


def encoded(text: str) -> bytes:
    """The text as UTF-8. Raises ``GrammarError`` for lone surrogates, which no text has."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise GrammarError(f"a lone surrogate, U+{ord(text[error.start]):04X}, in the text {text!r}") from None


def _refuse(piece: object) -> NoReturn:
    hint = "; a list goes to choices(...) or sequence(*...)" if isinstance(piece, list | tuple) else ""
    raise TypeError(f"a part of a grammar is a Grammar, Rule, str or bytes, not {type(piece).__name__}{hint}")
