"""Stack nodes, hash-consed, and their unions.

A node is a set of edges (return address, register, node below), sorted, no two of them with equal address and register:
where two such edges meet their nodes below are united. So a node is a deterministic acyclic automaton of all the stacks
that it stands for, and equal sets of stacks are one node. Unions are remembered.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.intern import find, mix, publish
from constrain.kernels.jit import helper
from constrain.kernels.layout import BAG, G_FULL, GA, GN, RECORDING, SUSPECT
from constrain.kernels.pointers import i32, room

NOT_UNITED = -1


@helper
def intern_edges(g: Any, size: Any) -> Any:
    """The node of the edges that have been written behind the last one; negative: grow and retry."""
    hashes, table = i32(g, GA.stack_hash), i32(g, GA.stack_table)
    starts, sizes = i32(g, GA.N_FROM), i32(g, GA.N_SIZE)
    pcs, registers, below = i32(g, GA.E_PC), i32(g, GA.E_REGISTER), i32(g, GA.E_BELOW)
    first, key = g[GN.edge], 19
    for i in range(first, first + size):
        key = mix(mix(mix(key, pcs[i]), registers[i]), below[i])
    slot = find(room(g, GA.stack_table), key)
    while table[slot] != 0:
        node = table[slot]
        if hashes[node] == key and sizes[node] == size:
            same = True
            for i in range(size):
                j, k = first + i, starts[node] + i
                if pcs[k] != pcs[j] or registers[k] != registers[j] or below[k] != below[j]:
                    same = False
                    break
            if same:
                return node
        slot = (slot + 1) & (room(g, GA.stack_table) - 1)
    node = g[GN.stack]
    if node >= room(g, GA.stack_hash):
        return G_FULL - GN.stack
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
def find_union(g: Any, left: Any, right: Any) -> Any:
    """The union of two nodes, ``NOT_UNITED`` if it is not known."""
    if left == right:
        return left
    left, right = min(left, right), max(left, right)
    table = i32(g, GA.union_table)
    lefts, rights = i32(g, GA.J_LEFT), i32(g, GA.J_RIGHT)
    slot = find(room(g, GA.union_table), mix(mix(47, left), right))
    while table[slot] != 0:
        item = table[slot]
        if lefts[item] == left and rights[item] == right:
            return i32(g, GA.J_STACK)[item]
        slot = (slot + 1) & (room(g, GA.union_table) - 1)
    return NOT_UNITED


@helper
def keep_union(g: Any, left: Any, right: Any, node: Any) -> Any:
    """Remember a union that was not known; negative: grow and retry."""
    left, right = min(left, right), max(left, right)
    item, key, table = g[GN.union], mix(mix(47, left), right), i32(g, GA.union_table)
    if item >= room(g, GA.union_hash):
        return G_FULL - GN.union
    slot = find(room(g, GA.union_table), key)
    while table[slot] != 0:
        slot = (slot + 1) & (room(g, GA.union_table) - 1)
    i32(g, GA.J_LEFT)[item], i32(g, GA.J_RIGHT)[item], i32(g, GA.J_STACK)[item] = left, right, node
    publish(i32(g, GA.union_hash), table, slot, item, key)
    g[GN.union] = item + 1
    return 0


@helper
def write_union(g: Any, left: Any, right: Any) -> Any:
    """Write the edges of a union behind the last edge.

    Returns how many; or 0 and two nodes whose union has to be known before; or negative: grow and retry.
    """
    pcs, registers, below = i32(g, GA.E_PC), i32(g, GA.E_REGISTER), i32(g, GA.E_BELOW)
    starts, sizes, first = i32(g, GA.N_FROM), i32(g, GA.N_SIZE), g[GN.edge]
    i, j, at = starts[left], starts[right], first
    i_end, j_end = i + sizes[left], j + sizes[right]
    if first + sizes[left] + sizes[right] > room(g, GA.E_PC):
        return G_FULL - GN.edge, 0, 0
    while i < i_end or j < j_end:
        order = 1 if i == i_end else -1 if j == j_end else pcs[i] - pcs[j]
        if order == 0:
            order = registers[i] - registers[j]
        k = i if order <= 0 else j
        under = below[k]
        if order == 0:
            under = find_union(g, below[i], below[j])
            if under == NOT_UNITED:
                return 0, below[i], below[j]
        pcs[at], registers[at], below[at] = pcs[k], registers[k], under
        at += 1
        i += 1 if order <= 0 else 0
        j += 1 if order >= 0 else 0
    return at - first, 0, 0


@helper
def unite(g: Any, left: Any, right: Any) -> Any:
    """The node for the stacks of two; negative: grow and retry. Cost: pairs of nodes below that were not united yet."""
    pairs, depth = i32(g, GA.J_PAIR), 1
    node = find_union(g, left, right)
    pairs[0], pairs[1] = left, right
    while depth > 0 and node == NOT_UNITED:
        left, right = pairs[2 * depth - 2], pairs[2 * depth - 1]
        size, lower_left, lower_right = write_union(g, left, right)
        if size == 0:
            if 2 * depth + 2 > room(g, GA.J_PAIR):
                return G_FULL - GN.uniting
            pairs[2 * depth], pairs[2 * depth + 1] = lower_left, lower_right
            depth += 1
            continue
        made = intern_edges(g, size) if size > 0 else size
        status = keep_union(g, left, right, made) if made >= 0 else made
        if status < 0:
            return status
        depth -= 1
        if depth == 0:
            node = made
    return node
