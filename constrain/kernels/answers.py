"""Masks and steps of an automaton that took long are remembered, in caches of fixed size.

In ambiguous grammars two of three positions of a text are in a state that has been met before. A mask that took a long
walk is kept as a row; when all rows are in use, a clock finds one that was not used lately. Steps of large states are
kept in a direct-mapped table. Both are exact for ever: what follows a state does not change.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.intern import mix
from constrain.kernels.jit import helper, inline
from constrain.kernels.layout import GA, GN, ROWS_WANTED, VN
from constrain.kernels.pointers import i32, room, u8


@helper
def copy_row(g: Any, state: Any, words: Any, size: Any) -> Any:
    """Write the remembered mask of a state to ``words[:size]``, if there is one."""
    slot = i32(g, GA.Q_ROW)[state] - 1
    if slot < 0:
        return False
    u8(g, GA.A_USED)[slot] = 1
    rows, first = i32(g, GA.A_ROW), slot * size
    for i in range(size):
        words[i] = rows[first + i]
    return True


@helper
def keep_row(v: Any, g: Any, state: Any, words: Any) -> Any:
    """Remember the mask of a state; negative: make the array, and retry."""
    size = v[VN.WORDS]
    if room(g, GA.A_ROW) < room(g, GA.A_STATE) * size:
        return ROWS_WANTED
    slot = next_slot(g)
    owners, numbers, rows, first = i32(g, GA.A_STATE), i32(g, GA.Q_ROW), i32(g, GA.A_ROW), slot * size
    if owners[slot] != 0:
        numbers[owners[slot]] = 0
    for i in range(size):
        rows[first + i] = words[i]
    owners[slot], numbers[state] = state, slot + 1
    return 0


@helper
def next_slot(g: Any) -> Any:
    """The next slot that was not used since the hand came by; at worst after one round."""
    used, slot = u8(g, GA.A_USED), g[GN.HAND]
    while used[slot] != 0:
        used[slot] = 0
        slot = slot + 1 if slot + 1 < room(g, GA.A_STATE) else 0
    g[GN.HAND] = slot + 1 if slot + 1 < room(g, GA.A_STATE) else 0
    g[GN.maskslot] = max(g[GN.maskslot], slot + 1)
    return slot


@inline
def step_slot(g: Any, state: Any, token: Any) -> Any:
    """Where a step is remembered."""
    return 3 * (mix(mix(43, state), token) & (room(g, GA.A_STEP) // 3 - 1))


@inline
def known_step(g: Any, state: Any, token: Any) -> Any:
    """The state after a token, if it is remembered; else 0."""
    steps, slot = i32(g, GA.A_STEP), step_slot(g, state, token)
    return steps[slot + 2] if steps[slot] == state and steps[slot + 1] == token else 0


@helper
def keep_step(g: Any, state: Any, token: Any, after: Any) -> None:
    """Remember that ``token`` leads from ``state`` to the state ``after``."""
    steps, slot = i32(g, GA.A_STEP), step_slot(g, state, token)
    steps[slot], steps[slot + 1], steps[slot + 2] = state, token, after
