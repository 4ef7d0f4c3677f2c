"""Masks as rows of 32-bit words: id ``t`` is bit ``t & 31``, least significant first, of word ``t >> 5``.

The same layout as other engines' bitmasks, so rows can be handed over without conversion. NumPy only.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.int32]
Ids = npt.NDArray[np.int64]


def word_count(width: int) -> int:
    """Words in a row that holds ids 0 to ``width - 1``."""
    return (width + 31) // 32


def allocate(width: int, rows: int | None = None) -> Words:
    """Zeroed, C-contiguous int32 words: one row ``(words,)``, or ``(rows, words)``."""
    words = word_count(width)
    return np.zeros(words if rows is None else (rows, words), np.int32)


def is_set(words: Words, token: int) -> bool:
    """Is id ``token`` set in one row? Ids outside the row are not."""
    return 0 <= token < 32 * len(words) and bool(int(words[token >> 5]) >> (token & 31) & 1)


def ids_of(words: Words) -> Ids:
    """The ids set in one row, ascending, as a fresh int64 array."""
    octets = np.ascontiguousarray(words, "<i4").view(np.uint8)
    return np.flatnonzero(np.unpackbits(octets, bitorder="little")).astype(np.int64)


def from_ids(ids: Iterable[int] | Ids, width: int) -> Words:
    """A fresh row of ``width`` ids in which exactly ``ids`` are set. Raises ``ValueError`` for ids outside it."""
    chosen = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids), np.int64)
    if chosen.size and not 0 <= chosen.min() <= chosen.max() < width:
        raise ValueError(f"ids {chosen.min()}..{chosen.max()} do not fit a row of width {width}")
    flags = np.zeros(32 * word_count(width), np.uint8)
    flags[chosen] = 1
    return np.packbits(flags, bitorder="little").view("<i4").astype(np.int32)


def count(words: Words) -> int:
    """Number of ids set, over all rows given."""
    return int(np.unpackbits(np.ascontiguousarray(words).view(np.uint8)).sum(dtype=np.int64))
