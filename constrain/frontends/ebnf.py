"""EBNF as W3C specifications write it (Extensible Markup Language 1.0, section 6), and as other tools mean the word.

Two notations go by this name and share ``::=``. W3C's has ``#xN``, strings in either quotes without escapes,
differences ``A - B`` and comments ``/* */``. That of xgrammar and transformers-cfg is GBNF: ``#`` comments, escapes, a
start rule called ``root``. So a text that defines ``root`` is read as GBNF unless ``dialect`` says otherwise.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal as OneOf

from constrain.errors import GrammarError
from constrain.frontends.bnf import Notation, Rules, Token, characters, joined, read_source
from constrain.frontends.gbnf import GbnfRules
from constrain.frontends.regular_parts import Difference
from constrain.ir import rx
from constrain.ir.grammar import Expr, Grammar

Dialect = OneOf["w3c", "gbnf"]
_NAME = r"[^\W\d](?:[\w.-]*\w)?"
_HEAD = rf"{_NAME}[ \t]*::="
_ROOT = re.compile(r"^[ \t]*root[ \t]*::=", re.MULTILINE)
_MEMBER = re.compile(r"#x([0-9a-fA-F]+)|.", re.DOTALL)


def ebnf_grammar(source: str | Path, start: str | None = None, dialect: Dialect | None = None) -> Grammar:
    """The grammar of all texts that an EBNF grammar, a text or the ``Path`` of a file, matches.

    ``start`` is the start rule: without it ``root`` if there is one, else the first. ``dialect`` is ``w3c`` or
    ``gbnf`` (see ``gbnf_grammar``): without it ``gbnf`` where a rule ``root`` is defined, else ``w3c``.

    ``A - B`` (W3C) is exact where both sides are regular. Raises ``GrammarError`` with line and column for bad syntax,
    unknown names, rules defined twice, and what is not supported: differences of what is not regular, sequences with a
    difference that no parentheses tell apart, links to rules of other specifications.
    """
    text, path = read_source(source, (".ebnf", ".bnf", ".gbnf"))
    has_root = _ROOT.search(text) is not None
    read_as = dialect or ("gbnf" if has_root else "w3c")
    if read_as not in _READERS:
        raise ValueError(f"dialect is 'w3c' or 'gbnf', not {dialect!r}")
    try:
        return _READERS[read_as](text, path).grammar(start or "")
    except GrammarError as error:
        if dialect is None:
            reason = "it defines root" if has_root else "it does not define root"
            note = f"the text was read as dialect={read_as!r}, because {reason}"
            error.hint = f"{error.hint}; {note}" if error.hint else note
        raise


_NOTATION = Notation(
    blanks=re.compile(
        rf"(?:(?m:^)[ \t]*\[\d+\w*\][ \t]*(?={_HEAD})"  # [28a] numbers the rule on its line
        r"|\[[ \t]*(?i:wfc|vc|nsc)[ \t]*:[^\]]*\]"  # [ wfc: No < in Attribute Values ]
        r"|\s|/\*.*?\*/)*",
        re.DOTALL,
    ),
    tokens=re.compile(
        rf"(?P<head>{_HEAD})|(?P<name>{_NAME})|(?P<code>#x[0-9a-fA-F]+)"
        r"""|(?P<string>"[^"\r\n]*"|'[^'\r\n]*')|(?P<link>\[[A-Za-z]+://[^\]\s]*\])|(?P<set>\[[^\]]*\])"""
        r"|(?P<mark>[|()*+?-])"
    ),
    refused={"link": ("rules of other specifications are", "copy the rule here")},
    unreadable={
        "=": "a rule is written name ::= ...",
        ":": "a rule is written name ::= ...",
        '"': "this string is never closed on its line",
        "'": "this string is never closed on its line",
        "[": "this set is never closed",
        "/*": "this comment is never closed",
        "#": "a character is #x and hexadecimal digits; comments are /* */",
    },
    ends=("|", ")", "-"),
)


class W3cRules(Rules):
    """One text in W3C's notation."""

    notation = _NOTATION

    def sequence(self) -> Expr:
        """``A B C``, or ``A - B`` and nothing else: no specification says which of the two binds closer."""
        left, minus = self.items(), self.peek()
        if not self.takes("-"):
            return joined(left)
        right = self.items()
        if len(left) != 1 or len(right) != 1 or self.peek().text == "-":
            raise self.error("a difference has one item on each side", minus.at, "write A (B - C), or (A B) - C")
        return Difference(left[0], right[0], minus.at)

    def other(self, token: Token) -> Expr:
        if token.kind != "code":
            return super().other(token)
        code = self.code(token.text[2:], token.at)
        if rx.SURROGATES[0] <= code <= rx.SURROGATES[1]:
            raise self.error("a surrogate is no character", token.at)
        return characters(((code, code),))

    def string(self, token: Token) -> str:
        return token.text[1:-1]

    def char_set(self, token: Token) -> rx.Ranges:
        """Ranges of characters and of ``#xN``; a hyphen at the beginning, at the end or after a range is itself."""
        negated = token.text.startswith("[^")
        members = list(_MEMBER.finditer(token.text, 2 if negated else 1, len(token.text) - 1))
        if not members:
            raise self.error("an empty set", token.at, "write '' for the empty text")
        codes = [self.code(m[1], token.at + m.start()) if m[1] else ord(m[0]) for m in members]
        merged = self.ranges(codes, [m[0] == "-" for m in members], token.at)
        return rx.invert_ranges(merged) if negated else merged

    def code(self, digits: str, at: int) -> int:
        code = int(digits, 16)
        if code > rx.MAX_CODE_POINT:
            raise self.error(f"there is no character #x{digits}", at, "the last one is #x10FFFF")
        return code

    def advice(self, name: str) -> str | None:
        left, hyphen, right = name.partition("-")
        if hyphen and left in self.rules and right in self.rules:
            return f"a difference needs blanks: {left} - {right}"
        return super().advice(name)


_READERS: dict[str, type[Rules]] = {"w3c": W3cRules, "gbnf": GbnfRules}
