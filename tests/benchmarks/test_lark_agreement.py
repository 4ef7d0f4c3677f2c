"""The comparison of Lark with the engine on generated grammars: a few of each kind, and that it can find something."""

from __future__ import annotations

from collections import Counter
from random import Random

import lark
import pytest

import constrain
from benchmarks.lark_agreement import DIFFERENCES, MODES, compare, judge, table
from benchmarks.lark_generated import POOLS, Texts, grammar, load
from constrain.testing import byte_vocabulary


@pytest.mark.parametrize("name", list(POOLS))
@pytest.mark.parametrize("seed", range(4))
def test_lark_and_the_engine_agree(name: str, seed: int) -> None:
    random, counts = Random(f"{name} {seed}"), Counter[tuple[str, str]]()
    source = grammar(POOLS[name], random)
    for mode in MODES:
        compare(name, source, mode, random, counts, 6)
    assert not any(kind in DIFFERENCES for _, kind in counts), source


def test_differences_are_told() -> None:
    loaded = lark.Lark('start: "a" | "b"')
    engine = constrain.compile(constrain.regex("a|c"), byte_vocabulary())
    assert [judge(loaded, engine, text) for text in ("a", "b", "c", "d")] == [
        "members",
        "MISSING",
        "TOO MUCH",
        "others",
    ]
    assert "| lalr/basic | 0 | 0 | 0 | 1 | 0 |" in table(Counter({("lalr/basic", "MISSING"): 1}))


def test_many_of_the_texts_are_members() -> None:
    """The generator knows rules and patterns but no lexer: with one character for each terminal they all are."""
    source = 'start: (A B | "c" start)+\nA: "a"\nB: /[bB]/\n%ignore " "\n'
    loaded = load(source, "lalr", "contextual")
    assert loaded is not None
    texts = Texts(loaded, "abc ", Random(1))
    members = [texts.member("start") for _ in range(40)]
    assert len(set(members)) > 20
    for text in members:
        loaded.parse(text)
    assert any(texts.near(text) not in members for text in members)
