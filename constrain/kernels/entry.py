"""Leaf entries: what the tokens below a node do when a leaf state reads them. Shared by all grammars.

For (node, leaf state): the *inside row*, the tokens all of whose bytes the leaf reads; and, computed only
when asked for, the *exit*: the residual node of all places inside tokens where the leaf may end. A wide leaf
(the body of a JSON string) admits most of the vocabulary; its row is found once, then copied.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.census import count_closers, count_exits, count_inside, find_census, has_census
from constrain.kernels.exclude import clear_closed, find_closed_words, is_below
from constrain.kernels.intern import find, mix, publish
from constrain.kernels.jit import helper, inline
from constrain.kernels.layout import (
    CAN_END,
    CAN_GO_ON,
    DEAD,
    DENSE,
    EVICTED,
    HAS_EXIT_UNKNOWN,
    NO_EXIT,
    V_FULL,
    VA,
    VN,
)
from constrain.kernels.leaf import free_state, plain_state, sort_set, step_leaf
from constrain.kernels.pointers import i32, room, u8
from constrain.kernels.rows import begin_find, is_filled, keep_row, take_row
from constrain.kernels.trie import intern_residual, set_bit

SAME_EXIT = -2  # E_EXIT of an entry whose exit is that of E_ALSO


@helper
def walk_inside(v: Any, node: Any, state: Any, size: Any) -> Any:
    """Append to ``X_ID`` the tokens strictly below a trie node that ``state`` reads whole. Cost: nodes alive."""
    bytes_, ends = u8(v, VA.T_BYTE), i32(v, VA.T_END)
    starts, ids, found = i32(v, VA.T_TOKEN0), i32(v, VA.T_ID), i32(v, VA.X_ID)
    flags, path = i32(v, VA.S_FLAGS), i32(v, VA.X_STACK)
    path[0], path[1] = ends[node], state
    depth = 0
    last = ends[node]
    node += 1
    while node < last:
        while node >= path[depth]:
            depth -= 2
        target = step_leaf(v, path[depth + 1], bytes_[node])
        if target < 0:
            return target
        if target == DEAD:
            node = ends[node]
            continue
        for i in range(starts[node], starts[node + 1]):
            found[size] = ids[i]
            size += 1
        if flags[target] & CAN_GO_ON and ends[node] > node + 1:
            depth += 2
            path[depth], path[depth + 1] = ends[node], target
            node += 1
        else:
            node = ends[node]
    return size


@helper
def walk_exits(v: Any, node: Any, state: Any, size: Any) -> Any:
    """Append to ``X_ID`` the trie nodes strictly below ``node`` where the leaf may end and tokens go on."""
    bytes_, ends = u8(v, VA.T_BYTE), i32(v, VA.T_END)
    found, flags, path = i32(v, VA.X_ID), i32(v, VA.S_FLAGS), i32(v, VA.X_STACK)
    path[0], path[1] = ends[node], state
    depth = 0
    last = ends[node]
    node += 1
    while node < last:
        while node >= path[depth]:
            depth -= 2
        target = step_leaf(v, path[depth + 1], bytes_[node])
        if target < 0:
            return target
        if target == DEAD or ends[node] == node + 1:
            node = ends[node]
            continue
        if flags[target] & CAN_END:
            found[size] = node
            size += 1
        if flags[target] & CAN_GO_ON:
            depth += 2
            path[depth], path[depth + 1] = ends[node], target
            node += 1
        else:
            node = ends[node]
    return size


@helper
def each_member(v: Any, node: Any, state: Any, exits: Any) -> Any:
    """One of the two walks over a trie node, or over all members of a residual one, results sorted and distinct."""
    if node < v[VN.NODES]:
        return walk_exits(v, node, state, 0) if exits else walk_inside(v, node, state, 0)
    found, members = i32(v, VA.X_ID), i32(v, VA.R_MEMBER)
    first = i32(v, VA.R_FROM)[node - v[VN.NODES]]
    size = 0
    for i in range(first, first + i32(v, VA.R_SIZE)[node - v[VN.NODES]]):
        if room(v, VA.X_ID) - size < v[VN.id] + v[VN.node]:
            size = distinct(found, size)
            if room(v, VA.X_ID) - size < v[VN.id] + v[VN.node]:
                return V_FULL - VN.scratch
        size = walk_exits(v, members[i], state, size) if exits else walk_inside(v, members[i], state, size)
        if size < 0:
            return size
    return distinct(found, size)


@helper
def distinct(values: Any, size: Any) -> Any:
    """Sort and drop repeats, in place; the new size."""
    sort_set(values, size)
    kept = 0
    for i in range(size):
        if kept == 0 or values[kept - 1] != values[i]:
            values[kept] = values[i]
            kept += 1
    return kept


@helper
def find_entry(v: Any, node: Any, state: Any) -> Any:
    """The entry of (node, state), built where it or its row is not there; negative: grow and retry.

    Its rows stay until the next call: add its tokens before.
    """
    begin_find(v)
    state = free_state(v, i32(v, VA.S_WIDE)[state])
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
    state = i32(v, VA.S_WIDE)[state]
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
    """Build an entry by counting where that is possible, else by walking; negative: grow and retry."""
    if not has_census(v, node, state):
        return publish_entry(v, node, state, -1, 0, each_member(v, node, state, False))
    census = census_of(v, state)
    if census < 0:
        return census
    leaf = i32(v, VA.S_LEAF)[state]
    high, twin = i32(v, VA.L_HIGH)[leaf], i32(v, VA.L_TWIN)[leaf]
    left = v[VN.LONGEST] if high < 0 else min(high - i32(v, VA.S_COUNT)[state], v[VN.LONGEST])
    part = look_up(v, node, twin, left)
    if part == 0 or not is_filled(v, part):
        part = publish_entry(v, node, twin, left, 0, count_inside(v, census, left))
        if part < 0:
            return part
    return publish_entry(v, node, state, -1, part, count_closers(v, census, state))


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


@inline
def census_of(v: Any, state: Any) -> Any:
    """Census of the unbounded twin of a bounded repeat's state."""
    return find_census(v, i32(v, VA.L_TWIN)[i32(v, VA.S_LEAF)[state]])


@helper
def publish_entry(v: Any, node: Any, state: Any, left: Any, also: Any, size: Any) -> Any:
    """Make the entry of ``X_ID[:size]`` and entry ``also``; negative (``size`` too): grow and retry.

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
    """Keep ``X_ID[:size]`` as a list, or as a row where setting bits one by one would cost more than a row's OR."""
    found, words = i32(v, VA.X_ID), v[VN.WORDS]
    starts, sizes = i32(v, VA.E_FROM), i32(v, VA.E_SIZE)
    if size * 8 < words:
        pool, first = i32(v, VA.E_ID), v[VN.entryid]
        if first + size > room(v, VA.E_ID):
            return V_FULL - VN.entryid
        for i in range(size):
            pool[first + i] = found[i]
        v[VN.entryid] = first + size
        starts[item], sizes[item] = first, size
        return 0
    rows, first = i32(v, VA.E_ROW), take_row(v)
    if first < 0:
        return first
    for i in range(words):
        rows[first + i] = 0
    for i in range(size):
        set_bit(rows, (first << 5) + found[i])
    keep_row(v, item, first)
    return 0


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
        node, state = i32(v, VA.E_NODE)[item], i32(v, VA.E_STATE)[item]
        if has_census(v, node, state):
            census = census_of(v, state)
            size = census if census < 0 else count_exits(v, census, state)
        else:
            size = each_member(v, node, state, True)
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
