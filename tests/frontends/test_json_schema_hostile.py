"""JSON Schema written to hurt: it compiles, lazily, or is refused with a limit by name. Never a hang, never a crash.

No times are asserted: each of these schemas would run for minutes or for ever, or need all memory, if its size were
multiplied out. (``LimitExceeded`` for some is what the engine says when the grammar is compiled.)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from json_schema_oracles import BYTES, spell

import constrain
from benchmarks.walks import Walker, hints
from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends.json_schema import json_schema_grammar

pytestmark = pytest.mark.filterwarnings("ignore::constrain.errors.GrammarWarning")


def nested(wrap: Callable[[Any], Any], depth: int, schema: Any = None) -> Any:
    schema = {"type": "null"} if schema is None else schema
    for _ in range(depth):
        schema = wrap(schema)
    return schema


def patterns(count: int) -> list[dict[str, Any]]:
    return [{"pattern": f"a.{{{i}}}b"} for i in range(count)]


def chain(count: int, link: Callable[[dict[str, str]], Any], last: Any) -> dict[str, Any]:
    links = {f"d{i}": link({"$ref": f"#/$defs/d{i + 1}"}) for i in range(count)}
    return {"$ref": "#/$defs/d0", "$defs": links | {f"d{count}": last}}


ONE_OF_EACH = [{"anyOf": [{"required": [f"a{i}"]}, {"required": [f"b{i}"]}]} for i in range(30)]
COMPILED: dict[str, Any] = {
    "arrays in arrays": nested(lambda s: {"type": "array", "items": s, "minItems": 1}, 90),
    "objects in objects": nested(lambda s: {"type": "object", "properties": {"a": s}, "required": ["a"]}, 60),
    "not in not": nested(lambda s: {"not": s}, 90),
    "a tree of not and properties": nested(lambda s: {"not": {"properties": {"a": s, "b": s}}}, 10),
    "a tree of not and items": nested(lambda s: {"not": {"items": s, "minItems": 1}}, 20),
    "a tree of not, allOf and anyOf": nested(
        lambda s: {"not": {"allOf": [s, {"anyOf": [s, {"minLength": 2}]}]}}, 8, {"minLength": 1}
    ),
    "oneOf in oneOf": nested(lambda s: {"oneOf": [s, {"required": ["a"]}]}, 40, {"required": ["b"]}),
    "if in if": nested(lambda s: {"if": s, "then": s, "else": s}, 6),
    "enum of 10,000 words": {"enum": [f"value {i}" for i in range(10_000)]},
    "enum of 2,000 objects": {"enum": [{"id": i, "v": [i, str(i)]} for i in range(2_000)]},
    "oneOf of 10,000 const": {"oneOf": [{"const": i} for i in range(10_000)]},
    "all words but 10,000": {"type": "string", "not": {"enum": [f"value {i}" for i in range(10_000)]}},
    "(a+)+": {"type": "string", "pattern": "^(a+)+$"},
    "(x+x+)+y": {"type": "string", "pattern": "(x+x+)+y"},
    "2^40 states": {"type": "string", "pattern": "(a|b)*a(a|b){40}$"},
    "a class 100,000 times": {"type": "string", "pattern": "^[a-z]{0,100000}$"},
    "100,000 characters": {"type": "string", "minLength": 99_999, "maxLength": 100_000},
    "100,000 items": {"type": "array", "minItems": 99_999, "maxItems": 100_000, "items": {"type": "object"}},
    "100,000 that count": {"type": "array", "contains": {"const": 1}, "minContains": 50_000, "maxContains": 99_999},
    "100,000 different items": {
        "type": "array",
        "uniqueItems": True,
        "minItems": 100_000,
        "items": {"type": "integer"},
    },
    "100,000 members": {"type": "object", "minProperties": 99_999, "maxProperties": 100_000},
    "5,000 declared members": {"type": "object", "properties": {f"k{i}": {"type": "integer"} for i in range(5_000)}},
    "500 that require each other": {
        "type": "object",
        "dependentRequired": {f"k{i}": [f"k{(7 * i + 3) % 500}"] for i in range(500)},
    },
    "40 conditions": nested(
        lambda s: {"if": {"required": ["k"]}, "then": {"required": ["r"]}, "else": s}, 40, {"type": "object"}
    ),
    "5,000 places in a prefix": {"type": "array", "prefixItems": [{"type": "integer"}] * 5_000},
    "200 patterns of keys": {
        "patternProperties": {f"^k{i}x*$": {"type": "integer"} for i in range(200)},
        "additionalProperties": False,
    },
    "a chain of 2,000 definitions": chain(2_000, lambda r: {"properties": {"n": r}}, True),
    "a chain of 10,000 references": chain(10_000, lambda r: r, {"type": "null"}),
    "references that double": chain(60, lambda r: {"allOf": [r, r]}, {"type": "null"}),
    "choices that double": chain(40, lambda r: {"anyOf": [r, {"type": "array", "items": r}]}, {"type": "null"}),
    "a bound of 1,000 digits": {"type": "integer", "minimum": int("9" * 1000)},
    "bounds of all magnitudes": {"type": "number", "minimum": 1e-300, "maximum": 1e300, "multipleOf": 0.01},
}
REFUSED: dict[str, tuple[Any, str]] = {
    "10,000 arrays": (nested(lambda s: {"items": s}, 10_000), "nesting"),
    "10,000 not": (nested(lambda s: {"not": s}, 10_000), "nesting"),
    "10,000 allOf": (nested(lambda s: {"allOf": [s]}, 10_000), "nesting"),
    "10,000 anyOf": (nested(lambda s: {"anyOf": [s, {"minLength": 1}]}, 10_000), "nesting"),
    "2^30 alternatives": ({"allOf": ONE_OF_EACH}, "ways to satisfy"),
    "the complement of 2^30 alternatives": ({"not": {"anyOf": [{"not": s} for s in ONE_OF_EACH]}}, "ways to satisfy"),
    "oneOf of 2,000 objects": (
        {"oneOf": [{"properties": {f"k{i}": {"type": "string"}}} for i in range(2_000)]},
        "branches of oneOf",
    ),
    "all numbers but 10,000": ({"type": "number", "not": {"enum": list(range(10_000))}}, "exceeds the limit"),
    "40 patterns at once": ({"type": "string", "allOf": patterns(40)}, "exceeds the limit"),
    "the complement of 2^40 states": ({"type": "string", "not": {"pattern": "a.{40}b"}}, "exceeds the limit"),
    "counts in counts": ({"type": "string", "pattern": "^((a{0,1000}){0,1000}){0,1000}$"}, "exceeds the limit"),
    "20 patterns of keys that overlap": (
        {"patternProperties": {f"a.*{chr(98 + i)}": {"minimum": i} for i in range(20)}},
        "patterns of keys",
    ),
    "multiples of a large number": ({"type": "integer", "multipleOf": 123_456_789}, "multipleOf"),
    "annotations of 2^20 cases": (
        {"anyOf": [{"properties": {f"k{i}": True}} for i in range(20)], "unevaluatedProperties": False},
        "branches of anyOf",
    ),
    "5 that must exist": ({"type": "array", "allOf": [{"contains": {"const": i}} for i in range(5)]}, "must exist"),
    "2^31 items": ({"type": "array", "minItems": 2**31}, "minItems"),
}


@pytest.mark.parametrize("order", ["schema", "any"])
@pytest.mark.parametrize("name", COMPILED)
def test_compiled(name: str, order: Any) -> None:
    """A grammar, masks, and no dead end for as long as a short walk lasts."""
    automaton = constrain.compile(json_schema_grammar(COMPILED[name], property_order=order), BYTES)
    names = hints(COMPILED[name])[:50]
    for seed in range(2):
        assert Walker(automaton, names, soft=20, hard=60).walk(Random(seed)).end in ("finished", "long")


@pytest.mark.parametrize("order", ["schema", "any"])
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, order: Any) -> None:
    schema, reason = REFUSED[name]
    with pytest.raises(LimitExceeded, match=reason) as caught:
        constrain.compile(json_schema_grammar(schema, property_order=order), BYTES)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"not": {"$ref": "#"}},
        {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}},
        {"if": {"$ref": "#"}, "then": True},
    ],
)
def test_circles_about_one_value_are_errors(schema: Any) -> None:
    with pytest.raises(GrammarError, match=r"leads back to itself|no value satisfies"):
        json_schema_grammar(schema)


def test_conjunctions_of_recursive_schemas_are_finite() -> None:
    """Definitions that meet each other in ever new sets: there are finitely many sets."""
    nodes = {
        f"n{k}": {
            "type": "object",
            "properties": {chr(97 + j): {"$ref": f"#/$defs/n{(k * (j + 2) + j + 1) % 12}"} for j in range(4)},
            "minProperties": k % 2,
        }
        for k in range(12)
    }
    schema = {"$defs": nodes, "allOf": [{"$ref": f"#/$defs/n{k}"} for k in (0, 2, 4)]}
    automaton = constrain.compile(json_schema_grammar(schema), BYTES)
    for value, expected in (({}, True), ({"a": {"b": {}}}, False), ({"a": {"z": 1}}, True), ({"a": 1}, False)):
        state = automaton.advance_bytes(automaton.start(), spell(value).encode())
        assert (state is not None and automaton.is_accepting(state)) == expected, value


def test_json_text_that_is_nested_too_deeply() -> None:
    with pytest.raises(LimitExceeded, match="nesting"):
        json_schema_grammar("[" * 100_000)
    with pytest.raises(LimitExceeded, match="nesting"):
        json_schema_grammar({"const": json.loads("[" * 500 + "]" * 500)})
