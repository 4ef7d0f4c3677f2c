"""Words that a leaf must not be: a trie over symbols walked beside the leaf's program.

An open object's other keys are any string but the declared ones. As a complement that automaton has a state for
each prefix of each word, each with a wide mask of its own, though all but a few tokens behave as in the plain leaf.
So a state carries its place in the trie of words (0: off it, and then it *is* a state of the plain leaf), and its
entry is the plain one's minus the tokens below the nodes where a word would be completed and closed.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import helper
from constrain.kernels.layout import FIRST_LEAF_STATE, ROOT, VA, VN
from constrain.kernels.leaf import step_leaf
from constrain.kernels.pointers import i32, u8
from constrain.kernels.trie import clear_bit, trie_child

QUOTE, BACKSLASH = 0x22, 0x5C


@helper
def follow(v: Any, node: Any, state: Any, byte: Any, at: Any) -> Any:
    """Add to the ``X_STACK`` of places (trie node, leaf state) the one after ``byte`` if a word can still be met."""
    child = trie_child(v, node, byte)
    if child == ROOT:
        return at
    target = step_leaf(v, state, byte)
    if target < 0:
        return target
    if target < FIRST_LEAF_STATE or i32(v, VA.S_WORD)[target] == 0:
        return at
    stack = i32(v, VA.X_STACK)
    stack[at], stack[at + 1] = child, target
    return at + 2


@helper
def follow_symbol(v: Any, node: Any, state: Any, symbol: Any, at: Any) -> Any:
    """The same for the first byte of a symbol's raw spelling."""
    byte = symbol
    if symbol >= 0x10000:
        byte = 0xF0 | symbol >> 18
    elif symbol >= 0x800:
        byte = 0xE0 | symbol >> 12
    elif symbol >= 0x80:
        byte = 0xC0 | symbol >> 6
    return follow(v, node, state, byte, at)


@helper
def next_places(v: Any, node: Any, state: Any, at: Any) -> Any:
    """All places one byte on from which a word can be met; the new height of the stack, or negative."""
    if i32(v, VA.S_DECODER)[state] != 0:  # inside a symbol: few bytes go on
        bytes_, kids = u8(v, VA.T_BYTE), i32(v, VA.T_KID)
        first, last = i32(v, VA.T_KID0)[node], i32(v, VA.T_KID0)[node + 1]
        for i in range(first, last):
            at = follow(v, node, state, bytes_[kids[i]], at)
            if at < 0:
                return at
        return at
    at = follow(v, node, state, BACKSLASH, at)
    child = i32(v, VA.W_CHILD)[i32(v, VA.S_WORD)[state]]
    while child != 0 and at >= 0:
        at = follow_symbol(v, node, state, i32(v, VA.W_SYMBOL)[child], at)
        child = i32(v, VA.W_SIBLING)[child]
    return at


@helper
def find_closed_words(v: Any, node: Any, state: Any) -> Any:
    """Write to ``X_CLOSED`` the trie nodes below ``node`` where a word has been completed and closed; how many."""
    stack, found = i32(v, VA.X_STACK), i32(v, VA.X_CLOSED)
    if node < v[VN.NODES]:
        stack[0], stack[1] = node, state
        at = 2
    else:
        at = 0
        first = i32(v, VA.R_FROM)[node - v[VN.NODES]]
        for i in range(first, first + i32(v, VA.R_SIZE)[node - v[VN.NODES]]):
            stack[at], stack[at + 1] = i32(v, VA.R_MEMBER)[i], state
            at += 2
    size = 0
    while at > 0:
        at -= 2
        place, inner = stack[at], stack[at + 1]
        if i32(v, VA.S_DECODER)[inner] == 0 and i32(v, VA.W_FINAL)[i32(v, VA.S_WORD)[inner]] != 0:
            closed = trie_child(v, place, QUOTE)
            if closed != ROOT:
                found[size] = closed
                size += 1
        at = next_places(v, place, inner, at)
        if at < 0:
            return at
    return size


@helper
def is_below(v: Any, node: Any, closed: Any) -> Any:
    """Is a trie node one of ``X_CLOSED[:closed]``?"""
    found = i32(v, VA.X_CLOSED)
    for i in range(closed):
        if found[i] == node:
            return True
    return False


@helper
def clear_closed(v: Any, words: Any, first: Any, closed: Any) -> None:
    """Clear, in the row that starts at word ``first``, the tokens that end exactly where a word is closed."""
    starts, ids, found = i32(v, VA.T_TOKEN0), i32(v, VA.T_ID), i32(v, VA.X_CLOSED)
    for i in range(closed):
        for j in range(starts[found[i]], starts[found[i] + 1]):
            clear_bit(words, (first << 5) + ids[j])
