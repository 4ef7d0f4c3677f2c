"""Walk sets: a lazily made deterministic automaton over sets of configurations, for masks that visit many nodes.

In an ambiguous grammar a mask makes hundreds of visits, but with few different sets. Such sets are hash-consed, and
each has an *edge* for every byte that its literals wait for and for every leaf state in it: where it leads is found by
one closure, when it is first asked for, and remembered.

A cache: at most ``MEMBERS`` members are kept. What does not fit is walked without sets, and the next mask forgets all.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.intern import find, publish
from constrain.kernels.jit import helper
from constrain.kernels.layout import END_PC, G_FULL, GA, GN, LEAF, SUSPECT
from constrain.kernels.pointers import i32, room
from constrain.kernels.stack import add_item, add_returns, begin_items, close
from constrain.kernels.step import are_configurations, hash_configurations, normalise

NOT_MADE, NOWHERE = 0, -1  # D_TARGET: no closure made yet; nothing can be read after it


@helper
def begin_sets(g: Any) -> None:
    """Forget all sets if there is hardly room for more. Cost: the hash table, once in ``MEMBERS`` members."""
    if 8 * g[GN.walkmember] < 7 * g[GN.MEMBERS]:
        return
    table = i32(g, GA.walkset_table)
    for slot in range(room(g, GA.walkset_table)):
        table[slot] = 0
    g[GN.walkset], g[GN.walkmember], g[GN.walkedge] = 1, 0, 0


@helper
def intern_set(g: Any, first: Any, last: Any) -> Any:
    """The set ``W[first:last]`` (normalised); 0 if there is no room for it in the cache; negative: grow and retry."""
    p, s = i32(g, GA.W_POSITION), i32(g, GA.W_STACK)
    key, size = hash_configurations(g, first, last), last - first
    hashes, table = i32(g, GA.walkset_hash), i32(g, GA.walkset_table)
    starts, sizes = i32(g, GA.Z_FROM), i32(g, GA.Z_SIZE)
    positions, stacks = i32(g, GA.Z_POSITION), i32(g, GA.Z_STACK)
    slot = find(room(g, GA.walkset_table), key)
    while table[slot] != 0:
        item = table[slot]
        is_like = hashes[item] == key and sizes[item] == size
        if is_like and are_configurations(g, positions, stacks, starts[item], first, size):
            return item
        slot = (slot + 1) & (room(g, GA.walkset_table) - 1)
    item, begin = g[GN.walkset], g[GN.walkmember]
    if begin + size > g[GN.MEMBERS]:
        return 0
    if item >= room(g, GA.walkset_hash):
        return G_FULL - GN.walkset
    if begin + size > room(g, GA.Z_POSITION):
        return G_FULL - GN.walkmember
    if g[GN.walkedge] + size > room(g, GA.D_LABEL):
        return G_FULL - GN.walkedge
    flags = 0
    for i in range(size):
        positions[begin + i], stacks[begin + i] = p[first + i], s[first + i]
        if p[first + i] >= LEAF:
            flags |= i32(g, GA.N_FLAGS)[s[first + i]]
    starts[item], sizes[item], i32(g, GA.Z_FLAGS)[item] = begin, size, flags & SUSPECT
    make_edges(g, item)
    g[GN.walkmember] = begin + size
    publish(hashes, table, slot, item, key)
    g[GN.walkset] = item + 1
    return item


@helper
def make_edges(g: Any, item: Any) -> None:
    """The edges of a new set: first those of bytes, ascending, then those of leaf states."""
    positions, order, code = i32(g, GA.Z_POSITION), i32(g, GA.Z_ORDER), i32(g, GA.CODE)
    heads, first = i32(g, GA.B_HEAD), i32(g, GA.Z_FROM)[item]
    last, begin = first + i32(g, GA.Z_SIZE)[item], g[GN.walkedge]
    leaves = first
    lowest, highest = 256, -1
    while leaves < last and positions[leaves] < LEAF:  # chained by byte, in ``Z_ORDER`` for now
        if positions[leaves] != END_PC:
            byte = code[positions[leaves]]
            order[leaves] = heads[byte]
            heads[byte] = leaves
            lowest, highest = min(lowest, byte), max(highest, byte)
        leaves += 1
    edge = begin
    for byte in range(lowest, highest + 1):
        if heads[byte] >= 0:
            start_edge(g, edge, byte, heads[byte])
            edge += 1
            heads[byte] = -1
    i32(g, GA.Z_EDGE)[item], i32(g, GA.Z_BYTES)[item] = begin, edge - begin
    for i in range(leaves, last):
        order[i] = -1
        if i > leaves and positions[i] == positions[i - 1]:
            order[i - 1] = i
        else:
            start_edge(g, edge, positions[i], i)
            edge += 1
    i32(g, GA.Z_EDGES)[item] = edge - begin
    g[GN.walkedge] = edge


@helper
def start_edge(g: Any, edge: Any, label: Any, member: Any) -> None:
    """Write an edge that begins with one member."""
    i32(g, GA.D_LABEL)[edge], i32(g, GA.D_FROM)[edge], i32(g, GA.D_TARGET)[edge] = label, member, NOT_MADE


@helper
def has_edges(g: Any, item: Any) -> Any:
    """Can the set read anything?"""
    return i32(g, GA.Z_EDGES)[item] > 0


@helper
def make_target(g: Any, edge: Any, at: Any) -> Any:
    """Find where an edge leads, with ``W[at:]`` as scratch.

    Returns the end of the configurations written to ``W[at:]``: a set of these is the target, where there is room and
    nothing is missing for which has been asked (``probe.py``), else ``D_TARGET`` stays ``NOT_MADE``. Negative: grow and
    retry.
    """
    label, member = i32(g, GA.D_LABEL)[edge], i32(g, GA.D_FROM)[edge]
    positions, stacks, order = i32(g, GA.Z_POSITION), i32(g, GA.Z_STACK), i32(g, GA.Z_ORDER)
    begin_items(g)
    status = 0
    while member >= 0 and status >= 0:
        if label < LEAF:
            status = add_item(g, positions[member] + 1, 0, stacks[member], 0)
        else:
            status = add_returns(g, stacks[member])
        member = order[member]
    asked = g[GN.ASKED]
    last = close(g, at) if status >= 0 else status
    if last < 0:
        return last
    last = normalise(g, at, last)
    if last < 0 or g[GN.ASKED] > asked:
        return last
    target = intern_set(g, at, last)
    if target > 0:
        i32(g, GA.D_TARGET)[edge] = target if has_edges(g, target) else NOWHERE
    return last if target >= 0 else target
