"""Schemas that surely can be lowered, and surely have a value: they need not be lowered before the text gets there.

Most schemas are objects of plain members, and of a large document most are never visited. One look at the words of a
schema, and of those below it, tells that every keyword there is enforced and that none contradicts another. Where that
is not plain the schema is lowered at once, so that what is refused, malformed or impossible is known before the first
mask. What is evident does not depend on members that may be absent: one that nothing satisfies is left out when the
object is lowered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from constrain.automata.analysis import surely_matches
from constrain.frontends.json_schema.facts import Located
from constrain.frontends.json_schema.outcome import Impossible, Outcome
from constrain.frontends.json_schema.pointer import Path
from constrain.frontends.json_schema.reading import BESIDE_TYPE, READERS, TYPE_BITS
from constrain.frontends.json_schema.references import Resolver
from constrain.ir.grammar import Seq, Terminal

_OBJECT_WORDS = frozenset({"type", "properties", "required", "additionalProperties"})
_ARRAY_WORDS = frozenset({"type", "items", "minItems", "maxItems"})
_WORDS = frozenset(READERS)
_SCALARS = frozenset({"string", "integer", "number", "boolean", "null"})
MAX_DEPTH = 20  # schemas looked at inside of each other; each costs a few Python frames
MAX_FEWEST = 1000  # items


class Evident:
    """Judges the schemas of one document, each once. ``lower`` lowers what is not evident.

    Only for documents of one resource without dynamic names: elsewhere one object may mean several things.
    ``closed``: ``properties`` alone means no others. ``ready`` are the outcomes by identity of the schema, ``left`` the
    schemas that were too deep to be looked at: they are to be looked at again.
    """

    def __init__(self, resolver: Resolver, closed: bool, lower: Callable[[Located], Outcome]) -> None:
        self.ready: dict[int, Outcome] = {}
        self.left: list[Located] = []
        self._resolver, self._closed, self._lower = resolver, closed, lower
        self._known: dict[int, bool] = {}
        dialect = resolver.dialect(resolver.root)
        self._words = _WORDS & dialect.words
        self._reference_stands_alone = dialect.reference_stands_alone
        self._depth = 0

    def holds(self, located: Located) -> bool:
        """Is it evident that the schema can be lowered and has a value? If not, it has been lowered, or is ``left``."""
        schema, path = located
        if schema.__class__ is not dict:
            return schema is True
        found = self._known.get(id(schema)) if self._resolver.is_simple else False  # a reference may load a document
        if found is not None:
            return found
        if self._depth == MAX_DEPTH:
            self.left.append(located)
            return False
        self._known[id(schema)] = False  # to those that need a value of it in order to have one themselves
        self._depth += 1
        found = self._judge(schema, path)
        if not found:
            outcome = self.ready[id(schema)] = self._lower(located)
            found = _is_sure(outcome)
        self._known[id(schema)] = found
        self._depth -= 1
        return found

    def _judge(self, schema: dict[str, Any], path: Path) -> bool:
        words = self._words.intersection(schema)
        if "$ref" in words:
            reference = schema["$ref"]
            alone = self._reference_stands_alone or len(words) == 1
            return alone and isinstance(reference, str) and self.holds(self._resolver.resolve(reference, path))
        kind = schema.get("type")
        if kind.__class__ is str:
            if len(words) == 1:
                return kind in TYPE_BITS
            if kind == "object":
                return words <= _OBJECT_WORDS and self._judge_object(schema, path)
            if kind == "array":
                return words <= _ARRAY_WORDS and self._judge_array(schema, path)
            return "enum" in words and len(words) == 2 and kind == "string" and _has_string(schema["enum"])
        if kind is None:
            if words <= _OBJECT_WORDS:
                return self._judge_object(schema, path)
            return "enum" in words and len(words) == 1 and _has_string(schema["enum"])
        return False

    def _judge_object(self, schema: dict[str, Any], path: Path) -> bool:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        additional = schema.get("additionalProperties", not (self._closed and "properties" in schema))
        if properties.__class__ is not dict or required.__class__ is not list:
            return False
        base, evident, holds = (path, "properties"), True, self.holds
        for name, value in properties.items():
            if not _is_scalar(value) and not holds((value, (base, name))) and name in required:
                evident = False
        others = additional is not False and holds((additional, (path, "additionalProperties")))
        return evident and all(name.__class__ is str and (others or name in properties) for name in required)

    def _judge_array(self, schema: dict[str, Any], path: Path) -> bool:
        fewest, utmost, items = schema.get("minItems", 0), schema.get("maxItems"), schema.get("items", True)
        if fewest.__class__ is not int or not 0 <= fewest <= MAX_FEWEST or items.__class__ is list:
            return False
        if utmost is not None and (utmost.__class__ is not int or utmost < fewest):
            return False
        return self.holds((items, (path, "items"))) or not fewest


def _is_scalar(schema: Any) -> bool:
    """Is this nothing but one of the types that need no look?"""
    if schema.__class__ is not dict:
        return False
    kind = schema.get("type")
    return kind.__class__ is str and kind in _SCALARS and (len(schema) == 1 or BESIDE_TYPE.isdisjoint(schema))


def _has_string(values: Any) -> bool:
    return values.__class__ is list and any(value.__class__ is str for value in values)


def _is_sure(outcome: Outcome) -> bool:
    """Does an expression match something, plainly? Of those that scalars become."""
    if type(outcome) is Impossible:
        return False
    if type(outcome) is Seq:
        return all(type(part) is not Terminal or surely_matches(part) for part in outcome.parts) and _is_flat(outcome)
    return type(outcome) is Terminal and surely_matches(outcome)


def _is_flat(sequence: Seq) -> bool:
    return len(sequence.parts) == 2 and type(sequence.parts[1]) is Terminal
