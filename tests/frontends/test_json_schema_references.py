"""References: against the ``referencing`` library, against the official suite's verdicts, and by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

import pytest
import referencing
from hypothesis import given
from hypothesis import strategies as st
from json_schema_reference_oracles import ADDRESSES, FOLDERS, PlainValidator, SideBySide, remotes
from referencing.jsonschema import DRAFT7

from constrain.errors import GrammarError, UnsupportedSchema
from constrain.frontends.json_schema.dialect import ASSUMED, DIALECTS, dialect_of
from constrain.frontends.json_schema.pointer import Path, pointer
from constrain.frontends.json_schema.references import Registry, Resolver
from constrain.frontends.json_schema.resources import may_hold_names
from constrain.frontends.json_schema.uris import join

FILES = (
    *("ref", "refRemote", "anchor", "id", "dynamicRef", "recursiveRef", "defs", "definitions", "unknownKeyword"),
    *("infinite-loop-detection", "refOfUnknownKeyword", "vocabulary", "cross-draft"),
)
BEYOND_THE_PLAIN_VALIDATOR = ("unevaluatedItems", "unevaluatedProperties", "contains", "dependentSchemas")
D7, D19, D20 = DIALECTS["draft-07"], DIALECTS["2019-09"], DIALECTS["2020-12"]


def cases(data: File, draft: str) -> Iterator[tuple[str, Any, list[Any]]]:
    """The official suite's cases about references: name, schema, tests."""
    folder = data / "json-schema-test-suite/tests" / FOLDERS[draft]
    for name in FILES:
        for file in (folder / f"{name}.json", folder / f"optional/{name}.json"):
            if file.exists():
                for case in json.loads(file.read_text(encoding="utf-8")):
                    yield f"{name}: {case['description']}", case["schema"], case["tests"]


FOLLOWED = {"draft-04": 134, "draft-06": 170, "draft-07": 187, "2019-09": 1520, "2020-12": 276}
JUDGED = {"draft-04": 69, "draft-06": 107, "draft-07": 117, "2019-09": 183, "2020-12": 191}


@pytest.mark.parametrize("draft", ADDRESSES)
def test_every_reference_of_the_suite_leads_where_referencing_says(draft: str, shared_data: File) -> None:
    documents = remotes(shared_data)
    walks = [SideBySide(schema, draft, documents).walk(schema) for _, schema, _ in cases(shared_data, draft)]
    assert sum(walks) >= FOLLOWED[draft]


@pytest.mark.parametrize("draft", ADDRESSES)
def test_verdicts_of_the_official_suite(draft: str, shared_data: File) -> None:
    registry = Registry(remotes(shared_data))
    wrong, judged = [], 0
    for name, schema, tests in cases(shared_data, draft):
        if any(word in json.dumps(schema) for word in BEYOND_THE_PLAIN_VALIDATOR):
            continue
        validator = PlainValidator(schema, dialect_of(schema, DIALECTS[draft], registry.get), registry)
        wrong += [(name, it["description"]) for it in tests if validator.accepts(it["data"]) != it["valid"]]
        judged += len(tests)
    assert wrong == []
    assert judged >= JUDGED[draft]


def at(resolver: Resolver, *tokens: str) -> Path:
    path = resolver.root
    for token in tokens:
        path = (path, token)
    return path


def test_a_plain_document() -> None:
    schema = {"properties": {"a": {"$ref": "#/$defs/x~1y%25"}, "id": {"type": "string"}}, "$defs": {"x/y%": {}}}
    resolver = Resolver(schema, ASSUMED)
    node, place = resolver.resolve("#/$defs/x~1y%25", at(resolver, "properties", "a"))
    assert node is schema["$defs"]["x/y%"] and pointer(place) == "/$defs/x~1y%"
    assert resolver.resolve("#/$defs/x~1y%25", resolver.root) == (node, place)
    assert resolver.key(node, place) == id(node) and resolver.dialect(place) is ASSUMED
    assert resolver.resolve("#", place) == (schema, resolver.root) and pointer(resolver.root) == ""


def test_ids_that_are_data_do_not_count() -> None:
    inner = {"$id": "http://x/y", "properties": {"a": {"$ref": "#/$defs/s"}}}
    for word in ("enum", "const", "default", "examples", "x-unknown"):
        schema = {"properties": {"p": {word: [inner] if word == "enum" else inner}}, "$defs": {"s": {}}}
        with pytest.raises(UnsupportedSchema, match="neither here nor in the registry"):
            Resolver(schema, D20).resolve("http://x/y", Resolver(schema, D20).root)
    names = {"properties": {"$id": {"type": "string"}, "id": {"type": "string"}}, "$id": "http://x/root"}
    assert not may_hold_names(names, D20) and not may_hold_names(names, DIALECTS["draft-04"])


def test_a_nested_id_changes_what_local_references_mean() -> None:
    inner = {"$id": "inner.json", "$defs": {"s": {"type": "null"}}, "items": {"$ref": "#/$defs/s"}}
    schema = {"$id": "http://x/a/root.json", "properties": {"p": inner}, "$defs": {"s": {"type": "string"}}}
    resolver = Resolver(schema, D20)
    assert resolver.resolve("#/$defs/s", resolver.root)[0] == {"type": "string"}
    node, place = resolver.resolve("#/$defs/s", at(resolver, "properties", "p", "items"))
    assert node == {"type": "null"} and pointer(place) == "/properties/p/$defs/s"
    assert resolver.base(place) == "http://x/a/inner.json"
    assert resolver.resolve("inner.json#/$defs/s", resolver.root)[0] is node
    assert resolver.resolve("#/properties/p/$defs/s", resolver.root)[0] is node  # across the border
    with pytest.raises(GrammarError, match=r"points to nothing: there is no '/properties' in 'http://x/a/inner\.json'"):
        resolver.resolve("#/properties/p", place)


def test_an_embedded_resource_may_be_of_another_draft() -> None:
    old = {"$schema": ADDRESSES["draft-04"], "id": "http://x/old", "items": [{"$ref": "#", "id": "http://x/no"}]}
    schema = {"$defs": {"old": old, "not": {"$schema": ADDRESSES["draft-04"]}}}
    resolver = Resolver(schema, D20)
    place = at(resolver, "$defs", "old", "items", "0")
    assert resolver.dialect(place).name == "draft-04" and resolver.base(place) == "http://x/old"
    assert resolver.dialect(at(resolver, "$defs", "not")) is D20  # no id: no resource
    assert resolver.resolve("#", place)[0] is old
    unknown = {"properties": {"p": {"$id": "http://x/y", "$schema": "http://x/odd"}}}
    with pytest.raises(UnsupportedSchema, match=r"schema at /properties/p: .*unknown draft 'http://x/odd'"):
        Resolver(unknown, D20)


def test_plain_names() -> None:
    schema = {"definitions": {"a": {"$id": "#one"}, "b": {"$id": "http://x/b#two"}, "c": {"$id": "#/definitions/c"}}}
    for dialect in (D7, ASSUMED):
        resolver = Resolver(schema, dialect)
        assert resolver.resolve("#one", resolver.root)[0] == {"$id": "#one"}
        assert resolver.resolve("http://x/b#two", resolver.root)[0] == {"$id": "http://x/b#two"}
        assert resolver.base(at(resolver, "definitions", "c")) == ""
    with pytest.raises(GrammarError, match=r"no schema is called 'one'(.|\n)*known are: none"):
        Resolver(schema, D20).resolve("#one", Resolver(schema, D20).root)
    twice = {"$defs": {"a": {"$anchor": "n"}, "b": {"$anchor": "n", "type": "null"}}}
    with pytest.raises(GrammarError, match="'#n' is ambiguous: several schemas are called 'n'"):
        Resolver(twice, D20).resolve("#n", Resolver(twice, D20).root)
    clash = {"$defs": {"a": {"$id": "http://x/n"}, "b": {"$id": "http://x/n", "type": "null"}}}
    with pytest.raises(GrammarError, match="ambiguous"):
        Resolver(clash, D20).resolve("http://x/n", Resolver(clash, D20).root)


@pytest.mark.parametrize("order", [["#/x-defs/h", "#/x-defs/h/x/y"], ["#/x-defs/h/x/y", "#/x-defs/h"]])
def test_pointers_through_unknown_words_do_not_depend_on_the_order(order: list[str]) -> None:
    hidden = {"$id": "http://x/h", "x": {"y": {"items": {"$ref": "#/$defs/s"}}}, "$defs": {"s": {}}}
    resolver = Resolver({"$id": "http://x/r", "x-defs": {"h": hidden}, "$defs": {"s": {"type": "null"}}}, D20)
    assert {resolver.base(resolver.resolve(it, resolver.root)[1]) for it in order} == {"http://x/h"}


def test_names_under_unknown_words_are_unknown() -> None:
    hidden = {"$id": "http://x/h", "$anchor": "n", "items": {"$ref": "#/$defs/s"}, "$defs": {"s": {"type": "null"}}}
    schema = {"$id": "http://x/r", "x-defs": {"h": hidden}, "$defs": {"k": {"$id": "k"}}}
    resolver = Resolver(schema, D20)
    for _ in range(2):
        node, place = resolver.resolve("#/x-defs/h", resolver.root)
        assert node is hidden and resolver.resolve("#/$defs/s", (place, "items"))[0] == {"type": "null"}
        for reference in ("#n", "h"):
            with pytest.raises(GrammarError):
                resolver.resolve(reference, resolver.root)


DOCUMENTS = {"http://x/one#": {"$ref": "two#/$defs/s"}, "http://x/two": {"$defs": {"s": {}, "e": {"$id": "e"}}}}


@pytest.mark.parametrize("registry", [DOCUMENTS, "referencing"])
def test_documents_of_a_registry(registry: Any) -> None:
    if registry == "referencing":
        registry = referencing.Registry().with_resources(
            (address, DRAFT7.create_resource(it | {"definitions": {}})) for address, it in DOCUMENTS.items()
        )
    resolver = Resolver({"$id": "http://x/root", "$ref": "one"}, D20, registry)
    _, one = resolver.resolve("one", resolver.root)
    assert pointer((one, "a/b")) == "http://x/one#/a~1b" and resolver.base(one) == "http://x/one"
    assert resolver.dialect(one) is (D20 if registry is DOCUMENTS else D7)
    assert pointer(resolver.resolve("two#/$defs/s", one)[1]) == "http://x/two#/$defs/s"


def test_a_resource_inside_a_document_of_the_registry() -> None:
    resolver = Resolver({}, D20, DOCUMENTS)
    assert resolver.resolve("http://x/e", resolver.root)[0] == {"$id": "e"}
    with pytest.raises(UnsupportedSchema, match=r"'http://x/no'(.|\n)*registry={(.|\n)*'http://x/e', 'http://x/one'"):
        resolver.resolve("http://x/no#/a", resolver.root)
    with pytest.raises(GrammarError, match="has a list"):
        Resolver({}, D20, {"http://x/l": []}).resolve("http://x/l", Resolver({}, D20).root)
    with pytest.raises(TypeError, match="a mapping from address"):
        Resolver({}, D20, ["http://x/l"])


@pytest.mark.parametrize("draft", ADDRESSES)
def test_official_metaschemas_are_known_and_describe_themselves(draft: str) -> None:
    address = ADDRESSES[draft]
    for spelled in (address, address + "#", address.replace("http:", "https:")):
        validator = PlainValidator({"$ref": spelled}, DIALECTS[draft], None)
        assert validator.accepts({"properties": {"a": {"minimum": 3}}})
        assert not validator.accepts({"properties": {"a": {"minimum": "3"}}})
        node, _ = validator.resolver.resolve(spelled, validator.resolver.root)
        assert validator.accepts(node)


def test_metaschemas_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_specifications", None)
    resolver = Resolver({}, D7)
    with pytest.raises(GrammarError, match=r"not installed\nhint: pip install 'constrain-lm\[schema\]'"):
        resolver.resolve(ADDRESSES["draft-07"], resolver.root)


def test_the_outermost_dynamic_name_wins_and_scopes_are_finite() -> None:
    generic = {"$id": "g", "$defs": {"t": {"$dynamicAnchor": "t"}}, "items": {"$dynamicRef": "#t"}}
    one = {"$id": "one", "$ref": "g", "$defs": {"t": {"$dynamicAnchor": "t", "anyOf": [{"$ref": "g"}, True]}}}
    two = {"$id": "two", "$ref": "g", "$defs": {"t": {"$dynamicAnchor": "t", "type": "null"}}}
    schema = {"$id": "http://x/r", "$defs": {"g": generic, "one": one, "two": two}}
    resolver = Resolver(schema, D20)
    keys, ends = set(), []
    for start in ("one", "two", "g"):
        place = resolver.resolve(start, resolver.root)[1]
        for _ in range(3):
            node, place = resolver.resolve("g", place)
            assert node is generic
            keys.add(resolver.key(node, place))
            end, _ = resolver.resolve("#t", (place, "items"), "$dynamicRef")
            ends.append(end)
            assert resolver.resolve("#t", (place, "items"), "$ref")[0] is generic["$defs"]["t"]
    assert len(keys) == 3  # one for each outermost definition, however often it is met
    assert ends == [one["$defs"]["t"]] * 3 + [two["$defs"]["t"]] * 3 + [generic["$defs"]["t"]] * 3


def test_a_recursive_reference_is_the_root() -> None:
    schema = {"$recursiveAnchor": True, "$defs": {"a": {"$id": "http://x/a", "$recursiveAnchor": True}}}
    resolver = Resolver(schema, D19)
    _, inner = resolver.resolve("http://x/a", resolver.root)
    assert resolver.resolve("#", inner, "$recursiveRef")[0] is schema
    assert resolver.resolve("#", inner)[0] is schema["$defs"]["a"]
    with pytest.raises(GrammarError, match=r"\$recursiveRef is '#', not '#/a'"):
        resolver.resolve("#/a", inner, "$recursiveRef")


@pytest.mark.parametrize("pointed", ["#/a/0/x", "#/a/01", "#/a/2", "#/a/-", "#/a/\u0660", "#/a/" + "9" * 9999, "#/b"])
def test_pointers_to_nothing(pointed: str) -> None:
    resolver = Resolver({"a": [True, False]}, D20)
    with pytest.raises(GrammarError, match="points to nothing"):
        resolver.resolve(pointed, resolver.root)
    assert resolver.resolve("#/a/1", resolver.root)[0] is False


def test_objects_in_many_places_are_looked_at_once() -> None:
    node: dict[str, Any] = {"$anchor": "leaf"}
    for _ in range(60):
        node = {"anyOf": [node, node]}
    assert Resolver(node, D20).resolve("#leaf", Resolver(node, D20).root)[0] == {"$anchor": "leaf"}


@pytest.mark.parametrize(
    ("address", "draft"),
    [
        ("http://json-schema.org/draft-07/schema#", "draft-07"),
        (" https://json-schema.org/draft-04/schema ", "draft-04"),
        ("http://json-schema.org/draft/2020-12/schema#", "2020-12"),
        ("http://json-schema.org/draft-06/hyper-schema#", "draft-06"),
        ("http://json-schema.org/draft-05/schema#", "draft-04"),
    ],
)
def test_addresses_of_drafts(address: str, draft: str) -> None:
    assert dialect_of({"$schema": address}, ASSUMED) is DIALECTS[draft]


def test_other_values_of_schema() -> None:
    assert dialect_of({"$schema": "http://json-schema.org/schema#"}, D7) is ASSUMED
    assert dialect_of({}, D7) is D7 and dialect_of(True, D7) is D7
    with pytest.raises(UnsupportedSchema, match="unknown draft 'http://json-schema"):
        dialect_of({"$schema": "http://json-schema.org/draft-03/schema#"}, ASSUMED)
    with pytest.raises(GrammarError, match="is the address of a metaschema, not 7"):
        dialect_of({"$schema": 7}, ASSUMED)
    with pytest.raises(UnsupportedSchema, match="unknown draft"):  # a metaschema of itself
        dialect_of({"$schema": "http://x/m"}, ASSUMED, {"http://x/m": {"$schema": "http://x/m"}}.get)


def test_vocabularies() -> None:
    base = "https://json-schema.org/draft/2020-12/vocab/"
    metaschema = {"$schema": ADDRESSES["2020-12"], "$vocabulary": {base + "core": True, base + "applicator": True}}
    documents: dict[str, Any] = {"http://x/m": metaschema, "http://x/7": {"$schema": ADDRESSES["draft-07"]}}
    dialect = dialect_of({"$schema": "http://x/m#"}, D7, documents.get)
    assert {"$ref", "$dynamicRef", "allOf", "properties"} < dialect.words
    assert dialect.words.isdisjoint({"type", "minimum", "format", "unevaluatedItems"})
    assert dialect_of({"$schema": "http://x/7"}, ASSUMED, documents.get) is D7
    metaschema["$vocabulary"] |= {base + "format-assertion": True, "http://x/optional": False}
    asserting = dialect_of({"$schema": "http://x/m"}, D7, documents.get)
    assert "format" in asserting.words and asserting.format_must_assert and not D20.format_must_assert
    metaschema["$vocabulary"]["http://x/needed"] = True
    with pytest.raises(UnsupportedSchema, match="requires the vocabulary 'http://x/needed'"):
        dialect_of({"$schema": "http://x/m"}, D7, documents.get)


def test_words_of_drafts() -> None:
    assert [d for d in DIALECTS if "const" in DIALECTS[d].words] == ["draft-06", "draft-07", "2019-09", "2020-12"]
    assert [d for d in DIALECTS if DIALECTS[d].if_then_else] == ["draft-07", "2019-09", "2020-12"]
    assert [d for d in DIALECTS if DIALECTS[d].dependencies] == ["draft-04", "draft-06", "draft-07"]
    assert [d for d in DIALECTS if DIALECTS[d].additional_items] == ["draft-04", "draft-06", "draft-07", "2019-09"]
    assert ASSUMED.dependencies and ASSUMED.additional_items and ASSUMED.items_may_be_list and ASSUMED.prefix_items
    assert D19.reference_words == ("$ref", "$recursiveRef") and D20.reference_words == ("$ref", "$dynamicRef")
    assert D7.reference_words == ("$ref",) and D19.unevaluated and not D7.unevaluated


# RFC 3986, section 5.4: what references mean where the base is http://a/b/c/d;p?q
JOINED = {
    **{"g:h": "g:h", "g": "http://a/b/c/g", "./g": "http://a/b/c/g", "g/": "http://a/b/c/g/", "/g": "http://a/g"},
    **{"//g": "http://g", "?y": "http://a/b/c/d;p?y", "g?y": "http://a/b/c/g?y", "#s": "http://a/b/c/d;p?q"},
    **{
        "": "http://a/b/c/d;p?q",
        ".": "http://a/b/c/",
        "./": "http://a/b/c/",
        "..": "http://a/b/",
        "../": "http://a/b/",
    },
    **{"../g": "http://a/b/g", "../..": "http://a/", "../../g": "http://a/g", "../../../g": "http://a/g"},
    **{"/./g": "http://a/g", "/../g": "http://a/g", "g.": "http://a/b/c/g.", "..g": "http://a/b/c/..g"},
    **{"./../g": "http://a/b/g", "./g/.": "http://a/b/c/g/", "g/./h": "http://a/b/c/g/h", "g/../h": "http://a/b/c/h"},
    **{"g;x=1/../y": "http://a/b/c/y", "g?y/../x": "http://a/b/c/g?y/../x", "http:g": "http:g"},
}


def test_addresses_are_joined_as_the_standard_says() -> None:
    assert {reference: join("http://a/b/c/d;p?q", reference) for reference in JOINED} == JOINED
    assert join("app://schemas/a.json", "b.json") == "app://schemas/b.json"
    assert (
        join("urn:example:a", "urn:example:b") == "urn:example:b" and join("urn:example:a?=q", "") == "urn:example:a?=q"
    )
    assert join("http://x", "a") == "http://x/a" and join("", "a/../b.json") == "a/../b.json"


SEGMENTS = st.lists(st.sampled_from(["a", "b", ".", "..", ""]), max_size=5).map("/".join)


@given(SEGMENTS, st.sampled_from(["", "/"]), SEGMENTS)
def test_dots_are_removed_as_the_standard_does_it(base: str, first: str, reference: str) -> None:
    if reference.startswith("/") or first + reference == "":
        return
    merged = first + reference if first else ("/" + base)[: ("/" + base).rfind("/") + 1] + reference
    assert join("http://h/" + base, first + reference) == "http://h" + remove_dot_segments(merged)


def remove_dot_segments(path: str) -> str:
    """RFC 3986, section 5.2.4, step by step."""
    done: list[str] = []
    while path:
        if path.startswith(("../", "./")):
            path = path[path.index("/") + 1 :]
        elif path.startswith("/./") or path == "/.":
            path = "/" + path[3:]
        elif path.startswith("/../") or path == "/..":
            path, done = "/" + path[4:], done[:-1]
        elif path in (".", ".."):
            path = ""
        else:
            end = path.find("/", 1)
            end = len(path) if end < 0 else end
            done.append(path[:end])
            path = path[end:]
    return "".join(done)
