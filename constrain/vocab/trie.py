"""The vocabulary as a byte trie in flat arrays, nodes in preorder."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constrain.vocab.vocabulary import Vocabulary

Ints = npt.NDArray[np.int32]


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
    """Sort tokens by bytes; each token adds the nodes past its common prefix with the one before. O(total bytes)."""
    pairs = sorted((token, i) for i, token in enumerate(vocabulary.tokens) if token is not None)
    byte, parent, depth_path = bytearray(1), [-1], [0]
    token_node = np.empty(len(pairs), np.int32)
    before = b""
    for index, (token, _) in enumerate(pairs):
        if token != before:
            shared = _common_prefix(before, token)
            del depth_path[shared + 1 :]
            for value in token[shared:]:
                parent.append(depth_path[-1])
                depth_path.append(len(byte))
                byte.append(value)
            before = token
        token_node[index] = depth_path[-1]
    nodes = len(byte)
    parents = np.array(parent, np.int32)
    return Trie(
        byte=np.frombuffer(bytes(byte), np.uint8),
        end=_ends(parents),
        kid0=np.concatenate(([0], np.cumsum(np.bincount(parents[1:], minlength=nodes)))).astype(np.int32),
        # Preorder numbers of siblings ascend with their bytes, and a stable sort by parent keeps that order.
        kid=(np.argsort(parents[1:], kind="stable") + 1).astype(np.int32),
        token0=np.concatenate(([0], np.cumsum(np.bincount(token_node, minlength=nodes)))).astype(np.int32),
        ids=np.array([i for _, i in pairs], np.int32),
        root=_root_table(parents, byte),
    )


def _common_prefix(left: bytes, right: bytes) -> int:
    limit = min(len(left), len(right))
    for i in range(limit):
        if left[i] != right[i]:
            return i
    return limit


def _ends(parents: Ints) -> Ints:
    """End of each subtree: a child's end is at most its parent's, and the last child's equals it."""
    end = list(range(1, len(parents) + 1))
    for node in range(len(parents) - 1, 0, -1):
        parent = parents[node]
        if end[node] > end[parent]:
            end[parent] = end[node]
    return np.array(end, np.int32)


def _root_table(parents: Ints, byte: bytearray) -> Ints:
    root = np.zeros(256, np.int32)
    for node in np.flatnonzero(parents == 0):
        root[byte[node]] = node
    return root
