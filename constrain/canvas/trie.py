"""The vocabulary's trie, walked by automata: which nodes live, and what stands at them, in whole arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from constrain.kernels.spelling import walk_trie
from constrain.vocab.trie import Trie

Ids = npt.NDArray[np.int32]
Table = npt.NDArray[np.int32]


class Walker:
    """The vocabulary's trie with what walks need."""

    def __init__(self, trie: Trie) -> None:
        self.trie = trie
        nodes = len(trie.byte)
        self.parent = np.zeros(nodes, np.int32)
        self.parent[trie.kid] = np.repeat(np.arange(nodes, dtype=np.int32), np.diff(trie.kid0))
        self.depth = np.zeros(nodes, np.int32)
        self.has_tokens = np.diff(trie.token0) > 0
        level = np.zeros(1, np.int32)
        depth = 0
        while len(level):
            self.depth[level] = depth
            level, depth = self._kids(level)[0], depth + 1
        self.states = np.zeros(nodes, np.int32)
        self._visited = np.zeros(nodes, np.int32)
        self._walk = walk_trie.direct

    def walk(self, top: int, start: int, dead: int, step: Table) -> npt.NDArray[np.int32]:
        """The nodes below ``top`` where the automaton lives; ``states`` has its states there, until the next walk."""
        trie = self.trie
        count = self._walk(top, start, dead, trie.byte, trie.end, self.parent, step.reshape(-1), self.states,
                           self._visited)  # fmt: skip
        return self._visited[:count].copy()

    def range(self, node: int) -> tuple[int, int]:
        """The tokens at a node and below it, as places in ``trie.ids``; those at the node come first."""
        return int(self.trie.token0[node]), int(self.trie.token0[self.trie.end[node]])

    def ends_at(self, node: int) -> int:
        """How many tokens end at a node."""
        return int(self.trie.token0[node + 1] - self.trie.token0[node])

    def places_of(self, nodes: Ids) -> tuple[Ids, npt.NDArray[np.int64]]:
        """Places of the tokens that end at the nodes, and for each the index of its node."""
        return _gathered(self.trie.token0, np.arange(len(self.trie.ids), dtype=np.int32), nodes)

    def grouped(self, top: int, keys: Ids, without: int) -> Iterator[tuple[int, Ids]]:
        """The tokens below ``top`` by their keys, which are given in the order of the trie; all but those with the key
        ``without``, which mostly are most."""
        first, last = self.range(top)
        places = np.flatnonzero(keys != without)
        order = places[np.argsort(keys[places], kind="stable")]
        distinct, begins = np.unique(keys[order], return_index=True)
        parts = np.split(self.trie.ids[first:last][order], begins[1:])
        yield from zip(distinct.tolist(), parts, strict=False)  # of nothing, one part

    def _kids(self, nodes: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """All children of the nodes, and for each the index of its parent among these."""
        return _gathered(self.trie.kid0, self.trie.kid, nodes)

    def with_child(self, nodes: npt.NDArray[np.int32], alive: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        """Those nodes that have a child on an edge with a byte that is ``alive``."""
        kids, owners = self._kids(nodes)
        return nodes[np.unique(owners[alive[self.trie.byte[kids]]])]


def _gathered(first: Ids, values: Ids, keys: npt.NDArray[np.int32]) -> tuple[Ids, npt.NDArray[np.int64]]:
    """``values[first[k]:first[k + 1]]`` of all keys k in a row, and for each value the index of its key."""
    counts = first[keys + 1] - first[keys]
    owners = np.repeat(np.arange(len(keys)), counts)
    offsets = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    return values[first[keys][owners] + offsets], owners
