"""Patterns against Python's ``re``: generated ones on all short strings, hand-written ones, sets of characters."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.language import accepts
from pattern_oracles import SHORT, matches, patterns

from constrain.errors import GrammarError
from constrain.frontends import char_sets
from constrain.frontends.regex import regex_grammar, regex_to_rx
from constrain.ir import rx
from constrain.ir.grammar import Terminal

# --- generated patterns -----------------------------------------------------------------------------------------

ATOMS = ["a", "b", ".", r"\n", "[ab]", "[^a]", r"\s", r"\W", "A", "(?i:B)", "(?s:.)", "(?-s:.)"]
ANCHORS = ["^", "$", r"\A", r"\Z"]


def check(pattern: str, flags: int, search: bool) -> None:
    oracle = re.search if search else re.fullmatch
    language = regex_to_rx(pattern, flags, search=search)
    for text in SHORT:
        assert matches(language, text) == bool(oracle(pattern, text, flags)), (pattern, flags, search, text)


@given(patterns(ATOMS), st.sampled_from([0, re.I, re.S, re.I | re.A]), st.booleans())
@settings(max_examples=100)
def test_generated_patterns_without_anchors(pattern: str, flags: int, search: bool) -> None:
    check(pattern, flags, search)


@given(patterns(["a", "b", r"\n", "[ab]", "b?", *ANCHORS]), st.booleans())
@settings(max_examples=250)
def test_generated_patterns_with_anchors(pattern: str, search: bool) -> None:
    check(pattern, 0, search)


@given(patterns(["a", "b", r"\n", "^", "$"]), st.booleans())
@settings(max_examples=100)
def test_generated_patterns_with_anchors_of_lines(pattern: str, search: bool) -> None:
    check(pattern, re.M, search)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "^$",
        "$^",
        "a$",
        "a$\n",
        "a$\n?",
        "a$b",
        "a^b",
        "^a|b$",
        "(^|,)a(,|$)",
        "(^a|b)*",
        "(^a|b$)+",
        "(a|^)*b",
        "(a$|b)*",
        "(?:^|b)+a",
        "x*^a",
        "a$x*",
        r"\Aa\Z",
        r"a\Z\n",
        "($|a)\n",
        "(^)*a",
        "(a|$)(b|^)",
        "((^a?)?b?)*$",
        "(^a$|b)?",
        "|a|",
        "()",
        "(|a)*",
        "(a*)*",
        "(a?){2,3}",
        "a{0}",
        "(?:)",
        "[^\\S\n]",
        "(?x) a b # c\n | \\ b",
        "(?s:.)(?-s:.)",
        "[a-a]",
        "^^a$$",
        "(a|b$|$)\n?",
        "(b?$)\n",
        "(a|^b)(a|^b)",
        "($\n|a)b?",
        "$^\n",
        r"(?:^$|\n){2}",
    ],
)
@pytest.mark.parametrize("search", [False, True])
def test_edge_cases(pattern: str, search: bool) -> None:
    check(pattern, 0, search)


# --- sets of characters -----------------------------------------------------------------------------------------

EVERYTHING = char_sets.all_code_points()


def members_by_re(pattern: str, flags: int) -> rx.Ranges:
    found = re.compile(f"(?:{pattern})+", flags).finditer(EVERYTHING)
    return char_sets.scalars(tuple((m.start(), m.end() - 1) for m in found))


@pytest.mark.parametrize("flags", [0, re.I, re.A, re.I | re.A])
@pytest.mark.parametrize(
    "pattern",
    [
        "k",
        "[^k]",
        r"\d",
        r"\D",
        r"[\w-]",
        r"[^\W_]",
        r"\s",
        r"[^\s]",
        "[a-z]",
        "[\u017f-\u0180]",
        "ß",
        "ẞ",
        "[\u0130\u0131i]",
        "[\u0391-\u03c9]",
        "[^à-þ]",
        "µ",
        "[\U00010400\U00010401]",
        "[\U00010400-\U00010410]",
        "\U00010400",
        "[K-Å]",
        "ǅ",
        "[\ud7ff-\ue000]",
        "[\x00-\U0010ffff]",
        "[^a]",
        ".",
        "[A-_]",
        r"[\d\u0131]",
        "(?i:s)",
        "(?a:\\w)",
        "(?a:(?i:s))",
        "(?u:\\w)",
        "ͅ",
        "ﬅ",
    ],
)
def test_one_character_patterns_on_every_code_point(pattern: str, flags: int) -> None:
    assert regex_to_rx(pattern, flags) == rx.chars(members_by_re(pattern, flags))


def test_no_cased_code_point_is_overlooked() -> None:
    assert all(c.lower() == c.upper() == c for c in EVERYTHING[char_sets._CASE_END :])


def test_bytes_patterns() -> None:
    every = [bytes([b]) for b in range(256)]
    for pattern in (
        rb"\w",
        rb"[^\w]",
        rb".",
        rb"(?s).",
        rb"(?i)k",
        rb"[\x80-\xff]",
        rb"[^a]",
        rb"(?i)[^S]",
        rb"\xe9",
        rb"\D",
    ):
        language = regex_to_rx(pattern)
        assert [b for b in every if matches(language, b)] == [b for b in every if re.fullmatch(pattern, b)], pattern
    assert regex_to_rx(b"a", search=True) == rx.concat(
        (rx.repeat(rx.ANY_BYTE, 0, None), rx.literal("a"), rx.repeat(rx.ANY_BYTE, 0, None))
    )


def test_properties_partition_the_code_points() -> None:
    majors = [char_sets.property_set(name) for name in "LMNPSZC"]
    assert rx.merge_ranges(r for ranges in majors for r in ranges) == char_sets.scalars(((0, rx.MAX_CODE_POINT),))
    assert sum(b - a + 1 for ranges in majors for a, b in ranges) == 0x110000 - 2048
    assert char_sets.property_set("gc=Lu") == char_sets.property_set("Uppercase_Letter")
    assert char_sets.property_set("Script=Greek") is None


# --- whole grammars ---------------------------------------------------------------------------------------------


def test_grammar_of_a_counted_class_is_a_window() -> None:
    terminal = regex_grammar("[a-c]{2,64}").rules["start"]
    assert isinstance(terminal, Terminal)
    assert (terminal.low, terminal.high, terminal.rx) == (2, 64, rx.repeat(rx.chars([(97, 99)]), 0, None))
    grammar = regex_grammar("[a-c]{2,3}")
    assert [n for n in range(6) if accepts(grammar, b"a" * n)] == [2, 3]
    assert [n for n in range(6) if accepts(regex_grammar("a{3,}"), b"a" * n)] == [3, 4, 5]
    assert [n for n in range(4) if accepts(regex_grammar("a?"), b"a" * n)] == [0, 1]


def test_grammar_speaks_utf8_or_bytes() -> None:
    assert accepts(regex_grammar("."), "é".encode())
    assert not accepts(regex_grammar("."), b"\xe9")
    assert accepts(regex_grammar(b"."), b"\xe9")
    assert accepts(regex_grammar(re.compile("É", re.I)), "é".encode())
    assert accepts(regex_grammar(re.compile(b"(?s)..")), "é".encode())


def test_compiled_pattern_has_its_own_flags() -> None:
    with pytest.raises(ValueError, match="flags"):
        regex_grammar(re.compile("a"), re.I)


def test_a_pattern_without_members_is_an_error_only_as_a_grammar() -> None:
    assert regex_to_rx(r"a^b") == rx.NOTHING
    assert regex_to_rx(r"[^\s\S]") == rx.NOTHING
    assert regex_to_rx("\ud800") == rx.NOTHING
    with pytest.raises(GrammarError, match="matches no string"):
        regex_grammar(r"[^\s\S]|a^b")


@pytest.mark.parametrize(
    "pattern", ["(", "a)", "[z-a]", "*", "a{3,2}", "(?P<1>a)", "\\", "a{99999999999}", "(?L)a", "a(?i)"]
)
def test_bad_syntax_is_a_grammar_error(pattern: str) -> None:
    with pytest.raises(GrammarError):
        regex_grammar(pattern)


def test_bad_flags_and_depth_are_grammar_errors() -> None:
    with pytest.raises(GrammarError, match="LOCALE"):
        regex_grammar("a", re.LOCALE)
    with pytest.raises(GrammarError, match="nested too deeply"):
        regex_grammar("(" * 5000 + "a" + ")" * 5000)
    with pytest.raises(GrammarError, match="nested too deeply"):
        regex_to_rx("(" * 5000 + "a" + ")" * 5000, dialect="ecma")
