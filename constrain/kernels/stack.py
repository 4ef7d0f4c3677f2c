"""The grammar program: closures over configurations, and return stacks as hash-consed graphs.

A configuration is (position, stack). A stack node is a *set* of edges (return address, register, node below):
all callers of one rule at one place share one node, which keeps ambiguous grammars polynomial (the descriptors
of GLL parsing, Scott and Johnstone 2010, as values). Registers count iterations of bounded repeats, or name the
memory of a bag.

Rules never match the empty string here: call sites skip nullable rules themselves (``automata/program.py``), so a
RETURN reached without reading a byte (a *fresh* item) is dropped. There is no left recursion either; hence calls
made at one place form an acyclic graph, and by taking pending rules in rank order each node's edges are complete
before its rule is entered.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.intern import find, mix, publish
from constrain.kernels.jit import helper, inline
from constrain.kernels.layout import (
    BAG,
    CALL,
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
    NO_WORDS,
    OPTION,
    RECORDING,
    RETURN,
    ROW_WANTED,
    RULE_WANTED,
    SPLIT,
    SUSPECT,
    TAIL,
    WORDS_MISSING,
)
from constrain.kernels.memory import find_memory
from constrain.kernels.pointers import i32, room


@inline
def begin_items(g: Any) -> None:
    """Forget the items of the last closure."""
    g[GN.STAMP] += 1
    g[GN.item] = 0
    g[GN.pending] = 0


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
    rules = i32(g, GA.P_RULE)
    if item >= room(g, GA.P_RULE):
        return G_FULL - GN.pending
    rules[item], i32(g, GA.P_PC)[item] = rule, pc
    i32(g, GA.P_REGISTER)[item], i32(g, GA.P_BELOW)[item] = register, below
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
def take_pending(g: Any) -> Any:
    """Choose the pending rule of lowest rank and list its edges in ``P_ORDER[:n]``, sorted, distinct; returns n.

    The edges are taken out by setting their rule to -1.
    """
    rules, ranks, order = i32(g, GA.P_RULE), i32(g, GA.RULE_RANK), i32(g, GA.P_ORDER)
    chosen = -1
    for i in range(g[GN.pending]):
        rule = rules[i]
        if rule >= 0 and (chosen < 0 or ranks[rule] < ranks[chosen]):
            chosen = rule
    size = 0
    if chosen < 0:
        return 0, chosen
    for i in range(g[GN.pending]):
        if rules[i] != chosen:
            continue
        rules[i] = -1
        j = size
        while j > 0 and less_edge(g, i, order[j - 1]):
            j -= 1
        if j > 0 and same_edge(g, i, order[j - 1]):
            continue
        for k in range(size, j, -1):
            order[k] = order[k - 1]
        order[j] = i
        size += 1
    return size, chosen


@helper
def intern_stack(g: Any, size: Any) -> Any:
    """Stack node with the edges listed in ``P_ORDER[:size]``; negative: grow and retry."""
    order = i32(g, GA.P_ORDER)
    p_pc, p_register, p_below = i32(g, GA.P_PC), i32(g, GA.P_REGISTER), i32(g, GA.P_BELOW)
    key = 19
    for i in range(size):
        j = order[i]
        key = mix(mix(mix(key, p_pc[j]), p_register[j]), p_below[j])
    hashes, table = i32(g, GA.stack_hash), i32(g, GA.stack_table)
    starts, sizes = i32(g, GA.N_FROM), i32(g, GA.N_SIZE)
    pcs, registers, below = i32(g, GA.E_PC), i32(g, GA.E_REGISTER), i32(g, GA.E_BELOW)
    slot = find(room(g, GA.stack_table), key)
    while table[slot] != 0:
        node = table[slot]
        if hashes[node] == key and sizes[node] == size:
            same = True
            for i in range(size):
                j, k = order[i], starts[node] + i
                if pcs[k] != p_pc[j] or registers[k] != p_register[j] or below[k] != p_below[j]:
                    same = False
                    break
            if same:
                return node
        slot = (slot + 1) & (room(g, GA.stack_table) - 1)
    node = g[GN.stack]
    if node >= room(g, GA.stack_hash):
        return G_FULL - GN.stack
    first = g[GN.edge]
    if first + size > room(g, GA.E_PC):
        return G_FULL - GN.edge
    for i in range(size):
        j = order[i]
        pcs[first + i], registers[first + i], below[first + i] = p_pc[j], p_register[j], p_below[j]
    g[GN.edge] = first + size
    starts[node], sizes[node] = first, size
    i32(g, GA.N_FLAGS)[node] = stack_flags(g, first, size)
    publish(hashes, table, slot, node, key)
    g[GN.stack] = node + 1
    return node


@helper
def stack_flags(g: Any, first: Any, size: Any) -> Any:
    """Is a word being recorded above one of these edges, and may it be one that must not be written?"""
    code, memory_flags = i32(g, GA.CODE), i32(g, GA.M_FLAGS)
    pcs, registers = i32(g, GA.E_PC), i32(g, GA.E_REGISTER)
    flags = 0
    for i in range(first, first + size):
        if code[pcs[i]] == BAG:
            flags |= memory_flags[registers[i]] & (RECORDING | SUSPECT)
    return flags


@helper
def run_bag(g: Any, pc: Any, register: Any, stack: Any, fresh: Any) -> Any:
    """All that the memory of a bag allows; negative: grow, or make a row, and retry.

    While a mask is filled words are not recorded; then any word is allowed, and after it one is missing.
    """
    memory = register if register != 0 else find_memory(g, i32(g, GA.CODE)[pc + 1], NO_WORDS)
    if memory < 0:
        return memory
    if g[GN.MASKING] != 0:
        memory = i32(g, GA.M_BASE)[memory]
    shape = i32(g, GA.M_SHAPE)[memory]
    flags = i32(g, GA.H_FLAGS)[shape] if shape != NO_SHAPE else 0
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
        status = add_pending(g, code[pc + 1], pc + 2, 0, stack)
    elif op == OPTION:
        status = add_pending(g, code[pc + 1], pc + 2, 0, stack)
        if status >= 0:
            status = add_item(g, pc + 2, 0, stack, fresh)
    elif op == TAIL:
        start = i32(g, GA.RULE_ENTRY)[code[pc + 1]]
        if start < 0:
            return add_configuration(g, at, LEAF - start, stack)
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
    return status if status < 0 else at


@helper
def close(g: Any, at: Any) -> Any:
    """Explore all items; write the configurations that wait for a byte from ``at`` on; the end, or negative."""
    g[GN.CLOSURES] += 1
    item = 0
    while True:
        while item < g[GN.item]:
            at = run_item(g, item, at)
            if at < 0:
                return at
            item += 1
        size, rule = take_pending(g)
        if size == 0:
            return at
        start = i32(g, GA.RULE_ENTRY)[rule]
        if start == 0:
            return want_rule(g, rule)
        node = intern_stack(g, size)
        if node < 0:
            return node
        if start < 0:
            at = add_configuration(g, at, LEAF - start, node)
            if at < 0:
                return at
        else:
            status = add_item(g, start, 0, node, 1)
            if status < 0:
                return status
