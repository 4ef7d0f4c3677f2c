"""Mask bits meet logits: the one place where int32 words become ``-inf`` in a score tensor.

A mask row is ``ceil(n / 32)`` int32 words; bit ``t & 31`` (least significant first) of word ``t >> 5`` is set if
and only if id ``t`` is allowed (``tokens/base.py``). The width always comes from the scores: the head of a model is
often wider than its tokenizer, and every id that the words do not reach is forbidden.

On the host one kernel does a whole batch in one pass (``kernels/apply.py``). On any other device the bits of the
batch are sent once, 32 times smaller than a mask of bytes, and torch operations do the rest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from constrain.errors import VocabularyError
from constrain.kernels.apply import apply_words
from constrain.tokens.base import Words

BITS = 32
Choices = npt.NDArray[np.bool_]

_MINUS_INFINITY = {  # the bits of -inf, as a signed integer
    torch.float16: -0x400,
    torch.bfloat16: -0x80,
    torch.float32: -0x800000,
    torch.float64: -0x10000000000000,
}


def apply_mask(scores: torch.Tensor, words: Words | torch.Tensor) -> torch.Tensor:
    """A new tensor: ``scores`` where the bit of the id is set, ``-inf`` elsewhere. Nothing is changed in place.

    ``scores``  ``[rows, width]``, any floating dtype, any device.
    ``words``   ``[rows, W]`` int32, NumPy or torch. ``32 * W`` may be less than ``width`` (the rest is forbidden)
                or more (then no bit at or past ``width`` may be set).
    Raises ``ValueError`` for other shapes or dtypes, ``VocabularyError`` when an allowed id has no score.
    """
    _check(scores, words)
    if _is_plain(scores):
        return _apply_on_host(scores, words, torch.empty(scores.shape, dtype=scores.dtype))[0]
    return keep_allowed(scores, expand_words(words, scores.shape[-1], scores.device))


def apply_mask_(scores: torch.Tensor, words: Words | torch.Tensor) -> torch.Tensor:
    """``apply_mask`` in place; returns ``scores``. On the host it costs less than a copy of them.

    Also for a view with any distance between its rows, such as ``logits[:, -1, :]``. Raises ``ValueError`` where rows
    are one and the same memory (``expand``), and as ``apply_mask`` does.
    """
    _check(scores, words)
    if len(scores) > 1 and scores.stride(0) == 0:
        raise ValueError("the rows of these scores are one and the same memory (expand): clone them first")
    if _is_plain(scores) and scores.stride(1) == 1 and scores.stride(0) >= scores.shape[1]:
        return _apply_on_host(scores, words, scores)[0]
    return scores.masked_fill_(~expand_words(words, scores.shape[-1], scores.device), -torch.inf)


def apply_mask_and_look(scores: torch.Tensor, words: Words | torch.Tensor) -> tuple[torch.Tensor, Choices]:
    """``apply_mask``, and for each row: is any score left that is not ``-inf``? (The host waits for the answer.)"""
    _check(scores, words)
    if _is_plain(scores):
        return _apply_on_host(scores, words, torch.empty(scores.shape, dtype=scores.dtype))
    masked = keep_allowed(scores, expand_words(words, scores.shape[-1], scores.device))
    return masked, (masked.amax(dim=-1) != -torch.inf).cpu().numpy()


def _is_plain(scores: torch.Tensor) -> bool:
    """May a kernel read and write these scores behind torch's back?"""
    return (
        scores.device.type == "cpu"
        and scores.dtype in _MINUS_INFINITY
        and not scores.requires_grad
        and not torch.compiler.is_compiling()
    )


def _apply_on_host(
    scores: torch.Tensor, words: Words | torch.Tensor, target: torch.Tensor
) -> tuple[torch.Tensor, Choices]:
    """The target, which is ``scores`` itself or new and contiguous; and whether rows have a choice left."""
    bits = np.ascontiguousarray(words.cpu().numpy() if isinstance(words, torch.Tensor) else words)
    rows, width = scores.shape
    source = scores if scores.stride(1) == 1 else scores.contiguous()
    choices = np.zeros(rows, np.bool_)
    apply_words(
        bits.ctypes.data, bits.shape[1], source.data_ptr(), source.stride(0), target.data_ptr(), rows, width,
        scores.element_size(), _MINUS_INFINITY[scores.dtype], choices.ctypes.data,
    )  # fmt: skip
    return target, choices


def keep_allowed(scores: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """A new tensor: ``scores`` where ``allowed`` (bool, same shape), ``-inf`` elsewhere."""
    return torch.where(allowed, scores, -torch.inf)


def expand_words(words: Words | torch.Tensor, width: int, device: torch.device | str | None = None) -> torch.Tensor:
    """Bit words ``[..., W]`` (int32) as bool ``[..., width]`` on ``device`` (default: where the words are).

    Bits past ``width`` are dropped; ids that the words do not reach are ``False``. No host synchronisation when
    ``words`` is a tensor that is on ``device`` already, so the call may be captured in a CUDA graph.
    """
    if device is not None:
        words = _moved(words, torch.device(device))
    if isinstance(words, torch.Tensor) and words.device.type != "cpu":
        return _unpack_there(words, width)
    return torch.from_numpy(_unpack(words.numpy() if isinstance(words, torch.Tensor) else words, width))


def _unpack_there(words: torch.Tensor, width: int) -> torch.Tensor:
    """The bits of words on their device. Bytes of a word lie least significant first, as on all devices."""
    octets = words.contiguous().view(torch.uint8).unsqueeze(-1)
    shifts = torch.arange(8, dtype=torch.uint8, device=words.device)
    bits = ((octets >> shifts) & 1).to(torch.bool).flatten(-2)[..., :width]
    return torch.nn.functional.pad(bits, (0, width - bits.shape[-1]))


def _moved(words: Words | torch.Tensor, device: torch.device) -> Words | torch.Tensor:
    """The words on ``device``; to CUDA without waiting for what it is doing. NumPy's stay so where that is the host."""
    if isinstance(words, np.ndarray):
        if device.type == "cpu":
            return words
        words = torch.from_numpy(np.ascontiguousarray(words))
    if device.type == "cuda" and words.device.type == "cpu":
        return words.pin_memory().to(device, non_blocking=True)
    return words.to(device)


def _unpack(words: Words, width: int) -> np.ndarray:
    data = np.ascontiguousarray(words, dtype="<i4").view(np.uint8)
    return np.unpackbits(data, axis=-1, count=width, bitorder="little").view(np.bool_)


def _check(scores: torch.Tensor, words: Words | torch.Tensor) -> None:
    _check_shapes(scores, words)
    if words.shape[-1] * BITS > scores.shape[-1]:
        _check_tail(words, scores.shape[-1])


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
