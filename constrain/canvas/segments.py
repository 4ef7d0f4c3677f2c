"""Fixed text with gaps of any bytes, and where the terminals of a grammar can lie in it.

The nodes of the lattice are the places between bytes; a gap is a node that is its own successor. A terminal that is
unfinished at a gap may be in any state behind it that follows from the one before: it is enough to know the strongly
connected component of that state, and for each component the ends are found once, from the last gap to the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constrain.automata.recursion import strongly_connected
from constrain.canvas.bytesets import NOWHERE, ByteDfa
from constrain.canvas.charts import words_for
from constrain.kernels.chart import NO_ROW
from constrain.kernels.segments import close_gap, read_states, seed

Numbers = npt.NDArray[np.int32]
Row = npt.NDArray[np.int32]


class Text(NamedTuple):
    """``data``: all that is fixed; ``gaps``: the places in it, ascending, where any bytes may be inserted."""

    data: bytes
    gaps: tuple[int, ...]

    @classmethod
    def of(cls, segments: Iterable[bytes | None]) -> Text:
        """Segments one after another; ``None`` is a gap. Gaps side by side are one."""
        data, gaps = b"", []
        for segment in segments:
            if segment is None:
                gaps.append(len(data))
            elif isinstance(segment, (bytes, bytearray)):
                data += segment
            else:
                raise TypeError(f"a segment is bytes, or None for a gap, not {segment!r}: encode text first")
        return cls(data, tuple(dict.fromkeys(gaps)))


class Lexemes:
    """The automata of all terminals as one table, whose last state is dead, and what is known of it for gaps."""

    def __init__(self, terminals: Sequence[ByteDfa], follow: Sequence[Iterable[int]], begin: Iterable[int]) -> None:
        """``follow``: for each terminal those that may come next; ``begin``: those that a text may begin with."""
        self.count = len(terminals)
        sizes = [len(t.accepts) for t in terminals]
        base = np.concatenate(([0], np.cumsum(sizes)))
        self.dead = int(base[-1])
        self.first = base[:-1].astype(np.int32)
        self.owner = np.repeat(np.arange(self.count), sizes)
        self.step = np.full((self.dead + 1, 256), self.dead, np.int32)
        self.accepts = np.zeros(self.dead + 1, np.int32)
        for first, terminal in zip(base, terminals, strict=False):
            rows = slice(first, first + len(terminal.accepts))
            self.step[rows] = np.where(terminal.step == NOWHERE, self.dead, terminal.step + first)
            self.accepts[rows] = terminal.accepts
        self.width = words_for(self.count)
        self.follow = np.array([bits(f, self.width) for f in follow], np.int32).reshape(self.count, self.width)
        self.begin = bits(begin, self.width)

    @cached_property
    def components(self) -> Components:
        """The strongly connected components of the states."""
        successors = {s: set(np.unique(self.step[s]).tolist()) - {self.dead} for s in range(self.dead)}
        found = strongly_connected(successors)
        component = np.zeros(self.dead + 1, np.int32)
        for number, states in enumerate(found):
            component[states] = number
        following = [{int(component[t]) for s in states for t in successors[s]} - {n} for n, states in enumerate(found)]
        return Components(component, *_flat(found), *_flat([sorted(f) for f in following]))


class Components(NamedTuple):
    """Numbered so that successors come first. Lists of lists are flat, with a first index for each."""

    of: Numbers  # (states + 1,)
    member0: Numbers
    member: Numbers
    next0: Numbers
    next: Numbers

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.member0) - 1


class Lattice:
    """Where terminals can lie in a text with gaps."""

    def __init__(self, lexemes: Lexemes, text: Text) -> None:
        self.lexemes, self.text = lexemes, text
        self.nodes = len(text.data) + 1
        self.words = words_for(self.nodes)
        self._data = np.frombuffer(text.data + b"\0", np.uint8).astype(np.int32)
        self._gap = np.full(self.nodes, -1, np.int32)
        self._gap[list(text.gaps)] = np.arange(len(text.gaps))
        self._after = np.zeros((max(len(text.gaps), 1), lexemes.components.size, self.words), np.int32)
        for number in reversed(range(len(text.gaps))):
            close_gap(number, self.words, lexemes.components.size, self.ends(text.gaps[number]).reshape(-1),
                      *lexemes.components[1:], self._after.reshape(-1))  # fmt: skip

    def ends(self, node: int) -> Row:
        """(states, words) int32: where what is in a state at ``node`` can end, read as if no gap were there."""
        lexemes = self.lexemes
        rows = np.zeros((lexemes.dead, self.words), np.int32)
        read_states(node, lexemes.dead, len(self.text.data), self.words, lexemes.components.size, self._data,
                    self._gap, lexemes.step.reshape(-1), lexemes.accepts, lexemes.components.of,
                    self._after.reshape(-1), rows.reshape(-1))  # fmt: skip
        return rows

    def ends_after_gap(self, node: int) -> Row:
        """(states, words) int32: the same, with the gap at ``node``."""
        found: Row = self._after[self._gap[node], self.lexemes.components.of[: self.lexemes.dead]]
        return found

    def leaves(self, symbols: int) -> tuple[Numbers, Row, int]:
        """Rows of all terminals that can be come to from the beginning: what ``charts.close`` takes."""
        lexemes = self.lexemes
        numbers = np.full((symbols, self.nodes), NO_ROW, np.int32)
        allowed = np.zeros((self.nodes, lexemes.width), np.int32)
        allowed[0] = lexemes.begin
        rows = np.zeros((4 * self.nodes + 64, self.words), np.int32)
        state = np.array([0, 0, len(rows)], np.int64)
        while seed(len(self.text.data), self.words, lexemes.components.size, lexemes.dead, lexemes.count,
                   lexemes.width, self._data, self._gap, lexemes.step.reshape(-1), lexemes.accepts,
                   lexemes.components.of, self._after.reshape(-1), lexemes.first, lexemes.follow.reshape(-1),
                   allowed.reshape(-1), numbers.reshape(-1), rows.reshape(-1), state):  # fmt: skip
            rows = np.vstack((rows, np.zeros_like(rows)))
            state[2] = len(rows)
        return numbers, rows, int(state[1])


def bits(numbers: Iterable[int], words: int) -> Row:
    """(words,) int32: a row with these bits."""
    row = np.zeros(32 * words, np.uint8)
    row[list(numbers)] = 1
    return np.packbits(row, bitorder="little").view(np.int32)


def _flat(lists: Sequence[Sequence[int]]) -> tuple[Numbers, Numbers]:
    first = np.concatenate(([0], np.cumsum([len(values) for values in lists]))).astype(np.int32)
    return first, np.array([value for values in lists for value in values] or [0], np.int32)
