"""Tries over symbols: the words that a leaf must not be (see ``exclude.py``)."""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import entry, helper
from constrain.kernels.layout import V_FULL, VA, VN
from constrain.kernels.pointers import i32, room, table_at


@entry(reads={"symbols": 32, "ends": 64})
def add_words(v: Any, symbols: Any, ends: Any) -> Any:
    """Build a trie of ``len(ends)`` words, word i being ``symbols[ends[i - 1]:ends[i]]``; its root, or negative."""
    v = table_at(v)
    if v[VN.word] + len(symbols) + 1 > room(v, VA.W_SYMBOL):
        return V_FULL - VN.word
    kinds, kids, following, final = (
        i32(v, VA.W_SYMBOL), i32(v, VA.W_CHILD), i32(v, VA.W_SIBLING), i32(v, VA.W_FINAL),
    )  # fmt: skip
    root = v[VN.word]
    kinds[root], kids[root], following[root], final[root] = -1, 0, 0, 0
    used = root + 1
    first = 0
    for i in range(len(ends)):
        node = root
        for j in range(first, ends[i]):
            child = kids[node]
            while child != 0 and kinds[child] != symbols[j]:
                child = following[child]
            if child == 0:
                child = used
                used += 1
                kinds[child], kids[child], final[child] = symbols[j], 0, 0
                following[child] = kids[node]
                kids[node] = child
            node = child
        final[node] = 1
        first = ends[i]
    v[VN.word] = used
    return root


@helper
def step_words(v: Any, node: Any, symbol: Any) -> Any:
    """Next place in a trie of words, 0 when the text has left it."""
    kinds, following = i32(v, VA.W_SYMBOL), i32(v, VA.W_SIBLING)
    child = i32(v, VA.W_CHILD)[node]
    while child != 0 and kinds[child] != symbol:
        child = following[child]
    return child
