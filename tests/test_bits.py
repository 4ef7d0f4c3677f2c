"""Mask rows against Python integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain import bits


def as_int(words: np.ndarray) -> int:
    """The row as one integer whose bit t is id t."""
    return sum((word & 0xFFFFFFFF) << (32 * i) for i, word in enumerate(words.tolist()))


@st.composite
def rows(draw: st.DrawFn) -> tuple[int, set[int]]:
    width = draw(st.integers(1, 200))
    return width, draw(st.sets(st.integers(0, width - 1)))


@given(rows())
def test_round_trip(row: tuple[int, set[int]]) -> None:
    width, ids = row
    words = bits.from_ids(ids, width)
    assert words.dtype == np.int32 and words.shape == (bits.word_count(width),)
    assert as_int(words) == sum(1 << t for t in ids)
    assert bits.ids_of(words).tolist() == sorted(ids)
    assert bits.count(words) == len(ids)
    assert {t for t in range(-40, width + 80) if bits.is_set(words, t)} == ids


@given(rows())
def test_arrays_of_ids_are_taken_too(row: tuple[int, set[int]]) -> None:
    width, ids = row
    array = np.array(sorted(ids), np.int32)
    assert np.array_equal(bits.from_ids(array, width), bits.from_ids(ids, width))


@pytest.mark.parametrize("width,words", [(1, 1), (32, 1), (33, 2), (64, 2), (128_256, 4008)])
def test_row_sizes(width: int, words: int) -> None:
    assert bits.word_count(width) == words
    assert bits.allocate(width).shape == (words,)
    assert bits.allocate(width, rows=3).shape == (3, words)
    assert not bits.allocate(width, rows=3).any()


@pytest.mark.parametrize("ids", [[-1], [40], [3, 40], [-5, 2]])
def test_ids_outside_the_row_are_refused(ids: list[int]) -> None:
    with pytest.raises(ValueError, match="width 40"):
        bits.from_ids(ids, 40)


def test_the_sign_bit_is_an_ordinary_bit() -> None:
    words = bits.from_ids([31], 32)
    assert words.tolist() == [-(2**31)]
    assert bits.ids_of(words).tolist() == [31]


def test_counting_several_rows_and_strided_ones() -> None:
    table = bits.allocate(64, rows=4)
    table[1] = bits.from_ids([0, 33, 63], 64)
    table[3] = bits.from_ids([5], 64)
    assert bits.count(table) == 4
    assert bits.count(table[1::2]) == 4
    assert bits.ids_of(table[:, 1]).tolist() == [33, 63]
