"""The vocabulary as a byte trie in flat arrays, nodes in preorder."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constrain import disk
from constrain.vocab.vocabulary import Vocabulary

Ints = npt.NDArray[np.int32]
WORTH_KEEPING = 4096  # tokens
_Longs = npt.NDArray[np.int64]


class Trie(NamedTuple):
    """Node 0 is the root; node n's subtree is ``n .. end[n] - 1``, so its tokens are one range of ``ids``.

    byte    (nodes,) uint8   the byte on the edge into the node (0 for the root)
    end     (nodes,) int32   first node after the subtree
    kid0    (nodes + 1,)     children of n: ``kid[kid0[n] : kid0[n + 1]]``, ascending by byte
    kid     (nodes - 1,)
    token0  (nodes + 1,)     ids that end at n: ``ids[token0[n] : token0[n + 1]]``
    ids     (tokens,)        all ids with bytes, in the order of their bytes
    root    (256,)           child of the root for each byte, 0 for none
    """

    byte: npt.NDArray[np.uint8]
    end: Ints
    kid0: Ints
    kid: Ints
    token0: Ints
    ids: Ints
    root: Ints


def build_trie(vocabulary: Vocabulary) -> Trie:
    """Sort tokens by bytes; each adds the nodes past the prefix it shares with the one before it.

    Vectorised over tokens, one step a byte position: O(tokens x longest token) simple NumPy work. Kept on disk, under a
    hash of the tokens' bytes and of this code, where it takes longer than to read a file.
    """
    packed = vocabulary.packed
    if len(packed) < WORTH_KEEPING:
        return sort_tokens(vocabulary)
    kept = disk.cache_root() / "tries" / f"{disk.key(__file__, packed.starts.data, packed.data.data)}.bin"
    found = disk.load_arrays(kept)
    if found is not None:
        return Trie(**found[0])
    trie = sort_tokens(vocabulary)
    disk.save_arrays(kept, trie._asdict())
    return trie


def sort_tokens(vocabulary: Vocabulary) -> Trie:
    """The trie, from scratch."""
    ids_by_bytes = vocabulary.ids_by_bytes
    texts = sorted(ids_by_bytes)
    ids = [ids_by_bytes[text] for text in texts]
    length = np.array([len(text) for text in texts], np.int64)
    start = np.cumsum(length) - length
    data = np.frombuffer(b"".join(texts), np.uint8)
    shared = _shared_with_former(data, start, length)
    first = 1 + np.cumsum(length - shared) - (length - shared)  # first new node of each token
    nodes = int(1 + (length - shared).sum())
    # Node k of token i, counted from its first new one, is its byte at position shared[i] + k.
    owner = np.repeat(np.arange(len(texts)), length - shared)
    position = np.arange(1, nodes) - first[owner] + shared[owner]
    parents = _parents(shared, first, position, nodes)
    count = np.zeros(nodes + 1, np.int64)
    count[1 + first + length - shared - 1] = [len(same) for same in ids]  # shifted by one: cumulated below
    return Trie(
        byte=np.concatenate((np.zeros(1, np.uint8), data[start[owner] + position])),
        end=_ends(shared, first, owner, position, nodes),
        kid0=np.concatenate(([0], np.cumsum(np.bincount(parents, minlength=nodes)))).astype(np.int32),
        # Preorder numbers of siblings ascend with their bytes, and a stable sort by parent keeps that order.
        kid=(np.argsort(parents, kind="stable") + 1).astype(np.int32),
        token0=np.cumsum(count).astype(np.int32),
        ids=np.array([i for same in ids for i in same], np.int32),
        root=_root_table(data, start, shared, first),
    )


def _shared_with_former(data: npt.NDArray[np.uint8], start: _Longs, length: _Longs) -> _Longs:
    """Length of the prefix that each (sorted, distinct) token shares with the one before it."""
    shared = np.zeros(len(start), np.int64)
    alive = np.arange(1, len(start))
    position = 0
    while len(alive):
        alive = alive[(length[alive] > position) & (length[alive - 1] > position)]
        alive = alive[data[start[alive] + position] == data[start[alive - 1] + position]]
        shared[alive] += 1
        position += 1
    return shared


def _parents(shared: _Longs, first: _Longs, position: _Longs, nodes: int) -> _Longs:
    """Parent of each node but the root: the node before it, or for a token's first new node the last node before it
    that is one byte shallower."""
    parents = np.arange(nodes - 1)
    for depth in np.unique(shared):
        tokens = np.flatnonzero(shared == depth)
        above = np.flatnonzero(position == depth - 1) + 1 if depth else np.zeros(1, np.int64)
        parents[first[tokens] - 1] = above[np.searchsorted(above, first[tokens]) - 1]
    return parents


def _ends(shared: _Longs, first: _Longs, owner: _Longs, position: _Longs, nodes: int) -> Ints:
    """A subtree ends where the next token branches off at or above its node."""
    end = np.full(nodes, nodes, np.int32)
    for depth in range(int(position.max(initial=-1)) + 1):
        here = np.flatnonzero(position == depth)
        branching = np.flatnonzero(shared <= depth)
        starts = np.append(first[branching], nodes)
        end[here + 1] = starts[np.searchsorted(branching, owner[here], side="right")]
    return end


def _root_table(data: npt.NDArray[np.uint8], start: _Longs, shared: _Longs, first: _Longs) -> Ints:
    root = np.zeros(256, np.int32)
    fresh = shared == 0
    root[data[start[fresh]]] = first[fresh]
    return root
