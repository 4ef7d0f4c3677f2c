"""Canvases of a grammar: by states where it is regular, by charts where it is not."""

from __future__ import annotations

from collections.abc import Sequence

from constrain.canvas.analysis import Language
from constrain.canvas.base import Ending, Ids, ending_of
from constrain.canvas.chart_canvas import ChartCanvas, chart_canvas
from constrain.canvas.lattice import Limits
from constrain.canvas.normal import normal_form
from constrain.canvas.regular import RegularCanvas
from constrain.canvas.tokendfa import TokenDfa, regular_language
from constrain.ir.grammar import Grammar
from constrain.vocab.vocabulary import Vocabulary

LIMITS = Limits()


class Canvases:
    """All canvases of one grammar over one vocabulary. Make it once: what they have in common is remembered here."""

    def __init__(
        self, grammar: Grammar, vocabulary: Vocabulary, ending: Ending | None = None, limits: Limits = LIMITS
    ) -> None:
        """``ending``: how texts end (default: any of the vocabulary's ends, then more of them). ``limits``: what one
        chart may cost; above that a question is ``Undecided``. Regular grammars need no limits.

        Raises ``GrammarError`` where the grammar is not context-free or matches nothing, ``LimitExceeded``.
        """
        self.ending = ending or ending_of(vocabulary)
        normal = normal_form(grammar, lexed=True)
        dfa = None if normal.lexing else regular_language(normal)
        self.tokens = None if dfa is None else TokenDfa(dfa, vocabulary, self.ending)
        self.language = None
        if dfa is None:
            texts = [token for token in self.ending.behind if token < len(vocabulary) and vocabulary.tokens[token]]
            if texts:
                what = vocabulary.describe(min(texts))
                raise ValueError(f"the end or padding {what} is text too, which charts cannot tell apart: pass another")
            self.language = Language(grammar, normal, vocabulary, limits)

    def of(self, slots: int | Sequence[int] | Ids) -> RegularCanvas | ChartCanvas:
        """A canvas of so many open slots, or of slots that hold ids and ``OPEN``. Raises ``NotCompletable`` with the
        reason, ``Undecided``, and ``ValueError`` for what is no slot."""
        if self.language is None:
            assert self.tokens is not None
            return RegularCanvas.of(self.tokens, slots)
        return chart_canvas(self.language, slots, self.ending)


def canvas(
    grammar: Grammar, vocabulary: Vocabulary, slots: int | Sequence[int] | Ids, ending: Ending | None = None
) -> RegularCanvas | ChartCanvas:
    """One canvas; ``Canvases(grammar, vocabulary, ending).of(slots)``, which see."""
    return Canvases(grammar, vocabulary, ending).of(slots)
