"""What all notations with ``name ::= expression`` have in common: tokens, expressions, rules, errors with a place.

A notation (``gbnf.py``, ``ebnf.py``) says what blanks and tokens look like and what a string or a set of characters
means; the reader makes rules of the tokens, and ``regular_parts`` makes terminals of what is regular in them. A rule
ends where the next one begins (``name ::=``), so line breaks mean nothing here.
"""

from __future__ import annotations

import difflib
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, NoReturn

from constrain.errors import GrammarError, GrammarWarning
from constrain.frontends.char_sets import scalars
from constrain.frontends.regular_parts import NotRegular, with_terminals
from constrain.ir import rx
from constrain.ir.grammar import EMPTY, NEVER, Choice, Expr, Grammar, Literal, Ref, Repeat, Seq, Terminal

_COUNTS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_MAX_DIGITS = 9  # counters of the engine have 32 bits
_BRACES = re.compile(r"\{\s*(\d*)\s*(,?)\s*(\d*)\s*\}")


class Token(NamedTuple):
    """``kind`` is the name of the group of the notation's pattern that matched; ``end`` behind the last token."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class Notation:
    """What the reader has to know of a notation.

    tokens      groups ``head`` (``name ::=``), ``name``, ``string``, ``set``, ``braces``, ``mark``, and others
    refused     kind of token -> what it is, and what to write instead
    unreadable  first characters of what is no token -> what is wrong
    redefines   may a rule be given again? The last one counts, then
    ends        marks before which a sequence ends
    """

    blanks: re.Pattern[str]
    tokens: re.Pattern[str]
    refused: Mapping[str, tuple[str, str]]
    unreadable: Mapping[str, str]
    redefines: bool = False
    ends: tuple[str, ...] = ("|", ")")


class Rules(ABC):
    """Reads one text. A notation's own reader adds the meaning of strings and sets."""

    notation: ClassVar[Notation]

    def __init__(self, text: str, path: Path | None) -> None:
        self.text, self.path = text, path
        self.found = self.tokenize()
        self.next = 0
        self.rules: dict[str, Expr] = {}
        self.mentions: dict[str, int] = {}  # name -> where it is first used

    @abstractmethod
    def string(self, token: Token) -> str:
        """The text that a string token stands for."""

    @abstractmethod
    def char_set(self, token: Token) -> rx.Ranges:
        """The characters that a set token stands for; surrogates do not matter."""

    def grammar(self, start: str) -> Grammar:
        """All rules. ``start`` is the start rule; where it is empty, ``root`` is, or else the first one."""
        try:
            while self.peek().kind != "end":
                self.rule()
            self.check_names(start)
            start = start or ("root" if "root" in self.rules else next(iter(self.rules)))
            return Grammar(start, with_terminals(self.rules, start))
        except NotRegular as error:
            raise self.error(str(error), error.node.at, error.hint) from None
        except RecursionError as error:
            raise GrammarError("the grammar is nested too deeply", where=self.where()) from error

    # ---- tokens ----------------------------------------------------------------------------------------------

    def tokenize(self) -> list[Token]:
        text, skip, match = self.text, self.notation.blanks.match, self.notation.tokens.match
        found, at = [], self.skip(skip, 0)
        while at < len(text):
            token = match(text, at)
            if token is None:
                self.not_a_token(at)
            found.append(self.admit(Token(str(token.lastgroup), token[0], at)))
            at = self.skip(skip, token.end())
        found.append(Token("end", "", at))
        return found

    def admit(self, token: Token) -> Token:
        """The token, unless it is a construct that is refused by its name."""
        if token.kind in self.notation.refused:
            what, hint = self.notation.refused[token.kind]
            raise self.error(f"{what} not supported: {token.text}", token.at, hint)
        return token

    def skip(self, match: Callable[[str, int], re.Match[str] | None], at: int) -> int:
        blanks = match(self.text, at)
        return at if blanks is None else blanks.end()

    def not_a_token(self, at: int) -> NoReturn:
        rest = self.text[at:]
        for beginning, message in self.notation.unreadable.items():
            if rest.startswith(beginning):
                raise self.error(message, at)
        raise self.error(f"unexpected character {rest[0]!r}", at)

    def peek(self) -> Token:
        return self.found[self.next]

    def take(self) -> Token:
        self.next += 1
        return self.found[self.next - 1]

    def takes(self, text: str) -> bool:
        """Is the next token this mark? Then it is taken."""
        token = self.peek()
        if token.kind == "mark" and token.text == text:
            self.next += 1
            return True
        return False

    # ---- rules -----------------------------------------------------------------------------------------------

    def rule(self) -> None:
        head = self.take()
        if head.kind != "head":
            raise self.unexpected(head, "name ::=")
        name = head.text.removesuffix("::=").rstrip()
        if name in self.rules:
            self.again(name, head.at)
        self.rules[name] = self.choice()

    def again(self, name: str, at: int) -> None:
        if not self.notation.redefines:
            raise self.error(f"rule {name!r} is defined twice", at, "join the two with |")
        text = f"{self.where()}:{self.place(at)[0]}: rule {name!r} is defined again; the last definition counts"
        warnings.warn(text, GrammarWarning, stacklevel=5)

    def choice(self) -> Expr:
        parts = [self.sequence()]
        while self.takes("|"):
            parts.append(self.sequence())
        return parts[0] if len(parts) == 1 else Choice(*parts)

    def sequence(self) -> Expr:
        return joined(self.items())

    def items(self) -> list[Expr]:
        parts: list[Expr] = []
        while (item := self.item()) is not None:
            parts.append(item)
        return parts

    def item(self) -> Expr | None:
        """One member of a sequence with what is behind it, or nothing if the sequence ends here."""
        expr = self.primary()
        while expr is not None:
            token = self.peek()
            if token.kind == "braces":
                expr = Repeat(expr, *self.bounds(self.take()))
            elif token.kind == "mark" and token.text in _COUNTS:
                expr = Repeat(expr, *_COUNTS[self.take().text])
            else:
                break
        return expr

    def primary(self) -> Expr | None:
        token = self.peek()
        if token.kind in ("head", "end") or (token.kind == "mark" and token.text in self.notation.ends):
            return None
        self.next += 1
        match token.kind:
            case "name":
                self.mentions.setdefault(token.text, token.at)
                return Ref(token.text)
            case "string":
                return self.literal(token)
            case "set":
                return characters(self.char_set(token))
        if token.text == "(":
            return self.group(token)
        if token.text in _COUNTS or token.kind == "braces":
            raise self.error(f"nothing to repeat before {token.text}", token.at)
        return self.other(token)

    def other(self, token: Token) -> Expr:
        """What only some notation has."""
        raise self.unexpected(token, "a string, a set, a name or a group")

    def group(self, opened: Token) -> Expr:
        body = self.choice()
        if not self.takes(")"):
            raise self.error("this ( is never closed", opened.at)
        return body

    def literal(self, token: Token) -> Expr:
        text = self.string(token)
        if any(rx.SURROGATES[0] <= ord(char) <= rx.SURROGATES[1] for char in text):
            raise self.error("a surrogate is no character", token.at, "write the character itself")
        return Literal(text.encode())

    def bounds(self, token: Token) -> tuple[int, int | None]:
        match = _BRACES.fullmatch(token.text)
        if match is None or not (match[1] or match[3]):
            raise self.error("not a number of times", token.at, "write {3}, {3,}, {,5} or {3,5}")
        if max(len(match[1]), len(match[3])) > _MAX_DIGITS:
            raise self.error(f"a count of more than {_MAX_DIGITS} digits", token.at, "write {3,} for no upper bound")
        low = int(match[1] or 0)
        high = int(match[3]) if match[3] else None if match[2] else low
        if high is not None and high < low:
            raise self.error(f"at least {low} and at most {high} times is impossible", token.at)
        return low, high

    def ranges(self, codes: list[int], is_hyphen: list[bool], at: int) -> rx.Ranges:
        """The characters of a set from its members, of which those that are bare hyphens may join two others."""
        found, i = [], 0
        while i < len(codes):
            low = high = codes[i]
            if i + 2 < len(codes) and is_hyphen[i + 1]:
                high, i = codes[i + 2], i + 2
            if high < low:
                raise self.error(f"the range {chr(low)!r} to {chr(high)!r} is reversed", at)
            found.append((low, high))
            i += 1
        return rx.merge_ranges(found)

    # ---- errors ----------------------------------------------------------------------------------------------

    def check_names(self, start: str) -> None:
        for name, at in self.mentions.items():
            if name not in self.rules:
                raise self.error(f"there is no rule {name!r}", at, self.advice(name))
        if not self.rules:
            raise GrammarError("there are no rules", where=self.where(), hint="write: root ::= ...")
        if start and start not in self.rules:
            raise GrammarError(
                f"there is no start rule {start!r}",
                where=self.where(),
                hint=f"the rules are {', '.join(list(self.rules)[:8])}: pass start=...",
            )

    def advice(self, name: str) -> str | None:
        """What may have been meant by a name that nothing defines."""
        close = difflib.get_close_matches(name, self.rules, 1)
        return f"did you mean {close[0]!r}?" if close else None

    def unexpected(self, token: Token, wanted: str) -> GrammarError:
        what = "the grammar ends" if token.kind == "end" else f"unexpected {token.text.splitlines()[0]!r}"
        return self.error(f"{what}; wanted {wanted}", token.at)

    def error(self, message: str, at: int, hint: str | None = None) -> GrammarError:
        line, column = self.place(at)
        return GrammarError(message, source=self.text, line=line, column=column, hint=hint, path=self.where())

    def where(self) -> str:
        return str(self.path) if self.path else "<grammar>"

    def place(self, at: int) -> tuple[int, int]:
        """Line and column, from 1."""
        rows = (self.text[:at] + "x").splitlines()
        return len(rows), len(rows[-1])


def joined(parts: list[Expr]) -> Expr:
    """Parts one after another."""
    return parts[0] if len(parts) == 1 else Seq(*parts) if parts else EMPTY


def characters(ranges: rx.Ranges) -> Expr:
    """One character of a set; none, if it has surrogates only."""
    members = scalars(rx.merge_ranges(ranges))
    return Terminal(rx.chars(members)) if members else NEVER


def read_source(source: str | Path, suffixes: tuple[str, ...]) -> tuple[str, Path | None]:
    """The text of a grammar, and the path if it is a file."""
    if isinstance(source, Path):
        try:
            return source.read_text(encoding="utf-8-sig"), source
        except OSError as error:
            raise GrammarError(f"cannot read the file: {error.strerror}", where=str(source)) from error
        except UnicodeDecodeError as error:
            raise GrammarError("the file is not UTF-8", where=str(source)) from error
    if source.endswith(suffixes) and "\n" not in source and "::=" not in source:
        raise GrammarError(f"{source!r} is the name of a file, not a grammar", hint="pass pathlib.Path(...)")
    return source, None
