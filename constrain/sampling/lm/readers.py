"""Two ways of reading texts behind a prompt with a transformers model, which give one answer.

:class:`TreeReader` reads each position once, whatever texts it belongs to (``kvtree.py``). :class:`PlainReader` reads
every text from its beginning and keeps nothing: for models that a tree does not fit, and what the tree is checked by.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch

from constrain.errors import ConstrainError, LimitExceeded
from constrain.sampling.lm.attention import layer_kinds, limit_reach, text_config
from constrain.sampling.lm.kvtree import Feed, Integers, PooledCache, PrefixTree, Text, Visible
from constrain.sampling.lm.model import Laws, Request, Usage

MOST_FEEDS = 512  # tokens of one forward pass through the tree
MOST_PLAIN = 2048  # positions of one plain forward pass, padding included; a longer text has a pass of its own


class Forward:
    """Forward passes of a transformers causal model, from ids to laws, without gradients."""

    def __init__(self, model: Any) -> None:
        embedding = model.get_input_embeddings().weight
        self.model = model
        self.config = text_config(model)
        self.takes = frozenset(inspect.signature(model.forward).parameters)
        self.vocabulary: int = embedding.shape[0]
        self.device: torch.device = embedding.device
        self.dtype: torch.dtype = model.dtype

    def laws(self, ids: list[list[int]], keep: list[int] | int, **options: Any) -> Laws:
        """Laws ``[len(ids), kept, width]`` after the positions ``keep`` of each row, or after the last ``keep``.

        Raises :class:`ConstrainError` where the model's scores are no numbers.
        """
        kept = keep if isinstance(keep, int) else torch.tensor(keep, dtype=torch.int64, device=self.device)
        with torch.inference_mode():
            return laws_of(self._logits(torch.tensor(ids, device=self.device), kept, options))

    def _logits(self, ids: torch.Tensor, kept: torch.Tensor | int, options: dict[str, Any]) -> Any:
        if "logits_to_keep" in self.takes:
            return self.model(input_ids=ids, logits_to_keep=kept, **options).logits
        logits = self.model(input_ids=ids, **options).logits
        return logits[:, -kept:] if isinstance(kept, int) else logits[:, kept]


def laws_of(logits: torch.Tensor) -> Laws:
    """Logarithms of probabilities, float64, of scores ``[..., width]`` in any number format, on any device."""
    if logits.device.type == "mps":  # it has no float64
        logits = logits.cpu()
    laws = torch.log_softmax(logits, -1, dtype=torch.float64).cpu().numpy()
    if np.isnan(laws[..., 0]).any():  # the sum of a row is in each of its elements
        raise ConstrainError("the model's scores are not numbers (overflow?): try a wider dtype, such as bfloat16")
    return laws


class TreeReader:
    """Reads texts as a tree: each token once, all new tokens of a call in one pass (of at most ``MOST_FEEDS``).

    ``entry_bytes`` is what keys and values of one token take, and ``max_bytes`` what those of all tokens may.
    """

    def __init__(self, forward: Forward, prompt: Text, usage: Usage, max_bytes: int, entry_bytes: int) -> None:
        self._forward = forward
        self._usage = usage
        self._max_bytes = max_bytes
        self._entry_bytes = entry_bytes
        self._tree = PrefixTree(prompt, max_bytes // entry_bytes)
        self._prompt_read = 0  # tokens of the prompt
        self.cache = PooledCache(self._tree.limit)

    def read(self, requests: Sequence[Request]) -> list[Laws]:
        """As :meth:`LanguageModel.laws`. Raises :class:`LimitExceeded` for a text that the pools cannot hold."""
        texts = [request.prefix + request.ahead for request in requests]
        if not self._tree.fits(texts):
            return self._read_in_halves(requests)
        paths, new = self._tree.enter(texts)
        asked = [_asked(path, request, self._tree) for path, request in zip(paths, requests, strict=True)]
        laws = self._read_feeds(new, {feed.node: feed for feeds in asked for feed in feeds})
        return [np.stack([laws[feed.node] for feed in feeds]) for feeds in asked]

    def _read_in_halves(self, requests: Sequence[Request]) -> list[Laws]:
        half = len(requests) // 2
        if half:
            return self.read(requests[:half]) + self.read(requests[half:])
        raise LimitExceeded(
            "keys and values of one text, in bytes",
            (len(self._tree.prompt) + sum(map(len, requests[0]))) * self._entry_bytes,
            self._max_bytes,
            "give the model a larger max_bytes, or the text a shorter prompt or fewer tokens",
        )

    def _read_feeds(self, new: list[Feed], asked: dict[int, Feed]) -> dict[int, Laws]:
        """Read what is new and, again, what is asked for and known; the laws of what is asked for.

        When a pass fails, what is new is forgotten, as if it had never been entered.
        """
        prompt = self._tree.prompt
        first = [Feed(node, prompt[node], [], 0) for node in range(self._prompt_read, len(prompt))]
        unread = {feed.node for feed in (*first, *new)}
        laws: dict[int, Laws] = {}
        try:
            for part in _parts([*first, *new, *(feed for feed in asked.values() if feed.node not in unread)]):
                laws.update(self._pass(part, asked))
        except BaseException:
            self._undo([feed.node for feed in first], [feed.node for feed in new])
            raise
        self._prompt_read = len(prompt)
        return laws

    def _undo(self, first: list[int], new: list[int]) -> None:
        self.cache.blank(first + new)
        for node in reversed(new):
            self._tree.drop(node)

    def _pass(self, feeds: list[Feed], asked: dict[int, Feed]) -> dict[int, Laws]:
        entries, seen = self._tree.visible(feeds)
        nodes = [feed.node for feed in feeds]
        depths = np.array([self._tree.depths[node] for node in nodes])
        keep = [place for place, node in enumerate(nodes) if node in asked]
        self.cache.aim(nodes, entries, self._forward.device)
        rows = self._forward.laws(
            [[feed.token for feed in feeds]],
            keep,
            attention_mask=self._masks(seen, depths, entries),
            position_ids=torch.from_numpy(depths)[None].to(self._forward.device),
            past_key_values=self.cache,
            use_cache=True,
        )
        self._usage.calls += 1
        self._usage.tokens += len(feeds)
        return {nodes[place]: row for place, row in zip(keep, rows[0], strict=True)}

    def _masks(self, seen: Visible, depths: Integers, entries: Integers) -> Any:
        """The mask of the model's kind of layers, or one for each kind."""
        config = self._forward.config
        kinds = layer_kinds(config)
        if kinds == {"full_attention"}:
            return self._mask(seen)
        keys = np.array([self._tree.depths[entry] for entry in entries.tolist()])
        masks = {kind: self._mask(limit_reach(seen, kind, config, depths, keys)) for kind in kinds}
        return masks if len(masks) > 1 else masks.popitem()[1]

    def _mask(self, seen: Visible) -> torch.Tensor:
        """``[1, 1, Q, K]``: truth values, or for "eager" what is added to scores."""
        mask = torch.from_numpy(seen)[None, None].to(self._forward.device)
        if self._forward.config._attn_implementation == "sdpa":
            return mask
        dtype = self._forward.dtype
        return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min)


def _asked(path: list[int], request: Request, tree: PrefixTree) -> list[Feed]:
    """The tokens after which the request wants laws: the last of its prefix, and those ahead."""
    tokens = request.prefix + request.ahead
    root = [Feed(tree.root, tree.prompt[-1], [], 0)] if not request.prefix else []
    return root + [
        Feed(path[place], tokens[place], path, place + 1)
        for place in range(max(len(request.prefix) - 1, 0), len(tokens))
    ]


def _parts(feeds: list[Feed]) -> Iterator[list[Feed]]:
    rest = iter(feeds)
    while part := list(islice(rest, MOST_FEEDS)):
        yield part


class PlainReader:
    """Reads each text from its beginning, in batches padded at the end, and keeps nothing.

    There is no mask: a causal model does not see what comes later. With one, padding longer than a window would see
    nothing at all, and what is not a number would spread from it.
    """

    def __init__(self, forward: Forward, prompt: Text, usage: Usage) -> None:
        self._forward = forward
        self._prompt = prompt
        self._usage = usage
        self._options = {"use_cache": False} if "use_cache" in forward.takes else {}

    def read(self, requests: Sequence[Request]) -> list[Laws]:
        """As :meth:`LanguageModel.laws`; requests that are the same are read once."""
        laws: dict[Request, Laws] = {}
        for batch in self._batches(sorted(set(requests), key=lambda request: sum(map(len, request)))):
            laws.update(zip(batch, self._pass(batch), strict=True))
        return [laws[request].copy() for request in requests]

    def _batches(self, requests: list[Request]) -> Iterator[list[Request]]:
        """Requests, shortest text first, in batches of at most ``MOST_PLAIN`` positions."""
        batch: list[Request] = []
        for request in requests:
            length = len(self._prompt) + sum(map(len, request))
            if batch and (len(batch) + 1) * length > MOST_PLAIN:
                yield batch
                batch = []
            batch.append(request)
        if batch:
            yield batch

    def _pass(self, batch: list[Request]) -> list[Laws]:
        texts = [[*self._prompt, *request.prefix, *request.ahead] for request in batch]
        longest = max(map(len, texts))
        first = min(len(text) - 1 - len(request.ahead) for text, request in zip(texts, batch, strict=True))
        ids = [text + [text[-1]] * (longest - len(text)) for text in texts]  # what pads does not matter
        rows = self._forward.laws(ids, longest - first, **self._options)
        self._usage.calls += 1
        self._usage.tokens += sum(map(len, texts))
        ends = [len(text) - first for text in texts]
        return [row[end - 1 - len(request.ahead) : end] for row, end, request in zip(rows, ends, batch, strict=True)]
