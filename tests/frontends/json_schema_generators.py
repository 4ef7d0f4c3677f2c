"""Small random schemas over all keywords, and instances for them, from a ``Random``.

Few keys, few strings and few numbers, so that keywords meet each other and instances often satisfy them. All numbers
are exact in floating point. Patterns mean the same in Python and in ECMA 262 on these strings.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

KEYS = ["a", "b", "ab", "c"]
STRINGS = ["", "a", "b", "ab", "aa", "aab", "é", "2024-02-29", "2023-02-29", "1.2.3.4"]
NUMBERS = [0, 1, 2, 3, 4, 6, -1, -2, 0.5, 1.5, 2.5, 0.25, 100]
DIVISORS = [1, 2, 3, 0.5, 0.25, 1.5]
PATTERNS = ["^a", "b$", "^[ab]{1,2}$", "a|b", "^(ab)*$", "^a?b?$", "aa", "^.$", "^a$|^c$"]
FORMATS = ["date", "ipv4", "no-such-format"]
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]
YEARS = {"draft-04": 2013, "draft-06": 2017, "draft-07": 2018, "2019-09": 2019, "2020-12": 2020}
SINCE = {
    "const": 2017, "contains": 2017, "propertyNames": 2017, "if": 2018, "dependentSchemas": 2019,
    "dependentRequired": 2019, "unevaluatedProperties": 2019, "unevaluatedItems": 2019, "minContains": 2019,
    "maxContains": 2019, "prefixItems": 2020,
}  # fmt: skip
UNTIL = {"dependencies": 2018, "additionalItems": 2019}
GROUPS = {
    "object": [
        *("properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
        *("minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies"),
        "unevaluatedProperties",
    ],
    "array": [
        *("items", "prefixItems", "additionalItems", "contains", "minContains", "maxContains", "minItems"),
        *("maxItems", "uniqueItems", "unevaluatedItems"),
    ],
    "string": ["minLength", "maxLength", "pattern", "format"],
    "number": ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
}
LOGIC = ["type", "enum", "const", "allOf", "anyOf", "oneOf", "not", "if", "$ref"]


class Maker:
    """Makes schemas of one draft. ``size``: about so many schema objects at most."""

    def __init__(
        self, rng: Random, draft: str = "2020-12", size: int = 12, without: frozenset[str] = frozenset()
    ) -> None:
        self.rng, self.year, self.left = rng, YEARS[draft], size
        self.definitions = "$defs" if self.year >= 2019 else "definitions"
        banned = without | {word for word, year in SINCE.items() if self.year < year}
        banned |= {word for word, year in UNTIL.items() if self.year > year}
        self.groups = {kind: [word for word in words if word not in banned] for kind, words in GROUPS.items()}
        self.logic = [word for word in LOGIC if word not in banned]

    def document(self) -> Any:
        """A schema with two definitions, to which any schema in it may refer."""
        body = self.object(0)
        names = [name for name in "xy" if f'"#/{self.definitions}/{name}"' in repr(body).replace("'", '"')]
        while names:
            found = body.setdefault(self.definitions, {})
            found[names.pop()] = self.schema(1)
            text = repr(body).replace("'", '"')
            names = [name for name in "xy" if f'"#/{self.definitions}/{name}"' in text and name not in found]
        return body

    def schema(self, depth: int) -> Any:
        self.left -= 1
        roll = self.rng.random()
        if roll < 0.08:
            return True
        if roll < 0.13:
            return False
        if self.left <= 0 or depth > 4 or roll < 0.3:
            return self.leaf()
        return self.object(depth)

    def leaf(self) -> dict[str, Any]:
        word = self.rng.choice(["type", "type", "type", "enum", "minimum", "minLength", "required"])
        return {word: self.value_of(word, 9)}

    def object(self, depth: int) -> dict[str, Any]:
        """A schema object of a few keywords, most of them about the same type of values."""
        kind = self.rng.choice(["object", "object", "array", "array", "string", "number"])
        count = self.rng.choice([1, 2, 2, 3, 3, 4])
        schema: dict[str, Any] = {"type": kind} if self.rng.random() < 0.4 else {}
        for _ in range(count):
            pool = self.groups[kind] if self.rng.random() < 0.65 else self.logic
            word = self.rng.choice(pool)
            if word in ("minContains", "maxContains") and "contains" not in schema:
                schema["contains"] = self.schema(depth + 1)
            if word == "if":
                schema |= {
                    part: self.schema(depth + 1) for part in self.rng.sample(["then", "else"], self.rng.randint(1, 2))
                }
            if word == "additionalItems":
                schema["items"] = self.some(self.schema, depth)
            if self.year < 2017 and word.startswith("exclusive"):
                base = word.replace("exclusiveM", "m")
                schema[base] = self.value_of(base, depth)
            schema[word] = self.value_of(word, depth)
        return schema

    def some(self, make: Callable[[int], Any], depth: int, most: int = 3) -> list[Any]:
        return [make(depth + 1) for _ in range(self.rng.randint(1, most))]

    def keyed(self, names: list[str], make: Callable[[int], Any], depth: int) -> dict[str, Any]:
        return {name: make(depth + 1) for name in self.rng.sample(names, self.rng.randint(1, 3))}

    def value_of(self, word: str, depth: int) -> Any:
        rng = self.rng
        if word in ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"):
            return rng.choice([0, 1, 1, 2, 2, 3])
        if word in ("minContains", "maxContains"):
            return rng.choice([0, 1, 1, 2])
        if word.endswith("imum"):
            return rng.random() < 0.7 if self.year < 2017 and word[0] == "e" else rng.choice(NUMBERS)
        if word in ("properties", "dependentSchemas"):
            return self.keyed(KEYS, self.schema, depth)
        if word in ("allOf", "anyOf", "oneOf", "prefixItems"):
            return self.some(self.schema, depth)
        match word:
            case "type":
                return rng.choice(TYPES) if rng.random() < 0.7 else rng.sample(TYPES, rng.randint(1, 3))
            case "enum":
                return [value(rng, 2) for _ in range(rng.randint(1, 4))]
            case "const":
                return value(rng, 2)
            case "$ref":
                return rng.choice(["#", f"#/{self.definitions}/x", f"#/{self.definitions}/y"])
            case "required":
                return rng.sample(KEYS, rng.randint(1, 2))
            case "patternProperties":
                return self.keyed(PATTERNS, self.schema, depth)
            case "dependentRequired":
                return {name: rng.sample(KEYS, rng.randint(0, 2)) for name in rng.sample(KEYS, rng.randint(1, 2))}
            case "dependencies":
                return {
                    name: rng.sample(KEYS, 1) if rng.random() < 0.5 else self.schema(depth + 1)
                    for name in rng.sample(KEYS, rng.randint(1, 2))
                }
            case "uniqueItems":
                return rng.random() < 0.9
            case "pattern":
                return rng.choice(PATTERNS)
            case "format":
                return rng.choice(FORMATS)
            case "multipleOf":
                return rng.choice(DIVISORS)
            case "items" if self.year < 2020 and rng.random() < 0.3:
                return self.some(self.schema, depth)
        return self.schema(depth + 1)


def value(rng: Random, depth: int = 3) -> Any:
    """Any small JSON value."""
    kind = rng.choice("nbiissaaoo" if depth else "nbiiss")
    match kind:
        case "n":
            return None
        case "b":
            return rng.random() < 0.5
        case "i":
            return rng.choice(NUMBERS)
        case "s":
            return rng.choice(STRINGS)
        case "a":
            return [value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    return {name: value(rng, depth - 1) for name in rng.sample(KEYS, rng.choice([0, 1, 1, 2, 2, 3, 4]))}


def towards(rng: Random, schema: Any, root: Any, depth: int = 4) -> Any:
    """A value with some of what ``schema`` speaks of; likelier than ``value`` to satisfy it."""
    if not isinstance(schema, dict) or depth < 0 or rng.random() < 0.05:
        return value(rng, max(depth, 0) and 1)
    below = lambda sub: towards(rng, sub, root, depth - 1)  # noqa: E731
    if "const" in schema and rng.random() < 0.8:
        return schema["const"]
    if "enum" in schema and rng.random() < 0.8:
        return rng.choice(schema["enum"])
    if "$ref" in schema and rng.random() < 0.6:
        name = schema["$ref"].rpartition("/")[2]
        target = root if name == "#" else (root.get("$defs") or root.get("definitions"))[name]
        return below(target)
    parts = [part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word, [])]
    parts += [schema[word] for word in ("if", "then", "else") if word in schema]
    if parts and rng.random() < 0.5:
        return below(rng.choice(parts))
    kinds = [kind for kind, words in GROUPS.items() if any(word in schema for word in words)]
    kind = schema.get("type", rng.choice(kinds) if kinds else rng.choice(TYPES))
    kind = rng.choice(kind) if isinstance(kind, list) else kind
    if kind == "object":
        declared = {**schema.get("patternProperties", {}), **schema.get("properties", {})}
        names = {name for name in declared if name in KEYS and rng.random() < 0.6} | set(schema.get("required", []))
        names |= set(rng.sample(KEYS, rng.choice([0, 0, 1, 2])))
        other = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
        return {name: below(declared.get(name, other)) for name in rng.sample(sorted(names), len(names))}
    if kind == "array":
        prefix = schema.get("prefixItems", [])
        rest = schema.get("items", schema.get("unevaluatedItems", True))
        if isinstance(rest, list):
            prefix, rest = rest, schema.get("additionalItems", True)
        found = [below(prefix[i] if i < len(prefix) else rest) for i in range(rng.choice([0, 1, 1, 2, 2, 3, 4]))]
        if "contains" in schema and rng.random() < 0.7:
            found.insert(rng.randint(0, len(found)), below(schema["contains"]))
        return found
    if kind == "string":
        return rng.choice(STRINGS)
    if kind == "integer":
        return rng.choice([number for number in NUMBERS if isinstance(number, int)])
    return {"null": None, "boolean": rng.random() < 0.5}.get(kind, rng.choice(NUMBERS))


def mutated(rng: Random, instance: Any) -> Any:
    """``instance`` with one small change somewhere."""
    if isinstance(instance, list) and instance and rng.random() < 0.7:
        at = rng.randrange(len(instance))
        return rng.choice(
            [
                [*instance[:at], mutated(rng, instance[at]), *instance[at + 1 :]],
                [*instance[:at], *instance[at + 1 :]],
                [*instance[:at], instance[at], *instance[at:]],
                [*instance, value(rng, 1)],
            ]
        )
    if isinstance(instance, dict) and instance and rng.random() < 0.7:
        name = rng.choice(list(instance))
        without = {key: member for key, member in instance.items() if key != name}
        return rng.choice(
            [
                {**instance, name: mutated(rng, instance[name])},
                without,
                {**instance, rng.choice(KEYS): value(rng, 1)},
                {**without, rng.choice(KEYS): instance[name]},
            ]
        )
    return value(rng, 1)
