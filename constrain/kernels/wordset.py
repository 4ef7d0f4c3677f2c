"""Sets of words, hash-consed: equal sets have equal numbers, and a larger set shares all it can with the smaller one.

A set is a list of alternatives in the order of their bytes: a byte, the set of what follows it in words that begin so,
and the other alternatives. ``END_OF_WORD`` stands first: the empty word. So "which words go on from here" is one number
that each byte of a word moves, whatever the number of words; "is it one of them" is whether that set holds the empty
word. A word is its encoding's letter and the UTF-8 form of its symbols (of bytes: the bytes), however it was spelled.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.intern import find, mix, publish
from constrain.kernels.jit import entry, helper, inline
from constrain.kernels.layout import END_OF_WORD, G_FULL, GA, GN, NO_WORDS, WORDS_MISSING
from constrain.kernels.pointers import bytes_at, i32, room, table_at


@helper
def intern_words(g: Any, byte: Any, inside: Any, others: Any) -> Any:
    """The set of ``others`` (whose bytes are larger) and of ``byte`` followed by ``inside``; negative: grow, retry."""
    key = mix(mix(mix(31, byte), inside), others)
    hashes, table = i32(g, GA.wordset_hash), i32(g, GA.wordset_table)
    bytes_, insides, rest = i32(g, GA.U_BYTE), i32(g, GA.U_INSIDE), i32(g, GA.U_OTHERS)
    slot = find(room(g, GA.wordset_table), key)
    while table[slot] != 0:
        item = table[slot]
        if bytes_[item] == byte and insides[item] == inside and rest[item] == others:
            return item
        slot = (slot + 1) & (room(g, GA.wordset_table) - 1)
    item = g[GN.wordset]
    if item >= room(g, GA.wordset_hash):
        return G_FULL - GN.wordset
    bytes_[item], insides[item], rest[item] = byte, inside, others
    sizes = i32(g, GA.U_SIZE)
    sizes[item] = sizes[others] + (1 if byte == END_OF_WORD else sizes[inside])
    publish(hashes, table, slot, item, key)
    g[GN.wordset] = item + 1
    return item


@inline
def has_end(g: Any, words: Any) -> Any:
    """Is the empty word in a set?"""
    return words > WORDS_MISSING and i32(g, GA.U_BYTE)[words] == END_OF_WORD


@helper
def words_after(g: Any, words: Any, byte: Any) -> Any:
    """The words of a set that begin with ``byte``, without it."""
    if words == WORDS_MISSING:
        return WORDS_MISSING
    bytes_, others = i32(g, GA.U_BYTE), i32(g, GA.U_OTHERS)
    while words != NO_WORDS and bytes_[words] < byte:
        words = others[words]
    return i32(g, GA.U_INSIDE)[words] if words != NO_WORDS and bytes_[words] == byte else NO_WORDS


@helper
def utf8_length(symbol: Any) -> Any:
    """How many bytes the UTF-8 form of a symbol has."""
    return 1 if symbol < 0x80 else 2 if symbol < 0x800 else 3 if symbol < 0x10000 else 4


@helper
def utf8_byte(symbol: Any, length: Any, i: Any) -> Any:
    """Byte ``i`` of the UTF-8 form of a symbol, which has ``length`` bytes."""
    if length == 1:
        return symbol
    if i == 0:
        return ((0xF00 >> length) & 0xFF) | symbol >> 6 * (length - 1)
    return 0x80 | (symbol >> 6 * (length - 1 - i)) & 0x3F


@helper
def words_after_symbol(g: Any, words: Any, symbol: Any) -> Any:
    """The words of a set that begin with a symbol, without it."""
    length = utf8_length(symbol)
    for i in range(length):
        words = words_after(g, words, utf8_byte(symbol, length, i))
    return words


@helper
def add_spelled(g: Any, words: Any, size: Any) -> Any:
    """The set of ``words`` and the word ``Y_BYTE[:size]``; negative: grow and retry.

    Cost: the alternatives before the word's own, at each of its bytes; they are made anew, all else is shared.
    """
    word, tails, firsts, before = i32(g, GA.Y_BYTE), i32(g, GA.Y_OTHERS), i32(g, GA.Y_FIRST), i32(g, GA.Y_BEFORE)
    bytes_, insides, others = i32(g, GA.U_BYTE), i32(g, GA.U_INSIDE), i32(g, GA.U_OTHERS)
    whole, height = words, 0
    for i in range(size):
        firsts[i] = height
        while words != NO_WORDS and bytes_[words] < word[i]:
            if height >= room(g, GA.Y_BEFORE):
                return G_FULL - GN.spelling
            before[height] = words
            height += 1
            words = others[words]
        if words != NO_WORDS and bytes_[words] == word[i]:
            tails[i], words = others[words], insides[words]
        else:
            tails[i], words = words, NO_WORDS
    if has_end(g, words):
        return whole
    words = intern_words(g, END_OF_WORD, NO_WORDS, words)
    for j in range(size):
        i = size - 1 - j
        if words >= 0:
            words = intern_words(g, word[i], words, tails[i])
        while height > firsts[i] and words >= 0:
            height -= 1
            words = intern_words(g, bytes_[before[height]], insides[before[height]], words)
    return words


@entry
def add_word(g: Any, words: Any, address: Any, size: Any) -> Any:
    """The set of ``words`` and the word of ``size`` bytes at ``address``, for Python; negative: grow and retry."""
    g, data = table_at(g), bytes_at(address)
    if size > room(g, GA.Y_BYTE):
        return G_FULL - GN.spelling
    word = i32(g, GA.Y_BYTE)
    for i in range(size):
        word[i] = data[i]
    return add_spelled(g, words, size)
