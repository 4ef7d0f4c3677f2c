"""Can a text with gaps be completed, where each gap may become any bytes? The criterion of Mündler, Dekoninck and
Vechev, "Constrained Decoding of Diffusion LLMs with Context-Free Grammars" (arXiv 2508.10111), decided by one closure.

A yes here does not mean that a canvas can be filled: a gap of a canvas has so many tokens and no more. It is what
infilling needs, where gaps are as long as they have to be, and what exact canvases are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence

from constrain.canvas.charts import Chart, Rules, close
from constrain.canvas.normal import normal_form
from constrain.canvas.segments import Lattice, Lexemes, Text
from constrain.canvas.symbols import Normal
from constrain.canvas.ways import first_and_follow
from constrain.canvas.witness import Witness
from constrain.ir.grammar import Grammar


class Unbounded:
    """Texts of one grammar with gaps. Make it once: preparing a grammar takes longer than deciding a text.

    Segments are bytes, or ``None`` for a gap of any bytes, none at all included. A text that may go on ends with a gap.
    """

    def __init__(self, grammar: Grammar | Normal) -> None:
        """Raises ``GrammarError`` where ``grammar`` is not context-free, or matches nothing."""
        self.normal = normal_form(grammar) if isinstance(grammar, Grammar) else grammar
        first, follow, _ = first_and_follow(self.normal)
        self.rules = Rules(self.normal)
        self.lexemes = Lexemes(self.normal.terminals, follow, first)

    def completable(self, segments: Sequence[bytes | None]) -> bool:
        """Is there a text of the grammar with these segments, one after another? Exact."""
        text = Text.of(segments)
        return self._may_be_empty(text) or self._spans(self.chart(text)[1])

    def witness(self, segments: Sequence[bytes | None]) -> bytes | None:
        """A text of the grammar with these segments, ``None`` if there is none."""
        text = Text.of(segments)
        if self._may_be_empty(text):
            return b""
        _, chart = self.chart(text)
        return Witness(self.normal, text, chart).text() if self._spans(chart) else None

    def chart(self, text: Text) -> tuple[Lattice, Chart]:
        """The lattice of a text, whose last node is ``len(text.data)``, and the closure over it."""
        lattice = Lattice(self.lexemes, text)
        return lattice, close(self.rules, *lattice.leaves(self.rules.symbols))

    def _may_be_empty(self, text: Text) -> bool:
        return self.normal.accepts_empty and not text.data

    def _spans(self, chart: Chart) -> bool:
        return chart.has(self.rules.start, 0, chart.nodes - 1)
