"""From a schema object to ``Facts``: each keyword has one reader, which checks the keyword's own form.

Words that assert nothing, and words that the schema's draft does not define, have no say: validators ignore them
too. In a schema that names no draft the words of all drafts count.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from fractions import Fraction
from functools import partial
from itertools import combinations
from reprlib import repr as brief
from typing import Any

from constrain.errors import LimitExceeded, UnsupportedSchema
from constrain.frontends.json_schema.dialect import Dialect
from constrain.frontends.json_schema.facts import (
    ALL_TYPES,
    ARRAY,
    BOOLEAN,
    INTEGER,
    MAX_COUNT,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Bound,
    Branch,
    Choice,
    Contains,
    Facts,
    Located,
    Members,
    Refusal,
    Text,
    negate,
    tighter,
)
from constrain.frontends.json_schema.numbers import exact
from constrain.frontends.json_schema.pointer import Path, malformed, pointer
from constrain.frontends.json_schema.references import Resolver
from constrain.frontends.json_schema.values import common_values, equality_key

TYPE_BITS = {
    "null": NULL,
    "boolean": BOOLEAN,
    "integer": INTEGER,
    "number": NUMBER,
    "string": STRING,
    "array": ARRAY,
    "object": OBJECT,
}
MAX_ONE_OF = 300  # branches: their negations grow with the square


class Reader:
    """Reads the schema objects of one document, each once. ``closed``: ``properties`` alone means no others."""

    def __init__(self, resolver: Resolver, closed: bool) -> None:
        self.resolver = resolver
        self.closed = closed
        self.known: dict[Hashable, Facts] = {}
        self.places: list[tuple[Path, Any]] = []  # schema objects in the order of their first reading

    def read(self, schema: Any, path: Path) -> Facts:
        """What the schema object ``schema`` asserts. Raises ``GrammarError`` where it is malformed."""
        if type(schema) is not dict:
            raise malformed(path, f"a schema is an object or true or false, not {brief(schema)}")
        key = self.resolver.key(schema, path)
        facts = self.known.get(key)
        if facts is None:
            facts = self.known[key] = self._read(schema, path, key)
            self.places.append((path, schema))
        return facts

    def _read(self, schema: dict[str, Any], path: Path, key: Hashable) -> Facts:
        facts = Facts(path, key)
        reading = _Reading(self, facts, schema, path)
        if reading.dialect.reference_stands_alone and isinstance(schema.get("$ref"), str):
            reading.reference(schema["$ref"], "$ref")
            facts.bare = bool(facts.choices)
            facts.is_flat = not facts.bare
            return facts
        words = 0
        for word, value in schema.items():
            reader = READERS.get(word)
            if reader is not None and reading.defines(word):
                reader(reading, value)
                words += word != "type"
        if words:
            reading.finish()
        facts.plain = not words
        facts.only_values = words == 1 and facts.values is not None and "type" not in schema
        facts.bare = words == 1 and "type" not in schema and bool(facts.choices) and facts.choices[0].reference
        facts.is_flat = (
            not facts.choices
            and not (facts.unevaluated_members or facts.unevaluated_items)
            and not (facts.contains and facts.prefix)
        )
        return facts


class _Reading:
    """One schema object while it is being read."""

    def __init__(self, reader: Reader, facts: Facts, schema: dict[str, Any], path: Path) -> None:
        self.reader, self.facts, self.schema, self.path = reader, facts, schema, path
        self.dialect: Dialect = reader.resolver.dialect(path)
        self.exclusive_may_be_boolean = self.dialect.exclusive_is_boolean or not self.dialect.declared

    def defines(self, word: str) -> bool:
        """Is ``word`` a keyword in this schema's dialect?"""
        return word in self.dialect.words

    def finish(self) -> None:
        """The keywords that speak of each other."""
        schema = self.schema
        if not MEMBER_WORDS.isdisjoint(schema):
            self._members()
        if "if" in schema and self.defines("if"):
            self._condition()
        if "contains" in schema and self.defines("contains"):
            self._contains()

    # ---- in-place applicators ------------------------------------------------------------------------------

    def choose(self, branches: tuple[Branch, ...], deny: Callable[[], tuple[Branch, ...]], **flags: bool) -> None:
        self.facts.choices += (Choice(branches, deny, **flags),)

    def reference(self, value: Any, word: str) -> None:
        if not isinstance(value, str):
            raise malformed(self.path, f"{word} is a string, not {brief(value)}")
        try:
            target = self.reader.resolver.resolve(value, self.path, word)
        except UnsupportedSchema as error:  # another document, which nobody gave
            self.facts.refused += (Refusal(word, self.path, error.reason, ALL_TYPES, error.hint),)
            return
        self.choose(((target,),), lambda: ((negate(target),),), reference=True)

    def branches(self, word: str, value: Any) -> list[Located]:
        if not isinstance(value, list) or not value:
            raise malformed(self.path, f"{word} is a list of one schema or more, not {brief(value)}")
        base = (self.path, word)
        return [(schema, (base, str(i))) for i, schema in enumerate(value)]

    def all_of(self, value: Any) -> None:
        for located in self.branches("allOf", value):
            self._must(located)

    def _must(self, located: Located) -> None:
        self.choose(((located,),), lambda: ((negate(located),),))

    def any_of(self, value: Any) -> None:
        found = self.branches("anyOf", value)
        self.choose(tuple((b,) for b in found), lambda: (tuple(map(negate, found)),), inclusive=True)

    def one_of(self, value: Any) -> None:
        found = self.branches("oneOf", value)
        if len(found) > MAX_ONE_OF:
            if (values := self._single_values(found)) is not None:
                self._values(values)
                return
            raise LimitExceeded(f"branches of oneOf at {pointer(self.path) or '/'}", len(found), MAX_ONE_OF)
        self.choose(
            tuple((b,) for b in found), lambda: (tuple(map(negate, found)), *combinations(found, 2)), exclusive=True
        )

    def _single_values(self, found: list[Located]) -> list[Any] | None:
        """The values that exactly one branch holds, if all branches are nothing but ``const`` or ``enum``."""
        lists = []
        for schema, path in found:
            if type(schema) is not dict or not _VALUE_WORDS.issuperset(schema):
                return None
            lists.append(self.reader.read(schema, path).values or [])
        count: dict[Hashable, int] = {}
        for values in lists:
            for key in {equality_key(value) for value in values}:
                count[key] = count.get(key, 0) + 1
        return [value for values in lists for value in values if count[equality_key(value)] == 1]

    def not_(self, value: Any) -> None:
        located = (value, (self.path, "not"))
        self.choose(((negate(located),),), lambda: ((located,),))

    def _condition(self) -> None:
        test = (self.schema["if"], (self.path, "if"))
        then = (self.schema.get("then", True), (self.path, "then"))
        other = (self.schema.get("else", True), (self.path, "else"))
        if test[0] is True or test[0] is False:
            self._must(then if test[0] else other)
            return
        self.choose(
            ((test, then), (negate(test), other)), lambda: ((test, negate(then)), (negate(test), negate(other)))
        )

    def dependent_schemas(self, value: Any, word: str = "dependentSchemas") -> None:
        for name, schema in self.dictionary(word, value).items():
            self._dependent_schema(name, (schema, ((self.path, word), name)))

    def _dependent_schema(self, name: str, located: Located) -> None:
        if located[0] is True:
            return
        here, gone = present(name, self.path), absent(name, self.path)
        self.choose(((gone,), (here, located)), lambda: ((here, negate(located)),))

    def dependencies(self, value: Any) -> None:
        for name, asked in self.dictionary("dependencies", value).items():
            if isinstance(asked, list):
                self._dependent_required(name, asked)
            elif isinstance(asked, str):  # draft-03, still met
                self._dependent_required(name, [asked])
            else:
                self._dependent_schema(name, (asked, ((self.path, "dependencies"), name)))

    # ---- objects -------------------------------------------------------------------------------------------

    def dictionary(self, word: str, value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise malformed(self.path, f"{word} is an object, not {brief(value)}")
        return value

    def _members(self) -> None:
        schema, path = self.schema, self.path
        base = (path, "properties")
        properties = {
            name: (value, (base, name))
            for name, value in self.dictionary("properties", schema.get("properties", {})).items()
        }
        base = (path, "patternProperties")
        patterns = tuple(
            (Text("patternProperties", text, base), (value, (base, text)))
            for text, value in self.dictionary("patternProperties", schema.get("patternProperties", {})).items()
        )
        additional: Located = (True, path)
        if "additionalProperties" in schema:
            additional = (schema["additionalProperties"], (path, "additionalProperties"))
            self.facts.evaluates_members = True
        elif self.reader.closed and "properties" in schema:
            additional = (False, path)
        self.facts.members = (Members(path, properties, patterns, additional),)

    def required(self, value: Any) -> None:
        if isinstance(value, bool) and not (self.dialect.declared and self.dialect.year >= 2013):
            return  # draft-03: of the member's own schema; no draft since gives it a meaning there
        if type(value) is not list or not all(isinstance(name, str) for name in value):
            raise malformed(self.path, f"required is a list of strings, not {brief(value)}")
        self.facts.required = tuple(dict.fromkeys(value))

    def dependent_required(self, value: Any) -> None:
        for name, asked in self.dictionary("dependentRequired", value).items():
            self._dependent_required(name, asked)

    def _dependent_required(self, name: str, asked: Any) -> None:
        if not isinstance(asked, list) or not all(isinstance(other, str) for other in asked):
            raise malformed(self.path, f"what {name!r} requires is a list of strings, not {brief(asked)}")
        if asked:
            self.facts.needs += ((name, tuple(asked)),)

    def property_names(self, value: Any) -> None:
        if value is not True and value != {}:
            self.facts.names += ((value, (self.path, "propertyNames")),)

    def unevaluated_properties(self, value: Any) -> None:
        if value is True or value == {}:
            self.facts.evaluates_members = True
        else:
            self.facts.unevaluated_members = (value, (self.path, "unevaluatedProperties"))

    # ---- arrays --------------------------------------------------------------------------------------------

    def items(self, value: Any) -> None:
        facts = self.facts
        if not isinstance(value, list):
            facts.rest = (value, (self.path, "items"))
            facts.evaluates_items = True
            return
        if not self.dialect.items_may_be_list or facts.prefix:
            hint = "a list of schemas is called prefixItems since 2020-12"
            raise malformed(self.path, f"items is one schema in {self.dialect.name}, not a list", hint)
        self._prefix("items", value)
        if "additionalItems" in self.schema and self.defines("additionalItems"):
            facts.rest = (self.schema["additionalItems"], (self.path, "additionalItems"))
            facts.evaluates_items = True

    def prefix_items(self, value: Any) -> None:
        if not isinstance(value, list) or self.facts.prefix:
            raise malformed(self.path, "prefixItems is a list of schemas, and items beside it is one schema")
        self._prefix("prefixItems", value)

    def _prefix(self, word: str, value: list[Any]) -> None:
        base = (self.path, word)
        self.facts.prefix = tuple((schema, (base, str(i))) for i, schema in enumerate(value))

    def _contains(self) -> None:
        counts = {"minContains": 1, "maxContains": None}
        for word in counts:
            if word in self.schema and self.defines(word):
                counts[word] = self.count(word, self.schema[word])
        low, high = counts["minContains"] or 0, counts["maxContains"]
        located = (self.schema["contains"], (self.path, "contains"))
        self.facts.contains = (Contains(located, low, high),)

    def unique_items(self, value: Any) -> None:
        if value is True:
            self.facts.unique = True
        elif value is not False:
            raise malformed(self.path, f"uniqueItems is true or false, not {brief(value)}")

    def unevaluated_items(self, value: Any) -> None:
        if value is True or value == {}:
            self.facts.evaluates_items = True
        else:
            self.facts.unevaluated_items = (value, (self.path, "unevaluatedItems"))

    # ---- scalars -------------------------------------------------------------------------------------------

    def type_(self, value: Any) -> None:
        if value.__class__ is str and value in TYPE_BITS:
            self.facts.types = TYPE_BITS[value]
            return
        if not isinstance(value, list) or not value:
            raise malformed(self.path, f"type is one of {', '.join(TYPE_BITS)}, or a list of them, not {brief(value)}")
        bits = 0
        for name in value:
            if not isinstance(name, str) or name not in TYPE_BITS:
                raise malformed(self.path, f"unknown type {brief(name)}; the types are {', '.join(TYPE_BITS)}")
            bits |= TYPE_BITS[name]
        self.facts.types = bits

    def enum(self, value: Any) -> None:
        if not isinstance(value, list):
            raise malformed(self.path, f"enum is a list of values, not {brief(value)}")
        self._values(value)

    def const(self, value: Any) -> None:
        self._values([value])

    def _values(self, values: list[Any]) -> None:
        self.facts.values = values if self.facts.values is None else common_values(self.facts.values, values)

    def text(self, value: Any, word: str) -> None:
        if not isinstance(value, str):
            raise malformed(self.path, f"{word} is a string, not {brief(value)}")
        self.facts.texts += (Text(word, value, self.path),)

    def minimum(self, value: Any) -> None:
        is_open = self.schema.get("exclusiveMinimum") is True and self.exclusive_may_be_boolean
        self._at_least(Bound(self.number("minimum", value), is_open))

    def exclusive_minimum(self, value: Any) -> None:
        if not isinstance(value, bool):
            self._at_least(Bound(self.number("exclusiveMinimum", value), True))
        elif not self.exclusive_may_be_boolean:
            raise malformed(self.path, f"exclusiveMinimum is a number since draft-06, not {value}")

    def maximum(self, value: Any) -> None:
        is_open = self.schema.get("exclusiveMaximum") is True and self.exclusive_may_be_boolean
        self._at_most(Bound(self.number("maximum", value), is_open))

    def exclusive_maximum(self, value: Any) -> None:
        if not isinstance(value, bool):
            self._at_most(Bound(self.number("exclusiveMaximum", value), True))
        elif not self.exclusive_may_be_boolean:
            raise malformed(self.path, f"exclusiveMaximum is a number since draft-06, not {value}")

    def _at_least(self, bound: Bound) -> None:
        self.facts.lower = tighter(self.facts.lower, bound, 1)

    def _at_most(self, bound: Bound) -> None:
        self.facts.upper = tighter(self.facts.upper, bound, -1)

    def multiple_of(self, value: Any) -> None:
        divisor = self.number("multipleOf", value)
        if divisor <= 0:
            raise malformed(self.path, f"multipleOf is more than 0, not {value}")
        self.facts.multiples = ((divisor, True),)

    def number(self, word: str, value: Any) -> Fraction:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise malformed(self.path, f"{word} is a number, not {brief(value)}")
        return exact(value)

    def count(self, word: str, value: Any) -> int | None:
        """A whole number from 0 up. Upper bounds past ``MAX_COUNT`` are no bounds (``None``): no text is that long."""
        whole = isinstance(value, float) and value.is_integer()
        if (type(value) is not int and not whole) or value < 0:
            raise malformed(self.path, f"{word} is a whole number from 0 up, not {brief(value)}")
        if value <= MAX_COUNT:
            return int(value)
        if word.startswith("min"):
            raise LimitExceeded(f"{word} at {pointer(self.path) or '/'}", int(value), MAX_COUNT)
        return None

    def bound(self, value: Any, word: str, field: str) -> None:
        setattr(self.facts, field, self.count(word, value))


def present(name: str, path: Path) -> Located:
    """Objects that have the member ``name``."""
    return Facts(path, ("present", name), types=OBJECT, required=(name,)), path


def absent(name: str, path: Path) -> Located:
    """Values that are no objects with the member ``name``."""
    return Facts(path, ("absent", name), members=(Members(path, {name: (False, path)}),)), path


def _bound_reader(word: str, field: str) -> Callable[[_Reading, Any], None]:
    return partial(_Reading.bound, word=word, field=field)


READERS: dict[str, Callable[[_Reading, Any], None]] = {
    "type": _Reading.type_,
    "enum": _Reading.enum,
    "const": _Reading.const,
    "$ref": partial(_Reading.reference, word="$ref"),
    "$dynamicRef": partial(_Reading.reference, word="$dynamicRef"),
    "$recursiveRef": partial(_Reading.reference, word="$recursiveRef"),
    "allOf": _Reading.all_of,
    "anyOf": _Reading.any_of,
    "oneOf": _Reading.one_of,
    "not": _Reading.not_,
    "dependentSchemas": _Reading.dependent_schemas,
    "dependencies": _Reading.dependencies,
    "required": _Reading.required,
    "dependentRequired": _Reading.dependent_required,
    "propertyNames": _Reading.property_names,
    "minProperties": _bound_reader("minProperties", "least"),
    "maxProperties": _bound_reader("maxProperties", "most"),
    "unevaluatedProperties": _Reading.unevaluated_properties,
    "items": _Reading.items,
    "prefixItems": _Reading.prefix_items,
    "minItems": _bound_reader("minItems", "fewest"),
    "maxItems": _bound_reader("maxItems", "utmost"),
    "uniqueItems": _Reading.unique_items,
    "unevaluatedItems": _Reading.unevaluated_items,
    "pattern": partial(_Reading.text, word="pattern"),
    "format": partial(_Reading.text, word="format"),
    "minLength": _bound_reader("minLength", "shortest"),
    "maxLength": _bound_reader("maxLength", "longest"),
    "minimum": _Reading.minimum,
    "maximum": _Reading.maximum,
    "exclusiveMinimum": _Reading.exclusive_minimum,
    "exclusiveMaximum": _Reading.exclusive_maximum,
    "multipleOf": _Reading.multiple_of,
    # read by ``finish``, together with their companions
    "properties": lambda reading, value: None,
    "patternProperties": lambda reading, value: None,
    "additionalProperties": lambda reading, value: None,
    "if": lambda reading, value: None,
    "contains": lambda reading, value: None,
}
MEMBER_WORDS = frozenset({"properties", "patternProperties", "additionalProperties"})
BESIDE_TYPE = frozenset(READERS) - {"type"}  # a schema without these says nothing but its type
_VALUE_WORDS = frozenset({"const", "enum", "title", "description", "$comment"})


def only_type(schema: Any) -> str | None:
    """The type of a schema that says nothing else, as nearly all scalars are; ``None`` for others."""
    if schema.__class__ is not dict or not BESIDE_TYPE.isdisjoint(schema):
        return None
    kind = schema.get("type")
    return kind if kind.__class__ is str else None
