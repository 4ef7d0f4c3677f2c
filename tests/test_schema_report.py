"""The report of a schema: what it says of each keyword, checked against what the grammar does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from frontends.json_schema_oracles import ByteEngine
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from constrain.errors import GrammarError, LimitExceeded, UnsupportedSchema
from constrain.frontends.json_schema import json_schema_grammar
from constrain.schema_report import Entry, SchemaReport, report
from constrain.testing import byte_vocabulary

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
OPEN_SET = {"type": "array", "uniqueItems": True}
SCHEMA: dict[str, Any] = {
    "$id": "http://example.org/s",
    "title": "T",
    "type": "object",
    "properties": {
        "id": {"type": "string", "format": "uuid", "minLength": 3},
        "host": {"type": "string", "format": "hostname", "frob": 1},
        "n": {"type": "integer", "exclusiveMinimum": 0},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "uniqueItems": True, "maxItems": 3},
        "never": {"type": "string", "items": {"const": 1}},
    },
    "dependentRequired": {"id": ["n"]},
    "minProperties": 1,
    "additionalProperties": False,
    "then": {"minLength": 1},
    "$defs": {"tag": {"enum": ["a", "b"]}, "old": {"properties": {"x": {"type": "null"}}}},
}


def how(found: SchemaReport) -> dict[str, str]:
    return {f"{entry.pointer} {entry.keyword}": entry.how for entry in found.entries}


def entry(found: SchemaReport, pointer: str, keyword: str) -> Entry:
    return next(e for e in found.entries if (e.pointer, e.keyword) == (pointer, keyword))


def test_each_keyword_has_its_way() -> None:
    found = report(SCHEMA)
    assert found.is_enforced and found.satisfiable and found.problem is None and found.hazards == ()
    assert how(found) == {
        " $id": "annotation",
        " title": "annotation",
        " type": "grammar",
        " properties": "spelling",
        " dependentRequired": "counter",
        " minProperties": "counter",
        " additionalProperties": "grammar",
        " then": "annotation",
        " $defs": "annotation",
        "/properties/id type": "grammar",
        "/properties/id format": "grammar",
        "/properties/id minLength": "counter",
        "/properties/host type": "grammar",
        "/properties/host format": "spelling",
        "/properties/host frob": "annotation",
        "/properties/n type": "spelling",
        "/properties/n exclusiveMinimum": "spelling",
        "/properties/tags type": "grammar",
        "/properties/tags items": "grammar",
        "/properties/tags uniqueItems": "state",
        "/properties/tags maxItems": "counter",
        "/properties/tags/items $ref": "grammar",
        "/$defs/tag enum": "spelling",
        "/properties/never type": "grammar",
        "/properties/never items": "unused",
        "/properties/never/items const": "unused",
    }
    assert entry(found, "", "then").reason == "without if"
    assert entry(found, "/properties/host", "frob").reason == "no draft knows this word"
    assert entry(found, "", "properties") == Entry(
        "", "properties", "{id, host, n, tags, …}", "spelling", "in the order of their declaration"
    )
    assert found.unreached == ("/then", "/$defs/old")
    assert how(report(SCHEMA, property_order="any"))[" properties"] == "grammar"


def test_all_refusals_are_listed_and_not_only_the_first() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {"a": OPEN_SET, "b": {"format": "idn-hostname"}, "c": {"pattern": r"(a+)\1"}},
        "patternProperties": {r"(x*)\1": True},
        "type": "object",
    }
    found = report(schema)
    assert {(e.pointer, e.keyword) for e in found.entries if e.how == "refused"} == {
        ("/properties/a", "uniqueItems"),
        ("/properties/b", "format"),
        ("/properties/c", "pattern"),
        ("", "patternProperties"),
    }
    assert len(found.unenforced) == 4 and not found.is_enforced
    assert (found.draft, found.examples, found.size, found.problem) == ("2020-12", (), None, None)
    with pytest.raises(UnsupportedSchema) as caught:
        json_schema_grammar(schema)
    assert str(caught.value) in map(str, found.unenforced)
    recorded = report(schema, on_unsupported="record")
    assert recorded.entries == found.entries and recorded.size is not None and recorded.examples
    assert not recorded.is_enforced
    unenforced = json_schema_grammar(schema, on_unsupported="record").unenforced
    assert list(map(str, unenforced)) == list(map(str, recorded.unenforced))


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (False, "the schema is false"),
        ({"type": "array", "minItems": 2, "maxItems": 1}, "minItems 2 is more than maxItems 1"),
        ({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}, "without end"),
        ({"type": "string", "allOf": [{"pattern": "^a"}, {"pattern": "^b"}]}, ""),
    ],
)
def test_schemas_that_nothing_satisfies(schema: Any, says: str) -> None:
    found = report(schema)
    assert found.satisfiable is False and not found.is_enforced and says in str(found.problem)
    assert found.size is None and found.examples == ()


@pytest.mark.parametrize(
    ("schema", "keyword", "pointer"),
    [
        ({"$schema": "http://example.org/unknown"}, "$schema", ""),
        ({"properties": {"a": {"$ref": "http://example.org/x"}}, "type": "object"}, "$ref", "/properties/a"),
    ],
)
def test_what_makes_a_grammar_impossible_is_a_refusal(schema: Any, keyword: str, pointer: str) -> None:
    found = report(schema, on_unsupported="record")
    assert [(e.pointer, e.keyword) for e in found.entries if e.how == "refused"] == [(pointer, keyword)]
    assert [(e.pointer, e.keyword) for e in found.unenforced] == [(pointer, keyword)] and not found.is_enforced


def test_what_is_too_large_is_a_problem() -> None:
    deep: Any = {"type": "string"}
    for _ in range(200):
        deep = {"type": "array", "items": deep}
    found = report(deep)
    assert isinstance(found.problem, LimitExceeded) and found.satisfiable is None and not found.is_enforced
    assert len(found.entries) == 401  # the account is given all the same
    assert isinstance(report("[" * 100_000).problem, LimitExceeded)


@pytest.mark.parametrize("schema", ['{"type": "strin"}', "{", {"minLength": -1}, 7, {"$ref": "#/nowhere"}, []])
def test_what_is_no_schema_raises(schema: Any) -> None:
    with pytest.raises(GrammarError):
        report(schema)


def test_unknown_options_raise() -> None:
    for options in ({"on_unsupported": "x"}, {"property_order": "x"}):
        with pytest.raises(ValueError, match="not 'x'"):
            report(True, **options)


def test_words_of_drafts() -> None:
    schema = {
        "$schema": DRAFT_7,
        "definitions": {"a": {}},
        "properties": {"x": {"$ref": "#/definitions/a", "type": "null"}},
    }
    found = report({**schema, "dependentRequired": {"a": ["b"]}, "required": [], "uniqueItems": False})
    assert entry(found, "", "dependentRequired").reason == "no keyword of draft-07"
    assert entry(found, "/properties/x", "type").reason == "beside $ref, which stands alone in draft-07"
    assert entry(found, "", "required").reason == entry(found, "", "uniqueItems").reason == "asks for nothing"
    assert found.draft == "draft-07" and found.unreached == ()


@pytest.mark.parametrize(
    ("name", "formats", "expected"),
    [
        ("date", "assert", ("grammar", "")),
        ("date", "annotate", ("annotation", "formats assert nothing here")),
        ("color", "assert", ("annotation", "no standard format")),
        ("color", "strict", ("refused", "'color' is no format of this draft")),
        ("time", "assert", ("spelling", "leap seconds only with offsets of whole or half hours")),
    ],
)
def test_formats(name: str, formats: Any, expected: tuple[str, str]) -> None:
    found = entry(report({"type": "string", "format": name}, formats=formats), "", "format")
    assert (found.how, found.reason) == expected


def test_what_no_value_reaches_may_be_malformed() -> None:
    inner = {"type": ["strin", 1], "format": {}, "properties": [], "items": 1, "$ref": "#/x", "enum": 1, "required": 3}
    found = report({"type": "array", "maxItems": 0, "items": inner, "$defs": {"a": inner}})
    assert found.is_enforced and {e.how for e in found.entries if e.pointer == "/items"} == {"unused"}


def test_own_type_decides_what_is_asked() -> None:
    found = report({"type": ["integer", "null"], "minLength": 3, "minimum": 1, "uniqueItems": True, "enum": [1, None]})
    assert [(e.keyword, e.how) for e in found.entries][1:4] == [
        ("minLength", "unused"),
        ("minimum", "spelling"),
        ("uniqueItems", "unused"),
    ]


def test_remote_documents_and_shared_objects() -> None:
    shared = {"type": "string", "pattern": r"(a+)\1"}
    schema = {"type": "object", "properties": {"a": shared, "b": shared, "c": {"$ref": "http://x.org/o#/$defs/k"}}}
    found = report(schema, registry={"http://x.org/o": {"$defs": {"k": {"const": 1}}}})
    assert [e.how for e in found.entries if e.keyword == "pattern"] == ["refused", "refused"]
    assert entry(found, "http://x.org/o#/$defs/k", "const").how == "spelling"


def test_examples_and_sizes() -> None:
    found = report(SCHEMA, examples=4)
    validator, engine = Draft202012Validator(SCHEMA), ByteEngine(json_schema_grammar(SCHEMA))
    assert len(found.examples) == 4 and found.examples[:1] == report(SCHEMA).examples
    for text in found.examples:
        validator.validate(json.loads(text))
        assert engine.text(text)
    small, large = report({"const": 1}).size, found.size
    assert small is not None and large is not None
    assert small.rules == 1 and small.terminals == 0 < large.terminals and small.program_words < large.program_words
    assert 0 < small.states < large.states and small.leaf_states == 0 < large.leaf_states
    vocabulary = byte_vocabulary(b'"id"', b'{"')
    again = [report(SCHEMA, vocabulary, examples=4).size for _ in range(2)]
    assert again[0] is not None and again[1] is not None and again[0].states == again[1].states == large.states
    assert again[1].leaf_states == 0  # the vocabulary has them from the first time


def test_examples_follow_the_options() -> None:
    schema = {"type": "array", "items": {"enum": ["a"]}, "minItems": 3}
    texts = report(schema, examples=3).examples
    assert [json.dumps(json.loads(text)) for text in texts] == list(texts)  # blanks as json.dumps puts them
    assert " " not in "".join(report(schema, examples=3, whitespace="compact").examples)
    assert " " not in "".join(report(schema, examples=3, max_blanks=0).examples)
    assert report(schema, examples=0).examples == ()


@pytest.mark.parametrize(
    ("schema", "what", "where"),
    [
        ({"enum": list(range(600))}, "alternatives at one place", "#"),
        ({"type": "string", "pattern": "^(ab|c){1200}$"}, "symbols of a pattern", "#"),
        ({"type": "number", "multipleOf": 997}, "states of one automaton of numbers", "#"),
        ({"type": "array", "items": {"enum": list("abc")}, "uniqueItems": True, "minItems": 2}, None, "#"),
        ({"type": "array", "items": {"pattern": "^[a-c]$", "type": "string"}, "uniqueItems": True}, "can run out", "#"),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, None, "#"),
    ],
)
def test_hazards(schema: Any, what: str | None, where: str) -> None:
    hazards = report(schema).hazards
    if what is None:
        assert hazards == ()
    else:
        assert [h.where for h in hazards] == [where] and what in hazards[0].what and hazards[0].count > 0


def test_examples_of_hazardous_schemas_are_members_too() -> None:
    pattern = "^(ab|c){1200}x*y$"
    schema = {"type": "array", "items": {"type": "string", "pattern": pattern}, "minItems": 1, "maxItems": 2}
    found = report(schema, examples=2)
    assert found.hazards and len(found.examples) == 2
    for text in found.examples:
        (first, *_) = json.loads(text)
        assert re.search(pattern, first)


def test_no_example_rather_than_one_without_end() -> None:
    pair = {"type": "object", "properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}}, "required": ["l", "r"]}
    leaf = {"type": "string", "pattern": "^(ab|c){700}$"}
    found = report({"anyOf": [{**pair, "additionalProperties": False}, leaf]}, examples=3)
    assert found.hazards and all(isinstance(json.loads(text), (dict, str)) for text in found.examples)


def test_hazard_of_any_order() -> None:
    members = {f"p{i}": {"type": "null"} for i in range(40)}
    schema = {"type": "object", "properties": members, "minProperties": 20}
    assert report(schema, property_order="schema").hazards == ()
    (hazard,) = report(schema, property_order="any").hazards
    assert hazard.count == 41 and "any order" in hazard.what


def test_json_of_a_report_is_json() -> None:
    for schema in (SCHEMA, {"format": "idn-hostname"}, False, {"$schema": "urn:x"}):
        found = report(schema)
        value = json.loads(json.dumps(found.to_json()))
        assert value["enforced"] is found.is_enforced and len(value["entries"]) == len(found.entries)


KEYWORDS: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["string", "integer", "array", "object", ["null", "string"]]),
    "uniqueItems": st.booleans(),
    "format": st.sampled_from(["date", "idn-hostname", "colour"]),
    "pattern": st.sampled_from(["^a", r"(a+)\1", "b$"]),
    "minItems": st.integers(0, 3),
    "title": st.just("t"),
}
SCHEMAS = st.recursive(
    st.fixed_dictionaries({}, optional=KEYWORDS),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            **KEYWORDS,
            "items": inner,
            "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "allOf": st.lists(inner, min_size=1, max_size=2),
        },
    ),
    max_leaves=6,
)


@given(SCHEMAS)
def test_a_report_agrees_with_compiling(schema: Any) -> None:
    found = report(schema)
    try:
        json_schema_grammar(schema)
    except GrammarError as error:
        assert not found.is_enforced
        if isinstance(error, UnsupportedSchema):
            assert found.satisfiable is False or str(error) in map(str, found.unenforced)
    else:
        assert found.unenforced == () and (found.is_enforced or found.satisfiable is False)
    told = {(e.pointer, e.keyword) for e in found.entries if e.how == "refused"}
    assert len(told) >= len({(error.pointer, error.keyword) for error in found.unenforced})
    assert len({(e.pointer, e.keyword) for e in found.entries}) == len(found.entries)
