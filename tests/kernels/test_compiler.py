"""The kernel compiler against Python itself: each function here runs both ways, ``direct`` and ``function``."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.kernels import jit
from constrain.kernels.assembly import Unsupported
from constrain.kernels.jit import Kernel, entry, helper, inline
from constrain.kernels.pointers import bytes_at, i32, room, table_at, u8, words_at

pytestmark = pytest.mark.skipif(jit.DISABLED, reason="nothing is compiled")

LIMIT, FLAG = 7, 1 << 40


@entry
def operators(a: Any, b: Any, c: Any) -> Any:
    x = (a + b * 3 - (c ^ 5)) | (a & 0xFF)
    x += (b << 3) - (b >> 2)
    x -= ~c
    if c != 0:
        x ^= a // c + 31 * (a % c)
    return x + min(a, b, c) - max(a, -b) + abs_of(c) + (FLAG >> 30)


@inline
def abs_of(a: Any) -> Any:
    return -a if a < 0 else +a


@entry
def truths(a: Any, b: Any, c: Any) -> Any:
    both, either = a < b and b <= c, a == b or not c
    last = (a and b) or c  # the operand, not its truth
    chain = 0 < a <= LIMIT != b
    if not (both or either) and (a > 1 or b > 1):
        last += 1000
    return last * 16 + (both << 3) + (either << 2) + (chain << 1) + (a >= b)


@entry
def loops(a: Any, b: Any, c: Any) -> Any:
    total, i = 0, 100
    for i in range(a, b):
        if i == c:
            break
        if i % 3 == 0:
            continue
        total += i
        b += 1  # bounds are evaluated once
    for j in range(10, 0, -3):
        i = i * 7 + j
        total = total * 3 + j
    while True:
        c -= 1
        if c < 0:
            return total * 100 + i
        while c > 5:
            c -= 2
            total += 1


@helper
def divide(a: Any, b: Any) -> Any:
    if b == 0:
        return -1, 0
    return a // b, a % b


@entry
def tuples(a: Any, b: Any, c: Any) -> Any:
    quotient, rest = divide(a, b)
    quotient, rest = rest, quotient
    again, _ = divide(quotient, c)
    return quotient * 10000 + rest * 100 + again


@helper
def nothing(a: Any) -> None:
    """Returns nothing, which is 0."""


@entry
def calls(a: Any, b: Any, c: Any) -> Any:
    nothing(a)
    return operators(a, b, c) - truths(c, b, a)


NUMBERS = st.integers(-50, 50)


@pytest.mark.parametrize("kernel", [operators, truths, loops, tuples, calls], ids=lambda kernel: kernel.__name__)
@given(a=NUMBERS, b=NUMBERS, c=NUMBERS)
def test_compiled_functions_equal_python(kernel: Kernel, a: int, b: int, c: int) -> None:
    assert kernel.direct(a, b, c) == kernel.function(a, b, c)


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
        with np.errstate(over="ignore"):
            status = run(table.ctypes.data, source, words, data if run is items.direct else _Wrapping(data))
        results.append((status, words.tolist(), data.tolist(), small.tolist(), int(table[4])))
    assert results[0] == results[1]


class _Wrapping:
    """A NumPy array that cuts what is written to it, as NumPy 1 did."""

    def __init__(self, array: Any) -> None:
        self.array, self.ctypes = array, array.ctypes

    def __setitem__(self, i: int, value: Any) -> None:
        self.array[i] = int(value) & 0xFF


@entry
def wrapping(a: Any) -> Any:
    return a * a


def test_arithmetic_wraps_around() -> None:
    assert wrapping.direct(1 << 62) == 0 and wrapping.direct(3037000500) == 3037000500**2 - (1 << 64)


# --- Calls ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "arguments", "error"),
    [
        (tuples, (1, 2), TypeError),
        (tuples, (1, 2, 3, 4), TypeError),
        (tuples, (1, 2, "3"), TypeError),
        (tuples, (1, 2, 3.0), TypeError),
        (tuples, (1, 2, 1 << 63), OverflowError),
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
    assert tuples(np.int64(7), np.int32(2), True) == tuples.function(7, 2, 1)


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


@helper
def recursive(a: Any) -> Any:
    return recursive(a - 1) if a else 0


def _undefined(a: Any) -> Any:
    return missing_name + a  # type: ignore[name-defined]  # noqa: F821


def _changes_kind(a: Any) -> Any:
    b = 0
    if a:
        b = table_at(a)
    return b


def _no_items(a: Any) -> Any:
    return a[0]


def _wrong_call(a: Any) -> Any:
    return print(a)


def _list(a: Any) -> Any:
    return [a]


def _try(a: Any) -> Any:
    try:
        return a
    finally:
        pass


def _two_kinds(a: Any) -> Any:
    if a:
        return a, a
    return a


def _for_each(a: Any) -> Any:
    for b in (a, a):
        a += b
    return a


def _power(a: Any) -> Any:
    return a**2


def _calls_itself(a: Any) -> Any:
    return recursive(a)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (_undefined, "missing_name is not defined"),
        (_changes_kind, "b is int elsewhere, here p64"),
        (_no_items, "a is an integer, it has no items"),
        (_wrong_call, "print is not a kernel's helper"),
        (_list, "no List expressions"),
        (_try, "no Try statements"),
        (_two_kinds, "elsewhere"),
        (_for_each, "a for loop is: for name in range"),
        (_power, "no Pow"),
        (_calls_itself, "recursive calls itself"),
    ],
)
def test_what_kernels_cannot_is_refused_with_its_place(function: Any, says: str) -> None:
    with pytest.raises(Unsupported, match=says) as caught:
        _ = Kernel(function, {}, False).direct
    assert "itself" in says or f"{__file__}:" in str(caught.value)


@entry(reads={"numbers": 64})
def writes_what_it_reads(numbers: Any) -> Any:
    numbers[0] = 1
    return 0


def test_arrays_declared_to_be_read_cannot_be_written() -> None:
    with pytest.raises(Unsupported, match="read only"):
        _ = writes_what_it_reads.direct
