"""Does a value satisfy a schema? Filters the values of ``enum`` and ``const`` by what stands beside them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from reprlib import repr as brief
from typing import Any

from constrain.errors import LimitExceeded
from constrain.frontends.json_schema.facts import (
    ARRAY,
    NUMBER,
    OBJECT,
    STRING,
    Branch,
    Facts,
    Keys,
    Refusal,
    asked_of_member,
)
from constrain.frontends.json_schema.languages import Languages
from constrain.frontends.json_schema.numbers import exact
from constrain.frontends.json_schema.pointer import MAX_DEPTH, malformed
from constrain.frontends.json_schema.values import equality_key, type_bit


class Membership:
    """Decides whether values satisfy schemas of one document."""

    def __init__(
        self,
        alternatives: Callable[[Branch], list[Facts]],
        languages: Languages,
        refuse: Callable[[Refusal], None],
        digits_only: bool,
    ) -> None:
        self.alternatives = alternatives
        self.languages = languages
        self.refuse = refuse
        self.digits_only = digits_only

    def satisfies(self, value: Any, branch: Branch, depth: int = 0) -> bool:
        """Does ``value`` satisfy all of ``branch``?"""
        if depth > MAX_DEPTH:
            raise LimitExceeded("nesting of schemas around a value of enum or const", depth, MAX_DEPTH)
        if all(schema is True for schema, _ in branch):
            return True
        return any(self.satisfies_facts(value, facts, depth) for facts in self.alternatives(branch))

    def satisfies_facts(self, value: Any, facts: Facts, depth: int = 0) -> bool:
        """Does ``value`` satisfy ``facts``, which have no choices?"""
        try:
            kind = type_bit(value, self.digits_only)
        except (KeyError, ValueError):
            raise malformed(facts.path, f"{brief(value)} is not a JSON value") from None
        if not kind & facts.types:
            return False
        for refusal in facts.refused:
            if refusal.types & kind:
                self.refuse(refusal)
        key = equality_key(value)
        if facts.values is not None and key not in map(equality_key, facts.values):
            return False
        if key in map(equality_key, facts.excluded):
            return False
        if kind == STRING:
            return _counts(value, facts.shortest, facts.longest) and self._text(value, facts)
        if kind & NUMBER:
            return _number(exact(value), facts)
        if kind == ARRAY:
            return self._array(value, facts, depth)
        return kind != OBJECT or self._object(value, facts, depth)

    def _text(self, value: str, facts: Facts) -> bool:
        return all(self.languages.is_match(text, value) for text in facts.texts)

    def _array(self, value: list[Any], facts: Facts, depth: int) -> bool:
        if not _counts(value, facts.fewest, facts.utmost):
            return False
        if facts.unique and len(set(map(equality_key, value))) < len(value):
            return False
        if not all(self.satisfies(item, (facts.item(i),), depth + 1) for i, item in enumerate(value)):
            return False
        for contains in facts.contains:
            found = [self.satisfies(item, (contains.schema,), depth + 1) for item in value[contains.start :]]
            if not contains.low <= sum(found) or (contains.high is not None and sum(found) > contains.high):
                return False
        return True

    def _object(self, value: dict[str, Any], facts: Facts, depth: int) -> bool:
        if not _counts(value, facts.least, facts.most) or not all(name in value for name in facts.required):
            return False
        if any(name in value and not all(other in value for other in asked) for name, asked in facts.needs):
            return False
        for name, member in value.items():
            if not all(self.satisfies(name, (located,), depth + 1) for located in facts.names):
                return False
            asked = asked_of_member(facts.members, name, self.languages.is_match)
            if not self.satisfies(member, tuple(asked), depth + 1):
                return False
        return all(
            any(
                self.is_key(keys, name) and self.satisfies(member, (located,), depth + 1)
                for name, member in value.items()
            )
            for keys, located in facts.exists
        )

    def is_key(self, keys: Keys, name: str) -> bool:
        """Is ``name`` one of ``keys``?"""
        if name in keys.names or (keys.schema is not None and not self.satisfies(name, (keys.schema,))):
            return False
        return all(self.languages.is_match(text, name) for text in keys.texts)


def _counts(value: Any, low: int, high: int | None) -> bool:
    return low <= len(value) and (high is None or len(value) <= high)


def _number(value: Fraction, facts: Facts) -> bool:
    if facts.lower is not None and (value < facts.lower.value or (value == facts.lower.value and facts.lower.is_open)):
        return False
    if facts.upper is not None and (value > facts.upper.value or (value == facts.upper.value and facts.upper.is_open)):
        return False
    return all(((value / divisor).denominator == 1) == wanted for divisor, wanted in facts.multiples)
