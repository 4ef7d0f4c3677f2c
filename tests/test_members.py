"""Random members: always members (by the naive twin), never too long, always an end, an error where there is none."""

from __future__ import annotations

import json
from itertools import product
from math import inf
from random import Random

import pytest
from data.grammars import CASES, Case
from hypothesis import assume, given, settings
from naive.language import accepts, is_prefix, matches
from naive.rx import ALPHABETS, inhabited
from strategies import grammars, random_bag_grammar, randoms, terminals

import constrain
from constrain.errors import GrammarError
from constrain.ir import rx
from constrain.ir.grammar import NEVER, Choice, Grammar, Joined, Literal, Ref, Repeat, Seq, Terminal
from constrain.members import Language, RandomChoices, random_member
from constrain.members.costs import Costs, size_of
from constrain.members.strings import Strings

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
    strings = Strings(terminal)
    if not inhabited(terminal.rx, terminal.low, terminal.high, ALPHABETS[terminal.encoding]):
        assert strings.least == inf and list(strings.shortest(1)) == []
        return
    for spare in (0, 6):
        symbols = strings.choose(RandomChoices(rng), spare)
        text = strings.spell(symbols)
        assert matches(terminal, text) and len(text) <= strings.least + spare
        assert matches(terminal, freely := strings.spell_freely(symbols, _Unusual(rng), 20)), freely
        assert len(freely) <= len(text) + 20


class _Unusual(RandomChoices):
    def rare(self) -> bool:
        return True


@given(terminals())
@settings(max_examples=100)
def test_shortest_strings_come_first_and_are_different(terminal: Terminal) -> None:
    strings = Strings(terminal)
    words = list(strings.shortest(12))
    sizes = [len(strings.spell(word)) for word in words]
    assert sizes == sorted(sizes) and sizes[:1] == [strings.least][: len(sizes)]
    assert len({tuple(word) for word in words}) == len(words)
    assert all(matches(terminal, strings.spell(word)) for word in words)
    values = {terminal.encoding[0] + "".join(map(chr, word)) for word in words}
    besides = strings.first_besides(values)
    assert (besides is None) == (len(words) < 12)
    assert besides is None or terminal.encoding[0] + "".join(map(chr, besides)) not in values


@given(grammars(), randoms())
@settings(max_examples=60)
def test_no_member_is_longer_than_asked_for_and_the_least_is_the_least(grammar: Grammar, rng: Random) -> None:
    assume(is_prefix(grammar, b""))
    language = Language(grammar)
    assert len(language.member(RandomChoices(rng), 0)) == language.least
    assert all(len(language.member(RandomChoices(rng), spare)) <= language.least + spare for spare in (1, 3, 9))
    shorter = (bytes(t) for n in range(min(language.least, 3)) for t in product(b'abc,"', repeat=n))
    assert not any(accepts(grammar, text) for text in shorter)


@given(randoms())
@settings(max_examples=150)
def test_bags_keep_to_their_bound_too(rng: Random) -> None:
    grammar = random_bag_grammar(rng)
    try:
        language = Language(grammar)
    except GrammarError:
        return
    for spare in (0, 2, 7, 20):
        text = language.member(RandomChoices(rng), spare)
        assert len(text) <= language.least + spare
        assert len(text) > 14 or accepts(grammar, text), text


def test_keys_that_must_differ() -> None:
    schema = {"type": "object", "minProperties": 3, "additionalProperties": {"const": 1}}
    grammar = constrain.json_schema(schema, whitespace="compact")
    language = Language(grammar)
    assert language.member(RandomChoices(Random(0)), 0) == b'{"":1,"0":1,"1":1}' and language.least == 18
    for seed in range(30):
        text = language.member(RandomChoices(Random(seed)), 25)
        assert len(json.loads(text)) >= 3 and len(text) <= 18 + 25


def test_rules_that_go_round_without_writing_end() -> None:
    rules = {
        "s": Choice(Seq(Ref("s"), Ref("s")), Ref("t"), Literal(b"x"), Literal(b"")),
        "t": Repeat(Ref("s"), 0, None),
    }
    for seed in range(20):
        assert len(random_member(Grammar("s", rules), Random(seed), size=10)) <= 10


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
    costs = Costs(Grammar("s", rules)).rules
    assert costs["dead"] == costs["user"] == inf and size_of(costs["s"]) == 1
