"""Comparison of languages: by enumeration of all short texts, on patterns whose answer is known, on random ones."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, given, settings
from naive.language import accepts, is_prefix
from strategies import grammars

import constrain
from constrain.errors import LimitExceeded
from constrain.ir.grammar import Choice, Grammar, Literal, Ref, Seq
from constrain.testing import LanguagesDiffer, assert_equivalent, assert_subset, find_difference

regex = constrain.regex
JSON = constrain.lark(Path(__file__).parents[2] / "grammars/json.lark")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("(a|b)*", "(a*b*)*"),
        ("a(ba)*", "(ab)*a"),
        (r"\d{2,4}", r"\d\d\d?\d?"),
        ("[^a]", "(?s:[b-z]|[^a-z])"),
        ("(0|1(01*0)*1)+", "(0|11|10(1|00)*01)+"),
        ("é|è", "[èé]"),
    ],
)
def test_equal_patterns_are_found_equal_exactly(a: str, b: str) -> None:
    found = find_difference(regex(a), regex(b))
    assert not found and found.exact and found.complete_to is None and found.witness is None
    assert str(found) == "no difference: all texts have been compared"
    assert_equivalent(regex(a), regex(b))


@pytest.mark.parametrize(
    ("a", "b", "witness", "side"),
    [
        ("(a|b)*abb", "(a|b)*ab", "ab", "b"),
        ("a{1,300}", "a{1,299}", "a" * 300, "a"),
        ("x*", "x+", "", "a"),
        (r"\d+", "[0-9]+", "\u0660", "a"),
        ("[a-z]+", "[a-y]+", "z", "a"),
    ],
)
def test_shortest_witness(a: str, b: str, witness: str, side: str) -> None:
    found = find_difference(regex(a), regex(b))
    assert (found.witness, found.accepted_by, found.exact, found.is_prefix) == (witness, side, True, False)
    assert str(found) == f"{witness!r} is a text of {side} and not of {'ab'.replace(side, '')}"
    other = find_difference(regex(b), regex(a))
    assert (other.witness, other.accepted_by) == (witness, "ab".replace(side, ""))


ALPHABET = "abc"
TEXTS = ["".join(text) for length in range(6) for text in product(ALPHABET, repeat=length)]


def random_pattern(rng: Random, depth: int = 3) -> str:
    if depth == 0:
        return rng.choice(("a", "b", "c", "ab", "[bc]", ""))
    a, b = random_pattern(rng, depth - 1), random_pattern(rng, depth - 1)
    return rng.choice((f"(?:{a}|{b})", f"{a}{b}", f"(?:{a})*", f"(?:{a})?", f"(?:{a}){{1,2}}{b}"))


@pytest.mark.parametrize("seed", range(120))
def test_random_patterns_by_enumeration(seed: int) -> None:
    rng = Random(seed)
    patterns = [random_pattern(rng) for _ in range(2)]
    found = find_difference(*map(regex, patterns))
    assert found.exact
    compiled = [re.compile(pattern) for pattern in patterns]
    verdicts = ([bool(pattern.fullmatch(text)) for pattern in compiled] for text in TEXTS)
    differing = [text for text, (a, b) in zip(TEXTS, verdicts, strict=True) if a != b]
    if differing:
        assert isinstance(found.witness, str) and len(found.witness) == len(differing[0])
    if found:
        assert isinstance(found.witness, str)
        a, b = (bool(pattern.fullmatch(found.witness)) for pattern in compiled)
        assert a != b and found.accepted_by == ("a" if a else "b")
        assert len(found.witness) > 5 or differing
    only_a = next((t for t in TEXTS if compiled[0].fullmatch(t) and not compiled[1].fullmatch(t)), None)
    try:
        assert_subset(*map(regex, patterns))
        assert only_a is None
    except LanguagesDiffer as error:
        witness = error.comparison.witness
        assert isinstance(witness, str) and error.comparison.accepted_by == "a"
        assert compiled[0].fullmatch(witness) and not compiled[1].fullmatch(witness)
        assert len(witness) > 5 or (only_a is not None and len(only_a) == len(witness))


@given(grammars(with_terminals=False), grammars(with_terminals=False))
@settings(max_examples=60)
def test_random_grammars_by_the_naive_twin(a: Grammar, b: Grammar) -> None:
    assume(is_prefix(a, b"") and is_prefix(b, b""))
    found = find_difference(a, b, up_to=3, max_pairs=20_000)
    texts = [bytes(text) for n in range(4) for text in product(b'abc"\xc3\xa9', repeat=n)]
    differing = [text for text in texts if accepts(a, text) != accepts(b, text)]
    if found:
        assert not found.is_prefix and found.witness is not None
        data = found.witness.encode() if isinstance(found.witness, str) else found.witness
        assert accepts(a, data) != accepts(b, data) and len(data) == len(differing[0])
    else:
        assert not differing and (found.exact or found.complete_to == 3)


def nested(*inner: bytes) -> Grammar:
    """Brackets, with one of the texts in the middle."""
    return Grammar("s", {"s": Choice(Seq(Literal(b"("), Ref("s"), Literal(b")")), *map(Literal, inner))})


def test_nesting_is_compared_as_far_as_asked() -> None:
    found = find_difference(nested(b"x"), nested(b"x"), max_pairs=100)
    assert not found and not found.exact and found.complete_to is not None and found.complete_to > 20
    assert f"texts of up to {found.complete_to} bytes; longer ones have not" in str(found)
    assert find_difference(nested(b"x"), nested(b"x"), up_to=9).complete_to == 9
    assert_equivalent(nested(b"x"), nested(b"x"), up_to=30)
    with pytest.raises(LimitExceeded, match=r"pairs of states: .* pass up_to=\d+ to be content with that"):
        assert_equivalent(nested(b"x"), nested(b"x"), max_pairs=100)
    with pytest.raises(LimitExceeded):
        assert_equivalent(nested(b"x"), nested(b"x"), up_to=10_000, max_pairs=100)


def test_nesting_that_differs_is_found() -> None:
    assert_subset(nested(b"x"), nested(b"x", b"y"), up_to=12)
    with pytest.raises(LanguagesDiffer, match=r"'y' is a text of a and not of b\nb: <text>:1:1: unexpected 'y'"):
        assert_subset(nested(b"x", b"y"), nested(b"x"))


def test_recursion_at_an_end_is_regular_and_decided() -> None:
    right = Grammar("s", {"s": Choice(Seq(Literal(b"a"), Ref("s")), Literal(b"b"))})
    left = Grammar("s", {"s": Seq(Ref("t"), Literal(b"b")), "t": Choice(Seq(Ref("t"), Literal(b"a")), Literal(b""))})
    found = find_difference(right, left)
    assert not found and found.exact
    assert find_difference(left, regex("a*b")).exact


def test_cut_off_beside_a_difference_the_beginning_is_told() -> None:
    """Both begin with many texts, and after "z" the first language goes on for long."""
    found = find_difference(regex("z[ab]{400}|[ab]{9}"), regex("[ab]{9}"), max_pairs=60)
    assert found.is_prefix and found.exact and (found.witness, found.accepted_by) == ("z", "a")
    assert str(found) == "only a has texts that begin with 'z'; b has none"
    with pytest.raises(LanguagesDiffer, match="only a has texts that begin with 'z'"):
        assert_subset(regex("z[ab]{400}|[ab]{9}"), regex("[ab]{9}"), max_pairs=60)


def test_texts_that_are_not_utf_8() -> None:
    assert find_difference(regex(rb"a|\xff"), regex(rb"a")).witness == b"\xff"


def test_schemas() -> None:
    def ages(most: int) -> Grammar:
        properties = {"age": {"type": "integer", "minimum": 5, "maximum": most}}
        schema = {"type": "object", "properties": properties, "additionalProperties": False}
        return constrain.json_schema(schema, whitespace="compact")

    found = find_difference(ages(100), ages(101))
    assert (found.witness, found.accepted_by) == ('{"age":101}', "b")
    assert_subset(ages(100), ages(101))
    assert_subset(ages(100), JSON)
