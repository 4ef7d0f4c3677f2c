"""The grammar program: closures over configurations, and return stacks as hash-consed graphs.

A configuration is (position, stack). A stack node is a *set* of edges (return address, register, node below), no two
with equal address and register (``union.py``): all callers of one rule at one place share one node, which keeps
ambiguous grammars polynomial (the descriptors of GLL parsing, Scott and Johnstone 2010, as values). Registers count
iterations of bounded repeats, or name the memory of a bag.

Rules never match the empty string here: call sites skip nullable rules themselves (``automata/program.py``), so a
RETURN reached without reading a byte (a *fresh* item) is dropped. There is no left recursion either; hence calls
made at one place form an acyclic graph, and by taking pending rules in rank order each node's edges are complete
before its rule is entered.

In a program over tokens (``automata/lexed.py``) what a TOKEN stands for depends on the *context*, which CONTEXT sets.
So what comes after a CONTEXT, or a PROBE, is explored later and by itself, which makes it a function of its address
and stack, and remembered.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.closures import copy_closure, keep_closure
from constrain.kernels.intern import mix
from constrain.kernels.jit import helper, inline
from constrain.kernels.layout import (
    BAG,
    CALL,
    CONTEXT,
    END,
    G_FULL,
    GA,
    GN,
    JUMP,
    KNOWN,
    LEAF,
    LOOP,
    MAY_END,
    NO_SHAPE,
    NOT_KNOWN,
    OPTION,
    PROBE,
    RECORDING,
    RETURN,
    ROW_WANTED,
    RULE_WANTED,
    SPLIT,
    TAIL,
    TOKEN,
    WORDS_MISSING,
)
from constrain.kernels.memory import end_word, find_memory, first_memory
from constrain.kernels.pointers import i32, room
from constrain.kernels.probe import keep_probe, known_probe
from constrain.kernels.union import intern_edges, unite


@inline
def begin_items(g: Any) -> None:
    """Forget the items of the last closure."""
    g[GN.STAMP] += 1
    g[GN.item] = 0
    g[GN.pending] = 0
    g[GN.CALLED] = 0


@helper
def add_item(g: Any, pc: Any, register: Any, stack: Any, fresh: Any) -> Any:
    """Add a place to explore unless it is there already; negative: grow and retry."""
    pcs, registers = i32(g, GA.I_PC), i32(g, GA.I_REGISTER)
    stacks, freshness = i32(g, GA.I_STACK), i32(g, GA.I_FRESH)
    slots, stamps = i32(g, GA.I_SLOT), i32(g, GA.I_STAMP)
    stamp = g[GN.STAMP] & 0x7FFFFFFF
    mask = room(g, GA.I_SLOT) - 1
    slot = mix(mix(mix(fresh, pc), register), stack) & mask
    while stamps[slot] == stamp:
        item = slots[slot]
        if pcs[item] == pc and registers[item] == register and stacks[item] == stack and freshness[item] == fresh:
            return 0
        slot = (slot + 1) & mask
    item = g[GN.item]
    if item >= room(g, GA.I_PC):
        return G_FULL - GN.item
    pcs[item], registers[item], stacks[item], freshness[item] = pc, register, stack, fresh
    slots[slot], stamps[slot] = item, stamp
    g[GN.item] = item + 1
    return 0


@helper
def add_returns(g: Any, stack: Any) -> Any:
    """A rule or leaf has ended: go on at all its return addresses."""
    first = i32(g, GA.N_FROM)[stack]
    pcs, registers, below = i32(g, GA.E_PC), i32(g, GA.E_REGISTER), i32(g, GA.E_BELOW)
    for i in range(first, first + i32(g, GA.N_SIZE)[stack]):
        status = add_item(g, pcs[i], registers[i], below[i], 0)
        if status < 0:
            return status
    return 0


@helper
def add_pending(g: Any, rule: Any, pc: Any, register: Any, below: Any) -> Any:
    """A call of ``rule`` that returns to ``pc``; gathered until the rule's turn comes."""
    item = g[GN.pending]
    if item >= room(g, GA.P_PC):
        return G_FULL - GN.pending
    i32(g, GA.P_PC)[item], i32(g, GA.P_NEXT)[item] = pc, -1
    i32(g, GA.P_REGISTER)[item], i32(g, GA.P_BELOW)[item] = register, below
    stamps, lasts, stamp = i32(g, GA.RULE_STAMP), i32(g, GA.RULE_LAST), g[GN.STAMP] & 0x7FFFFFFF
    if stamps[rule] == stamp:
        i32(g, GA.P_NEXT)[lasts[rule]] = item
    else:
        stamps[rule] = stamp
        i32(g, GA.RULE_FIRST)[rule] = item
        i32(g, GA.P_RULE)[g[GN.CALLED]] = rule
        g[GN.CALLED] += 1
    lasts[rule] = item
    g[GN.pending] = item + 1
    return 0


@helper
def add_configuration(g: Any, at: Any, position: Any, stack: Any) -> Any:
    """Write one configuration; the next free place, or negative: grow and retry."""
    positions = i32(g, GA.W_POSITION)
    if at >= room(g, GA.W_POSITION):
        return G_FULL - GN.work
    positions[at] = position
    i32(g, GA.W_STACK)[at] = stack
    return at + 1


@helper
def less_edge(g: Any, a: Any, b: Any) -> Any:
    """Order of pending edges: by address, register, node below."""
    pcs, registers, below = i32(g, GA.P_PC), i32(g, GA.P_REGISTER), i32(g, GA.P_BELOW)
    if pcs[a] != pcs[b]:
        return pcs[a] < pcs[b]
    if registers[a] != registers[b]:
        return registers[a] < registers[b]
    return below[a] < below[b]


@helper
def same_edge(g: Any, a: Any, b: Any) -> Any:
    """Are two pending edges equal?"""
    return (
        i32(g, GA.P_PC)[a] == i32(g, GA.P_PC)[b]
        and i32(g, GA.P_REGISTER)[a] == i32(g, GA.P_REGISTER)[b]
        and i32(g, GA.P_BELOW)[a] == i32(g, GA.P_BELOW)[b]
    )


@helper
def take_rule(g: Any) -> Any:
    """Take out the pending rule of lowest rank; -1 for none. Cost: the rules that are pending."""
    rules, ranks, count = i32(g, GA.P_RULE), i32(g, GA.RULE_RANK), g[GN.CALLED]
    if count == 0:
        return -1
    best = 0
    for i in range(1, count):
        if ranks[rules[i]] < ranks[rules[best]]:
            best = i
    chosen = rules[best]
    rules[best] = rules[count - 1]
    g[GN.CALLED] = count - 1
    i32(g, GA.RULE_STAMP)[chosen] = -1
    return chosen


@helper
def take_edges(g: Any, rule: Any) -> Any:
    """List a rule's edges in ``P_ORDER[:n]``, sorted, those of one address and register united; n, or negative.

    An insertion sort: they come nearly in order.
    """
    order, following = i32(g, GA.P_ORDER), i32(g, GA.P_NEXT)
    size, i = 0, i32(g, GA.RULE_FIRST)[rule]
    while i >= 0:
        j = size
        while j > 0 and less_edge(g, i, order[j - 1]):
            j -= 1
        if j == 0 or not same_edge(g, i, order[j - 1]):
            for k in range(size, j, -1):
                order[k] = order[k - 1]
            order[j] = i
            size += 1
        i = following[i]
    return unite_edges(g, size)


@helper
def unite_edges(g: Any, size: Any) -> Any:
    """Unite the edges of one address and register in ``P_ORDER[:size]``, sorted; how many are left, or negative."""
    order = i32(g, GA.P_ORDER)
    pcs, registers, belows = i32(g, GA.P_PC), i32(g, GA.P_REGISTER), i32(g, GA.P_BELOW)
    kept = 0
    for i in range(size):
        j, k = order[i], order[kept - 1] if kept > 0 else -1
        if k >= 0 and pcs[k] == pcs[j] and registers[k] == registers[j]:
            below = unite(g, belows[k], belows[j])
            if below < 0:
                return below
            belows[k] = below
        else:
            order[kept] = j
            kept += 1
    return kept


@helper
def intern_stack(g: Any, size: Any) -> Any:
    """Stack node with the edges listed in ``P_ORDER[:size]`` (sorted, united); negative: grow and retry."""
    order = i32(g, GA.P_ORDER)
    p_pc, p_register, p_below = i32(g, GA.P_PC), i32(g, GA.P_REGISTER), i32(g, GA.P_BELOW)
    pcs, registers, below = i32(g, GA.E_PC), i32(g, GA.E_REGISTER), i32(g, GA.E_BELOW)
    first = g[GN.edge]
    if first + size > room(g, GA.E_PC):
        return G_FULL - GN.edge
    for i in range(size):
        j = order[i]
        pcs[first + i], registers[first + i], below[first + i] = p_pc[j], p_register[j], p_below[j]
    return intern_edges(g, size)


@helper
def run_bag(g: Any, pc: Any, register: Any, stack: Any, fresh: Any) -> Any:
    """All that the memory of a bag allows; negative: grow, or make a row, and retry.

    While a mask is filled words are not recorded; then any word is allowed, and after it one is missing.
    """
    memory = register if register != 0 else first_memory(g, i32(g, GA.CODE)[pc + 1])
    if memory < 0:
        return memory
    if g[GN.MASKING] != 0:
        memory = i32(g, GA.M_BASE)[memory]
    shape = i32(g, GA.M_SHAPE)[memory]
    if shape == NO_SHAPE:
        shape = end_word(g, memory)
        if shape < 0:
            return shape
    flags = i32(g, GA.H_FLAGS)[shape]
    if flags & KNOWN == 0:
        g[GN.WANTED] = memory
        return ROW_WANTED
    seen = WORDS_MISSING if flags & RECORDING else i32(g, GA.M_SEEN)[memory]
    rules, following = i32(g, GA.O_RULE), i32(g, GA.O_NEXT)
    first = i32(g, GA.H_FROM)[shape]
    for i in range(first, first + i32(g, GA.H_SIZE)[shape]):
        status = find_memory(g, following[i], seen)
        if status >= 0:
            if rules[i] >= 0:
                status = add_pending(g, rules[i], pc, status, stack)
            else:
                status = add_item(g, pc, status, stack, fresh)
        if status < 0:
            return status
    return add_item(g, pc + 2, 0, stack, fresh) if flags & MAY_END else 0


@helper
def want_rule(g: Any, rule: Any) -> Any:
    """Ask for the code of a rule."""
    g[GN.WANTED] = rule
    return RULE_WANTED


@inline
def has_token(g: Any, which: Any, token: Any) -> Any:
    """Is a token in a set, or the set not known?"""
    return which == 0 or i32(g, GA.T_SET)[which * g[GN.STRIDE] + (token >> 5)] >> (token & 31) & 1 != 0


@inline
def may_begin(g: Any, rule: Any) -> Any:
    """Can the context read a token with which the rule can begin? (Yes, if one of the two sets is not known.)"""
    mine, here = i32(g, GA.RULE_SET)[rule], i32(g, GA.RULE_SET)[g[GN.CONTEXT]]
    if mine == 0 or here == 0:
        return True
    sets, stride = i32(g, GA.T_SET), g[GN.STRIDE]
    for i in range(stride):
        if sets[mine * stride + i] & sets[here * stride + i] != 0:
            return True
    return False


@helper
def run_item(g: Any, item: Any, at: Any) -> Any:
    """Execute one instruction that reads no byte, or emit a configuration; the next free place or negative."""
    code = i32(g, GA.CODE)
    pc, register = i32(g, GA.I_PC)[item], i32(g, GA.I_REGISTER)[item]
    stack, fresh = i32(g, GA.I_STACK)[item], i32(g, GA.I_FRESH)[item]
    op = code[pc]
    status = 0
    if op <= END:  # a byte, or the end of the text
        return add_configuration(g, at, pc, stack)
    if op == SPLIT:
        for i in range(code[pc + 1]):
            status = add_item(g, code[pc + 2 + i], 0, stack, fresh)
            if status < 0:
                return status
    elif op == JUMP:
        status = add_item(g, code[pc + 1], 0, stack, fresh)
    elif op == CALL:
        if may_begin(g, code[pc + 1]):
            status = add_pending(g, code[pc + 1], pc + 2, 0, stack)
    elif op == OPTION:
        if may_begin(g, code[pc + 1]):
            status = add_pending(g, code[pc + 1], pc + 2, 0, stack)
        if status >= 0:
            status = add_item(g, pc + 2, 0, stack, fresh)
    elif op == TAIL:
        start = i32(g, GA.RULE_ENTRY)[code[pc + 1]]
        if start < 0:
            return add_configuration(g, at, LEAF - start, stack)
        if may_begin(g, code[pc + 1]):
            status = add_item(g, start, 0, stack, fresh) if start > 0 else want_rule(g, code[pc + 1])
    elif op == RETURN:
        if fresh == 0:
            status = add_returns(g, stack)
    elif op == LOOP:
        low, high = code[pc + 2], code[pc + 3]
        if high < 0 or register < high:
            count = min(register + 1, low) if high < 0 else register + 1
            status = add_pending(g, code[pc + 1], pc, count, stack)
        if register >= low and status >= 0:
            status = add_item(g, pc + 4, 0, stack, fresh)
    elif op == BAG:
        status = run_bag(g, pc, register, stack, fresh)
    elif op == TOKEN:
        if has_token(g, i32(g, GA.RULE_SET)[g[GN.CONTEXT]], code[pc + 1]):
            status = add_pending(g, g[GN.CONTEXT] + code[pc + 1], pc + 2, 0, stack)
    elif op == CONTEXT or op == PROBE:
        g[GN.DEFERRED] += 1
        return add_configuration(g, at, pc, stack)
    return status if status < 0 else at


@helper
def close(g: Any, at: Any) -> Any:
    """Explore all items; write the configurations that wait for a byte from ``at`` on; the end, or negative."""
    g[GN.DEFERRED] = 0
    i, at = at, explore(g, at)
    if g[GN.DEFERRED] == 0:
        return at
    code, positions = i32(g, GA.CODE), i32(g, GA.W_POSITION)
    while at > i:
        op = code[positions[i]] if positions[i] < LEAF else END
        live = known_probe(g, code[positions[i] + 1], i32(g, GA.W_STACK)[i]) if op == PROBE else 1
        if op < CONTEXT or (live == NOT_KNOWN and g[GN.PROBING] != 0):
            i += 1
        else:
            at = replace(g, i, at, live)
    return at


@helper
def replace(g: Any, i: Any, at: Any, live: Any) -> Any:
    """Put what follows the CONTEXT or PROBE of configuration i in its place, if it is ``live``.

    Returns the end of W, or negative. Where the answer is not known it is left out for now, and asked for.
    """
    code, positions, stacks = i32(g, GA.CODE), i32(g, GA.W_POSITION), i32(g, GA.W_STACK)
    pc, stack, at = positions[i], stacks[i], at - 1
    positions[i], stacks[i] = positions[at], stacks[at]
    if live == 0:
        return at
    if live == NOT_KNOWN:
        g[GN.ASKED] += 1
        status = keep_probe(g, code[pc + 1], stack, NOT_KNOWN)
        return status if status < 0 else at
    last = copy_closure(g, pc, stack, at)
    if last != NOT_KNOWN:
        return last
    begin_items(g)
    if code[pc] == CONTEXT:
        g[GN.CONTEXT] = code[pc + 1]
    status = add_item(g, pc + 2, 0, stack, 0)
    last = status if status < 0 else explore(g, at)
    return last if last < 0 else keep_closure(g, pc, stack, at, last)


@helper
def explore(g: Any, at: Any) -> Any:
    """``close`` without what has been deferred. A negative ``at`` is returned."""
    if at < 0:
        return at
    g[GN.CLOSURES] += 1
    item = 0
    while True:
        while item < g[GN.item]:
            at = run_item(g, item, at)
            if at < 0:
                return at
            item += 1
        rule = take_rule(g)
        if rule < 0:
            return at
        at = enter_rule(g, rule, at)
        if at < 0:
            return at


@helper
def enter_rule(g: Any, rule: Any, at: Any) -> Any:
    """Begin a rule whose calls are complete; the next free place, or negative."""
    start = i32(g, GA.RULE_ENTRY)[rule]
    if start == 0:
        return want_rule(g, rule)
    size = take_edges(g, rule)
    node = intern_stack(g, size) if size >= 0 else size
    if node < 0:
        return node
    if start < 0:
        return add_configuration(g, at, LEAF - start, node)
    status = add_item(g, start, 0, node, 1)
    return status if status < 0 else at
