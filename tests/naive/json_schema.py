"""JSON Schema by its definitions: a validator that is slow, obvious and exact. The twin of the whole frontend.

It collects annotations literally (which members and items have been evaluated), computes with fractions, and knows
the keywords of drafts 4 to 2020-12. References are JSON pointers into the same document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

FormatOracle = Callable[[str, Any], bool]


def parse(text: str | bytes) -> Any:
    """JSON with exact numbers, without duplicate keys (``ValueError``) and huge exponents (``OverflowError``)."""
    return json.loads(text, parse_float=_exact, object_pairs_hook=_distinct)


def _exact(text: str) -> Fraction:
    exponent = text.lower().partition("e")[2]
    if len(exponent) > 4:
        raise OverflowError(f"{text} has too many digits")
    return Fraction(text)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"duplicate key among {[name for name, _ in pairs]}")
    return found


def identity(value: Any) -> Any:
    """Equal for values that JSON Schema calls equal."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, (int, float, Fraction)):
        return Fraction(value)
    if isinstance(value, list):
        return tuple(map(identity, value))
    if isinstance(value, dict):
        return frozenset((name, identity(member)) for name, member in value.items())
    return ("string", value)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Fraction)) and not isinstance(value, bool)


@dataclass
class Verdict:
    """Whether a schema holds, and what it has evaluated."""

    valid: bool = True
    keys: set[str] = field(default_factory=set)
    items: set[int] = field(default_factory=set)

    def also(self, other: Verdict) -> bool:
        """A subschema that applied in place: its annotations count if it holds."""
        if other.valid:
            self.keys |= other.keys
            self.items |= other.items
        return other.valid


class Validator:
    """Judges values by the schema ``root``. Integers are a matter of value (since draft-06)."""

    def __init__(self, root: Any, year: int = 2020, is_format: FormatOracle = lambda name, value: True) -> None:
        self.root = root
        self.year = year  # of the draft: 2013, 2017, 2018, 2019, 2020
        self.is_format = is_format

    def is_valid(self, value: Any) -> bool:
        return self.judge(self.root, value).valid

    def holds(self, schema: Any, value: Any) -> bool:
        return self.judge(schema, value).valid

    def resolve(self, reference: str) -> Any:
        found = self.root
        for token in reference.removeprefix("#").split("/")[1:]:
            found = found[token.replace("~1", "/").replace("~0", "~")]
        return found

    def judge(self, schema: Any, value: Any) -> Verdict:
        if isinstance(schema, bool):
            return Verdict(schema)
        if "$ref" in schema and self.year < 2019:
            return self.judge(self.resolve(schema["$ref"]), value)
        verdict = Verdict()
        verdict.valid = all([check(self, schema, value, verdict) for check in CHECKS])
        return verdict

    # ---- in place ------------------------------------------------------------------------------------------

    def logic(self, schema: dict[str, Any], value: Any, verdict: Verdict) -> bool:
        results = [verdict.also(self.judge(self.resolve(schema["$ref"]), value))] if "$ref" in schema else []
        if "allOf" in schema:
            results += [verdict.also(self.judge(part, value)) for part in schema["allOf"]]
        if "anyOf" in schema:
            results.append(any([verdict.also(self.judge(part, value)) for part in schema["anyOf"]]))
        if "oneOf" in schema:
            results.append(sum([verdict.also(self.judge(part, value)) for part in schema["oneOf"]]) == 1)
        if "not" in schema:
            results.append(not self.holds(schema["not"], value))
        if "if" in schema and self.year >= 2018:
            branch = "then" if verdict.also(self.judge(schema["if"], value)) else "else"
            results.append(verdict.also(self.judge(schema.get(branch, True), value)))
        return all(results)

    def dependencies(self, schema: dict[str, Any], value: Any, verdict: Verdict) -> bool:
        if not isinstance(value, dict):
            return True
        words = ("dependentSchemas", "dependentRequired") if self.year >= 2019 else ("dependencies",)
        results = []
        for name, asked in [pair for word in words for pair in schema.get(word, {}).items()]:
            if name in value:
                is_list = isinstance(asked, list)
                results.append(set(asked) <= value.keys() if is_list else verdict.also(self.judge(asked, value)))
        return all(results)

    # ---- any value -----------------------------------------------------------------------------------------

    def kind(self, schema: dict[str, Any], value: Any, verdict: Verdict) -> bool:
        wanted = schema.get("type", [])
        wanted = wanted if isinstance(wanted, list) else [wanted]
        ok = not wanted or any(self.is_type(name, value) for name in wanted)
        ok &= "enum" not in schema or identity(value) in map(identity, schema["enum"])
        return ok and ("const" not in schema or identity(value) == identity(schema["const"]))

    def is_type(self, name: str, value: Any) -> bool:
        if name in ("number", "integer"):
            whole = (
                isinstance(value, int) if self.year < 2017 else is_number(value) and Fraction(value).denominator == 1
            )
            return is_number(value) and (name == "number" or whole)
        python = {"null": type(None), "boolean": bool, "string": str, "array": list, "object": dict}
        return isinstance(value, python[name])

    def scalars(self, schema: dict[str, Any], value: Any, verdict: Verdict) -> bool:
        if isinstance(value, str):
            return (
                schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
                and ("pattern" not in schema or re.search(schema["pattern"], value) is not None)
                and ("format" not in schema or self.is_format(schema["format"], value))
            )
        return not is_number(value) or self.number(schema, Fraction(value))

    def number(self, schema: dict[str, Any], value: Fraction) -> bool:
        ok = "multipleOf" not in schema or (value / Fraction(schema["multipleOf"])).denominator == 1
        for word, sign in (("minimum", 1), ("maximum", -1)):
            exclusive = schema.get("exclusive" + word.capitalize(), False)
            if word in schema:
                distance = (value - Fraction(schema[word])) * sign
                ok &= distance > 0 if exclusive is True else distance >= 0
            if not isinstance(exclusive, bool):
                ok &= (value - Fraction(exclusive)) * sign > 0
        return ok

    # ---- objects and arrays --------------------------------------------------------------------------------

    def members(self, schema: dict[str, Any], value: Any, verdict: Verdict) -> bool:
        if not isinstance(value, dict):
            return True
        ok = schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value))
        ok &= set(schema.get("required", [])) <= value.keys()
        ok &= all([self.holds(schema.get("propertyNames", True), name) for name in value])
        for name, member in value.items():
            asked = [schema["properties"][name]] if name in schema.get("properties", {}) else []
            asked += [sub for text, sub in schema.get("patternProperties", {}).items() if re.search(text, name)]
            if not asked and "additionalProperties" in schema:
                asked = [schema["additionalProperties"]]
            if asked:
                verdict.keys.add(name)
            ok &= all([self.holds(sub, member) for sub in asked])
        return ok

    def elements(self, schema: dict[str, Any], value: Any, verdict: Verdict) -> bool:
        if not isinstance(value, list):
            return True
        ok = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        ok &= not schema.get("uniqueItems", False) or len(set(map(identity, value))) == len(value)
        prefix, rest = self.prefix_and_rest(schema)
        for i, item in enumerate(value):
            sub = prefix[i] if i < len(prefix) else rest
            if sub is not None:
                verdict.items.add(i)
                ok &= self.holds(sub, item)
        if "contains" in schema:
            found = {i for i, item in enumerate(value) if self.holds(schema["contains"], item)}
            counts = schema if self.year >= 2019 else {}
            ok &= counts.get("minContains", 1) <= len(found) <= counts.get("maxContains", len(found))
            if self.year >= 2020:
                verdict.items |= found
        return ok

    def prefix_and_rest(self, schema: dict[str, Any]) -> tuple[list[Any], Any]:
        if self.year >= 2020:
            return schema.get("prefixItems", []), schema.get("items")
        if isinstance(schema.get("items"), list):
            return schema["items"], schema.get("additionalItems")
        return [], schema.get("items")

    def unevaluated(self, schema: dict[str, Any], value: Any, verdict: Verdict) -> bool:
        """Last of all, when all annotations are there."""
        ok = True
        if isinstance(value, dict) and "unevaluatedProperties" in schema:
            left = value.keys() - verdict.keys
            ok &= all([self.holds(schema["unevaluatedProperties"], value[name]) for name in left])
            verdict.keys |= left
        if isinstance(value, list) and "unevaluatedItems" in schema:
            places = set(range(len(value))) - verdict.items
            ok &= all([self.holds(schema["unevaluatedItems"], value[i]) for i in places])
            verdict.items |= places
        return ok


CHECKS: list[Callable[[Validator, dict[str, Any], Any, Verdict], bool]] = [
    Validator.kind,
    Validator.scalars,
    Validator.members,
    Validator.elements,
    Validator.logic,
    Validator.dependencies,
    Validator.unevaluated,
]
