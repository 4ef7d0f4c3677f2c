"""GBNF and W3C EBNF: generated grammars against membership by the definitions (``naive/bnf.py``)."""

from __future__ import annotations

import warnings
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from naive import bnf
from naive.bnf import Either, Gbnf, Less, Name, Node, Row, Set, Text, Times, W3c

import constrain
from constrain.errors import GrammarError, GrammarWarning
from constrain.ir.grammar import Grammar
from constrain.members import random_member
from constrain.testing import byte_vocabulary

SYMBOLS = "abc\"'\\]^-#\né🍞"
NAMES = ("root", "a-b", "x1")
SETS = st.builds(
    Set,
    st.lists(
        st.sampled_from(["aa", "ac", "bé", "--", "]^", "\\\\", "\n#", "é🍞"]).map(tuple),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.booleans(),
)  # fmt: skip
TEXTS = st.text(SYMBOLS, max_size=3).map(Text)
COUNTS = st.sampled_from([(0, None), (0, None), (1, None), (0, 1), (2, 2), (1, 3), (2, None), (0, 2), (0, 0)])
MARKS = st.sampled_from([(0, None), (1, None), (0, 1)])


def nodes(
    leaves: st.SearchStrategy[Node], counts: st.SearchStrategy[tuple[int, int | None]]
) -> st.SearchStrategy[Node]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: Row(tuple(parts))),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: Either(tuple(parts))),
            st.tuples(inner, counts).map(lambda pair: Times(pair[0], *pair[1])),
        ),
        max_leaves=6,
    )


REFERENCES = st.sampled_from(NAMES).map(Name)
RULES = st.fixed_dictionaries({name: nodes(st.one_of(TEXTS, SETS, REFERENCES, REFERENCES), COUNTS) for name in NAMES})
FLAT = nodes(st.one_of(TEXTS, SETS, st.just(Name("x1"))), MARKS)
W3C_LEAVES = st.one_of(TEXTS, SETS, REFERENCES, st.builds(Less, FLAT, FLAT))
W3C_RULES = st.fixed_dictionaries(
    {"root": nodes(W3C_LEAVES, MARKS), "a-b": nodes(W3C_LEAVES, MARKS), "x1": nodes(st.one_of(TEXTS, SETS), MARKS)}
)


def probes(grammar: Grammar, rng: Random) -> set[str]:
    """Members, their near misses, and short texts over the symbols."""
    found = {""}
    for _ in range(4):
        try:
            text = random_member(grammar, rng, size=6).decode()
        except GrammarError:  # the language is empty
            break
        if len(text) <= 9:
            found |= {text, text[:-1], text + rng.choice(SYMBOLS)}
            place = rng.randrange(len(text) + 1)
            found.add(text[:place] + rng.choice(SYMBOLS) + text[place + rng.randint(0, 1) :])
    found |= {"".join(rng.choice(SYMBOLS) for _ in range(rng.randint(1, 4))) for _ in range(4)}
    return found


def compare(grammar: Grammar, rules: dict[str, Node], rng: Random) -> None:
    texts = probes(grammar, rng)
    expected = {text for text in texts if bnf.accepts(rules, "root", text)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GrammarWarning)  # rules that nothing needs, or that match nothing
            automaton = constrain.compile(grammar, byte_vocabulary())
    except GrammarError as error:
        assert "no text at all matches" in str(error) and not expected
        return
    got = set()
    for text in texts:
        state = automaton.advance_bytes(automaton.start(), text.encode())
        if state is not None and automaton.is_accepting(state):
            got.add(text)
    assert got == expected


@given(RULES, st.integers(0, 1 << 30))
@settings(max_examples=300)
def test_gbnf_against_the_definitions(rules: dict[str, Node], seed: int) -> None:
    rng = Random(seed)
    source = Gbnf(rng).grammar(rules)
    compare(constrain.gbnf(source), rules, rng)
    compare(constrain.ebnf(source), rules, rng)  # it defines root


@given(W3C_RULES, st.integers(0, 1 << 30))
@settings(max_examples=300)
def test_w3c_against_the_definitions(rules: dict[str, Node], seed: int) -> None:
    rng = Random(seed)
    compare(constrain.ebnf(W3c(rng).grammar(rules), dialect="w3c"), rules, rng)
