"""Random members: always members (by the naive twin), always an end, an error where there is none."""

from __future__ import annotations

from random import Random

import pytest
from data.grammars import CASES, Case
from hypothesis import given, settings
from naive.language import accepts, is_prefix, matches
from naive.rx import ALPHABETS, inhabited
from strategies import grammars, randoms, terminals

from constrain.errors import GrammarError
from constrain.ir import rx
from constrain.ir.grammar import NEVER, Choice, Grammar, Joined, Literal, Ref, Repeat, Seq, Terminal
from constrain.members import random_member, rule_costs, sample_terminal

CURATED = [pytest.param(case, id=case.name) for case in CASES]


@pytest.mark.parametrize("case", CURATED)
def test_members_of_curated_grammars(case: Case) -> None:
    rng = Random(case.name)
    for size in (0, 3, 8, 15):
        text = random_member(case.grammar, rng, size=size)
        assert accepts(case.grammar, text), text


@given(grammars(), randoms())
@settings(max_examples=40)
def test_members_of_random_grammars(grammar: Grammar, rng: Random) -> None:
    if is_prefix(grammar, b""):
        text = random_member(grammar, rng, size=8)
        assert len(text) > 40 or accepts(grammar, text), text
    else:
        with pytest.raises(GrammarError, match="rule 's': no text"):
            random_member(grammar, rng)


@given(terminals(), randoms())
@settings(max_examples=150)
def test_members_of_random_terminals(terminal: Terminal, rng: Random) -> None:
    if inhabited(terminal.rx, terminal.low, terminal.high, ALPHABETS[terminal.encoding]):
        for size in (0, 6):
            assert matches(terminal, sample_terminal(terminal, rng, size))
    else:
        with pytest.raises(GrammarError, match="terminal"):
            sample_terminal(terminal, rng, 6)


def test_the_same_seed_gives_the_same_member() -> None:
    grammar = next(case.grammar for case in CASES if case.name == "JSON")
    texts = [[random_member(grammar, Random(seed)) for seed in range(12)] for _ in range(2)]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 8


def test_every_short_member_comes_out() -> None:
    grammar = next(case.grammar for case in CASES if case.name == "joined, some required")
    texts = {random_member(grammar, Random(seed)) for seed in range(200)}
    assert texts == {b"b, d", b"a, b, d", b"b, c, d", b"a, b, c, d"}


def test_growth_ends_where_every_choice_but_one_grows() -> None:
    grammar = Grammar("s", {"s": Choice(*[Seq(Ref("s"), Ref("s"), Literal(b"x"))] * 9, Literal(b"y"))})
    assert all(accepts(grammar, random_member(grammar, Random(seed), size=20)) for seed in range(5))


def test_deep_grammars_need_no_deep_recursion() -> None:
    rules = {f"r{i}": Seq(Literal(b"("), Ref(f"r{i + 1}"), Literal(b")")) for i in range(5000)}
    grammar = Grammar("r0", {**rules, "r5000": Literal(b"x")})
    assert random_member(grammar, Random(0)) == b"(" * 5000 + b"x" + b")" * 5000


def test_costs_choose_the_cheap_way_not_the_flat_one() -> None:
    doubling = {f"d{i}": Seq(Ref(f"d{i + 1}"), Ref(f"d{i + 1}")) for i in range(60)}
    chain = {f"c{i}": Ref(f"c{i + 1}") for i in range(70)}
    rules = {"s": Choice(Ref("d0"), Ref("c0")), **doubling, "d60": Literal(b"x"), **chain, "c70": Literal(b"y")}
    assert random_member(Grammar("s", rules), Random(0), size=0) == b"y"


def test_a_separator_without_members_allows_one_item() -> None:
    items = ((Literal(b"a"), False), (Literal(b"b"), False))
    grammar = Grammar("s", {"s": Joined(items, NEVER)})
    assert {random_member(grammar, Random(seed)) for seed in range(40)} == {b"", b"a", b"b"}


def test_windows_and_large_counts() -> None:
    letters = rx.repeat(rx.chars(((97, 122),)), 0, None)
    grammar = Grammar("s", {"s": Seq(Terminal(letters, low=300, high=310), Repeat(Literal(b"!"), 500, 500))})
    text = random_member(grammar, Random(1), size=5)
    assert 300 <= len(text) - 500 <= 310 and text.endswith(b"!" * 500)


@pytest.mark.parametrize(
    "rules,message",
    [
        ({"s": Seq(Literal(b"a"), Ref("s"))}, "rule 's': no text at all matches"),
        ({"s": Terminal(rx.literal("ab"), low=3)}, "rule 's': no text at all matches"),
        ({"s": Ref("t")}, "rule 's': there is no rule 't'"),
        ({"t": Literal(b"a")}, "there is no rule 's'"),
    ],
)
def test_grammars_without_members(rules: dict, message: str) -> None:
    with pytest.raises(GrammarError, match=message):
        random_member(Grammar("s", rules), Random(0))


def test_costs_of_rules_without_members_are_infinite() -> None:
    rules = {"s": Choice(Ref("dead"), Literal(b"a")), "dead": Seq(Ref("dead")), "user": Seq(Ref("s"), Ref("dead"))}
    costs = rule_costs(Grammar("s", rules))
    assert costs["dead"] == costs["user"] == float("inf") and costs["s"] < 10
