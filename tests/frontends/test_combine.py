"""Grammars put together in Python: their languages as sets of texts, and what has to survive being embedded."""

from __future__ import annotations

import gc
import json
import warnings
import weakref
from collections.abc import Callable
from itertools import pairwise, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.language import accepts
from strategies import random_grammar

import constrain
from constrain.errors import GrammarError, GrammarWarning
from constrain.frontends.embedding import Piece
from constrain.ir.grammar import Choice, Grammar, Literal, Ref, RulesOnDemand, Seq
from constrain.members import random_member
from constrain.testing import byte_vocabulary
from constrain.tokens.pushdown import PushdownAutomaton

BYTES = byte_vocabulary()
LONGEST = 3
TEXTS = ["".join(letters) for n in range(LONGEST + 1) for letters in product("abc", repeat=n)]
Language = frozenset[str]


def compiled(grammar: Grammar) -> PushdownAutomaton:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GrammarWarning)  # parts of random grammars match nothing
        return constrain.compile(grammar, BYTES)


def takes(grammar: Grammar, text: str) -> bool:
    automaton = compiled(grammar)
    state = automaton.advance_bytes(automaton.start(), text.encode())
    return state is not None and automaton.is_accepting(state)


# --- languages of what is put together, by the definitions ---------------------------------------------------------


def joined(*parts: Language) -> Language:
    found = frozenset({""})
    for part in parts:
        found = frozenset(x + y for x in found for y in part if len(x + y) <= LONGEST)
    return found


def repeated(part: Language, low: int, high: int | None, separator: Language) -> Language:
    """By the count of items; texts are short, so more than six tell nothing new unless all are empty."""
    found: set[str] = set()
    for count in range(low, (low + 6 if high is None else high) + 1):
        parts = [part] * (2 * count - 1) if count else []
        parts[1::2] = [separator] * len(parts[1::2])
        found |= joined(*parts)
    return frozenset(found)


def random_piece(rng: Random, depth: int, leaves: list[tuple[Piece, Language]]) -> tuple[Piece, Language]:
    """A piece, and its members among the short texts."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(leaves)

    def below() -> tuple[Piece, Language]:
        return random_piece(rng, depth - 1, leaves)

    kind = rng.choice(["sequence", "sequence", "choices", "repeat", "optional"])
    if kind == "repeat":
        (part, inner), (separator, between) = below(), rng.choice([("", frozenset({""})), below()])
        low, high = rng.choice([(0, None), (1, None), (2, 3), (0, 1), (0, 0), (1, 2)])
        return constrain.repeat(part, low, high, separator=separator), repeated(inner, low, high, between)
    if kind == "optional":
        part, inner = below()
        return constrain.optional(part), inner | {""}
    parts = [below() for _ in range(rng.randint(1, 3))]
    if kind == "choices":
        return constrain.choices([part for part, _ in parts]), frozenset().union(*(inner for _, inner in parts))
    return constrain.sequence(*(part for part, _ in parts)), joined(*(inner for _, inner in parts))


def members(grammar: Grammar) -> Language:
    return frozenset(text for text in TEXTS if accepts(grammar, text.encode()))


@given(st.randoms(use_true_random=False))
@settings(max_examples=120)
def test_languages(rng: Random) -> None:
    """Parts are texts, patterns, recursive rules, and random grammars whose rules have the same names."""
    whole = [constrain.regex("[ab]*c?"), constrain.regex("a|"), random_grammar(rng), random_grammar(rng)]
    leaves: list[tuple[Piece, Language]] = [(text, frozenset({text})) for text in ["a", "bc", ""]]
    leaves += [(grammar, members(grammar)) for grammar in whole]
    nest = constrain.Rule("s")
    leaves.append((nest.define(constrain.choices(["b", constrain.sequence("a", nest, "c")])), frozenset({"b", "abc"})))
    piece, language = random_piece(rng, 3, leaves)
    grammar = constrain.sequence(piece)
    try:
        automaton = compiled(grammar)
    except GrammarError as error:  # a random grammar without members, say
        assert "no text at all matches" in str(error) and not language
        return
    for text in TEXTS:
        state = automaton.advance_bytes(automaton.start(), text.encode())
        assert (state is not None and automaton.is_accepting(state)) == (text in language), (str(grammar), text)


# --- choices -------------------------------------------------------------------------------------------------------


@given(st.lists(st.text("abé", max_size=4), min_size=1, max_size=6))
def test_choices_of_texts(texts: list[str]) -> None:
    for options in (texts, [text.encode() for text in texts], [texts[0].encode(), *texts[1:]]):
        automaton = compiled(constrain.choices(options))
        for text in [*TEXTS, *texts, texts[0] + "a", texts[-1][:-1]]:
            state = automaton.advance_bytes(automaton.start(), text.encode())
            assert (state is not None and automaton.is_accepting(state)) == (text in texts)


def test_choices_of_bytes_need_not_be_text() -> None:
    automaton = compiled(constrain.choices([b"\xff\x00", b"\xff"]))
    assert [automaton.is_accepting(automaton.advance_bytes(automaton.start(), t)) for t in (b"\xff", b"\xff\x00")] == [
        True
    ] * 2
    assert automaton.advance_bytes(automaton.start(), b"\x00") is None


def test_many_choices_are_one_automaton() -> None:
    words = [f"{n * n:x}" for n in range(5_000)]
    automaton = compiled(constrain.choices(words))
    assert len(list(automaton.configurations(automaton.start()))) == 1
    for word in words[::500]:
        assert automaton.is_accepting(automaton.advance_bytes(automaton.start(), word.encode()))


def test_messages_name_the_choices() -> None:
    automaton = compiled(constrain.choices(["yes", "no"]))
    assert "'yes' | 'no'" in automaton.explain(automaton.start(), ord("x"))
    automaton = compiled(constrain.choices([f"option {n}" for n in range(100)]))
    assert "one of 100 texts" in automaton.explain(automaton.start(), ord("x"))


# --- rules ---------------------------------------------------------------------------------------------------------


def test_rules_may_be_defined_later_and_refer_to_each_other() -> None:
    term, product_ = constrain.Rule("term"), constrain.Rule("product")
    expression = constrain.repeat(product_, 1, separator="+")
    product_.define(constrain.repeat(term, 1, separator="*"))
    term.define(constrain.choices([constrain.regex("[0-9]"), constrain.sequence("(", expression, ")")]))
    assert [takes(constrain.sequence(expression), text) for text in ["1+2*(3+4)", "(1)", "1+", "()"]] == [1, 1, 0, 0]


def test_left_recursion_and_rules_of_one_name() -> None:
    left, other = constrain.Rule("list"), constrain.Rule("list")
    left.define(constrain.choices(["x", constrain.sequence(left, ",x")]))
    other.define(constrain.choices(["y", constrain.sequence("[", other, "]")]))
    grammar = constrain.sequence(left, ";", other)
    assert [takes(grammar, text) for text in ["x,x;[[y]]", "x;y", "y;x"]] == [1, 1, 0]
    assert {"list", "list.2"} <= set(grammar.rules)


def test_a_rule_without_a_definition() -> None:
    rule = constrain.Rule("value")
    with pytest.raises(GrammarError, match="value, a Rule without a definition"):
        compiled(constrain.sequence("a", rule))
    rule.define("b")
    assert takes(constrain.sequence("a", rule), "ab")
    with pytest.raises(GrammarError, match="defined already"):
        rule.define("c")


def test_chains_of_rules_and_of_parts_may_be_long() -> None:
    rules = [constrain.Rule(f"r{n}") for n in range(3_000)]
    for rule, below in pairwise(rules):
        rule.body = constrain.sequence("x", below)
    rules[-1].body = "y"
    assert len(constrain.sequence(rules[0]).rules) >= 3_000
    part = constrain.sequence("a")
    for _ in range(40):  # 2 ** 40 letters, if each part were written where it stands
        part = constrain.sequence(part, part)
    assert len(part.rules) < 50


# --- what survives -------------------------------------------------------------------------------------------------

TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "additionalProperties": False,
        }
    },
}
FREE = {"type": "object", "properties": {"meta": {}, "list": {"type": "array", "items": {"type": "object"}}}}


def check_schemas(grammar: Grammar, spelled: Callable[[str, str], str]) -> None:
    good = {"name": "a", "kids": [{"kids": [{"name": "b"}]}]}, {"meta": {"x": [1]}, "list": [{"y": {}}], "z": None}
    bad = {"name": "a", "kids": [{"kid": []}]}, {"meta": 0, "list": [0]}
    assert takes(grammar, spelled(json.dumps(good[0]), json.dumps(good[1])))
    assert not takes(grammar, spelled(json.dumps(bad[0]), json.dumps(good[1])))
    assert not takes(grammar, spelled(json.dumps(good[0]), json.dumps(bad[1])))


@pytest.mark.parametrize("whitespace", ["any", "json"])
def test_schemas_inside_text_and_inside_recursive_rules(whitespace: str) -> None:
    tree, free = constrain.json_schema(TREE), constrain.json_schema(FREE, whitespace=whitespace)
    whole = constrain.sequence(
        "tree: ", tree, "\n", constrain.repeat(free, 1, 2, separator="; "), constrain.optional(tree)
    )
    check_schemas(whole, lambda x, y: f"tree: {x}\n{y}")
    check_schemas(whole, lambda x, y: f"tree: {x}\n{y}; {y}{x}")
    call = constrain.Rule("call")
    call.define(constrain.sequence("f(", constrain.choices([tree, call]), ", ", free, ")"))
    check_schemas(constrain.sequence(call), lambda x, y: f"f(f({x}, {y}), {y})")


def test_rules_on_demand_still_wait() -> None:
    tree, free = constrain.json_schema(TREE), constrain.json_schema(FREE)
    assert isinstance(tree.rules, RulesOnDemand) and isinstance(free.rules, RulesOnDemand)
    inner = constrain.sequence(tree, "\n", free)
    whole = constrain.choices([constrain.sequence("a", inner), inner, tree])
    assert isinstance(whole.rules, RulesOnDemand)
    assert whole.rules.waiting and whole.rules.common is free.rules.common
    assert len([name for name in {*whole.rules.made, *whole.rules.waiting} if "node/" in name]) <= 1, (
        "one tree is enough"
    )
    waiting = set(tree.rules.waiting)
    takes(whole, '{"name": "a"}')
    assert set(tree.rules.waiting) == waiting
    takes(whole, '{"kids": [{"kids": []}]}')
    assert set(tree.rules.waiting) < waiting
    assert "{" in random_member(whole, Random(1)).decode()  # looks at all rules


def test_a_grammar_is_let_go_of_at_once() -> None:
    gc.collect()
    gc.disable()
    try:
        whole = constrain.sequence("a", constrain.json_schema(TREE))
        assert isinstance(whole.rules, RulesOnDemand) and whole.rules.waiting
        rules, later = weakref.ref(whole.rules), whole.rules.waiting
        del whole
        assert rules() is None and not later
    finally:
        gc.enable()


def test_bags_and_what_is_not_enforced_survive() -> None:
    schema = {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True, "minItems": 2}
    bag = constrain.json_schema(schema)
    members = {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a", "b"]}
    pair = constrain.json_schema(members, property_order="any")
    loose = constrain.json_schema({"type": "string", "format": "made-up"}, on_unsupported="record", formats="strict")
    assert loose.unenforced
    whole = constrain.repeat(constrain.choices([bag, pair, loose]), 1, separator=" | ")
    assert whole.unenforced == loose.unenforced
    assert [
        takes(whole, text)
        for text in [
            "[1, 2]",
            "[1, 1]",
            '[2, 1] | {"b": 1, "a": 2}',
            '{"b": 1}',
            '{"a": 1, "a": 2, "b": 3}',
            '"x" | [3, 2]',
        ]
    ] == [1, 0, 1, 0, 0, 1]


def test_lark_inside_and_names_that_are_taken() -> None:
    words = constrain.lark('start: item ("," item)*\nitem: "x" | "(" start ")"')
    item = constrain.Rule("item")
    item.define(constrain.choices([constrain.sequence("<", words, ">"), constrain.sequence("{", item, "}")]))
    assert [takes(constrain.sequence(item), text) for text in ["<x,(x,x)>", "{{<x>}}", "<{x}>"]] == [1, 1, 0]


def test_a_missing_rule_is_told_as_ever() -> None:
    with pytest.raises(GrammarError, match="rule 'b' is not defined"):
        compiled(constrain.sequence("x", Grammar("a", {"a": Seq(Literal(b"x"), Choice(Ref("b")))})))


# --- misuse --------------------------------------------------------------------------------------------------------


def test_misuse() -> None:
    with pytest.raises(GrammarError, match="a choice of nothing"):
        constrain.choices([])
    with pytest.raises(TypeError, match="takes a list of options, not one str"):
        constrain.choices("abc")
    with pytest.raises(TypeError, match="not int"):
        constrain.choices(["a", 1])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="not list; a list goes to choices"):
        constrain.sequence(["a", "b"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="low <= high"):
        constrain.repeat("a", 3, 2)
    for build in (
        constrain.sequence,
        lambda text: constrain.choices([text]),
        lambda text: constrain.choices(["a", text]),
    ):
        with pytest.raises(GrammarError, match=r"lone surrogate, U\+D800"):
            build("a\ud800")
