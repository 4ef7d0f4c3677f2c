"""Leaf entries: what the tokens below a node do when a leaf state reads them. Shared by all grammars.

For (node, leaf state): the *inside row*, the tokens all of whose bytes the leaf reads; and, computed only
when asked for, the *exit*: the residual node of all places inside tokens where the leaf may end. A wide leaf
(the body of a JSON string) admits most of the vocabulary; its row is found once (``sweep.py``), then copied.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.exclude import clear_closed, find_closed_words, is_below
from constrain.kernels.intern import find, mix, publish
from constrain.kernels.jit import helper
from constrain.kernels.layout import DENSE, EVICTED, HAS_EXIT_UNKNOWN, NO_EXIT, V_FULL, VA, VN
from constrain.kernels.leaf import free_state, plain_state
from constrain.kernels.pointers import i32, room
from constrain.kernels.rows import begin_find, is_filled, keep_row, take_row
from constrain.kernels.sweep import sweep
from constrain.kernels.trie import intern_residual, lowest_bit, set_bit
from constrain.kernels.triesweep import CLOSING, EXITS, OPEN, TOKENS

SAME_EXIT = -2  # E_EXIT of an entry whose exit is that of E_ALSO


@helper
def find_entry(v: Any, node: Any, state: Any) -> Any:
    """The entry of (node, state), built where it or its row is not there; negative: grow and retry.

    Its rows stay until the next call: add its tokens before.
    """
    begin_find(v)
    state = free_state(v, state, v[VN.LONGEST])
    if state < 0:
        return state
    item = look_up(v, node, state, -1)
    if item != 0 and is_filled(v, item):
        return item
    if i32(v, VA.S_WORD)[state] != 0:
        return find_excluding(v, node, state)
    return build_entry(v, node, state)


@helper
def find_plain(v: Any, node: Any, state: Any) -> Any:
    """The entry of a state that excludes no words."""
    item = look_up(v, node, state, -1)
    return item if item != 0 and is_filled(v, item) else build_entry(v, node, state)


@helper
def find_excluding(v: Any, node: Any, state: Any) -> Any:
    """Build the entry of a state on a trie of excluded words: the plain state's, minus closed words."""
    plain = plain_state(v, state)
    if plain < 0:
        return plain
    base = find_plain(v, node, plain)
    if base < 0:
        return base
    closed = find_closed_words(v, node, state)
    if closed < 0:
        return closed
    if closed == 0:
        item = publish_entry(v, node, state, -1, base, 0)
        if item >= 0:
            i32(v, VA.E_EXIT)[item] = SAME_EXIT
        return item
    rows, first = i32(v, VA.E_ROW), take_row(v)
    if first < 0:
        return first
    for i in range(v[VN.WORDS]):
        rows[first + i] = 0
    add_tokens_at(v, base, rows, first)
    clear_closed(v, rows, first, closed)
    item = publish_entry(v, node, state, -1, 0, 0)
    if item >= 0:
        keep_row(v, item, first)
    return item


@helper
def build_entry(v: Any, node: Any, state: Any) -> Any:
    """Build an entry; negative: grow and retry.

    A leaf X{low,high} over one class, so often a string's length, counts only what is left: the tokens that need at
    most so many symbols are an entry of its twin X*, shared by all windows, and only those that close it are its own.
    """
    leaf = i32(v, VA.S_LEAF)[state]
    twin, high = i32(v, VA.L_TWIN)[leaf], i32(v, VA.L_HIGH)[leaf]
    if twin <= 0 or i32(v, VA.S_DECODER)[state] != 0:
        return publish_entry(v, node, state, -1, 0, sweep(v, node, state, TOKENS))
    left = v[VN.LONGEST] if high < 0 else min(high - i32(v, VA.S_COUNT)[state], v[VN.LONGEST])
    part = look_up(v, node, twin, left)
    if part == 0 or not is_filled(v, part):
        part = publish_entry(v, node, twin, left, 0, sweep(v, node, state, OPEN))
        if part < 0:
            return part
    return publish_entry(v, node, state, -1, part, sweep(v, node, state, CLOSING))


@helper
def look_up(v: Any, node: Any, state: Any, left: Any) -> Any:
    """An entry, 0 if not built yet. With ``left >= 0``: what of a twin's entry needs at most so many symbols."""
    key = mix(mix(mix(17, node), state), left + 1)
    table = i32(v, VA.entry_table)
    nodes, states, lefts = i32(v, VA.E_NODE), i32(v, VA.E_STATE), i32(v, VA.E_LEFT)
    slot = find(room(v, VA.entry_table), key)
    while table[slot] != 0:
        item = table[slot]
        if nodes[item] == node and states[item] == state and lefts[item] == left:
            return item
        slot = (slot + 1) & (room(v, VA.entry_table) - 1)
    return 0


@helper
def publish_entry(v: Any, node: Any, state: Any, left: Any, also: Any, size: Any) -> Any:
    """Make the entry of ``size`` tokens in ``X_BITS`` and of entry ``also``; negative, as ``size`` may be: retry.

    Where it exists, only a row that has been given up is written again: an exit, once found, stays.
    """
    if size < 0:
        return size
    item = look_up(v, node, state, left)
    if item != 0:
        status = store_tokens(v, item, size) if i32(v, VA.E_SIZE)[item] == EVICTED else 0
        return item if status >= 0 else status
    item = v[VN.entry]
    if item >= room(v, VA.entry_hash):
        return V_FULL - VN.entry
    status = store_tokens(v, item, size)
    if status < 0:
        return status
    i32(v, VA.E_NODE)[item], i32(v, VA.E_STATE)[item], i32(v, VA.E_LEFT)[item] = node, state, left
    i32(v, VA.E_EXIT)[item], i32(v, VA.E_ALSO)[item] = HAS_EXIT_UNKNOWN, also
    key = mix(mix(mix(17, node), state), left + 1)
    table = i32(v, VA.entry_table)
    slot = find(room(v, VA.entry_table), key)
    while table[slot] != 0:
        slot = (slot + 1) & (room(v, VA.entry_table) - 1)
    publish(i32(v, VA.entry_hash), table, slot, item, key)
    v[VN.entry] = item + 1
    return item


@helper
def store_tokens(v: Any, item: Any, size: Any) -> Any:
    """Keep ``X_BITS`` as a list, or as a row where setting bits one by one would cost more than a row's OR."""
    bits, words = i32(v, VA.X_BITS), v[VN.WORDS]
    starts, sizes = i32(v, VA.E_FROM), i32(v, VA.E_SIZE)
    if size * 8 < words:
        first = v[VN.entryid]
        if first + size > room(v, VA.E_ID):
            return V_FULL - VN.entryid
        size = list_bits(bits, words, i32(v, VA.E_ID), first) if size > 0 else 0
        v[VN.entryid] = first + size
        starts[item], sizes[item] = first, size
        return 0
    rows, first = i32(v, VA.E_ROW), take_row(v)
    if first < 0:
        return first
    for i in range(words):
        rows[first + i] = bits[i]
    keep_row(v, item, first)
    return 0


@helper
def list_bits(bits: Any, words: Any, found: Any, at: Any) -> Any:
    """Write to ``found[at:]`` the numbers of the bits set in ``bits[:words]``, ascending; how many."""
    first = at
    for i in range(words):
        word = bits[i] & 0xFFFFFFFF
        while word != 0:
            found[at] = (i << 5) + lowest_bit(word)
            at += 1
            word &= word - 1
    return at - first


@helper
def find_exit(v: Any, item: Any) -> Any:
    """The residual node after the leaf of an entry, ``NO_EXIT`` for none; below ``NO_EXIT``: grow and retry."""
    exits = i32(v, VA.E_EXIT)
    if exits[item] == HAS_EXIT_UNKNOWN and i32(v, VA.S_WORD)[i32(v, VA.E_STATE)[item]] != 0:
        return exclude_exit(v, item)
    return find_plain_exit(v, i32(v, VA.E_ALSO)[item] if exits[item] == SAME_EXIT else item)


@helper
def find_plain_exit(v: Any, item: Any) -> Any:
    """The exit of an entry whose state excludes no words."""
    exits = i32(v, VA.E_EXIT)
    if exits[item] == HAS_EXIT_UNKNOWN:
        size = sweep(v, i32(v, VA.E_NODE)[item], i32(v, VA.E_STATE)[item], EXITS)
        if size > 0:
            size = list_bits(i32(v, VA.X_BITS), (v[VN.NODES] + 31) >> 5, i32(v, VA.X_ID), 0)
        return keep_exit(v, item, size)
    return exits[item]


@helper
def keep_exit(v: Any, item: Any, size: Any) -> Any:
    """Remember the set ``X_ID[:size]`` as an entry's exit; returns as ``find_exit`` does."""
    node = intern_residual(v, size) if size >= 0 else size
    if node < 0:
        return node - 1
    i32(v, VA.E_EXIT)[item] = node if node > 0 else NO_EXIT
    return node if node > 0 else NO_EXIT


@helper
def exclude_exit(v: Any, item: Any) -> Any:
    """The plain state's exit without the places where an excluded word has been closed."""
    node, state = i32(v, VA.E_NODE)[item], i32(v, VA.E_STATE)[item]
    plain = plain_state(v, state)
    base = find_plain(v, node, plain) if plain >= 0 else plain
    if base < 0:
        return base - 1
    exit_ = find_plain_exit(v, base)
    if exit_ <= NO_EXIT:
        return exit_
    closed = find_closed_words(v, node, state)
    if closed < 0:
        return closed - 1
    found, members = i32(v, VA.X_ID), i32(v, VA.R_MEMBER)
    if exit_ < v[VN.NODES]:
        return keep_exit(v, item, 0) if is_below(v, exit_, closed) else exit_
    residual = exit_ - v[VN.NODES]
    first, size = i32(v, VA.R_FROM)[residual], 0
    for i in range(first, first + i32(v, VA.R_SIZE)[residual]):
        if not is_below(v, members[i], closed):
            found[size] = members[i]
            size += 1
    return keep_exit(v, item, size)


@helper
def add_tokens(v: Any, item: Any, words: Any) -> None:
    """OR an entry's tokens into ``words``."""
    add_tokens_at(v, item, words, 0)


@helper
def add_tokens_at(v: Any, item: Any, words: Any, at: Any) -> None:
    """OR an entry's tokens into the row that starts at word ``at``."""
    also = i32(v, VA.E_ALSO)[item]
    while also != 0:
        add_own_tokens(v, also, words, at)
        also = i32(v, VA.E_ALSO)[also]
    add_own_tokens(v, item, words, at)


@helper
def add_own_tokens(v: Any, item: Any, words: Any, at: Any) -> None:
    """OR an entry's own list or row, not that of ``E_ALSO``, into the row that starts at word ``at``."""
    first, size = i32(v, VA.E_FROM)[item], i32(v, VA.E_SIZE)[item]
    if size == DENSE:
        rows = i32(v, VA.E_ROW)
        for i in range(v[VN.WORDS]):
            words[at + i] |= rows[first + i]
        return
    ids = i32(v, VA.E_ID)
    for i in range(first, first + size):
        set_bit(words, (at << 5) + ids[i])
