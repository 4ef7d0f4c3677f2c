"""Everything about one canvas at once: a lattice over all its slots, and the chart of a grammar over that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from constrain.canvas.alive import Alive
from constrain.canvas.base import OPEN, Ending, Ids
from constrain.canvas.charts import Chart, Rules, inside, nodes_of, outside, row_of, words_for
from constrain.canvas.filling import Leaf, Need, derivation, needs
from constrain.canvas.lattice import Lattice, OpenSlot, Slot, TokenSlot
from constrain.canvas.normal import normal_form
from constrain.canvas.spelling import NONE, Spelling
from constrain.ir.grammar import Grammar
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

MAX_NODES = 8_000  # of a lattice: a second or so


class Language:
    """A grammar over a vocabulary, prepared for canvases. Shared by all of them; not thread-safe."""

    def __init__(self, grammar: Grammar, vocabulary: Vocabulary, limit: int = MAX_NODES) -> None:
        """``limit``: nodes of a lattice, above which ``Undecided`` is raised."""
        self.vocabulary, self.limit = vocabulary, limit
        self.automaton = PushdownAutomaton(grammar, vocabulary)
        self.normal = normal_form(grammar, lexed=True)
        self.rules = Rules(self.normal)
        self.spelling = Spelling(self.normal, vocabulary)
        self.open = OpenSlot(self.spelling)

    def slot(self, token: int) -> Slot:
        """What stands in a slot with this id."""
        return self.open if token == OPEN else TokenSlot(self.spelling, token)


class Analysis:
    """Can a canvas be completed, with what, and what may stand in each open slot?"""

    def __init__(self, language: Language, slots: Sequence[int], ending: Ending, limit: int | None = None) -> None:
        """``limit``: texts of at most so many tokens. Raises ``Undecided`` where the lattice is too large."""
        self.language, self.given, self.ending = language, slots, ending
        self.positions = [k for k in end_positions(slots, ending) if limit is None or k <= limit]
        length = max(self.positions, default=0)
        self.lattice = Lattice(language.spelling, [language.slot(token) for token in slots[:length]], language.limit)
        self.chart = self._chart()
        self.starts = self.lattice.starts
        self.ends = self.lattice.end_nodes(self.positions)
        self.empty_ends = sorted(set(self.starts).intersection(self.ends))  # of texts without terminals
        self.completable = bool(self.empty_ends) or any(True for _ in self.spans())

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

    def live_ends(self) -> list[int]:
        """How many tokens the text may have."""
        ends = {end for _, end in self.spans()}.union(self.empty_ends)
        return sorted({self.lattice.nodes[end].slot for end in ends})

    # ---- what may stand in a slot ----------------------------------------------------------------------------

    def tokens(self, slot: int) -> Ids:
        """All ids that may stand in an open slot, ascending."""
        text = self.alive.tokens(slot) if slot < len(self.lattice.slots) else np.empty(0, np.int32)
        behind = [sorted(self.ending.ends if end == slot else self.ending.behind)
                  for end in self.live_ends() if end <= slot]  # fmt: skip
        return np.unique(np.concatenate([text, *(np.array(ids, np.int32) for ids in behind)]))

    @cached_property
    def alive(self) -> Alive:
        """What completions use."""
        outside(self.chart, self.starts, row_of(self.ends, self.chart.rows.shape[1]))
        return Alive(self.lattice, self.chart, {begin for begin, _ in self.spans()}.union(self.empty_ends))

    # ---- a completion ----------------------------------------------------------------------------------------

    def filling(self, former: Ids) -> Ids:
        """(n,) int32: a completion. Where it can have the tokens of ``former`` in open slots, it mostly does."""
        begin, end, leaves = self._text(text_length(former, self.ending))
        length = self.lattice.nodes[end].slot
        found = np.array(self.given, np.int32)
        for slot, need in enumerate(needs(self.lattice, begin, leaves, length)):
            if found[slot] == OPEN:
                found[slot] = self._token(need, int(former[slot]))
        return completed(found, length, self.ending)

    def _text(self, length: int) -> tuple[int, int, list[Leaf]]:
        """Where a text begins and ends, and its leaves: one of nearly ``length`` tokens."""
        spans = list(self.spans())
        if not spans:
            end = min(self.empty_ends, key=lambda node: abs(self.lattice.nodes[node].slot - length))
            return end, end, []
        begin, end = min(spans, key=lambda span: abs(self.lattice.nodes[span[1]].slot - length))
        return begin, end, derivation(self.chart, self.language.normal.count, begin, end)

    def _token(self, need: Need, former: int) -> int:
        """A token that does what is needed: the former one, if it does."""
        spelling = self.language.spelling
        if former != OPEN and former not in self.ending.behind and self._does(need, former):
            return former
        if need.state != NONE:
            choices = spelling.choices(need.state)
            return next(int(tokens[0]) for key, tokens in zip(choices.keys, choices.tokens, strict=True)
                        if need.is_met_by(key))  # fmt: skip
        starts = spelling.starts(need.context)
        return next(int(tokens[0]) for point, tokens in zip(starts.points, starts.tokens, strict=True)
                    if need.is_begun_by(spelling.rest(point)))  # fmt: skip

    def _does(self, need: Need, token: int) -> bool:
        spelling = self.language.spelling
        if need.state != NONE:
            return need.is_met_by(spelling.effect(need.state, token))
        point = spelling.start(need.context, token)
        return point != NONE and need.is_begun_by(spelling.rest(point))


def text_length(filling: Ids, ending: Ending) -> int:
    """How many tokens stand before the first end."""
    ends = np.flatnonzero(np.isin(filling, list(ending.ends)))
    return int(ends[0]) if len(ends) else len(filling)


def completed(slots: Ids, length: int, ending: Ending) -> Ids:
    """Slots with a text of ``length`` tokens, with an end and padding where they are open."""
    found = slots.copy()
    if length < len(found):
        if found[length] == OPEN:
            found[length] = min(ending.ends)
        behind = found[length + 1 :]
        behind[behind == OPEN] = min(ending.padding or ending.ends)
    return found


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
