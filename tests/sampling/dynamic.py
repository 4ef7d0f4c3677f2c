"""Laws of longer texts, by dynamic programming: an n-gram model times a token automaton, up to a cap.

A node is a state of the automaton with the ids that the model still looks at. The backward recursion

    B[0, node] = end(node),    B[k, node] = end(node) + sum over tokens of p(token | node) B[k - 1, next(node, token)]

gives the probability of a member within ``k`` more tokens. All in float64 logarithms: no step cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ids = tuple[int, ...]


class Automaton(Protocol):
    """What is needed of ``constrain.TokenAutomaton``; ``TableAutomaton`` is another."""

    def start(self) -> Any: ...

    def advance(self, state: Any, token: int) -> Any: ...

    def is_accepting(self, state: Any) -> bool: ...


@dataclass(frozen=True)
class TableAutomaton:
    """``steps[state][token]`` is the next state, where there is one. The start is state 0."""

    steps: Sequence[dict[int, int]]
    accepting: frozenset[int]

    def start(self) -> int:
        return 0

    def advance(self, state: int, token: int) -> int | None:
        return self.steps[state].get(token)

    def is_accepting(self, state: int) -> bool:
        return state in self.accepting


@dataclass(frozen=True)
class NgramWorld:
    """``law(context)``: probabilities of all ids after the last ``order - 1`` or fewer; ``eos``: those that end."""

    law: Callable[[Ids], Sequence[float]]
    order: int
    automaton: Automaton
    eos: tuple[int, ...]
    width: int
    max_tokens: int

    def context(self, ids: Ids) -> Ids:
        """What the model looks at."""
        return ids[max(0, len(ids) - self.order + 1) :]

    @cached_property
    def nodes(self) -> dict[tuple[Hashable, Ids], int]:
        """All that can be reached within the cap, by number; 0 is the start."""
        first = (self.automaton.start(), ())
        found, edge = {first: 0}, [first]
        for _ in range(self.max_tokens):
            edge = [node for node in dict.fromkeys(self._after(edge)) if node not in found]
            found |= {node: i for i, node in enumerate(edge, len(found))}
        return found

    def _after(self, nodes: Sequence[tuple[Any, Ids]]) -> list[tuple[Any, Ids]]:
        steps = (self._step(node, token) for node in nodes for token in range(self.width))
        return [after for after in steps if after is not None]

    def _step(self, node: tuple[Any, Ids], token: int) -> tuple[Any, Ids] | None:
        if token in self.eos:
            return None
        state = self.automaton.advance(node[0], token)
        return None if state is None else (state, self.context((*node[1], token)))

    @cached_property
    def _logs(self) -> Array:
        """Logarithms of probabilities ``[node, id]``; those of ends together in the first end's column."""
        rows = np.array([self.law(context) for _, context in self.nodes], np.float64)
        rows[:, self.eos[0]] = rows[:, list(self.eos)].sum(axis=1)
        rows[:, list(self.eos[1:])] = 0.0
        with np.errstate(divide="ignore"):
            return np.log(rows)

    @cached_property
    def _next(self) -> npt.NDArray[np.int64]:
        """Numbers of the next nodes ``[node, id]``; past the last where there is none."""
        none = len(self.nodes)
        steps = [[self._step(node, token) for token in range(self.width)] for node in self.nodes]
        return np.array([[self.nodes.get(after, none) if after else none for after in row] for row in steps])

    @cached_property
    def _ends(self) -> Array:
        accepting = np.array([self.automaton.is_accepting(state) for state, _ in self.nodes])
        return np.where(accepting, self._logs[:, self.eos[0]], -np.inf)

    @cached_property
    def backward(self) -> Array:
        """``[k, node]``: log probability of a member within ``k`` more tokens; a last column of ``-inf``: no node."""
        table = np.full((self.max_tokens + 1, len(self.nodes) + 1), -np.inf)
        table[0, :-1] = self._ends
        for k in range(1, self.max_tokens + 1):
            table[k, :-1] = np.logaddexp.reduce(self._choices(table[k - 1]), axis=1)
        return table

    def _choices(self, later: Array) -> Array:
        """``[node, id]``: log probability of taking an id and of a member then; ends in the first end's column."""
        choices = self._logs + later[self._next]
        choices[:, self.eos[0]] = self._ends
        return choices

    @property
    def log_z(self) -> float:
        """log P of the members within the cap."""
        return float(self.backward[self.max_tokens, 0])

    def log_future(self, ids: Ids) -> float:
        """Logarithm of the expected future grammaticality of a prefix."""
        return float(self.backward[self.max_tokens - len(ids), self.node(ids)])

    def node(self, ids: Ids) -> int:
        """The node after a prefix; the one past the last when no member begins so."""
        at = 0
        for token in ids:
            at = int(self._next[at, token]) if at < len(self.nodes) else at
        return at

    @cached_property
    def marginals(self) -> Array:
        """``[i, id]``: probability under the target that the ``i``-th id is this; the end in the first end's column,
        once, so that the rows sum to the probability that the text has ``i`` tokens or more."""
        found = np.zeros((self.max_tokens + 1, self.width))
        here = np.zeros(len(self.nodes))
        here[0] = 1.0
        for i in range(self.max_tokens + 1):
            taken = here[:, None] * self._conditional(self.max_tokens - i)
            found[i] = taken.sum(axis=0)
            after = np.zeros(len(self.nodes) + 1)
            np.add.at(after, self._next, taken)
            here = after[:-1]
        return found

    def _conditional(self, left: int) -> Array:
        """``[node, id]``: the target's law of the next id with ``left`` tokens left; zeros where no member goes on."""
        later = self.backward[left - 1] if left else np.full(len(self.nodes) + 1, -np.inf)
        total = self.backward[left, :-1, None]
        alive = np.isfinite(total)
        return np.exp(self._choices(later) - np.where(alive, total, 0.0)) * alive

    def draw(self, rng: np.random.Generator) -> Ids:
        """One exact draw from the target, without its end."""
        ids: list[int] = []
        at = 0
        while True:
            law = self._conditional(self.max_tokens - len(ids))[at]
            token = int(np.searchsorted(np.cumsum(law), rng.random() * law.sum(), side="right"))
            if token in self.eos:
                return tuple(ids)
            ids.append(token)
            at = int(self._next[at, token])
