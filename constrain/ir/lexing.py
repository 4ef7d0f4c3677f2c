"""Grammars whose terminals a lexer finds: what may be read as a token depends on what was read before it.

Maximal munch, order of preference and look-ahead make a choice of lexeme a claim about the text after it. So rules are
over *tokens* (``Token``), and a ``Lexing`` says, for each *context*, in which ways a token can be read
and which context follows. A text is a member if it can be cut into lexemes along a derivation, context by context from
``first``, with the blanks that contexts allow at the beginning and behind each lexeme, and ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from constrain.ir.grammar import Expr, Terminal


class Token(Expr):
    """The token with this number."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class Way(NamedTuple):
    """``terminal`` (None: nothing is read), then the context ``after``."""

    terminal: Terminal | None
    after: int


class Lexing(Protocol):
    """Contexts are small numbers, made as they are met; answers never change. Not thread-safe.

    ``names[k]`` is what token k is called. Token ``end`` reads nothing; it has a way where the text may end.
    """

    first: int
    end: int
    names: Sequence[str]

    def ways(self, context: int, token: int) -> Sequence[Way]:
        """How the token can be read. Ways that read something do not match the empty text."""

    def blanks(self, context: int) -> Sequence[Way]:
        """What may be skipped here; all of them read something."""
