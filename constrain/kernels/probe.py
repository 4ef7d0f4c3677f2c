"""Where claims on the text to come may leave nothing that can be read: is anything live there? Asked once a place.

A lexeme that a rule asks for may be followed by one only that its claims forbid. So before such a lexeme the program
has a PROBE, which looks at what comes after it. That may depend on other such places; ``tokens/probes.py`` finds the
answers.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.intern import find_pair, mix, publish
from constrain.kernels.jit import helper
from constrain.kernels.layout import G_FULL, GA, GN, NOT_KNOWN
from constrain.kernels.pointers import i32, room


@helper
def find_probe(g: Any, pc: Any, stack: Any) -> Any:
    """The number of what is known of a place; if nothing is, minus the free slot for it, minus one."""
    table, pcs, stacks = i32(g, GA.probe_table), i32(g, GA.F_PC), i32(g, GA.F_STACK)
    return find_pair(table, room(g, GA.probe_table), pcs, stacks, pc, stack, mix(mix(53, pc), stack))


@helper
def known_probe(g: Any, pc: Any, stack: Any) -> Any:
    """1: something is live there, 0: nothing is, or ``NOT_KNOWN``."""
    item = find_probe(g, pc, stack)
    return i32(g, GA.F_LIVE)[item] if item > 0 else NOT_KNOWN


@helper
def keep_probe(g: Any, pc: Any, stack: Any, live: Any) -> Any:
    """Remember an answer, or that there is none any more; 0, or negative: grow and retry."""
    item = find_probe(g, pc, stack)
    if item < 0:
        slot, item = -1 - item, g[GN.probe]
        if item >= room(g, GA.probe_hash):
            return G_FULL - GN.probe
        i32(g, GA.F_PC)[item], i32(g, GA.F_STACK)[item] = pc, stack
        publish(i32(g, GA.probe_hash), i32(g, GA.probe_table), slot, item, mix(mix(53, pc), stack))
        g[GN.probe] = item + 1
    i32(g, GA.F_LIVE)[item] = live
    return 0
