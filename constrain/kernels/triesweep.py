"""Sweeps of the trie itself: which tokens a leaf state reads below a node, byte by byte.

What is found is a set of bits in ``X_BITS``: token ids, or trie nodes. A sweep stops above subtrees whose tokens all
stay inside the leaf (``keep.py``) and marks these as one range. ``sweep.py`` uses this where the trie's quotient will
not do.

Invariant: a state on the path is one that the bytes of the path lead to, or one that does the same on all that is
below. Cost: nodes visited, and the tokens marked.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.classes import PARTIAL, SET_WORDS
from constrain.kernels.jit import helper, inline
from constrain.kernels.keep import covers, find_kept, has_bit
from constrain.kernels.layout import ACCEPTED, CAN_END, CAN_GO_ON, DEAD, JSON, VA, VN
from constrain.kernels.leaf import free_state, has_window, step_leaf
from constrain.kernels.pointers import i32, u8
from constrain.kernels.trie import clear_bit, set_bit

# What a sweep marks: tokens read whole; those that leave a JSON leaf open; those that end where it is closed; trie
# nodes with children at which the leaf may end.
TOKENS, OPEN, CLOSING, EXITS = 0, 1, 2, 3
SKIP, ALL, DESCEND = 0, 1, 2  # what to do about a subtree
FEW = 8  # a subtree of so few nodes is walked without asking what keeps the state
DEEP = 255  # a depth of so many bytes, or more
QUOTE = 0x22


@inline
def is_json(v: Any, state: Any) -> Any:
    """Is the state one of a JSON leaf?"""
    return i32(v, VA.L_ENCODING)[i32(v, VA.S_LEAF)[state]] == JSON


@helper
def look_below(v: Any, state: Any, what: Any, reach: Any, node: Any, size: Any) -> Any:
    """What to do about a subtree of ``size`` nodes whose characters are the set ``reach`` of ``node``; or negative."""
    if what >= CLOSING and is_json(v, state):
        return DESCEND if has_bit(reach, node * SET_WORDS, QUOTE) else SKIP
    if size <= FEW:
        return DESCEND
    kept = find_kept(v, state)
    if kept < 0:
        return kept
    if not covers(v, kept, reach, node * SET_WORDS):
        return DESCEND
    if what != EXITS:
        return ALL
    return ALL if i32(v, VA.S_FLAGS)[state] & CAN_END else SKIP


@inline
def relax(v: Any, state: Any, depth: Any) -> Any:
    """A state without counts that does the same below a node so deep, where there is one; negative: grow and retry."""
    if not has_window(v, i32(v, VA.S_LEAF)[state]):
        return state
    return free_state(v, state, depth if depth < DEEP else v[VN.LONGEST])


@inline
def counts(v: Any, target: Any, what: Any) -> Any:
    """Is what ends in this state marked?"""
    if what == TOKENS:
        return True
    if what == EXITS:
        return i32(v, VA.S_FLAGS)[target] & CAN_END != 0
    return (target == ACCEPTED) == (what == CLOSING)


@helper
def mark_trie_node(v: Any, node: Any, what: Any) -> None:
    """Mark the tokens that end at a trie node or, if it has children, the node."""
    bits = i32(v, VA.X_BITS)
    if what == EXITS:
        if i32(v, VA.T_END)[node] > node + 1:
            set_bit(bits, node)
            v[VN.FOUND] += 1
        return
    ids = i32(v, VA.T_ID)
    first, last = i32(v, VA.T_TOKEN0)[node], i32(v, VA.T_TOKEN0)[node + 1]
    for i in range(first, last):
        set_bit(bits, ids[i])
    v[VN.FOUND] += last - first


@helper
def mark_trie_below(v: Any, node: Any, what: Any) -> None:
    """The same for all trie nodes below one; nodes in the middle of a character are no exits."""
    end, bits = i32(v, VA.T_END)[node], i32(v, VA.X_BITS)
    if what == EXITS:
        labels, places = u8(v, VA.Q_LABEL), i32(v, VA.T_CLASS)
        for inner in range(node + 1, end):
            if places[inner] != 0 and labels[places[inner]] < PARTIAL:
                mark_trie_node(v, inner, what)
        return
    ids = i32(v, VA.T_ID)
    first, last = i32(v, VA.T_TOKEN0)[node + 1], i32(v, VA.T_TOKEN0)[end]
    for i in range(first, last):
        set_bit(bits, ids[i])
    v[VN.FOUND] += last - first


@helper
def sweep_trie(v: Any, node: Any, state: Any, what: Any, base: Any, whole: Any) -> Any:
    """Sweep the trie below ``node``; the path is kept from ``X_STACK[base]`` on. 0, or negative: grow and retry.

    ``whole`` says that node and state are at the beginning of a character. Else what ``T_REACH`` says of
    characters past ASCII need not be what the state reads.
    """
    bytes_, ends, depths = u8(v, VA.T_BYTE), i32(v, VA.T_END), u8(v, VA.T_DEPTH)
    reach, flags, path = i32(v, VA.T_REACH), i32(v, VA.S_FLAGS), i32(v, VA.X_STACK)
    last, at, target = ends[node], base - 2, state
    first = node
    while node < last:
        if node > first:
            while node >= path[at]:
                at -= 2
            target = step_leaf(v, path[at + 1], bytes_[node])
            if target < 0:
                return target
            if target == DEAD:
                node = ends[node]
                continue
            if counts(v, target, what):
                mark_trie_node(v, node, what)
        verdict = SKIP
        if ends[node] > node + 1 and flags[target] & CAN_GO_ON:
            target = relax(v, target, depths[node])
            if target < 0:
                return target
            size = ends[node] - node if whole else 0
            verdict = look_below(v, target, what, reach, node, size)
            if verdict < 0:
                return verdict
        if verdict == DESCEND:
            at += 2
            path[at], path[at + 1] = ends[node], target
            node += 1
            continue
        if verdict == ALL:
            mark_trie_below(v, node, what)
        node = ends[node]
    return 0


@helper
def enter_member(v: Any, member: Any, target: Any, what: Any, base: Any) -> Any:
    """Mark a trie node to which a leaf has come in state ``target``, and sweep below it; 0, or negative."""
    if target == DEAD:
        return 0
    if counts(v, target, what):
        mark_trie_node(v, member, what)
    if i32(v, VA.S_FLAGS)[target] & CAN_GO_ON == 0 or i32(v, VA.T_END)[member] == member + 1:
        return 0
    return sweep_trie(v, member, target, what, base, True)


@helper
def unmark(v: Any, node: Any, what: Any) -> None:
    """Clear the marks at and below a trie node."""
    bits, end = i32(v, VA.X_BITS), i32(v, VA.T_END)[node]
    if what == EXITS:
        for inner in range(node, end):
            clear_bit(bits, inner)
        return
    ids, starts = i32(v, VA.T_ID), i32(v, VA.T_TOKEN0)
    for i in range(starts[node], starts[end]):
        clear_bit(bits, ids[i])
