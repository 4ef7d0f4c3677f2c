"""From a schema to rules: each schema becomes an expression in place; what a reference leads to becomes a rule.

A schema without choices is lowered as it is read. Any other, and any conjunction, is first turned into alternatives
(``alternatives.py``), whose union is lowered to a rule of its own. Rules belong to sets of schemas that met; there are
finitely many of those sets, so recursion ends.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

from constrain.errors import ConstrainError, LimitExceeded, UnsupportedSchema
from constrain.frontends.json_schema.alternatives import Alternatives
from constrain.frontends.json_schema.arrays import array_expr
from constrain.frontends.json_schema.evident import Evident
from constrain.frontends.json_schema.facts import (
    ALL_TYPES,
    ARRAY,
    BOOLEAN,
    FRACTION,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Branch,
    Facts,
    Keys,
    Located,
    Not,
    Refusal,
    Text,
    parts,
)
from constrain.frontends.json_schema.languages import Languages
from constrain.frontends.json_schema.layout import ANY_NAME, BOOLEAN_VALUE, NULL_VALUE, Layout
from constrain.frontends.json_schema.membership import Membership
from constrain.frontends.json_schema.numbers import exact, number_rx
from constrain.frontends.json_schema.objects import evident_object, object_expr
from constrain.frontends.json_schema.outcome import Impossible, Outcome, union_of
from constrain.frontends.json_schema.pointer import MAX_DEPTH, Path, malformed, pointer
from constrain.frontends.json_schema.quick import Quick
from constrain.frontends.json_schema.reading import Reader, only_type
from constrain.frontends.json_schema.references import Resolver
from constrain.frontends.json_schema.strings import string_expr
from constrain.frontends.json_schema.values import equality_key, spell_values
from constrain.frontends.json_schema.witnesses import expand
from constrain.ir.grammar import NEVER, Expr, Ref, Seq, Terminal
from constrain.ir.rx import NOTHING, Rx

MAX_RULES = 8_000
MAX_EXPRESSIONS = 50_000  # schemas lowered in place
MAX_EXCLUDED = 200  # numbers
MAX_MEETINGS = 50_000
Key = frozenset[Hashable]  # identities of the schemas that a rule is the meeting of


@dataclass(frozen=True)
class Policy:
    """How values are written, and what is made of what cannot be enforced."""

    layout: Layout
    any_order: bool  # members in any order
    closed: bool  # ``properties`` alone means no others
    formats: str  # assert, annotate, strict
    record: bool  # note what is refused, and go on
    digits: int | None  # most digits before and after the point
    digits_only: bool  # whole numbers are digits only
    at_once: bool = False  # lower everything, also what is evident


class Lowering:
    """One pass over one document. ``unenforced``: what was refused, when refusals are recorded and not raised."""

    def __init__(self, root: Any, resolver: Resolver, policy: Policy) -> None:
        self.root = root
        self.resolver = resolver
        self.layout = policy.layout
        self.plain = policy.layout.plain
        self.any_order, self.record = policy.any_order, policy.record
        self.digits, self.digits_only = policy.digits, policy.digits_only
        formats, digits_only = policy.formats, policy.digits_only
        self.reader = Reader(resolver, policy.closed)
        self.languages = Languages(formats, lambda path: resolver.dialect(path).year, self.alternatives, self.refuse)
        self.quick = Quick(
            self.reader.read,
            digits_only,
            lambda path: resolver.dialect(path).contains_counts_as_evaluated,
            self.languages.words,
            self.languages.prefix,
            self.languages.is_match,
        )
        self.membership = Membership(self.alternatives, self.languages, self.refuse, digits_only)
        self.search = Alternatives(self.quick, partial(expand, is_key=self.membership.is_key))
        self.solutions: dict[Key, list[Facts]] = {}
        self.evident = None
        if resolver.is_simple and not policy.at_once:
            long = policy.digits is None
            self.evident = Evident(resolver, policy.closed, long, self._lower_at_once)
        self.rules: dict[str, Expr] = {}
        self.later: dict[str, Callable[[], Expr]] = {}  # rules that are made when they are asked for
        self.sound = {ANY_NAME}  # rules without parts that match nothing
        self.names: dict[Key, str] = {}
        self.waiting: list[tuple[str, list[Facts] | Located]] = []
        self.unenforced: dict[tuple[str, str], UnsupportedSchema] = {}
        self.used: dict[tuple[str, str], str] = {}
        self.mentions = 0  # of rules
        self.size = 0  # schemas lowered
        self.made_later = 0
        self.left_out = False  # was something impossible? Then rules may have been made for nothing

    def run(self) -> Outcome:
        """Lower what can be reached from the root and is not evident into ``rules``; the outcome of the rule ``#``."""
        root = (self.root, self.resolver.root)
        self.names[frozenset((self._key(root),))] = "#"
        self.rules["#"] = NEVER
        if self.evident is not None and self.evident.judge(root) and id(root[0]) not in self.evident.partly:
            self.sound.add("#")
        outcome = self._body(root)
        if not isinstance(outcome, Impossible):
            self.rules["#"] = outcome
        self._drain()
        return outcome

    def _drain(self) -> None:
        """Make the rules that wait, and look at what was too deep to be looked at."""
        left = self.evident.left if self.evident else []
        while self.waiting or left:
            if left:
                self.evident.holds(left.pop())  # type: ignore[union-attr]
                continue
            name, source = self.waiting.pop()
            body = self._union(source, 0) if isinstance(source, list) else self._body(source)
            self.rules[name] = NEVER if isinstance(body, Impossible) else body

    def _make_later(self, located: Located) -> Expr:
        """The right-hand side of a rule that was left for later."""
        self.made_later += 1
        size, self.size = self.size, 0  # the limit is for what is made at once
        outcome = self._body(located)
        self._drain()
        self.size = size
        if isinstance(outcome, Impossible):
            place = pointer(located[1]) or "/"
            raise ConstrainError(f"the schema at {place} was thought to have a value ({outcome.reason}): please report")
        return outcome

    def forget(self) -> None:
        """Let go of everything: the parts know each other, and would otherwise wait for the cyclic collector."""
        self.__dict__.clear()

    # ---- schemas to expressions ----------------------------------------------------------------------------

    def lower(self, located: Located, depth: int) -> Outcome:
        """The expression of a schema."""
        outcome = self._lower(located, depth)
        if type(outcome) is Impossible:
            self.left_out = True
        return outcome

    def _lower(self, located: Located, depth: int) -> Outcome:
        schema, path = located
        if schema is True:
            return self.anything(self.layout.any_value)
        if schema is False:
            return Impossible(path, "the schema is false")
        self.size += 1
        if depth > MAX_DEPTH:
            raise LimitExceeded("nesting of the schema", depth, MAX_DEPTH, f"at {pointer(path)[:80]}...")
        if self.size > MAX_EXPRESSIONS:
            hint = "name the schemas that stand in many places under $defs"
            raise LimitExceeded("schemas in the grammar, each in its place", self.size, MAX_EXPRESSIONS, hint)
        if type(schema) is dict:
            kind = only_type(schema)
            if kind in self.plain:
                return self.plain[kind]
            if self.evident is not None:
                holds, known = self.evident.holds(located), self.evident.ready.get(id(schema))
                if known is not None:
                    return known
                if holds and self.evident.is_rule(schema):
                    return self._later(located)
            facts = self.reader.read(schema, path)
            if facts.is_flat:
                return self._emit(facts, depth)
            if facts.bare:
                return self._reference(facts)
        return self._meeting(located, depth)

    def _body(self, located: Located) -> Outcome:
        """The expression of a schema that is a rule."""
        if type(located[0]) is dict:
            if self.evident is not None and self.evident.is_object(located[0]) and not self.any_order:
                expr = evident_object(self, *located, closed=self.reader.closed)
                if expr is not None:
                    return expr
            facts = self.reader.read(*located)
            if facts.is_flat:
                return self._emit(facts, 0)
            if not facts.bare:
                return self._union(self.alternatives((located,)), 0)
        return self.lower(located, 0)

    def _reference(self, facts: Facts) -> Outcome:
        """The rule of what a reference without siblings leads to."""
        met = {facts.key}
        while True:
            ((target,),) = facts.choices[0].branches
            if isinstance(target[0], bool):
                return self.lower(target, 0)
            facts = self.reader.read(*target)
            if facts.key in met:
                raise malformed(facts.path, "$ref leads back to itself about the same value")
            met.add(facts.key)
            if not facts.bare:
                if self.evident is not None and self.evident.holds(target):
                    return self._later(target)
                key = frozenset((facts.key,))
                name = self.names.get(key) or "#" + pointer(target[1])
                return self._rule(key, target, name)

    def _lower_at_once(self, located: Located) -> Outcome:
        """The expression of a schema that is not evident. Arrays become rules: items are written twice, so that nesting
        would double them each time."""
        outcome = self.lower(located, 1)
        if type(outcome) is Seq and not _ARRAY_WORDS.isdisjoint(located[0]):
            return self.add_rule("#" + pointer(located[1]), outcome)
        return outcome

    def _later(self, located: Located) -> Expr:
        """The reference to the rule of an evident schema."""
        self.mentions += 1
        key = frozenset((self._key(located),))
        name = self.names.get(key)
        if name is None:
            name = self.names[key] = self._free_name("#" + pointer(located[1]))
            self.later[name] = partial(self._make_later, located)
            if self._is_sound(located):
                self.sound.add(name)
        return Ref(name)

    def _is_sound(self, located: Located) -> bool:
        """Is the schema, and are all its parts, evident?"""
        evident = self.evident
        return evident is not None and evident.holds(located) and id(located[0]) not in evident.partly

    def _meeting(self, located: Located, depth: int) -> Outcome:
        """The union of the alternatives: a rule, unless they are scalars. (One rule for each meeting of schemas ends
        recursion, and keeps the grammar from repeating itself.)"""
        key = frozenset(map(self._key, parts(located)))
        if key in self.names:
            self.mentions += 1
            return Ref(self.names[key])
        ways = self._solve(key, parts(located))
        if not ways:
            return Impossible(located[1], "nothing satisfies all the keywords that must hold together")
        if not any(facts.types & (ARRAY | OBJECT) for facts in ways):
            return self._union(ways, depth)
        places = dict.fromkeys(f"#{pointer(path)}" for _, path in parts(located))
        return self._rule(key, ways, " & ".join(list(places)[:4]))

    def _union(self, ways: list[Facts], depth: int) -> Outcome:
        outcomes = [self._emit(facts, depth) for facts in ways]
        possible = union_of(outcomes)
        if possible is not None:
            return possible
        if not outcomes:
            return Impossible(None, "nothing satisfies all the keywords that must hold together")
        reasons = "; ".join(dict.fromkeys(o.reason for o in outcomes[:3] if isinstance(o, Impossible)))
        if len(outcomes) == 1 and isinstance(outcomes[0], Impossible):
            return outcomes[0]
        return Impossible(ways[0].path, f"no branch can be satisfied together with its siblings ({reasons})")

    def _rule(self, key: Key, source: list[Facts] | Located, name: str) -> Expr:
        """The reference to the rule for ``key``, which is made if need be."""
        self.mentions += 1
        if key not in self.names:
            self.names[key] = self._reserve(name)
            self.waiting.append((self.names[key], source))
        return Ref(self.names[key])

    def _reserve(self, name: str) -> str:
        if len(self.rules) >= MAX_RULES + self.made_later:
            raise LimitExceeded("rules of the grammar", len(self.rules), MAX_RULES)
        name = self._free_name(name)
        self.rules[name] = NEVER
        return name

    def _free_name(self, name: str) -> str:
        free, number = name, 1
        while free in self.rules or free in self.later:
            number += 1
            free = f"{name} ({number})"
        return free

    def add_rule(self, name: str, body: Expr) -> Expr:
        """A new rule, called ``name`` or something like it, and the reference to it."""
        name = self._reserve(name)
        self.rules[name] = body
        return Ref(name)

    # ---- alternatives --------------------------------------------------------------------------------------

    def alternatives(self, branch: Branch) -> list[Facts]:
        """Facts without choices whose union is the meeting of ``branch``."""
        members = tuple(member for located in branch for member in parts(located))
        return self._solve(frozenset(map(self._key, members)), members)

    def _solve(self, key: Key, members: Branch) -> list[Facts]:
        if key not in self.solutions:
            if len(self.solutions) > MAX_MEETINGS:
                raise LimitExceeded("schemas that must hold together", len(self.solutions), MAX_MEETINGS)
            self.solutions[key] = self.search.of(members)
        return self.solutions[key]

    def _key(self, located: Located) -> Hashable:
        schema, path = located
        if type(schema) is Not:
            return ("not", self._key((schema.schema, path)))
        if isinstance(schema, (bool, Facts)):
            return schema if isinstance(schema, bool) else schema.key
        return self.resolver.key(schema, path)

    # ---- facts to expressions ------------------------------------------------------------------------------

    def _emit(self, facts: Facts, depth: int) -> Outcome:
        """The expression of facts without choices."""
        if facts.values is not None:
            values = self.possible_values(facts)
            if not values:
                return Impossible(facts.path, "none of the values of enum or const satisfies the other keywords")
            return spell_values(values, self.layout, facts.path, self.any_order)
        types = facts.types
        for refusal in facts.refused:
            if refusal.types & types:
                self.refuse(refusal)
        if types == ALL_TYPES and facts.plain:
            return self.anything(self.layout.any_value)
        outcomes = [self._emit_type(facts, kind, depth) for kind in _KINDS if types & kind]
        possible = union_of(outcomes)
        if possible is not None:
            return possible
        return outcomes[0] if outcomes else Impossible(facts.path, "no type satisfies all the keywords that must hold")

    def _emit_type(self, facts: Facts, kind: int, depth: int) -> Outcome:
        if kind == STRING:
            return string_expr(self, facts)
        if kind == NUMBER:
            return self._number(facts)
        if kind == OBJECT:
            return object_expr(self, facts, depth + 1)
        if kind == ARRAY:
            return array_expr(self, facts, depth + 1)
        if not facts.excluded:
            return NULL_VALUE if kind == NULL else BOOLEAN_VALUE
        banned = set(map(equality_key, facts.excluded))
        left = [value for value in ([None] if kind == NULL else [True, False]) if equality_key(value) not in banned]
        return spell_values(left, self.layout, facts.path) if left else Impossible(facts.path, "the value is excluded")

    def _number(self, facts: Facts) -> Outcome:
        kind = facts.types & NUMBER
        if kind != FRACTION and not (facts.lower or facts.upper or facts.multiples or _numbers(facts.excluded)):
            return self.layout.integer if kind == INTEGER else self.layout.number
        rx = self.number_rx(facts)
        return (
            Impossible(facts.path, "no number is within the bounds") if rx == NOTHING else Terminal(rx, name="number")
        )

    def number_rx(self, facts: Facts) -> Rx:
        """The texts of the numbers that satisfy ``facts``."""
        lower, upper = facts.lower, facts.upper
        if len(facts.excluded) > MAX_EXCLUDED:
            where = f"values that are excluded at {pointer(facts.path) or '/'}"
            raise LimitExceeded(where, len(facts.excluded), MAX_EXCLUDED)
        return number_rx(
            whole=bool(facts.types & INTEGER),
            fractional=bool(facts.types & FRACTION),
            low=lower.value if lower else None,
            low_open=bool(lower and lower.is_open),
            high=upper.value if upper else None,
            high_open=bool(upper and upper.is_open),
            multiples=tuple((divisor, not wanted) for divisor, wanted in facts.multiples),
            excluded=tuple(map(exact, _numbers(facts.excluded))),
            digits=self.digits,
            digits_only=self.digits_only,
        )

    def possible_values(self, facts: Facts) -> list[Any]:
        """The values of ``enum`` and ``const`` that satisfy all of ``facts``."""
        assert facts.values is not None
        rest = copy(facts)
        rest.values, rest.excluded = None, ()
        banned = set(map(equality_key, facts.excluded))
        values = [value for value in facts.values if equality_key(value) not in banned] if banned else facts.values
        return [value for value in values if self.membership.satisfies_facts(value, rest)]

    def satisfies(self, value: Any, branch: Branch) -> bool:
        """Does ``value`` satisfy all of ``branch``?"""
        return self.membership.satisfies(value, branch)

    def string_rx(self, facts: Facts) -> Rx:
        """The strings that satisfy ``facts``; their lengths are not looked at."""
        return self.languages.of_string(facts)

    def text_rx(self, text: Text) -> Rx:
        """The strings that a pattern or format asks for."""
        return self.languages.text(text)

    def is_match(self, text: Text, value: str) -> bool:
        """Is ``value`` one of them?"""
        return self.languages.is_match(text, value)

    def keys_rx(self, keys: Keys) -> Rx:
        """The strings that are such keys."""
        return self.languages.of_keys(keys)

    def refuse(self, refusal: Refusal) -> None:
        """Raise ``UnsupportedSchema``, or note what is not enforced and go on with a superset."""
        place = pointer(refusal.path)
        error = UnsupportedSchema(refusal.word, place, refusal.reason, hint=refusal.hint)
        if not self.record:
            raise error
        self.unenforced.setdefault((refusal.word, place), error)

    def uses(self, how: str, path: Path, words: Iterable[str]) -> None:
        """Note for the report that these keywords are enforced by counters or by state."""
        self.used.update({(pointer(path), word): how for word in words})

    def anything(self, expr: Expr) -> Expr:
        """``expr``, a shared part that refers to the rule of all JSON values."""
        if ANY_NAME not in self.rules:
            self.later[ANY_NAME] = self._any_rule
        return expr

    def _any_rule(self) -> Expr:
        return self.layout.any_rule


_ARRAY_WORDS = frozenset({"items", "prefixItems", "contains"})


def _numbers(values: Iterable[Any]) -> list[int | float]:
    return [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]


_KINDS = (NULL, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT)
