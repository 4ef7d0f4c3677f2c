"""JSON Schema at random: schemas of the supported subset and values, against ``jsonschema``."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from json_schema_oracles import ByteEngine, accepts_text, accepts_value
from jsonschema import Draft202012Validator

from constrain.errors import GrammarError, UnsupportedSchema
from constrain.frontends.json_schema import json_schema_grammar

NAMES = st.sampled_from(["a", "b", "ab"])
TEXTS = st.text("ab", max_size=3)
SCALARS = st.one_of(st.none(), st.booleans(), st.sampled_from([0, 1, 2, -1, 1.0, 1.5]), TEXTS)
VALUES = st.recursive(
    SCALARS, lambda v: st.one_of(st.lists(v, max_size=3), st.dictionaries(NAMES, v, max_size=3)), max_leaves=6
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
PATTERNS = st.sampled_from(["^a", "b$", "^[ab]{1,2}$", "a|b", "^(ab)*$", "^a?b?$", "aa"])
SMALL = st.integers(0, 3)
REFERENCES = st.sampled_from(["#", "#/$defs/x", "#/$defs/y"])


def objects(schema: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Schema objects with a few keywords each, of which any may stand beside any other."""
    words: dict[str, st.SearchStrategy[Any]] = {
        "type": st.one_of(TYPES, st.lists(TYPES, min_size=1, max_size=3)),
        "enum": st.lists(VALUES, min_size=1, max_size=4),
        "const": VALUES,
        "properties": st.dictionaries(NAMES, schema, max_size=3),
        "required": st.lists(NAMES, max_size=2, unique=True),
        "additionalProperties": schema,
        "items": schema,
        "prefixItems": st.lists(schema, min_size=1, max_size=2),
        "minItems": SMALL,
        "maxItems": SMALL,
        "anyOf": st.lists(schema, min_size=1, max_size=3),
        "minLength": SMALL,
        "maxLength": SMALL,
        "pattern": PATTERNS,
        "$ref": REFERENCES,
    }

    def some(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({name: words[name] for name in names})

    return st.lists(st.sampled_from(sorted(words)), max_size=4, unique=True).flatmap(some)


SCHEMAS = st.recursive(st.one_of(st.booleans(), st.builds(lambda t: {"type": t}, TYPES)), objects, max_leaves=6)
DOCUMENTS = st.builds(lambda body, x, y: {**body, "$defs": {"x": x, "y": y}}, objects(SCHEMAS), SCHEMAS, SCHEMAS)


def judge(schema: Any, values: list[Any]) -> list[tuple[Any, bool]]:
    """The values and whether they are valid; not those on which the oracle runs in a circle, which we need not."""
    verdicts = []
    for value in values:
        try:
            verdicts.append((value, bool(Draft202012Validator(schema).is_valid(value))))
        except RecursionError:
            event("the oracle runs in a circle")
    return verdicts


@settings(max_examples=400)
@given(DOCUMENTS, st.lists(VALUES, min_size=1, max_size=6))
def test_verdicts_are_those_of_jsonschema(schema: dict[str, Any], values: list[Any]) -> None:
    try:
        grammar = json_schema_grammar(schema)
    except UnsupportedSchema:
        raise AssertionError("everything here is in the subset") from None
    except GrammarError as error:
        circle = "leads back to itself" in error.message
        event("circle" if circle else "impossible")
        assert circle or "no value satisfies" in error.message
        assert circle or not any(valid for _, valid in judge(schema, values))
        return
    verdicts = {json.dumps(value): (accepts_value(grammar, value), valid) for value, valid in judge(schema, values)}
    event("some valid" if any(v for _, v in verdicts.values()) else "none valid")
    assert {text: pair for text, pair in verdicts.items() if pair[0] != pair[1]} == {}, str(grammar)


@settings(max_examples=60)
@given(DOCUMENTS, st.lists(VALUES, min_size=1, max_size=6))
def test_the_engine_agrees(schema: dict[str, Any], values: list[Any]) -> None:
    """The same through ``constrain.compile``: the engine takes these grammars, and says what the definitions say."""
    try:
        engine = ByteEngine(json_schema_grammar(schema))
    except GrammarError:
        return
    verdicts = {json.dumps(value): (engine.value(value), valid) for value, valid in judge(schema, values)}
    assert {text: pair for text, pair in verdicts.items() if pair[0] != pair[1]} == {}


@settings(max_examples=100)
@given(DOCUMENTS, VALUES, st.sampled_from([None, 0, 2]))
def test_whitespace_policies_agree(schema: dict[str, Any], value: Any, indent: int | None) -> None:
    try:
        wide, narrow = (json_schema_grammar(schema, whitespace=policy) for policy in ("any", "compact"))
    except GrammarError:
        return
    compact = accepts_text(narrow, json.dumps(value, separators=(",", ":")))
    assert accepts_text(wide, json.dumps(value, indent=indent)) == compact
