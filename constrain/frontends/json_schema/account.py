"""What became of each keyword of a schema: the account that ``constrain.schema_report`` gives, once it is lowered.

Places are found by walking the document as its drafts say, references included: lowering itself reads only what
some value can reach.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from constrain.errors import GrammarError, UnsupportedSchema
from constrain.frontends.json_schema.dialect import DIALECTS, Dialect
from constrain.frontends.json_schema.facts import ALL_TYPES, ARRAY, NUMBER, OBJECT, STRING
from constrain.frontends.json_schema.formats import FORMATS, NOT_REGULAR, string_format
from constrain.frontends.json_schema.languages import LATEST
from constrain.frontends.json_schema.lower import Lowering
from constrain.frontends.json_schema.pointer import Path, pointer
from constrain.frontends.json_schema.reading import TYPE_BITS

How = Literal["grammar", "counter", "state", "spelling", "annotation", "unused", "refused"]
Place = tuple[Path, dict[str, Any]]

WIDEST = 40  # columns of a value in brief
SHOWN = 4  # names or values in it

_COUNTED = frozenset({"minLength", "maxLength", "minItems", "maxItems"})
_COMPANIONS = {"then": "if", "else": "if", "minContains": "contains", "maxContains": "contains"}
_NAMES = {
    **dict.fromkeys(("$schema", "$vocabulary"), "names the draft"),
    **dict.fromkeys(("$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor"), "a name, for references"),
    **dict.fromkeys(("$defs", "definitions"), "schemas for references"),
}
_REMARKS = frozenset(
    {
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment"),
        *("contentEncoding", "contentMediaType", "contentSchema"),
    }
)
_KEYWORDS = frozenset(word for dialect in DIALECTS.values() for word in dialect.words)
_CONCERNS = {
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), STRING),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), NUMBER),
    **dict.fromkeys(("items", "prefixItems", "additionalItems", "unevaluatedItems", "minItems", "maxItems"), ARRAY),
    **dict.fromkeys(("contains", "minContains", "maxContains", "uniqueItems"), ARRAY),
    **dict.fromkeys(("properties", "patternProperties", "additionalProperties", "unevaluatedProperties"), OBJECT),
    **dict.fromkeys(("propertyNames", "required", "minProperties", "maxProperties"), OBJECT),
    **dict.fromkeys(("dependencies", "dependentRequired", "dependentSchemas"), OBJECT),
}
_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_NARROWED = {
    "date-time": "leap seconds only with offsets of whole or half hours",
    "time": "leap seconds only with offsets of whole or half hours",
    "hostname": "no labels that begin with xn--",
    "idn-email": "only what all readers of the standard take to conform",
    "email": "addresses as in RFC 5321, without comments and folded blanks",
    "regex": "groups nest up to 4 deep; no names, look-around or back-references",
    "duration": "capital letters only",
}
_MAPS = ("properties", "patternProperties", "dependentRequired", "dependentSchemas", "dependencies")
_IDLE: dict[str, Any] = {  # values with which a keyword asks for nothing
    **{"uniqueItems": False, "minLength": 0, "minItems": 0, "minProperties": 0, "required": [], "not": False},
    **dict.fromkeys(("items", "additionalItems", "additionalProperties", "propertyNames"), True),
    **{
        word: {}
        for word in ("properties", "patternProperties", "dependentRequired", "dependentSchemas", "dependencies")
    },
}


@dataclass(frozen=True)
class Entry:
    """One keyword at one place.

    pointer   JSON pointer of the schema that it is in; the root is empty
    keyword   the word
    value     what is written there, in brief
    how       ``grammar``: by rules and terminals; ``counter``: by counting; ``state``: by remembering what was written;
              ``spelling``: by rules and terminals too, and some spellings or values that conform are left out;
              ``annotation``: asserts nothing; ``unused``: no value gets there; ``refused``: not enforced
    reason    why refused, what is left out, why nothing is asserted; else empty
    """

    pointer: str
    keyword: str
    value: str
    how: How
    reason: str = ""


def reached_places(lowering: Lowering) -> list[Place]:
    """The schema objects that the root leads to, by keywords and references, in the order of the document."""
    resolver = lowering.resolver
    found: dict[str, Place] = {}
    stack: list[tuple[Any, Path]] = [(lowering.root, resolver.root)]
    while stack:
        schema, path = stack.pop()
        if not isinstance(schema, dict) or pointer(path) in found:
            continue
        found[pointer(path)] = (path, schema)
        dialect = resolver.dialect(path)
        stack += reversed([*_parts(schema, path, dialect), *_targets(lowering, schema, path, dialect)])
    return list(found.values())


def unreached_places(lowering: Lowering, reached: list[Place]) -> list[str]:
    """Pointers of the schemas in the document that nothing refers to; not of what is inside those."""
    known = {id(schema) for _, schema in reached}
    found = []
    stack: list[tuple[Any, Path]] = [(lowering.root, lowering.resolver.root)]
    while stack:
        schema, path = stack.pop()
        if not isinstance(schema, dict):
            continue
        if id(schema) not in known:
            found.append(pointer(path))
            continue
        dialect = lowering.resolver.dialect(path)
        parts = [part for word in dialect.holders if word in schema for part in _held(schema, word, path, dialect)]
        stack += reversed(parts)
    return found


def entries_of(
    lowering: Lowering, places: list[Place], refused: dict[tuple[str, str], UnsupportedSchema], complete: bool
) -> list[Entry]:
    """The account of places, keyword by keyword. ``refused`` is by word and pointer; ``complete``: has lowering come to
    its end, so that what it has not read is out of reach?"""
    account = _Account(lowering, refused, complete)
    found = [entry for path, schema in places for entry in account.of(path, schema)]
    strays = [error for key, error in refused.items() if key not in account.told]
    return found + [Entry(error.pointer, error.keyword, "", "refused", error.reason) for error in strays]


class _Account:
    def __init__(self, lowering: Lowering, refused: dict[tuple[str, str], UnsupportedSchema], complete: bool) -> None:
        self.lowering = lowering
        self.resolver = lowering.resolver
        self.refused = refused
        self.out_of_reach = "no value gets here" if complete else "not looked at"
        self.told: set[tuple[str, str]] = set()  # refusals that have an entry
        self.first = {self.resolver.key(schema, path): pointer(path) for path, schema in lowering.reader.places}
        self.met = {word: how for (_, word), how in lowering.used.items()}

    def of(self, path: Path, schema: dict[str, Any]) -> Iterator[Entry]:
        """The entries of one schema object."""
        dialect, place = self.resolver.dialect(path), pointer(path)
        first = self.first.get(self.resolver.key(schema, path))
        is_alone = dialect.reference_stands_alone and isinstance(schema.get("$ref"), str)
        types = _types(schema.get("type"))
        says_more = any(word in dialect.words and word != "type" for word in schema)
        for word, value in schema.items():
            silent = self._silence(word, value, schema, dialect)
            if is_alone and word != "$ref":
                silent = silent or f"beside $ref, which stands alone in {dialect.name}"
            how: How
            error = self._refusal(word, place if first is None else first)
            if error is not None:
                how, reason = "refused", error.reason
            elif silent is not None:
                how, reason = "annotation", silent
            elif first is None and says_more:
                how, reason = "unused", self.out_of_reach
            elif not _CONCERNS.get(word, ALL_TYPES) & types:
                how, reason = "unused", "about a type that no value has here"
            else:
                how, reason = self._enforced(word, value, first or place, dialect)
            yield Entry(place, word, brief(value), how, reason)

    def _refusal(self, word: str, place: str) -> UnsupportedSchema | None:
        found = None
        inside = f"{place}/{word}"
        for key, error in self.refused.items():
            if key[0] == word and key[1] in (place, inside):
                self.told.add(key)
                found = error
        return found

    def _silence(self, word: str, value: Any, schema: dict[str, Any], dialect: Dialect) -> str | None:
        """Why the keyword asserts nothing; ``None`` if it does."""
        if word not in dialect.words:
            if word in _NAMES:
                return _NAMES[word]
            if word in _KEYWORDS:
                return f"no keyword of {dialect.name}"
            return "says nothing about validity" if word in _REMARKS else "no draft knows this word"
        if _COMPANIONS.get(word, word) not in schema:
            return f"without {_COMPANIONS[word]}"
        if word == "additionalItems" and not isinstance(schema.get("items"), list):
            return "without a list under items"
        if word == "required" and isinstance(value, bool):
            return "a list since draft-04"
        if word in _IDLE and value == _IDLE[word] and type(value) is type(_IDLE[word]):
            return "asks for nothing"
        return self._format_silence(value) if word == "format" else None

    def _format_silence(self, name: Any) -> str | None:
        if self.lowering.languages.formats == "annotate":
            return "formats assert nothing here"
        return None if not isinstance(name, str) or name in FORMATS or name in NOT_REGULAR else "no standard format"

    def _enforced(self, word: str, value: Any, place: str, dialect: Dialect) -> tuple[How, str]:
        how = self.lowering.used.get((place, word)) or self.met.get(word)
        if how == "state":
            return "state", "no item twice; numbers in one spelling"
        if how == "counter" or word in _COUNTED:
            return "counter", ""
        narrowed = self._narrowing(word, value, dialect)
        return ("spelling", narrowed) if narrowed else ("grammar", "")

    def _narrowing(self, word: str, value: Any, dialect: Dialect) -> str:
        """What that conforms is left out; empty if nothing is."""
        if word == "format":
            form = string_format(value, dialect.year) or string_format(value, LATEST)
            return "" if form is None or form.is_exact else _NARROWED.get(value, "only what all checkers accept")
        if word in ("enum", "const"):
            return "each value in one spelling"
        if word == "properties" and len(value) > 1 and not self.lowering.any_order:
            return "in the order of their declaration"
        if word in _BOUNDS:
            return "exponents only as writers of JSON use them, such as 1.5e-7"
        if word == "type" and "integer" in value and not self.lowering.digits_only:
            return "whole numbers with exponents up to 99"
        return ""


def _types(asked: Any) -> int:
    """The types that ``type`` allows: all where it is missing, or malformed in a place that no value reaches."""
    names = [asked] if isinstance(asked, str) else asked if isinstance(asked, list) else []
    bits = 0
    for name in names:
        bits |= TYPE_BITS.get(name, 0) if isinstance(name, str) else 0
    return bits or ALL_TYPES


# ---- the document ------------------------------------------------------------------------------------------


def _parts(schema: dict[str, Any], path: Path, dialect: Dialect) -> Iterator[tuple[Any, Path]]:
    """The schemas in ``schema`` that speak of values."""
    if dialect.reference_stands_alone and isinstance(schema.get("$ref"), str):
        return
    for word in schema:
        if word in dialect.words and _COMPANIONS.get(word, word) in schema:
            if word == "additionalItems" and not isinstance(schema.get("items"), list):
                continue
            yield from _held(schema, word, path, dialect)


def _held(schema: dict[str, Any], word: str, path: Path, dialect: Dialect) -> Iterator[tuple[Any, Path]]:
    holding, value = dialect.holders.get(word), schema[word]
    if isinstance(value, dict) and holding in ("schema", "either"):
        yield value, (path, word)
    elif isinstance(value, dict) and holding in ("map", "mixed"):
        yield from ((part, ((path, word), name)) for name, part in value.items())
    elif isinstance(value, list) and holding in ("list", "either"):
        yield from ((part, ((path, word), str(i))) for i, part in enumerate(value))


def _targets(lowering: Lowering, schema: dict[str, Any], path: Path, dialect: Dialect) -> Iterator[tuple[Any, Path]]:
    for word in dialect.reference_words:
        if isinstance(schema.get(word), str):
            try:
                yield lowering.resolver.resolve(schema[word], path, word)
            except GrammarError:
                continue  # lowering has raised the same error, if a value gets here


def brief(value: Any) -> str:
    """A value of a keyword in some forty columns."""
    if isinstance(value, dict):
        text = "{" + ", ".join([*list(value)[:SHOWN], *["…"] * (len(value) > SHOWN)]) + "}"
    elif isinstance(value, list) and any(isinstance(part, (dict, list)) for part in value):
        text = f"[{len(value)} values]" if len(value) > 1 else "[1 value]"
    elif isinstance(value, list):
        parts = [json.dumps(part, ensure_ascii=False) for part in value[:SHOWN]]
        text = "[" + ", ".join([*parts, *["…"] * (len(value) > SHOWN)]) + "]"
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
