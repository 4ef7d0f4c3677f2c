"""Compiled kernels against Python itself, and how Python calls them: ``direct`` and ``function`` of the same kernel."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.kernels import jit, wrapper
from constrain.kernels.jit import Kernel, entry, helper, inline
from constrain.kernels.pointers import bytes_at, i32, room, table_at, u8, words_at

pytestmark = pytest.mark.skipif(jit.DISABLED, reason="nothing is compiled")


class Slots(NamedTuple):
    first: int
    second: int


SLOTS, FLAG = Slots(3, 1 << 40), 1 << 40


@inline
def size_of(a: Any) -> Any:
    return -a if a < 0 else a


@helper
def divide(a: Any, b: Any) -> Any:
    if b == 0:
        return -1, 0
    return a // b, a % b


@helper
def is_small(a: Any, sure: Any) -> Any:
    return 1 if sure and a < SLOTS.first else 0


@entry
def mixed(a: Any, b: Any, c: Any) -> Any:
    """Helpers with one and two results, truth as an argument, named constants, ``min`` and ``max``, loops."""
    quotient, rest = divide(a, b)
    total = size_of(quotient) * 100 + rest + min(a, b) - max(b, c) + (SLOTS.second >> 30)
    for i in range(a, b):
        if i == c:
            break
        total += is_small(i, a < b) + (FLAG >> 35)
    while c > 5:
        c -= 2
        total += not c & 1
    return total


@entry
def nothing(a: Any) -> None:
    """Returns nothing, which is 0."""


@entry
def calls_kernels(a: Any, b: Any, c: Any) -> Any:
    nothing(a)
    return mixed(a, b, c) - mixed(c, b, a)


NUMBERS = st.integers(-50, 50)


@pytest.mark.parametrize("kernel", [mixed, calls_kernels], ids=lambda kernel: kernel.__name__)
@given(a=NUMBERS, b=NUMBERS, c=NUMBERS)
def test_compiled_functions_equal_python(kernel: Kernel, a: int, b: int, c: int) -> None:
    assert kernel.direct(a, b, c) == kernel.function(a, b, c)


def test_nothing_is_zero() -> None:
    assert nothing.direct(5) == 0


@entry(reads={"source": 64}, writes={"words": 32, "data": 8})
def items(table: Any, source: Any, words: Any, data: Any) -> Any:
    table, pointer = table_at(table), words_at(words.ctypes.data)
    chars, named, small = bytes_at(data.ctypes.data), i32(table, 0), u8(table, 2)
    for i in range(len(source)):
        words[i] = source[i]
        pointer[i] += named[i]
        data[i] = words[i]
        small[i], table[4] = chars[i] + 1, table[4] + i
    return room(table, 0) * 1000 + room(table, 2)


@given(st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=20))
def test_items_of_arrays_and_tables(values: list[int]) -> None:
    """Also that items are cut to their width, and read back signed but for bytes."""
    results = []
    for run in (items.direct, items.function):
        source, words, data = np.array(values), np.zeros(len(values), np.int32), np.zeros(len(values), np.uint8)
        named, small = np.arange(len(values), dtype=np.int32), np.zeros(len(values) + 3, np.uint8)
        table = np.array([named.ctypes.data, len(named), small.ctypes.data, len(small), 0])
        status = run(table.ctypes.data, source, words, data if run is items.direct else _Cutting(data))
        results.append((status, words.tolist(), data.tolist(), small.tolist(), int(table[4])))
    assert results[0] == results[1]


class _Cutting:
    """A NumPy array that cuts what is written to it, as NumPy 1 did."""

    def __init__(self, array: Any) -> None:
        self.array, self.ctypes = array, array.ctypes

    def __setitem__(self, i: int, value: Any) -> None:
        self.array[i] = int(value) & 0xFF


# --- Calls ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "arguments", "error"),
    [
        (mixed, (1, 2), TypeError),
        (mixed, (1, 2, 3, 4), TypeError),
        (mixed, (1, 2, "3"), TypeError),
        (mixed, (1, 2, 3.0), TypeError),
        (mixed, (1, 2, 1 << 63), OverflowError),
        (items, (0, [1], np.zeros(1, np.int32), np.zeros(1, np.uint8)), TypeError),
        (items, (0, np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros(1, np.uint8)), TypeError),
        (items, (0, np.zeros(1, np.int64), np.zeros(4, np.int32)[::2], np.zeros(1, np.uint8)), ValueError),
        (items, (0, np.zeros(1, np.int64), np.frombuffer(b"aaaa", np.int32), np.zeros(1, np.uint8)), ValueError),
    ],
)  # fmt: skip
def test_wrong_arguments_raise(kernel: Kernel, arguments: tuple[Any, ...], error: Any) -> None:
    with pytest.raises(error):
        kernel.direct(*arguments)


def test_integers_of_numpy_are_integers() -> None:
    assert mixed(np.int64(7), np.int32(2), True) == mixed.function(7, 2, 1)


def test_builtin_functions_own_what_describes_them() -> None:
    """Else a process might crash when it ends."""
    assert type(vars(mixed)["direct"].__self__) is wrapper._Method


def test_arrays_are_released() -> None:
    data = bytearray(8)
    items.direct(*_table(), np.zeros(1, np.int64), np.zeros(1, np.int32), data)
    with pytest.raises(TypeError):
        items.direct(*_table(), np.zeros(1, np.int32), np.zeros(1, np.int32), data)
    data.extend(b"a bytearray that somebody holds cannot grow")


_KEPT = [np.zeros(8, np.int32), np.zeros(8, np.uint8)]
_TABLE = np.array([_KEPT[0].ctypes.data, 8, _KEPT[1].ctypes.data, 8, 0])


def _table() -> tuple[int]:
    return (int(_TABLE.ctypes.data),)


@entry(writes={"flags": 64}, without_gil=True)
def wait_for_flag(flags: Any) -> Any:
    words = table_at(flags.ctypes.data)
    words[0] = 1
    turns = 0
    while turns < 1 << 31 and words[1] == 0:
        turns += 1
        words[words[2]] = turns  # which might be words[1], so that is read again
    return words[1]


def test_other_threads_run_without_the_lock() -> None:
    """The kernel spins until a thread of Python answers it."""
    flags = np.array([0, 0, 3, 0])
    kernel = wait_for_flag.direct

    def answer() -> None:
        while flags[0] == 0:
            pass
        flags[1] = 5

    thread = threading.Thread(target=answer)
    thread.start()
    assert kernel(flags) == 5
    thread.join()


# --- What kernels cannot do ----------------------------------------------------------------------------------------


def _raises(a: Any) -> Any:
    if a < 0:
        raise ValueError
    return a


def _needs_more(a: Any) -> Any:
    return sum((a, a))


def _allocates(a: Any) -> Any:
    return len([a, a])


def _no_number(a: Any) -> Any:
    return a, a


def _writes_what_it_reads(numbers: Any) -> Any:
    numbers[0] = 1
    return 0


PLAIN = SimpleNamespace(a=1)


def _unknown(a: Any) -> Any:
    return PLAIN.a + a


@entry
def steps(a: Any) -> Any:
    total = 0
    for i in range(0, 10, a):  # a ValueError where a is 0
        total += i
    return total


def test_errors_in_kernels_are_not_overlooked() -> None:
    assert steps(3) == 18
    with pytest.raises(SystemError):
        steps(0)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (_raises, "Unsupported constraint encountered: raise"),
        (_needs_more, r"cannot use Numba's runtime, but these need .*ol_sum"),
        (_allocates, "NRT required but not enabled"),
        (_no_number, "_no_number returns UniTuple"),
        (_unknown, "Untyped global name 'PLAIN'"),
    ],
)
def test_what_kernels_cannot_is_refused(function: Any, says: str) -> None:
    with pytest.raises(Exception, match=says):
        _ = Kernel(function, {}, False).direct


def test_arrays_declared_to_be_read_cannot_be_written() -> None:
    with pytest.raises(Exception, match=r"setitem(.|\n)*Buffer\(64, read only\)"):
        _ = Kernel(_writes_what_it_reads, {"numbers": "r64"}, False).direct
