"""Mask bits meet logits: the one place where int32 words become ``-inf`` in a score tensor.

A mask row is ``ceil(n / 32)`` int32 words; bit ``t & 31`` (least significant first) of word ``t >> 5`` is set if
and only if id ``t`` is allowed (``tokens/base.py``). The width always comes from the scores: the head of a model is
often wider than its tokenizer, and every id that the words do not reach is forbidden.
"""

from __future__ import annotations

import numpy as np
import torch

from constrain.errors import VocabularyError
from constrain.tokens.base import Words

BITS = 32


def apply_mask(scores: torch.Tensor, words: Words | torch.Tensor) -> torch.Tensor:
    """A new tensor: ``scores`` where the bit of the id is set, ``-inf`` elsewhere. Nothing is changed in place.

    ``scores``  ``[rows, width]``, any floating dtype, any device.
    ``words``   ``[rows, W]`` int32, NumPy or torch. ``32 * W`` may be less than ``width`` (the rest is forbidden)
                or more (then no bit at or past ``width`` may be set).
    Raises ``ValueError`` for other shapes or dtypes, ``VocabularyError`` when an allowed id has no score.
    """
    _check_shapes(scores, words)
    width = scores.shape[-1]
    if words.shape[-1] * BITS > width:
        _check_tail(words, width)
    return keep_allowed(scores, expand_words(words, width, scores.device))


def keep_allowed(scores: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """A new tensor: ``scores`` where ``allowed`` (bool, same shape), ``-inf`` elsewhere."""
    return torch.where(allowed, scores, -torch.inf)


def expand_words(words: Words | torch.Tensor, width: int, device: torch.device | str | None = None) -> torch.Tensor:
    """Bit words ``[..., W]`` (int32) as bool ``[..., width]`` on ``device`` (default: where the words are).

    Bits past ``width`` are dropped; ids that the words do not reach are ``False``. No host synchronisation when
    ``words`` is a tensor that is on ``device`` already, so the call may be captured in a CUDA graph.
    """
    if isinstance(words, np.ndarray):
        target = torch.device("cpu" if device is None else device)
        if target.type == "cpu":
            return torch.from_numpy(_unpack(words, width))
        words = torch.from_numpy(np.ascontiguousarray(words))  # upload the bits: a word is 32 times smaller
    words = words if device is None else words.to(device)
    shifts = torch.arange(BITS, dtype=torch.int32, device=words.device)
    bits = ((words.unsqueeze(-1) >> shifts) & 1).to(torch.bool).flatten(-2)[..., :width]
    return torch.nn.functional.pad(bits, (0, width - bits.shape[-1]))


def _unpack(words: Words, width: int) -> np.ndarray:
    data = np.ascontiguousarray(words, dtype="<i4").view(np.uint8)
    return np.unpackbits(data, axis=-1, count=width, bitorder="little").view(np.bool_)


def _check_shapes(scores: torch.Tensor, words: Words | torch.Tensor) -> None:
    if scores.dim() != 2:
        raise ValueError(
            f"scores must be [rows, width], not {tuple(scores.shape)}: give one row per sequence "
            "(scores[None] for a single one)"
        )
    if not scores.dtype.is_floating_point:
        raise ValueError(f"scores of dtype {scores.dtype} cannot hold -inf: convert them to a floating dtype")
    if words.dtype not in (torch.int32, np.dtype(np.int32)):
        raise ValueError(f"mask words must be int32, not {words.dtype}")
    if words.ndim != 2 or words.shape[0] != scores.shape[0]:
        raise ValueError(f"mask words {tuple(words.shape)} do not fit scores {tuple(scores.shape)}: one row for each")


def _check_tail(words: Words | torch.Tensor, width: int) -> None:
    """No bit at or past ``width`` may be set: such an id is allowed, but has no score."""
    tail = words[:, width // BITS :]
    allowed = expand_words(tail, tail.shape[-1] * BITS)[:, width % BITS :]
    if bool(allowed.any()):
        last = width + int(allowed.any(dim=0).nonzero().max())
        raise VocabularyError(
            f"the mask allows id {last}, but the scores have only {width} columns: "
            "this model is narrower than the vocabulary that the grammar was compiled for"
        )
