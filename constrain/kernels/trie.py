"""The vocabulary trie, and residual nodes: sets of trie nodes that are walked as one.

Trie nodes are numbered in preorder, so node n's subtree is n..T_END[n]-1 and its tokens a range of T_ID.
A residual node stands for "the rest of a token, after a leaf has ended somewhere inside it": the token may be in
any of several places of the trie, which is why it is a set. A set of one is that trie node itself.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.intern import find, mix, publish
from constrain.kernels.jit import helper, inline
from constrain.kernels.layout import ROOT, V_FULL, VA, VN
from constrain.kernels.pointers import i32, room, u8


@inline
def trie_child(v: Any, node: Any, byte: Any) -> Any:
    """Child of a trie node, ``ROOT`` for none."""
    if node == ROOT:
        return i32(v, VA.T_ROOT)[byte]
    kids, bytes_ = i32(v, VA.T_KID), u8(v, VA.T_BYTE)
    low = i32(v, VA.T_KID0)[node]
    high = i32(v, VA.T_KID0)[node + 1]
    while low < high:
        middle = (low + high) >> 1
        if bytes_[kids[middle]] < byte:
            low = middle + 1
        else:
            high = middle
    if low < i32(v, VA.T_KID0)[node + 1] and bytes_[kids[low]] == byte:
        return kids[low]
    return ROOT


@helper
def intern_residual(v: Any, size: Any) -> Any:
    """Node for the set ``X_ID[:size]`` of trie nodes (ascending); negative: grow and retry."""
    found = i32(v, VA.X_ID)
    if size == 0:
        return ROOT
    if size == 1:
        return found[0]
    key = 11
    for i in range(size):
        key = mix(key, found[i])
    hashes, table = i32(v, VA.residual_hash), i32(v, VA.residual_table)
    starts, sizes, members = i32(v, VA.R_FROM), i32(v, VA.R_SIZE), i32(v, VA.R_MEMBER)
    slot = find(room(v, VA.residual_table), key)
    while table[slot] != 0:
        item = table[slot]
        if hashes[item] == key and sizes[item] == size:
            same = True
            for i in range(size):
                if members[starts[item] + i] != found[i]:
                    same = False
                    break
            if same:
                return v[VN.NODES] + item
        slot = (slot + 1) & (room(v, VA.residual_table) - 1)
    item = v[VN.residual]
    if item >= room(v, VA.residual_hash):
        return V_FULL - VN.residual
    first = v[VN.member]
    if first + size > room(v, VA.R_MEMBER):
        return V_FULL - VN.member
    for i in range(size):
        members[first + i] = found[i]
    v[VN.member] = first + size
    starts[item], sizes[item] = first, size
    publish(hashes, table, slot, item, key)
    v[VN.residual] = item + 1
    return v[VN.NODES] + item


@helper
def residual_child(v: Any, node: Any, byte: Any) -> Any:
    """Child of a residual node, remembered; ``ROOT`` for none; negative: grow and retry."""
    key = mix(mix(13, node), byte)
    hashes, table = i32(v, VA.step_hash), i32(v, VA.step_table)
    nodes, bytes_, kids = i32(v, VA.M_NODE), i32(v, VA.M_BYTE), i32(v, VA.M_CHILD)
    slot = find(room(v, VA.step_table), key)
    while table[slot] != 0:
        item = table[slot]
        if nodes[item] == node and bytes_[item] == byte:
            return kids[item]
        slot = (slot + 1) & (room(v, VA.step_table) - 1)
    item = v[VN.step]
    if item >= room(v, VA.step_hash):
        return V_FULL - VN.step
    residual = node - v[VN.NODES]
    first, members, found = i32(v, VA.R_FROM)[residual], i32(v, VA.R_MEMBER), i32(v, VA.X_ID)
    size = 0
    for i in range(first, first + i32(v, VA.R_SIZE)[residual]):
        child = trie_child(v, members[i], byte)
        if child != ROOT:
            found[size] = child
            size += 1
    child = intern_residual(v, size)
    if child < 0:
        return child
    nodes[item], bytes_[item], kids[item] = node, byte, child
    publish(hashes, table, slot, item, key)
    v[VN.step] = item + 1
    return child


@inline
def child_of(v: Any, node: Any, byte: Any) -> Any:
    """Child of any node, ``ROOT`` for none; negative: grow and retry."""
    return trie_child(v, node, byte) if node < v[VN.NODES] else residual_child(v, node, byte)


@inline
def set_bit(words: Any, token: Any) -> None:
    """Allow one token."""
    bit = token & 31
    words[token >> 5] |= 1 << bit if bit < 31 else -0x80000000


@inline
def clear_bit(words: Any, number: Any) -> None:
    """The opposite of ``set_bit``."""
    bit = number & 31
    words[number >> 5] &= ~(1 << bit) if bit < 31 else 0x7FFFFFFF


@helper
def lowest_bit(word: Any) -> Any:
    """Number of the lowest bit set."""
    number = 0
    if word & 0xFFFF == 0:
        number, word = 16, word >> 16
    if word & 0xFF == 0:
        number, word = number + 8, word >> 8
    if word & 0xF == 0:
        number, word = number + 4, word >> 4
    if word & 3 == 0:
        number, word = number + 2, word >> 2
    return number + (1 - (word & 1))


@helper
def set_tokens_at(v: Any, node: Any, words: Any) -> None:
    """Set the bits of the tokens that end at ``node``."""
    starts, ids = i32(v, VA.T_TOKEN0), i32(v, VA.T_ID)
    if node < v[VN.NODES]:
        for i in range(starts[node], starts[node + 1]):
            set_bit(words, ids[i])
        return
    residual, members = node - v[VN.NODES], i32(v, VA.R_MEMBER)
    first = i32(v, VA.R_FROM)[residual]
    for j in range(first, first + i32(v, VA.R_SIZE)[residual]):
        member = members[j]
        for i in range(starts[member], starts[member + 1]):
            set_bit(words, ids[i])
