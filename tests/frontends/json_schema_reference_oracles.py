"""Two independent readings of references: the ``referencing`` library, walked side by side with our ``Resolver``; and
a plain validator that asks our ``Resolver``, whose verdicts the official test suite knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path as File
from typing import Any

import jsonschema_specifications
from jsonschema.validators import validator_for
from referencing import Resource
from referencing.jsonschema import Specification, lookup_recursive_ref, specification_with

from constrain.frontends.json_schema.dialect import DIALECTS, Dialect
from constrain.frontends.json_schema.pointer import Path, pointer
from constrain.frontends.json_schema.references import Resolver

ADDRESSES = {
    "draft-04": "http://json-schema.org/draft-04/schema",
    "draft-06": "http://json-schema.org/draft-06/schema",
    "draft-07": "http://json-schema.org/draft-07/schema",
    "2019-09": "https://json-schema.org/draft/2019-09/schema",
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
}
FOLDERS = {"draft-04": "draft4", "draft-06": "draft6", "draft-07": "draft7"} | {
    name: f"draft{name}" for name in ("2019-09", "2020-12")
}
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPS = ("properties", "patternProperties", "dependentSchemas", "dependencies")
ONES = (
    *("additionalProperties", "additionalItems", "contains", "propertyNames", "not", "if", "then", "else"),
    *("unevaluatedItems", "unevaluatedProperties"),
)


@cache
def remotes(data: File) -> dict[str, Any]:
    """The documents that the official suite serves."""
    folder = data / "json-schema-test-suite/remotes"
    return {
        f"http://localhost:1234/{file.relative_to(folder).as_posix()}": json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(folder.rglob("*.json"))
        if "draft3" not in file.parts and "v1" not in file.parts
    }


def parts(schema: dict[str, Any]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """The schemas directly in ``schema``, and where: what the words of any draft hold."""
    for word, value in schema.items():
        if word in MAPS and isinstance(value, dict):
            yield from ((part, (word, name)) for name, part in value.items() if not isinstance(part, list))
        elif isinstance(value, list) and (word in LISTS or word == "items"):
            yield from ((part, (word, str(i))) for i, part in enumerate(value))
        elif word in ONES or word == "items":
            yield value, (word,)


class SideBySide:
    """Follows every reference of a document with both, and everything that can be reached."""

    def __init__(self, root: Any, draft: str, documents: dict[str, Any]) -> None:
        self.ours = Resolver(root, DIALECTS[draft], documents)
        self.default = specification_with(ADDRESSES[draft])
        resources = [(address, self.resource(it, self.default)) for address, it in documents.items()]
        registry = jsonschema_specifications.REGISTRY.with_resources(resources)
        self.theirs = registry.resolver_with_root(self.resource(root, self.default))
        self.followed = 0
        self.visited: set[Any] = set()

    @staticmethod
    def resource(schema: Any, around: Specification[Any]) -> Resource[Any]:
        return Resource.from_contents(schema, default_specification=around)

    def walk(self, root: Any) -> int:
        """Compare all. Returns how many references there were."""
        stack = [(root, self.ours.root, self.theirs, self.default)]
        while stack:
            schema, path, theirs, around = stack.pop()
            if not isinstance(schema, dict):
                continue
            resource = self.resource(schema, around)
            spec = resource._specification
            outermost_first = [uri for uri, _ in theirs.dynamic_scope()][::-1]
            key = (self.ours.key(schema, path), theirs._base_uri, tuple(dict.fromkeys(outermost_first)))
            if key in self.visited:
                continue
            self.visited.add(key)
            stack.extend(self.references(schema, path, theirs, spec))
            if "$ref" in schema and self.ours.dialect(path).reference_stands_alone:
                continue
            for part, tokens in parts(schema):  # not in $defs: only references lead there in an evaluation
                place = path
                for token in tokens:
                    place = (place, token)
                if isinstance(part, dict):
                    stack.append((part, place, theirs.in_subresource(self.resource(part, spec)), spec))
        return self.followed

    def references(self, schema: dict[str, Any], path: Path, theirs: Any, spec: Any) -> Iterator[Any]:
        for word in self.ours.dialect(path).reference_words:
            if not isinstance(schema.get(word), str):
                continue
            self.followed += 1
            node, place = self.ours.resolve(schema[word], path, word)
            found = lookup_recursive_ref(theirs) if word == "$recursiveRef" else theirs.lookup(schema[word])
            assert node is found.contents, f"{word} {schema[word]!r} at {pointer(path)}: {pointer(place)}"
            theirs_then = found.resolver
            if isinstance(node, dict) and theirs_then._base_uri != self.ours.base(place):
                # They forget the ``$id`` of a document that was retrieved by another address, and stay where they were
                # when a dynamic name leads to another resource.
                assert word != "$ref" or theirs_then.in_subresource(
                    self.resource(node, spec)
                )._base_uri == self.ours.base(place)
                continue
            yield node, place, theirs_then, spec


class PlainValidator:
    """Says whether a value satisfies a schema: the words that apply schemas by hand, others by ``jsonschema``."""

    def __init__(self, root: Any, dialect: Dialect, documents: Any) -> None:
        self.root = root
        self.resolver = Resolver(root, dialect, documents)

    def accepts(self, value: Any) -> bool:
        return self.check(value, self.root, self.resolver.root)

    def check(self, value: Any, schema: Any, path: Path) -> bool:
        if isinstance(schema, bool):
            return schema
        dialect = self.resolver.dialect(path)
        words = {word: it for word, it in schema.items() if word in dialect.words}
        if dialect.reference_stands_alone and "$ref" in words:
            words = {"$ref": words["$ref"]}
        return all(self.word(value, word, words, path, dialect) for word in words)

    def word(self, value: Any, word: str, words: dict[str, Any], path: Path, dialect: Dialect) -> bool:
        given, place = words[word], (path, word)
        if word in dialect.reference_words:
            return self.check(value, *self.resolver.resolve(given, path, word))
        if word in ("allOf", "anyOf", "oneOf"):
            count = sum(self.check(value, part, (place, str(i))) for i, part in enumerate(given))
            return {"allOf": count == len(given), "anyOf": count > 0, "oneOf": count == 1}[word]
        if word == "not":
            return not self.check(value, given, place)
        if word == "if":
            branch = "then" if self.check(value, given, place) else "else"
            return branch not in words or self.check(value, words[branch], (path, branch))
        if word in ("then", "else", "additionalItems"):
            return True
        if word in ("properties", "additionalProperties", "propertyNames", "patternProperties"):
            return not isinstance(value, dict) or self.members(value, word, given, words, place)
        if word in ("items", "prefixItems"):
            return not isinstance(value, list) or self.elements(value, word, given, words, place)
        assert word not in ("unevaluatedItems", "unevaluatedProperties", "contains", "dependentSchemas"), word
        validator = validator_for({"$schema": ADDRESSES[dialect.name]})
        return bool(validator({"$schema": ADDRESSES[dialect.name], word: given}).is_valid(value))

    def members(self, value: dict[str, Any], word: str, given: Any, words: dict[str, Any], place: Path) -> bool:
        if word == "properties":
            return all(self.check(value[name], part, (place, name)) for name, part in given.items() if name in value)
        if word == "patternProperties":
            assert not given
            return True
        if word == "propertyNames":
            return all(self.check(name, given, place) for name in value)
        return all(
            self.check(it, given, place) for name, it in value.items() if name not in words.get("properties", ())
        )

    def elements(self, value: list[Any], word: str, given: Any, words: dict[str, Any], place: Path) -> bool:
        if isinstance(given, list):
            return all(self.check(it, given[i], (place, str(i))) for i, it in enumerate(value[: len(given)]))
        return all(self.check(it, given, place) for it in value[len(words.get("prefixItems", ())) :])
