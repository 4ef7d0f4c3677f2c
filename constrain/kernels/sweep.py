"""Which tokens a leaf state reads below a node, and where inside tokens the leaf may end: found class by class.

A sweep walks the quotient of the trie (``vocab/quotient.py``) and, where a leaf tells members of a class apart, or
from a node that is not all of a class, the trie itself. It stops above subtrees whose tokens all stay inside the leaf
(``keep.py``) and marks these as one range. What it finds is a set of bits in ``X_BITS``: token ids, or trie nodes.

Invariant: a state on the path is one that the bytes of the path lead to, or one that does the same on all that is below.
Cost: nodes visited, some hundred for most states, and a row's OR for each wide range.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.classes import CLASS, FIRST_BLOCK, LEAD, PARTIAL, SET_WORDS
from constrain.kernels.decode import U4_1, span
from constrain.kernels.jit import helper, inline
from constrain.kernels.keep import MIXED, covers, find_kept, has_bit, step_class
from constrain.kernels.layout import ACCEPTED, BYTES, CAN_END, CAN_GO_ON, DEAD, JSON, ROOT, VA, VN
from constrain.kernels.leaf import free_state, has_window, may_become, step_leaf, step_symbol
from constrain.kernels.pointers import i32, u8
from constrain.kernels.trie import set_bit

# What a sweep marks: tokens read whole; those that leave a JSON leaf open; those that end where it is closed; trie
# nodes with children at which the leaf may end.
TOKENS, OPEN, CLOSING, EXITS = 0, 1, 2, 3
SKIP, ALL, DESCEND = 0, 1, 2  # what to do about a subtree
FEW = 8  # a subtree of so few nodes is walked without asking what keeps the state
DEEP = 255  # a depth of so many bytes, or more
QUOTE = 0x22


@helper
def sweep(v: Any, node: Any, state: Any, what: Any) -> Any:
    """Mark in ``X_BITS`` what ``what`` says, strictly below any node; how many (some maybe twice); or negative."""
    bits = i32(v, VA.X_BITS)
    for i in range(v[VN.WORDS] if what != EXITS else (v[VN.NODES] + 31) >> 5):
        bits[i] = 0
    v[VN.FOUND] = 0
    status = 0
    if node < v[VN.NODES]:
        status = sweep_member(v, node, state, what)
    else:
        first, members = i32(v, VA.R_FROM)[node - v[VN.NODES]], i32(v, VA.R_MEMBER)
        for i in range(first, first + i32(v, VA.R_SIZE)[node - v[VN.NODES]]):
            if status >= 0:
                status = sweep_member(v, members[i], state, what)
    return status if status < 0 else v[VN.FOUND]


@helper
def sweep_member(v: Any, node: Any, state: Any, what: Any) -> Any:
    """The same below one trie node."""
    if what == CLOSING and not is_json(v, state):
        return 0
    place = i32(v, VA.T_CLASS)[node]
    whole = node == ROOT or (place != 0 and u8(v, VA.Q_LABEL)[place] < PARTIAL)
    decoder = i32(v, VA.S_DECODER)[state] >> 24
    begins = decoder == 0 or decoder > U4_1  # else the first byte is one inside a character
    if not whole or not begins:
        return sweep_trie(v, node, state, what, 0, False)
    alone = i32(v, VA.Q_MEMBER0)[place + 1] - i32(v, VA.Q_MEMBER0)[place] == 1
    if alone and i32(v, VA.L_ENCODING)[i32(v, VA.S_LEAF)[state]] != BYTES:
        return sweep_quotient(v, place, state, what)
    return sweep_trie(v, node, state, what, 0, True)


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


# ---- trie nodes ------------------------------------------------------------------------------------------


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


# ---- quotient nodes --------------------------------------------------------------------------------------


@helper
def mark_ids(v: Any, first: Any, last: Any, row: Any) -> None:
    """Mark ``Q_ID[first:last]``, which are row number ``row`` if that is not 0."""
    ids, bits = i32(v, VA.Q_ID), i32(v, VA.X_BITS)
    v[VN.FOUND] += last - first
    if row == 0:
        for i in range(first, last):
            set_bit(bits, ids[i])
        return
    words, rows = v[VN.WORDS], i32(v, VA.Q_ROW)
    at = (row - 1) * words
    known = u8(v, VA.Q_KNOWN)
    if known[row - 1] == 0:
        for i in range(first, last):
            set_bit(rows, (at << 5) + ids[i])
        known[row - 1] = 1
    for i in range(words):
        bits[i] |= rows[at + i]


@helper
def mark_members(v: Any, first: Any, last: Any) -> None:
    """Mark the members of the quotient nodes ``first .. last - 1`` that have children and end a character."""
    members, labels, starts = i32(v, VA.Q_MEMBER), u8(v, VA.Q_LABEL), i32(v, VA.Q_MEMBER0)
    for node in range(first, last):
        if labels[node] < PARTIAL:
            for i in range(starts[node], starts[node + 1]):
                mark_trie_node(v, members[i], EXITS)


@helper
def mark_node(v: Any, node: Any, what: Any) -> None:
    """Mark the tokens that end at a quotient node, or its members."""
    if what == EXITS:
        mark_members(v, node, node + 1)
    else:
        starts = i32(v, VA.Q_TOKEN0)
        mark_ids(v, starts[node], starts[node + 1], i32(v, VA.Q_OWN)[node])


@helper
def mark_below(v: Any, node: Any, what: Any) -> None:
    """The same for all quotient nodes below one."""
    end = i32(v, VA.Q_END)[node]
    if what == EXITS:
        mark_members(v, node + 1, end)
    else:
        starts = i32(v, VA.Q_TOKEN0)
        mark_ids(v, starts[node + 1], starts[end], i32(v, VA.Q_BELOW)[node])


@helper
def step_label(v: Any, state: Any, label: Any) -> Any:
    """The state after an edge of the quotient, ``MIXED`` if it depends on the member; negative: grow and retry.

    For a character that is not complete, any state that is not ``DEAD`` says that it may be completed.
    """
    if label < CLASS:
        return step_leaf(v, state, label)
    if label < PARTIAL:
        return step_class(v, state, label - CLASS)
    if label < LEAD:
        return step_class(v, state, label - PARTIAL)
    return step_leaf(v, state, label - LEAD + 0xC0)


@helper
def step_member(v: Any, state: Any, label: Any, index: Any) -> Any:
    """The same for one member of a class that the leaf splits: by its byte or character."""
    if label < CLASS + FIRST_BLOCK:
        return step_leaf(v, state, u8(v, VA.T_BYTE)[i32(v, VA.Q_MEMBER)[index]])
    code = i32(v, VA.Q_CODE)[index]
    if label < PARTIAL:
        return step_symbol(v, state, code)
    low, high, _, _ = span(code)
    return ACCEPTED if may_become(v, i32(v, VA.S_LEAF)[state], state, low, high) else DEAD


@helper
def sweep_members(v: Any, node: Any, state: Any, what: Any, base: Any) -> Any:
    """Go from ``state`` to each member of a quotient node, mark it and sweep the trie below it."""
    label, ends = u8(v, VA.Q_LABEL)[node], i32(v, VA.T_END)
    members, flags = i32(v, VA.Q_MEMBER), i32(v, VA.S_FLAGS)
    for i in range(i32(v, VA.Q_MEMBER0)[node], i32(v, VA.Q_MEMBER0)[node + 1]):
        target = step_member(v, state, label, i)
        if target < 0:
            return target
        if target == DEAD:
            continue
        member = members[i]
        if label >= PARTIAL:
            if what <= OPEN:
                mark_trie_node(v, member, what)
            continue
        if counts(v, target, what):
            mark_trie_node(v, member, what)
        if flags[target] & CAN_GO_ON and ends[member] > member + 1:
            status = sweep_trie(v, member, target, what, base, True)
            if status < 0:
                return status
    return 0


@helper
def sweep_quotient(v: Any, node: Any, state: Any, what: Any) -> Any:
    """Sweep the quotient below ``node``, from a state at the beginning of a character; 0, or negative."""
    labels, ends, depths = u8(v, VA.Q_LABEL), i32(v, VA.Q_END), u8(v, VA.Q_DEPTH)
    reach, flags, path = i32(v, VA.Q_REACH), i32(v, VA.S_FLAGS), i32(v, VA.X_STACK)
    last, at, target = ends[node], -2, state
    first = node
    while node < last:
        if node > first:
            while node >= path[at]:
                at -= 2
            label = labels[node]
            target = step_label(v, path[at + 1], label)
            if target == MIXED:
                target = sweep_members(v, node, path[at + 1], what, at + 2)
                if target == 0:
                    target = DEAD  # all done
            if target < 0:
                return target
            if target == DEAD or label >= PARTIAL:
                if target != DEAD and what <= OPEN:
                    mark_node(v, node, what)
                node = ends[node]
                continue
            if counts(v, target, what):
                mark_node(v, node, what)
        verdict = SKIP
        if ends[node] > node + 1 and flags[target] & CAN_GO_ON:
            target = relax(v, target, depths[node])
            if target < 0:
                return target
            verdict = look_below(v, target, what, reach, node, ends[node] - node)
            if verdict < 0:
                return verdict
        if verdict == DESCEND:
            at += 2
            path[at], path[at + 1] = ends[node], target
            node += 1
            continue
        if verdict == ALL:
            mark_below(v, node, what)
        node = ends[node]
    return 0
