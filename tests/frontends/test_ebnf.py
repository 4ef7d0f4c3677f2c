"""W3C's EBNF by example; which dialect a text is in; differences."""

from __future__ import annotations

from pathlib import Path

import pytest
from naive.language import accepts

import constrain
from constrain.errors import GrammarError
from constrain.ir.grammar import Terminal

TAGS = """
/* a small markup language,
   with [1] start ::= in a comment */
[1]  Document ::= Tag (S? Tag)* /* no blanks around it */
[2]  Tag      ::= '<' Name (S Name '=' Value)* S? '>'   [ wfc: No Name Twice ] [VC: Known Name]
[2a] Name     ::= ([a-z] [-.a-z0-9]*) - ('x' 'm' 'l')
[3]  Value    ::= '"' ([^<&"] | #x26 'amp;')* '"'
               |  "'" [^<&']* "'"
[4]  S        ::= (#x20 | #x9 | [#xA-#xD])+
"""


def agrees(source: str, accept: list[str], reject: list[str], **options: str) -> None:
    grammar = constrain.ebnf(source, **options)
    for text in accept:
        assert accepts(grammar, text.encode()), text
    for text in reject:
        assert not accepts(grammar, text.encode()), text


def refusal(source: str, **options: str) -> GrammarError:
    with pytest.raises(GrammarError) as caught:
        constrain.ebnf(source, **options)
    return caught.value


def test_a_grammar_with_everything() -> None:
    accept = ["<a>", "<a-1.b >\n<xm>", "<xmla b=\"c&amp;'d\" e='\"'>"]
    agrees(TAGS, accept, ["", "<xml>", "<a> ", "<1>", '<a b="&">', '<a b="<">', "<ab='c'>", "<a><"])
    agrees(TAGS, ["xm", "xml1"], ["xml", ""], start="Name")


def test_strings_have_no_escapes() -> None:
    agrees(r"""a ::= '\' [tbnrf\"'] | "\n" """, ["\\t", '\\"', "\\\\", "\\n"], ["\t", "\n", "\\"])
    agrees("""a ::= '"' "'" | '' """, ["\"'", ""], ["'"])


@pytest.mark.parametrize(
    ("members", "accept", "reject"),
    [
        ("[a-c]", "abc", "d-"),
        ("[#x61-#x63#xE9]", "abcé", "#x6"),
        ("[a-#x63]", "abc", "d"),
        ("[-'()+,./:=?;!*#@$_%]", "-'#@%/", "x6&"),
        ("[^#x20]", "a#2", " "),
        (r"[^<>\]", "ab]"[:2], "<>\\"),
        ("[a^]", "a^", "b"),
        ("#x1F35E", "🍞", "x"),
    ],
)
def test_sets(members: str, accept: str, reject: str) -> None:
    agrees(f"a ::= {members}", list(accept), ["", *reject])


def test_a_set_alone_on_its_line_is_no_number() -> None:
    agrees("a ::= 'x'\n  [12]\n b ::= 'y'", ["x1", "x2"], ["x"])
    agrees("a ::= 'x' [1] \n [2] b ::= 'y'", ["x1"], ["x2", "x"])


def test_differences() -> None:
    text = "text ::= [^<&]* - ([^<&]* ']]>' [^<&]*)"
    agrees(text, ["", "]]", "] ]>", "x]"], ["]]>", "a]]>b", "<"])
    agrees("a ::= [a-z]-[aeiou]", ["b", "z"], ["a", "-"])
    agrees("a ::= ([a-z]-[aeiou])+ | 'A' - 'A'", ["b", "xyz"], ["xa", "A", ""])
    agrees("a ::= ('a' | 'ab')* - 'ab'\n", ["", "a", "aab"], ["ab", "b"])
    agrees("a ::= (w - ('if' | 'else')) ' ' w\nw ::= [a-z] w | [a-z]", ["iff if", "i else"], ["if i", "else a"])


def test_a_difference_with_a_context_free_side_is_refused_by_name() -> None:
    error = refusal("a ::= b - 'x'\nb ::= '(' b ')' | 'x'")
    assert "the left side of this difference is not regular" in error.message and (error.line, error.column) == (1, 9)
    assert "right side" in refusal("a ::= 'x' - b\nb ::= '(' b ')' | 'x'").message


def test_a_difference_in_a_sequence_needs_parentheses() -> None:
    for source in ("a ::= 'x' 'y' - 'z'", "a ::= 'x' - 'y' 'z'", "a ::= 'x' - 'y' - 'z'", "a ::= - 'x'", "a ::= 'x' -"):
        error = refusal(source)
        assert "one item on each side" in error.message and "A (B - C)" in str(error), source
    assert "a difference needs blanks: x - y" in str(refusal("a ::= x-y\nx ::= 'x'\ny ::= 'y'"))


def test_a_difference_of_sets_is_a_set() -> None:
    [body] = constrain.ebnf("a ::= [a-f] - [b-d]").rules.values()
    assert isinstance(body, Terminal) and str(body.rx) == "Chars(ranges=((97, 97), (101, 102)))"


@pytest.mark.parametrize(
    ("source", "message", "line", "column"),
    [
        ("a ::= 'x\n'", "this string is never closed on its line", 1, 7),
        ("a ::= [x", "this set is never closed", 1, 7),
        ("a ::= 'x' /* no end", "this comment is never closed", 1, 11),
        ("a ::= 'x'\nb ::= # 'y'", "a character is #x and hexadecimal digits", 2, 7),
        ("a ::= 'x'\na ::= 'y'", "rule 'a' is defined twice", 2, 1),
        ("a ::= b", "there is no rule 'b'", 1, 7),
        ("a ::= [http://www.w3.org/TR/xml#NT-Name]", "rules of other specifications are not supported", 1, 7),
        ("a ::= #xD800", "a surrogate is no character", 1, 7),
        ("a ::= [a#x110000]", "there is no character #x110000", 1, 9),
        ("a ::= 'x'{2}", "unexpected character '{'", 1, 10),
        ("a ::= [c-a]", "the range 'c' to 'a' is reversed", 1, 7),
        ("a ::= []", "an empty set", 1, 7),
        ("a = 'x'", "a rule is written name ::= ...", 1, 3),
    ],
)
def test_errors_have_a_place(source: str, message: str, line: int, column: int) -> None:
    error = refusal(source)
    assert message in error.message and (error.line, error.column) == (line, column), error


# --- which of the two notations -------------------------------------------------------------------------------------


def test_a_text_that_defines_root_is_gbnf() -> None:
    agrees('item ::= "\\n"\nroot ::= item+ # lines', ["\n\n"], ["\\n", ""])
    agrees('items ::= item+\nitem ::= "\\n"', ["\\n\\n"], ["\n"])
    agrees('root ::= "\\n"', ["\\n"], ["\n"], dialect="w3c")
    agrees('all ::= "\\n"', ["\n"], ["\\n"], dialect="gbnf")
    agrees('[1] first ::= root\n[2] root ::= "\\n"', ["\\n"], ["\n"])  # numbers are W3C's


def test_the_start_rule() -> None:
    agrees("a ::= b 'x'\nb ::= 'y'", ["yx"], ["y"])
    agrees("a ::= b 'x'\nb ::= 'y'", ["y"], ["yx"], start="b")
    agrees('a ::= "x" root?\nroot ::= a a', ["xx"], ["x"])
    assert "there is no start rule 'c'" in str(refusal("a ::= 'x'", start="c"))


def test_errors_say_which_notation_was_read() -> None:
    assert "read as dialect='w3c', because it does not define root" in str(refusal("a ::= 'x' # y"))
    assert "read as dialect='gbnf', because it defines root" in str(refusal("root ::= 'x'"))
    assert "read as" not in str(refusal("root ::= 'x'", dialect="gbnf"))
    with pytest.raises(ValueError, match="'w3c' or 'gbnf'"):
        constrain.ebnf("a ::= 'x'", dialect="iso")  # type: ignore[arg-type]


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "tags.ebnf"
    path.write_text(TAGS, encoding="utf-8")
    assert accepts(constrain.ebnf(path), b"<a>")
    assert "name of a file" in str(refusal("tags.ebnf"))
    path.write_text("a ::= [x", encoding="utf-8")
    with pytest.raises(GrammarError, match=r"tags\.ebnf:1:7: this set is never closed"):
        constrain.ebnf(path)
