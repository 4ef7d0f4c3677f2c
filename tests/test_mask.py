"""``apply_mask`` against a loop over bits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from constrain import mask
from constrain.errors import VocabularyError
from constrain.mask import apply_mask, apply_mask_, apply_mask_and_look, expand_words

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


@pytest.fixture(params=["kernel", "torch"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to apply bits: the host's kernel, and the torch operations of other devices (run on the host)."""
    if request.param == "torch":
        monkeypatch.setattr(mask, "_is_plain", lambda scores: False)
    return str(request.param)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("as_tensor", [False, True])
def test_equals_a_loop_over_bits(width: int, dtype: torch.dtype, as_tensor: bool, path: str) -> None:
    rows = 3
    words = clear_past(random_words(rows, (width + 31) // 32, seed=width), width)
    scores = torch.randn(rows, width, generator=torch.Generator().manual_seed(width)).to(dtype)
    before = scores.clone()
    masked = apply_mask(scores, torch.from_numpy(words) if as_tensor else words)
    assert masked.tolist() == by_bits(scores, words)
    assert masked.dtype == dtype and masked.shape == scores.shape
    assert torch.equal(scores, before) and masked.data_ptr() != scores.data_ptr()
    looked, choices = apply_mask_and_look(scores, words)
    assert torch.equal(looked, masked) and choices.tolist() == [max(row) > -math.inf for row in masked.tolist()]
    assert torch.equal(scores, before)
    same = apply_mask_(scores, torch.from_numpy(words) if as_tensor else words)
    assert same is scores and torch.equal(scores, masked)


def sparse_words(rows: int, words: int, seed: int) -> np.ndarray:
    """Mostly words without a bit and words with all of them, as masks are."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, size=(rows, words))
    return np.where(kinds == 0, 0, np.where(kinds == 1, -1, random_words(rows, words, seed))).astype(np.int32)


@pytest.mark.parametrize("dtype", DTYPES)
def test_words_that_are_empty_or_full(dtype: torch.dtype, path: str) -> None:
    words = clear_past(sparse_words(20, 7, seed=3), 210)
    scores = torch.randn(20, 210, generator=torch.Generator().manual_seed(2)).to(dtype)
    scores[:, ::5], scores[3, ::7] = -math.inf, math.nan
    wanted = torch.tensor(by_bits(scores, words), dtype=dtype)
    assert torch.equal(apply_mask(scores, words).nan_to_num(7.0), wanted.nan_to_num(7.0))
    assert torch.equal(apply_mask_(scores, words).nan_to_num(7.0), wanted.nan_to_num(7.0))


def test_rows_without_a_choice(path: str) -> None:
    words = np.array([[0, 0], [1, 0], [2, 0], [-1, -1], [-1, -1], [0, 1]], np.int32)
    scores = torch.zeros(6, 70)
    scores[1, 0] = scores[4] = -math.inf
    masked, choices = apply_mask_and_look(scores, words)
    assert choices.tolist() == [False, False, True, True, False, True]
    assert masked.tolist() == by_bits(scores, words)


def test_in_place_in_a_view_with_rows_apart(path: str) -> None:
    block = torch.randn(3, 4, 70, generator=torch.Generator().manual_seed(1))
    words = sparse_words(3, 2, seed=8)
    others, wanted = block.clone(), by_bits(block[:, 2, :], words)
    view = block[:, 2, :]
    assert apply_mask_(view, words) is view and view.tolist() == wanted
    assert torch.equal(block[:, [0, 1, 3]], others[:, [0, 1, 3]])


def test_views_whose_columns_lie_apart(path: str) -> None:
    words = sparse_words(3, 2, seed=8)
    scores = torch.randn(70, 3, generator=torch.Generator().manual_seed(1)).T
    wanted = by_bits(scores, words)
    assert apply_mask(scores, words).tolist() == wanted
    assert apply_mask_(scores, words).tolist() == wanted == scores.tolist()


def test_rows_that_share_memory(path: str) -> None:
    scores, words = torch.randn(1, 40).expand(3, 40), sparse_words(3, 1, seed=2)
    assert apply_mask(scores, words).tolist() == by_bits(scores, words)
    with pytest.raises(ValueError, match="same memory"):
        apply_mask_(scores, words)


def test_no_rows(path: str) -> None:
    assert apply_mask(torch.zeros(0, 40), np.zeros((0, 2), np.int32)).shape == (0, 40)
    assert apply_mask_(torch.zeros(0, 40), np.zeros((0, 2), np.int32)).shape == (0, 40)


def test_gradients_pass_where_ids_are_allowed() -> None:
    scores = torch.zeros(1, 40, requires_grad=True)
    masked = apply_mask(scores, np.array([[5, 0]], np.int32))
    masked[masked > -math.inf].sum().backward()
    assert scores.grad is not None and scores.grad.nonzero()[:, 1].tolist() == [0, 2]


def test_bits_without_the_host() -> None:
    """The unpacking that other devices do, against NumPy's."""
    words = random_words(4, 3, seed=11)
    for width in (1, 95, 96, 130):
        assert torch.equal(mask._unpack_there(torch.from_numpy(words), width), expand_words(words, width))


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
