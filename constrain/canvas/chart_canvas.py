"""The exact canvas of any context-free grammar: a chart over all slots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from constrain.canvas.base import OPEN, Ending
from constrain.canvas.charts import Chart, Rules, inside, nodes_of, outside, row_of, words_for
from constrain.canvas.lattice import Lattice, OpenSlot, Slot, TokenSlot
from constrain.canvas.normal import Normal, normal_form
from constrain.canvas.spelling import Spelling
from constrain.ir.grammar import Grammar
from constrain.vocab.vocabulary import Vocabulary


class Language:
    """A grammar over a vocabulary, prepared for canvases. Shared by all of them; not thread-safe."""

    def __init__(self, grammar: Grammar | Normal, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.normal = grammar if isinstance(grammar, Normal) else normal_form(grammar)
        self.rules = Rules(self.normal)
        self.spelling = Spelling(self.normal, vocabulary)
        self.open = OpenSlot(self.spelling)

    def slot(self, token: int) -> Slot:
        """What stands in a slot with this id."""
        return self.open if token == OPEN else TokenSlot(self.spelling, token)


class Analysis:
    """Everything about one canvas at once: can it be completed, with what, and what may stand in each open slot."""

    def __init__(self, language: Language, slots: Sequence[int], ending: Ending) -> None:
        self.language, self.given, self.ending = language, slots, ending
        self.positions = end_positions(slots, ending)
        length = max(self.positions, default=0)
        self.lattice = Lattice(language.spelling, [language.slot(token) for token in slots[:length]])
        self.chart = self._chart()
        self.is_empty_text = language.normal.accepts_empty and 0 in self.positions
        self.ends = self.lattice.end_nodes(self.positions)
        row = row_of(self.ends, self.chart.rows.shape[1])
        self.completable = outside(self.chart, [0], row) or self.is_empty_text

    def live_ends(self) -> list[int]:
        """How many tokens the text may have."""
        found = {0} if self.is_empty_text else set()
        row = self.chart.row(self.language.rules.start, 0)
        if row is not None:
            found.update(self.lattice.nodes[node].slot for node in set(nodes_of(row)).intersection(self.ends))
        return sorted(found)

    def _chart(self) -> Chart:
        nodes = len(self.lattice.nodes)
        words = words_for(nodes)
        leaves = {
            key: np.frombuffer(row.to_bytes(4 * words, "little"), np.int32)
            for key, row in self.lattice.leaves().items()
        }
        return inside(self.language.rules, nodes, leaves)


def end_positions(slots: Sequence[int], ending: Ending) -> list[int]:
    """How many tokens the text may have: behind it there are only slots that are open, ends or padding, an end first."""
    n = len(slots)
    found = [] if ending.required else [n]
    behind = bool(ending.ends)  # may all behind here be ends or padding?
    for k in range(n - 1, -1, -1):
        if behind and (slots[k] == OPEN or slots[k] in ending.ends):
            found.append(k)
        behind = behind and (slots[k] == OPEN or slots[k] in ending.behind)
    first = next((k for k in range(n) if slots[k] in ending.behind), n)
    return [k for k in reversed(found) if k <= first]
