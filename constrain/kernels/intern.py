"""Hash-consing: equal contents get equal numbers. Open addressing over item numbers; 0 marks a free slot."""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import entry, inline


@inline
def mix(key: Any, value: Any) -> Any:
    """Fold one more number into a 31-bit hash (multiplications by odd constants with high bits folded down)."""
    key = (key ^ (value + 0x9E3779B9)) * 0x5851F42D4C957F2D & 0x7FFFFFFFFFFFFFFF
    return (key ^ (key >> 32)) & 0x7FFFFFFF


@inline
def find(size: Any, key: Any) -> Any:
    """First slot to look at in a table of ``size`` slots; go on with ``(slot + 1) & (size - 1)``."""
    return (key ^ (key >> 15)) & (size - 1)


@inline
def publish(hashes: Any, table: Any, slot: Any, item: Any, key: Any) -> None:
    """Make a complete item findable."""
    hashes[item] = key
    table[slot] = item


@entry
def rehash(hashes: Any, used: Any, table: Any) -> None:
    """Fill an empty ``table`` with items 1..used-1, whose hashes are known."""
    size = len(table)
    for item in range(1, used):
        slot = find(size, hashes[item])
        while table[slot] != 0:
            slot = (slot + 1) & (size - 1)
        table[slot] = item
