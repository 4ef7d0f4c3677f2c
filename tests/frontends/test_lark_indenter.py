"""Lark's Indenter against Lark itself."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from random import Random
from typing import ClassVar

import lark
import pytest
from lark.indenter import Indenter, PythonIndenter

import constrain
from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends.lark import lark_grammar
from constrain.frontends.lark.indentation import MAX_COLUMN
from constrain.ir.contexts import spelled_out
from constrain.testing import byte_vocabulary, check_token_automaton
from constrain.tokens.pushdown import PushdownAutomaton

MODES = [("lalr", "basic"), ("lalr", "contextual"), ("earley", "basic")]
V = byte_vocabulary()
TREES = r"""
start: (_NL | tree)*
tree: NAME args? _NL [_INDENT tree+ _DEDENT]
args: LPAR (NAME | args)* RPAR
LPAR: "("
RPAR: ")"
NAME: "a"
_NL: /(\r?\n[\t ]*|#[^\n]*)+/
%ignore /[ \t]+/
%ignore /#[^\n]*/
%declare _INDENT _DEDENT
"""
# What stands in a line counts; brackets need not match; the text may end within a block.
ODD = r"""
start: item*
item: NAME | "(" | ")" | _NL | _INDENT item* | _DEDENT
NAME: "a"
_NL: /\n[ \t#]*/
%declare _INDENT _DEDENT
"""


class TreeIndenter(Indenter):
    NL_type = "_NL"
    OPEN_PAREN_types: ClassVar = ["LPAR"]
    CLOSE_PAREN_types: ClassVar = ["RPAR"]
    INDENT_type = "_INDENT"
    DEDENT_type = "_DEDENT"
    tab_len = 3


def parses(parser: lark.Lark, text: str) -> bool:
    try:
        parser.parse(text)
    except (lark.exceptions.LarkError, AssertionError, IndexError):  # the last two are Indenter's
        return False
    return True


def reads(automaton: PushdownAutomaton, text: str) -> bool:
    state = automaton.advance_bytes(automaton.start(), text.encode())
    return state is not None and automaton.is_accepting(state)


def load(source: str, mode: tuple[str, str], postlex: object = None) -> lark.Lark:
    return lark.Lark(source, parser=mode[0], lexer=mode[1], postlex=postlex or TreeIndenter())


def tree(random: Random, column: int = 0) -> str:
    lines = []
    for _ in range(random.randrange(1, 4)):
        line = random.choice(["a", "a(a)", "a # # ", "a(\n a)", "a\n\n", "a\n\t", "a\n#", "a#\n  # "])
        deeper = column < 9 and random.random() < 0.4
        lines.append(" " * column + line + "\n" + (tree(random, column + random.choice([1, 2, 3])) if deeper else ""))
    return "".join(lines)


def edited(random: Random, text: str) -> str:
    place = random.randrange(len(text))
    return text[:place] + random.choice(["", " ", "\t", "\n", "#", "a", ")", "(", "\r\n"]) + text[place + 1 :]


def texts(random: Random) -> list[str]:
    found = ["".join(symbols) for length in range(6) for symbols in product("a\n (", repeat=length)]
    parts = ["a", "a\n", "a", "\n", " ", "\t", "#", ")", "(", "\r\n", "\n  "]
    found += ["".join(random.choices(parts, k=random.randrange(12))) for _ in range(300)]
    trees = [tree(random) for _ in range(80)]
    return found + trees + [edited(random, text) for text in trees]


@pytest.mark.parametrize("mode", MODES)
def test_trees(mode: tuple[str, str]) -> None:
    parser = load(TREES, mode)
    automaton = constrain.compile(lark_grammar(parser), V)
    members = 0
    for text in texts(Random(5)):
        expected = parses(parser, text)
        members += expected
        assert reads(automaton, text) == expected, text
    assert members > 200


def test_without_balance() -> None:
    """Where rules ask for what the post-lexer does not give, the automaton looks whether anything can follow."""
    parser = load(ODD, ("earley", "basic"))
    automaton = constrain.compile(lark_grammar(parser), V)
    for text in ("".join(symbols) for length in range(5) for symbols in product("a\n #(", repeat=length)):
        assert reads(automaton, text) == parses(parser, text), text


@pytest.mark.parametrize("mode", MODES)
def test_masks(mode: tuple[str, str]) -> None:
    vocabulary = byte_vocabulary(b"a\n", b"\n ", b"\n  ", b"a\n a", b" # ", b"(\n", b"\n)", b"\na")
    automaton = constrain.compile(lark_grammar(load(TREES, mode)), vocabulary)
    check_token_automaton(automaton, rng=Random(1), sequences=4, depth=8)


def test_columns_beyond_the_limit() -> None:
    """Such a line may begin, and where the next one stands is not known exactly: the limit is named."""
    automaton = constrain.compile(lark_grammar(load(TREES, MODES[0])), V)
    far = " " * (MAX_COLUMN + 50)
    assert reads(automaton, f"a\n{far[:MAX_COLUMN]}a\n{far[:MAX_COLUMN]}a\n")
    state = automaton.advance_bytes(automaton.start(), f"a\n{far}a".encode())
    assert state is not None
    with pytest.raises(LimitExceeded, match="columns of indentation"):
        automaton.advance_bytes(state, b"\n")


def test_the_product_with_contexts_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="knows indentation"):
        spelled_out(lark_grammar(load(TREES, MODES[0])))


class Changed(TreeIndenter):
    def handle_NL(self, token: lark.Token) -> object:
        return super().handle_NL(token)


class Confused(TreeIndenter):
    OPEN_PAREN_types: ClassVar = ["_NL"]


class Other(lark.lark.PostLex):
    always_accept = ()

    def process(self, stream: object) -> object:
        return stream


@pytest.mark.parametrize(
    ("source", "postlex", "message"),
    [
        (TREES, Changed(), "it overrides handle_NL"),
        (TREES, Confused(), "one name has two meanings"),
        (TREES, Other(), "only an Indenter is supported"),
        (TREES.replace("%declare _INDENT", '_INDENT: "{"\n%declare'), TreeIndenter(), "it has a pattern"),
    ],
)
def test_refusals_name_the_culprit(source: str, postlex: object, message: str) -> None:
    with pytest.raises(GrammarError, match=message):
        lark_grammar(load(source, MODES[0], postlex))


PYTHON = """\
def f(a, *b):
    if a:
        # comments
      # anywhere
        x = (a,
  b)

\treturn [1]
    return x # the end
"""


def test_the_shipped_grammar_of_python() -> None:
    path = Path(__file__).parents[2] / "grammars" / "python.lark"
    automaton = constrain.compile(lark_grammar(path), V)
    parser = lark.Lark.open(
        str(path), parser="lalr", lexer="basic", postlex=PythonIndenter(), start="file_input", maybe_placeholders=False
    )
    random = Random(2)
    found = [PYTHON, *(edited(random, PYTHON) for _ in range(12))]
    assert [reads(automaton, text) for text in found] == [parses(parser, text) for text in found]
    assert reads(automaton, PYTHON)
