"""Recording words: while a leaf is the word of a bag's element, its bytes go into the registers of its stack."""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import helper
from constrain.kernels.layout import (
    ACCEPTED,
    BAG,
    CAN_END,
    DEAD,
    G_FULL,
    GA,
    GN,
    JSON,
    JUDGED,
    RECORDING,
    ROW_WANTED,
    STUCK,
    TIGHT,
    VA,
)
from constrain.kernels.leaf import step_leaf
from constrain.kernels.memory import BACKSLASH, extend_memory, read_part
from constrain.kernels.pointers import i32, room
from constrain.kernels.stack import intern_stack, less_edge


@helper
def begins_more(v: Any, state: Any, count: Any) -> Any:
    """Do more than ``count`` words go on from a leaf state? 1 if so; 0: perhaps; negative: grow and retry.

    Leaf automata are trim and printable ASCII bytes spell themselves, so each of them that may come begins a word.
    """
    json = i32(v, VA.L_ENCODING)[i32(v, VA.S_LEAF)[state]] == JSON
    if i32(v, VA.S_DECODER)[state] != 0:
        return 0
    found = 1 if i32(v, VA.S_FLAGS)[state] & CAN_END else 0
    for byte in range(0x20, 0x7F):
        if found > count:
            return 1
        if byte == BACKSLASH and json:
            continue
        target = step_leaf(v, state, byte)
        if target < 0:
            return target
        found += 1 if target != DEAD else 0
    return 0


@helper
def judge(v: Any, g: Any, memory: Any, target: Any) -> Any:
    """May a word that can be used up be begun so? Asks Python unless the answer is clear. Negative: grow, or ask."""
    flags = i32(g, GA.M_FLAGS)[memory]
    if flags & TIGHT == 0 or flags & JUDGED != 0 or target == ACCEPTED:
        return 0
    clear = begins_more(v, target, i32(g, GA.U_SIZE)[i32(g, GA.M_PLACE)[memory]])
    if clear == 0:
        g[GN.WANTED] = memory
        return ROW_WANTED
    return min(clear, 0)


@helper
def record(v: Any, g: Any, state: Any, target: Any, stack: Any, byte: Any) -> Any:
    """The stack after the leaf above it has gone from ``state`` to ``target`` with ``byte``; 0: no word begins so.

    Negative: grow, or make a row, and retry.
    """
    part = read_part(i32(v, VA.L_ENCODING)[i32(v, VA.S_LEAF)[state]], i32(v, VA.S_DECODER)[state], byte)
    first, size = i32(g, GA.N_FROM)[stack], i32(g, GA.N_SIZE)[stack]
    if size > room(g, GA.P_RULE):
        return G_FULL - GN.pending
    code, flags = i32(g, GA.CODE), i32(g, GA.M_FLAGS)
    pcs, registers, below = i32(g, GA.E_PC), i32(g, GA.E_REGISTER), i32(g, GA.E_BELOW)
    p_pc, p_register, p_below = i32(g, GA.P_PC), i32(g, GA.P_REGISTER), i32(g, GA.P_BELOW)
    order = i32(g, GA.P_ORDER)
    kept = 0  # nothing is pending while bytes are read, so the arrays of pending calls are free
    for i in range(first, first + size):
        register = registers[i]
        if code[pcs[i]] == BAG and flags[register] & RECORDING:
            register = extend_memory(g, register, byte, part)
            if register < 0:
                return register
            status = judge(v, g, register, target)
            if status < 0:
                return status
            if flags[register] & STUCK:
                continue
        p_pc[kept], p_register[kept], p_below[kept] = pcs[i], register, below[i]
        j = kept
        while j > 0 and less_edge(g, kept, order[j - 1]):
            order[j] = order[j - 1]
            j -= 1
        order[j] = kept
        kept += 1
    return intern_stack(g, kept) if kept > 0 else 0
