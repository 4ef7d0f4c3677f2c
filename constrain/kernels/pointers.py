"""Bare pointers, and the views that kernels use.

Compiled kernels have intrinsics in the place of these functions (``numba_types.py``); what stands here is what they
mean in plain Python, and what runs where kernels are not compiled: ctypes pointers, whose items are Python integers.
Items are read as int64 and cut to their width when they are written.
"""

from __future__ import annotations

import ctypes
from typing import Any

_LONG, _WORD, _BYTE = (ctypes.POINTER(kind) for kind in (ctypes.c_int64, ctypes.c_int32, ctypes.c_uint8))
_HALF = ctypes.POINTER(ctypes.c_int16)


def table_at(address: Any) -> Any:
    """The int64 items at an address."""
    return ctypes.cast(int(address), _LONG)


def words_at(address: Any) -> Any:
    """The int32 items at an address."""
    return ctypes.cast(int(address), _WORD)


def halves_at(address: Any) -> Any:
    """The int16 items at an address."""
    return ctypes.cast(int(address), _HALF)


def bytes_at(address: Any) -> Any:
    """The bytes at an address."""
    return ctypes.cast(int(address), _BYTE)


def i32(table: Any, slot: Any) -> Any:
    """The int32 array in a slot of an arena table."""
    return ctypes.cast(table[slot], _WORD)


def u8(table: Any, slot: Any) -> Any:
    """The uint8 array in a slot of an arena table."""
    return ctypes.cast(table[slot], _BYTE)


def room(table: Any, slot: Any) -> Any:
    """The length of the array in a slot of an arena table."""
    return table[slot + 1]


MAKERS = {table_at: 64, words_at: 32, halves_at: 16, bytes_at: 8}
"""Functions from an address to items of so many bits."""
READERS = {i32: 32, u8: 8}
"""Functions from a table and a slot to items of so many bits."""
