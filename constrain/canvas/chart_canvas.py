"""The exact canvas of any context-free grammar: a chart over all slots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from constrain.canvas.alive import Alive
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
        self.normal = grammar if isinstance(grammar, Normal) else normal_form(grammar, lexed=True)
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
        self.starts = self.lattice.starts
        self.ends = self.lattice.end_nodes(self.positions)
        self.empty_ends = sorted(set(self.starts).intersection(self.ends))  # of texts without terminals
        row = row_of(self.ends, self.chart.rows.shape[1])
        self.completable = outside(self.chart, self.starts, row) or bool(self.empty_ends)

    def _chart(self) -> Chart:
        nodes = len(self.lattice.nodes)
        words = words_for(nodes)
        rows = {
            key: np.frombuffer(row.to_bytes(4 * words, "little"), np.int32) for key, row in self.lattice.leaves.items()
        }
        return inside(self.language.rules, nodes, rows)

    def spans(self) -> Iterator[tuple[int, int]]:
        """Pairs of a start and an end between which a text lies."""
        for begin in self.starts:
            row = self.chart.row(self.language.rules.start, begin)
            if row is not None:
                yield from ((begin, end) for end in sorted(set(nodes_of(row)).intersection(self.ends)))

    def alive(self) -> Alive:
        """What completions use."""
        return Alive(self.lattice, self.chart, {begin for begin, _ in self.spans()}.union(self.empty_ends))

    def live_ends(self) -> list[int]:
        """How many tokens the text may have."""
        ends = {end for _, end in self.spans()}.union(self.empty_ends)
        return sorted({self.lattice.nodes[end].slot for end in ends})


def end_positions(slots: Sequence[int], ending: Ending) -> list[int]:
    """How many tokens the text may have: all behind it is open, ends or padding, and an end comes first."""
    n = len(slots)
    found = [] if ending.required else [n]
    behind = bool(ending.ends)  # may all behind here be ends or padding?
    for k in range(n - 1, -1, -1):
        if behind and (slots[k] == OPEN or slots[k] in ending.ends):
            found.append(k)
        behind = behind and (slots[k] == OPEN or slots[k] in ending.behind)
    first = next((k for k in range(n) if slots[k] in ending.behind), n)
    return [k for k in reversed(found) if k <= first]
