"""Where tokens spell a word that must not be written: the vocabulary trie and the set of those words, walked together.

A mask is filled without following words, so it may hold too many tokens. This finds the trie nodes at and after which
that can be so: where a watched word has been spelled to its end, in any spelling; where words can be used up, one byte
on towards such an end; and, where it is not known which words have been written, the beginning of the word. Nearly
always there are none. Cost: the nodes on paths that watched words and tokens share, most of them a few bytes long.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.decode import DEAD_BYTE, ESCAPE, SYMBOL, U4_1, decode
from constrain.kernels.jit import helper
from constrain.kernels.layout import (
    BAG,
    G_FULL,
    GA,
    GN,
    JSON,
    NO_WORDS,
    ROOT,
    SUSPECT,
    TIGHT,
    V_FULL,
    VA,
    VN,
    WORDS_MISSING,
)
from constrain.kernels.memory import BACKSLASH, QUOTE
from constrain.kernels.pointers import i32, room, u8
from constrain.kernels.trie import trie_child
from constrain.kernels.wordset import has_end, words_after_symbol


@helper
def suspect_node(g: Any, node: Any) -> Any:
    """List a trie node; negative: grow and retry."""
    at = g[GN.suspicion]
    if at >= room(g, GA.Y_NODE):
        return G_FULL - GN.suspicion
    i32(g, GA.Y_NODE)[at] = node
    g[GN.suspicion] = at + 1
    return 0


@helper
def go_on(v: Any, g: Any, at: Any, node: Any, words: Any, decoder: Any, tight: Any) -> Any:
    """Remember a place to go on from: a node, how words go on there, the escape begun. Or, if ``tight``, suspect it.

    Returns the new height of the stack; negative: grow and retry.
    """
    if node == ROOT or words == NO_WORDS:
        return at
    if tight:
        status = suspect_node(g, node)
        return status if status < 0 else at
    stack = i32(v, VA.X_STACK)
    if at + 3 > room(v, VA.X_STACK):
        return V_FULL - VN.scratch
    stack[at], stack[at + 1], stack[at + 2] = node, words, decoder
    return at + 3


@helper
def in_escape(v: Any, g: Any, at: Any, node: Any, words: Any, decoder: Any, tight: Any) -> Any:
    """All places one byte on inside a JSON escape."""
    bytes_, kids = u8(v, VA.T_BYTE), i32(v, VA.T_KID)
    for i in range(i32(v, VA.T_KID0)[node], i32(v, VA.T_KID0)[node + 1]):
        read = decode(JSON, decoder, bytes_[kids[i]])
        if read >= SYMBOL:
            at = go_on(v, g, at, kids[i], words_after_symbol(g, words, read & (SYMBOL - 1)), 0, tight)
        elif read != DEAD_BYTE:
            at = go_on(v, g, at, kids[i], words, read, tight)
        if at < 0:
            return at
    return at


@helper
def in_json(v: Any, g: Any, at: Any, node: Any, words: Any, tight: Any) -> Any:
    """All places one byte on in a JSON string, outside escapes; suspects the node where the string is closed."""
    if has_end(g, words):
        closed = trie_child(v, node, QUOTE)
        status = suspect_node(g, closed) if closed != ROOT else 0
        if status < 0:
            return status
    bytes_, insides, others = i32(g, GA.U_BYTE), i32(g, GA.U_INSIDE), i32(g, GA.U_OTHERS)
    at = go_on(v, g, at, trie_child(v, node, BACKSLASH), words, ESCAPE << 24, tight)
    while words != NO_WORDS and at >= 0:
        byte = bytes_[words]
        if byte >= 0x20 and byte != QUOTE and byte != BACKSLASH:
            at = go_on(v, g, at, trie_child(v, node, byte), insides[words], 0, tight)
        words = others[words]
    return at


@helper
def in_text(v: Any, g: Any, at: Any, node: Any, words: Any, tight: Any) -> Any:
    """All places one byte on in a word that is spelled in one way; suspects those where a watched word ends."""
    bytes_, insides, others = i32(g, GA.U_BYTE), i32(g, GA.U_INSIDE), i32(g, GA.U_OTHERS)
    if has_end(g, words):
        words = others[words]
    while words != NO_WORDS and at >= 0:
        child = trie_child(v, node, bytes_[words])
        if child != ROOT and has_end(g, insides[words]):
            status = suspect_node(g, child)
            if status < 0:
                return status
        at = go_on(v, g, at, child, insides[words], 0, tight)
        words = others[words]
    return at


@helper
def find_barred(v: Any, g: Any, node: Any, words: Any, encoding: Any, decoder: Any, tight: Any) -> Any:
    """Suspect the trie nodes below ``node`` where ``words`` are completed (if ``tight``: one byte on towards that)."""
    stack = i32(v, VA.X_STACK)
    stack[0], stack[1], stack[2] = node, words, decoder
    at = 3
    while at > 0:
        at -= 3
        node, words, decoder = stack[at], stack[at + 1], stack[at + 2]
        if encoding != JSON:
            at = in_text(v, g, at, node, words, tight)
        elif decoder != 0:
            at = in_escape(v, g, at, node, words, decoder, tight)
        else:
            at = in_json(v, g, at, node, words, tight)
    return at


@helper
def suspect_word(v: Any, g: Any, node: Any, state: Any, memory: Any) -> Any:
    """Suspect what may be wrong below a trie node where a leaf reads on in the word of a memory."""
    words, tight = i32(g, GA.M_PLACE)[memory], i32(g, GA.M_FLAGS)[memory] & TIGHT != 0
    if words == WORDS_MISSING:
        # A word begins inside the token: nothing can be wrong before it ends, unless few words are left.
        few = i32(g, GA.H_LIMIT)[i32(g, GA.M_SHAPE)[memory]] == 0
        return suspect_node(g, node) if few or i32(v, VA.T_END)[node] > node + 1 else 0
    encoding, decoder = i32(v, VA.L_ENCODING)[i32(v, VA.S_LEAF)[state]], i32(v, VA.S_DECODER)[state]
    if encoding != JSON or decoder >> 24 <= U4_1:
        decoder = 0  # raw bytes have moved the place already
    return find_barred(v, g, node, words, encoding, decoder, tight)


@helper
def add_suspicions(v: Any, g: Any, node: Any, state: Any, stack: Any) -> Any:
    """Suspect what may be wrong below ``node``, where the words above ``stack`` are read; negative: grow and retry."""
    code, flags = i32(g, GA.CODE), i32(g, GA.M_FLAGS)
    pcs, registers, first = i32(g, GA.E_PC), i32(g, GA.E_REGISTER), i32(g, GA.N_FROM)[stack]
    residual, members = node - v[VN.NODES], i32(v, VA.R_MEMBER)
    status = 0
    for i in range(first, first + i32(g, GA.N_SIZE)[stack]):
        if code[pcs[i]] != BAG or flags[registers[i]] & SUSPECT == 0:
            continue
        if residual < 0:
            status = suspect_word(v, g, node, state, registers[i])
        else:
            begin = i32(v, VA.R_FROM)[residual]
            for j in range(begin, begin + i32(v, VA.R_SIZE)[residual]):
                if status >= 0:
                    status = suspect_word(v, g, members[j], state, registers[i])
        if status < 0:
            return status
    return 0
