"""JSON Schema at random: schemas over all keywords and values, against the definitions and against ``jsonschema``."""

from __future__ import annotations

import json
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import event, given, note, settings
from json_schema_generators import GROUPS, KEYS, LOGIC, YEARS, Maker, mutated, towards
from json_schema_oracles import BYTES, ByteEngine, accepts_text, spell, verdict_on
from jsonschema import (
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
    FormatChecker,
)
from naive.json_schema import Validator, parse
from strategies import randoms

import constrain
from benchmarks.walks import Walker, hints
from constrain.errors import GrammarError
from constrain.frontends.json_schema import json_schema_grammar

JSONSCHEMA = {
    "draft-04": Draft4Validator,
    "draft-06": Draft6Validator,
    "draft-07": Draft7Validator,
    "2019-09": Draft201909Validator,
    "2020-12": Draft202012Validator,
}
CHECKER = FormatChecker(["date", "ipv4"])

pytestmark = pytest.mark.filterwarnings("ignore::constrain.errors.GrammarWarning")


class Truth:
    """What the definitions say, and ``jsonschema`` where it can be asked."""

    def __init__(self, schema: Any, draft: str) -> None:
        self.schema = schema
        self.definitions = Validator(schema, YEARS[draft], lambda name, value: CHECKER.conforms(value, name))
        self.package = JSONSCHEMA[draft](schema, format_checker=CHECKER)
        self.can_differ = "unevaluated" in json.dumps(schema)  # the package errs with some annotations

    def is_valid(self, value: Any) -> bool | None:
        """``None``: the schema leads back to itself about the value."""
        try:
            verdict = self.definitions.is_valid(value)
        except RecursionError:
            return None
        if not self.can_differ and is_exact(value):
            try:
                assert self.package.is_valid(floats(value)) == verdict, f"the oracles differ on {value}"
            except (RecursionError, TypeError):  # TypeError: it cannot follow references to true and false
                event("the package gives no verdict")
        return verdict


def floats(value: Any) -> Any:
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, list):
        return [floats(item) for item in value]
    return {name: floats(member) for name, member in value.items()} if isinstance(value, dict) else value


def is_exact(value: Any) -> bool:
    """Can floating point hold all numbers of ``value``?"""
    if isinstance(value, list):
        return all(map(is_exact, value))
    if isinstance(value, dict):
        return all(map(is_exact, value.values()))
    if not isinstance(value, (int, Fraction)):
        return True
    return abs(value) < 2**53 and Fraction(float(value)) == value


def canonical(value: Any) -> Any:
    """Whole numbers without a fraction: where items must differ, only those are written."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [canonical(item) for item in value]
    return {name: canonical(member) for name, member in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("draft", YEARS)
@settings(max_examples=150)
@given(rng=randoms())
def test_verdicts_both_ways(draft: str, rng: Any) -> None:
    """Valid values are accepted, all that is accepted is valid, and what walks over the masks write is valid."""
    schema = Maker(rng, draft).document()
    note(json.dumps(schema))
    rng = Random(rng.getrandbits(32))  # what follows need not shrink
    values = [v for value in (towards(rng, schema, schema) for _ in range(5)) for v in (value, mutated(rng, value))]
    truth = Truth(schema, draft)
    try:
        engine = verdict_on(schema, property_order="any", draft=draft)
    except GrammarError as error:
        assert "leads back to itself" in str(error)
        return
    if not isinstance(engine, ByteEngine):
        event(engine)
        assert engine == "refused" or not any(map(truth.is_valid, values))
        return
    for value in values:
        valid = truth.is_valid(value)
        if valid is not None:
            accepted = engine.text(spell(value)) or engine.text(spell(canonical(value)))
            assert accepted == valid, value
    ordered = constrain.compile(json_schema_grammar(schema, draft=draft), BYTES)
    for automaton in (engine.automaton, ordered):
        walk = Walker(automaton, hints(schema)).walk(rng)
        event(f"walk: {walk.end}")
        assert walk.end in ("finished", "long"), walk
        if walk.end == "finished":
            written = value_of(walk.text)
            assert written is None or truth.is_valid(written[0]) is not False, walk


def value_of(text: bytes) -> tuple[Any] | None:
    """The value in a tuple; ``None`` where its numbers are too large to compute with."""
    try:
        return (parse(text),)
    except OverflowError:
        return None


@settings(max_examples=40)
@given(rng=randoms())
def test_the_engine_says_what_the_definitions_of_grammars_say(rng: Any) -> None:
    schema = Maker(rng, size=5).document()
    note(json.dumps(schema))
    try:
        grammar = json_schema_grammar(schema, property_order="any")
        engine = ByteEngine(grammar)
    except (GrammarError, constrain.errors.LimitExceeded):
        return
    rng = Random(rng.getrandbits(32))
    for _ in range(3):
        text = spell(towards(rng, schema, schema, 2))
        assert engine.text(text) == accepts_text(grammar, text), text


@settings(max_examples=60)
@given(rng=randoms())
def test_declared_order_leaves_out_nothing_but_orders(rng: Any) -> None:
    """Some order of the members is accepted by default exactly if the value is with any order."""
    schema = Maker(rng).document()
    note(json.dumps(schema))
    try:
        free, ordered = (verdict_on(schema, property_order=order) for order in ("any", "schema"))
    except GrammarError:
        return
    if isinstance(free, str) or isinstance(ordered, str):
        assert free == ordered
        return
    rng = Random(rng.getrandbits(32))
    for _ in range(6):
        value = towards(rng, schema, schema)
        assert ordered.value(value) == free.value(value), value
        assert free.text(spell(value)) or not ordered.text(spell(value)), value


@settings(max_examples=60)
@given(rng=randoms())
def test_layouts_agree(rng: Any) -> None:
    schema = Maker(rng).document()
    note(json.dumps(schema))
    try:
        wide, narrow, plain = (
            verdict_on(schema, whitespace=w, property_order="any") for w in ("any", "compact", "json")
        )
    except GrammarError:
        return
    if isinstance(wide, str) or isinstance(narrow, str) or isinstance(plain, str):
        assert wide == narrow == plain
        return
    rng = Random(rng.getrandbits(32))
    for _ in range(4):
        value = towards(rng, schema, schema)
        expected = wide.text(spell(value))
        assert wide.text(json.dumps(value, indent=2, ensure_ascii=False)) == expected
        assert narrow.text(json.dumps(value, separators=(",", ":"), ensure_ascii=False)) == expected
        assert plain.text(spell(value)) == expected


def test_generated_schemas_use_every_keyword() -> None:
    """The generators are of use only if they reach everything."""
    text = json.dumps([Maker(Random(seed), draft, 20).document() for draft in YEARS for seed in range(60)])
    missing = [word for word in (*LOGIC, *(w for words in GROUPS.values() for w in words)) if f'"{word}"' not in text]
    assert missing == [] and all(f'"{key}"' in text for key in KEYS)
