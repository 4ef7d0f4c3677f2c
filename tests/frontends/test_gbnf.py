"""GBNF by example: what llama.cpp reads, what others read besides, and errors that say where and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from naive.language import accepts

import constrain
from constrain.errors import GrammarError, GrammarWarning
from constrain.ir.grammar import Terminal, walk


def agrees(source: str, accept: list[str], reject: list[str]) -> None:
    grammar = constrain.gbnf(source)
    for text in accept:
        assert accepts(grammar, text.encode()), text
    for text in reject:
        assert not accepts(grammar, text.encode()), text


def refusal(source: str, start: str = "root") -> GrammarError:
    with pytest.raises(GrammarError) as caught:
        constrain.gbnf(source, start)
    return caught.value


def test_a_grammar_with_everything() -> None:
    source = r"""
# a shopping list
root  ::= (
    "- " item     # first
    ("\n- " item)*
) "\n"?
item  ::= count? thing | [^\n-]{2,3} "!" |
          "\"" . "\""
count ::= [1-9] [0-9]{0,2} " "
thing ::= "egg" "s"{,1} | "\x62read" | "\u00e9clair" | "\U0001F35E"
"""
    accept = ["- eggs", "- 12 bread\n- éclair\n- 🍞\n", "- ab!", '- "\n"', '- "x"\n']
    agrees(
        source, accept, ["-", "- 0 egg", "- 1234 egg", "- eggss", "- a!", "- a-b!", '- ""', "- egg\n\n", "- egg- egg"]
    )


@pytest.mark.parametrize(
    ("members", "accept", "reject"),
    [
        ("[abc]", "abc", "d-"),
        ("[a-c]", "abc", "d-"),
        ("[a-]", "a-", "b"),
        ("[-a]", "-a", "b"),
        ("[a-c-e]", "abc-e", "d"),
        ("[--/]", "-./", ",0"),
        (r"[a\-c]", "a-c", "b"),
        (r"[\]\[\\]", "][\\", "^"),
        ("[a^]", "a^", "b"),
        ("[^a-c]", "d^-é\n\0", "abc"),
        ("[#\"'|]", "#\"'|", "a"),
        (r"[\x41-\x43\u00e9]", "ABCé", "D"),
        (r"[\t\n\r]", "\t\n\r", "tnr"),
        (".", "a.\né🍞", ""),
    ],
)
def test_sets(members: str, accept: str, reject: str) -> None:
    agrees(f"root ::= {members}", list(accept), ["", "ab", *reject])


def test_a_repetition_takes_what_stands_right_before_it() -> None:
    agrees('root ::= "ab"* "c"', ["c", "ababc"], ["abbc", "ab"])
    agrees('root ::= "a"{2}{3}', ["aaaaaa"], ["aaaaa", "a" * 7])
    agrees('root ::= "a"{2}?', ["", "aa"], ["a", "aaa"])
    agrees('root ::= "a"{0} "b"', ["b"], ["ab"])
    agrees('root ::= ("a"* "b"?)+', ["", "aab", "bb", "baab"], ["c"])


def test_alternatives_may_be_empty_and_lines_may_break_where_others_break_them() -> None:
    agrees('root ::= | "a" |\n "b"\n| "c"\n"d"', ["", "a", "b", "cd"], ["c", "d", "ab"])
    agrees('root\t::=\n"a" x_1\r\nx_1 ::= "b"\r\n', ["ab"], ["a"])


def test_recursion_of_all_kinds() -> None:
    agrees('root ::= root "+" root | [0-9]+', ["1", "1+22+3"], ["", "+", "1+"])
    agrees('root ::= list ";"\nlist ::= list "," "a" | "a"', ["a;", "a,a;"], [";", "a,;", ",a;"])
    agrees('root ::= "(" root ")" root | ""', ["", "()", "(())()"], ["(", ")("])
    agrees("root ::= ws [a-z] ws\nws ::= ([ \\t] ws)?", ["a", "  a\t"], ["", "a b"])


def test_the_last_definition_counts_as_in_llama_cpp() -> None:
    with pytest.warns(GrammarWarning, match=r":2: rule 'root' is defined again"):
        grammar = constrain.gbnf('root ::= "a"\nroot ::= "b"')
    assert accepts(grammar, b"b") and not accepts(grammar, b"a")


def test_another_start_and_files(tmp_path: Path) -> None:
    path = tmp_path / "list.gbnf"
    path.write_text('root ::= item+\nitem ::= "é"', encoding="utf-8")
    assert accepts(constrain.gbnf(path), "éé".encode())
    assert not accepts(constrain.gbnf(path, start="item"), "éé".encode())
    assert "name of a file" in str(refusal("list.gbnf"))
    with pytest.raises(GrammarError, match="cannot read the file"):
        constrain.gbnf(tmp_path / "missing.gbnf")
    path.write_bytes(b'root ::= "\xff"')
    with pytest.raises(GrammarError, match="not UTF-8"):
        constrain.gbnf(path)


def test_a_rule_may_have_the_name_of_a_macro() -> None:
    agrees('root ::= Token("b")\nToken ::= "a"', ["ab"], ["a"])


@pytest.mark.parametrize(
    ("source", "message", "line", "column"),
    [
        ('root ::= "a', "this string is never closed", 1, 10),
        ("root ::= [a", "this set is never closed", 1, 10),
        ('root ::= ("a"', "this ( is never closed", 1, 10),
        ('root ::= "a"\n  )', "unexpected ')'", 2, 3),
        ('root ::= "a"{', "this { is never closed", 1, 13),
        ('root ::= "a"{x}', "not a number of times", 1, 13),
        ('root ::= "a"{,}', "not a number of times", 1, 13),
        ('root ::= "a"{3,2}', "at least 3 and at most 2", 1, 13),
        ('root ::= "a"{1,1000000000}', "a count of more than 9 digits", 1, 13),
        ("root ::=\n  +", "nothing to repeat before +", 2, 3),
        ('root ::= ("b" | {2})', "nothing to repeat before {2}", 1, 17),
        ("root ::= items\nitem ::= [a]", "there is no rule 'items'", 1, 10),
        ('root ::= "\\q"', r"unknown escape \q", 1, 11),
        ('root ::= "ab\\x4"', r"unknown escape \x", 1, 13),
        ("root ::= [\\d]", r"unknown escape \d", 1, 11),
        ("root ::= [z-a]", "the range 'z' to 'a' is reversed", 1, 10),
        ("root ::= []", "an empty set", 1, 10),
        ("root ::= [^]", "an empty set", 1, 10),
        ('root ::= "\\uD800"', "a surrogate is no character", 1, 10),
        ('root ::= "\\U00110000"', "there is no character U+110000", 1, 11),
        ("root ::= 'a'", "strings stand in double quotes", 1, 10),
        ('root = "a"', "a rule is written name ::= ...", 1, 6),
        ('"a"', "unexpected '\"a\"'; wanted name ::=", 1, 1),
        ("root ::= <[17]>", "references to tokens are not supported: <[17]>", 1, 10),
        ('root ::= "x"\n !<think>*', "references to tokens are not supported: !<think>", 2, 2),
        ('root ::= TagDispatch(("a", b))', "xgrammar's macros are not supported: TagDispatch", 1, 10),
        ('root ::= "a" (= "b")', "look-ahead assertions are not supported", 1, 14),
        ('root[max_tokens=3] ::= "a"', "attributes of rules are not supported", 1, 1),
    ],
)
def test_errors_have_a_place(source: str, message: str, line: int, column: int) -> None:
    error = refusal(source)
    assert message in error.message and (error.line, error.column) == (line, column), error
    assert str(error).splitlines()[2].index("^") == 3 + column


def test_errors_say_what_to_do() -> None:
    assert refusal("root ::= items\nitem ::= [a]").hint == "did you mean 'item'?"
    assert "start" in str(refusal('main ::= "a"')) and "main" in str(refusal('main ::= "a"'))
    assert "there are no rules" in str(refusal("# nothing\n"))
    assert "nested too deeply" in str(refusal("root ::= " + "(" * 5000 + '"a"' + ")" * 5000))


def test_only_loops_and_sets_become_terminals() -> None:
    source = r"""
root ::= pair ("," pair)*
pair ::= name "=" (string | hex{1,4})
name ::= [a-z_] [a-z0-9_]*
string ::= "'" ([^'\\] | "\\" ['\\nt])* "'"
hex ::= [0-9] | [a-f]
"""
    grammar = constrain.gbnf(source)
    terminals = [node for body in grammar.rules.values() for node in walk(body) if isinstance(node, Terminal)]
    assert len(terminals) == 4  # first and other letters of a name, what is in a string, the digits with their counter
    assert set(grammar.rules) == {"root", "pair", "name", "string"}
    assert [(t.low, t.high) for t in terminals if t.high is not None] == [(1, 4)]


def test_rules_that_were_never_used_are_kept_for_the_warning() -> None:
    grammar = constrain.gbnf('root ::= a\na ::= [a]\nidle ::= "x"')
    assert set(grammar.rules) == {"root", "idle"}
