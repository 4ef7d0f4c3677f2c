"""Cheap, sound tests that two sets of facts contradict each other, or that one follows from the other.

They look at types, values, bounds and required members, a few levels deep, and never search. A "no" means "not
known". They keep alternatives few: most branches of ``oneOf`` differ in a type or in the value of one member.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from typing import Any

from constrain.frontends.json_schema.facts import (
    ALL_TYPES,
    ARRAY,
    NUMBER,
    OBJECT,
    STRING,
    Conj,
    Facts,
    Keys,
    Located,
    Not,
    Text,
    all_of,
    parts,
)
from constrain.frontends.json_schema.meet import meet
from constrain.frontends.json_schema.pointer import Path
from constrain.frontends.json_schema.values import equality_key, type_bit

DEPTH = 3  # levels of members to look into
FOLLOW = 8  # references to follow
MAX_JOINTS = 20_000  # remembered


Marks = tuple[int, dict[str, frozenset[Hashable]]]  # types, and the values of required members that have few


@dataclass(slots=True)
class Joint:
    """What one member of an object must satisfy: ``facts``, and none of ``denied``. ``count`` schemas ask for it."""

    owner: Facts  # whose member it is; also keeps its identity from being used again
    facts: Facts
    denied: tuple[Facts, ...]
    count: int
    is_false: bool
    verdict: bool | None = None  # do they contradict each other?


class Quick:
    """``read`` gives the facts of a schema object; ``contains_evaluates``: do items that ``contains`` counts at a
    path count as evaluated? ``words``: the strings that a pattern
    admits, if they are few. ``prefix``: what they all begin with.
    ``is_match``: is a string one of them?"""

    def __init__(
        self,
        read: Callable[[Any, Path], Facts],
        digits_only: bool,
        contains_evaluates: Callable[[Path], bool],
        words: Callable[[Text], frozenset[str] | None],
        prefix: Callable[[Text], str],
        is_match: Callable[[Text, str], bool],
    ) -> None:
        self.read = read
        self.is_match = is_match
        self.words = words
        self.prefix = prefix
        self.contains_evaluates = contains_evaluates
        self.digits_only = digits_only
        self.surfaces: dict[Hashable, Facts] = {}
        self.joints: dict[tuple[int, str], Joint] = {}

    def facts_of(self, located: Located) -> Facts:
        """The facts of a schema object or of derived facts."""
        schema, path = located
        return schema if type(schema) is Facts else self.read(schema, path)

    def surface(self, located: Located, follow: int = FOLLOW) -> Facts:
        """Facts that hold wherever ``located`` holds: its own and those of references and ``allOf``."""
        facts = self.facts_of(located)
        if not facts.choices:
            return facts
        known = self.surfaces.get(facts.key)
        if known is not None:
            return known
        result = facts
        for choice in facts.choices:
            if len(choice.branches) == 1 and follow:
                for located in choice.branches[0]:
                    if located[0] is not True and type(located[0]) in (dict, Facts):
                        result = meet(result, self.surface(located, follow - 1))
        if follow == FOLLOW:
            self.surfaces[facts.key] = result
        return result

    def marks(self, located: Located) -> Marks:
        """By what a branch can be told from others at once."""
        if type(located[0]) not in (dict, Facts):
            return ALL_TYPES, {}
        facts = self.surface(located)
        found = {}
        for name in facts.required if facts.types == OBJECT else ():
            for part in _of_kinds(self.at(facts, name), (dict, Facts)):
                values = self.surface(part).values
                if values is not None:
                    found[name] = frozenset(map(equality_key, values))
        return facts.types, found

    def at(self, facts: Facts, name: str) -> Located:
        """A schema that the member ``name`` must satisfy (patterns are not looked at)."""
        found = []
        for members in facts.members:
            located = members.properties.get(name)
            if located is not None:
                found.append(located)
            elif not members.patterns:
                found.append(members.additional)
        return all_of(found)

    # ---- contradiction -------------------------------------------------------------------------------------

    def are_disjoint(self, left: Facts, right: Facts, depth: int = DEPTH) -> bool:
        """Is it plain that no value satisfies both?"""
        types = left.types & right.types
        if left.values is not None or right.values is not None:
            return self._no_common_value(left, right, types)
        if not types:
            return True
        return not (
            types & ~(NUMBER | STRING | ARRAY | OBJECT)
            or (types & NUMBER and not _no_number(left, right))
            or (types & STRING and not self._no_string(left, right))
            or (types & ARRAY and not _no_count(left, right, "fewest", "utmost"))
            or (types & OBJECT and not self._no_object(left, right, depth))
        )

    def _no_common_value(self, left: Facts, right: Facts, types: int) -> bool:
        values = left.values if left.values is not None else right.values
        assert values is not None
        kept = [value for value in values if type_bit(value, self.digits_only) & types]
        if left.values is not None and right.values is not None:
            allowed = {equality_key(value) for value in right.values}
            kept = [value for value in kept if equality_key(value) in allowed]
        banned = {equality_key(value) for value in (*left.excluded, *right.excluded)} if kept else ()
        texts = (*left.texts, *right.texts)
        return all(equality_key(value) in banned or self._is_excluded(value, texts) for value in kept)

    def _is_excluded(self, value: Any, texts: tuple[Text, ...]) -> bool:
        return isinstance(value, str) and not all(
            self.is_match(text, value) for text in texts if text.word != "format"
        )  # fmt: skip

    def _no_string(self, left: Facts, right: Facts) -> bool:
        if _no_count(left, right, "shortest", "longest"):
            return True
        texts = {text for text in (*left.texts, *right.texts) if not text.wanted}
        if any(replace(text, wanted=True) in (*left.texts, *right.texts) for text in texts):
            return True
        if not left.texts or not right.texts:
            return False
        few = [words for text in (*left.texts, *right.texts) if (words := self.words(text)) is not None]
        if len(few) > 1 and not frozenset.intersection(*few):
            return True
        starts = sorted(map(self.prefix, (*left.texts, *right.texts)), key=len)
        return not all(long.startswith(short) for short, long in pairwise(starts))

    def _no_object(self, left: Facts, right: Facts, depth: int) -> bool:
        if _no_count(left, right, "least", "most"):
            return True
        if any(self._lacks(facts, keys) for facts in (left, right) for keys, _ in (*left.exists, *right.exists)):
            return True
        return any(
            self._no_member(left, right, name, depth)
            for name in {*left.required, *right.required}
            if left is right or (_speaks_of(left, name) and _speaks_of(right, name))
        )

    def _lacks(self, facts: Facts, keys: Keys) -> bool:
        """Do ``facts`` allow only members that are none of ``keys``?"""
        return any(
            rules.additional[0] is False
            and not rules.patterns
            and keys.names
            and keys.names_set >= rules.properties.keys()
            for rules in facts.members
        )

    def _no_member(self, left: Facts, right: Facts, name: str, depth: int) -> bool:
        """Is there no value that the required member ``name`` could have?"""
        mine, other = self.joint(left, name), self.joint(right, name)
        if mine.is_false or other.is_false:
            return True
        if not depth:
            return False
        if self._contradicts(mine, depth - 1) or left is right:
            return self._contradicts(mine, depth - 1)
        if self._contradicts(other, depth - 1) or self.are_disjoint(mine.facts, other.facts, depth - 1):
            return True
        both_denied = (*mine.denied, *other.denied)
        return bool(both_denied) and self._is_denied(meet(mine.facts, other.facts), both_denied, depth - 1)

    def _contradicts(self, joint: Joint, depth: int) -> bool:
        """Do what a member must satisfy, and must not, contradict each other?"""
        if joint.verdict is None:
            joint.verdict = joint.count > 1 and (
                self.are_disjoint(joint.facts, joint.facts, depth) or self._is_denied(joint.facts, joint.denied, depth)
            )
        return joint.verdict

    def _is_denied(self, facts: Facts, denied: tuple[Facts, ...], depth: int) -> bool:
        return any(self.implies(facts, other, depth) for other in denied)

    def joint(self, facts: Facts, name: str) -> Joint:
        """What the member ``name`` must satisfy, as one."""
        known = self.joints.get((id(facts), name))
        if known is None or known.owner is not facts:
            if len(self.joints) > MAX_JOINTS:
                self.joints.clear()
            known = self.joints[id(facts), name] = self._join(facts, name)
        return known

    def _join(self, owner: Facts, name: str) -> Joint:
        located = self.at(owner, name)
        wanted = _of_kinds(located, (dict, Facts))
        denied = [self.facts_of((part[0].schema, part[1])) for part in _of_kinds(located, (Not,))]
        facts = reduce(meet, map(self.surface, wanted), Facts())
        values = tuple(value for other in denied if other.only_values for value in other.values or ())
        if values:
            facts = meet(facts, Facts(excluded=values))
        rest = tuple(other for other in denied if not other.only_values and not other.choices)
        return Joint(owner, facts, rest, len(wanted) + len(denied), located[0] is False)

    # ---- implication ---------------------------------------------------------------------------------------

    def implies(self, facts: Facts, other: Facts, depth: int = DEPTH) -> bool:
        """Is it plain that whatever satisfies ``facts`` satisfies ``other``, which has no choices?"""
        if other.choices or other.refused or other.unevaluated_members or other.unevaluated_items:
            return False
        types = facts.types
        if facts.values is not None:
            types &= _union(type_bit(value, self.digits_only) for value in facts.values)
        if types & ~other.types:
            return False
        if other.plain:
            return True
        if not self._implies_values(facts, other):
            return False
        return (
            (not types & STRING or _implies_string(facts, other))
            and (not types & NUMBER or _implies_number(facts, other))
            and (not types & ARRAY or _says_nothing(other, _ARRAY_FIELDS))
            and (not types & OBJECT or self._implies_object(facts, other, depth))
        )

    def _implies_values(self, facts: Facts, other: Facts) -> bool:
        if other.values is None and not other.excluded:
            return True
        if facts.values is None:
            return other.values is None and all(
                not type_bit(value, self.digits_only) & facts.types for value in other.excluded
            )
        keys = {equality_key(value) for value in facts.values}
        allowed = keys if other.values is None else {equality_key(value) for value in other.values}
        return keys <= allowed and keys.isdisjoint(map(equality_key, other.excluded))

    def _implies_object(self, facts: Facts, other: Facts, depth: int) -> bool:
        if other.names or other.needs or other.most is not None or other.least > max(facts.least, len(facts.required)):
            return False
        if not all(self._has_member(facts, keys, located) for keys, located in other.exists):
            return False
        if not set(other.required) <= set(facts.required):
            return False
        for members in other.members:
            if any(members is mine for mine in facts.members):
                continue
            if members.patterns or members.additional[0] is not True:
                return False
            for name, located in members.properties.items():
                if not self._implies_member(facts, name, located, depth):
                    return False
        return True

    def _has_member(self, facts: Facts, keys: Keys, located: Located) -> bool:
        """Is one of the required members the one that ``exists`` asks for?"""
        if keys.texts or keys.schema is not None or keys.others:
            return False
        return any(
            name not in keys.names and self._implies_member(facts, name, located, 1) for name in facts.required
        )  # fmt: skip

    def _implies_member(self, facts: Facts, name: str, located: Located, depth: int) -> bool:
        if located[0] is True:
            return True
        mine = self.joint(facts, name)
        if mine.is_false:
            return True
        if located[0] is False or not mine.count or not depth:
            return False
        if type(located[0]) is Not:
            denied = (located[0].schema, located[1])
            surface = self.surface(denied)
            return self.are_disjoint(mine.facts, surface, depth - 1) or self._is_denied(surface, mine.denied, depth - 1)
        if type(located[0]) is Conj:
            return False
        return self.implies(mine.facts, self.facts_of(located), depth - 1)


def differ(left: Marks, right: Marks) -> bool:
    """Do the marks of two branches say that no value satisfies both?"""
    if not left[0] & right[0]:
        return True
    return any(name in right[1] and values.isdisjoint(right[1][name]) for name, values in left[1].items())


def _speaks_of(facts: Facts, name: str) -> bool:
    """Do facts require a member, or say what it must be?"""
    return name in facts.required or any(
        name in members.properties or members.additional[0] is not True for members in facts.members
    )


def _of_kinds(located: Located, kinds: tuple[type, ...]) -> list[Located]:
    return [part for part in parts(located) if type(part[0]) in kinds]


_ARRAY_FIELDS = ("fewest", "prefix", "contains", "unique")


def _says_nothing(facts: Facts, fields: tuple[str, ...]) -> bool:
    return facts.utmost is None and facts.rest[0] is True and not any(getattr(facts, field) for field in fields)


def _union(bits: Any) -> int:
    result = 0
    for bit in bits:
        result |= bit
    return result & ALL_TYPES


def _no_count(left: Facts, right: Facts, low: str, high: str) -> bool:
    least = max(getattr(left, low), getattr(right, low))
    return any(most is not None and most < least for most in (getattr(left, high), getattr(right, high)))


def _no_number(left: Facts, right: Facts) -> bool:
    for mine, other in ((left, right), (right, left)):
        if mine.lower is not None and other.upper is not None:
            if mine.lower.value > other.upper.value:
                return True
            if mine.lower.value == other.upper.value and (mine.lower.is_open or other.upper.is_open):
                return True
    return False


def _implies_string(facts: Facts, other: Facts) -> bool:
    if other.shortest > facts.shortest or not set(other.texts) <= set(facts.texts):
        return False
    return other.longest is None or (facts.longest is not None and facts.longest <= other.longest)


def _implies_number(facts: Facts, other: Facts) -> bool:
    if not set(other.multiples) <= set(facts.multiples):
        return False
    for mine, theirs, sign in ((facts.lower, other.lower, 1), (facts.upper, other.upper, -1)):
        if theirs is None:
            continue
        if mine is None or mine.value * sign < theirs.value * sign:
            return False
        if mine.value == theirs.value and theirs.is_open and not mine.is_open:
            return False
    return True
