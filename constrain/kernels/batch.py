"""Masks and steps of a batch in one kernel call, without the interpreter lock."""

from __future__ import annotations

from typing import Any

from constrain.kernels.intern import mix
from constrain.kernels.jit import entry
from constrain.kernels.pointers import table_at, words_at
from constrain.kernels.step import advance
from constrain.kernels.walk import fill_row


@entry(reads={"grammars": 64, "states": 64, "rows": 64}, writes={"matrix": 32, "latest": 64}, without_gil=True)
def fill_masks(v: Any, grammars: Any, states: Any, rows: Any, matrix: Any, width: Any, latest: Any, start: Any) -> Any:
    """Overwrite row ``rows[i]`` of ``matrix`` with the mask of ``states[i]`` of the table ``grammars[i]``, i >= start.

    A row has ``width`` words.

    Returns the number of items when all is done, else that of an item which the caller has to do alone (``fill_mask``
    has asked for something) before it calls again with the next one. An item equal to an earlier one is copied:
    ``latest``, a power of two long, holds for each hash an item plus one. (A later item with the same hash takes its
    place; then a copy is missed, nothing else.) Invariant: the rows of all items before ``start`` are whole.
    """
    first = matrix.ctypes.data
    for i in range(start, len(states)):
        g, state, words = grammars[i], states[i], words_at(first + 4 * width * rows[i])
        slot = mix(mix(7, g & 0x7FFFFFFF), state) & (len(latest) - 1)
        twin = latest[slot] - 1
        latest[slot] = i + 1
        if twin >= 0 and states[twin] == state and grammars[twin] == g:
            whole = words_at(first + 4 * width * rows[twin])
            for k in range(width):
                words[k] = whole[k]
        elif fill_row(table_at(v), table_at(g), state, words) != 0:
            return i
    return len(states)


@entry(reads={"grammars": 64, "tokens": 64}, writes={"states": 64}, without_gil=True)
def advance_all(v: Any, grammars: Any, states: Any, tokens: Any, start: Any) -> Any:
    """``states[i]`` becomes the state after ``tokens[i]``, i >= start.

    Returns the number of items when all is done, else that of an item which the caller has to do alone: ``advance``
    has asked for something, or does not allow the token, which may be an end of sequence.
    """
    for i in range(start, len(states)):
        after = advance(v, grammars[i], states[i], tokens[i], 0, 0) if tokens[i] >= 0 else 0
        if after <= 0:
            return i
        states[i] = after
    return len(states)
