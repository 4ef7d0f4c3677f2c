"""What a leaf state does on whole classes of characters, and which of them keep it.

A state is *kept* by a character if all its instructions wait again after it. Then it is kept by any text over such
characters: a later state may hold more instructions, which only adds ways to go on. So all tokens over these
characters stay inside the leaf, and a subtree that has no others need not be walked.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.classes import (
    BLOCK_BIT,
    CONTROL_BIT,
    FIRST_BLOCK,
    INVALID_BIT,
    KNOWN_BIT,
    SET_WORDS,
    WIDTH,
)
from constrain.kernels.jit import helper, inline
from constrain.kernels.layout import BYTES, CAN_END, DEAD, FIRST_LEAF_STATE, JSON, L_MATCH, UNKNOWN, VA
from constrain.kernels.leaf import class_at, has_window, step_leaf, step_symbol
from constrain.kernels.pointers import i32
from constrain.kernels.trie import set_bit

MIXED = 1 << 30  # MIXED + state: the members of a class lead to different states; to ``state`` most of them do
MANY = 8  # runs of a block that are handled one by one


@helper
def step_class(v: Any, state: Any, number: Any) -> Any:
    """The state after any character of a class, or ``MIXED`` + the one after most; negative: grow and retry."""
    memo, at = i32(v, VA.S_CLASS), state * WIDTH + number
    target = memo[at]
    if target != UNKNOWN:
        return target
    first, last = i32(v, VA.C_FIRST)[number], i32(v, VA.C_LAST)[number]
    target = step_ascii(v, state, first, last) if number < FIRST_BLOCK else step_block(v, state, first, last)
    if target > 0:
        memo[at] = target
    return target


@helper
def step_ascii(v: Any, state: Any, first: Any, last: Any) -> Any:
    """The same for a range of bytes. What most do is found by voting (Boyer and Moore, 1981)."""
    most, votes, mixed = DEAD, 0, 0
    former = step_leaf(v, state, first)
    for byte in range(first, last + 1):
        target = step_leaf(v, state, byte)
        if target < 0:
            return target
        if target != former:
            mixed = MIXED
        if votes == 0:
            most = target
        votes += 1 if target == most else -1
    return mixed + most


@helper
def step_block(v: Any, state: Any, first: Any, last: Any) -> Any:
    """The same for a range of characters past ASCII. Where many runs of it differ, "most" is just ``DEAD``."""
    if i32(v, VA.S_DECODER)[state] != 0:
        return DEAD  # in a JSON escape
    runs = count_runs(v, state, first, last)
    if runs > MANY:
        return MIXED + DEAD
    most, longest, former, mixed = DEAD, 0, UNKNOWN, 0
    symbol = first
    while symbol <= last:
        target = step_symbol(v, state, symbol)
        if target < 0:
            return target
        if former != UNKNOWN and target != former:
            mixed = MIXED
        former = target
        after = run_end(v, state, symbol, last)
        if after - symbol > longest:
            most, longest = target, after - symbol
        symbol = after
    return mixed + most


@helper
def run_end(v: Any, state: Any, symbol: Any, last: Any) -> Any:
    """The first symbol after ``symbol`` that a state's leaf may tell from it, at most ``last + 1``."""
    leaf = i32(v, VA.S_LEAF)[state]
    run = class_at(v, leaf, symbol) + 1
    if run == i32(v, VA.L_CUT0)[leaf] + i32(v, VA.L_CUTS)[leaf]:
        return last + 1
    return min(i32(v, VA.L_CUT)[run], last + 1)


@helper
def count_runs(v: Any, state: Any, first: Any, last: Any) -> Any:
    """How many runs a state's leaf makes of the symbols ``first..last``."""
    leaf = i32(v, VA.S_LEAF)[state]
    return 1 + class_at(v, leaf, last) - class_at(v, leaf, first)


@inline
def has_bit(words: Any, at: Any, bit: Any) -> Any:
    """Is a bit set in the words from ``at`` on?"""
    return words[at + (bit >> 5)] >> (bit & 31) & 1


@helper
def contains(v: Any, state: Any, part: Any) -> Any:
    """Has ``state`` all instructions of ``part``, a state at the beginning of a character?

    Whether a JSON leaf may be closed does not matter: no quote keeps a state.
    """
    if state == part:
        return True
    if state < FIRST_LEAF_STATE or state >= MIXED or i32(v, VA.S_DECODER)[state] != 0:
        return False
    elements, code = i32(v, VA.S_ELEMENT), i32(v, VA.L_CODE)
    closes = i32(v, VA.L_ENCODING)[i32(v, VA.S_LEAF)[part]] == JSON
    at, end = i32(v, VA.S_FROM)[state], i32(v, VA.S_FROM)[state] + i32(v, VA.S_SIZE)[state]
    first = i32(v, VA.S_FROM)[part]
    for i in range(first, first + i32(v, VA.S_SIZE)[part]):
        if closes and code[elements[i]] == L_MATCH:
            continue
        while at < end and elements[at] < elements[i]:
            at += 1
        if at == end or elements[at] != elements[i]:
            return False
    return True


@helper
def find_kept(v: Any, state: Any) -> Any:
    """Where in ``S_KEEP`` the set of characters that keep ``state`` begins; negative: grow and retry.

    A leaf that is not JSON may end without a closing byte. Where it may not end here, the set holds only
    characters after which it is in this very state, so that it may not end after them either.
    """
    kept, at = i32(v, VA.S_KEEP), state * SET_WORDS
    if has_bit(kept, at, KNOWN_BIT):
        return at
    for i in range(at, at + SET_WORDS):
        kept[i] = 0  # first the characters that do not keep it
    set_bit(kept, (at << 5) + INVALID_BIT)
    if i32(v, VA.S_DECODER)[state] != 0 or has_window(v, i32(v, VA.S_LEAF)[state]):
        for i in range(at, at + SET_WORDS):
            kept[i] = 0
        set_bit(kept, (at << 5) + KNOWN_BIT)
        return at
    encoding = i32(v, VA.L_ENCODING)[i32(v, VA.S_LEAF)[state]]
    exactly = encoding != JSON and i32(v, VA.S_FLAGS)[state] & CAN_END == 0
    status = find_losing_bytes(v, state, at, exactly)
    if status >= 0:
        status = find_losing_blocks(v, state, at, exactly, encoding)
    if status < 0:
        return status
    for i in range(at, at + SET_WORDS):
        kept[i] = ~kept[i]
    set_bit(kept, (at << 5) + KNOWN_BIT)
    return at


@helper
def find_losing_bytes(v: Any, state: Any, at: Any, exactly: Any) -> Any:
    """Add the ASCII bytes that do not keep ``state`` to the set at ``S_KEEP[at]``."""
    kept = i32(v, VA.S_KEEP)
    former, keeps = UNKNOWN, False
    for byte in range(0x80):
        target = step_leaf(v, state, byte)
        if target < 0:
            return target
        if target != former:
            former = target
            keeps = target == state if exactly else contains(v, target, state)
        if not keeps:
            control = byte < 0x20 and byte != 0x09 and byte != 0x0A and byte != 0x0D
            set_bit(kept, (at << 5) + (CONTROL_BIT if control else byte))
    return 0


@helper
def find_losing_blocks(v: Any, state: Any, at: Any, exactly: Any, encoding: Any) -> Any:
    """The same for the blocks of other characters. Where symbols are bytes, none keeps a state."""
    kept = i32(v, VA.S_KEEP)
    for number in range(FIRST_BLOCK, WIDTH):
        target = DEAD if encoding == BYTES else step_class(v, state, number)
        if target < 0:
            return target
        if not (target == state if exactly else contains(v, target, state)):
            set_bit(kept, (at << 5) + BLOCK_BIT + number)
    return 0


@inline
def covers(v: Any, kept: Any, reach: Any, at: Any) -> Any:
    """Are all characters of the set at ``reach[at]`` in the set at ``S_KEEP[kept]``?"""
    sets = i32(v, VA.S_KEEP)
    lost = reach[at] & ~sets[kept] | reach[at + 1] & ~sets[kept + 1]
    return (lost | reach[at + 2] & ~sets[kept + 2] | reach[at + 3] & ~sets[kept + 3]) == 0
