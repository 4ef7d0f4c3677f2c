"""Hash-consing: equal contents get equal numbers. Open addressing over item numbers; 0 marks a free slot."""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import inline


@inline
def mix(key: Any, value: Any) -> Any:
    """Fold a number below 2**31 into a 31-bit hash.

    No intermediate reaches 2**63, so that compiled and plain Python agree. (Where signed arithmetic is marked as never
    overflowing, as Numba does, LLVM draws false conclusions from a hash that does; seen: lost configurations.)
    """
    key = (((key ^ value) & 0x7FFFFFFF) + 0x9E3779B) * 0x5851F42D
    return (key ^ (key >> 29)) & 0x7FFFFFFF


@inline
def find(size: Any, key: Any) -> Any:
    """First slot to look at in a table of ``size`` slots; go on with ``(slot + 1) & (size - 1)``."""
    return (key ^ (key >> 15)) & (size - 1)


@inline
def find_pair(table: Any, size: Any, lefts: Any, rights: Any, left: Any, right: Any, key: Any) -> Any:
    """The number of the item (left, right) of a table of ``size`` slots; if it is not there, minus the free slot for
    it, minus one."""
    slot = find(size, key)
    while table[slot] != 0:
        item = table[slot]
        if lefts[item] == left and rights[item] == right:
            return item
        slot = (slot + 1) & (size - 1)
    return -1 - slot


@inline
def publish(hashes: Any, table: Any, slot: Any, item: Any, key: Any) -> None:
    """Make a complete item findable."""
    hashes[item] = key
    table[slot] = item
