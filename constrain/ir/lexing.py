"""Grammars whose terminals a lexer finds: what may be read as a token depends on what was read before it.

Maximal munch, order of preference and look-ahead make a choice of lexeme a claim about the text after it. So rules are
over *tokens* (``Token``), and a ``Lexing`` says, for each *context*, in which ways a token can be read
and which context follows. A text is a member if it can be cut into lexemes along a derivation, context by context from
``first``, with the blanks that contexts allow at the beginning and behind each lexeme, and ended.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple, Protocol

from constrain.ir.grammar import Expr


class Enter(Expr):
    """``body``, if there is one; what follows is in this context. ``probe``: only where something can follow. Only the
    compiler makes these."""

    __slots__ = ("body", "context", "probe")

    def __init__(self, context: int, body: Expr | None = None, *, probe: bool = False) -> None:
        self.context, self.body, self.probe = context, body, probe


class Way(NamedTuple):
    """``body`` (a ``Terminal``, or literals; None: nothing is read), then the context ``after``."""

    body: Expr | None
    after: int


class Lexing(Protocol):
    """Contexts are small numbers, made as they are met; answers never change. Not thread-safe.

    ``names[k]`` is what token k is called. Tokens in ``empty`` read nothing, and perhaps again and again; one of them
    is ``end``, which has a way where the text may end.
    """

    is_finite: bool
    """Are there only so many contexts?"""

    @property
    def first(self) -> int:
        """The context at the beginning."""

    @property
    def end(self) -> int:
        """The token at the end."""

    @property
    def empty(self) -> Set[int]:
        """Tokens that read nothing."""

    @property
    def names(self) -> Sequence[str]:
        """What tokens are called."""

    def ways(self, context: int, token: int) -> Sequence[Way]:
        """How the token can be read. Ways that read something do not match the empty text."""

    def may_be_stuck(self, context: int) -> bool:
        """Are there tokens that rules may ask for here and that cannot be read, not even behind blanks?"""

    def blanks(self, context: int) -> Sequence[Way]:
        """What may be skipped here; all of them read something."""
