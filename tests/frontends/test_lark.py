"""Lark grammars against Lark itself, with each of its lexers: by the machine, and spelled out as plain rules."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import product
from pathlib import Path
from random import Random

import lark
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import constrain
from constrain.automata import lexed
from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends.lark import lark_grammar
from constrain.ir.contexts import spelled_out
from constrain.ir.grammar import Grammar, Repeat, Token, walk
from constrain.testing import byte_vocabulary, check_token_automaton
from constrain.tokens.pushdown import PushdownAutomaton

MODES = [
    ("earley", "basic"),
    ("lalr", "basic"),
    ("lalr", "contextual"),
    ("earley", "dynamic"),
    ("earley", "dynamic_complete"),
]
V = byte_vocabulary()


def parses(parser: lark.Lark, text: str) -> bool:
    try:
        parser.parse(text)
    except (lark.exceptions.UnexpectedInput, lark.exceptions.ParseError):  # the latter by the parser cyk
        return False
    except RuntimeError as error:  # raised after the whole text has been accepted, in more than one way
        assert "multiple start symbol items" in str(error)
    return True


def reads(automaton: PushdownAutomaton, text: str) -> bool:
    state = automaton.advance_bytes(automaton.start(), text.encode())
    return state is not None and automaton.is_accepting(state)


def load(source: str, parser: str, lexer: str, **options: object) -> lark.Lark | None:
    """What Lark makes of a grammar; None where it refuses it (conflicts, for instance)."""
    if parser == "earley":
        options["ambiguity"] = "forest"
    try:
        return lark.Lark(source, parser=parser, lexer=lexer, **options)
    except Exception:  # its own errors, those of re, and slips
        return None


def automata(grammar: Grammar) -> list[PushdownAutomaton]:
    """As it is run, and the product with its contexts; none where no text matches."""
    try:
        return [constrain.compile(each, V) for each in (grammar, spelled_out(grammar))]
    except GrammarError as error:
        assert "no text at all matches" in str(error)
        return []


def compare(source: str, texts: list[str], modes: list[tuple[str, str]] = MODES) -> int:
    """Compare with Lark; how many texts were members."""
    members = 0
    for mode in modes:
        parser = load(source, *mode)
        if parser is None:
            continue
        try:
            found = automata(lark_grammar(parser))
        except constrain.UnsupportedPattern as error:
            assert mode[1] == "dynamic_complete" and "shorter lexemes" in str(error)
            continue
        for text in texts:
            expected = parses(parser, text)
            members += expected
            assert [reads(each, text) for each in found] == [expected] * len(found), (source, mode, text)
            assert found or not expected, (source, mode, text)
    return members


# --- generated grammars -----------------------------------------------------------------------------------------

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
def test_generated_grammars(source: str, others: str, random: Random) -> None:
    texts = ["".join(letters) for n in range(5) for letters in product("ab" + others, repeat=n)]
    compare(source, random.sample(texts, min(60, len(texts))))


OVERLAPPING = [
    "/[ab]+/", "/a+/", "/a+?b/", "/[a-c]+c?/", "/ab?/", "/(ab|a)(bc|c)?/", "/a(?=b)/", "/a(?!b)/", "/(?<!a)b/",
    "/[^a]/",     "/.*?c/", "/b*c/", '"a"', '"ab"', '"b"', '"c"', '"abc"', '"ba"', r"/\bab*/", "/a$/",
    "/[ab]{2}/", "/[ab]{1,2}?c/", '"A"i',
    "/(?i:aB)/", '" "', "/ +/", "/ ?a/", "/c(?= |$)/", "/(b|c)+(?<!cc)/", r"/a\B/", "/^b/m",
]  # fmt: skip


def overlapping_grammar(random: Random) -> str:
    """Terminals that are keywords, prefixes and look-aheads of each other, priorities, recursion, ambiguity."""
    terminals = {f"T{i}": random.choice(OVERLAPPING) for i in range(random.randint(2, 5))}
    rules = ["start", *(f"r{i}" for i in range(random.randint(0, 2)))]

    def symbol() -> str:
        name = random.choice(list(terminals)) if random.random() < 0.65 else random.choice(rules)
        return name + (random.choice("?*+") if random.random() < 0.2 else "")

    def alternative() -> str:
        return " ".join(symbol() for _ in range(random.choice([0, 1, 1, 2, 2, 3, 3])))

    lines = [f"{name}: {' | '.join(alternative() for _ in range(random.randint(1, 3)))}" for name in rules]
    for name, pattern in terminals.items():
        priority = f".{random.randint(1, 3)}" if random.random() < 0.2 else ""
        lines.append(f"{name}{priority}: {pattern}")
    if random.random() < 0.5:
        lines.append("%ignore " + random.choice(['" "', "/ +/", "/c/", "/ b?/", "T0"]))
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(120))
def test_overlapping_terminals(seed: int) -> None:
    random = Random(seed)
    source = overlapping_grammar(random)
    texts = ["".join(letters) for n in range(4) for letters in product("abc ", repeat=n)]
    texts += ["".join(random.choice("aabbcc B\n") for _ in range(random.randint(4, 8))) for _ in range(20)]
    compare(source, texts)


@pytest.mark.parametrize("seed", range(40))
def test_masks_lead_nowhere_dead(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The five laws, with probes where a product would do too; a graph of probes without an end is refused by name."""
    monkeypatch.setattr(lexed, "FEW_CONTEXTS", 0)
    random = Random(seed)
    vocabulary = byte_vocabulary(b"ab", b"ba", b" a", b"abc", b"b c", b"  ")
    for mode in MODES:
        parser = load(overlapping_grammar(Random(seed)), *mode)
        if parser is None:
            continue
        try:
            automaton = constrain.compile(lark_grammar(parser), vocabulary)
            check_token_automaton(automaton, rng=random, sequences=4, depth=6)
        except (constrain.UnsupportedPattern, LimitExceeded):
            continue
        except GrammarError as error:
            assert "no text at all matches" in str(error)


# --- single constructs ------------------------------------------------------------------------------------------


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
    assert compare(source, texts)


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        # Keywords and names; a fixed string that a pattern matches is a keyword, whatever the state.
        ('start: ("if" | NAME)+\nNAME: /[a-z]+/\n%ignore " "', ["if", "iff", "if if", "ifx if", "a"]),
        ('start: "if" NAME | NAME "=" NAME\nNAME: /[a-z]+/\n%ignore " "', ["if a", "ifa", "if = a", "if if", "a = if"]),
        ('start: ("IF"i | NAME)+\nNAME: /[a-z]+/i\n%ignore " "', ["iF", "IfF", "a IF"]),
        ('start: ("IF"i | NAME)+\nNAME: /[a-z]+/\n%ignore " "', ["if", "IF", "iF a"]),
        # Longest match is not what Lark does: the order of terminals is.
        ("start: (A|B)+\nA: /a|ab/\nB: /b/", ["a", "ab", "abb", "b"]),
        ("start: (A|B)+\nA.2: /a/\nB: /ab+/", ["a", "ab", "abb"]),
        ('start: OP+\nOP: "<" | "<=" | "<<" | "="', ["<", "<=", "<<=", "=<"]),
        # A conflict is resolved in favour of shifting.
        ('start: s\ns: "i" s | "i" s "e" s | "x"', ["ix", "iixex", "ixex", "iixexex", "ixe"]),
        ("start: a* B\na: A | A A\nA: /a/\nB: /b/", ["b", "ab", "aab", "aaab"]),
        # Claims that no blank can settle: some lexemes lead nowhere.
        ("start: NAME NUMBER? NAME\nNAME: /[a-z]+/\nNUMBER: /[0-9]+/", ["a1b", "ab", "a1", "ab12cd"]),
        ("start: A B\nA: /a+/\nB: /a*b/", ["ab", "aab", "b"]),
        # An ignored terminal at the beginning, in the middle, at the end; comments up to the end of the line.
        ("start: A*\nA: /a/\n%ignore /#[^\\n]*/\n%ignore /\\s+/", ["#a", "#a\na", " a # a", "a#\n#\na"]),
        # Look-around at the edges of lexemes.
        (r"start: (W|S)+" "\n" r"W: /\b[a-c]+\b/" "\n" r"S: /[ .]/", ["ab c", "a.b", ".", "abc", "a "]),
        ("start: (A|B|C)+\nA: /a(?=bc)/\nB: /b(?!c)/\nC: /c|b|a/", ["abc", "ab", "b", "bc", "aabcb"]),
        ('start: (S|X)+\nS: /".*?(?<!\\\\)"/\nX: /a/', ['"a"', '"\\""', '"a"a"b"', '"', '"\\"']),
    ],
)
def test_lexers(source: str, texts: list[str]) -> None:
    more = ["".join(letters) for n in range(4) for letters in product(sorted(set("".join(texts)))[:6], repeat=n)]
    assert compare(source, texts + more)


def test_many_ways_through_a_sequence_are_not_written_one_by_one() -> None:
    """Each of forty parts has several ways to read a lexeme; spelled out, their paths would be 10^12."""
    source = f"start: {' '.join(['x'] * 40)}\nx: A | B | C\nA: /a+/\nB: /[ab]+/\nC: /b/"
    plain = spelled_out(lark_grammar(source, lexer="dynamic"))
    assert sum(1 for body in plain.rules.values() for _ in walk(body)) < 5_000
    engine = constrain.compile(plain, V)
    assert reads(engine, "ab" * 20) and not reads(engine, "ab" * 19)


def test_a_rule_that_stands_for_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """LALR: what must not follow is a token that reads nothing, behind a rule that calls itself; the machine would go
    round for ever, so that these are spelled out whatever their size."""
    monkeypatch.setattr(lexed, "FEW_CONTEXTS", 0)
    source = 'start: r B | start |\nr.1: start C B | A\nA: /ab/i\nB: "b"\nC: /a+?b/'
    texts = ["".join(letters) for n in range(6) for letters in product("abA", repeat=n)]
    assert compare(source, texts, [("lalr", "basic"), ("lalr", "contextual")])


def test_names_and_shapes_are_kept() -> None:
    grammar = lark_grammar('start: pair+\npair: KEY "="\nKEY: /[a-z]+/')
    assert grammar.start == "start"
    assert set(grammar.rules) == {"start", "pair", "__start_plus_0"}
    loop = grammar.rules["__start_plus_0"]
    assert isinstance(loop, Repeat) and (loop.low, loop.high) == (1, None)
    key, equals = grammar.rules["pair"].parts
    assert isinstance(key, Token) and key.name == "KEY" and equals.name == "EQUAL"
    assert "pair           = <KEY> <EQUAL>" in str(grammar)


def test_sources_text_path_and_object(tmp_path: Path) -> None:
    (tmp_path / "words.lark").write_text("WORD: /[a-z]+/\n", encoding="utf-8")
    path = tmp_path / "main.lark"
    path.write_text('%import .words.WORD\nstart: WORD "é"\n', encoding="utf-8")
    assert reads(constrain.compile(lark_grammar(path), V), "abé")
    built = lark.Lark('go: "a" "B"', parser="lalr", start="go", g_regex_flags=re.I)
    assert reads(constrain.compile(lark_grammar(built), V), "Ab")
    with pytest.raises(GrammarError, match="no start rule 'start'"):
        lark_grammar(built, "start")
    with pytest.raises(GrammarError, match="name of a file"):
        lark_grammar("main.lark")
    with pytest.raises(GrammarError, match="file not found"):
        lark_grammar(tmp_path / "absent.lark")


def test_the_first_line_may_say_how_to_read() -> None:
    keywords = '// constrain: parser=lalr lexer=basic\nstart: NAME "if"\nNAME: /[a-z]+/\n%ignore / /'
    assert not reads(constrain.compile(lark_grammar(keywords), V), "if if")
    assert reads(constrain.compile(lark_grammar(keywords, parser="earley", lexer="dynamic"), V), "if if")
    with pytest.raises(GrammarError, match="unknown option 'lexr=basic'"):
        lark_grammar('// constrain: lexr=basic\nstart: "a"')


def test_other_grammars_are_terminals() -> None:
    source = 'start: (CALL "(" VALUE ")" ";")+\nCALL: /[a-z]+/\n%ignore " "'
    schema = constrain.json_schema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    for parser, lexer in MODES:
        grammar = lark_grammar(source, parser=parser, lexer=lexer, grammars={"VALUE": schema})
        for automaton in automata(grammar):
            assert reads(automaton, 'f({"a": 1});g ( {"a": 2, "b": ");"} ) ;')
            assert not reads(automaton, 'f({"b": 1});')
            assert not reads(automaton, "f(\U00100000);")
        check_token_automaton(constrain.compile(grammar, V), rng=Random(1), sequences=3, depth=12)
    with pytest.raises(GrammarError, match="all its terminals"):
        lark_grammar(lark.Lark('start: "a"'), grammars={"VALUE": schema})


def test_options_that_change_the_language_are_refused() -> None:
    for options in ({"use_bytes": True}, {"parser": "lalr", "lexer_callbacks": {"A": lambda token: token}}):
        with pytest.raises(GrammarError, match=next(iter(reversed(options)))):
            lark_grammar(lark.Lark('start: A\nA: "a"', **options))
    with pytest.raises(GrammarError, match="has its parser and lexer"):
        lark_grammar(lark.Lark('start: "a"'), parser="lalr")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("start: A\n%declare A", "terminal A: it has no pattern"),
        ("start: B", "Rule 'B' used but not defined"),
        ("start: b", "Rule 'b' used but not defined"),
        ('other: "a"', "start rule 'start' is not defined"),
        ("start: A\nA: /(/", "missing"),
        ('start: A\nA: "a"*', "terminal A: it may match the empty string"),
        ("start: A\nA: /(a)(?(1)b|c)/", "terminal A: conditional group is not supported"),
        ("start: A\nA: /a++/", "terminal A: possessive quantifier is not supported"),
        ("start: A\nA: /(?>a)b/", "terminal A: atomic group is not supported"),
        (r"start: A" "\n" r"A: /(a)\1/", "terminal A: back-reference is not supported"),
        ("start: A\nA: /(?<!^)c/", "terminal A: a look-around, an anchor or a word boundary inside a look-behind"),
        ("%import nope.X\nstart: X", "file not found"),
    ],
)
def test_refusals_name_the_culprit(source: str, message: str) -> None:
    with pytest.raises(GrammarError) as caught:
        lark_grammar(source)
    assert message in str(caught.value)


def test_look_behind_and_shorter_lexemes_do_not_go_together() -> None:
    with pytest.raises(constrain.UnsupportedPattern, match="terminal A: look-behind"):
        lark_grammar("start: A\nA: /(?<!b)a/", lexer="dynamic_complete")


def test_syntax_errors_point_at_the_place() -> None:
    with pytest.raises(GrammarError) as caught:
        lark_grammar('start: "a"\nb: {')
    assert (caught.value.line, caught.value.column) == (2, 4)
    assert str(caught.value).splitlines()[1:3] == ["    b: {", "       ^"]


def test_an_unmatchable_terminal_leaves_the_other_alternatives() -> None:
    automaton = constrain.compile(lark_grammar('start: A | "b"\nA: /[^\\s\\S]/'), V)
    assert reads(automaton, "b") and not reads(automaton, "a")


# --- cases of Lark's own tests ----------------------------------------------------------------------------------


def test_cases_of_lark(shared_data: Path) -> None:
    """In all configurations that a case names: as Lark, which mostly is as the case says, or refused by name."""
    pytest.importorskip("regex")  # Lark needs it for some cases
    counts: Counter[str] = Counter()
    for line in (shared_data / "cases/lark.jsonl").read_text().splitlines():
        row = json.loads(line)
        given = row.get("options") or {}
        options = {"start": given.get("start") or "start", "g_regex_flags": given.get("g_regex_flags") or 0}
        options |= {"regex": True} if given.get("regex") else {}
        for name in given.get("configs") or ["earley/dynamic"]:
            counts[check_case(row, tuple(name.split("/")), options)] += 1
    refused = {kind: count for kind, count in counts.items() if kind.startswith("refused")}
    assert refused == REFUSED
    assert counts["checked"] == CHECKED, counts


CHECKED = 778
REFUSED = {"refused by both": 43, "refused: Lark's option regex is not supported": 18}


def check_case(row: dict, mode: tuple[str, str], options: dict[str, object]) -> str:
    """Compares the verdicts; says whether the grammar was checked or why not."""
    parser = load(row["grammar"], *mode, **options)
    if parser is None:
        with pytest.raises(GrammarError):
            lark_grammar(row["grammar"], options["start"], parser=mode[0], lexer=mode[1])
        return "refused by both"
    try:
        grammar = lark_grammar(parser, options["start"])
    except GrammarError as error:
        return f"refused: {error.message}"
    found = automata(grammar)
    for text in row["accept"] + row["reject"]:
        expected = parses(parser, text)
        assert [reads(each, text) for each in found] == [expected] * len(found), (row["grammar"], mode, text)
        assert expected == (text in row["accept"]), (row["grammar"], mode, text)
        assert found or not expected
    return "checked"
