"""Recording words: while a leaf is the word of a bag's element, its bytes go into the registers of its stack."""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import helper
from constrain.kernels.layout import BAG, G_FULL, GA, GN, NO_SHAPE, RECORDING, ROW_WANTED, STUCK, TIGHT, VA
from constrain.kernels.memory import extend_memory, read_part
from constrain.kernels.pointers import i32, room
from constrain.kernels.stack import intern_stack, less_edge


@helper
def record(v: Any, g: Any, state: Any, stack: Any, byte: Any) -> Any:
    """The stack after leaf ``state`` above it has read ``byte``; 0: no word begins so; negative: grow or make a row."""
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
            if flags[register] & TIGHT and i32(g, GA.M_SHAPE)[register] == NO_SHAPE:
                g[GN.WANTED] = register
                return ROW_WANTED
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
