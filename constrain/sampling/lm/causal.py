"""``CausalModel``: any causal model of transformers behind a prompt, as the samplers want it.

Laws are float64 log-softmaxes of the model's scores, over the whole width of its head. The prompt is read once, and so
is each token behind it, whatever slots pass there: texts are read as a tree (``readers.py``) where a short examination
finds that the model allows it (``examination.py``), else plainly, which is right and slow. ``kv`` says which.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from constrain.errors import ConstrainError, LimitExceeded
from constrain.sampling.lm.attention import most_positions
from constrain.sampling.lm.examination import Examination, examine
from constrain.sampling.lm.kvtree import Text
from constrain.sampling.lm.model import Laws, Request, Usage
from constrain.sampling.lm.readers import Forward, PlainReader, TreeReader

MAX_BYTES = 2**31
PIECE = 64  # laws held at a time where a whole text is scored
SAMPLES = 8  # values of each parameter that go into the key


class CausalModel:
    """The law of a causal model of transformers behind ``prompt_ids``; a :class:`LanguageModel`.

    ``model``       in evaluation mode, on any device, in any number format
    ``prompt_ids``  token ids, at least one: a sequence, an array, or a tensor of one row (``encode_prompt`` makes them)
    ``width``       only for models that do not say how wide their scores are
    ``max_bytes``   bound on the keys and values kept; beyond it those used least recently are computed again
    ``name``        for ``key``, instead of the last part of the model's ``name_or_path``

    ``usage`` counts forward passes and the tokens in them, without the few of the examination at first use. Raises
    ``ValueError`` for a model in training mode, an encoder-decoder, and ids that are none of its own.
    """

    def __init__(
        self,
        model: Any,
        prompt_ids: Sequence[int] | npt.NDArray[Any] | torch.Tensor,
        *,
        width: int | None = None,
        max_bytes: int = MAX_BYTES,
        name: str | None = None,
    ) -> None:
        _check_model(model)
        self.usage = Usage()
        self.prompt = _flat(prompt_ids)
        self.width = width or _head_width(model)
        self._forward = Forward(model)
        self._max_bytes = max_bytes
        self._most_positions = most_positions(self._forward.config)
        self._check([Request(())])
        self._check_ids(self.prompt)
        self.key = f"{name or Path(model.name_or_path).name}|{fingerprint(model)}|{_digest(self.prompt)}"

    @property
    def kv(self) -> Literal["tree", "none"]:
        """Whether keys and values are kept in a tree, or not at all, for ``kv_reason``."""
        return "tree" if self.kv_reason is None else "none"

    @property
    def kv_reason(self) -> str | None:
        """Why no keys and values are kept; ``None`` where they are."""
        return self._examination.reason

    def laws(self, requests: Sequence[Request]) -> list[Laws]:
        """See :class:`LanguageModel`. Raises ``ValueError`` for ids the model does not have, and
        :class:`LimitExceeded` for texts longer than its positions or than ``max_bytes``."""
        if not requests:
            return []
        self._check(requests)
        laws = self._reader.read(requests)
        if laws[0].shape[-1] != self.width:
            raise ConstrainError(f"the model's scores are {laws[0].shape[-1]} wide: give width=, not {self.width}")
        return laws

    def log_probabilities(self, ids: Sequence[int]) -> Laws:
        """``[len(ids)]``: the logarithm of each token's probability after the prompt and the tokens before it.

        An end of sequence counts where ``ids`` has it. Read in one pass for each 64 tokens.
        """
        text = tuple(ids)
        pieces = [np.zeros(0)]
        for start in range(0, len(text), PIECE):
            targets = text[start : start + PIECE]
            [laws] = self.laws([Request(text[:start], targets[:-1])])
            pieces.append(laws[np.arange(len(targets)), targets])
        return np.concatenate(pieces)

    @cached_property
    def _examination(self) -> Examination:
        examination = examine(self._forward)
        if examination.reason is not None:
            warnings.warn(
                f"{type(self._forward.model).__name__} is read from the beginning for every law, with no keys and "
                f"values kept: {examination.reason}",
                stacklevel=4,
            )
        return examination

    @cached_property
    def _reader(self) -> TreeReader | PlainReader:
        if self.kv == "none":
            return PlainReader(self._forward, self.prompt, self.usage)
        return TreeReader(self._forward, self.prompt, self.usage, self._max_bytes, self._examination.entry_bytes)

    def _check(self, requests: Sequence[Request]) -> None:
        length = len(self.prompt) + max(sum(map(len, request)) for request in requests)
        if self._most_positions is not None and length > self._most_positions:
            hint = "give fewer tokens, or a shorter prompt: what the model says of longer texts is not defined"
            raise LimitExceeded("tokens of prompt and text", length, self._most_positions, hint)
        for request in requests:
            self._check_ids(request.prefix)
            self._check_ids(request.ahead)

    def _check_ids(self, ids: Text) -> None:
        if ids and not (min(ids) >= 0 and max(ids) < self._forward.vocabulary):
            bad = min(ids) if min(ids) < 0 else max(ids)
            raise ValueError(f"token id {bad}: the model has ids 0 to {self._forward.vocabulary - 1}")


def fingerprint(model: Any) -> str:
    """A digest of number format, and of name, shape and a few values of each parameter: cheap, and not proof."""
    digest = hashlib.sha256(str(model.dtype).encode())
    for name, parameter in model.named_parameters():
        digest.update(f"{name}{tuple(parameter.shape)}".encode())
        if not parameter.is_meta and parameter.numel():
            values = parameter.detach().reshape(-1)[:: max(1, parameter.numel() // SAMPLES)]
            digest.update(values.contiguous().view(torch.uint8).cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _digest(ids: Text) -> str:
    return hashlib.sha256(np.array(ids, np.int64).tobytes()).hexdigest()[:16]


def _flat(ids: Any) -> Text:
    rows = np.asarray(ids.tolist() if hasattr(ids, "tolist") else ids)
    if rows.ndim == 2 and len(rows) == 1:
        rows = rows[0]
    if rows.ndim != 1 or not len(rows) or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(f"a prompt is a row of at least one token id, not {np.shape(ids)}: see encode_prompt")
    return tuple(rows.tolist())


def _head_width(model: Any) -> int:
    head = model.get_output_embeddings()
    if head is None or not hasattr(head, "weight"):
        raise ValueError(f"{type(model).__name__} does not say how wide its scores are: give width=")
    return int(getattr(head, "out_features", head.weight.shape[0]))


def _check_model(model: Any) -> None:
    if model.training:
        raise ValueError("the model is in training mode, where dropout makes its laws random: call model.eval()")
    if getattr(model.config, "is_encoder_decoder", False):
        raise ValueError(f"{type(model).__name__} is an encoder-decoder; a causal (decoder-only) model is needed")
