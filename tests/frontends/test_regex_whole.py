"""Positions, look-around, groups that are asked for, atomic groups: against ``re.fullmatch`` on short texts."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pattern_oracles import SHORT, PatternMaker, matches

import constrain
from constrain.errors import GrammarError, LimitExceeded, UnsupportedPattern
from constrain.frontends import look_around
from constrain.frontends.regex import regex_grammar, regex_to_rx
from constrain.members import random_member
from constrain.testing import byte_vocabulary

KINDS = [
    frozenset(),
    frozenset({"look"}),
    frozenset({"atomic"}),
    frozenset({"asked"}),
    frozenset({"look", "atomic", "asked"}),
]
FLAGS = [0, 0, re.M, re.S, re.I, re.A]


def compiled(maker: PatternMaker, flags: int) -> re.Pattern[str]:
    try:
        return re.compile(maker.make(), flags)
    except re.error:  # a reference to an open group, say
        assume(False)
        raise


@given(st.randoms(use_true_random=False), st.sampled_from(KINDS), st.sampled_from(FLAGS))
@settings(max_examples=400)
def test_generated_patterns(rng: Random, kinds: frozenset[str], flags: int) -> None:
    pattern = compiled(PatternMaker(rng, kinds), flags)
    try:
        language = regex_to_rx(pattern.pattern, flags)
    except (UnsupportedPattern, LimitExceeded):
        assume(False)
    for text in SHORT:
        assert matches(language, text) == bool(pattern.fullmatch(text)), (pattern, text)


@given(st.randoms(use_true_random=False), st.sampled_from(KINDS))
@settings(max_examples=60)
def test_the_engine_follows_generated_patterns(rng: Random, kinds: frozenset[str]) -> None:
    """Members and their prefixes are taken, near misses judged as ``re`` judges them, and no prefix is a dead end."""
    pattern = compiled(PatternMaker(rng, kinds), 0)
    try:
        grammar = regex_grammar(pattern)
        automaton = constrain.compile(grammar, byte_vocabulary())
    except (GrammarError, LimitExceeded):  # refused, or without members
        assume(False)
    text = random_member(grammar, rng).decode()
    assert pattern.fullmatch(text)
    for cut in range(len(text) + 1):
        assert automaton.advance_bytes(automaton.start(), text[:cut].encode()) is not None
    for _ in range(5):
        at, letter = rng.randrange(len(text) + 1), rng.choice("ab \n")
        near = rng.choice(
            [text[:at] + letter + text[at:], text[:at] + letter + text[at + 1 :], text[:at] + text[at + 1 :]]
        )
        state = automaton.advance_bytes(automaton.start(), near.encode())
        assert (state is not None and automaton.is_accepting(state)) == bool(pattern.fullmatch(near)), (pattern, near)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?m)^a$\n^b$",
        r"(?m)(?:^[ab]*$\n?)*",
        r"(?m)a$b|^$\n",
        r"a\b\nb|\Ba\B|\b",
        r"\B",
        r"\b",
        r"^(?=.*a)(?!.*bb)[ab]{2,3}$",
        r".+(?<=a)$",
        r"a$(?!\n)",
        r"(?:(?<!b)a|b(?=\n))*",
        r"(?=(?!b).)a?\n?",
        r"(?!a)..",
        r"(?>a|ab)b",
        r"(?>ab|a)b",
        r"(?>a*?)b",
        r"(?>(?>a|ab)*b)",
        r"(?>(?>a|ab)+?b)a?",
        r"(?>a(?=b)|ab)b?",
        r"a++b",
        r"a*+a",
        r"(?:a|ab){2}+",
        r"(?:ab|a)*+b",
        r"(?:a|b){,2}+[ab]",
        r"(a)?(?(1)b|\n)",
        r"(?:(a)|b)*(?(1)b|\n)",
        r"(?(1)b|(a))*",
        r"(?:(?(1)b|\n)|(a))*",
        r"(a)?b(?(1)|\n)",
        r"(?P<q>a)?b(?(q)a)",
        r"([ab]).?\1",
        r"(?:([ab])\1)*",
        r"([ab]?)\n?\1",
        r"([ab]{2})\1",
        r"(?i)(a|B)\1",
        r"(?=([ab])\1).+",
        r"((a)|b)(?(2)\2|\n)",
        r"(?>(a|ab)(?(1)b?|a))",
        r"(?#comment)a(?x: b # more",
    ],
)
def test_edge_cases(pattern: str) -> None:
    pattern += "\n)" if pattern.endswith("more") else ""
    language = regex_to_rx(pattern)
    assert [text for text in SHORT if matches(language, text)] == [
        text for text in SHORT if re.fullmatch(pattern, text)
    ]


@pytest.mark.parametrize("flags", [0, re.A, re.I, re.I | re.A])
@pytest.mark.parametrize(("pattern", "texts"), [
    (r"(k)\1", ["kk", "kK", "k\u212a", "\u212aK", "\u017fs"]),
    (r"(s)\1", ["ss", "sS", "s\u017f", "\u017fs", "\u017f\u017f"]),
    (r"([µμ])\1", ["µμ", "µµ", "Μμ", "μΜ"]),
    (r".\b.", ["a ", "aé", "é ", " é", "éa", "_-"]),
    (r".\B.", ["a ", "aé", "é ", " é", "éa", "--"]),
])  # fmt: skip
def test_case_and_words_of_all_scripts(pattern: str, flags: int, texts: list[str]) -> None:
    language = regex_to_rx(pattern, flags)
    assert [t for t in texts if matches(language, t)] == [t for t in texts if re.fullmatch(pattern, t, flags)]


@pytest.mark.parametrize(
    "pattern",
    [
        rb"(?L)\w",
        rb"(?iL)k",
        rb"(?iL)[^a-e\s]",
        rb"(?iL)[^S]",
        rb"(?iL)([a-c])\1",
        rb"(?L).\b.",
        rb"\b\w\b",
        rb"(?!\xe9)\D",
    ],
)
def test_bytes_patterns(pattern: bytes) -> None:
    language = regex_to_rx(pattern)
    every = [bytes([b]) for b in range(256)]
    for text in [*every, *(a + b for a in (b"a", b"B", b"-", b"\xe9") for b in every)]:
        assert matches(language, text) == bool(re.fullmatch(pattern, text)), text


def test_search_with_look_around() -> None:
    for pattern in (r"(?<!a)b", r"\bb", r"(?m)^b", r"(?>a|ab)b", r"(a)?(?(1)b|\n)"):
        language = regex_to_rx(pattern, search=True)
        for text in SHORT:
            assert matches(language, text) == bool(re.search(pattern, text)), (pattern, text)


REFUSED = [
    (r"(a+)\1", "back-reference to a group that matches more than 100 texts", 5),
    (r"[\1](.)(b)\2\1", "back-reference to a group that matches more than 100 texts", 13),
    (r"(?P<n>a*)(?P=n)", "back-reference to a group that matches more than 100 texts", 10),
    (r"(?=(a))(?(1)a|b)", "conditional group to a group inside look-around", 8),
    (r"(a)?(?!(?=(b))(?(2)a))\1", "conditional group to a group inside look-around", 15),
    (r"(a)(?<=\1)", "back-reference inside look-behind", 8),
    (r"(a(?(1)b|c))*", "conditional group inside its own group", 3),
    (r"(?:(a)?)*(?(1)b|c)", "conditional group to a group inside a repeat of what may be empty", 10),
    (r"b(?>(?:a?b?)*)", "repeat of what may be empty, without backtracking", 2),
    (r"(?:a?)*+", "repeat of what may be empty, without backtracking", 7),
    (r"(?<=a|bc)c", "look-behind requires fixed-width pattern", 1),
]


@pytest.mark.parametrize(("pattern", "construct", "column"), REFUSED)
def test_refusals_name_the_construct_and_its_place(pattern: str, construct: str, column: int) -> None:
    with pytest.raises(UnsupportedPattern, match=construct) as caught:
        regex_grammar(pattern)
    assert (caught.value.line, caught.value.column, caught.value.source) == (1, column, pattern)
    assert caught.value.hint


def test_refusal_in_a_verbose_pattern_skips_comments() -> None:
    with pytest.raises(GrammarError) as caught:
        regex_grammar("(?x)(a*) # \\1\n  \\1")
    assert (caught.value.line, caught.value.column) == (2, 3)


def test_exploring_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LimitExceeded, match="steps through a pattern"):
        monkeypatch.setattr(look_around, "MAX_STEPS", 2_000)
        regex_to_rx(r"(([a-z])(?!.*\2))+")
    with pytest.raises(LimitExceeded, match="instructions of a pattern"):
        regex_to_rx(r"(?:a\b){30000}")


def test_compiled_patterns_of_other_packages_are_refused_by_name() -> None:
    regex = pytest.importorskip("regex")
    with pytest.raises(UnsupportedPattern, match="package regex"):
        regex_grammar(regex.compile("a"))
    with pytest.raises(TypeError, match="pattern"):
        regex_grammar(7)  # type: ignore[arg-type]
