"""Lark grammars against Lark's Earley parser with the ``dynamic_complete`` scanner, lexemes against ``re.match``."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import product
from pathlib import Path

import lark
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.language import accepts
from naive.rx import derive_all, nullable

from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends.lark_text import lark_grammar
from constrain.frontends.lexeme_dfa import Dfa, common, overlap, without
from constrain.frontends.lexemes import lexemes, literal_lexemes
from constrain.ir.grammar import Grammar, Literal, Repeat, Terminal


def parses(parser: lark.Lark, text: str) -> bool:
    try:
        parser.parse(text)
    except lark.exceptions.UnexpectedInput:
        return False
    except RuntimeError as error:  # raised after the whole text has been accepted, in more than one way
        assert "multiple start symbol items" in str(error)
    return True


def oracle(grammar: str, **options: object) -> lark.Lark:
    return lark.Lark(grammar, parser="earley", lexer="dynamic_complete", ambiguity="forest", **options)


def compare(source: str, texts: list[str]) -> None:
    grammar, parser = lark_grammar(source), oracle(source)
    for text in texts:
        assert accepts(grammar, text.encode()) == parses(parser, text), (source, text)


# --- lexemes ----------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(["a", "b", "[ab]", ".", "(?<=a)", "(?<!a)", "(?<![^b])"])
LAZY = ["*", "+", "?", "*?", "+?", "??", "{1,2}", "{2}?", "{0,2}?", "{,2}", "{1,}?"]


def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.lists(st.one_of(inner, st.just("")), min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(LAZY)).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    )


@given(st.recursive(PIECES, wider, max_leaves=8))
@settings(max_examples=250)
def test_lexemes_are_the_strings_whose_preferred_match_is_whole(pattern: str) -> None:
    try:
        found = lexemes(pattern)
    except GrammarError as error:
        assert "look-behind" in error.message
        return
    compiled = re.compile(pattern)
    for text in ("".join(letters) for n in range(6) for letters in product("ab", repeat=n)):
        match = compiled.match(text)
        truth = bool(match) and match.end() == len(text)
        symbols = [ord(c) for c in text]
        assert found.dfa.accepts(symbols) == truth, text
        assert nullable(derive_all(found.language, symbols)) == truth, text


@pytest.mark.parametrize(
    ("pattern", "same_as"),
    [
        ('".*?"', r'"[^"\n]*"'),
        (r'".*?(?<!\\)(\\\\)*?"', r'"(?:[^"\\\n]|\\[^\n])*"'),
        (r"/\*(.|\n)*?\*/", r"/\*(?:[^*]|\*+[^*/])*\*+/"),
        ("a|ab", "a"),
        ("a+?", "a"),
        ("ab|a", "ab?"),
        ("(?:|a)*", ""),
        ("(?i)a|B", "[abAB]"),
        ("(?s).", r"[\s\S]"),
    ],
)
def test_lexemes_of_common_terminals(pattern: str, same_as: str) -> None:
    language, compiled = lexemes(pattern).language, re.compile(same_as)
    for text in (
        "".join(letters) for n in range(6) for letters in product('ab"\\/*\n', repeat=n) if n < 5 or letters[0] in '"/'
    ):
        assert nullable(derive_all(language, [ord(c) for c in text])) == bool(compiled.fullmatch(text)), text


def test_a_pattern_without_preference_keeps_its_shape() -> None:
    found = lexemes("[a-z]{1,300}")
    assert found.language.low == 1 and found.language.high == 300
    assert len(found.dfa.moves) == 301


def test_lexemes_are_bounded() -> None:
    with pytest.raises(LimitExceeded, match="instructions of one terminal"):
        lexemes("(?:a{1000}){1000}")


def test_range_arithmetic() -> None:
    left, right = ((1, 5), (8, 9), (20, 30)), ((0, 1), (3, 3), (5, 8), (22, 23), (30, 40))
    members = lambda ranges: {x for a, b in ranges for x in range(a, b + 1)}  # noqa: E731
    assert members(common(left, right)) == members(left) & members(right)
    assert members(without(left, right)) == members(left) - members(right)


def test_overlap_of_two_languages() -> None:
    blanks = lexemes(" +").dfa.smallest()
    (end,) = blanks.accepting
    assert overlap(literal_lexemes("x").dfa, blanks, end).cut is False
    found = overlap(lexemes(" x|y").dfa, blanks, end)
    assert found.cut and found.free.accepts([ord("y")]) and not found.free.accepts([32, ord("x")])
    assert overlap(literal_lexemes(" ").dfa, blanks, end).free.moves == ()
    assert Dfa((), frozenset()).accepts([]) is False


# --- grammars ---------------------------------------------------------------------------------------------------

TERMINALS = [
    '"a"',
    '"b"',
    '"ab"',
    "/a+/",
    "/a+?/",
    "/a|ab/",
    "/(?:ab|a)b?/",
    "/[ab]+/",
    "/a.*?b/",
    "/ a/",
    "/a ?/",
    '"b"i',
    "/b#?/",
    "/[^b]/",
    r"/\n/",
    '"a".."b"',
    '"a"+',
    '("a"|"b")~1..2',
    "/b(?<!a)a*/",
    "/#/",
    "/a b/",
    r"/b ?\n/",
]
IGNORES = [
    '" "',
    "/ +/",
    r"/#[^\n]*/",
    r"/\s/",
    r"/\s+/",
    "/[ #]+/",
    '"a"',
    "/#a?/",
    r"/ \n/",
    "/( |#)+?/",
    "/# ?b/",
    r"/(\r?\n)+/",
    "/#.*?#/",
]
BODIES = [
    "X",
    "X Y",
    "x",
    "x y",
    "X x Y",
    "x X | Y",
    "X*",
    "(X|Y)+",
    "[X] Y",
    "y Z",
    "Y x?",
    "X y | ",
    "X~1..2 Y",
    "x x",
    "x Y x | Z",
    " | x X",
    "",
]


@st.composite
def grammars(draw: st.DrawFn) -> str:
    lines = [f"start: {draw(st.sampled_from(BODIES))}", f"x: {draw(st.sampled_from(BODIES))}"]
    lines.append(f"y: {draw(st.sampled_from(['X', 'Y', 'Z', 'X Z', '', 'Z*']))}")
    lines += [f"{name}: {draw(st.sampled_from(TERMINALS))}" for name in "XYZ"]
    lines += [f"%ignore {text}" for text in draw(st.lists(st.sampled_from(IGNORES), max_size=2))]
    return "\n".join(lines) + "\n"


@given(grammars(), st.sampled_from([" #", " \n", "#\n", " "]), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_generated_grammars(source: str, others: str, random) -> None:
    texts = ["".join(letters) for n in range(5) for letters in product("ab" + others, repeat=n)]
    try:
        compare(source, random.sample(texts, min(60, len(texts))))
    except GrammarError as error:
        assert "whether it stops depends on what follows" in error.message


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('start: "a"?\n%ignore " "', ["", " ", "a ", " a", "  a  ", "   ", "aa"]),
        ("start: A\nA: /a|ab/", ["a", "ab"]),
        ('start: A "b"\nA: /a+?/', ["ab", "aab"]),
        ('start: "a" X "b"\nX: " x"\n%ignore / +/', ["a xb", "a  xb", "a  x b", "ax b"]),
        (
            "start: N\nN: /[a-z]+/\n%ignore /#[^\\n]*/\n%ignore /\\s/",
            ["#a", "#a\nb", "b#a", "#\n#\nb", "# b", "b #\n "],
        ),
        ("start: N+\nN: /[a-z]+/\n%ignore /\\r?\\n/\n%ignore /\\s+/", ["a\r\nb", "a\r", "\n\na", "\r\n", "a \r\n b"]),
        (
            "start: N+\nN: /[a-z]/\n%ignore /(\\r?\\n)+/\n%ignore /[ \\t\\f\\r\\n]/+",
            ["a\r\nb", "a\r", "\n\na", "\r\n", "a \r\n b", "a\r\rb"],
        ),
        ('start: S*\nS: /".*?"/', ['"a"', '"a"b"', '"a""b"', '"']),
        ("%import common.ESCAPED_STRING\nstart: ESCAPED_STRING", ['"a"', '"a\\""', '"a\\\\"', '"a"b"', '"\\"']),
        (
            '%import common.C_COMMENT\nstart: "x"\n%ignore C_COMMENT',
            ["/**/x", "/* */ */x", "x/***/", "/*/x", "/*x*//**/x"],
        ),
        ('start: start "a" | "b" | start start', ["b", "ba", "bba", "a", "bbaab"]),
        ('start: x~3..70\nx: "a"|', ["", "a", "aaa"]),
        ('_sep{item, s}: item (s item)*\nstart: _sep{"a", ","}', ["a", "a,a", "a,", ""]),
        ('start: "É"i "ß"', ["éß", "Éß", "eß", "éSS"]),
        ('start: A\nA.2: "a" | "\\n" | "\\u00e9" | /\\//', ["a", "\n", "é", "/"]),
        ('?start: a -> alias\n !a: "(" a ")" | ', ["", "()", "(())", "(()"]),
        ("start: A\nA: /(?i:ab)c/x", ["abc", "ABc", "abC"]),
    ],
)
def test_against_lark(source: str, texts: list[str]) -> None:
    compare(source, texts)


def test_names_and_shapes_are_kept() -> None:
    grammar = lark_grammar('start: pair+\npair: KEY "="\nKEY: /[a-z]+/')
    assert grammar.start == "start"
    assert set(grammar.rules) == {"start", "pair", "__start_plus_0"}
    loop = grammar.rules["__start_plus_0"]
    assert isinstance(loop, Repeat) and (loop.low, loop.high) == (1, None)
    key, equals = grammar.rules["pair"].parts
    assert isinstance(key, Terminal) and key.name == "KEY"
    assert isinstance(equals, Literal) and equals.data == b"="


def test_sources_text_path_and_object(tmp_path: Path) -> None:
    (tmp_path / "words.lark").write_text("WORD: /[a-z]+/\n", encoding="utf-8")
    path = tmp_path / "main.lark"
    path.write_text('%import .words.WORD\nstart: WORD "é"\n', encoding="utf-8")
    assert accepts(lark_grammar(path), "abé".encode())
    built = lark.Lark('go: "a" "B"', parser="lalr", start="go", g_regex_flags=re.I)
    assert accepts(lark_grammar(built, "go"), b"Ab")
    with pytest.raises(GrammarError, match="no start rule 'start'"):
        lark_grammar(built)
    with pytest.raises(GrammarError, match="name of a file"):
        lark_grammar("main.lark")
    with pytest.raises(GrammarError, match="file not found"):
        lark_grammar(tmp_path / "absent.lark")


def test_options_that_change_the_language_are_refused() -> None:
    with pytest.raises(GrammarError, match="use_bytes"):
        lark_grammar(lark.Lark('start: "a"', use_bytes=True))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("start: A\n%declare A", "terminal A: it has no pattern"),
        ("start: B", "Rule 'B' used but not defined"),
        ("start: b", "Rule 'b' used but not defined"),
        ('other: "a"', "start rule 'start' is not defined"),
        ("start: A\nA: /(/", "missing"),
        ('start: A\nA: "a"*', "terminal A: it may match the empty string"),
        ("start: A\nA: /(?=a)a/", "terminal A: look-ahead is not supported"),
        ("start: A\nA: /a(?!b)/", "terminal A: look-ahead is not supported"),
        ("start: A\nA: /^a/", "terminal A: anchor is not supported"),
        ("start: A\nA: /a$/", "terminal A: anchor is not supported"),
        (r"start: A" "\n" r"A: /a\b/", "terminal A: word boundary is not supported"),
        ("start: A\nA: /(?<!b)a/", "terminal A: look-behind is not supported"),
        ("start: A\nA: /b(?<=ab)a/", "terminal A: look-behind is not supported"),
        ("start: A\nA: /(a)(?(1)b|c)/", "terminal A: conditional group is not supported"),
        ("start: A\nA: /a++/", "terminal A: possessive quantifier is not supported"),
        ("start: A\nA: /(?>a)b/", "terminal A: atomic group is not supported"),
        (r"start: A" "\n" r"A: /(a)\1/", "terminal A: back-reference is not supported"),
        ("%import nope.X\nstart: X", "file not found"),
        ('start: A\n%ignore /( |\\/c)+/\nA: "/" | "b"', "depends on what follows the terminal A"),
    ],
)
def test_refusals_name_the_culprit(source: str, message: str) -> None:
    with pytest.raises(GrammarError) as caught:
        lark_grammar(source)
    assert message in str(caught.value)


def test_syntax_errors_point_at_the_place() -> None:
    with pytest.raises(GrammarError) as caught:
        lark_grammar('start: "a"\nb: {')
    assert (caught.value.line, caught.value.column) == (2, 4)
    assert str(caught.value).splitlines()[1:3] == ["    b: {", "       ^"]


def test_an_unmatchable_terminal_leaves_the_other_alternatives() -> None:
    grammar = lark_grammar('start: A | "b"\nA: /[^\\s\\S]/')
    assert accepts(grammar, b"b") and not accepts(grammar, b"a")


# --- cases of Lark's own tests ----------------------------------------------------------------------------------


def test_cases_of_lark(shared_data: Path) -> None:
    counts: Counter[str] = Counter()
    for line in (shared_data / "cases/lark.jsonl").read_text().splitlines():
        row = json.loads(line)
        options = row.get("options") or {}
        start, flags = options.get("start") or "start", options.get("g_regex_flags") or 0
        try:
            parser = oracle(row["grammar"], start=start, g_regex_flags=flags)
        except Exception:  # whatever Lark raises, we must refuse as well
            with pytest.raises(GrammarError):
                lark_grammar(row["grammar"], start)
            counts["refused by both"] += 1
            continue
        grammar: Grammar = lark_grammar(parser if flags else row["grammar"], start)
        for text in row["accept"] + row["reject"]:
            if len(text) > 40:
                counts["too long for the naive oracle"] += 1
                continue
            assert accepts(grammar, text.encode()) == parses(parser, text), (row["grammar"], text)
            counts["strings"] += 1
        counts["checked"] += 1
    assert counts["checked"] > 150 and counts["strings"] > 250, counts
