"""The drafts of JSON Schema: which words each defines, and what it means by the words that changed.

A word that a draft does not define asserts nothing there, as in validators. Where no draft is declared, the latest is
assumed and read tolerantly: what earlier drafts wrote, and 2020-12 has no other meaning for, means what it meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from constrain.errors import GrammarError, UnsupportedSchema

Holding = Literal["schema", "list", "map", "either", "mixed"]
_ALWAYS = (0, 9999)

# Words that assert something about a value: the vocabulary that they belong to since 2019-09, first year, last year.
_WORDS: dict[str, tuple[str, int, int]] = (
    {word: ("core", *_ALWAYS) for word in ("$ref",)}
    | {"$recursiveRef": ("core", 2019, 2019), "$dynamicRef": ("core", 2020, 9999)}
    | {
        word: ("applicator", *_ALWAYS)
        for word in (
            *("allOf", "anyOf", "oneOf", "not"),
            *("properties", "patternProperties", "additionalProperties", "items"),
        )
    }
    | {word: ("applicator", 2017, 9999) for word in ("contains", "propertyNames")}
    | {word: ("applicator", 2018, 9999) for word in ("if", "then", "else")}
    | {"dependentSchemas": ("applicator", 2019, 9999), "prefixItems": ("applicator", 2020, 9999)}
    | {"additionalItems": ("applicator", 0, 2019), "dependencies": ("applicator", 0, 2018)}
    | {word: ("unevaluated", 2019, 9999) for word in ("unevaluatedItems", "unevaluatedProperties")}
    | {
        word: ("validation", *_ALWAYS)
        for word in (
            *("type", "enum", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
            *("maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems"),
            *("maxProperties", "minProperties", "required"),
        )
    }
    | {"const": ("validation", 2017, 9999)}
    | {word: ("validation", 2019, 9999) for word in ("minContains", "maxContains", "dependentRequired")}
    | {"format": ("format", *_ALWAYS)}
)

# Words under which there are schemas, how they hold them, first year, last year. ``either``: one schema or a list of
# them; ``mixed``: a map whose lists are lists of names. ``definitions`` is kept by the metaschemas of later drafts.
_HOLDERS: dict[str, tuple[Holding, int, int]] = (
    {word: ("schema", *_ALWAYS) for word in ("additionalProperties", "not")}
    | {word: ("list", *_ALWAYS) for word in ("allOf", "anyOf", "oneOf")}
    | {word: ("map", *_ALWAYS) for word in ("properties", "patternProperties", "definitions")}
    | {word: ("schema", 2017, 9999) for word in ("contains", "propertyNames")}
    | {word: ("schema", 2018, 9999) for word in ("if", "then", "else")}
    | {word: ("schema", 2019, 9999) for word in ("contentSchema", "unevaluatedItems", "unevaluatedProperties")}
    | {word: ("map", 2019, 9999) for word in ("$defs", "dependentSchemas")}
    | {"items": ("either", *_ALWAYS), "prefixItems": ("list", 2020, 9999)}
    | {"additionalItems": ("schema", 0, 2019), "dependencies": ("mixed", 0, 2018)}
)

_TOLERATED = frozenset({"additionalItems", "dependencies"})  # of earlier drafts, where none is declared


@dataclass(frozen=True)
class Dialect:
    """What a draft means by the words that changed. ``year`` orders the drafts.

    ``vocabularies`` are the short names (``core``, ``applicator``, ``validation``...) that a custom metaschema lists;
    ``None`` are all of the draft.
    """

    name: str
    year: int
    declared: bool = True  # named by the schema or the caller, not assumed
    vocabularies: frozenset[str] | None = None

    @cached_property
    def words(self) -> frozenset[str]:
        """The words that assert something. All others assert nothing in this dialect."""
        found = {word for word, (_, first, last) in _WORDS.items() if first <= self.year <= last}
        if not self.declared:
            found |= _TOLERATED
        if self.vocabularies is None:
            return frozenset(found)
        return frozenset(word for word in found if self._is_listed(_WORDS[word][0]))

    def _is_listed(self, vocabulary: str) -> bool:
        listed = self.vocabularies or frozenset()
        if vocabulary == "unevaluated" and self.year == 2019:
            vocabulary = "applicator"  # where 2019-09 has these words
        names = {"format", "format-annotation", "format-assertion"} if vocabulary == "format" else {vocabulary}
        return vocabulary == "core" or not names.isdisjoint(listed)

    @cached_property
    def holders(self) -> Mapping[str, Holding]:
        """The words under which there are schemas, and how they hold them."""
        return {
            word: holding
            for word, (holding, first, last) in _HOLDERS.items()
            if first <= self.year <= last or (not self.declared and word in _TOLERATED)
        }

    @cached_property
    def id_word(self) -> str:
        """The word that names a resource."""
        return "id" if self.year <= 2013 else "$id"

    @cached_property
    def ids_are_anchors(self) -> bool:
        """Until draft-07 ``$id: "#name"`` is what ``$anchor: "name"`` is now."""
        return self.year < 2019 or not self.declared

    @cached_property
    def anchor_words(self) -> tuple[str, ...]:
        """The words that give a schema a plain name."""
        if self.year < 2019:
            return ()
        return ("$anchor",) if self.year == 2019 else ("$anchor", "$dynamicAnchor")

    @cached_property
    def reference_words(self) -> tuple[str, ...]:
        """The words that refer to a schema."""
        return tuple(word for word in ("$ref", "$recursiveRef", "$dynamicRef") if word in self.words)

    @cached_property
    def has_recursive_anchor(self) -> bool:
        """Only 2019-09 has ``$recursiveAnchor``."""
        return self.year == 2019

    @cached_property
    def reference_stands_alone(self) -> bool:
        """Until draft-07 the siblings of ``$ref`` are ignored."""
        return self.year < 2019

    @cached_property
    def integers_are_digits(self) -> bool:
        """Until draft-04 ``1.0`` is not an integer."""
        return self.year <= 2013

    @cached_property
    def exclusive_is_boolean(self) -> bool:
        """Until draft-04 ``exclusiveMinimum`` and ``exclusiveMaximum`` are truth values beside a bound."""
        return self.year <= 2013

    @cached_property
    def items_may_be_list(self) -> bool:
        """Before 2020-12 a list under ``items`` is what ``prefixItems`` is now."""
        return self.year < 2020 or not self.declared

    @cached_property
    def contains_counts_as_evaluated(self) -> bool:
        """Since 2020-12 ``unevaluatedItems`` leaves out the items that ``contains`` has matched."""
        return self.year >= 2020

    @cached_property
    def additional_items(self) -> bool:
        """Before 2020-12 ``additionalItems`` speaks of the items after a list under ``items``."""
        return "additionalItems" in self.words

    @cached_property
    def if_then_else(self) -> bool:
        return "if" in self.words

    @cached_property
    def dependencies(self) -> bool:
        return "dependencies" in self.words

    @cached_property
    def prefix_items(self) -> bool:
        return "prefixItems" in self.words

    @cached_property
    def unevaluated(self) -> bool:
        return "unevaluatedItems" in self.words

    @cached_property
    def format_must_assert(self) -> bool:
        """Does the metaschema ask for ``format`` as an assertion (2020-12 validation, section 7.2.2)?"""
        return self.vocabularies is not None and "format-assertion" in self.vocabularies


DIALECTS = {
    "draft-04": Dialect("draft-04", 2013),
    "draft-06": Dialect("draft-06", 2017),
    "draft-07": Dialect("draft-07", 2018),
    "2019-09": Dialect("2019-09", 2019),
    "2020-12": Dialect("2020-12", 2020),
}
ASSUMED = Dialect("2020-12", 2020, declared=False)

# draft-05 is draft-04 in other words, and hyper-schemas are schemas with annotations. "The latest" says no more than
# nothing does.
_BY_ADDRESS = (
    {f"json-schema.org/{name}/{kind}": it for name, it in DIALECTS.items() for kind in ("schema", "hyper-schema")}
    | {f"json-schema.org/draft/{it.name}/{kind}": it for it in DIALECTS.values() for kind in ("schema", "hyper-schema")}
    | {"json-schema.org/draft-05/schema": DIALECTS["draft-04"]}
    | {"json-schema.org/schema": ASSUMED, "json-schema.org/hyper-schema": ASSUMED}
)
_VOCABULARIES = {
    "2019-09": ("core", "applicator", "validation", "meta-data", "format", "content"),
    "2020-12": (
        *("core", "applicator", "unevaluated", "validation", "meta-data"),
        *("format-annotation", "format-assertion", "content"),
    ),
}

Lookup = Callable[[str], Any]  # of the document with an address; ``None`` if there is none


def dialect_of(schema: Any, fallback: Dialect, lookup: Lookup | None = None, place: str = "") -> Dialect:
    """The dialect that ``$schema`` names, or ``fallback`` where the schema names none.

    The addresses of the drafts are also read with ``https`` for ``http``, with or without the last ``#``, and with
    blanks around them. Any other is the address of a metaschema that ``lookup`` finds; of that, ``$schema`` names
    the draft and ``$vocabulary`` the words (2020-12 core, section 8.1). ``place`` is the JSON pointer of ``schema``.

    Raises:
        GrammarError: ``$schema`` is not a string.
        UnsupportedSchema: nobody knows the address, or the metaschema requires a vocabulary that nobody knows.
    """
    if not isinstance(schema, dict) or schema.get("$schema") is None:
        return fallback
    address = schema["$schema"]
    if not isinstance(address, str):
        raise GrammarError(
            f"$schema is the address of a metaschema, not {address!r}", where=f"schema at {place or '/'}"
        )
    return _named(address, lookup, place, ())


def _named(address: str, lookup: Lookup | None, place: str, trail: tuple[str, ...]) -> Dialect:
    plain = address.strip().rstrip("#/")
    known = _BY_ADDRESS.get(plain.partition("://")[2])
    if known is not None:
        return known
    metaschema = lookup(plain) if lookup is not None and plain not in trail else None
    own = metaschema.get("$schema") if isinstance(metaschema, dict) else None
    if not isinstance(metaschema, dict) or not isinstance(own, str):
        hint = "known are " + ", ".join(DIALECTS) + ", and metaschemas in the registry that name one of them; "
        hint += "remove $schema if the schema keeps to one of them"
        raise UnsupportedSchema("$schema", place, f"unknown draft {address!r}", hint=hint)
    draft = _named(own, lookup, place, (*trail, plain))
    listed = metaschema.get("$vocabulary")
    if draft.year < 2019 or not isinstance(listed, dict):
        return draft
    return replace(draft, vocabularies=_vocabularies(listed, draft.name, address, place))


def _vocabularies(listed: dict[str, Any], draft: str, address: str, place: str) -> frozenset[str]:
    known = {f"https://json-schema.org/draft/{draft}/vocab/{name}": name for name in _VOCABULARIES[draft]}
    for vocabulary, required in listed.items():
        if required is True and vocabulary not in known:
            reason = f"the metaschema {address!r} requires the vocabulary {vocabulary!r}, which is unknown"
            hint = f"known are those of {draft}: " + ", ".join(known.values())
            raise UnsupportedSchema("$vocabulary", place, reason, hint=hint)
    return frozenset(known[vocabulary] for vocabulary in listed if vocabulary in known)
