"""JSON Schema, by hand: each keyword and policy on texts, each error on its words."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest
from json_schema_oracles import BYTES, ByteEngine, accepts_text, accepts_value
from jsonschema import Draft202012Validator

import constrain
from constrain.errors import GrammarError, LimitExceeded, UnsupportedSchema
from constrain.frontends.json_schema import json_schema_grammar
from constrain.ir.grammar import walk

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_4 = "http://json-schema.org/draft-04/schema#"
OBJECTS = {"type": "array", "uniqueItems": True, "items": {"type": "object"}}
NODE = {
    "type": "object",
    "properties": {"v": {"type": "integer"}, "next": {"$ref": "#"}},
    "additionalProperties": False,
}
LONGER = {
    "$ref": "#/$defs/base",
    "required": ["v"],
    "properties": {"v": {"minLength": 2}, "kids": {"items": {"$ref": "#"}}},
    "$defs": {
        "base": {
            "type": "object",
            "properties": {"v": {"type": "string"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/base"}}},
        }
    },
}

VALUES: list[Any] = [None, True, False, 0, 1, -1, 1.0, 1.5, 2, 100.0, "", "a", "ab", "abc", "é", "😀😀", "1"]
VALUES += [
    [],
    [1],
    [1, 2],
    [1, "a", None],
    ["a", "a"],
    [[]],
    [[1]],
    {},
    {"a": 1},
    {"a": "x"},
    {"a": 1, "b": 2},
    {"b": "x"},
    {"c": {}},
]
VALUES += [{"a": None, "c": 1}, {"a": [1]}, {"v": 1}, {"v": 1, "next": {"v": 2}}, {"next": {"next": {"v": "x"}}}]
VALUES += [{"v": "ab"}, {"v": "ab", "kids": [{"v": "cd"}]}, {"v": "ab", "kids": [{"v": "c"}]}]

SCHEMAS: list[Any] = [
    True,
    {},
    {"title": "t", "description": "d", "default": 1, "examples": [1], "deprecated": True, "unheard": {"of": 1}},
    {"type": "integer"},
    {"type": ["integer", "null"]},
    {"type": ["number", "integer", "boolean"]},
    {"minLength": 2},
    {"maxLength": 1},
    {"type": "string", "minLength": 1, "maxLength": 2},
    {"pattern": "b"},
    {"pattern": "^[a-z]{1,2}$"},
    {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 2},
    {"enum": [1, "a", None, [1], {"a": 1, "b": 2}, 1.0]},
    {"enum": ["a", "abc", 1], "minLength": 2},
    {"enum": ["a", "abc", 1], "type": "string"},
    {"enum": [1, 2], "const": 1},
    {"const": False},
    {"enum": [{"a": 1}, {"a": "x"}, {"b": "x"}], "properties": {"a": {"type": "string"}}, "required": ["a"]},
    {"enum": ["ab", "b"], "pattern": "a"},
    {"enum": [[1, 2], [1], ["a", "a"]], "minItems": 2, "prefixItems": [{"type": "integer"}], "items": {"const": 2}},
    {"properties": {"a": {"type": "integer"}}},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "string"}},
    {"type": "object", "additionalProperties": {"type": "integer"}},
    {"type": "object", "required": ["a"]},
    {"type": "object", "required": ["b", "a"], "additionalProperties": {"type": "integer"}},
    {"type": "object", "properties": {"a": False}},
    {"type": "object", "properties": {"a": True, "b": True}, "required": ["b"]},
    {"items": {"type": "integer"}},
    {"type": "array", "minItems": 1, "maxItems": 1},
    {"type": "array", "items": False},
    {"type": "array", "items": {"type": "integer"}, "minItems": 2},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": {"type": "null"}},
    {"type": "array", "prefixItems": [True, False, True]},
    {"type": "array", "prefixItems": [{"type": "integer"}, True], "items": False, "minItems": 1},
    {"type": "array", "prefixItems": [True, True, True], "maxItems": 1},
    {"anyOf": [{"type": "string"}, {"type": "array"}]},
    {"anyOf": [{"type": "string"}, {"minLength": 2}], "maxLength": 2},
    {"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object", "properties": {"a": {"type": "integer"}}},
    {
        "anyOf": [{"properties": {"a": {"type": "integer"}}}, False],
        "properties": {"b": True},
        "additionalProperties": False,
    },
    {"anyOf": [{"anyOf": [{"const": 1}, {"const": 2}]}, {"type": "string"}], "enum": [1, "a", None]},
    {"$ref": "#/$defs/a~1b%25", "$defs": {"a/b%": {"type": "string"}}},
    {"$ref": "#/$defs/s", "maxLength": 1, "$defs": {"s": {"type": "string"}}},
    {"$ref": "#/$defs/s", "$defs": {"s": True}},
    NODE,
    LONGER,
    {"properties": {"next": {"$ref": "#/properties/a"}, "a": {"type": "integer"}}},
    {"uniqueItems": False, "minProperties": 0, "not": False, "patternProperties": {}, "contentEncoding": "base64"},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: json.dumps(s)[:60])
@pytest.mark.parametrize("whitespace", ["any", "json"])
def test_verdicts_are_those_of_jsonschema(schema: Any, whitespace: Any) -> None:
    grammar = json_schema_grammar(schema, whitespace=whitespace)
    oracle = Draft202012Validator(schema)
    verdicts = {json.dumps(v): (accepts_value(grammar, v), oracle.is_valid(v)) for v in VALUES}
    assert {text: pair for text, pair in verdicts.items() if pair[0] != pair[1]} == {}


@pytest.mark.parametrize(
    ("schema", "accepted", "rejected"),
    [
        ({"$schema": DRAFT_7, "$ref": "#/definitions/i", "type": "string", "definitions": {"i": {}}}, ["1", '"a"'], []),
        ({"$schema": DRAFT_4, "type": "integer"}, ["1", "-0"], ["1.0", "1e2"]),
        ({"type": "integer"}, ["1.00", "1e2", "1E+2", "-3.0e1"], ["1.5", "01", "1e-1", "+1", "1.", "15e-1"]),
        ({"type": "number"}, ["-0.5e-10", "1E9"], [".5", "1.", "00", "1e"]),
        ({"items": [{"type": "null"}]}, ["[null, 1]", "[]"], ["[1]"]),
        (
            {"type": "string", "maxLength": 2},
            ['"\\n\\u0041"', '"\\ud83d\\ude00a"'],
            ['"\\u0041bc"', '"\n"', '"\\ud83d"'],
        ),
        ({"properties": {"ab": {"type": "null"}}}, ['{"ab": null, "a": 1}'], ['{"\\u0061b": 1}', '{"ab":null,"ab":1}']),
        ({"const": 'a"\\\n'}, ['"a\\"\\\\\\n"'], ['"a\\u0022\\\\\\n"']),
        (
            {"properties": {"a": True, "b": True}},
            ['{"a":1,"b":2}', '{"b":2,"z":1}'],
            ['{"b":1,"a":2}', '{"z":1,"b":2}'],
        ),
    ],
)
def test_texts(schema: Any, accepted: list[str], rejected: list[str]) -> None:
    grammar = json_schema_grammar(schema)
    assert [text for text in accepted if not accepts_text(grammar, text)] == []
    assert [text for text in rejected if accepts_text(grammar, text)] == []


def test_counts_are_not_unrolled() -> None:
    schema = {"type": "array", "maxItems": 100_000, "items": {"type": "string", "pattern": "^[a-z]{1,90000}$"}}
    grammar = json_schema_grammar(schema)
    assert sum(1 for body in grammar.rules.values() for _ in walk(body)) < 40
    many = {"properties": {f"p{i}": {"type": "integer"} for i in range(2000)}}
    grammar = json_schema_grammar(many)
    assert sum(1 for body in grammar.rules.values() for _ in walk(body)) < 10_000
    long_tuple = {"type": "array", "prefixItems": [{"const": i} for i in range(3000)], "items": False}
    assert len(json_schema_grammar(long_tuple).rules) < 3002


def test_rules_are_named_by_pointers_and_only_what_is_referred_to_is_a_rule() -> None:
    grammar = json_schema_grammar(LONGER)
    kids = (
        "#/properties/kids & #/$defs/base/properties/kids",
        "#/properties/kids/items & #/$defs/base/properties/kids/items",
    )
    assert set(grammar.rules) == {"#", *kids, "any"}
    assert set(json_schema_grammar({"properties": {"a": {"type": "string"}}, "additionalProperties": False}).rules) == {
        "#",
        "any",
    }
    assert set(json_schema_grammar({"type": "integer"}).rules) == {"#"}


def test_parts_that_nothing_can_satisfy_are_dropped() -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"endless": {"$ref": "#/$defs/e"}, "never": {"enum": []}, "fine": {"type": "null"}},
        "$defs": {"e": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/e"}}},
    }
    engine = ByteEngine(json_schema_grammar(schema))
    assert engine.text('{"fine": null}') and not any(map(engine.text, ['{"endless": []}', '{"never": 1}']))
    after_quote = engine.automaton.advance_bytes(engine.automaton.start(), b'{"')
    assert after_quote is not None and engine.automaton.forced_bytes(after_quote).startswith(b'fine"')


@pytest.mark.parametrize(
    ("schema", "keyword", "pointer", "reason"),
    [
        ({"$ref": "other.json#/a"}, "$ref", "", "registry"),
        ({"$schema": "https://example.com/own"}, "$schema", "", "unknown draft"),
        ({"properties": {"a/b": OBJECTS}}, "uniqueItems", "/properties/a~1b", "arrays or objects"),
        ({"type": "array", "not": {"uniqueItems": True}}, "uniqueItems", "/not", "two items are equal"),
        ({"format": "idn-hostname"}, "format", "", "idn-hostname"),
        ({"pattern": r"(a|b)\1"}, "pattern", "", "back-reference"),
        ({"not": {"unevaluatedProperties": False}}, "unevaluatedProperties", "/not", "complement"),
    ],
)
def test_refusals_say_what_where_and_why(schema: Any, keyword: str, pointer: str, reason: str) -> None:
    with pytest.raises(UnsupportedSchema, match=reason) as caught:
        json_schema_grammar(schema)
    assert (caught.value.keyword, caught.value.pointer) == (keyword, pointer)
    assert f"schema at {pointer or '/'}: keyword {keyword!r}" in str(caught.value)
    if keyword != "$schema":
        assert json_schema_grammar(schema, on_unsupported="record").unenforced[0].keyword == keyword  # type: ignore[attr-defined]


def test_references_by_the_documents_own_address() -> None:
    schema = {
        "$id": "http://x/s.json",
        "properties": {"a": {"$ref": "s.json#/$defs/i"}},
        "$defs": {"i": {"type": "null"}},
    }
    assert accepts_text(json_schema_grammar(schema), '{"a": null}')
    assert not accepts_text(json_schema_grammar(schema), '{"a": 1}')


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "strin"}, "schema at /: type is one of"),
        ({"type": ["string", 3]}, "unknown type 3"),
        ({"type": []}, "type is one of"),
        ({"items": {"minLength": -1}}, "schema at /items: minLength is a whole number"),
        ({"maxItems": True}, "maxItems is a whole number"),
        ({"enum": 3}, "enum is a list"),
        ({"required": ["a", 1]}, "required is a list of strings"),
        ({"required": 1}, "required is a list of strings"),
        ({"properties": []}, "properties is an object"),
        ({"properties": {"a": 3}}, "schema at /properties/a: a schema is an object or true or false, not 3"),
        ({"pattern": 3}, "pattern is a string"),
        ({"anyOf": []}, "anyOf is a list"),
        ({"$ref": 3}, "$ref is a string"),
        ({"$ref": "#/$defs/x"}, "points to nothing: there is no '/$defs'"),
        ({"const": float("nan")}, "not a JSON value"),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema", "items": [True]}, "not a list"),
        (False, "no value satisfies the schema: the schema is false"),
        ({"enum": []}, "none of the values of enum"),
        ({"type": "string", "enum": [1]}, "none of the values of enum"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "minItems 3 is more than maxItems 2"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "no string has minLength 3 and maxLength 2"),
        ({"type": "string", "minLength": 3, "pattern": "^..$"}, "no string has minLength 3 and pattern"),
        (
            {"type": "object", "required": ["a"], "properties": {"a": False}},
            "schema at /properties/a: no value",
        ),
        ({"type": "object", "required": ["a"], "additionalProperties": False}, "'a' is required, and additional"),
        ({"type": "array", "minItems": 1, "items": False}, "schema at /items: no value"),
        ({"type": "array", "minItems": 2, "prefixItems": [True, False]}, "schema at /prefixItems/1: no value"),
        ({"$ref": "#"}, "schema at /: $ref leads back to itself"),
        ({"$ref": "#", "type": "object"}, "leads back to itself"),
        ({"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "leads back to itself"),
        ({"anyOf": [{"$ref": "#", "minLength": 3}, {"type": "null"}], "maxLength": 1}, "leads back to itself"),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
            "schema at /$defs/b: $ref leads back to itself",
        ),
        ({"type": "object", "properties": {"n": {"$ref": "#"}}, "required": ["n"]}, "without end"),
        ({"anyOf": [{"type": "null"}, {"const": 1}], "type": "string"}, "nothing satisfies all the keywords"),
        ('{"type": "string",}', "the schema is not JSON"),
        ('{"const": NaN}', "NaN is not a JSON number"),
        (3, "a schema is an object"),
        (None, "a schema is an object"),
    ],
)
def test_malformed_and_impossible_schemas_say_where(schema: Any, message: str) -> None:
    with pytest.raises(GrammarError) as caught:
        json_schema_grammar(schema)
    assert message in str(caught.value)


@pytest.mark.parametrize("wrap", [lambda s: {"items": s}, lambda s: {"anyOf": [s]}, lambda s: {"allOf": [s, {}]}])
def test_deep_nesting_is_a_limit_not_a_crash(wrap: Any) -> None:
    schema: Any = {"type": "null"}
    value: Any = 1
    for _ in range(10_000):
        schema, value = wrap(schema), [value]
    with pytest.raises(LimitExceeded, match="nesting of"):
        json_schema_grammar(schema)
    with pytest.raises(LimitExceeded, match="nesting"):
        json_schema_grammar({"const": value})
    with pytest.raises(LimitExceeded, match="nesting"):
        json_schema_grammar("[" * 100_000)


def test_evident_schemas_may_nest_deeply() -> None:
    """They are looked at and lowered level by level."""
    schema: Any = {"type": "null"}
    for _ in range(500):
        schema = {"type": "object", "properties": {"a": schema}, "additionalProperties": False}
    automaton = constrain.compile(json_schema_grammar(schema), BYTES)
    made = automaton.counters()["code"]
    after = automaton.advance_bytes(automaton.start(), b'{"a":' * 50)
    assert after is not None and automaton.expected(after)
    assert automaton.advance_bytes(after, b"null") is None
    assert automaton.advance_bytes(after, b"{" + b"}" * 51) is not None
    assert automaton.counters()["code"] < 60 * made


def test_a_schema_may_be_changed_after_it_has_been_read() -> None:
    inner: dict[str, Any] = {"type": "object", "properties": {"b": {"type": "integer"}}, "additionalProperties": False}
    automaton = constrain.compile(json_schema_grammar({"type": "object", "properties": {"a": inner}}), BYTES)
    inner["properties"]["b"]["type"] = "string"
    after = automaton.advance_bytes(automaton.start(), b'{"a":{"b":')
    assert after is not None and automaton.live_bytes(after).strip(b" \t\r\n") == b"-0123456789"


@pytest.mark.parametrize("bad", [3, [1], {"type": "strin"}, {"type": "string", "enum": 5}, {"$ref": "#/nowhere"}])
def test_what_is_wrong_deep_inside_is_found_at_once(bad: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"anyOf": [{}, bad]}}}}}
    with pytest.raises(GrammarError, match="/properties/a/properties/b/anyOf/1"):
        json_schema_grammar(schema)


def test_long_chains_of_references_are_not_deep() -> None:
    chain = {f"d{i}": {"items": {"$ref": f"#/$defs/d{i + 1}"}} for i in range(2000)} | {"d2000": {"type": "null"}}
    assert len(json_schema_grammar({"$ref": "#/$defs/d0", "$defs": chain}).rules) == 2003


def test_too_many_combinations_are_a_limit() -> None:
    def either(i: int) -> dict[str, Any]:
        return {"anyOf": [{"required": [f"a{i}"]}, {"required": [f"b{i}"]}]}

    json_schema_grammar({"type": "object", "allOf": [either(i) for i in range(6)]})
    with pytest.raises(LimitExceeded, match="must hold together"):
        json_schema_grammar({"type": "object", "allOf": [either(i) for i in range(12)]})


def test_sources(tmp_path: Path) -> None:
    pydantic = pytest.importorskip("pydantic")
    path = tmp_path / "schema.json"
    path.write_text('{"type": "null"}')
    assert accepts_text(json_schema_grammar(path), "null")
    assert accepts_text(json_schema_grammar('{"type": "null"}'), "null")
    path.write_text("{")
    with pytest.raises(GrammarError, match=r"schema\.json:1:2"):
        json_schema_grammar(path)
    model = pydantic.create_model("Point", x=(int, ...), label=(Literal["a", "b"] | None, None))
    assert accepts_text(json_schema_grammar(model), '{"x": 1, "label": null}')
    assert not accepts_text(json_schema_grammar(model), '{"x": 1, "y": 1}')
    assert accepts_text(json_schema_grammar(model, extra_properties="schema"), '{"x": 1, "y": 1}')
    closed = json_schema_grammar(model.model_json_schema(), extra_properties="never")
    assert not accepts_text(closed, '{"x": 1, "y": 1}')
    assert accepts_text(json_schema_grammar(dict[str, list[int]]), '{"k": [1]}')
    event = json_schema_grammar(pydantic.create_model("Event", at=(date, ...)))
    assert accepts_text(event, '{"at": "2024-02-29"}') and not accepts_text(event, '{"at": "2023-02-29"}')
    with pytest.raises(GrammarError, match="Pydantic has no JSON Schema"):
        json_schema_grammar(type("Opaque", (), {}))


def test_what_is_too_large_deep_inside_is_found_when_compiling() -> None:
    """Not when a text gets there."""
    large = {"type": "string", "pattern": "^(a|bc|def)*(x{1,500}y{1,500}){1,9}$", "maxLength": 100_000}
    schema = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": large}}}}
    with pytest.raises(LimitExceeded, match="pattern"):
        constrain.compile(json_schema_grammar(schema), BYTES)


def test_what_stands_beside_a_reference_that_stands_alone() -> None:
    """Until draft-07 it has no say, also where it looks like an object."""
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "definitions": {"a": {"type": "object", "properties": {"x": {"type": "integer"}}}},
        "type": "array",
        "items": {"$ref": "#/definitions/a", "properties": {"name": {"type": "string"}}},
    }
    automaton = constrain.compile(json_schema_grammar(schema), BYTES)
    after = automaton.advance_bytes(automaton.start(), b'[{"x": 1, "name": 2}]')
    assert after is not None and automaton.is_accepting(after)
    assert automaton.advance_bytes(automaton.start(), b'[{"x": "1"}]') is None
