"""``Gaps``: text with gaps under a grammar, gap by gap from the left.

A gap is a language of its own: what may stand in it so that the rest, whose own gaps may become anything, can still be
completed (``canvas/quotient.py``). Whatever is made of grammars is made of it: an automaton for masks, a canvas for an
exact bound on tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from constrain.canvas.base import NotCompletable
from constrain.canvas.factory import Canvases
from constrain.canvas.lattice import Limits
from constrain.canvas.quotient import Quotients
from constrain.canvas.unbounded import Unbounded
from constrain.canvas.within import WithinTokens
from constrain.ir.grammar import Grammar
from constrain.tokens.base import TokenAutomaton
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

Segments = Sequence[str | bytes | None]


class Gaps:
    """Texts of one grammar with gaps. Segments are text (``str`` as UTF-8), or ``None`` for a gap of any bytes, none
    at all included. Make it once for a grammar: preparing it takes longer than a text does."""

    def __init__(self, grammar: Grammar) -> None:
        """Raises ``GrammarError`` where the grammar is not context-free, or matches nothing."""
        self._quotients = Quotients(grammar)

    def completable(self, segments: Segments) -> bool:
        """Is there a text of the grammar with these segments, one after another?"""
        return self._quotients.unbounded.completable(as_bytes(segments))

    def completion(self, segments: Segments) -> bytes | None:
        """A text of the grammar with these segments; ``None`` if there is none."""
        return self._quotients.unbounded.witness(as_bytes(segments))

    def grammar(self, segments: Segments) -> Grammar:
        """What the first gap may be, all later ones being open. Raises ``NotCompletable`` if it may be nothing,
        ``ValueError`` where there is no gap."""
        given = as_bytes(segments)
        if None not in given:
            raise ValueError("there is no gap in this text: mark it with None")
        first = given.index(None)
        return self._quotients.of(b"".join(s or b"" for s in given[:first]), given[first + 1 :])

    def automaton(
        self, segments: Segments, vocabulary: Vocabulary, *, most_tokens: int | None = None
    ) -> TokenAutomaton[Any]:
        """Masks and steps for the tokens of the first gap: a token is allowed if and only if the text can be completed
        then. An end may follow where the gap may end.

        ``most_tokens``: the gap has no more tokens. Then a token is allowed if and only if the gap can also be closed
        in those that are left; ``NotCompletable`` is raised where so many are not enough. Masks then raise
        ``Undecided`` where the chart of so many tokens is too large.
        """
        grammar = self.grammar(segments)
        if most_tokens is None:
            return PushdownAutomaton(grammar, vocabulary)
        # No limit on time: a mask has nothing to fall back to.
        return WithinTokens(Canvases(grammar, vocabulary, limits=Limits(seconds=None)).of(most_tokens))

    def closing(self, segments: Segments) -> bytes:
        """A short text that closes the first gap. Raises ``NotCompletable``."""
        found = Unbounded(self.grammar(segments)).witness([None])
        if found is None:
            raise NotCompletable("the gap cannot be closed")
        return found


def as_bytes(segments: Segments) -> list[bytes | None]:
    """Segments of text as bytes."""
    return [s.encode() if isinstance(s, str) else s for s in segments]
