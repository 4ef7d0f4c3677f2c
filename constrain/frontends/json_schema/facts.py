"""``Facts``: what one schema object asserts about one value, keyword by keyword.

``read_facts`` goes over a schema object once. Each keyword has one reader, which checks the keyword's own
form and writes down what it asserts. Words that assert nothing have no reader; words that assert something
which is not enforced here are written down as refusals, with the types of values that they concern, and
raise when such a value is possible.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from reprlib import repr as brief
from types import MappingProxyType
from typing import Any, Final

from constrain.errors import LimitExceeded, UnsupportedSchema
from constrain.frontends.json_schema.dialect import Dialect
from constrain.frontends.json_schema.pointer import Path, is_resource, malformed, pointer
from constrain.frontends.json_schema.values import common_values

NULL, BOOLEAN, INTEGER, FRACTION, STRING, ARRAY, OBJECT = (1 << i for i in range(7))
NUMBER: Final = INTEGER | FRACTION
ALL_TYPES: Final = 127
TYPE_BITS = {
    "null": NULL,
    "boolean": BOOLEAN,
    "integer": INTEGER,
    "number": NUMBER,
    "string": STRING,
    "array": ARRAY,
    "object": OBJECT,
}


class Conj:
    """Several located schemas that one value must all satisfy. Stands wherever a schema can stand."""

    __slots__ = ("members",)

    def __init__(self, members: tuple[tuple[Any, Path], ...]) -> None:
        self.members = members


MAX_COUNT = 2**30  # of code points or items; engines count in 32 bits

Located = tuple[Any, Path]  # a schema (object, boolean, ``Conj`` or ``Facts``) and where it is
Refusal = tuple[str, Path, str, int]  # keyword, where, why, types of the values that it concerns


class Facts:
    """Assertions about one value. Class attributes are what holds where a schema says nothing. Never changed
    once ``read_facts`` or ``meet`` has returned it."""

    path: Path = None
    origin: Any = None  # the schema object that this was read from; ``None`` for a meeting of several
    ids: frozenset[int] = frozenset()  # of the schema objects that met here
    count: int = 0  # keywords that assert something
    refused: tuple[Refusal, ...] = ()
    reference: str | None = None
    any_of: tuple[tuple[Located, ...], ...] = ()  # one tuple of branches for each ``anyOf``
    types: int = ALL_TYPES
    values: list[Any] | None = None  # ``enum`` and ``const``
    shortest: int = 0  # code points
    longest: int | None = None
    patterns: tuple[tuple[str, Path], ...] = ()
    properties: Mapping[str, Any] = MappingProxyType({})  # schemas; located at path/properties/name
    additional: Located = (True, None)
    says_additional: bool = False  # is ``additionalProperties`` written down?
    required: tuple[str, ...] = ()
    prefix: tuple[Located, ...] = ()
    rest: Located = (True, None)
    fewest: int = 0  # items
    most: int | None = None

    def item(self, index: int) -> Located:
        """The schema of the array element ``index``."""
        return self.prefix[index] if index < len(self.prefix) else self.rest

    def property(self, name: str) -> Located:
        """The schema of the object member ``name``."""
        if name in self.properties:
            return self.properties[name], ((self.path, "properties"), name)
        return self.additional


def read_facts(schema: Any, path: Path, dialect: Dialect) -> Facts:
    """What the schema object ``schema`` asserts.

    Raises:
        GrammarError: the schema, or a keyword in it, is malformed.
    """
    if type(schema) is not dict:
        raise malformed(path, f"a schema is an object or true or false, not {brief(schema)}")
    facts = Facts()
    facts.path = path
    facts.origin = schema
    if dialect.reference_stands_alone and "$ref" in schema:
        _read_reference(facts, schema["$ref"], dialect)
        facts.count = 1
        return facts
    count = 0
    for word, value in schema.items():
        reader = READERS.get(word)
        if reader is not None:
            reader(facts, value, dialect)
            count += 1
        elif word in PLACES and path is not None:
            _check_place(facts, word, value, dialect)
    facts.count = count
    return facts


Reader = Callable[[Facts, Any, Dialect], None]


def _read_type(facts: Facts, value: Any, dialect: Dialect) -> None:
    if value.__class__ is str and value in TYPE_BITS:
        facts.types = TYPE_BITS[value]
        return
    if not isinstance(value, list) or not value:
        raise malformed(facts.path, f"type is one of {', '.join(TYPE_BITS)}, or a list of them, not {brief(value)}")
    bits = 0
    for name in value:
        if not isinstance(name, str) or name not in TYPE_BITS:
            raise malformed(facts.path, f"unknown type {brief(name)}; the types are {', '.join(TYPE_BITS)}")
        bits |= TYPE_BITS[name]
    facts.types = bits


def _read_enum(facts: Facts, value: Any, dialect: Dialect) -> None:
    if not isinstance(value, list):
        raise malformed(facts.path, f"enum is a list of values, not {brief(value)}")
    _add_values(facts, value)


def _read_const(facts: Facts, value: Any, dialect: Dialect) -> None:
    if dialect.year < 2017:
        _refuse(facts, "const", f"not a word of {dialect.name}, whose validators ignore it", ALL_TYPES)
        return
    _add_values(facts, [value])


def _add_values(facts: Facts, values: list[Any]) -> None:
    facts.values = values if facts.values is None else common_values(facts.values, values)


def _read_any_of(facts: Facts, value: Any, dialect: Dialect) -> None:
    if not isinstance(value, list) or not value:
        raise malformed(facts.path, f"anyOf is a list of one schema or more, not {brief(value)}")
    base = (facts.path, "anyOf")
    facts.any_of += (tuple((branch, (base, str(i))) for i, branch in enumerate(value)),)


def _read_reference(facts: Facts, value: Any, dialect: Dialect) -> None:
    if not isinstance(value, str):
        raise malformed(facts.path, f"$ref is a string, not {brief(value)}")
    facts.reference = value


def _read_pattern(facts: Facts, value: Any, dialect: Dialect) -> None:
    if not isinstance(value, str):
        raise malformed(facts.path, f"pattern is a string, not {brief(value)}")
    facts.patterns = ((value, facts.path),)


def _read_properties(facts: Facts, value: Any, dialect: Dialect) -> None:
    if type(value) is not dict:
        raise malformed(facts.path, f"properties is an object, not {brief(value)}")
    facts.properties = value


def _read_required(facts: Facts, value: Any, dialect: Dialect) -> None:
    if type(value) is not list or not all(isinstance(name, str) for name in value):
        raise malformed(facts.path, f"required is a list of strings, not {brief(value)}")
    facts.required = tuple(value)


def _read_additional(facts: Facts, value: Any, dialect: Dialect) -> None:
    facts.additional = (value, (facts.path, "additionalProperties"))
    facts.says_additional = True


def _read_items(facts: Facts, value: Any, dialect: Dialect) -> None:
    if not isinstance(value, list):
        facts.rest = (value, (facts.path, "items"))
        return
    if not dialect.items_may_be_list or facts.prefix:
        hint = "a list of schemas is called prefixItems since 2020-12"
        raise malformed(facts.path, f"items is one schema in {dialect.name}, not a list", hint)
    _set_prefix(facts, value, "items")


def _read_prefix_items(facts: Facts, value: Any, dialect: Dialect) -> None:
    if not isinstance(value, list) or facts.prefix:
        raise malformed(facts.path, "prefixItems is a list of schemas, and items beside it is one schema")
    if dialect.year < 2020:
        _refuse(facts, "prefixItems", f"not a word of {dialect.name}, whose validators ignore it", ARRAY)
        return
    _set_prefix(facts, value, "prefixItems")


def _set_prefix(facts: Facts, value: list[Any], word: str) -> None:
    base = (facts.path, word)
    facts.prefix = tuple((schema, (base, str(i))) for i, schema in enumerate(value))


def _read_additional_items(facts: Facts, value: Any, dialect: Dialect) -> None:
    if isinstance(facts.origin.get("items"), list) and value is not True and value != {}:
        _refuse(facts, "additionalItems", "not enforced", ARRAY)


def _count_reader(word: str, field: str) -> Reader:
    """Upper bounds past ``MAX_COUNT`` are no bounds: no text is that long. Lower ones cannot be met."""

    def read(facts: Facts, value: Any, dialect: Dialect) -> None:
        whole = isinstance(value, float) and value.is_integer()
        if (type(value) is not int and not whole) or value < 0:
            raise malformed(facts.path, f"{word} is a whole number from 0 up, not {brief(value)}")
        if value <= MAX_COUNT:
            setattr(facts, field, int(value))
        elif word.startswith("min"):
            raise LimitExceeded(f"{word} at {pointer(facts.path) or '/'}", int(value), MAX_COUNT)

    return read


def _refusing_reader(word: str, types: int, harmless: tuple[Any, ...]) -> Reader:
    def read(facts: Facts, value: Any, dialect: Dialect) -> None:
        if not any(value is neutral or (type(value) is type(neutral) and value == neutral) for neutral in harmless):
            _refuse(facts, word, "not enforced by this version", types)

    return read


def _refuse(facts: Facts, word: str, reason: str, types: int) -> None:
    facts.refused += ((word, facts.path, reason, types),)


def check_refused(facts: Facts, types: int) -> None:
    """Raise ``UnsupportedSchema`` for the first refused keyword that concerns values of ``types``."""
    for word, path, reason, concerned in facts.refused:
        if concerned & types:
            raise UnsupportedSchema(word, pointer(path), reason)


def _check_place(facts: Facts, word: str, value: Any, dialect: Dialect) -> None:
    """``$id`` and ``$schema`` below the root: fine as long as they change the meaning of nothing. ``$schema`` means
    something only beside an ``$id`` (core, section 8.1.1)."""
    if word == "$schema" and is_resource(facts.origin, dialect.id_word) and dialect.name not in str(value):
        raise UnsupportedSchema(word, pointer(facts.path), "a change of draft inside a schema")
    if word == dialect.id_word and is_resource(facts.origin, word) and _mentions_reference(facts.origin):
        raise UnsupportedSchema(word, pointer(facts.path), "it changes what the references below it mean")


def _mentions_reference(schema: Any) -> bool:
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                return True
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return False


PLACES = frozenset({"$id", "id", "$schema"})

# keyword: (types that it concerns, values with which it asserts nothing)
REFUSED: dict[str, tuple[int, tuple[Any, ...]]] = {
    "format": (NUMBER | STRING, ()),
    "minimum": (NUMBER, ()),
    "maximum": (NUMBER, ()),
    "exclusiveMinimum": (NUMBER, (False,)),
    "exclusiveMaximum": (NUMBER, (False,)),
    "multipleOf": (NUMBER, ()),
    "divisibleBy": (NUMBER, ()),
    "allOf": (ALL_TYPES, ()),
    "oneOf": (ALL_TYPES, ()),
    "not": (ALL_TYPES, (False,)),
    "if": (ALL_TYPES, ()),
    "then": (0, ()),
    "else": (0, ()),
    "extends": (ALL_TYPES, ()),
    "disallow": (ALL_TYPES, ()),
    "patternProperties": (OBJECT, ({},)),
    "propertyNames": (OBJECT, (True, {})),
    "minProperties": (OBJECT, (0,)),
    "maxProperties": (OBJECT, ()),
    "dependentRequired": (OBJECT, ({},)),
    "dependentSchemas": (OBJECT, ({},)),
    "dependencies": (OBJECT, ({},)),
    "unevaluatedProperties": (OBJECT, (True, {})),
    "unevaluatedItems": (ARRAY, (True, {})),
    "contains": (ARRAY, ()),
    "minContains": (0, ()),
    "maxContains": (0, ()),
    "uniqueItems": (ARRAY, (False,)),
    "$dynamicRef": (ALL_TYPES, ()),
    "$recursiveRef": (ALL_TYPES, ()),
}

READERS: dict[str, Reader] = {
    "type": _read_type,
    "enum": _read_enum,
    "const": _read_const,
    "anyOf": _read_any_of,
    "$ref": _read_reference,
    "pattern": _read_pattern,
    "minLength": _count_reader("minLength", "shortest"),
    "maxLength": _count_reader("maxLength", "longest"),
    "properties": _read_properties,
    "required": _read_required,
    "additionalProperties": _read_additional,
    "items": _read_items,
    "prefixItems": _read_prefix_items,
    "additionalItems": _read_additional_items,
    "minItems": _count_reader("minItems", "fewest"),
    "maxItems": _count_reader("maxItems", "most"),
} | {word: _refusing_reader(word, types, harmless) for word, (types, harmless) in REFUSED.items()}

BESIDE_TYPE = (frozenset(READERS) | PLACES) - {"type"}  # a schema without these says nothing but its type
