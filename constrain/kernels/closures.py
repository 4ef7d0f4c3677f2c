"""What follows a CONTEXT or PROBE instruction on a stack, remembered: in one walk the same lexemes end at many places.

A cache of bounded size (``CLOSED`` of an automaton's arena, in configurations): when it is full all is forgotten.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.intern import find_pair, mix, publish
from constrain.kernels.jit import helper
from constrain.kernels.layout import G_FULL, GA, GN, NOT_KNOWN
from constrain.kernels.pointers import i32, room


@helper
def find_closure(g: Any, pc: Any, stack: Any) -> Any:
    """The number of a closure; if it is not there, minus the free slot for it, minus one."""
    table, pcs, stacks = i32(g, GA.closure_table), i32(g, GA.X_PC), i32(g, GA.X_STACK)
    return find_pair(table, room(g, GA.closure_table), pcs, stacks, pc, stack, mix(mix(59, pc), stack))


@helper
def copy_closure(g: Any, pc: Any, stack: Any, at: Any) -> Any:
    """Write the configurations of a closure from ``at`` on; the end, ``NOT_KNOWN``, or other negative: grow, retry."""
    item = find_closure(g, pc, stack)
    if item < 0:
        return NOT_KNOWN
    first, size = i32(g, GA.X_FROM)[item], i32(g, GA.X_SIZE)[item]
    if at + size > room(g, GA.W_POSITION):
        return G_FULL - GN.work
    p, s = i32(g, GA.W_POSITION), i32(g, GA.W_STACK)
    positions, stacks = i32(g, GA.X_POSITION), i32(g, GA.X_BELOW)
    for i in range(size):
        p[at + i], s[at + i] = positions[first + i], stacks[first + i]
    return at + size


@helper
def keep_closure(g: Any, pc: Any, stack: Any, first: Any, last: Any) -> Any:
    """Remember that ``W[first:last]`` is the closure; ``last``, or negative: grow and retry."""
    size = last - first
    if g[GN.closed] + size > g[GN.CLOSED]:
        table = i32(g, GA.closure_table)
        for i in range(room(g, GA.closure_table)):
            table[i] = 0
        g[GN.closure], g[GN.closed] = 1, 0
        if size > g[GN.CLOSED]:
            return last
    slot, item, begin = -1 - find_closure(g, pc, stack), g[GN.closure], g[GN.closed]
    if item >= room(g, GA.closure_hash):
        return G_FULL - GN.closure
    if begin + size > room(g, GA.X_POSITION):
        return G_FULL - GN.closed
    p, s = i32(g, GA.W_POSITION), i32(g, GA.W_STACK)
    positions, stacks = i32(g, GA.X_POSITION), i32(g, GA.X_BELOW)
    for i in range(size):
        positions[begin + i], stacks[begin + i] = p[first + i], s[first + i]
    g[GN.closed] = begin + size
    i32(g, GA.X_PC)[item], i32(g, GA.X_STACK)[item] = pc, stack
    i32(g, GA.X_FROM)[item], i32(g, GA.X_SIZE)[item] = begin, size
    publish(i32(g, GA.closure_hash), i32(g, GA.closure_table), slot, item, mix(mix(59, pc), stack))
    g[GN.closure] = item + 1
    return last
