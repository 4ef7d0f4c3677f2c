"""Larger arrays for a group of an arena, in one kernel call.

Copying, rehashing and publishing are one call because Python may switch threads between two of its own steps: another
thread's kernel would go on writing to arrays that have been copied already. A kernel holds the interpreter's lock.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.intern import find
from constrain.kernels.jit import entry
from constrain.kernels.pointers import table_at, words_at

PLAN = 3  # numbers for each array in a plan: offset in the new buffer, items, log2 of bytes an item


@entry
def move(table: Any, first: Any, plan: Any, arrays: Any, base: Any, used: Any) -> None:
    """Put the ``arrays`` whose slots begin at ``first`` where ``plan`` says in the zeroed buffer at address ``base``.

    Where items are interned (``used`` > 0) the last two arrays are hashes and hash table: the table is filled anew with
    the items below ``used``. Lengths are multiples of eight bytes. Cost: the bytes copied, the items rehashed.
    """
    table, plan = table_at(table), table_at(plan)
    for k in range(arrays - 1 if used > 0 else arrays):
        source, target = table_at(table[first + 2 * k]), table_at(base + plan[PLAN * k])
        for i in range(table[first + 2 * k + 1] << plan[PLAN * k + 2] >> 3):
            target[i] = source[i]
    if used > 0:
        last = arrays - 1
        hashes, slots = words_at(base + plan[PLAN * (last - 1)]), words_at(base + plan[PLAN * last])
        size = plan[PLAN * last + 1]
        for item in range(1, used):
            slot = find(size, hashes[item])
            while slots[slot] != 0:
                slot = (slot + 1) & (size - 1)
            slots[slot] = item
    for k in range(arrays):
        table[first + 2 * k] = base + plan[PLAN * k]
        table[first + 2 * k + 1] = plan[PLAN * k + 1]
