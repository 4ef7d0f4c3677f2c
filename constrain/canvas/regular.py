"""The exact canvas of a regular grammar: between slots, the states of its automaton that lie on some completion.

What is allowed in a slot is then what leads from one such state to another. JSON records, regular expressions and SQL
without nesting are of this kind. DINGO (Suresh et al. 2025, arXiv 2505.23061) and Dang and Ermon (2026, arXiv
2607.07026) have it for blocks without an end; here are ends and padding, text that is fixed anywhere, and sets that
are kept from commit to commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from constrain.canvas import sums
from constrain.canvas.base import OPEN, Ending, Ids, NotCompletable, Scores, checked_slots
from constrain.canvas.contradiction import reason
from constrain.canvas.tokendfa import NONE, TokenDfa
from constrain.kernels.canvas import begin, commit_all, fitting, spread_classes
from constrain.tokens.base import Words
from constrain.vocab.vocabulary import Vocabulary

Rows = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


class RegularCanvas:
    """A ``Canvas`` (see there for what each method promises). A value: commits give others.

    ``alive``    (n + 1, words) int32: rows of states between slots
    ``classes``  (n,) int32: the class of the token in each slot, OPEN where none is yet
    ``path``     (n + 1,) int32: the states between the tokens of ``filling``
    """

    def __init__(
        self, automaton: TokenDfa, slots: Ids, classes: Ids, alive: Rows, path: Ids, filling: Ids
    ) -> None:  # ``of`` makes one
        slots.flags.writeable = filling.flags.writeable = False  # the others are nobody else's
        self.automaton = automaton
        self.slots, self.classes, self.alive, self.path, self.filling = slots, classes, alive, path, filling

    @classmethod
    def of(cls, automaton: TokenDfa, slots: int | Sequence[int] | Ids) -> RegularCanvas:
        """As many open slots, or slots that hold ids and ``OPEN``.

        Raises ``NotCompletable`` with the reason, ``ValueError`` for what is no slot.
        """
        given = checked_slots(slots, automaton.vocabulary.width)
        n, words = len(given), automaton.words
        classes = np.where(given == OPEN, OPEN, automaton.class_of[given]).astype(np.int32)
        alive = np.full((n + 1, words), -1, np.int32)
        alive[:] = _row(np.ones(automaton.states, np.bool_), words)
        alive[n] &= _row(automaton.final, words)
        alive[0] &= _row(np.arange(automaton.states) == 0, words)
        path, filling = np.full(n + 1, OPEN, np.int32), given.copy()
        useless = (given != OPEN) & (classes == NONE)
        if useless.any() or begin.direct(n, words, *automaton.tables, classes, alive.reshape(-1), path, filling,
                                         np.zeros(2 * words, np.int32)):  # fmt: skip
            raise NotCompletable(reason(automaton, given))
        return cls(automaton, given, classes, alive, path, filling)

    @property
    def vocabulary(self) -> Vocabulary:
        """Whose tokens these are."""
        return self.automaton.vocabulary

    @property
    def ending(self) -> Ending:
        """How texts end."""
        return self.automaton.ending

    @property
    def n(self) -> int:
        """The number of slots."""
        return len(self.slots)

    # ---- what may stand where --------------------------------------------------------------------------------

    def allows(self, slot: int, token: int) -> bool:
        """Is there a completion with ``token`` in the open ``slot``? Ids outside the vocabulary are never allowed.

        Raises ``ValueError`` if the slot is not open.
        """
        self._check_open(slot)
        number = self._class_of(token)
        return number != NONE and self._fitting(slot, number, number + 1)[1] == 1

    def mask(self, slot: int) -> Words:
        """(vocabulary.words,) int32, a bit for each token that ``allows`` allows in the open ``slot``."""
        self._check_open(slot)
        automaton = self.automaton
        fits, _ = self._fitting(slot, 0, automaton.classes)
        words = np.zeros(self.vocabulary.words, np.int32)
        spread_classes.direct(len(words), fits, automaton.token_first, automaton.tokens, *automaton.large, words)
        return words

    def _fitting(self, slot: int, low: int, high: int) -> tuple[npt.NDArray[np.uint8], int]:
        """Flags of classes ``low`` to before ``high``, and how many are set."""
        automaton = self.automaton
        fits = np.zeros(automaton.classes, np.uint8)
        count = fitting.direct(slot, automaton.words, low, high, automaton.first, automaton.source, automaton.target,
                               self.alive.reshape(-1), fits)  # fmt: skip
        return fits, count

    # ---- commits ---------------------------------------------------------------------------------------------

    def commit(self, slot: int, token: int) -> RegularCanvas:
        """The canvas with ``token`` in the open ``slot``. Raises ``NotCompletable`` if it is not allowed."""
        canvas, taken = self.commit_many([slot], [token])
        if not taken[0]:
            raise NotCompletable(
                f"no completion of this canvas has token {self.vocabulary.describe(token)} in slot {slot}: "
                f"ask allows() or mask() first"
            )
        return canvas

    def commit_many(self, slots: Sequence[int] | Ids, tokens: Sequence[int] | Ids) -> tuple[RegularCanvas, Flags]:
        """Commit proposals in order of preference: each that is still allowed after those before it.

        Slot ``slots[k]`` and ``tokens[k]`` are the k-th proposal. A slot may be proposed more than once: the first
        token that is possible stays. Returns the canvas and (len(slots),) bool: was the k-th taken? What is taken is
        jointly valid; what is not has no completion together with what was taken before it. Raises ``ValueError`` for
        a slot that is not open.
        """
        where, what = [int(slot) for slot in slots], [int(token) for token in tokens]
        if len(where) != len(what):
            raise ValueError(f"as many slots as tokens are needed, not {len(where)} and {len(what)}")
        for slot in where:
            self._check_open(slot)
        automaton = self.automaton
        numbers = [self._class_of(token) for token in what]
        kept = [token if number != NONE else OPEN for token, number in zip(what, numbers, strict=True)]
        proposals = np.array((where, numbers, kept), np.int32)
        held, fixed, alive, path, filling = (
            a.copy() for a in (self.slots, self.classes, self.alive, self.path, self.filling)
        )
        taken = np.zeros(len(where), np.bool_)
        commit_all.direct(self.n, automaton.words, *automaton.tables, *proposals, held, fixed, alive.reshape(-1), path,
                          filling, np.zeros(2 * automaton.words, np.int32), taken.view(np.uint8))  # fmt: skip
        return RegularCanvas(automaton, held, fixed, alive, path, filling), taken

    def _class_of(self, token: int) -> int:
        classes = self.automaton.class_of
        return int(classes[token]) if 0 <= token < len(classes) else NONE

    def _check_open(self, slot: int) -> None:
        if not 0 <= slot < self.n:
            raise ValueError(f"slot {slot} is outside this canvas of {self.n} slots")
        if self.slots[slot] != OPEN:
            token = self.vocabulary.describe(int(self.slots[slot]))
            raise ValueError(f"slot {slot} is not open: it holds token {token}")

    # ---- all completions at once -----------------------------------------------------------------------------

    def best(self, scores: Scores) -> Ids:
        """(n,) int32: a completion with the greatest sum of ``scores`` (n, width) over its open slots.

        Viterbi's algorithm (DINGO, section 4). Logarithms; -inf for never: where all completions have one, ``filling``.
        Raises ``ValueError`` for another shape, NaN or +inf.
        """
        found = sums.best(self.automaton, self.slots, self.classes, scores)
        return self.filling.copy() if found is None else found

    def log_mass(self, scores: Scores) -> float:
        """log of the sum, over all completions, of exp(the sum of ``scores`` over its open slots).

        With log probabilities in each row of ``scores`` (n, width): the logarithm of the probability that slots drawn
        independently give a text of the grammar. Each completion counts once. Errors as ``best``.
        """
        return sums.log_mass(self.automaton, self.classes, scores)

    def marginals(self, scores: Scores, slots: Iterable[int] | None = None) -> Scores:
        """(len(slots), width) float64: log probabilities of each token in some slots (default: all), given that slots
        drawn independently from ``scores`` gave a text of the grammar.

        Slots that are fixed have 0 at their token. Raises ``ValueError`` where no completion has a probability above 0
        (and errors as ``best``).
        """
        chosen = list(range(self.n)) if slots is None else [int(slot) for slot in slots]
        return sums.marginals(self.automaton, self.slots, self.classes, scores, chosen)

    def sample(self, scores: Scores, rng: np.random.Generator, count: int = 1) -> Ids:
        """(count, n) int32: independent completions, drawn with probabilities that are proportional to exp(the sum of
        ``scores``): exactly what drawing all slots independently until a text of the grammar comes out would give.

        Backward sampling (Dang and Ermon 2026, section 3). Errors as ``marginals``.
        """
        return sums.sample(self.automaton, self.slots, self.classes, scores, rng, count)


def _row(flags: Flags, words: int) -> Any:
    padded = np.zeros(32 * words, np.uint8)
    padded[: len(flags)] = flags
    return np.packbits(padded, bitorder="little").view("<i4").astype(np.int32)
