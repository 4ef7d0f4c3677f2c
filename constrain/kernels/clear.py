"""Taking tokens out of a mask, for Python."""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import entry
from constrain.kernels.layout import VA
from constrain.kernels.pointers import i32, table_at, words_at


@entry(writes={"words": 32})
def clear_below(v: Any, node: Any, words: Any) -> None:
    """Forbid the tokens at and below a node of the trie."""
    v, words = table_at(v), words_at(words.ctypes.data)
    starts, ids = i32(v, VA.T_TOKEN0), i32(v, VA.T_ID)
    for i in range(starts[node], starts[i32(v, VA.T_END)[node]]):
        bit = ids[i] & 31
        words[ids[i] >> 5] &= ~(1 << bit) if bit < 31 else 0x7FFFFFFF
