"""Schemas that surely can be lowered, and surely have a value: they need not be lowered before the text gets there.

Most schemas are objects of plain members, and of a large document most are never visited. One look at the words of a
schema, and of those below it, tells that every keyword there is enforced and that none contradicts another. Where that
is not plain the schema is lowered at once, so that what is refused, malformed or impossible is known before the first
mask. What is evident does not depend on members that may be absent: one that nothing satisfies is left out when the
object is lowered.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import Any

from constrain.automata.analysis import surely_matches
from constrain.errors import UnsupportedSchema
from constrain.frontends.json_schema.facts import Located
from constrain.frontends.json_schema.outcome import Impossible, Outcome
from constrain.frontends.json_schema.pointer import Path
from constrain.frontends.json_schema.reading import BESIDE_TYPE, READERS, TYPE_BITS, only_type
from constrain.frontends.json_schema.references import Resolver
from constrain.ir.grammar import Expr, Ref, Seq, Terminal

_OBJECT_WORDS = frozenset({"type", "properties", "required", "additionalProperties"})
_ARRAY_WORDS = frozenset({"type", "items", "minItems", "maxItems"})
_WORDS = frozenset(READERS)
_NUMBER_WORDS = frozenset({"type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_SCALARS = frozenset(TYPE_BITS) - {"object", "array"}
MAX_DEPTH = 20  # schemas looked at inside of each other; each costs a few Python frames
MAX_FEWEST = 1000  # items
MAX_BRANCHES = 100
MAX_BOUND = 10**12


class Evident:
    """Judges the schemas of one document, each once. ``lower`` lowers what is not evident.

    Only for documents of one resource without dynamic names: elsewhere one object may mean several things.
    ``closed``: ``properties`` alone means no others. ``may_be_long``: numbers may have any number of digits.

    ``ready`` are the outcomes by identity of the schema, ``left`` the schemas that were too deep to be looked at: they
    are to be looked at again. ``unproved`` are outcomes that may match nothing, or be too large. ``partly`` are the
    identities of evident schemas of which some part, which a value can do without, is not evident.
    """

    def __init__(
        self, resolver: Resolver, closed: bool, may_be_long: bool, lower: Callable[[Located], Outcome]
    ) -> None:
        self.ready: dict[int, Outcome] = {}
        self.left: list[Located] = []
        self.unproved: list[Expr] = []
        self.partly: set[int] = set()
        self._branching: set[int] = set()
        self._resolver, self._closed, self._may_be_long, self._lower = resolver, closed, may_be_long, lower
        self._known: dict[int, bool] = {}
        dialect = resolver.dialect(resolver.root)
        self._words = _WORDS & dialect.words
        self._reference_stands_alone = dialect.reference_stands_alone
        self._depth = 0

    def holds(self, located: Located) -> bool:
        """Is it evident that the schema can be lowered and has a value? If not, it has been lowered, or is ``left``."""
        schema, path = located
        if schema.__class__ is not dict:
            if schema is not True and schema is not False:
                self._lower(located)  # which says what is wrong
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
            if not found and type(outcome) is not Impossible and type(outcome) is not Ref:
                self.unproved.append(outcome)  # type: ignore[arg-type]
        self._known[id(schema)] = found
        self._depth -= 1
        return found

    def is_object(self, schema: dict[str, Any]) -> bool:
        """Is it an evident schema of objects, and of nothing else, that says something about members?"""
        if schema.get("type") != "object" or not self._known.get(id(schema)) or self.ready.get(id(schema)) is not None:
            return False
        return "properties" in schema or schema.get("additionalProperties").__class__ is dict

    def is_rule(self, schema: dict[str, Any]) -> bool:
        """Is an evident schema worth a rule of its own: does lowering it cost anything? References have one already."""
        if "$ref" in schema and "$ref" in self._words:
            return False
        if "properties" in schema or "anyOf" in schema or schema.get("additionalProperties").__class__ is dict:
            return True
        items = schema.get("items")
        if items.__class__ is dict and not BESIDE_TYPE.isdisjoint(items):
            return True
        return schema.get("type") in ("integer", "number") and not BESIDE_TYPE.isdisjoint(schema)

    def judge(self, located: Located) -> bool:
        """Is it evident? Nothing is lowered: for the schema that is about to be."""
        schema, path = located
        self._known[id(schema)] = False
        found = self._known[id(schema)] = schema.__class__ is dict and self._judge(schema, path)
        return found

    def _judge(self, schema: dict[str, Any], path: Path) -> bool:
        words = self._words.intersection(schema)
        if "$ref" in words:
            reference = schema["$ref"]
            alone = self._reference_stands_alone or len(words) == 1
            return alone and isinstance(reference, str) and self._judge_target(schema, reference, path)
        kind = schema.get("type")
        if kind.__class__ is list:
            return self._judge_types(kind, words, schema, path)
        if len(words) == 1:
            (word,) = words
            if word == "type":
                return kind.__class__ is str and kind in TYPE_BITS
            if word == "anyOf" or word == "allOf":
                return self._judge_branches(word, schema, path)
        if kind is None or kind == "object":
            if words <= _OBJECT_WORDS:
                return self._judge_object(schema, path)
        elif kind == "array":
            return words <= _ARRAY_WORDS and self._judge_array(schema, path)
        elif kind != "string":
            return kind in ("integer", "number") and words <= _NUMBER_WORDS and self._may_be_long and _has_room(schema)
        return len(words) == 1 + (kind is not None) and "enum" in words and _are_strings(schema["enum"])

    def _judge_target(self, schema: dict[str, Any], reference: str, path: Path) -> bool:
        try:
            target = self._resolver.resolve(reference, path)
        except UnsupportedSchema:  # another document, which nobody gave
            return False
        evident = self.holds(target)
        for marked in (self.partly, self._branching):
            if id(target[0]) in marked:
                marked.add(id(schema))
        return evident

    def _judge_types(self, kinds: list[Any], words: frozenset[str], schema: dict[str, Any], path: Path) -> bool:
        """Several types, and what is said of objects and arrays; no word that speaks of scalars."""
        if not kinds or not all(kind.__class__ is str and kind in TYPE_BITS for kind in kinds):
            return False
        if not words <= _OBJECT_WORDS | _ARRAY_WORDS:
            return False
        objects, arrays = self._judge_object(schema, path), self._judge_array(schema, path)
        return not _SCALARS.isdisjoint(kinds) or (objects and "object" in kinds) or (arrays and "array" in kinds)

    def _judge_branches(self, word: str, schema: dict[str, Any], path: Path) -> bool:
        """Some alternatives that may overlap, or a conjunction of one schema; none that branches itself (how deep and
        how wide schemas may branch is limited)."""
        branches, base = schema[word], (path, word)
        if branches.__class__ is not list or not 0 < len(branches) <= (1 if word == "allOf" else MAX_BRANCHES):
            return False
        self._branching.add(id(schema))
        found = [self.holds((branch, (base, str(i)))) for i, branch in enumerate(branches)]
        if not all(found) or not self.partly.isdisjoint(map(id, branches)):
            self.partly.add(id(schema))
        return any(found) and self._branching.isdisjoint(map(id, branches))

    def _judge_object(self, schema: dict[str, Any], path: Path) -> bool:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        additional = schema.get("additionalProperties", not (self._closed and "properties" in schema))
        if properties.__class__ is not dict or required.__class__ is not list:
            return False
        base, evident, holds = (path, "properties"), True, self.holds
        for name, value in properties.items():
            if only_type(value) not in _SCALARS and not holds((value, (base, name))):
                self.partly.add(id(schema))
                evident = evident and name not in required
        others = additional is not False and holds((additional, (path, "additionalProperties")))
        if additional is not False and not others:
            self.partly.add(id(schema))
        return evident and all(name.__class__ is str and (others or name in properties) for name in required)

    def _judge_array(self, schema: dict[str, Any], path: Path) -> bool:
        fewest, utmost, items = schema.get("minItems", 0), schema.get("maxItems"), schema.get("items", True)
        if fewest.__class__ is not int or not 0 <= fewest <= MAX_FEWEST or items.__class__ is list:
            return False
        if utmost is not None and (utmost.__class__ is not int or utmost < fewest):
            return False
        if utmost == 0:
            return True  # nobody gets to see the items
        evident = self.holds((items, (path, "items")))
        if not evident:
            self.partly.add(id(schema))
        return evident or not fewest


def _has_room(schema: dict[str, Any]) -> bool:
    """Is there a whole number strictly between the bounds, which are short?"""
    bounds = [schema.get(word) for word in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")]
    if not all(bound is None or _is_short(bound) for bound in bounds):
        return False
    lows, highs = ([bound for bound in pair if bound is not None] for pair in (bounds[:2], bounds[2:]))
    return not lows or not highs or floor(max(lows)) + 1 < min(highs)


def _is_short(bound: Any) -> bool:
    """Is this a number of few digits? (Of others the automaton may be too large.)"""
    return bound.__class__ in (int, float) and -MAX_BOUND < bound < MAX_BOUND and round(bound, 3) == bound


def _are_strings(values: Any) -> bool:
    return values.__class__ is list and len(values) > 0 and all(value.__class__ is str for value in values)


def _is_sure(outcome: Outcome) -> bool:
    """Does an expression match something, plainly? Of those that scalars become."""
    if type(outcome) is Impossible:
        return False
    if type(outcome) is Seq:
        return all(type(part) is not Terminal or surely_matches(part) for part in outcome.parts) and _is_flat(outcome)
    return type(outcome) is Terminal and surely_matches(outcome)


def _is_flat(sequence: Seq) -> bool:
    return len(sequence.parts) == 2 and type(sequence.parts[1]) is Terminal
