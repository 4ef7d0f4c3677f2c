"""Masks: walk the vocabulary trie with a set of configurations, visiting live bytes only.

A visit is (node, configurations). Leaf configurations contribute their entry's tokens at once and go on from its
exit; literal ones are grouped by byte, so configurations that meet are walked together. Invariant: every
configuration can still be completed, so a token's bit is set as soon as its last byte is read.

A walk that has become long goes on with sets of configurations that are remembered (``walkset.py``, ``setwalk.py``).

Words that must not be written twice are not followed: nodes at and after which that may matter are listed
(``suspicion.py``), and what is below them is filled in anew from the configurations that an exact step reaches.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.answers import copy_row, keep_row
from constrain.kernels.entry import add_tokens, find_entry, find_exit
from constrain.kernels.jit import entry, helper
from constrain.kernels.layout import END_PC, FINISHED, GA, GN, LEAF, NO_EXIT, PROBES_WANTED, ROOT, SUSPECT, VA, VN
from constrain.kernels.pointers import i32, room, table_at, u8, words_at
from constrain.kernels.setwalk import add_visit, has_children, visit_set
from constrain.kernels.stack import add_configuration, add_item, add_returns, begin_items, close
from constrain.kernels.step import is_literal, load_state, normalise, read_bytes
from constrain.kernels.suspicion import add_suspicions
from constrain.kernels.trie import child_of, set_bit, set_tokens_at, trie_child
from constrain.kernels.walkset import begin_sets, intern_set


@helper
def only_end(g: Any, first: Any, last: Any) -> Any:
    """Is there nothing in ``W[first:last]`` that could read a byte?"""
    positions = i32(g, GA.W_POSITION)
    for i in range(first, last):
        if positions[i] != END_PC:
            return False
    return True


@helper
def visit_leaf(v: Any, g: Any, node: Any, state: Any, stack: Any, words: Any, at: Any) -> Any:
    """A leaf configuration at ``node``; next free place of W, or negative."""
    if i32(g, GA.N_FLAGS)[stack] & SUSPECT:
        status = add_suspicions(v, g, node, state, stack)
        if status < 0:
            return status
    item = find_entry(v, node, state)
    if item < 0:
        return item
    add_tokens(v, item, words)
    if i32(v, VA.E_EXIT)[item] == NO_EXIT:
        return at
    begin_items(g)
    status = add_returns(g, stack)
    if status < 0:
        return status
    last = close(g, at)
    if last < 0:
        return last
    if only_end(g, at, last):
        return at
    exit_ = find_exit(v, item)
    if exit_ < NO_EXIT:
        return exit_ + 1
    if exit_ == NO_EXIT:
        return at
    status = add_visit(g, exit_, at, last, 0)
    return status if status < 0 else last


@helper
def visit_byte(v: Any, g: Any, node: Any, byte: Any, head: Any, words: Any, at: Any) -> Any:
    """The literal configurations ``head``, ``W_NEXT[head]``, ... all read ``byte``; next free place or negative."""
    child = child_of(v, node, byte)
    if child <= ROOT:
        return child if child < 0 else at
    set_tokens_at(v, child, words)
    if not has_children(v, child):
        return at
    positions, stacks, following = i32(g, GA.W_POSITION), i32(g, GA.W_STACK), i32(g, GA.W_NEXT)
    if following[head] < 0 and is_literal(g, positions[head] + 1):
        last = add_configuration(g, at, positions[head] + 1, stacks[head])
    else:
        begin_items(g)
        while head >= 0:
            status = add_item(g, positions[head] + 1, 0, stacks[head], 0)
            if status < 0:
                return status
            head = following[head]
        last = close(g, at)
    if last < 0:
        return last
    status = add_visit(g, child, at, last, 0)
    return status if status < 0 else last


@helper
def group_by_byte(g: Any, first: Any, last: Any) -> Any:
    """Chain the literal configurations of ``W[first:last]`` by their byte; how many bytes ``B_USED`` lists."""
    positions, following = i32(g, GA.W_POSITION), i32(g, GA.W_NEXT)
    heads, used, code = i32(g, GA.B_HEAD), i32(g, GA.B_USED), i32(g, GA.CODE)
    count = 0
    for i in range(first, last):
        if positions[i] >= LEAF or positions[i] == END_PC:
            continue
        byte = code[positions[i]]
        if heads[byte] < 0:
            used[count] = byte
            count += 1
        following[i] = heads[byte]
        heads[byte] = i
    return count


@helper
def visit(v: Any, g: Any, node: Any, first: Any, last: Any, words: Any) -> Any:
    """All that one set of configurations does at one node; negative: grow and retry."""
    g[GN.VISITS] += 1
    positions, stacks = i32(g, GA.W_POSITION), i32(g, GA.W_STACK)
    at = last
    for i in range(first, last):
        if positions[i] >= LEAF:
            at = visit_leaf(v, g, node, positions[i] - LEAF, stacks[i], words, at)
            if at < 0:
                return at
    heads, used = i32(g, GA.B_HEAD), i32(g, GA.B_USED)
    count = group_by_byte(g, first, last)
    for i in range(count):
        byte = used[i]
        head = heads[byte]
        heads[byte] = -1
        if at >= 0:  # after an overflow only clear the remaining heads
            at = visit_byte(v, g, node, byte, head, words, at)
    return at


@helper
def begin_mask(v: Any, g: Any, state: Any, words: Any) -> None:
    """A row without tokens, but with the ends of sequence where the text may end."""
    for i in range(v[VN.WORDS]):
        words[i] = 0
    ends = i32(v, VA.EOS)
    if state == FINISHED or i32(g, GA.Q_ACCEPTING)[state] != 0:
        for i in range(room(v, VA.EOS)):
            set_bit(words, ends[i])


@helper
def walk_from(v: Any, g: Any, node: Any, first: Any, last: Any, words: Any) -> Any:
    """Add the tokens below ``node``, which ``W[first:last]`` have just reached; negative: grow and retry."""
    if not has_children(v, node):
        return 0
    g[GN.MASKING] = 1
    status = add_visit(g, node, first, last, 0)
    nodes, starts, ends, sets = i32(g, GA.V_NODE), i32(g, GA.V_FROM), i32(g, GA.V_TO), i32(g, GA.V_SET)
    g[GN.WALK] = (g[GN.WALK] & 0x3FFFFFFF) + 1
    long = g[GN.VISITS] + (g[GN.SHORT] if last - first < g[GN.MANY] else 0)
    while g[GN.visit] > 0 and status >= 0:
        top = g[GN.visit] - 1
        g[GN.visit] = top
        node, first, last, item = nodes[top], starts[top], ends[top], sets[top]
        if item == 0 and g[GN.VISITS] >= long:
            last = normalise(g, first, last)
            item = intern_set(g, first, last) if last >= 0 else last
        if item > 0:
            status = visit_set(v, g, node, item, words, first)
        else:
            status = visit(v, g, node, first, last, words) if item == 0 else item
    return status


@helper
def clear_below(v: Any, node: Any, words: Any) -> None:
    """Forbid the tokens at and below a node of the trie."""
    starts, ids = i32(v, VA.T_TOKEN0), i32(v, VA.T_ID)
    for i in range(starts[node], starts[i32(v, VA.T_END)[node]]):
        bit = ids[i] & 31
        words[ids[i] >> 5] &= ~(1 << bit) if bit < 31 else 0x7FFFFFFF


@helper
def next_suspicion(v: Any, g: Any) -> Any:
    """Take out the first suspected node in the order of the trie, and all below it, which will be found again."""
    nodes, size = i32(g, GA.Y_NODE), g[GN.suspicion]
    node = nodes[0]
    for i in range(1, size):
        node = min(node, nodes[i])
    kept = 0
    for i in range(size):
        if nodes[i] >= i32(v, VA.T_END)[node]:
            nodes[kept] = nodes[i]
            kept += 1
    g[GN.suspicion] = kept
    return node


@helper
def read_path(v: Any, g: Any, state: Any, node: Any) -> Any:
    """Configurations of ``state`` after the bytes that lead to ``node``: where they begin and end, or negative end."""
    g[GN.MASKING], g[GN.ENDED] = 0, 0
    last = load_state(g, state)
    if last < 0:
        return 0, last
    data = u8(v, VA.TOKEN_BYTE)
    first = i32(v, VA.TOKEN0)[i32(v, VA.T_ID)[i32(v, VA.T_TOKEN0)[node]]]  # of a token that begins so
    depth, at = 0, ROOT
    while at != node:
        at = trie_child(v, at, data[first + depth])
        depth += 1
    first, last, depth = read_bytes(v, g, last, data, first, first + depth)
    return first, last


@helper
def mend(v: Any, g: Any, state: Any, words: Any) -> Any:
    """Make the mask exact at and below the suspected nodes; negative: grow and retry.

    In the order of the trie, and what is filled in anew suspects nodes further on only: so this ends, and the last
    word on each token comes from the exact configurations nearest above it.
    """
    while g[GN.suspicion] > 0:
        node = next_suspicion(v, g)
        clear_below(v, node, words)
        first, last = read_path(v, g, state, node)
        if last < 0:
            return last
        if first < last:
            set_tokens_at(v, node, words)
            status = walk_from(v, g, node, first, last, words)
            if status < 0:
                return status
    return 0


@helper
def fill_row(v: Any, g: Any, state: Any, words: Any) -> Any:
    """Overwrite ``words`` with the mask of ``state``; negative: grow and retry."""
    last = 0 if state == FINISHED else load_state(g, state)
    if last < 0:
        return last
    if state != FINISHED and copy_row(g, state, words, v[VN.WORDS]):
        return 0
    begin_mask(v, g, state, words)
    if state == FINISHED:
        return 0
    g[GN.visit], g[GN.suspicion], g[GN.ASKED] = 0, 0, 0
    begin_sets(g)
    before = g[GN.VISITS]
    status = walk_from(v, g, ROOT, 0, last, words)
    if status >= 0:
        status = mend(v, g, state, words)
    if g[GN.ASKED] > 0 and status >= 0:
        return PROBES_WANTED
    return keep_row(v, g, state, words) if status >= 0 and g[GN.VISITS] - before >= g[GN.SHORT] else status


@entry(writes={"words": 32})
def fill_mask(v: Any, g: Any, state: Any, words: Any) -> Any:
    """``fill_row`` of the tables at two addresses."""
    return fill_row(table_at(v), table_at(g), state, words_at(words.ctypes.data))
