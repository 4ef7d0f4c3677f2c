"""``Arena``: the arrays behind one kernel table, grown when a kernel says that a group is full.

All arrays begin in one buffer; a group that grows moves to a buffer of its own. Whoever reads arrays from Python holds
the lock of the index: only kernels are safe beside one that grows (``kernels/growth.py``).
"""

from __future__ import annotations

from array import array as Items
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from constrain.errors import LimitExceeded
from constrain.kernels.growth import move
from constrain.kernels.layout import Group, Layout
from constrain.tokens.storage import address_of, zeros

Buffer = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.int64]

MAX_ITEMS = 1 << 28
SMALL = 1 << 14  # items up to which a group grows fourfold, then twofold


class Span(NamedTuple):
    """An array inside a buffer: where it begins, in bytes, and its items."""

    start: int
    items: int
    kind: np.dtype[Any]


class Places(NamedTuple):
    """Where the arrays of some groups lie in one buffer.

    spans   by name
    slots   (2 * arrays,) what their slots of the table hold for a buffer at address 0
    plan    the same for ``move``: three numbers for each array, and their address
    nbytes  size of the buffer
    """

    spans: dict[str, Span]
    slots: Longs
    plan: tuple[Longs, int]
    nbytes: int


class Arena:
    """Owns the arrays of a ``Layout``. Kernels get ``address``, that of its table; ``array(name)`` is a live array."""

    def __init__(self, layout: Layout, sizes: dict[str, int]) -> None:
        """``sizes``: items to begin with, for each group (memory that is not touched costs nothing)."""
        places = _place((group, sizes.get(group.name, 1)) for group in layout.groups)
        self._begin(layout, places, zeros(places.nbytes))

    @classmethod
    def like(cls, model: Arena) -> Arena:
        """A fresh arena of the sizes that ``model`` began with: one allocation, for arenas that are made often."""
        arena = cls.__new__(cls)
        arena._begin(model.layout, model._places, zeros(model._places.nbytes))
        return arena

    def copy(self) -> Arena:
        """Another one with the same contents. Nothing must have grown yet, and nothing been put."""
        assert not self._homes and not self.constant_bytes, "only arenas as they began are copied"
        arena = Arena.__new__(Arena)
        arena._begin(self.layout, self._places, self._buffer.copy())
        counters = len(self.layout.n)
        arena.table[:counters] = self.table[:counters]
        return arena

    def _begin(self, layout: Layout, places: Places, buffer: Buffer) -> None:
        self.layout = layout
        self.growers: dict[str, Callable[[], None]] = {}  # groups that grow in a way of their own
        self.growths = 0
        self.nbytes = buffer.nbytes  # reserved for arrays; what was never touched takes no memory
        self._places = places
        self._homes: dict[str, tuple[Buffer, Places]] = {}  # of the arrays of groups that have grown
        self._arrays: dict[str, npt.NDArray[Any]] = {}  # made when they are asked for: most never are
        self._views: dict[str, Any] = {}
        self._ints: Any = None  # a view of the whole buffer
        self._buffer = buffer
        self.constant_bytes = 0  # of arrays that were put
        self.constants: tuple[str, ...] = ()  # their names, where another arena may share them
        self.table = np.zeros(layout.size, np.int64)
        self.address = address_of(self.table)
        slots = self.table[len(layout.n) :]
        slots[:] = places.slots
        slots[::2] += address_of(buffer)

    def __getitem__(self, name: str) -> int:
        """A counter."""
        return int(self.table[self.layout.n[name]])

    def __setitem__(self, name: str, value: int) -> None:
        self.table[self.layout.n[name]] = value

    def array(self, name: str) -> npt.NDArray[Any]:
        """The array behind ``name``; a later ``grow`` of its group replaces it."""
        found = self._arrays.get(name)
        if found is None:
            buffer, places = self._homes.get(name, (self._buffer, self._places))
            start, items, kind = places.spans[name]
            found = self._arrays[name] = buffer[start : start + items * kind.itemsize].view(kind)
        return found

    def put(self, name: str, values: npt.NDArray[Any]) -> None:
        """Replace an array that never grows by ``values`` (kept, not copied)."""
        array = self._arrays[name] = np.ascontiguousarray(values)
        slot = self.layout.at[name]
        self.table[slot : slot + 2] = address_of(array), array.size
        self.constant_bytes += array.nbytes
        self.nbytes += array.nbytes

    def room(self, name: str) -> int:
        """The length of an array."""
        return int(self.table[self.layout.at[name] + 1])

    def view(self, name: str) -> Any:
        """The same as ``array(name)``, for reading and writing single items, which is several times quicker."""
        found = self._views.get(name)
        if found is None:
            buffer, places = self._homes.get(name, (self._buffer, self._places))
            start, items, kind = places.spans[name]
            whole: Any = memoryview(buffer)[start : start + items * kind.itemsize]  # type: ignore[arg-type]
            found = self._views[name] = whole.cast(kind.char)
        return found

    def write(self, name: str, first: int, values: Items[int]) -> None:
        """Overwrite int32 items of an array, beginning with ``first``; all of them are there."""
        if name in self._homes:
            self.view(name)[first : first + len(values)] = values
            return
        if self._ints is None:
            self._ints = memoryview(self._buffer).cast("i")  # type: ignore[arg-type]
        first += self._places.spans[name].start >> 2
        self._ints[first : first + len(values)] = values

    def append(self, group: str, **columns: Any) -> int:
        """Append items to a group that is not interned, one equally long sequence for each array; first number."""
        first = self[group]
        name, values = next(iter(columns.items()))
        count = len(values)
        while first + count > self.room(name):
            self.grow(self.layout.n[group])
        for name, values in columns.items():
            if values.__class__ is list and self._places.spans[name].kind.char == "i":
                self.write(name, first, Items("i", values))
            else:
                self.array(name)[first : first + count] = values
        self[group] = first + count
        return first

    def repeat(self, group: str, item: int) -> int:
        """Append a copy of an item of a group that is not interned; its number."""
        copy, names = self[group], self.layout.groups[self.layout.n[group]].arrays
        while copy >= len(self.array(next(iter(names)))):
            self.grow(self.layout.n[group])
        for name in names:
            view = self.view(name)
            view[copy] = view[item]
        self[group] = copy + 1
        return copy

    def grow(self, number: int) -> None:
        """Give a group larger arrays, keeping their contents; rebuild its hash table."""
        group = self.layout.groups[number]
        first, (_, width) = next(iter(group.arrays.items()))
        slot = self.layout.at[first]
        items = int(self.table[slot + 1]) // width
        items *= 4 if items < SMALL else 2
        if items > MAX_ITEMS:
            raise LimitExceeded(f"items of kind {group.name!r} in memory", items, MAX_ITEMS, "use a new Vocabulary")
        places = _place_one(self.layout, number, items)
        buffer = zeros(places.nbytes)
        used = self[group.name] if group.interned else 0
        move(self.address, slot, places.plan[1], len(places.spans), address_of(buffer), used)
        if first in self._homes:
            self.nbytes -= self._homes[first][0].nbytes
        self.nbytes += places.nbytes
        self.growths += 1
        home = buffer, places
        for name in places.spans:
            self._homes[name] = home
            self._arrays.pop(name, None)
            self._views.pop(name, None)

    def resolve(self, status: int) -> bool:
        """Grow the group that a kernel's negative ``status`` names; ``False`` when it names none of this arena."""
        number = self.layout.full - status
        if not 0 <= number < len(self.layout.groups):
            return False
        self.growers.get(self.layout.groups[number].name, lambda: self.grow(number))()
        return True


def weights(layout: Layout, groups: Iterable[str]) -> Longs:
    """Bytes that an item of each of some groups takes, at the places of their counters; 0 elsewhere."""
    found = np.zeros(len(layout.n), np.int64)
    for name in groups:
        group = layout.groups[layout.n[name]]
        own = sum(np.dtype(kind).itemsize * width for kind, width in group.arrays.values())
        found[layout.n[name]] = own + (12 if group.interned else 0)  # its hash, and two slots of the table
    return found


def _place(sizes: Iterable[tuple[Group, int]]) -> Places:
    """All arrays of some groups, one after another, aligned to 16 bytes, in the order of their slots."""
    spans: dict[str, Span] = {}
    start = 0
    for group, wanted in sizes:
        unit = 8 // min(np.dtype(kind).itemsize for kind, _ in group.arrays.values())  # so lengths fill eight bytes
        items = -(-max(wanted, 1) // unit) * unit
        arrays = {name: (np.dtype(kind), width * items) for name, (kind, width) in group.arrays.items()}
        if group.interned:
            slots = 1 << (2 * items - 1).bit_length()
            hashes = {f"{group.name}_hash": (np.dtype("i4"), items), f"{group.name}_table": (np.dtype("i4"), slots)}
            arrays.update(hashes)
        for name, (kind, length) in arrays.items():
            spans[name] = Span(start, length, kind)
            start += -(-length * kind.itemsize // 16) * 16
    rows = [(span.start, span.items, span.kind.itemsize.bit_length() - 1) for span in spans.values()]
    plan = np.array(rows, np.int64)
    return Places(spans, plan[:, :2].ravel(), (plan, plan.ctypes.data), start)


@lru_cache(maxsize=256)
def _place_one(layout: Layout, number: int, items: int) -> Places:
    return _place([(layout.groups[number], items)])
