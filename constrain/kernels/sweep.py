"""Which tokens a leaf state reads below a node, and where inside tokens the leaf may end: found class by class.

A sweep walks the quotient of the trie (``vocab/quotient.py``); where a leaf tells members of a class apart, or from a
node that is not all of a class, the trie itself (``triesweep.py``). Where few members of a class are odd (the "f" of
``[^f]*``), the quotient is walked as if they were not, and what it says of them is mended at the end, from the trie.

Invariant: as in ``triesweep.py``, for all members of a quotient node at once, but those that are odd.
Cost: nodes visited, some thousand for wide states; a row's OR for a wide range of tokens; the subtrees of odd members.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.classes import CLASS, FIRST_BLOCK, LEAD, PARTIAL
from constrain.kernels.decode import U4_1, span
from constrain.kernels.jit import helper
from constrain.kernels.keep import MANY, MIXED, count_runs, run_end, step_class
from constrain.kernels.layout import BYTES, CAN_GO_ON, DEAD, ROOT, VA, VN
from constrain.kernels.leaf import may_become, step_leaf, step_symbol
from constrain.kernels.pointers import i32, u8
from constrain.kernels.trie import lowest_bit, set_bit
from constrain.kernels.triesweep import (
    ALL,
    CLOSING,
    DESCEND,
    EXITS,
    OPEN,
    SKIP,
    counts,
    enter_member,
    is_json,
    look_below,
    mark_trie_node,
    relax,
    sweep_trie,
    unmark,
)


@helper
def sweep(v: Any, node: Any, state: Any, what: Any) -> Any:
    """Mark in ``X_BITS`` what ``what`` says, strictly below any node; how many (some maybe twice); or negative."""
    bits = i32(v, VA.X_BITS)
    for i in range(v[VN.WORDS] if what != EXITS else (v[VN.NODES] + 31) >> 5):
        bits[i] = 0
    if v[VN.ODD] > 0:  # left by a sweep that met a full arena
        clear_odd(v)
    v[VN.FOUND] = 0
    status = 0
    if node < v[VN.NODES]:
        status = sweep_member(v, node, state, what, True)
    else:
        first, members = i32(v, VA.R_FROM)[node - v[VN.NODES]], i32(v, VA.R_MEMBER)
        for i in range(first, first + i32(v, VA.R_SIZE)[node - v[VN.NODES]]):
            if status >= 0:
                status = sweep_member(v, members[i], state, what, False)
    return status if status < 0 else v[VN.FOUND]


@helper
def sweep_member(v: Any, node: Any, state: Any, what: Any, only: Any) -> Any:
    """The same below one trie node; ``only`` says that nothing else is swept, so bits of ``X_BITS`` may be cleared."""
    if what == CLOSING and not is_json(v, state):
        return 0
    place = i32(v, VA.T_CLASS)[node]
    whole = node == ROOT or (place != 0 and u8(v, VA.Q_LABEL)[place] < PARTIAL)
    decoder = i32(v, VA.S_DECODER)[state] >> 24
    begins = decoder == 0 or decoder > U4_1  # else the first byte is one inside a character
    if not whole or not begins:
        return sweep_trie(v, node, state, what, 0, False)
    alone = i32(v, VA.Q_MEMBER0)[place + 1] - i32(v, VA.Q_MEMBER0)[place] == 1
    if not only or not alone or i32(v, VA.L_ENCODING)[i32(v, VA.S_LEAF)[state]] == BYTES:
        return sweep_trie(v, node, state, what, 0, True)
    status = sweep_quotient(v, place, state, what)
    return mend_odd(v, what) if status >= 0 and v[VN.ODD] > 0 else status


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
    """The state after an edge of the quotient, or ``MIXED`` + what most members do; negative: grow and retry.

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
def first_member(v: Any, node: Any, code: Any) -> Any:
    """Where the members of a quotient node begin whose last character is ``code`` or a later one."""
    codes = i32(v, VA.Q_CODE)
    low, high = i32(v, VA.Q_MEMBER0)[node], i32(v, VA.Q_MEMBER0)[node + 1]
    while low < high:
        middle = (low + high) >> 1
        if codes[middle] < code:
            low = middle + 1
        else:
            high = middle
    return low


@helper
def enter_odd(v: Any, node: Any, first: Any, last: Any, target: Any, most: Any, what: Any, base: Any) -> Any:
    """Go to ``target`` at the members of a quotient node whose last character is in ``first..last``.

    Where most members go to a live state, this is put off until the quotient has been walked (``mend_odd``).
    """
    members, odd, targets = i32(v, VA.Q_MEMBER), i32(v, VA.X_ODD), i32(v, VA.X_TARGET)
    for i in range(first_member(v, node, first), first_member(v, node, last + 1)):
        if most == DEAD:
            status = enter_member(v, members[i], target, what, base)
            if status < 0:
                return status
        else:
            set_bit(odd, members[i])
            targets[members[i]] = target
            v[VN.ODD] += 1
    return 0


@helper
def split_class(v: Any, node: Any, state: Any, most: Any, what: Any, base: Any) -> Any:
    """Go from ``state`` to those members of a quotient node that do not lead to ``most``; 0, or negative."""
    number = u8(v, VA.Q_LABEL)[node] - CLASS
    symbol, last = i32(v, VA.C_FIRST)[number], i32(v, VA.C_LAST)[number]
    if number >= FIRST_BLOCK and count_runs(v, state, symbol, last) > MANY:
        return split_block(v, node, state, what, base)
    while symbol <= last:
        if number < FIRST_BLOCK:
            target, after = step_leaf(v, state, symbol), symbol + 1
        else:
            target, after = most, run_end(v, state, symbol, last)
            if first_member(v, node, symbol) < first_member(v, node, after):  # a step costs more than this
                target = step_symbol(v, state, symbol)
        status = target
        if target >= 0 and target != most:
            status = enter_odd(v, node, symbol, after - 1, target, most, what, base)
        if status < 0:
            return status
        symbol = after
    return 0


@helper
def split_block(v: Any, node: Any, state: Any, what: Any, base: Any) -> Any:
    """The same, one member after the other."""
    members, codes = i32(v, VA.Q_MEMBER), i32(v, VA.Q_CODE)
    for i in range(i32(v, VA.Q_MEMBER0)[node], i32(v, VA.Q_MEMBER0)[node + 1]):
        target = step_symbol(v, state, codes[i])
        status = target if target < 0 else enter_member(v, members[i], target, what, base)
        if status < 0:
            return status
    return 0


@helper
def clear_odd(v: Any) -> None:
    """Forget what ``enter_odd`` has put off."""
    odd = i32(v, VA.X_ODD)
    for i in range((v[VN.NODES] + 31) >> 5):
        odd[i] = 0
    v[VN.ODD] = 0


@helper
def mend_odd(v: Any, what: Any) -> Any:
    """Sweep anew at and below the odd members of classes, of nested ones only the highest; 0, or negative."""
    odd, targets, ends = i32(v, VA.X_ODD), i32(v, VA.X_TARGET), i32(v, VA.T_END)
    done = 0  # trie nodes below this one have been mended
    for i in range((v[VN.NODES] + 31) >> 5):
        word = odd[i] & 0xFFFFFFFF
        while word != 0:
            node = (i << 5) + lowest_bit(word)
            word &= word - 1
            if node >= done:
                unmark(v, node, what)
                status = enter_member(v, node, targets[node], what, 0)
                if status < 0:
                    return status
                done = ends[node]
        odd[i] = 0
    v[VN.ODD] = 0
    return 0


@helper
def mark_partial(v: Any, node: Any, state: Any, target: Any, what: Any) -> None:
    """Mark the tokens of a quotient node that end inside a character, if they may be completed."""
    if target == DEAD or what > OPEN:
        return
    if target < MIXED:
        mark_node(v, node, what)
        return
    members, codes = i32(v, VA.Q_MEMBER), i32(v, VA.Q_CODE)
    for i in range(i32(v, VA.Q_MEMBER0)[node], i32(v, VA.Q_MEMBER0)[node + 1]):
        low, high, _, _ = span(codes[i])
        if may_become(v, i32(v, VA.S_LEAF)[state], state, low, high):
            mark_trie_node(v, members[i], what)


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
            if target >= 0 and label >= PARTIAL:
                mark_partial(v, node, path[at + 1], target, what)
                target = DEAD
            if target >= MIXED:
                status = split_class(v, node, path[at + 1], target - MIXED, what, at + 2)
                target = status if status < 0 else target - MIXED
            if target < 0:
                return target
            if target == DEAD:
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
