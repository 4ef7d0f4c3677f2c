"""From a schema to rules: each schema object becomes an expression in place; what ``$ref`` points to becomes a rule.

A schema that stands alone is lowered as it is. Where several meet (``$ref`` or ``anyOf`` with siblings), their facts
are met first and the meeting is lowered, so no keyword is dropped. Meetings that involve a ``$ref`` become rules
named after all the schemas that met; there are finitely many, so recursion ends.

A rule's body is lowered after the schema that mentions it. If it then turns out that no value satisfies it, or
only infinite ones would, everything is lowered again with that known: references to it are impossible,
so optional parts that need it are dropped, and parts that do not need it stay.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from constrain.errors import GrammarError, LimitExceeded, UnsupportedSchema
from constrain.frontends.json_schema.arrays import array_expr
from constrain.frontends.json_schema.dialect import Dialect
from constrain.frontends.json_schema.facts import (
    ALL_TYPES,
    ARRAY,
    BESIDE_TYPE,
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Conj,
    Facts,
    Located,
    check_refused,
    read_facts,
)
from constrain.frontends.json_schema.layout import ANY_NAME, BOOLEAN_VALUE, NULL_VALUE, Layout
from constrain.frontends.json_schema.meet import ids_of, meet
from constrain.frontends.json_schema.membership import Membership
from constrain.frontends.json_schema.objects import object_expr
from constrain.frontends.json_schema.outcome import Impossible, Outcome
from constrain.frontends.json_schema.pointer import MAX_DEPTH, Path, Resolver, malformed, pointer
from constrain.frontends.json_schema.strings import string_expr
from constrain.frontends.json_schema.termination import check_circles, productive_rules
from constrain.frontends.json_schema.values import spell_values
from constrain.frontends.regex import regex_to_rx
from constrain.ir.grammar import Choice, Expr, Ref
from constrain.ir.rx import Rx

MAX_RULES = 20_000
MAX_MEETINGS = 20_000
Key = frozenset[int]  # identities of the schema objects that a rule is the meeting of


class Lowering:
    """One pass over one document. ``dead`` holds the rules that earlier passes have found impossible."""

    def __init__(
        self, root: Any, dialect: Dialect, layout: Layout, any_order: bool, closed: bool, dead: dict[Key, Impossible]
    ) -> None:
        self.root = root
        self.dialect = dialect
        self.layout = layout
        self.plain = layout.plain
        self.any_order = any_order
        self.closed = closed
        self.dead = dead
        self.resolver = Resolver(root, dialect.id_word)
        self.rules: dict[str, Expr] = {}
        self.names: dict[Key, str] = {}
        self.places: dict[Key, Path] = {}
        self.waiting: list[tuple[Key, list[Facts] | Located]] = []
        self.same_place: list[tuple[str, str]] = []  # a rule, and a rule that it refers to before any byte
        self.meetings = 0
        self.mentions = 0  # of rules
        self.uses_any = False
        self.patterns: dict[str, Rx] = {}
        self.membership = Membership(self.read, self.resolver.resolve, self.pattern, dialect.integers_are_digits)

    def run(self) -> dict[Key, Impossible]:
        """Lower everything that can be reached from the root. Returns what was found to be impossible."""
        found: dict[Key, Impossible] = {}
        self._rule(frozenset((id(self.root),)), (self.root, None), "#")
        while self.waiting:
            key, source = self.waiting.pop()
            name = self.names[key]
            body = self.lower(*source, 0, name) if isinstance(source, tuple) else self._meeting(source, 0, name)
            if isinstance(body, Impossible):
                found[key] = body
            else:
                self.rules[name] = body
        if self.same_place:
            check_circles(self.same_place)
        if self.uses_any:
            self.rules[ANY_NAME] = self.layout.any_rule
        if self.mentions > 1 and not found:
            alive = productive_rules(self.rules)
            endless = "every value would go on without end"
            found = {key: Impossible(self.places[key], endless) for key in self.names if self.names[key] not in alive}
        return found

    def read(self, schema: Any, path: Path) -> Facts:
        facts = read_facts(schema, path, self.dialect)
        if self.closed and not facts.says_additional and "properties" in schema:
            facts.additional = (False, path)
        return facts

    def lower(self, schema: Any, path: Path, depth: int, top: str | None = None) -> Outcome:
        """The expression of ``schema``. ``top`` is the rule whose value this schema speaks of itself, not of a part."""
        if schema is True:
            return self.anything(self.layout.any_value)
        if schema is False:
            return Impossible(path, "the schema is false")
        if depth > MAX_DEPTH:
            raise LimitExceeded("nesting of the schema", depth, MAX_DEPTH, f"at {pointer(path)[:80]}...")
        if type(schema) is Conj:
            return self._conjunction(schema, path, depth, top)
        if type(schema) is dict and BESIDE_TYPE.isdisjoint(schema):
            kind = schema.get("type")
            if kind.__class__ is str and kind in self.plain:
                return self.plain[kind]
        facts = self.read(schema, path)
        if facts.reference is None:
            return self._emit(facts, depth) if not facts.any_of else self._with_any_of(facts, depth, top)
        if facts.count > 1:
            return self._meeting([facts], depth, top)
        target = self.resolver.resolve(facts.reference, path)
        if isinstance(target[0], bool):
            return self.lower(*target, depth, top)
        return self._rule(frozenset((id(target[0]),)), target, "#" + pointer(target[1]), top)

    def _conjunction(self, schema: Conj, path: Path, depth: int, top: str | None) -> Outcome:
        if any(member is False for member, _ in schema.members):
            return Impossible(path, "one of the schemas that must hold together is false")
        return self._meeting(self._read_all((schema, path)), depth, top)

    def _with_any_of(self, facts: Facts, depth: int, top: str | None) -> Outcome:
        if facts.count > 1:
            return self._meeting([facts], depth, top)
        return self._choice(facts.path, [self.lower(*branch, depth + 1, top) for branch in facts.any_of[0]])

    def _choice(self, path: Path, outcomes: list[Outcome]) -> Outcome:
        possible = [outcome for outcome in outcomes if not isinstance(outcome, Impossible)]
        if not possible:
            reasons = "; ".join(dict.fromkeys(o.reason for o in outcomes[:3] if isinstance(o, Impossible)))
            return Impossible(path, f"no branch of anyOf can be satisfied together with its siblings ({reasons})")
        return possible[0] if len(possible) == 1 else Choice(*possible)

    def _rule(self, key: Key, source: list[Facts] | Located, name: str, top: str | None = None) -> Outcome:
        """The reference to the rule for ``key``, which is made if need be."""
        if key in self.dead:
            return self.dead[key]
        self.mentions += 1
        if key not in self.names:
            self.names[key] = self._reserve(name)
            self.places[key] = source[1] if isinstance(source, tuple) else source[0].path
            self.waiting.append((key, source))
        if top is not None:
            self.same_place.append((top, self.names[key]))
        return Ref(self.names[key])

    def _reserve(self, name: str) -> str:
        if len(self.rules) >= MAX_RULES:
            raise LimitExceeded("rules of the grammar", len(self.rules), MAX_RULES)
        free, number = name, 1
        while free in self.rules:
            number += 1
            free = f"{name} ({number})"
        self.rules[free] = Choice()
        return free

    def add_rule(self, name: str, body: Expr) -> Expr:
        """A new rule, called ``name`` or something like it, and the reference to it."""
        name = self._reserve(name)
        self.rules[name] = body
        return Ref(name)

    def _meeting(self, members: list[Facts], depth: int, top: str | None) -> Outcome:
        """The values that satisfy all ``members``."""
        self.meetings += 1
        if self.meetings > MAX_MEETINGS or depth > MAX_DEPTH:
            raise LimitExceeded("schemas that must hold together", self.meetings, MAX_MEETINGS, "use fewer anyOf")
        facts, followed = self._follow(members)
        if isinstance(facts, Impossible):
            return facts
        if followed:
            places = [m.path for m in members if m.reference is None or m.count > 1] + followed
            name = " & ".join(dict.fromkeys("#" + pointer(path) for path in places))
            return self._rule(ids_of(facts), [facts], name, top)
        if not facts.any_of:
            return self._emit(facts, depth)
        rest = copy(facts)
        rest.ids, rest.any_of = ids_of(facts), facts.any_of[1:]
        rest.origin = None  # no longer all that the schema says: a branch that refers back to it meets it anew
        return self._choice(facts.path, [self._beside(rest, branch, depth + 1, top) for branch in facts.any_of[0]])

    def _beside(self, facts: Facts, branch: Located, depth: int, top: str | None) -> Outcome:
        """The values that satisfy ``facts`` and the schema ``branch``."""
        schema, path = branch
        if schema is False:
            return Impossible(path, "the schema is false")
        return self._meeting([facts, *self._read_all(branch)], depth, top)

    def _read_all(self, located: Located) -> list[Facts]:
        """The facts whose meeting is the schema."""
        schema, path = located
        if isinstance(schema, Conj):
            return [facts for member in schema.members for facts in self._read_all(member)]
        return [] if schema is True else [self.read(schema, path)]

    def _follow(self, members: list[Facts]) -> tuple[Facts | Impossible, list[Path]]:
        """The meeting of ``members`` and of all that they refer to, and where that is."""
        result, places, met = Facts(), [], set()
        pending = [(facts, frozenset((id(facts.origin),))) for facts in reversed(members)]
        while pending:
            facts, trail = pending.pop()
            if facts.reference is not None:
                target, path = self.resolver.resolve(facts.reference, facts.path)
                if target is False:
                    return Impossible(path, "the schema is false"), []
                if id(target) in trail:
                    raise malformed(facts.path, f"$ref {facts.reference!r} leads back to itself about the same value")
                if target is not True:
                    places.append(path)
                    pending.append((self.read(target, path), trail | {id(target)}))
                facts = _without_reference(facts)
            if facts.origin is None or id(facts.origin) not in met:
                met.add(id(facts.origin))
                result = meet(result, facts)
        return result, places

    def _emit(self, facts: Facts, depth: int) -> Outcome:
        """The expression of facts without ``$ref`` and ``anyOf``."""
        if facts.count == 0:
            return self.anything(self.layout.any_value)
        if facts.values is not None:
            return self._emit_values(facts, facts.values)
        types = facts.types
        if facts.refused:
            check_refused(facts, types)
        outcomes: list[Outcome] = []
        if types & NULL:
            outcomes.append(NULL_VALUE)
        if types & BOOLEAN:
            outcomes.append(BOOLEAN_VALUE)
        if types & NUMBER:
            outcomes.append(self.layout.integer if types & NUMBER == INTEGER else self.layout.number)
        if types & STRING:
            outcomes.append(string_expr(self, facts))
        if types & ARRAY:
            outcomes.append(array_expr(self, facts, depth + 1))
        if types & OBJECT:
            outcomes.append(object_expr(self, facts, depth + 1))
        if len(outcomes) == 1:
            return outcomes[0]
        possible = [outcome for outcome in outcomes if not isinstance(outcome, Impossible)]
        if possible:
            return Choice(*possible)
        return outcomes[0] if outcomes else Impossible(facts.path, "no type satisfies all the keywords that must hold")

    def _emit_values(self, facts: Facts, values: list[Any]) -> Outcome:
        only_strings = facts.types & STRING and all(value.__class__ is str for value in values)
        if not only_strings or facts.count > 1 + (facts.types != ALL_TYPES):
            values = [value for value in values if self.membership.satisfies_facts(value, facts)]
        if not values:
            return Impossible(facts.path, "none of the values of enum or const satisfies the other keywords")
        return spell_values(values, self.layout, facts.path)

    def anything(self, expr: Expr) -> Expr:
        """``expr``, a shared part that refers to the rule of all JSON values."""
        self.uses_any = True
        return expr

    def pattern(self, text: str, path: Path) -> Rx:
        """The strings in which the ECMA-262 regular expression ``text`` matches somewhere."""
        if text not in self.patterns:
            try:
                self.patterns[text] = regex_to_rx(text, dialect="ecma", search=True)
            except GrammarError as error:
                reason = f"{text!r}: {error.message}"
                raise UnsupportedSchema("pattern", pointer(path), reason, hint=error.hint) from error
        return self.patterns[text]


def _without_reference(facts: Facts) -> Facts:
    stripped = copy(facts)
    stripped.reference, stripped.count = None, facts.count - 1
    return stripped
