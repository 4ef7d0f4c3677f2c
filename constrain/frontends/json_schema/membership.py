"""Does a value satisfy a schema? Needed only to filter the values of ``enum`` and ``const`` by their siblings."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from reprlib import repr as brief
from typing import Any

from constrain.errors import LimitExceeded
from constrain.frontends.json_schema.facts import (
    ARRAY,
    BOOLEAN,
    FRACTION,
    INTEGER,
    NULL,
    OBJECT,
    STRING,
    Conj,
    Facts,
    Located,
    check_refused,
)
from constrain.frontends.json_schema.pointer import MAX_DEPTH, Path, malformed
from constrain.frontends.json_schema.values import equality_key
from constrain.ir import rx as _rx
from constrain.ir.rx import Rx


class Membership:
    """Decides whether values satisfy schemas of one document."""

    def __init__(
        self,
        read: Callable[[Any, Path], Facts],
        follow: Callable[[str, Path], Located],
        pattern: Callable[[str, Path], Rx],
        integers_are_digits: bool,
    ) -> None:
        self.read = read
        self.follow = follow
        self.pattern = pattern
        self.integers_are_digits = integers_are_digits
        self.open: set[tuple[int, int]] = set()  # schemas and values that are being compared

    def satisfies(self, value: Any, located: Located, depth: int = 0) -> bool:
        """Does ``value`` satisfy the located schema?"""
        schema, path = located
        if depth > MAX_DEPTH:
            raise LimitExceeded("nesting of schemas around a value of enum or const", depth, MAX_DEPTH)
        if isinstance(schema, bool):
            return schema
        if isinstance(schema, Conj):
            return all(self.satisfies(value, member, depth + 1) for member in schema.members)
        question = (id(schema), id(value))
        if question in self.open:
            raise malformed(path, "$ref leads back to itself about the same value")
        self.open.add(question)
        try:
            return self.satisfies_facts(value, self.read(schema, path), depth)
        finally:
            self.open.remove(question)

    def satisfies_facts(self, value: Any, facts: Facts, depth: int = 0) -> bool:
        """Does ``value`` satisfy ``facts``?"""
        kind = self.type_of(value, facts.path)
        if not kind & facts.types:
            return False
        check_refused(facts, kind)
        if facts.values is not None and equality_key(value) not in map(equality_key, facts.values):
            return False
        wanted = list(facts.any_of)
        if facts.reference is not None:
            wanted.append((self.follow(facts.reference, facts.path),))
        if not all(any([self.satisfies(value, branch, depth + 1) for branch in branches]) for branches in wanted):
            return False
        if kind == STRING:
            return self._string(value, facts)
        if kind == ARRAY:
            return self._array(value, facts, depth)
        return kind != OBJECT or self._object(value, facts, depth)

    def type_of(self, value: Any, path: Path) -> int:
        """The type bit of ``value``."""
        if isinstance(value, float):
            return INTEGER if value.is_integer() and not self.integers_are_digits else FRACTION
        kind = _TYPES.get(type(value))
        if kind is None:
            raise malformed(path, f"{brief(value)} is not a JSON value")
        return kind

    def _string(self, value: str, facts: Facts) -> bool:
        if len(value) < facts.shortest or (facts.longest is not None and len(value) > facts.longest):
            return False
        return all(matches(self.pattern(text, path), value) for text, path in facts.patterns)

    def _array(self, value: list[Any], facts: Facts, depth: int) -> bool:
        if len(value) < facts.fewest or (facts.most is not None and len(value) > facts.most):
            return False
        return all(self.satisfies(item, facts.item(i), depth + 1) for i, item in enumerate(value))

    def _object(self, value: dict[str, Any], facts: Facts, depth: int) -> bool:
        if not all(name in value for name in facts.required):
            return False
        return all(self.satisfies(member, facts.property(name), depth + 1) for name, member in value.items())


_TYPES = {type(None): NULL, bool: BOOLEAN, int: INTEGER, str: STRING, list: ARRAY, dict: OBJECT}


def matches(rx: Rx, text: str) -> bool:
    """Is ``text``, as a whole, a member of ``rx``? By sets of end positions: slow, obvious, exact."""
    size = len(text)

    @cache
    def ends(rx: Rx, start: int) -> frozenset[int]:
        match rx:
            case _rx.Chars(ranges):
                inside = start < size and any(a <= ord(text[start]) <= b for a, b in ranges)
                return frozenset((start + 1,)) if inside else frozenset()
            case _rx.Union(parts):
                return frozenset().union(*(ends(part, start) for part in parts))
            case _rx.Concat(parts):
                at = frozenset((start,))
                for part in parts:
                    at = step(part, at)
                return at
            case _rx.And(parts):
                return frozenset.intersection(*(ends(part, start) for part in parts))
            case _rx.Not(body):
                return frozenset(range(start, size + 1)) - ends(body, start)
            case _rx.Repeat(body, low, high):
                return repeated(body, low, high, start)
        raise TypeError(f"not a regular expression: {rx!r}")

    def step(rx: Rx, at: frozenset[int]) -> frozenset[int]:
        return frozenset().union(*(ends(rx, position) for position in at))

    def repeated(body: Rx, low: int, high: int | None, start: int) -> frozenset[int]:
        at = frozenset((start,))
        for _ in range(min(low, size + 1)):  # more rounds than symbols change nothing but empty ones
            at = step(body, at)
        found, fresh, rounds = at, at, 0
        while fresh and (high is None or rounds < high - low):
            fresh = step(body, fresh) - found
            found, rounds = found | fresh, rounds + 1
        return found

    return size in ends(rx, 0)
