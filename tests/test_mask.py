"""``apply_mask`` against a loop over bits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from constrain.errors import VocabularyError
from constrain.mask import apply_mask, expand_words

WIDTHS = [1, 31, 32, 33, 63, 64, 65, 96, 100, 257]
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]


def random_words(rows: int, words: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(-(2**31), 2**31, size=(rows, words), dtype=np.int64).astype(np.int32)


def clear_past(words: np.ndarray, width: int) -> np.ndarray:
    flags = np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little")
    flags[:, width:] = 0
    return np.packbits(flags, axis=-1, bitorder="little").view(np.int32)


def is_set(row: np.ndarray, token: int) -> bool:
    return token >> 5 < len(row) and bool((int(row[token >> 5]) >> (token & 31)) & 1)


def by_bits(scores: torch.Tensor, words: np.ndarray) -> list[list[float]]:
    return [
        [float(s) if is_set(row, t) else -math.inf for t, s in enumerate(line)]
        for line, row in zip(scores, words, strict=True)
    ]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("as_tensor", [False, True])
def test_equals_a_loop_over_bits(width: int, dtype: torch.dtype, as_tensor: bool) -> None:
    rows = 3
    words = clear_past(random_words(rows, (width + 31) // 32, seed=width), width)
    scores = torch.randn(rows, width, generator=torch.Generator().manual_seed(width)).to(dtype)
    before = scores.clone()
    masked = apply_mask(scores, torch.from_numpy(words) if as_tensor else words)
    assert masked.tolist() == by_bits(scores, words)
    assert masked.dtype == dtype and masked.shape == scores.shape
    assert torch.equal(scores, before) and masked.data_ptr() != scores.data_ptr()


@pytest.mark.parametrize("as_tensor", [False, True])
def test_scores_wider_than_the_words_are_forbidden_there(as_tensor: bool) -> None:
    words = random_words(2, 2, seed=5)
    given = torch.from_numpy(words) if as_tensor else words
    masked = apply_mask(torch.zeros(2, 130), given)
    assert torch.isneginf(masked[:, 64:]).all()
    assert masked.tolist() == by_bits(torch.zeros(2, 130), words)


@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("width", [31, 32, 33, 40])
def test_scores_narrower_than_the_words(width: int, as_tensor: bool) -> None:
    words = clear_past(random_words(2, 3, seed=7), width)
    given = torch.from_numpy(words) if as_tensor else words
    assert apply_mask(torch.zeros(2, width), given).tolist() == by_bits(torch.zeros(2, width), words)
    words[1, 2] = 1 << 6
    with pytest.raises(VocabularyError, match=rf"allows id 70, but the scores have only {width} columns"):
        apply_mask(torch.zeros(2, width), torch.from_numpy(words) if as_tensor else words)


def test_a_strided_view_is_masked_and_left_alone() -> None:
    block = torch.randn(2, 4, 40, generator=torch.Generator().manual_seed(1))
    words = clear_past(random_words(2, 2, seed=9), 40)
    copy = block.clone()
    assert apply_mask(block[:, 2, :], words).tolist() == by_bits(copy[:, 2, :], words)
    assert torch.equal(block, copy)


def test_expand_words_drops_and_pads() -> None:
    words = np.array([[5, -1]], dtype=np.int32)
    assert expand_words(words, 4).tolist() == [[True, False, True, False]]
    for given in (words, torch.from_numpy(words)):
        wide = expand_words(given, 70)
        assert wide.dtype == torch.bool and wide.shape == (1, 70)
        assert wide[0, 32:64].all() and not wide[0, 64:].any()


@pytest.mark.parametrize(
    ("scores", "words", "message"),
    [
        (torch.zeros(32), np.zeros((1, 1), np.int32), r"\[rows, width\], not \(32,\)"),
        (torch.zeros(1, 2, 32), np.zeros((1, 1), np.int32), r"\[rows, width\], not \(1, 2, 32\)"),
        (torch.zeros(1, 32, dtype=torch.int64), np.zeros((1, 1), np.int32), "floating dtype"),
        (torch.zeros(1, 32), np.zeros((1, 1), np.int64), "must be int32, not int64"),
        (torch.zeros(1, 32), np.zeros((2, 1), np.int32), r"\(2, 1\) do not fit scores \(1, 32\)"),
        (torch.zeros(1, 32), np.zeros(1, np.int32), "do not fit"),
    ],
)
def test_wrong_arguments_are_named(scores: torch.Tensor, words: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        apply_mask(scores, words)
