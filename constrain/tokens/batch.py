"""Masks of many sequences at once: one kernel call for all rows, during which other Python threads run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from constrain.kernels import batch as kernels
from constrain.tokens.base import TokenAutomaton, Words
from constrain.tokens.index import VocabularyIndex
from constrain.tokens.pushdown import PushdownAutomaton

Longs = npt.NDArray[np.int64]
Numbers = Sequence[int] | npt.NDArray[np.integer[Any]]


def fill_masks(
    automata: TokenAutomaton[Any] | Sequence[TokenAutomaton[Any]],
    states: Sequence[Any],
    matrix: Words,
    rows: Numbers | None = None,
) -> None:
    """Overwrite row ``rows[i]`` of ``matrix`` with the mask of ``states[i]`` of ``automata[i]``.

    ``automata``  one for each state, or one for all. They may differ; those over one vocabulary share a kernel call,
                  and automata of another make are asked row by row.
    ``matrix``    ``(n, vocabulary.words)`` int32, C-contiguous. Rows that are not named keep what they hold.
    ``rows``      distinct row numbers; left out: 0 to ``len(states) - 1``.

    Equal pairs of automaton and state are filled once and copied. The kernel runs without the interpreter lock, under
    the lock of the vocabulary: other threads run on until they ask something of the same vocabulary. Raises
    ``ValueError`` for shapes, rows, states and vocabularies that do not fit, ``DeadEnd`` as ``fill_mask`` does.
    """
    owners = list(automata) if isinstance(automata, Sequence) else [automata] * len(states)
    chosen = _chosen(owners, states, matrix, rows)
    groups = _by_index(owners)
    for index, items in groups.items():
        if index is None:
            for i in items:
                owners[i].fill_mask(states[i], matrix[chosen[i]])
        elif len(groups) == 1:
            _fill(index, owners, states, matrix, chosen)
        else:
            _fill(index, [owners[i] for i in items], [states[i] for i in items], matrix, chosen[items])


def _by_index(owners: list[Any]) -> dict[VocabularyIndex | None, list[int]]:
    """Items by what they share; ``None``: automata of another make."""
    groups: dict[VocabularyIndex | None, list[int]] = {}
    for i, owner in enumerate(owners):
        groups.setdefault(owner.index if isinstance(owner, PushdownAutomaton) else None, []).append(i)
    return groups


def _chosen(owners: list[Any], states: Sequence[Any], matrix: Words, rows: Numbers | None) -> Longs:
    """The row of each item. Raises ``ValueError`` for what does not fit together."""
    count = len(states)
    if len(owners) != count:
        raise ValueError(f"{len(owners)} automata do not fit {count} states: give one for each, or one for all")
    if matrix.ndim != 2 or matrix.dtype != np.int32 or not matrix.flags.carray:
        given = f"{matrix.dtype} of shape {matrix.shape} and strides {matrix.strides}"
        raise ValueError(f"masks are a C-contiguous int32 matrix that may be written to, not {given}")
    height, width = matrix.shape
    for vocabulary in {owner.vocabulary for owner in owners}:
        if vocabulary.words != width:
            raise ValueError(f"a mask of this vocabulary has {vocabulary.words} words, but the matrix has {width}")
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


def _integers(values: Any, what: str) -> Longs:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{what} are a list of integers, not {array.dtype} of shape {array.shape}")
    return array.astype(np.int64)


def _fill(index: VocabularyIndex, owners: list[Any], states: Sequence[int], matrix: Words, rows: Longs) -> None:
    """Rows of automata that share an index."""
    grammars = np.array([owner.arena.address for owner in owners])
    numbers = _integers(states, "states of this automaton")
    latest = np.zeros(1 + (1 << (2 * len(owners)).bit_length()), np.int64)
    start, fill = 0, _fill_mask_address()
    with index.lock:
        while status := kernels.fill_masks(index.table, fill, grammars, numbers, rows, matrix, latest, start):
            start = int(latest[0])
            if owners[start].settle(status, states[start], matrix[rows[start]]):
                start += 1
    if index.incomplete:
        for owner, state, words in zip(owners, states, matrix[rows], strict=True):
            owner.refuse_empty(state, words)


_fill_mask_address = cache(kernels.fill_mask_address)
