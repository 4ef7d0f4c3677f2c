"""``Arena``: the arrays behind one kernel table, grown by doubling when a kernel says that a group is full."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from constrain.errors import LimitExceeded
from constrain.kernels.intern import rehash
from constrain.kernels.layout import Group, Layout

Longs = npt.NDArray[np.int64]

MAX_ITEMS = 1 << 28


class Arena:
    """Owns the arrays of a ``Layout``. Kernels get ``address``, that of its table; ``array(name)`` is a live array."""

    def __init__(self, layout: Layout, sizes: dict[str, int]) -> None:
        self.layout = layout
        self.table = np.zeros(layout.size, np.int64)
        self.address = int(self.table.ctypes.data)
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._spans: dict[str, tuple[int, int]] = {}  # of arrays that still lie in the buffer of ``like``
        self._buffer = np.zeros(0, np.int32)
        self.growers: dict[str, Callable[[], None]] = {}  # groups that grow in a way of their own
        for group in layout.groups:
            self._allocate(group, sizes.get(group.name, 1))

    @classmethod
    def like(cls, model: Arena) -> Arena:
        """A fresh arena of the same sizes, all zero, in one allocation: for arenas that are made often.

        ``model`` must hold int32 arrays only and never have grown. NumPy arrays are made when they are asked for: most
        never are.
        """
        slots, offsets, spans, total = model._packing
        arena = cls.__new__(cls)
        arena.layout = model.layout
        arena.growers = {}
        arena._arrays, arena._spans, arena._buffer = {}, spans, np.zeros(total, np.int32)
        arena.table = model.table.copy()
        arena.address = int(arena.table.ctypes.data)
        arena.table[slots] = offsets + int(arena._buffer.ctypes.data)
        return arena

    @cached_property
    def _packing(self) -> tuple[Longs, Longs, dict[str, tuple[int, int]], int]:
        """The arrays in one buffer: their slots in the table, byte offsets, (start, end) by name; the buffer's size."""
        sizes = [array.size for array in self._arrays.values()]
        starts = np.cumsum([0, *sizes])
        spans = dict(zip(self._arrays, zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True), strict=True))
        slots = np.array([self.layout.at[name] for name in self._arrays])
        return slots, 4 * starts[:-1], spans, int(starts[-1])

    def __getitem__(self, name: str) -> int:
        """A counter."""
        return int(self.table[self.layout.n[name]])

    def __setitem__(self, name: str, value: int) -> None:
        self.table[self.layout.n[name]] = value

    def array(self, name: str) -> npt.NDArray[Any]:
        """The array behind ``name``; a later ``grow`` of its group replaces it."""
        found = self._arrays.get(name)
        if found is None:
            first, last = self._spans[name]
            found = self._arrays[name] = self._buffer[first:last]
        return found

    def put(self, name: str, values: npt.NDArray[Any]) -> None:
        """Replace an array that never grows by ``values`` (kept, not copied)."""
        self._arrays[name] = np.ascontiguousarray(values)
        self._publish(name)

    def append(self, group: str, **columns: Any) -> int:
        """Append items to a group that is not interned, one equally long sequence for each array; first number."""
        first = self[group]
        count = len(next(iter(columns.values())))
        while first + count > len(self.array(next(iter(columns)))):
            self.grow(self.layout.n[group])
        for name, values in columns.items():
            self.array(name)[first : first + count] = values
        self[group] = first + count
        return first

    def repeat(self, group: str, item: int) -> int:
        """Append a copy of an item of a group that is not interned; its number."""
        copy, names = self[group], self.layout.groups[self.layout.n[group]].arrays
        while copy >= len(self.array(next(iter(names)))):
            self.grow(self.layout.n[group])
        for name in names:
            array = self.array(name)
            array[copy] = array[item]
        self[group] = copy + 1
        return copy

    def grow(self, number: int) -> None:
        """Double the arrays of a group, keeping their contents; rebuild its hash table."""
        group = self.layout.groups[number]
        first = next(iter(group.arrays))
        items = 2 * len(self.array(first)) // group.arrays[first][1]
        if items > MAX_ITEMS:
            raise LimitExceeded(f"items of kind {group.name!r} in memory", items, MAX_ITEMS, "use a new Vocabulary")
        # What is interned is dense up to its counter; pages past it were never touched and stay so.
        used = self[group.name] if group.interned else items
        old = {name: self.array(name)[: used * width] for name, (_, width) in group.arrays.items()}
        hashes = self.array(f"{group.name}_hash") if group.interned else None
        self._allocate(group, items)
        for name, values in old.items():
            self._arrays[name][: len(values)] = values
        if hashes is not None:
            self._arrays[f"{group.name}_hash"][: len(hashes)] = hashes
            rehash(self._arrays[f"{group.name}_hash"], self[group.name], self._arrays[f"{group.name}_table"])

    def resolve(self, status: int) -> bool:
        """Grow the group that a kernel's negative ``status`` names; ``False`` when it names none of this arena."""
        number = self.layout.full - status
        if not 0 <= number < len(self.layout.groups):
            return False
        self.growers.get(self.layout.groups[number].name, lambda: self.grow(number))()
        return True

    @property
    def nbytes(self) -> int:
        """Memory held by the arrays."""
        own = (array.nbytes for array in self._arrays.values() if array.base is not self._buffer)
        return self._buffer.nbytes + sum(own)

    def _allocate(self, group: Group, items: int) -> None:
        items = 1 << max(items - 1, 0).bit_length()
        for name, (kind, width) in group.arrays.items():
            self._arrays[name] = np.zeros(items * width, kind)
            self._publish(name)
        if group.interned:
            self._arrays[f"{group.name}_hash"] = np.zeros(items, np.int32)
            self._arrays[f"{group.name}_table"] = np.zeros(2 * items, np.int32)
            self._publish(f"{group.name}_hash")
            self._publish(f"{group.name}_table")

    def _publish(self, name: str) -> None:
        array, slot = self._arrays[name], self.layout.at[name]
        self.table[slot] = array.ctypes.data
        self.table[slot + 1] = array.size
