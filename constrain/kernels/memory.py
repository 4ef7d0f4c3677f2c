"""Memories of bags, hash-consed: a shape and a set of words, or a memory and a byte of the word after it.

A shape (``tokens/memories.py``) is all of a bag's state but the words written; they are kept apart because nearly
always only the end of a word asks for them: a free-form object has a handful of shapes, whatever its keys. A recording
memory knows its *base*, the memory before the word, and its *place*: how those of the words to be watched that begin as
it does go on. Raw bytes move the place at once, an escape when it is complete, so it is exact between symbols.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.decode import ESCAPE, SYMBOL, U4_1, decode
from constrain.kernels.intern import find, mix, publish
from constrain.kernels.jit import helper
from constrain.kernels.layout import (
    BARRED,
    G_FULL,
    GA,
    GN,
    JSON,
    MAX_ENDS,
    NO_SHAPE,
    NO_WORDS,
    RECORDING,
    ROW_WANTED,
    SUSPECT,
    TIGHT,
    TOO_MANY_ENDS,
    WORDS_MISSING,
)
from constrain.kernels.pointers import i32, room
from constrain.kernels.wordset import add_spelled, utf8_byte, utf8_length, words_after, words_after_symbol

QUOTE, BACKSLASH = 0x22, 0x5C
JSON_LETTER = 0x6A
NOTHING_READ = -1
NOT_ENDED = -1  # the words seen after a word that is being recorded


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
def set_place(g: Any, memory: Any, flags: Any, place: Any) -> None:
    """The flags and the place of a memory: a word that none of the watched ones begins as need not be watched."""
    watched = flags & TIGHT | SUSPECT if place != NO_WORDS else 0
    i32(g, GA.M_FLAGS)[memory], i32(g, GA.M_PLACE)[memory] = flags & RECORDING | watched, place


@helper
def find_memory(g: Any, shape: Any, seen: Any) -> Any:
    """The memory of a shape and a set of words; negative: grow and retry."""
    item = intern_memory(g, -1 - shape, seen)
    bases = i32(g, GA.M_BASE)
    if item > 0 and bases[item] == 0:
        bases[item], i32(g, GA.M_SHAPE)[item], i32(g, GA.M_SEEN)[item] = item, shape, seen
        flags, place = i32(g, GA.H_FLAGS)[shape], NO_WORDS
        if flags & RECORDING:
            watched = i32(g, GA.H_WATCH)[shape]
            words = seen if watched < 0 or seen == WORDS_MISSING else watched
            place = words_after(g, words, i32(g, GA.H_LETTER)[shape])
        set_place(g, item, flags, place)
    return item


@helper
def first_memory(g: Any, bag: Any) -> Any:
    """The memory before the first element of a bag; negative: grow, or make a row, and retry."""
    shape = i32(g, GA.B_SHAPE)[bag] if bag < room(g, GA.B_SHAPE) else 0
    if shape == 0:
        g[GN.WANTED] = -1 - bag
        return ROW_WANTED
    return find_memory(g, shape, NO_WORDS)


@helper
def read_part(encoding: Any, decoder: Any, byte: Any) -> Any:
    """What a byte of a word adds to its value: a byte, ``SYMBOL | code`` at the end of an escape, or nothing yet."""
    if encoding != JSON:
        return byte
    if decoder >> 24 <= U4_1:
        return NOTHING_READ if byte == QUOTE or byte == BACKSLASH else byte
    read = decode(JSON, decoder, byte)
    return read if read >= SYMBOL else NOTHING_READ


@helper
def extend_memory(g: Any, memory: Any, byte: Any, part: Any) -> Any:
    """The memory after one more byte of a word, which adds ``part`` to its value; negative: grow and retry."""
    item = intern_memory(g, memory, byte)
    bases = i32(g, GA.M_BASE)
    if item > 0 and bases[item] == 0:
        bases[item], i32(g, GA.M_SHAPE)[item], i32(g, GA.M_SEEN)[item] = bases[memory], NO_SHAPE, NOT_ENDED
        place = i32(g, GA.M_PLACE)[memory]
        if part >= SYMBOL:
            place = words_after_symbol(g, place, part & (SYMBOL - 1))
        elif part >= 0:
            place = words_after(g, place, part)
        set_place(g, item, i32(g, GA.M_FLAGS)[memory], place)
    return item


@helper
def spell_word(g: Any, memory: Any, letter: Any) -> Any:
    """Write the word recorded, escapes resolved, to ``Y_BYTE``; its size, or negative: grow and retry."""
    parents, bytes_, word = i32(g, GA.M_PARENT), i32(g, GA.M_BYTE), i32(g, GA.Y_BYTE)
    first = parents[memory] if letter == JSON_LETTER else memory  # without the closing quote
    length = 1
    memory = first
    while parents[memory] >= 0:
        length += 1
        memory = parents[memory]
    if length > room(g, GA.Y_BYTE):
        return G_FULL - GN.spelling
    word[0], memory = letter, first
    for i in range(1, length):
        word[length - i] = bytes_[memory]
        memory = parents[memory]
    return resolve_escapes(word, length) if letter == JSON_LETTER else length


@helper
def resolve_escapes(word: Any, length: Any) -> Any:
    """Turn the JSON spelling ``word[1:length]`` into UTF-8, in place: no escape is shorter than what it means."""
    size, decoder = 1, 0
    for i in range(1, length):
        byte = word[i]
        if decoder == 0:
            if byte == BACKSLASH:
                decoder = ESCAPE << 24
            else:
                word[size] = byte
                size += 1
            continue
        decoder = decode(JSON, decoder, byte)
        if decoder >= SYMBOL:
            symbol, decoder = decoder & (SYMBOL - 1), 0
            count = utf8_length(symbol)
            for k in range(count):
                word[size] = utf8_byte(symbol, count, k)
                size += 1
    return size


@helper
def end_word(g: Any, memory: Any) -> Any:
    """A recorded word has ended: the shape after it. Negative: grow, or make a row (where few words are left)."""
    base = i32(g, GA.M_BASE)[memory]
    seen, reading = i32(g, GA.M_SEEN)[base], i32(g, GA.M_SHAPE)[base]
    if g[GN.ENDED] >= MAX_ENDS:
        return TOO_MANY_ENDS
    g[GN.ENDED] += 1
    size = spell_word(g, memory, i32(g, GA.H_LETTER)[reading])
    words = add_spelled(g, seen, size) if size > 0 else size
    if words < 0:
        return words
    i32(g, GA.M_SEEN)[memory] = words
    if i32(g, GA.U_SIZE)[seen] >= i32(g, GA.H_LIMIT)[reading]:
        g[GN.WANTED] = memory
        return ROW_WANTED
    shape = BARRED if words == seen else i32(g, GA.H_CLOSED)[reading]
    i32(g, GA.M_SHAPE)[memory] = shape
    return shape
