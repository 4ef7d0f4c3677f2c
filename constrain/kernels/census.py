"""Entries of bounded repeats (X{low,high}) at the root, by counting instead of walking.

A leaf that repeats one class of symbols behaves like its unbounded twin X*, but for the number of symbols. So one
walk of the trie with the twin, the *census*, records for each token how many symbols it needs, and
any window's row follows: tokens that need at most r symbols (one cached row for each r, shared by all grammars)
plus those of the few tokens that close the leaf whose count fits. (Counting what is left, clipped to the longest
token, is lm-format-enforcer's idea for free text.)
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import helper, inline
from constrain.kernels.layout import ACCEPTED, CAN_END, CAN_GO_ON, DEAD, ROOT, V_FULL, VA, VN
from constrain.kernels.leaf import step_leaf
from constrain.kernels.pointers import i32, room, u8


@inline
def has_census(v: Any, node: Any, state: Any) -> Any:
    """Can this entry be counted: the root, and a bounded repeat at a symbol boundary."""
    return node == ROOT and i32(v, VA.L_TWIN)[i32(v, VA.S_LEAF)[state]] > 0 and i32(v, VA.S_DECODER)[state] == 0


@helper
def find_census(v: Any, twin: Any) -> Any:
    """The census of a twin's start state, taken at its first use; negative: grow and retry."""
    twins = i32(v, VA.Z_TWIN)
    for item in range(v[VN.census]):
        if twins[item] == twin:
            return item
    item = v[VN.census]
    if item >= room(v, VA.Z_TWIN):
        return V_FULL - VN.census
    if v[VN.counted] + v[VN.id] > room(v, VA.Z_ID):
        return V_FULL - VN.counted
    if v[VN.closer] + v[VN.id] > room(v, VA.Z_CLOSER):
        return V_FULL - VN.closer
    if v[VN.leaving] + v[VN.node] > room(v, VA.Z_NODE):
        return V_FULL - VN.leaving
    status = take_census(v, item, twin)
    if status < 0:
        return status
    twins[item] = twin
    v[VN.census] = item + 1
    return item


@helper
def take_census(v: Any, item: Any, twin: Any) -> Any:
    """Walk the whole trie with the twin; nothing is published before the walk is complete."""
    bytes_, ends = u8(v, VA.T_BYTE), i32(v, VA.T_END)
    starts, ids = i32(v, VA.T_TOKEN0), i32(v, VA.T_ID)
    flags, decoders, path = i32(v, VA.S_FLAGS), i32(v, VA.S_DECODER), i32(v, VA.X_STACK)
    found, needs = i32(v, VA.Z_ID), i32(v, VA.Z_NEED)
    closers, closer_counts = i32(v, VA.Z_CLOSER), i32(v, VA.Z_CLOSER_COUNT)
    nodes, node_counts = i32(v, VA.Z_NODE), i32(v, VA.Z_NODE_COUNT)
    counted, closing, leaving = v[VN.counted], v[VN.closer], v[VN.leaving]
    path[0], path[1], path[2] = ends[ROOT], twin, 0
    depth = 0
    node = ROOT + 1
    while node < ends[ROOT]:
        while node >= path[depth]:
            depth -= 3
        target = step_leaf(v, path[depth + 1], bytes_[node])
        if target < 0:
            return target
        if target == DEAD:
            node = ends[node]
            continue
        count = path[depth + 2]
        need = count
        if target != ACCEPTED:
            need += 1
            if decoders[target] == 0:
                count += 1
        for i in range(starts[node], starts[node + 1]):
            if target == ACCEPTED:
                closers[closing], closer_counts[closing] = ids[i], count
                closing += 1
            else:
                found[counted], needs[counted] = ids[i], need
                counted += 1
        if ends[node] > node + 1 and flags[target] & CAN_END:
            nodes[leaving], node_counts[leaving] = node, count
            leaving += 1
        if ends[node] > node + 1 and flags[target] & CAN_GO_ON:
            depth += 3
            path[depth], path[depth + 1], path[depth + 2] = ends[node], target, count
            node += 1
        else:
            node = ends[node]
    i32(v, VA.Z_FROM)[item], i32(v, VA.Z_SIZE)[item] = v[VN.counted], counted - v[VN.counted]
    i32(v, VA.Z_CLOSER0)[item], i32(v, VA.Z_CLOSERS)[item] = v[VN.closer], closing - v[VN.closer]
    i32(v, VA.Z_NODE0)[item], i32(v, VA.Z_NODES)[item] = v[VN.leaving], leaving - v[VN.leaving]
    v[VN.counted], v[VN.closer], v[VN.leaving] = counted, closing, leaving
    return 0


@inline
def fits(low: Any, high: Any, count: Any) -> Any:
    """May a leaf end after ``count`` symbols?"""
    return count >= low and (high < 0 or count <= high)


@helper
def count_inside(v: Any, item: Any, left: Any) -> Any:
    """Write to ``X_ID`` the tokens of a census, closers left out, that need at most ``left`` symbols; how many."""
    found, ids, needs = i32(v, VA.X_ID), i32(v, VA.Z_ID), i32(v, VA.Z_NEED)
    first = i32(v, VA.Z_FROM)[item]
    size = 0
    for i in range(first, first + i32(v, VA.Z_SIZE)[item]):
        found[size] = ids[i]
        size += needs[i] <= left
    return size


@helper
def count_closers(v: Any, item: Any, state: Any) -> Any:
    """Write to ``X_ID`` the closing tokens whose number of symbols fits the window of ``state``; how many."""
    first, size = i32(v, VA.Z_CLOSER0)[item], i32(v, VA.Z_CLOSERS)[item]
    return keep_fitting(v, state, i32(v, VA.Z_CLOSER), i32(v, VA.Z_CLOSER_COUNT), first, size)


@helper
def count_exits(v: Any, item: Any, state: Any) -> Any:
    """Write to ``X_ID`` the trie nodes where the leaf may end inside a token, given the window; how many."""
    first, size = i32(v, VA.Z_NODE0)[item], i32(v, VA.Z_NODES)[item]
    return keep_fitting(v, state, i32(v, VA.Z_NODE), i32(v, VA.Z_NODE_COUNT), first, size)


@helper
def keep_fitting(v: Any, state: Any, values: Any, counts: Any, first: Any, size: Any) -> Any:
    """Write to ``X_ID`` those of ``values[first : first + size]`` after whose symbols ``state`` may end; how many."""
    leaf, read = i32(v, VA.S_LEAF)[state], i32(v, VA.S_COUNT)[state]
    low, high = i32(v, VA.L_LOW)[leaf], i32(v, VA.L_HIGH)[leaf]
    found = i32(v, VA.X_ID)
    kept = 0
    for i in range(first, first + size):
        if fits(low, high, read + counts[i]):
            found[kept] = values[i]
            kept += 1
    return kept
