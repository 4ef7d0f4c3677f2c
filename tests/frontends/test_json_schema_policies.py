"""JSON Schema, option by option: how values are written, what formats and drafts mean, what is made of refusals."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest
from json_schema_oracles import BYTES, ByteEngine, spell

import constrain
from constrain.errors import GrammarError, UnsupportedSchema
from constrain.frontends.json_schema import json_schema_grammar

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "tags": {"type": "array"}},
    "required": ["name"],
}


def texts(schema: Any, candidates: list[str], **options: Any) -> list[str]:
    """The candidates that are accepted."""
    engine = ByteEngine(json_schema_grammar(schema, **options))
    return [text for text in candidates if engine.text(text)]


# ---- whitespace -----------------------------------------------------------------------------------------------------

LAYOUTS = [
    '{"name":"x","age":1}',
    '{"name": "x", "age": 1}',
    '{ "name" : "x" , "age" : 1 }',
    '{\n  "name": "x",\n  "age": 1\n}',
    '{"name":\t"x",\r\n"age":1}',
]


@pytest.mark.parametrize(
    ("whitespace", "expected"),
    [
        ("any", LAYOUTS),
        ("compact", LAYOUTS[:1]),
        ("json", LAYOUTS[1:2]),
        (" ?", LAYOUTS[:3]),
        (" {1}", LAYOUTS[2:3]),
        ("[ \\n]*", LAYOUTS[:4]),
        ("", LAYOUTS[:1]),
        ("\\t| |\\r\\n|", [LAYOUTS[i] for i in (0, 1, 2, 4)]),
    ],
)
def test_whitespace(whitespace: str, expected: list[str]) -> None:
    assert texts(PERSON, LAYOUTS, whitespace=whitespace) == expected


@pytest.mark.parametrize("whitespace", ["any", "compact", "json", " ?"])
def test_no_blanks_around_the_document(whitespace: str) -> None:
    assert texts({}, ["1", " 1", "1 ", "\n1", "[]", " []", "[] "], whitespace=whitespace) == ["1", "[]"]


def test_blanks_inside_empty_brackets_and_in_enum() -> None:
    assert texts({}, ["[]", "[ ]", "{}", "{ }", "[  ]"], max_blanks=1) == ["[]", "[ ]", "{}", "{ }"]
    schema = {"enum": [[1, {"a": 2}]]}
    assert texts(schema, ['[1,{"a":2}]', '[ 1 , { "a" : 2 } ]', '[1, {"a": 2}]'], whitespace="compact") == [
        '[1,{"a":2}]'
    ]
    assert texts(schema, ['[1,{"a":2}]', '[ 1 , { "a" : 2 } ]', '[1, {"a": 2}]'], whitespace="json") == [
        '[1, {"a": 2}]'
    ]
    assert len(texts(schema, ['[1,{"a":2}]', '[ 1 , { "a" : 2 } ]', '[1, {"a": 2}]'])) == 3


def test_runs_of_blanks_are_bounded() -> None:
    for most in (0, 1, 7, 40):
        engine = ByteEngine(json_schema_grammar({"type": "array"}, max_blanks=most))
        for place in ("[{}1]", "[1{}]", "[1{},2]", "[1,{}2]"):
            assert engine.text(place.format(" " * most))
            assert not engine.text(place.format(" " * (most + 1)))


@pytest.mark.parametrize(
    ("whitespace", "message"),
    [
        ("x", "more than blanks"),
        ("[^a]", "more than blanks"),
        ("(", "whitespace is 'any'"),
        ("tight", "more than blanks"),
    ],
)
def test_a_regex_for_blanks_matches_blanks_only(whitespace: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        json_schema_grammar({}, whitespace=whitespace)


# ---- order of members -----------------------------------------------------------------------------------------------


def in_all_orders(value: dict[str, Any]) -> list[str]:
    return [json.dumps(dict(members)) for members in permutations(value.items())]


def test_declared_order_then_others() -> None:
    value = {"name": "x", "age": 1, "other": 2}
    assert texts(PERSON, in_all_orders(value)) == [json.dumps(value)]
    assert texts(PERSON, ['{"other": 1, "name": "x"}', '{"name": "x", "b": 1, "a": 2}']) == [
        '{"name": "x", "b": 1, "a": 2}'
    ]


def test_required_but_not_declared_comes_after_the_declared() -> None:
    schema = {"type": "object", "properties": {"b": True}, "required": ["a", "b"]}
    assert texts(schema, in_all_orders({"a": 1, "b": 2, "c": 3})) == ['{"b": 2, "a": 1, "c": 3}']


@pytest.mark.parametrize(
    "schema",
    [
        PERSON,
        PERSON | {"maxProperties": 3},
        PERSON | {"additionalProperties": {"type": "integer"}},
        PERSON | {"propertyNames": {"enum": ["name", "age", "other"]}},
        PERSON | {"dependentRequired": {"age": ["other"]}},
        PERSON | {"if": {"required": ["age"]}, "then": {"required": ["other"]}},
        {"type": "object", "patternProperties": {"^[nao]": True}, "additionalProperties": False, "minProperties": 2},
        {"enum": [{"other": 2, "age": 1, "name": "x"}]},
    ],
    ids=lambda schema: json.dumps(schema)[-60:],
)
def test_any_order(schema: Any) -> None:
    orders = in_all_orders({"name": "x", "age": 1, "other": 2})
    assert texts(schema, orders, property_order="any") == orders


def test_many_members_in_any_order_and_never_one_twice() -> None:
    names = [f"p{i}" for i in range(100)]
    schema = {"type": "object", "properties": {name: {"type": "integer"} for name in names}, "required": names[:50]}
    engine = ByteEngine(json_schema_grammar(schema, property_order="any"))
    value = dict.fromkeys(reversed(names), 1)
    assert engine.text(spell(value)) and not engine.text(spell({**value, "p3": "x"}))
    del value["p7"]
    assert not engine.text(spell(value)) and not engine.text(spell(value)[:-1] + ', "p9": 1}')


@pytest.mark.parametrize("order", ["schema", "any"])
def test_no_key_twice_however_it_is_spelled(order: Any) -> None:
    twice = ['{"name": "x", "name": "y"}', '{"name": "x", "n\\u0061me": "y"}', '{"name": "x", "q": 1, "\\u0071": 2}']
    assert texts(PERSON, [*twice, '{"name": "x", "q": 1, "r": 2}'], property_order=order) == [
        '{"name": "x", "q": 1, "r": 2}'
    ]
    assert texts({}, ['{"q": 1, "\\u0071": 2}', '{"q": {"q": 1}}'], property_order=order) == ['{"q": {"q": 1}}']


# ---- members that no keyword mentions -------------------------------------------------------------------------------


def test_extra_properties() -> None:
    candidates = ['{"name": "x"}', '{"name": "x", "q": 1}']
    assert texts(PERSON, candidates) == texts(PERSON, candidates, extra_properties="schema") == candidates
    assert texts(PERSON, candidates, extra_properties="never") == candidates[:1]
    allowed = PERSON | {"additionalProperties": {"type": "integer"}}
    assert texts(allowed, candidates, extra_properties="never") == candidates, "what is written counts"
    assert texts({"type": "object"}, ['{"q": 1}'], extra_properties="never") == ['{"q": 1}'], "no properties, no list"
    both = {"allOf": [{"properties": {"a": True}}, {"properties": {"b": True}}], "type": "object"}
    assert texts(both, ['{"a": 1}', "{}"], extra_properties="never") == ["{}"], "each schema object for itself"


# ---- formats --------------------------------------------------------------------------------------------------------

DATES = ['"2024-02-29"', '"2023-02-29"', '"soon"', "1"]


def test_formats() -> None:
    schema = {"format": "date"}
    assert texts(schema, DATES) == texts(schema, DATES, formats="strict") == [DATES[0], DATES[3]]
    assert texts(schema, DATES, formats="annotate") == DATES
    assert texts({"not": schema}, DATES) == DATES[1:3]
    unknown = {"format": "my-own"}
    assert texts(unknown, DATES) == texts(unknown, DATES, formats="annotate") == DATES
    with pytest.raises(UnsupportedSchema, match="'my-own' is no format of this draft") as caught:
        json_schema_grammar({"items": unknown}, formats="strict")
    assert (caught.value.keyword, caught.value.pointer) == ("format", "/items")


@pytest.mark.parametrize("formats", ["assert", "strict"])
def test_formats_that_are_not_regular_are_refused(formats: Any) -> None:
    with pytest.raises(UnsupportedSchema, match="idn-hostname"):
        json_schema_grammar({"format": "idn-hostname"}, formats=formats)
    json_schema_grammar({"format": "idn-hostname"}, formats="annotate")
    json_schema_grammar({"format": "idn-hostname", "type": "integer"}, formats=formats)  # concerns no possible value


# ---- refusals -------------------------------------------------------------------------------------------------------

REFUSED: list[tuple[Any, str, str, list[str], list[str]]] = [
    (
        {"type": "array", "uniqueItems": True, "items": {"type": "object"}},
        *("uniqueItems", "", ["[{},{}]"], ["[1]"]),
    ),
    (
        {"properties": {"h": {"format": "idn-hostname", "maxLength": 3}}},
        "format",
        "/properties/h",
        ['{"h": "--"}'],
        ['{"h": "long"}'],
    ),
    ({"items": {"pattern": "(a+)\\1", "type": "string"}}, "pattern", "/items", ['["b"]'], ["[1]"]),
    (
        {"not": {"required": ["a"], "unevaluatedProperties": False}},
        *("unevaluatedProperties", "/not", ['{"a": 1}', "{}"], []),
    ),
]


@pytest.mark.parametrize(("schema", "keyword", "pointer", "accepted", "rejected"), REFUSED, ids=lambda x: str(x)[:30])
def test_on_unsupported(schema: Any, keyword: str, pointer: str, accepted: list[str], rejected: list[str]) -> None:
    """Refused by name and place; or recorded: then a superset that is still held to all the rest."""
    with pytest.raises(UnsupportedSchema) as caught:
        json_schema_grammar(schema)
    assert (caught.value.keyword, caught.value.pointer) == (keyword, pointer)
    grammar = json_schema_grammar(schema, on_unsupported="record")
    assert [(error.keyword, error.pointer, error.reason) for error in grammar.unenforced] == [
        (keyword, pointer, caught.value.reason)
    ]
    engine = ByteEngine(grammar)
    assert [engine.text(text) for text in accepted + rejected] == [True] * len(accepted) + [False] * len(rejected)


def test_what_is_recorded_is_all_and_once() -> None:
    unique, far = {"type": "array", "uniqueItems": True}, {"$ref": "#/$defs/d"}
    schema = {"properties": {"a": unique, "b": {**unique}, "c": far, "e": {"items": far}}}
    grammar = json_schema_grammar(schema | {"$defs": {"d": {"format": "idn-hostname"}}}, on_unsupported="record")
    places = sorted((error.keyword, error.pointer) for error in grammar.unenforced)
    assert places == [("format", "/$defs/d"), ("uniqueItems", "/properties/a"), ("uniqueItems", "/properties/b")]
    assert json_schema_grammar(PERSON, on_unsupported="record").unenforced == ()


def test_record_does_not_swallow_mistakes() -> None:
    with pytest.raises(GrammarError, match="minLength"):
        json_schema_grammar({"minLength": "x"}, on_unsupported="record")
    with pytest.raises(GrammarError, match="no value satisfies"):
        json_schema_grammar(False, on_unsupported="record")


# ---- numbers --------------------------------------------------------------------------------------------------------

NUMBERS = ["0", "-0", "7", "123", "1234", "-123", "1.5", "1.125", "1.0625", "1e3", "1E+3", "1e-3", "1e999", "1e1000"]


def test_number_digits() -> None:
    assert texts({"type": "number"}, NUMBERS) == NUMBERS
    few = texts({"type": "number"}, NUMBERS, number_digits=3)
    assert few == [text for text in NUMBERS if text not in ("1234", "1.0625", "1e1000")]
    assert texts({"type": "integer"}, NUMBERS, number_digits=3) == ["0", "-0", "7", "123", "-123", "1e3", "1E+3"]
    assert texts({"minimum": 100}, NUMBERS, number_digits=2) == ["1e3", "1E+3"]


def test_number_digits_bound_every_number() -> None:
    for schema in ({}, {"multipleOf": 0.5}, {"not": {"const": 3}}, {"items": True}, {"maximum": 5}):
        engine = ByteEngine(json_schema_grammar(schema, number_digits=2))
        assert engine.text("[12, 1.25]") and not engine.text("[123]") and not engine.text("[1.125]")


def test_words_are_spelled_as_json_allows_unless_they_are_written_in_the_schema() -> None:
    spellings = ['"é"', '"\\u00e9"', '"\\u00E9"']
    assert texts({"type": "string"}, spellings) == texts({"maxLength": 1}, spellings) == spellings
    assert texts({"const": "é"}, spellings) == spellings[:1]
    assert texts({"enum": ["é"]}, spellings) == spellings[:1]


# ---- drafts ---------------------------------------------------------------------------------------------------------


def test_draft_of_a_schema_without_one() -> None:
    ones = ["1", "1.0"]
    assert texts({"type": "integer"}, ones) == texts({"type": "integer"}, ones, draft="draft-06") == ones
    assert texts({"type": "integer"}, ones, draft="draft-04") == ones[:1]
    lists = {"items": [{"type": "null"}], "additionalItems": False}
    arrays = ["[null]", "[null, 1]", "[1]"]
    assert texts(lists, arrays) == texts(lists, arrays, draft="2019-09") == arrays[:1]
    with pytest.raises(GrammarError, match="not a list"):
        json_schema_grammar(lists, draft="2020-12")
    siblings = {"$ref": "#/definitions/s", "maxLength": 1, "definitions": {"s": {"type": "string"}}}
    assert texts(siblings, ['"a"', '"ab"'], draft="draft-07") == ['"a"', '"ab"']
    assert texts(siblings, ['"a"', '"ab"'], draft="2019-09") == ['"a"']


def test_the_schemas_own_draft_comes_first() -> None:
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer"}
    assert texts(schema, ["1", "1.0"], draft="2020-12") == ["1"]


def test_words_of_other_drafts_assert_nothing() -> None:
    later = {
        "const": 1,
        "contains": False,
        "if": {},
        "then": False,
        "dependentRequired": {"a": ["b"]},
        "prefixItems": [False],
    }
    assert texts(later, ["[2]", '{"a": 1}'], draft="draft-04") == ["[2]", '{"a": 1}']
    earlier = {"dependencies": {"a": ["b"]}, "additionalItems": False}
    assert texts(earlier, ['{"a": 1}'], draft="2020-12") == ['{"a": 1}']
    assert texts(earlier, ['{"a": 1}', '{"a": 1, "b": 2}']) == ['{"a": 1, "b": 2}'], "no draft: read tolerantly"


# ---- registry -------------------------------------------------------------------------------------------------------


def test_registry() -> None:
    documents = {
        "https://example.com/word.json": {"type": "string", "minLength": 2},
        "https://example.com/tree.json": {
            "$id": "https://example.com/tree.json",
            "type": "object",
            "properties": {"word": {"$ref": "word.json"}, "left": {"$ref": "#"}},
            "additionalProperties": False,
        },
    }
    schema = {"items": {"$ref": "https://example.com/tree.json"}, "type": "array"}
    candidates = ['[{"word": "ab", "left": {"word": "cd"}}]', '[{"word": "a"}]', '[{"left": 1}]']
    assert texts(schema, candidates, registry=documents) == candidates[:1]
    with pytest.raises(GrammarError, match=r"https://example\.com/tree\.json"):
        json_schema_grammar(schema)
    referencing, jsonschema = pytest.importorskip("referencing"), pytest.importorskip("referencing.jsonschema")
    resources = [(uri, jsonschema.DRAFT202012.create_resource(d)) for uri, d in documents.items()]
    assert texts(schema, candidates, registry=referencing.Registry().with_resources(resources)) == candidates[:1]


# ---- options are checked --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"property_order": "x"},
        {"draft": "draft-03"},
        {"max_blanks": -1},
        {"number_digits": 0},
        {"formats": "maybe"},
        {"on_unsupported": "ignore"},
        {"extra_properties": "always"},
    ],
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        json_schema_grammar({}, **options)


def test_options_hold_with_a_vocabulary_of_the_same_bytes() -> None:
    """One grammar, any vocabulary: nothing of the options is about tokens."""
    grammar = json_schema_grammar(PERSON, whitespace="json", property_order="any", number_digits=2)
    automaton = constrain.compile(grammar, BYTES)
    assert automaton.advance_bytes(automaton.start(), b'{"age": 12, "name": ') is not None
