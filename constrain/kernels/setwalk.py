"""A walk of the vocabulary trie with remembered sets of configurations (``walkset.py``).

What ``walk.visit`` does for configurations, ``visit_set`` does for a set, by its edges. Cost of a visit: the edges, or
the children of the node if they are fewer. A set that comes to a node a second time in one walk is not visited again.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.entry import add_tokens, find_entry, find_exit
from constrain.kernels.intern import mix
from constrain.kernels.jit import helper, inline
from constrain.kernels.layout import G_FULL, GA, GN, LEAF, NO_EXIT, ROOT, SUSPECT, VA, VN
from constrain.kernels.pointers import i32, room, u8
from constrain.kernels.suspicion import add_suspicions
from constrain.kernels.trie import child_of, set_tokens_at
from constrain.kernels.walkset import NOT_MADE, NOWHERE, make_target


@inline
def has_children(v: Any, node: Any) -> Any:
    """May a token go on below this node? (A residual node may: its members were chosen so.)"""
    return node >= v[VN.NODES] or i32(v, VA.T_END)[node] > node + 1


@inline
def was_seen(g: Any, node: Any, item: Any) -> Any:
    """Has this walk a visit of ``node`` with a set behind it or before it? If not, it has now. May forget."""
    seen = i32(g, GA.V_SEEN)
    slot = 3 * (mix(mix(41, node), item) & (room(g, GA.V_SEEN) // 3 - 1))
    if seen[slot] == node and seen[slot + 1] == item and seen[slot + 2] == g[GN.WALK]:
        return True
    seen[slot], seen[slot + 1], seen[slot + 2] = node, item, g[GN.WALK]
    return False


@helper
def add_visit(g: Any, node: Any, first: Any, last: Any, item: Any) -> Any:
    """Remember to visit ``node`` with ``W[first:last]``, or with the set ``item`` if it is not 0; negative: grow."""
    if item > 0 and was_seen(g, node, item):
        return 0
    at = g[GN.visit]
    nodes = i32(g, GA.V_NODE)
    if at >= room(g, GA.V_NODE):
        return G_FULL - GN.visit
    nodes[at] = node
    i32(g, GA.V_FROM)[at], i32(g, GA.V_TO)[at], i32(g, GA.V_SET)[at] = first, last, item
    g[GN.visit] = at + 1
    return 0


@helper
def follow(g: Any, edge: Any, node: Any, at: Any) -> Any:
    """Visit ``node`` with what the edge leads to; the next free place of W, or negative: grow and retry."""
    targets = i32(g, GA.D_TARGET)
    last = at
    if targets[edge] == NOT_MADE:
        last = make_target(g, edge, at)
        if last < 0:
            return last
    target = targets[edge]
    if target == NOWHERE:
        return at
    if target > 0:
        last = at
    status = add_visit(g, node, at, last, target)
    return status if status < 0 else last


@helper
def suspect_members(v: Any, g: Any, node: Any, item: Any) -> Any:
    """What ``walk.visit_leaf`` suspects, for all members of a set."""
    positions, stacks, flags = i32(g, GA.Z_POSITION), i32(g, GA.Z_STACK), i32(g, GA.N_FLAGS)
    first = i32(g, GA.Z_FROM)[item]
    for i in range(first, first + i32(g, GA.Z_SIZE)[item]):
        if positions[i] >= LEAF and flags[stacks[i]] & SUSPECT:
            status = add_suspicions(v, g, node, positions[i] - LEAF, stacks[i])
            if status < 0:
                return status
    return 0


@helper
def follow_leaf(v: Any, g: Any, node: Any, edge: Any, words: Any, at: Any) -> Any:
    """All tokens that a leaf state reads at ``node``, and a visit where it may end; next free place or negative."""
    item = find_entry(v, node, i32(g, GA.D_LABEL)[edge] - LEAF)
    if item < 0:
        return item
    add_tokens(v, item, words)
    if i32(v, VA.E_EXIT)[item] == NO_EXIT or i32(g, GA.D_TARGET)[edge] == NOWHERE:
        return at
    exit_ = find_exit(v, item)
    if exit_ < NO_EXIT:
        return exit_ + 1
    return follow(g, edge, exit_, at) if exit_ != NO_EXIT else at


@helper
def follow_byte(v: Any, g: Any, child: Any, edge: Any, words: Any, at: Any) -> Any:
    """The tokens that end at ``child``, which an edge leads to, and a visit; next free place or negative."""
    set_tokens_at(v, child, words)
    return follow(g, edge, child, at) if has_children(v, child) else at


@helper
def visit_set(v: Any, g: Any, node: Any, item: Any, words: Any, at: Any) -> Any:
    """All that a set of configurations does at a node, ``W[at:]`` being free; negative: grow and retry."""
    g[GN.VISITS] += 1
    if i32(g, GA.Z_FLAGS)[item]:
        status = suspect_members(v, g, node, item)
        if status < 0:
            return status
    first = i32(g, GA.Z_EDGE)[item]
    last = first + i32(g, GA.Z_BYTES)[item]
    for edge in range(last, first + i32(g, GA.Z_EDGES)[item]):
        at = follow_leaf(v, g, node, edge, words, at)
        if at < 0:
            return at
    if ROOT < node < v[VN.NODES] and i32(v, VA.T_KID0)[node + 1] - i32(v, VA.T_KID0)[node] < last - first:
        return visit_kids(v, g, node, first, last, words, at)
    labels = i32(g, GA.D_LABEL)
    for edge in range(first, last):
        child = child_of(v, node, labels[edge])
        if child < 0:
            return child
        if child != ROOT:
            at = follow_byte(v, g, child, edge, words, at)
            if at < 0:
                return at
    return at


@helper
def visit_kids(v: Any, g: Any, node: Any, first: Any, last: Any, words: Any, at: Any) -> Any:
    """Follow the edges ``first`` to ``last`` for whose bytes a trie node has a child; free place, or negative."""
    labels, bytes_, kids = i32(g, GA.D_LABEL), u8(v, VA.T_BYTE), i32(v, VA.T_KID)
    for i in range(i32(v, VA.T_KID0)[node], i32(v, VA.T_KID0)[node + 1]):
        byte, end = bytes_[kids[i]], last
        while first < end:
            middle = (first + end) >> 1
            if labels[middle] < byte:
                first = middle + 1
            else:
                end = middle
        if first == last:
            return at
        if labels[first] == byte:
            at = follow_byte(v, g, kids[i], first, words, at)
            if at < 0:
                return at
    return at
