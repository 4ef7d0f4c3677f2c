"""Bits meet scores on the host, in one pass: what is forbidden is written without being read, whole words at a time."""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import entry, helper
from constrain.kernels.pointers import bytes_at, halves_at, table_at, words_at


@helper
def apply_row(words: Any, count: Any, source: Any, target: Any, moves: Any, width: Any, forbidden: Any) -> Any:
    """One row of scores, as integers of their bits; 1 if a score that is kept is not ``forbidden``, else 0.

    ``count`` words; ids that they do not reach are forbidden. ``moves``: is ``target`` another row than ``source``?
    Cost: words, plus items written, plus items read where a word is neither 0 nor all ones.
    """
    choice = 0
    for k in range(min(count, width + 31 >> 5)):
        word, first, last = words[k], 32 * k, min(32 * k + 32, width)
        if word == 0:
            for i in range(first, last):
                target[i] = forbidden
        elif word == -1 and choice == 1:
            if moves:
                for i in range(first, last):
                    target[i] = source[i]
        else:
            for i in range(first, last):
                score = source[i] if (word >> (i - first)) & 1 else forbidden
                target[i] = score
                choice |= score != forbidden
    for i in range(32 * count, width):
        target[i] = forbidden
    return choice


@entry(without_gil=True)
def apply_words(
    words: Any,
    count: Any,
    source: Any,
    stride: Any,
    target: Any,
    rows: Any,
    width: Any,
    size: Any,
    forbidden: Any,
    choices: Any,
) -> None:
    """Row by row: ``target`` is ``source`` where the bit of the id is set, ``forbidden`` (the bits of -inf) elsewhere.

    ``words``    address of the int32 words, ``count`` for each row.
    ``source``   address of the scores, rows of ``width`` items of ``size`` bytes (2, 4 or 8), ``stride`` items apart.
    ``target``   ``source`` again, to write there; or another address, with rows ``width`` items apart.
    ``choices``  address of a byte for each row: becomes 1 where a score that is kept is not -inf, else 0.
    """
    moves = source != target
    apart = width if moves else stride
    for row in range(rows):
        bits = words_at(words + 4 * row * count)
        old, new = source + row * stride * size, target + row * apart * size
        if size == 2:
            choice = apply_row(bits, count, halves_at(old), halves_at(new), moves, width, forbidden)
        elif size == 4:
            choice = apply_row(bits, count, words_at(old), words_at(new), moves, width, forbidden)
        else:
            choice = apply_row(bits, count, table_at(old), table_at(new), moves, width, forbidden)
        bytes_at(choices)[row] = choice
