"""Masks and steps of many sequences at once: one kernel call for all, during which other Python threads run.

The kernel does all that needs nothing new. Where something has to grow or to be made it stops at that item;
the automaton does it alone, and the kernel goes on after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from constrain.kernels import batch as kernels
from constrain.kernels.layout import NO_STATE
from constrain.tokens.base import TokenAutomaton, Words
from constrain.tokens.index import VocabularyIndex
from constrain.tokens.pushdown import PushdownAutomaton

Longs = npt.NDArray[np.int64]
Numbers = Sequence[int] | npt.NDArray[np.integer[Any]]
Automata = TokenAutomaton[Any] | Sequence[TokenAutomaton[Any]]


def fill_masks(automata: Automata, states: Sequence[Any], matrix: Words, rows: Numbers | None = None) -> None:
    """Overwrite row ``rows[i]`` of ``matrix`` with the mask of ``states[i]`` of ``automata[i]``.

    ``automata``  one for each state, or one for all. They may differ; those over one vocabulary share a kernel call,
                  and automata of another make are asked one by one.
    ``matrix``    ``(n, vocabulary.words)`` int32, C-contiguous. Rows that are not named keep what they hold.
    ``rows``      distinct row numbers; left out: 0 to ``len(states) - 1``.

    Equal pairs of automaton and state are filled once and copied. The kernel runs without the interpreter lock, under
    the lock of the vocabulary: other threads run on until they ask something of the same vocabulary. Raises
    ``ValueError`` for shapes, rows, states and vocabularies that do not fit, ``DeadEnd`` as ``fill_mask`` does.
    """
    owners = _owners(automata, len(states))
    chosen = _chosen_rows(len(states), matrix, rows)
    for vocabulary in {owner.vocabulary for owner in owners}:
        if vocabulary.words != matrix.shape[1]:
            given = matrix.shape[1]
            raise ValueError(f"a mask of this vocabulary has {vocabulary.words} words, but the matrix has {given}")
    for index, items in _by_index(owners).items():
        if index is not None:
            _fill(index, owners, states, matrix, chosen, items)
        else:
            for i in items:
                owners[i].fill_mask(states[i], matrix[chosen[i]])


def advance_all(automata: Automata, states: Sequence[Any], tokens: Sequence[int]) -> list[Any]:
    """``automata[i].advance(states[i], tokens[i])`` for all i: states, ``None`` where a token is not allowed.

    ``automata`` and locks: as for ``fill_masks``. Raises ``ValueError`` for lengths and states that do not fit.
    """
    if len(states) != len(tokens):
        raise ValueError(f"{len(states)} states do not fit {len(tokens)} tokens: give one for each")
    owners = _owners(automata, len(states))
    after: list[Any] = [None] * len(states)
    for index, items in _by_index(owners).items():
        if index is not None:
            _advance(index, owners, states, tokens, after, items)
        else:
            for i in items:
                after[i] = owners[i].advance(states[i], tokens[i])
    return after


def _fill(
    index: VocabularyIndex, owners: list[Any], states: Sequence[int], matrix: Words, rows: Longs, items: list[int]
) -> None:
    """Rows of items whose automata share an index."""
    grammars, numbers = _tables(owners, items), _integers([states[i] for i in items], "states of this automaton")
    latest = np.zeros(1 << (2 * len(items)).bit_length(), np.int64)
    places = rows if len(items) == len(rows) else rows[items]
    start = 0
    with index.lock:
        while start < len(items):
            at = kernels.fill_masks(
                index.table, grammars, numbers, places, matrix.ravel(), matrix.shape[1], latest, start
            )
            if at < len(items):
                owners[items[at]].fill_mask(states[items[at]], matrix[places[at]])
            start = at + 1
    if index.incomplete:
        for at in np.flatnonzero(~matrix[places].any(axis=1)).tolist():
            owners[items[at]].fill_mask(states[items[at]], matrix[places[at]])  # raises DeadEnd with all it has to say


def _advance(
    index: VocabularyIndex, owners: list[Any], states: Sequence[int], tokens: Sequence[int], after: list[Any],
    items: list[int],
) -> None:  # fmt: skip
    """States after tokens, for items whose automata share an index."""
    grammars, numbers = _tables(owners, items), _integers([states[i] for i in items], "states of this automaton")
    ids = _integers([tokens[i] for i in items], "tokens")
    start = 0
    with index.lock:
        while start < len(items):
            at = kernels.advance_all(index.table, grammars, numbers, ids, start)
            if at < len(items):
                alone = owners[items[at]].advance(states[items[at]], tokens[items[at]])
                numbers[at] = NO_STATE if alone is None else alone
            start = at + 1
    for i, state in zip(items, numbers.tolist(), strict=True):
        after[i] = state or None


def _owners(automata: Automata, count: int) -> list[Any]:
    """An automaton for each item."""
    if not isinstance(automata, Sequence):
        return [automata] * count
    if len(automata) != count:
        raise ValueError(f"{len(automata)} automata do not fit {count} states: give one for each, or one for all")
    return list(automata)


def _by_index(owners: list[Any]) -> dict[VocabularyIndex | None, list[int]]:
    """Items by what their automata share; ``None``: automata of another make."""
    groups: dict[VocabularyIndex | None, list[int]] = {}
    for i, owner in enumerate(owners):
        groups.setdefault(owner.index if isinstance(owner, PushdownAutomaton) else None, []).append(i)
    return groups


def _chosen_rows(count: int, matrix: Words, rows: Numbers | None) -> Longs:
    """The row of each item. Raises ``ValueError`` for what does not fit together."""
    if matrix.ndim != 2 or matrix.dtype != np.int32 or not matrix.flags.carray:
        given = f"{matrix.dtype} of shape {matrix.shape} and strides {matrix.strides}"
        raise ValueError(f"masks are a C-contiguous int32 matrix that may be written to, not {given}")
    height = len(matrix)
    if rows is None:
        if count > height:
            raise ValueError(f"{count} states do not fit a matrix of {height} rows")
        return np.arange(count)
    chosen = _integers(rows, "row numbers")
    if chosen.shape != (count,) or np.unique(chosen).size < count:
        raise ValueError(f"give a row of its own for each of {count} states, not {chosen.tolist()}")
    if count and not 0 <= chosen.min() <= chosen.max() < height:
        raise ValueError(f"the matrix has rows 0 to {height - 1}, not {chosen.min()} to {chosen.max()}")
    return chosen


def _tables(owners: list[Any], items: list[int]) -> Longs:
    return np.array([owners[i].arena.address for i in items])


def _integers(values: Any, what: str) -> Longs:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{what} are a list of integers, not {array.dtype} of shape {array.shape}")
    return array.astype(np.int64)
