"""JSON Schema: the texts of the JSON values that satisfy a schema, as a grammar. Conform or raise.

``docs/json-schema.md`` has the keywords and the policies.
"""

from __future__ import annotations

from typing import Any, Literal

from constrain.errors import GrammarError
from constrain.frontends.json_schema.dialect import ASSUMED, DIALECTS, dialect_of
from constrain.frontends.json_schema.layout import layout_for
from constrain.frontends.json_schema.lower import Lowering
from constrain.frontends.json_schema.outcome import Impossible
from constrain.frontends.json_schema.pointer import pointer
from constrain.frontends.json_schema.source import load_schema
from constrain.ir.grammar import Grammar

__all__ = ["json_schema_grammar"]

Whitespace = Literal["any", "compact", "json"]
PropertyOrder = Literal["schema", "any"]
ExtraProperties = Literal["schema", "never"]


def json_schema_grammar(
    schema: Any,
    *,
    whitespace: Whitespace = "any",
    property_order: PropertyOrder = "schema",
    extra_properties: ExtraProperties | None = None,
    max_blanks: int = 40,
    number_digits: int | None = None,
    draft: str | None = None,
) -> Grammar:
    """The JSON texts whose values satisfy ``schema``. No text of an invalid value is ever a member.

    Args:
        schema: an object (``dict``) or a boolean; JSON text (``str``); a file (``pathlib.Path``); or a Pydantic model
            or any other type that ``pydantic.TypeAdapter`` takes.
        whitespace: ``any``: up to ``max_blanks`` blanks wherever JSON allows them inside the document; ``compact``:
            none; ``json``: as ``json.dumps`` writes by default. Never any around the document.
        property_order: ``schema``: declared properties in their declared order, then others; ``any``: every order, for
            objects of at most 6 declared properties.
        extra_properties: what an object schema with ``properties`` but without ``additionalProperties`` means:
            ``schema``: others are allowed, as the standard says; ``never``: they are not. By default ``never`` for
            Python types (Pydantic drops others), else ``schema``.
        number_digits: at most so many digits before and after the decimal point, and 3 in the exponent.
        draft: the draft of a schema without ``$schema``: ``draft-04``, ``draft-06``, ``draft-07``, ``2019-09`` or
            ``2020-12``. By default 2020-12, where a list under ``items`` is read as ``prefixItems``.

    Raises:
        UnsupportedSchema: a keyword that is not enforced, named with its place.
        GrammarError: a malformed schema, or one that no value satisfies, with its place.
        LimitExceeded: too deep, too many rules, or too many properties in any order.
    """
    _check_options(whitespace, property_order, extra_properties, max_blanks, number_digits, draft)
    root, from_type = load_schema(schema)
    dialect = dialect_of(root, DIALECTS[draft] if draft else ASSUMED)
    layout = layout_for(whitespace, max_blanks, number_digits, dialect.integers_are_digits)
    closed = from_type if extra_properties is None else extra_properties == "never"
    dead: dict[frozenset[int], Impossible] = {}
    while True:
        lowering = Lowering(root, dialect, layout, property_order == "any", closed, dead)
        found = lowering.run()
        if not found:
            return Grammar("#", lowering.rules)
        dead |= found
        nothing = dead.get(frozenset((id(root),)))
        if nothing is not None:
            place = pointer(nothing.path) or "/"
            raise GrammarError(f"no value satisfies the schema: {nothing.reason}", where=f"schema at {place}")


def _check_options(
    whitespace: str, order: str, extra: str | None, max_blanks: int, number_digits: int | None, draft: str | None
) -> None:
    _one_of("whitespace", whitespace, ("any", "compact", "json"))
    _one_of("property_order", order, ("schema", "any"))
    _one_of("extra_properties", extra, (None, "schema", "never"))
    _one_of("draft", draft, (None, *DIALECTS))
    if max_blanks < 0:
        raise ValueError(f"max_blanks is 0 or more, not {max_blanks}")
    if number_digits is not None and number_digits < 1:
        raise ValueError(f"number_digits is 1 or more, or None, not {number_digits}")


def _one_of(name: str, given: str | None, allowed: tuple[str | None, ...]) -> None:
    if given not in allowed:
        raise ValueError(f"{name} is one of {', '.join(map(repr, allowed))}, not {given!r}")
