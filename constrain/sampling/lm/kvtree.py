"""``PrefixTree`` and ``PooledCache``: the positions of all texts read so far, each with one entry of keys and values.

A transformer reads a token by the keys and values of the tokens before it. Texts behind one prompt share beginnings,
so what was read is a tree. Each node owns one entry in pools that all texts share, and a token that is read is masked
to see its ancestors and itself: tree attention (Miao et al., SpecInfer, ASPLOS 2024, "tree-based parallel decoding").
So nothing is padded, nothing copied where texts fork, and nothing reordered when slots are resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from transformers.cache_utils import Cache

Text = tuple[int, ...]
Integers = npt.NDArray[np.int64]
Visible = npt.NDArray[np.bool_]

FIRST_CAPACITY = 64  # entries of a new pool; it grows by doubling
SPAN = 2  # pools are sliced, not gathered, where no more than this many times the entries needed lie in the slice


class Feed(NamedTuple):
    """A token to be read: its node, and the nodes behind the prompt that it sees, itself the last: ``path[:length]``.

    A token of the prompt has no path: it sees the prompt up to itself.
    """

    node: int
    token: int
    path: list[int]
    length: int


class PrefixTree:
    """Which node each beginning of a text owns. Nodes ``0 .. len(prompt) - 1`` are the prompt; they always stay.

    At most ``limit`` nodes are kept: where a new one finds no room, ends of texts are forgotten, those first that were
    not asked about for longest, and never one of the present call.
    """

    def __init__(self, prompt: Text, limit: int) -> None:
        self.prompt = prompt
        self.limit = limit
        self.root = len(prompt) - 1
        self.depths = list(range(len(prompt)))
        self._tokens = list(prompt)
        self._parents = list(range(-1, self.root))
        self._children: list[dict[int, int]] = [{} for _ in prompt]
        self._asked = [0] * len(prompt)  # the call that last asked about the node
        self._free: list[int] = []
        self._call = 0

    def fits(self, texts: Sequence[Text]) -> bool:
        """Is there room for the prompt and all of ``texts`` at once?"""
        room = self.limit - len(self.prompt)
        return sum(map(len, texts)) <= room or distinct_beginnings(texts) <= room

    def enter(self, texts: Sequence[Text]) -> tuple[list[list[int]], list[Feed]]:
        """The nodes of each text, and feeds for those that are new, parents before children.

        The texts must fit (:meth:`fits`). Whoever does not read the new ones drops them again.
        """
        self._call += 1
        paths = [self._known(text) for text in texts]
        new: list[Feed] = []
        for path, text in zip(paths, texts, strict=True):
            self._extend(path, text, new)
        return paths, new

    def drop(self, node: int) -> None:
        """Forget a node without children, behind the prompt."""
        del self._children[self._parents[node]][self._tokens[node]]
        self._parents[node] = -1
        self._free.append(node)

    def visible(self, feeds: Sequence[Feed]) -> tuple[Integers, Visible]:
        """Entries ``[K]`` that ``feeds`` need, ascending, and which of them each feed sees: ``[len(feeds), K]``.

        Where at least half of the first entries are needed, the entries are all of them: ``0 .. K - 1``.
        """
        seen = np.zeros((len(feeds), len(self.depths)), np.bool_)
        for row, feed in zip(seen, feeds, strict=True):
            row[: min(feed.node, self.root) + 1] = True
            row[feed.path[: feed.length]] = True
        entries = np.flatnonzero(seen.any(axis=0))
        if int(entries[-1]) < SPAN * len(entries):
            entries = np.arange(entries[-1] + 1)
        return entries, seen[:, entries]

    def _known(self, text: Text) -> list[int]:
        """The nodes of the longest beginning that has them; they are asked about now."""
        node, path = self.root, []
        for token in text:
            child = self._children[node].get(token)
            if child is None:
                break
            self._asked[child] = self._call
            path.append(child)
            node = child
        return path

    def _extend(self, path: list[int], text: Text, new: list[Feed]) -> None:
        node = path[-1] if path else self.root
        for token in text[len(path) :]:
            child = self._children[node].get(token)
            if child is None:
                child = self._add(node, token)
                new.append(Feed(child, token, path, len(path) + 1))
            path.append(child)
            node = child

    def _add(self, parent: int, token: int) -> int:
        if not self._free and len(self._parents) >= self.limit:
            self._forget()
        node = self._free.pop() if self._free else self._append()
        self._parents[node], self._tokens[node] = parent, token
        self.depths[node], self._asked[node] = self.depths[parent] + 1, self._call
        self._children[parent][token] = node
        return node

    def _append(self) -> int:
        for column in (self.depths, self._tokens, self._parents, self._asked):
            column.append(-1)
        self._children.append({})
        return len(self._parents) - 1

    def _forget(self) -> None:
        """Make room for an eighth of the limit, so that the search for ends is paid for."""
        ends = [(self._asked[node], node) for node in range(self.root + 1, len(self._parents)) if self._is_end(node)]
        heapify(ends)
        for _ in range(max(1, self.limit // 8)):
            if not ends:
                return
            _, node = heappop(ends)
            parent = self._parents[node]
            self.drop(node)
            if parent > self.root and self._is_end(parent):
                heappush(ends, (self._asked[parent], parent))

    def _is_end(self, node: int) -> bool:
        """Can the node be forgotten: is it an end, and not of the present call?"""
        return self._parents[node] >= 0 and not self._children[node] and self._asked[node] < self._call


def distinct_beginnings(texts: Sequence[Text]) -> int:
    """How many different nonempty beginnings ``texts`` have, which is how many nodes they need."""
    ordered = sorted(texts)
    return sum(map(len, ordered)) - sum(_shared(text, following) for text, following in pairwise(ordered))


def _shared(text: Text, other: Text) -> int:
    """How many tokens both begin with."""
    places = range(min(len(text), len(other)))
    return next((place for place in places if text[place] != other[place]), len(places))


class PooledCache(Cache):
    """Keys and values of at most ``most`` nodes: for each layer two pools ``[heads, capacity, size]``, which double.

    :meth:`aim` says before each forward pass where the tokens that are read put theirs, and which entries they see.
    """

    def __init__(self, most: int) -> None:
        super().__init__(layers=[])
        self._keys: dict[int, torch.Tensor] = {}
        self._values: dict[int, torch.Tensor] = {}
        self._most = most
        self._capacity = min(FIRST_CAPACITY, most)
        self._nodes = self._entries = torch.empty(0, dtype=torch.int64)
        self._sliced = True

    @property
    def entry_bytes(self) -> int:
        """What one node takes in all layers."""
        pools = [*self._keys.values(), *self._values.values()]
        return sum(pool.shape[0] * pool.shape[2] * pool.element_size() for pool in pools)

    def aim(self, nodes: Sequence[int], entries: Integers, device: torch.device) -> None:
        """The next pass reads ``nodes`` and sees ``entries``, which hold ``nodes`` too."""
        while self._capacity <= max(nodes):
            self._capacity = min(2 * self._capacity, self._most)
        self._nodes = torch.tensor(nodes, device=device)
        self._entries = torch.from_numpy(entries).to(device)
        self._sliced = len(entries) == int(entries[-1]) + 1

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep what the layer computed (``[1, heads, nodes, size]``); what is seen: ``[1, heads, entries, size]``."""
        return self._put(self._keys, layer_idx, key_states), self._put(self._values, layer_idx, value_states)

    def blank(self, nodes: Sequence[int]) -> None:
        """Zero the entries of a pass that failed: what is not a number in them would spread through slices."""
        for pool in (*self._keys.values(), *self._values.values()):
            kept = [node for node in nodes if node < pool.shape[1]]
            with torch.inference_mode():
                pool[:, kept] = 0

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Entries that the pass sees and does not compute."""
        return len(self._entries) - len(self._nodes)

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        """Entries that the pass sees, and where they begin."""
        return len(self._entries), 0

    def _put(self, pools: dict[int, torch.Tensor], layer: int, states: torch.Tensor) -> torch.Tensor:
        pool = self._pool(pools, layer, states)
        pool.index_copy_(1, self._nodes.to(pool.device), states[0])
        if self._sliced:
            return pool[None, :, : len(self._entries)]
        return pool.index_select(1, self._entries.to(pool.device))[None]

    def _pool(self, pools: dict[int, torch.Tensor], layer: int, states: torch.Tensor) -> torch.Tensor:
        """The layer's pool, large enough. What was never written is zero: a masked entry must still be a number."""
        pool = pools.get(layer)
        if pool is None:
            pool = pools[layer] = states.new_zeros(states.shape[1], self._capacity, states.shape[3])
        elif pool.shape[1] < self._capacity:
            pool = pools[layer] = torch.nn.functional.pad(pool, (0, 0, 0, self._capacity - pool.shape[1]))
        return pool
