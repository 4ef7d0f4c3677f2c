"""The token trie read in classes of characters: paths of equal classes are one node.

A vocabulary of 128,000 tokens has 265,000 trie nodes but some 20,000 paths of classes ("a capital letter, three small
ones"), and a leaf state mostly does the same on all members of a class. So masks of leaf states are made by walking
the quotient (``kernels/sweep.py``), and only where a pattern splits a class by walking the trie nodes that are its
members. Beside it, for the nodes of both: which characters occur below, and how deep the subtree is.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constrain import disk
from constrain.kernels.classes import (
    BLOCK_BIT,
    CLASS,
    CLASSES,
    FIRST_BLOCK,
    INVALID_BIT,
    LEAD,
    PARTIAL,
    SET_WORDS,
    ascii_bit,
)
from constrain.vocab.trie import WORTH_KEEPING, Ints, Trie
from constrain.vocab.vocabulary import Vocabulary

Bytes = npt.NDArray[np.uint8]

MAX_DEPTH = 255  # depths are kept in a byte; this one means "or more"
WIDE = 1024  # a range of so many tokens has a row, so that nobody sets its bits one by one again
INVALID = 11  # kind of a byte that is not UTF-8, and of all below it
# Kinds of partly read characters: 0 none, 1..6 those of kernels/decode.py, 7..10 first bytes that restrict the second.
_DECODER = np.array([0, 1, 2, 3, 4, 5, 6, 2, 2, 4, 4, INVALID])
_LEFT = np.array([0, 1, 2, 1, 3, 2, 1, 2, 2, 3, 3, 0])  # bytes left of the character


class Quotient(NamedTuple):
    """Nodes in preorder; n's subtree is ``n .. end[n] - 1``. Node 0 is the root. All arrays are ready for kernels.

    label      (nodes,) uint8       class on the edge into the node (``kernels/classes.py``)
    end        (nodes,)             first node after the subtree
    member0    (nodes + 1,)         members of n, trie nodes: ``member[member0[n] : member0[n + 1]]``
    member     (members,)           ... ascending by code
    code       (members,)           last character on the path; of a token that ends inside one, the decoder's state
    token0     (nodes + 1,)         ids of tokens that end at n: ``ids[token0[n] : token0[n + 1]]``
    ids        (tokens,)
    reach      (nodes, 4)           set of the characters below n
    depth      (nodes,) uint8       most bytes below n
    own_row    (nodes,)             number of the row of the tokens that end at n, from 1; 0: too few for a row
    below_row  (nodes,)             the same for the tokens that end below n
    trie_node  (trie nodes,)        node of which a trie node is a member; 0: of none
    trie_reach, trie_depth          ``reach`` and ``depth`` of the trie nodes
    rows       number of rows
    """

    label: Bytes
    end: Ints
    member0: Ints
    member: Ints
    code: Ints
    token0: Ints
    ids: Ints
    reach: Ints
    depth: Bytes
    own_row: Ints
    below_row: Ints
    trie_node: Ints
    trie_reach: Ints
    trie_depth: Bytes
    rows: int


def read_quotient(vocabulary: Vocabulary, trie: Trie) -> Quotient:
    """The quotient of a vocabulary's trie; kept on disk, as the trie is, where it takes longer than to read a file."""
    packed = vocabulary.packed
    if len(packed) < WORTH_KEEPING:
        return build_quotient(trie)
    name = disk.key(__file__, str(WIDE), repr(CLASSES), packed.starts.data, packed.data.data)
    kept = disk.cache_root() / "quotients" / f"{name}.bin"
    found = disk.load_arrays(kept)
    if found is not None:
        arrays, rows = found
        return Quotient(**arrays, rows=rows)
    quotient = build_quotient(trie)
    arrays = {name: part.ravel() for name, part in quotient._asdict().items() if name != "rows"}
    disk.save_arrays(kept, arrays, quotient.rows)
    return quotient


def build_quotient(trie: Trie) -> Quotient:
    """One pass over the levels of the trie, O(nodes) NumPy work for each of its arrays."""
    levels, parent = _levels(trie)
    kind, code, label, above = _read(trie, levels, parent)
    number, parents, labels, depths = _number(levels, label, above)
    order, end = _preorder(parents, labels, depths)
    trie_node = np.where(number >= 0, order[number], 0)
    trie_reach, trie_depth = _below(trie, levels, parent, _own_sets(trie, kind, label))
    code = np.where(kind == 0, code, _DECODER[kind] << 24 | code)
    member = _sort_members(trie_node, code, np.flatnonzero(number >= 0))
    member0 = np.searchsorted(trie_node[member], np.arange(len(order) + 1))
    sizes = (trie.token0[1:] - trie.token0[:-1])[member]
    token0 = np.concatenate(([0], np.cumsum(sizes)))[member0]
    own_row = np.cumsum(np.diff(token0) >= WIDE) * (np.diff(token0) >= WIDE)
    below = token0[end] - token0[1:] >= WIDE
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return Quotient(
        label=labels[place].astype(np.uint8),
        end=end,
        member0=member0.astype(np.int32),
        member=member.astype(np.int32),
        code=code[member].astype(np.int32),
        token0=token0.astype(np.int32),
        ids=trie.ids[_ranges(trie.token0[member], sizes)],
        reach=np.bitwise_or.reduceat(trie_reach[member], member0[:-1], axis=0).view(np.int32),
        depth=np.maximum.reduceat(trie_depth[member], member0[:-1]),
        own_row=own_row.astype(np.int32),
        below_row=((own_row.max() + np.cumsum(below)) * below).astype(np.int32),
        trie_node=trie_node.astype(np.int32),
        trie_reach=trie_reach.view(np.int32),
        trie_depth=trie_depth,
        rows=int(own_row.max() + below.sum()),
    )


def _sort_members(
    trie_node: npt.NDArray[np.int64], code: npt.NDArray[np.int64], members: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Members by their quotient node, those of one node by code."""
    order = np.argsort(code[members], kind="stable")
    sorted_members: npt.NDArray[np.int64] = members[order[np.argsort(trie_node[members[order]], kind="stable")]]
    return sorted_members


def _ranges(first: npt.NDArray[np.integer], size: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """``first[0] .. first[0] + size[0] - 1``, then those of 1, and so on."""
    ends: npt.NDArray[np.int64] = np.cumsum(size, dtype=np.int64)
    every: npt.NDArray[np.int64] = np.arange(ends[-1] if len(ends) else 0)
    ranges: npt.NDArray[np.int64] = every + np.repeat(first - ends + size, size)
    return ranges


def _levels(trie: Trie) -> tuple[list[npt.NDArray[np.int64]], npt.NDArray[np.int64]]:
    """Nodes of each depth, siblings side by side; the parent of each node."""
    kids = np.diff(trie.kid0)
    parent = np.zeros(len(trie.byte), np.int64)
    parent[trie.kid] = np.repeat(np.arange(len(trie.byte)), kids)
    levels = [np.zeros(1, np.int64)]
    while len(levels[-1]):
        levels.append(trie.kid[_ranges(trie.kid0[levels[-1]], kids[levels[-1]])].astype(np.int64))
    return levels[:-1], parent


def _utf8_table() -> Bytes:
    """Kind after a byte: (kinds, 256)."""
    table = np.full((INVALID + 1, 256), INVALID, np.uint8)
    table[0, :0x80] = 0
    table[0, 0xC2:0xE0] = 1
    table[0, 0xE0:0xF0] = 2
    table[0, 0xF0:0xF5] = 4
    table[0, [0xE0, 0xED, 0xF0, 0xF4]] = 7, 8, 9, 10
    for kind, after in ((1, 0), (2, 3), (3, 0), (4, 5), (5, 6), (6, 0)):
        table[kind, 0x80:0xC0] = after
    table[7, 0xA0:0xC0] = 3
    table[8, 0x80:0xA0] = 3
    table[9, 0x90:0xC0] = 5
    table[10, 0x80:0x90] = 5
    return table


_UTF8 = _utf8_table()
_FIRST_BITS = np.arange(256)
_FIRST_BITS[0xC0:0xE0] &= 0x1F
_FIRST_BITS[0xE0:0xF0] &= 0x0F
_FIRST_BITS[0xF0:] &= 0x07
_FIRSTS = np.array([first for first, _ in CLASSES[FIRST_BLOCK:]])
_ASCII_LABEL = np.arange(128)
for _number_of_class, (_first, _last) in enumerate(CLASSES[:FIRST_BLOCK]):
    _ASCII_LABEL[_first : _last + 1] = CLASS + _number_of_class


def _block(code: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Number of the class of a character past ASCII."""
    return FIRST_BLOCK + np.searchsorted(_FIRSTS, code, side="right") - 1


def _read(trie: Trie, levels: list[npt.NDArray[np.int64]], parent: npt.NDArray[np.int64]) -> tuple[
    npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]
]:  # fmt: skip
    """Of each trie node: kind; bits of the character read so far; label, -1 for none; the nearest node above it at
    which a character begins."""
    nodes = len(trie.byte)
    kind, code, above = np.zeros(nodes, np.uint8), np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    for level in levels[1:]:
        up, byte = parent[level], trie.byte[level]
        begins = kind[up] == 0
        kind[level] = _UTF8[kind[up], byte]
        code[level] = np.where(begins, _FIRST_BITS[byte], code[up] << 6 | (byte & 0x3F))
        above[level] = np.where(begins, up, above[up])
        code[level] &= (1 << 21) - 1  # below bytes that are not UTF-8
    label = np.full(nodes, -1)
    ascii_ = (kind == 0) & (trie.byte < 0x80)
    label[ascii_] = _ASCII_LABEL[trie.byte[ascii_]]
    whole = (kind == 0) & (trie.byte >= 0x80)
    label[whole] = CLASS + _block(code[whole])
    ends = np.flatnonzero((kind > 0) & (kind < INVALID) & (trie.token0[1:] > trie.token0[:-1]))
    left = 6 * _LEFT[kind[ends]]
    first = np.maximum(code[ends] << left, np.array([0x80, 0x800, 0x10000])[_length(kind[ends]) - 2])
    first, last = _block(first), _block(((code[ends] + 1) << left) - 1)
    label[ends] = np.where(first == last, PARTIAL + first, LEAD + trie.byte[ends] - 0xC0)
    return kind, code, label, above


def _length(kind: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Bytes of a character of which part is read."""
    return np.array([0, 2, 3, 3, 4, 4, 4, 3, 3, 4, 4])[kind]


def _number(
    levels: list[npt.NDArray[np.int64]], label: npt.NDArray[np.int64], above: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], ...]:
    """Quotient node of each trie node, -1 for none, in no particular order; parent, label and level of each.

    All members of a class have the same length, so the members of a node lie in one level.
    """
    number = np.full(len(label), -1)
    number[0] = 0
    label[0] = 0
    parents, labels, depths, count = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)], [np.zeros(1, np.int64)], 1
    for depth, level in enumerate(levels[1:], 1):
        members = level[label[level] >= 0]
        keys, inverse = np.unique(number[above[members]] << 8 | label[members], return_inverse=True)
        number[members] = count + inverse
        parents.append(keys >> 8)
        labels.append(keys & 255)
        depths.append(np.full(len(keys), depth))
        count += len(keys)
    return number, np.concatenate(parents), np.concatenate(labels), np.concatenate(depths)


def _preorder(
    parents: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], depths: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], Ints]:
    """Preorder number of each node, and in that order the ends of their subtrees. ``depths`` ascend."""
    count = len(parents)
    size = np.ones(count, np.int64)
    bounds = list(pairwise(np.searchsorted(depths, np.arange(depths[-1] + 2)).tolist()))
    for first, last in reversed(bounds[1:]):
        np.add.at(size, parents[first:last], size[first:last])
    siblings = 1 + np.lexsort((depths[1:], labels[1:], parents[1:]))
    before = np.cumsum(size[siblings]) - size[siblings]
    new = np.ones(len(siblings), bool)
    new[1:] = parents[siblings[1:]] != parents[siblings[:-1]]
    offset = np.zeros(count, np.int64)
    offset[siblings] = 1 + before - np.repeat(before[new], np.diff(np.append(np.flatnonzero(new), len(siblings))))
    order = np.zeros(count, np.int64)
    for first, last in bounds[1:]:
        order[first:last] = order[parents[first:last]] + offset[first:last]
    end = np.zeros(count, np.int32)
    end[order] = order + size
    return order, end


def _set_of_bits(bits: list[int]) -> npt.NDArray[np.uint32]:
    words = np.zeros(SET_WORDS, np.uint32)
    for bit in bits:
        words[bit >> 5] |= np.uint32(1 << (bit & 31))
    return words


_ASCII_SETS = np.stack([_set_of_bits([ascii_bit(byte)]) for byte in range(128)] + [_set_of_bits([])] * 128)
_BLOCK_SETS = np.stack([_set_of_bits([BLOCK_BIT + number]) for number in range(FIRST_BLOCK, len(CLASSES))])


def _lead_set(byte: int) -> npt.NDArray[np.uint32]:
    """The blocks of a first byte that more than one shares: all of them have characters of three bytes."""
    first, last = _block(np.array([(byte & 0x0F) << 12, ((byte & 0x0F) << 12) + 0xFFF])).tolist()
    return _set_of_bits([BLOCK_BIT + number for number in range(first, last + 1)])


def _own_sets(trie: Trie, kind: Bytes, label: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """What is read on the edge into each trie node: nothing, as long as a character is not complete."""
    sets = _ASCII_SETS[trie.byte]
    sets[kind == INVALID] |= _set_of_bits([INVALID_BIT])
    for base in (CLASS, PARTIAL):
        blocks = np.flatnonzero((label >= base + FIRST_BLOCK) & (label < base + len(CLASSES)))
        sets[blocks] = _BLOCK_SETS[label[blocks] - base - FIRST_BLOCK]
    for byte in np.unique(label[label >= LEAD]).tolist():
        sets[label == byte] = _lead_set(byte - LEAD + 0xC0)
    return sets


def _below(
    trie: Trie, levels: list[npt.NDArray[np.int64]], parent: npt.NDArray[np.int64], own: npt.NDArray[np.uint32]
) -> tuple[npt.NDArray[np.uint32], Bytes]:
    """Of each trie node: what is read below it; the depth of what is below it."""
    reach = np.zeros_like(own)
    depth = np.zeros(len(trie.byte), np.uint8)
    for level in reversed(levels[1:]):
        up = parent[level]
        firsts = np.flatnonzero(np.append(True, up[1:] != up[:-1]))
        reach[up[firsts]] = np.bitwise_or.reduceat(reach[level] | own[level], firsts, axis=0)
        depth[up[firsts]] = np.maximum.reduceat(np.minimum(depth[level], MAX_DEPTH - 1) + 1, firsts)
    return reach, depth
