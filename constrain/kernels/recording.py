"""Recording words: while a leaf is the word of a bag's element, its bytes go into the registers of its stack."""

from __future__ import annotations

from typing import Any

from constrain.kernels.decode import span
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
from constrain.kernels.leaf import boundary_state, step_leaf, step_symbol
from constrain.kernels.memory import BACKSLASH, extend_memory, read_part
from constrain.kernels.pointers import i32, room
from constrain.kernels.stack import intern_stack, less_edge

MAX_TRIED = 128  # symbols


@helper
def goes_on_with(v: Any, state: Any, low: Any, high: Any, count: Any) -> Any:
    """How many of the first symbols in low..high a leaf state at a boundary goes on with; stops above ``count``.

    Negative: grow and retry.
    """
    found = 0
    for symbol in range(low, min(high, low + MAX_TRIED) + 1):
        target = step_symbol(v, state, symbol)
        if target < 0:
            return target
        found += 1 if target != DEAD else 0
        if found > count:
            break
    return found


@helper
def begins_more(v: Any, state: Any, count: Any) -> Any:
    """Do more than ``count`` words go on from a leaf state? 1 if so; 0: perhaps; negative: grow and retry.

    Leaf automata are trim, so each symbol that may come begins a word. Tries printable ASCII characters, which spell
    themselves, or inside a symbol the first ones that it may become.
    """
    decoder = i32(v, VA.S_DECODER)[state]
    if decoder != 0:
        low, high, low2, high2 = span(decoder)
        boundary = boundary_state(v, state)
        found = goes_on_with(v, boundary, low, high, count) if boundary >= 0 else boundary
        if 0 <= found <= count:
            more = goes_on_with(v, boundary, low2, high2, count - found)
            found = found + more if more >= 0 else more
        return found if found < 0 else 1 if found > count else 0
    json = i32(v, VA.L_ENCODING)[i32(v, VA.S_LEAF)[state]] == JSON
    found = 1 if i32(v, VA.S_FLAGS)[state] & CAN_END else 0
    for byte in range(0x20, 0x7F):
        if byte != BACKSLASH or not json:
            target = step_leaf(v, state, byte)
            if target < 0:
                return target
            found += 1 if target != DEAD else 0
        if found > count:
            return 1
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
    if size > room(g, GA.P_PC):
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
