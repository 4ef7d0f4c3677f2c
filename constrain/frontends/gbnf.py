"""GBNF, the notation of llama.cpp (``grammars/README.md`` and ``src/llama-grammar.cpp`` there).

What llama.cpp reads has the meaning that it gives it. What it refuses and xgrammar or transformers-cfg read (they call
it EBNF) has their meaning: line breaks anywhere, ``_`` in names, ``{,n}``, more escapes. Left recursion, empty
repetitions and large counts are no matter here.
"""

from __future__ import annotations

import re
import string as ascii_sets
from pathlib import Path

from constrain.frontends.bnf import Notation, Rules, Token, characters, read_source
from constrain.ir import rx
from constrain.ir.grammar import Expr, Grammar

_NAME = r"[A-Za-z0-9_-]+"
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[^xuU])|[^\\]", re.DOTALL)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "0": "\0", "e": "\x1b"}
_BY_HAND = {letter: letter for letter in ascii_sets.punctuation} | _CONTROLS
_ESCAPES = r"escapes are \n \r \t \b \f \\ \" \[ \] \- \xHH \uHHHH \UHHHHHHHH, and a backslash before punctuation"
_TOKENS = "a grammar here speaks of text, whatever its tokens: write the text that the token stands for"


def gbnf_grammar(source: str | Path, start: str = "root") -> Grammar:
    """The grammar of all texts that a GBNF grammar, a text or the ``Path`` of a file, matches from its rule ``start``.

    Rules keep their names, apart from those that become one terminal with the rule that uses them. Raises
    ``GrammarError`` with line and column for bad syntax and unknown names, and for what is not supported: references to
    tokens (``<[17]>``, ``<think>``, ``!<...>``), and xgrammar's macros, look-ahead and attributes. A rule that is
    defined again replaces the earlier one, as in llama.cpp, with a ``GrammarWarning``.
    """
    return GbnfRules(*read_source(source, (".gbnf", ".ebnf"))).grammar(start)


_NOTATION = Notation(
    blanks=re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*"),
    tokens=re.compile(
        rf"(?P<head>{_NAME}[ \t]*::=)|(?P<attributes>{_NAME}\[[^\]\n]*\][ \t]*::=)"
        rf"|(?P<macro>(?:TagDispatch|TokenTagDispatch|Token|ExcludeToken|Regex)(?=\())|(?P<name>{_NAME})"
        r'|(?P<string>"(?:[^"\\]|\\.)*")|(?P<set>\[(?:[^\]\\]|\\.)*\])'
        r"|(?P<braces>\{[^{}]*\})|(?P<token>!?<[^>\n]*>)|(?P<ahead>\(=)|(?P<mark>[|()*+?.])",
        re.DOTALL,
    ),
    refused={
        "token": ("references to tokens are", _TOKENS),
        "ahead": ("look-ahead assertions are", "xgrammar's are hints for speed: leave it out"),
        "macro": ("xgrammar's macros are", "a regular expression can be a grammar of its own: constrain.regex"),
        "attributes": ("attributes of rules are", "write: name ::= ..."),
    },
    unreadable={
        "=": "a rule is written name ::= ...",
        ":": "a rule is written name ::= ...",
        '"': "this string is never closed",
        "[": "this set is never closed",
        "{": "this { is never closed",
        "'": "strings stand in double quotes",
        "/*": "comments begin with #",
        "<": "this reference to a token is never closed",
    },
    redefines=True,
)


class GbnfRules(Rules):
    """One GBNF text."""

    notation = _NOTATION

    def admit(self, token: Token) -> Token:
        if token.kind == "macro" and re.search(rf"^[ \t]*{token.text}[ \t]*::=", self.text, re.MULTILINE):
            return Token("name", token.text, token.at)  # a rule's name, which a group follows
        return super().admit(token)

    def other(self, token: Token) -> Expr:
        if token.text == ".":
            return characters(((0, rx.MAX_CODE_POINT),))
        return super().other(token)

    def string(self, token: Token) -> str:
        return "".join(map(chr, self.symbols(token.text[1:-1], token.at + 1)[0]))

    def char_set(self, token: Token) -> rx.Ranges:
        """Ranges by code point; a hyphen at the beginning, at the end or after a range is itself."""
        negated = token.text.startswith("[^")
        begin = 2 if negated else 1
        codes, spelled = self.symbols(token.text[begin:-1], token.at + begin)
        if not codes:
            raise self.error("an empty set", token.at, 'llama.cpp reads it as the empty text: write ""')
        merged = self.ranges(codes, [text == "-" for text in spelled], token.at)
        return rx.invert_ranges(merged) if negated else merged

    def symbols(self, text: str, at: int) -> tuple[list[int], list[str]]:
        """The code points of a text with escapes, and how each is spelled."""
        if "\\" not in text:
            return list(map(ord, text)), list(text)
        codes, spelled, position = [], [], 0
        while position < len(text):
            match = _ESCAPE.match(text, position)
            code = _code(match) if match else None
            if code is None:
                raise self.error(f"unknown escape {text[position : position + 2]}", at + position, _ESCAPES)
            if code > rx.MAX_CODE_POINT:
                raise self.error(f"there is no character U+{code:X}", at + position, "the last one is U+10FFFF")
            codes.append(code)
            spelled.append(match[0])  # type: ignore[index]
            position = match.end()  # type: ignore[union-attr]
        return codes, spelled


def _code(match: re.Match[str]) -> int | None:
    """The code point of a character or escape; ``None`` for an escape that nobody has."""
    escape = match[1]
    if escape is None:
        return ord(match[0])
    if len(escape) > 1:
        return int(escape[1:], 16)
    return ord(_BY_HAND[escape]) if escape in _BY_HAND else None
