"""``Reach``: how few tokens end a text, for masks that know the cap on its length.

Without it a sampler may write itself into a corner: a text in the language so far, too long to be ended in time. All
token states are explored, so this is for grammars with few of them and vocabularies that are not large; for others
such texts are dead ends, which cost attempts but no exactness.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from constrain.bits import allocate, ids_of
from constrain.tokens.base import TokenAutomaton

FAR = np.iinfo(np.int32).max


class Reach:
    """The transitions of all states of a token automaton, and from each the fewest tokens to an accepted text.

    Cost: one ``advance`` for each state and allowed token. ``of`` gives up at a number of them.
    """

    def __init__(
        self,
        transitions: dict[Hashable, tuple[npt.NDArray[np.int32], list[Hashable]]],
        fewest: dict[Hashable, int],
        ends: npt.NDArray[np.int32],
    ) -> None:
        self._fewest = fewest
        self._ends = ends
        self._ids = {state: ids for state, (ids, _) in transitions.items()}
        self._needs = {
            state: np.array([fewest.get(after, FAR) for after in afters], np.int32)
            for state, (_, afters) in transitions.items()
        }

    @classmethod
    def of(cls, automaton: TokenAutomaton[Any], limit: int = 20_000) -> Reach | None:
        """``None`` where more than ``limit`` steps of the automaton would have to be made."""
        ends = np.array(sorted(automaton.vocabulary.eos), np.int32)
        words = allocate(automaton.vocabulary.width)
        transitions: dict[Hashable, tuple[npt.NDArray[np.int32], list[Hashable]]] = {}
        waiting: list[Hashable] = [automaton.start()]
        while waiting:
            state = waiting.pop()
            if state in transitions:
                continue
            automaton.fill_mask(state, words)
            ids = ids_of(words).astype(np.int32)
            ids = ids[~np.isin(ids, ends)]
            limit -= len(ids) + 1
            if limit < 0:
                return None
            afters: list[Hashable] = [automaton.advance(state, int(token)) for token in ids]
            transitions[state] = (ids, afters)
            waiting += afters
        return cls(transitions, _fewest(automaton, transitions), ends)

    def allowed(self, state: Hashable, left: int) -> npt.NDArray[np.int32]:
        """The ids after which a text can end within ``left`` tokens, this one counted; ends where the text may end."""
        ids = self._ids[state][self._needs[state] < left]
        return np.sort(np.concatenate([ids, self._ends])) if self._fewest.get(state) == 0 else ids


def _fewest(
    automaton: TokenAutomaton[Any], transitions: dict[Hashable, tuple[npt.NDArray[np.int32], list[Hashable]]]
) -> dict[Hashable, int]:
    """Breadth first, backwards from the accepting states."""
    before: dict[Hashable, list[Hashable]] = {}
    for state, (_, afters) in transitions.items():
        for after in afters:
            before.setdefault(after, []).append(state)
    front = [state for state in transitions if automaton.is_accepting(state)]
    fewest: dict[Hashable, int] = dict.fromkeys(front, 0)
    while front:
        reached = [(state, fewest[after] + 1) for after in front for state in before.get(after, ())]
        front = []
        for state, length in reached:
            if state not in fewest:
                fewest[state] = length
                front.append(state)
    return fewest
