"""Memories of bags, hash-consed: a shape and a set of words, or a memory and a byte of the word after it.

A shape (``tokens/memories.py``) is all of a bag's state but the words written; they are kept apart because nearly
always only the end of a word asks for them: a free-form object has a handful of shapes, whatever its keys. A recording
memory knows its *base*, the memory before the word; nothing is decoded before the word has ended.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.intern import find, mix, publish
from constrain.kernels.jit import helper
from constrain.kernels.layout import G_FULL, GA, GN, NO_SHAPE, NO_WORDS, RECORDING, SUSPECT, TIGHT
from constrain.kernels.pointers import i32, room


@helper
def intern_memory(g: Any, parent: Any, byte: Any) -> Any:
    """The number of a memory, a new one without contents if need be; negative: grow and retry."""
    key = mix(mix(29, parent), byte)
    hashes, table = i32(g, GA.memory_hash), i32(g, GA.memory_table)
    parents, bytes_ = i32(g, GA.M_PARENT), i32(g, GA.M_BYTE)
    slot = find(room(g, GA.memory_table), key)
    while table[slot] != 0:
        item = table[slot]
        if parents[item] == parent and bytes_[item] == byte:
            return item
        slot = (slot + 1) & (room(g, GA.memory_table) - 1)
    item = g[GN.memory]
    if item >= room(g, GA.memory_hash):
        return G_FULL - GN.memory
    parents[item], bytes_[item] = parent, byte
    i32(g, GA.M_BASE)[item] = 0
    publish(hashes, table, slot, item, key)
    g[GN.memory] = item + 1
    return item


@helper
def find_memory(g: Any, shape: Any, seen: Any) -> Any:
    """The memory of a shape and a set of words; negative: grow and retry."""
    item = intern_memory(g, -1 - shape, seen)
    bases = i32(g, GA.M_BASE)
    if item > 0 and bases[item] == 0:
        flags = i32(g, GA.H_FLAGS)[shape] & (RECORDING | SUSPECT | TIGHT)
        if flags & RECORDING and seen != NO_WORDS:
            flags |= SUSPECT
        bases[item], i32(g, GA.M_FLAGS)[item] = item, flags
        i32(g, GA.M_SHAPE)[item], i32(g, GA.M_SEEN)[item] = shape, seen
    return item


@helper
def extend_memory(g: Any, memory: Any, byte: Any) -> Any:
    """The memory after one more byte of a word; negative: grow and retry."""
    item = intern_memory(g, memory, byte)
    bases, flags = i32(g, GA.M_BASE), i32(g, GA.M_FLAGS)
    if item > 0 and bases[item] == 0:
        bases[item], flags[item] = bases[memory], flags[memory] & (RECORDING | SUSPECT | TIGHT)
        i32(g, GA.M_SHAPE)[item] = NO_SHAPE
        if bases[memory] == memory and not may_be_barred(g, memory, byte):
            flags[item] = RECORDING
    return item


@helper
def may_be_barred(g: Any, memory: Any, byte: Any) -> Any:
    """Does a word that begins with ``byte`` have to be watched? A quick answer: it may say yes where none does."""
    if i32(g, GA.H_FLAGS)[i32(g, GA.M_SHAPE)[memory]] & SUSPECT:
        return True  # not only because of words that have been written
    return i32(g, GA.U_FIRST)[(i32(g, GA.M_SEEN)[memory] << 8) + byte] != 0
