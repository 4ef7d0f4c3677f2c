"""Hash-consing: equal contents get equal numbers. Open addressing over item numbers; 0 marks a free slot."""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import entry, inline


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
def publish(hashes: Any, table: Any, slot: Any, item: Any, key: Any) -> None:
    """Make a complete item findable."""
    hashes[item] = key
    table[slot] = item


@entry(reads={"hashes": 32}, writes={"table": 32})
def rehash(hashes: Any, used: Any, table: Any) -> None:
    """Fill an empty ``table`` with items 1..used-1, whose hashes are known."""
    size = len(table)
    for item in range(1, used):
        slot = find(size, hashes[item])
        while table[slot] != 0:
            slot = (slot + 1) & (size - 1)
        table[slot] = item
