"""Everything about one canvas at once: a lattice over all its slots, and the chart of a grammar over that."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from constrain.canvas.alive import Alive
from constrain.canvas.base import OPEN, Ending, Ids
from constrain.canvas.charts import Chart, Rules, inside, nodes_of, outside, row_of, words_for
from constrain.canvas.filling import Leaf, Need, derivation, needs
from constrain.canvas.lattice import Lattice, Limits, OpenSlot, SimpleSlot, Slot, TokenSlot
from constrain.canvas.spelling import NONE, Spelling
from constrain.canvas.symbols import Normal
from constrain.canvas.unbounded import Unbounded
from constrain.ir.grammar import Grammar
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

Flags = npt.NDArray[np.bool_]


class Language:
    """A grammar over a vocabulary, prepared for canvases. Shared by all of them; not thread-safe."""

    def __init__(self, grammar: Grammar, normal: Normal, vocabulary: Vocabulary, limits: Limits) -> None:
        """``normal``: the grammar's normal form. ``limits``: above them ``Undecided`` is raised."""
        self.vocabulary, self.limits, self.normal = vocabulary, limits, normal
        self.automaton = PushdownAutomaton(grammar, vocabulary)
        self.unbounded = None if normal.lexing else Unbounded(normal)
        self.rules = Rules(self.normal)
        self.spelling = Spelling(self.normal, vocabulary)
        self.open, self.simple = OpenSlot(self.spelling), SimpleSlot(self.spelling)
        self._slots: dict[int, TokenSlot] = {}

    def slot(self, token: int, simple: bool) -> Slot:
        """What stands in a slot with this id; ``simple``: if it is open, only tokens within which no terminal ends."""
        if token == OPEN:
            return self.simple if simple else self.open
        if token not in self._slots:
            self._slots[token] = TokenSlot(self.spelling, token)
        return self._slots[token]


class Analysis:
    """Can a canvas be completed, with what, and what may stand in each open slot?"""

    def __init__(
        self, language: Language, slots: Ids, ending: Ending, *, limit: int | None = None, simple: Flags | None = None
    ) -> None:
        """``limit``: texts of at most so many tokens. ``simple``: (n,) slots that, if open, are filled only with tokens
        within which no terminal ends; then a completion is one, but that there is none says nothing.

        Raises ``Undecided`` where the lattice is too large.
        """
        self.language, self.given, self.ending = language, slots, ending
        ends = end_positions(slots, ending)
        self.positions = ends if limit is None else ends[ends <= limit]
        length = int(self.positions.max(initial=0))
        kinds = np.zeros(len(slots), np.bool_) if simple is None else simple
        content = zip(slots[:length].tolist(), kinds.tolist(), strict=False)
        self.lattice = Lattice(language.spelling, [language.slot(*slot) for slot in content], language.limits)
        self.chart = self._chart()
        self.starts = self.lattice.starts
        self.ends = self.lattice.end_nodes(self.positions.tolist())
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
        found = self.given.copy()
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


def end_positions(slots: Ids, ending: Ending) -> npt.NDArray[np.int64]:
    """How many tokens the text may have, ascending: all behind it is open, ends or padding, and an end comes first."""
    n, is_open = len(slots), slots == OPEN
    behind = np.isin(slots, list(ending.behind))
    fixed = np.flatnonzero(~(is_open | behind))  # text
    first = int(fixed[-1]) + 1 if len(fixed) else 0
    last = int(behind.argmax()) if behind.any() else n  # the first slot that is no text
    possible = np.isin(slots, list(ending.ends)) | (is_open if ending.ends else np.zeros(n, np.bool_))
    places = np.flatnonzero(possible)
    found = places[(places >= first) & (places <= last)]
    return np.append(found, n) if last == n and not ending.required else found
