"""``Target``: the texts that are wanted, as the samplers see them: token by token, with a cap on their length.

The target law of all samplers is ``pi(w) = P(w) / Z`` over token sequences ``w`` whose text is in the grammar, which
the predicate accepts, and which have at most ``max_tokens`` tokens before the end of sequence; ``P`` includes the
probability of that end. A sequence that reaches the cap without an end is no text.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from constrain.bits import allocate, ids_of
from constrain.matcher import TextAutomaton
from constrain.predicates.base import Predicate
from constrain.sampling.reach import Reach
from constrain.tokens.base import TokenAutomaton

Ids = npt.NDArray[np.int32]

MOST_MASKS = 4096  # masks remembered, as arrays of ids
MOST_TO_LOOK_AHEAD = 64  # where more tokens are allowed, the text to come is not forced
LONGEST_AHEAD = 32


class Target:
    """A grammar over a vocabulary, a cap on the number of tokens, and perhaps a predicate.

    ``automaton``   any ``TokenAutomaton``.
    ``max_tokens``  the most tokens of a text, its end of sequence not counted; at least 0.
    ``predicate``   asked about texts that the grammar allows; ``None``: nothing else is asked.
    ``reach``       which states can still end in time, for masks that know the cap; ``None``: a text that can no longer
                    end in time is found out when it gets to the cap.
    """

    def __init__(
        self,
        automaton: TokenAutomaton[Any],
        max_tokens: int,
        predicate: Predicate | None = None,
        reach: Reach | None = None,
    ) -> None:
        if max_tokens < 0:
            raise ValueError(f"max_tokens must be 0 or more, not {max_tokens}")
        self.automaton = automaton
        self.vocabulary = automaton.vocabulary
        self.max_tokens = max_tokens
        self.predicate = predicate
        self.reach = reach
        self._words = allocate(self.vocabulary.width)
        self._allowed: dict[Hashable, Ids] = {}
        self._ends = np.array(sorted(self.vocabulary.eos), np.int32)

    def allowed(self, state: Hashable, depth: int) -> Ids:
        """The ids that may follow ``depth`` tokens, ascending, ends of sequence among them; perhaps none."""
        left = self.max_tokens - depth
        if left <= 0:
            return self._ends if self.automaton.is_accepting(state) else self._ends[:0]
        if self.reach is not None:
            return self.reach.allowed(state, left)
        return self._mask(state)

    def advance(self, state: Hashable, token: int) -> Hashable:
        """The state after a token that is allowed."""
        after: Hashable | None = self.automaton.advance(state, token)
        if after is None:
            raise ValueError(f"token {self.vocabulary.describe(token)} is not allowed here")
        return after

    def may_go_on(self, state: Hashable, depth: int, text: bytes) -> bool:
        """Is anything wanted still to be found after these tokens, as far as can be said without a model?"""
        if depth >= self.max_tokens and not self.automaton.is_accepting(state):
            return False
        return self.predicate is None or self.predicate.prefix_ok(text)

    def may_end(self, text: bytes) -> bool:
        """Does the predicate accept a text that the grammar does?"""
        return self.predicate is None or self.predicate.complete_ok(text)

    def ahead(self, state: Hashable, depth: int, allowed: int) -> tuple[int, ...]:
        """Tokens that are likely to come next because the grammar forces their text; ``allowed`` ids may come.

        A guess at how a model cuts the forced text (the longest token each time), good for asking for many laws in
        one pass. Nothing depends on its being right.
        """
        if not 0 < allowed <= MOST_TO_LOOK_AHEAD or not isinstance(self.automaton, TextAutomaton):
            return ()
        return self._cut(self.automaton.forced_bytes(state))[: min(self.max_tokens - depth, LONGEST_AHEAD)]

    def _cut(self, text: bytes) -> tuple[int, ...]:
        """The longest token each time; what touches the end of ``text`` may belong to a longer token, and is left
        out."""
        ids, tokens, begin = self.vocabulary.ids_by_bytes, [], 0
        while begin < len(text):
            lengths = range(min(len(text) - begin, 32), 0, -1)
            length = next((n for n in lengths if text[begin : begin + n] in ids), 0)
            if not length or begin + length == len(text):
                break
            tokens.append(ids[text[begin : begin + length]][0])
            begin += length
        return tuple(tokens)

    def _mask(self, state: Hashable) -> Ids:
        found = self._allowed.get(state)
        if found is None:
            if len(self._allowed) >= MOST_MASKS:
                self._allowed.clear()
            self.automaton.fill_mask(state, self._words)
            found = self._allowed[state] = ids_of(self._words).astype(np.int32)
        return found
