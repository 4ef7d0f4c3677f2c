"""JSON Schema: the texts of the JSON values that satisfy a schema, as a grammar. Conform or raise.

``docs/json-schema.md`` has the keywords and the policies; ``docs/architecture.md`` says how a schema becomes rules.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends.json_schema.dialect import ASSUMED, DIALECTS, dialect_of
from constrain.frontends.json_schema.languages import is_nothing
from constrain.frontends.json_schema.layout import BLANK, Layout, layout_for
from constrain.frontends.json_schema.lower import Lowering, Policy
from constrain.frontends.json_schema.outcome import Impossible
from constrain.frontends.json_schema.pointer import pointer
from constrain.frontends.json_schema.references import Registry, Resolver
from constrain.frontends.json_schema.source import Loaded, load_schema
from constrain.frontends.json_schema.termination import productive_rules, reachable_rules
from constrain.frontends.regex import regex_to_rx
from constrain.garbage import collected_later
from constrain.ir.grammar import Expr, Grammar, RulesOnDemand
from constrain.ir.rx import repeat

__all__ = ["CompiledSchema", "compile_schema", "json_schema_grammar"]

PropertyOrder = Literal["schema", "any"]
ExtraProperties = Literal["schema", "never"]
Formats = Literal["assert", "annotate", "strict"]
OnUnsupported = Literal["raise", "record"]


@dataclass(frozen=True)
class CompiledSchema:
    """A grammar, the document that it was made of, and the lowering that knows which keyword became what."""

    grammar: Grammar
    document: Any
    lowering: Lowering


def json_schema_grammar(
    schema: Any,
    *,
    whitespace: str = "any",
    property_order: PropertyOrder = "schema",
    extra_properties: ExtraProperties | None = None,
    formats: Formats = "assert",
    on_unsupported: OnUnsupported = "raise",
    max_blanks: int = 40,
    number_digits: int | None = None,
    draft: str | None = None,
    registry: Mapping[str, Any] | Any = None,
) -> Grammar:
    """The JSON texts whose values satisfy ``schema``. No text of an invalid value is ever a member.

    Args:
        schema: an object (``dict``) or a boolean; JSON text (``str``, ``bytes``); a file (``pathlib.Path``); a Pydantic
            model or any other type that ``pydantic.TypeAdapter`` takes; a function (its arguments as one object); or a
            list of tools as OpenAI and Anthropic write them (one call of one of them).
        whitespace: ``any``: up to ``max_blanks`` blanks wherever JSON allows them inside the document; ``compact``:
            none; ``json``: as ``json.dumps`` writes by default; else a Python regular expression of the blanks that may
            stand in each such place. Never any around the document.
        property_order: ``schema``: declared properties in their declared order, then others; ``any``: every order.
        extra_properties: what an object schema with ``properties`` but without ``additionalProperties`` means:
            ``schema``: others are allowed, as the standard says; ``never``: they are not. By default ``never`` for
            Python types (Pydantic drops others), else ``schema``.
        formats: ``assert``: the standard formats are enforced, other names assert nothing; ``strict``: other names are
            refused; ``annotate``: no format asserts anything.
        on_unsupported: ``raise``, or ``record``: what cannot be enforced is left out and listed, as
            ``UnsupportedSchema`` errors, in ``grammar.unenforced``; the grammar is then a superset.
        number_digits: at most so many digits before and after the decimal point, and 3 in the exponent.
        draft: the draft of a schema without ``$schema``: ``draft-04``, ``draft-06``, ``draft-07``, ``2019-09`` or
            ``2020-12``. By default 2020-12, read tolerantly: words of earlier drafts keep their meaning.
        registry: other documents that references lead to: a mapping from URI to schema, or a
            ``referencing.Registry``. Nothing is ever fetched.

    Raises:
        UnsupportedSchema: a keyword that is not enforced, named with its place and the reason.
        GrammarError: a malformed schema, or one that no value satisfies, with its place.
        LimitExceeded: too deep, too many rules, or too many ways to satisfy what must hold together.
        ValueError: an unknown option.
    """
    with collected_later():
        compiled = compile_schema(
            schema,
            whitespace=whitespace,
            property_order=property_order,
            extra_properties=extra_properties,
            formats=formats,
            on_unsupported=on_unsupported,
            max_blanks=max_blanks,
            number_digits=number_digits,
            draft=draft,
            registry=registry,
        )
        if not compiled.lowering.later:
            compiled.lowering.forget()
        return compiled.grammar


def compile_schema(schema: Any, **options: Any) -> CompiledSchema:
    """As ``json_schema_grammar``, with what reports need to know besides."""
    try:
        with collected_later():
            lowering = begin_schema(schema, **options)
            found = finish_schema(lowering)
    except RecursionError:
        raise LimitExceeded("nesting of schemas", sys.getrecursionlimit(), sys.getrecursionlimit()) from None
    if isinstance(found, Impossible):
        raise nothing_satisfies(found)
    return CompiledSchema(found, lowering.root, lowering)


def begin_schema(
    schema: Any,
    *,
    whitespace: str = "any",
    property_order: PropertyOrder = "schema",
    extra_properties: ExtraProperties | None = None,
    formats: Formats = "assert",
    on_unsupported: OnUnsupported = "raise",
    max_blanks: int = 40,
    number_digits: int | None = None,
    draft: str | None = None,
    registry: Mapping[str, Any] | Any = None,
    at_once: bool = False,
) -> Lowering:
    """A schema read, its options settled, nothing lowered. Options and errors are those of ``json_schema_grammar``;
    ``at_once``: leave no rule for later (reports want to see everything)."""
    _one_of("property_order", property_order, ("schema", "any"))
    _one_of("extra_properties", extra_properties, (None, "schema", "never"))
    _one_of("formats", formats, ("assert", "annotate", "strict"))
    _one_of("on_unsupported", on_unsupported, ("raise", "record"))
    _one_of("draft", draft, (None, *DIALECTS))
    document, from_type = load_schema(schema, draft)
    if not at_once and not isinstance(schema, (str, bytes, bytearray, Path, Loaded)):
        document, at_once = _own_copy(document)
    documents = Registry(registry)
    resolver = Resolver(document, dialect_of(document, DIALECTS[draft] if draft else ASSUMED, documents.get), documents)
    digits_only = from_type or resolver.dialect(resolver.root).integers_are_digits  # Pydantic reads no 1e30 as an int
    policy = Policy(
        layout=_layout(whitespace, max_blanks, number_digits, digits_only),
        any_order=property_order == "any",
        closed=from_type if extra_properties is None else extra_properties == "never",
        formats=formats,
        record=on_unsupported == "record",
        digits=number_digits,
        digits_only=digits_only,
        at_once=at_once,
    )
    return Lowering(document, resolver, policy)


def _own_copy(document: Any) -> tuple[Any, bool]:
    """A copy, as parts are read as late as texts get there; where none can be made (it holds what is no JSON, or nests
    too deeply), the document itself, and true: it has to be read at once."""
    try:
        return marshal.loads(marshal.dumps(document)), False
    except (ValueError, TypeError):
        return document, True


def finish_schema(lowering: Lowering) -> Grammar | Impossible:
    """The grammar, or why no value satisfies the schema. (That two patterns have no string in common is found when the
    grammar is compiled.) Raises as ``json_schema_grammar``."""
    outcome = lowering.run()
    if isinstance(outcome, Impossible):
        return outcome
    made, later = lowering.rules, lowering.later
    if lowering.mentions and "#" not in lowering.sound and "#" not in productive_rules(made, later):
        return Impossible(None, "every value would go on without end")
    rules: Mapping[str, Expr]
    if later:
        parts = lowering.evident.unproved if lowering.evident else ()
        rules = RulesOnDemand(made, later, lowering.sound, lowering.forget, lowering.layout.common, parts)
    else:
        rules = reachable_rules(made, "#") if lowering.left_out else made
    return Grammar("#", rules, tuple(lowering.unenforced.values()))


def nothing_satisfies(found: Impossible) -> GrammarError:
    """The error that says so."""
    place = pointer(found.path) or "/"
    return GrammarError(f"no value satisfies the schema: {found.reason}", where=f"schema at {place}")


def _layout(whitespace: str, max_blanks: int, number_digits: int | None, digits_only: bool) -> Layout:
    if max_blanks < 0:
        raise ValueError(f"max_blanks is 0 or more, not {max_blanks}")
    if number_digits is not None and number_digits < 1:
        raise ValueError(f"number_digits is 1 or more, or None, not {number_digits}")
    if whitespace in ("any", "compact", "json"):
        return layout_for(whitespace, max_blanks, number_digits, digits_only)
    try:
        blanks = regex_to_rx(whitespace)
    except GrammarError as error:
        hint = "whitespace is 'any', 'compact', 'json', or a regular expression such as '[ \\n]?'"
        raise ValueError(f"whitespace {whitespace!r}: {error.message}; {hint}") from error
    if not is_nothing(blanks - repeat(BLANK, 0, None)):
        raise ValueError(f"whitespace {whitespace!r} matches more than blanks (space, tab, line feed, carriage return)")
    return layout_for(blanks, max_blanks, number_digits, digits_only)


def _one_of(name: str, given: str | None, allowed: tuple[str | None, ...]) -> None:
    if given not in allowed:
        raise ValueError(f"{name} is one of {', '.join(map(repr, allowed))}, not {given!r}")
