"""What may be given as a schema: samples against Pydantic and jsonschema, valid values through the engine."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pytest
from json_schema_oracles import ByteEngine
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.validators import validator_for
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, validate_call
from typing_extensions import TypedDict

from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends.json_schema import compile_schema, json_schema_grammar
from constrain.members import random_member

SEEDS = range(12)


def members(source: Any, **options: Any) -> list[str]:
    grammar = json_schema_grammar(source, **options)
    return [random_member(grammar, Random(seed), size=30).decode() for seed in SEEDS]


# ---- JSON --------------------------------------------------------------------------------------------------

SCHEMA = {"type": "object", "properties": {"é": {"type": "integer"}}, "additionalProperties": False}


def test_json_in_all_its_forms_is_one_schema(tmp_path: Path) -> None:
    text = json.dumps(SCHEMA, ensure_ascii=False)
    file = tmp_path / "schema.json"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())  # some editors write the mark
    expected = str(json_schema_grammar(SCHEMA))
    for source in (text, text.encode(), bytearray(text.encode()), file):
        assert str(json_schema_grammar(source)) == expected


def test_zeros_and_large_numbers_are_fine() -> None:
    engine = ByteEngine(json_schema_grammar('{"type": "number", "minimum": -0.0e10, "maximum": 1.5e300}'))
    assert engine.text("0") and engine.text("1e300") and not engine.text("-1")


def test_booleans_are_schemas() -> None:
    assert ByteEngine(json_schema_grammar(True)).value([1, {"a": None}])
    assert ByteEngine(json_schema_grammar("true")).value([1, {"a": None}])
    with pytest.raises(GrammarError, match="no value satisfies"):
        json_schema_grammar(False)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "a schema is an object"),
        (1, "a list of tools, a type or a function, not 1"),
        ("3.5", "not 3.5"),
        ("", "<text>:1:1: the schema is not JSON"),
        ("schema.json", "pass a file as pathlib.Path"),
        (b"\xff{}", "<bytes>: byte 0: the schema is not JSON: it is not UTF-8"),
        ('{"minimum": 1e400}', "the number 1e400 in the schema is beyond floating point"),
        ('{"multipleOf": 0.1E-400}', "the number 0.1E-400 in the schema is beyond floating point"),
        ('{"minimum": NaN}', "NaN is not a JSON number"),
        ({"type": "function", "name": "f", "parameters": {}}, "a list of tools is a schema: put it into one"),
    ],
)
def test_what_is_no_schema(source: Any, says: str) -> None:
    with pytest.raises(GrammarError) as caught:
        json_schema_grammar(source)
    assert says in str(caught.value)


def test_errors_in_a_file_name_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"type":\n  strin}')
    (tmp_path / "b.json").write_bytes(b'{"title": "\xe9"}')
    with pytest.raises(GrammarError, match=r"a\.json:2:3: the schema is not JSON"):
        json_schema_grammar(tmp_path / "a.json")
    with pytest.raises(GrammarError, match=r"b\.json: byte 11: .* not UTF-8"):
        json_schema_grammar(tmp_path / "b.json")
    with pytest.raises(FileNotFoundError):
        json_schema_grammar(tmp_path / "c.json")


def test_text_that_nests_too_deeply() -> None:
    with pytest.raises(LimitExceeded, match="nesting of the schema's text"):
        json_schema_grammar("[" * 100_000 + "]" * 100_000)


# ---- tools -------------------------------------------------------------------------------------------------

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 8}, "unit": {"$ref": "#/$defs/unit"}},
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"unit": {"enum": ["C", "F"]}},
}
TREE = {
    "$schema": DRAFT_7,
    "$id": "#root",
    "type": "object",
    "properties": {
        "unit": {"$ref": "#/definitions/unit", "type": "string"},  # until draft-07 siblings of $ref are ignored
        "kids": {"type": "array", "items": {"$ref": "#root"}},
    },
    "additionalProperties": False,
    "definitions": {"unit": {"type": "null"}},
}
NAMED = {"$id": "http://example.org/p", "$ref": "p#/$defs/n", "$defs": {"n": {"enum": [1, 2]}}}
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "weather", "description": "d", "strict": True, "parameters": WEATHER}},
    {"type": "function", "name": "tree", "strict": False, "parameters": TREE},
    {"name": "a%25/b~c é", "input_schema": NAMED},
    {"type": "custom", "name": "again", "inputSchema": WEATHER},
    {"type": "function", "function": {"name": "now"}},
    {"type": "function", "name": "then", "parameters": None},
    {"type": "function", "name": "anything", "parameters": True},
]
PARAMETERS: dict[str, Any] = {
    "weather": WEATHER,
    "tree": TREE,
    "a%25/b~c é": NAMED,
    "again": WEATHER,
    "now": {"type": "object", "maxProperties": 0},
    "then": {"type": "object", "maxProperties": 0},
    "anything": True,
}


def is_call(value: Any) -> bool:
    """Is this one call, by the validator of each tool's own parameters?"""
    if not isinstance(value, dict) or set(value) != {"name", "arguments"} or value["name"] not in PARAMETERS:
        return False
    parameters = PARAMETERS[value["name"]]
    return bool(validator_for(parameters, Draft202012Validator)(parameters).is_valid(value["arguments"]))


ARGUMENTS: list[Any] = [
    {},
    {"city": "Rome"},
    {"city": "Rome", "unit": "C"},
    {"city": "Rome", "unit": None},
    {"unit": None},
]
ARGUMENTS += [
    {"kids": [{"unit": None}, {"kids": []}]},
    {"kids": [{"unit": "C"}]},
    {"kids": [1]},
    1,
    2,
    3,
    None,
    {"city": "R", "x": 1},
]


@pytest.mark.parametrize("draft", [None, "draft-06", "draft-07", "2019-09", "2020-12"])
def test_calls_are_those_that_each_tool_takes(draft: Any) -> None:
    tools = [tool for tool in TOOLS if draft in (None, "2019-09", "2020-12") or tool.get("input_schema") != NAMED]
    engine = ByteEngine(json_schema_grammar(tools, draft=draft))
    names = [name for name in PARAMETERS if tools == TOOLS or PARAMETERS[name] is not NAMED]
    calls = [{"name": name, "arguments": arguments} for name in names for arguments in ARGUMENTS]
    verdicts = {json.dumps(call): (engine.value(call), is_call(call)) for call in calls}
    assert {text: pair for text, pair in verdicts.items() if pair[0] != pair[1]} == {}
    assert sum(valid for _, valid in verdicts.values()) >= 20
    for value in ({"name": "weather"}, {"arguments": {}}, {"name": "other", "arguments": {}}, [], "weather"):
        assert not engine.value(value)


def test_the_draft_is_that_of_each_tool() -> None:
    parameters = {
        "$ref": "#/definitions/a",
        "definitions": {"a": {"properties": {"x": {"const": 1}}, "dependentRequired": {"x": ["y"]}}},
    }
    tools = [{"name": "f", "parameters": parameters}, {"name": "g", "parameters": {**parameters, "$schema": DRAFT_7}}]
    value = {"x": 1}
    for draft, verdict in ((None, False), ("2019-09", False), ("draft-07", True)):
        engine = ByteEngine(json_schema_grammar(tools, draft=draft))
        assert engine.value({"name": "f", "arguments": value}) is verdict
        assert engine.value({"name": "g", "arguments": value})
    for given in (tools, [{"name": "f", "parameters": {"$schema": DRAFT_7.replace("07", "04")}}]):
        with pytest.raises(GrammarError, match="tool 0: the parameters of tools are of draft-06 or later"):
            json_schema_grammar(given, draft="draft-04" if given is tools else None)


def test_sampled_calls_are_calls() -> None:
    calls = [json.loads(text) for text in members(TOOLS) + members(json.dumps(TOOLS))]
    assert all(map(is_call, calls)) and len({call["name"] for call in calls}) > 3


def test_references_to_the_own_root_end_at_the_tool() -> None:
    assert Draft7Validator(TREE).is_valid({"kids": [{}]})
    rules = compile_schema(TOOLS).grammar.rules
    assert "#/definitions/tree" in rules and "#/definitions/weather/$defs/unit" in rules


@pytest.mark.parametrize(
    ("tools", "says"),
    [
        ([], "a list of no tools"),
        ([1], "tool 0: a tool is an object, not 1"),
        ([{"type": "web_search"}], "tool 0: a tool of type 'web_search' has no parameters"),
        ([{"type": "function", "function": {}}], "tool 0: the tool has no name"),
        ([{"type": "function", "function": 1}], "tool 0: the tool has no name"),
        ([{"name": "f"}], "tool 0, 'f': the tool has none of parameters, input_schema"),
        ([{"name": "f", "parameters": {}, "input_schema": {}}], "both parameters and input_schema"),
        ([{"name": "f", "parameters": "x"}], "tool 0, 'f': parameters is a schema, not 'x'"),
        ([{"name": "f", "parameters": {}}, {"name": "f", "parameters": {}}], "tool 1: two tools are called 'f'"),
        ([{"name": "f", "parameters": {"type": "strin"}}], "schema at /definitions/f: type is one of"),
    ],
)
def test_lists_that_are_no_tools(tools: Any, says: str) -> None:
    with pytest.raises(GrammarError) as caught:
        json_schema_grammar(tools)
    assert says in str(caught.value)


# ---- types -------------------------------------------------------------------------------------------------


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 5


class Point(NamedTuple):
    x: int
    y: int = 0


class Movie(TypedDict, total=False):
    title: str
    year: int


@dataclass
class Box:
    width: Annotated[int, Field(ge=1, lt=100)]
    colour: Colour = Colour.RED


class Node(BaseModel):
    value: Literal["a", "b"]
    left: Node | None = None
    boxes: list[Box] = Field(default=[], max_length=2)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    day: date
    key: UUID
    scores: dict[str, float] = {}


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    n: int = 0


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: Annotated[str, Field(pattern="^[A-Z][a-z]*$")]


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
TYPES: list[tuple[Any, list[Any], list[Any]]] = [
    (int, [3, -1], ["3", 1.5, None]),
    (Colour, ["red"], ["green", 1]),
    (Level, [1, 5], [2, "LOW"]),
    (Literal["a", 1], ["a", 1], ["b", 2]),
    (Annotated[int, Field(multiple_of=5, gt=0)], [5, 10], [0, 3]),
    (int | None, [1, None], ["x"]),
    (list[Point], [[], [[1, 2]]], [[[1, 2, 3]], {}]),
    (tuple[int, str], [[1, "a"]], [[1], [1, 2], ["a", 1]]),
    (dict[str, list[bool]], [{}, {"a": [True]}], [{"a": [1]}, []]),
    (Movie, [{}, {"year": 1}], [{"year": "x"}, {"other": 1}]),
    (Box, [{"width": 1}, {"width": 99, "colour": "blue"}], [{}, {"width": 0}, {"width": 100}]),
    (Node, [{"value": "a", "left": {"value": "b"}}], [{"value": "c"}, {"left": None}, {"value": "a", "z": 1}]),
    (Strict, [{"day": "2024-02-29", "key": "12345678-1234-5678-1234-567812345678"}], [{"day": "2023-02-29"}]),
    (Open, [{}, {"n": 1, "z": 2}], [{"n": "x"}]),
    (Pet, [{"kind": "cat", "lives": 9}, {"kind": "dog", "name": "Rex"}], [{"kind": "cat", "name": "Rex"}]),
    (TypeAdapter(list[int]), [[1]], [["a"]]),
]


@pytest.mark.parametrize(("source", "valid", "invalid"), TYPES, ids=lambda value: str(value)[:30])
def test_types(source: Any, valid: list[Any], invalid: list[Any]) -> None:
    adapter = source if isinstance(source, TypeAdapter) else TypeAdapter(source)
    engine = ByteEngine(json_schema_grammar(source))
    for text in members(source):
        adapter.validate_json(text)
        json.loads(text)
    for value in valid:
        assert adapter.validate_json(json.dumps(value)) is not Ellipsis and engine.value(value), value
    assert [value for value in invalid if engine.value(value)] == []


def test_others_are_left_out_unless_asked_for() -> None:
    assert not ByteEngine(json_schema_grammar(Box)).value({"width": 1, "depth": 2})
    assert ByteEngine(json_schema_grammar(Box, extra_properties="schema")).value({"width": 1, "depth": 2})


@pytest.mark.parametrize(
    "source",
    [
        object(),
        list["Nowhere"],  # type: ignore[name-defined]  # noqa: F821
        type("Plain", (), {}),
    ],
)
def test_types_without_a_schema(source: Any) -> None:
    with pytest.raises(GrammarError, match="Pydantic has no JSON Schema for"):
        json_schema_grammar(source)


# ---- functions ---------------------------------------------------------------------------------------------


def book(
    title: Annotated[str, Field(min_length=1)],
    count: int = 1,
    *,
    box: Box | None = None,
    kind: Literal["new", "used"] = "new",
) -> Any:
    return title, count, box, kind


def bare(first, second=None):  # type: ignore[no-untyped-def]
    return first, second


def none_at_all() -> None:
    return None


class Shelf:
    def put(self, boxes: list[Box], schema: Node) -> Any:
        return boxes, schema

    @classmethod
    def make(cls, model_config: int, _private: Colour) -> Any:
        return model_config, _private

    def __call__(self, x: int) -> int:
        return x


FUNCTIONS: list[tuple[Any, list[Any], list[Any]]] = [
    (
        book,
        [{"title": "x"}, {"title": "x", "count": 2, "box": {"width": 1}}],
        [{}, {"title": ""}, {"title": "x", "kind": "old"}],
    ),
    (bare, [{"first": [1]}, {"first": None, "second": {}}], [{}, {"second": 1}, {"first": 1, "third": 1}]),
    (none_at_all, [{}], [{"x": 1}, []]),
    (
        Shelf().put,
        [{"boxes": [], "schema": {"value": "a"}}],
        [{"boxes": []}, {"self": 1, "boxes": [], "schema": {"value": "a"}}],
    ),
    (Shelf.make, [{"model_config": 1, "_private": "red"}], [{"model_config": "x", "_private": "red"}]),
    (Shelf(), [{"x": 1}], [{}, {"x": "a"}]),
    (lambda a, b=1: a, [{"a": 1}], [{"b": 1}]),
    (functools.partial(book, "t"), [{}, {"count": 1}], [{"title": "x"}]),
    (functools.partial(book, kind="used"), [{"title": "t"}, {"title": "t", "kind": "new"}], [{}]),
]


@pytest.mark.parametrize(
    ("function", "valid", "invalid"),
    FUNCTIONS,
    ids=lambda value: getattr(value, "__qualname__", str(value) if isinstance(value, list) else type(value).__name__)[
        :30
    ],
)
def test_functions(function: Any, valid: list[Any], invalid: list[Any]) -> None:
    engine = ByteEngine(json_schema_grammar(function))
    for text in members(function):
        function(**json.loads(text))
    assert [value for value in valid if not engine.value(value)] == []
    assert [value for value in invalid if engine.value(value)] == []


def test_sampled_arguments_pass_validation() -> None:
    for text in members(book):
        validate_call(book)(**json.loads(text))


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda *parts: 0, "takes any number of arguments without names"),
        (lambda **more: 0, "parameter '**more' of"),
        (lambda a, /: 0, "cannot be given by name"),
        (len, "parameter 'obj' of len cannot be given by name"),
    ],
)
def test_functions_without_named_parameters(function: Any, says: str) -> None:
    with pytest.raises(GrammarError) as caught:
        json_schema_grammar(function)
    assert says in str(caught.value)


def test_functions_whose_types_have_no_schema() -> None:
    def strange(x: object, y: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821, UP037
        return None

    def odd(x: Shelf) -> None:
        return None

    with pytest.raises(GrammarError, match=r"the parameters of .*strange are not known: name 'Nowhere' is not defined"):
        json_schema_grammar(strange)
    with pytest.raises(GrammarError, match=r"Pydantic has no JSON Schema for parameter 'x' of .*odd"):
        json_schema_grammar(odd)
