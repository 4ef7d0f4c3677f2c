"""The pool of dense rows: a cache of fixed size. When it is full, a row that was not used lately is given up.

A row belongs to one entry (``K_ENTRY``), which says in ``E_FROM`` where it lies. An entry whose row was given up is
``EVICTED``: whoever needs its tokens has it built again (``entry.py``). Which row goes is found as page caches do, by a
clock: the hand passes over rows used since it last came by. ``E_USED`` is the number of the find that last used the
entry; rows of the find under way stay, so that a row can be made of others.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import helper, inline
from constrain.kernels.layout import DENSE, EVICTED, V_FULL, VA, VN
from constrain.kernels.pointers import i32, room


@inline
def begin_find(v: Any) -> None:
    """From here on rows used before may go."""
    v[VN.FIND] = (v[VN.FIND] & 0x3FFFFFFF) + 1  # never 0, which is "not since the hand came by"


@helper
def is_filled(v: Any, item: Any) -> Any:
    """Are all tokens of an entry there, those of ``E_ALSO`` too? If so, they stay until the next find begins."""
    sizes, also, used = i32(v, VA.E_SIZE), i32(v, VA.E_ALSO), i32(v, VA.E_USED)
    while item != 0:
        if sizes[item] == EVICTED:
            return False
        used[item] = v[VN.FIND]
        item = also[item]
    return True


@helper
def take_row(v: Any) -> Any:
    """Where in ``E_ROW`` a row may be written that is no entry's, until ``keep_row``; negative: all are in use."""
    owners, used = i32(v, VA.K_ENTRY), i32(v, VA.E_USED)
    slot = v[VN.rowslot]
    if slot < room(v, VA.K_ENTRY):
        v[VN.rowslot] = slot + 1
    else:
        slot = find_victim(v)
        if slot < 0:
            return V_FULL - VN.row
        if owners[slot] != 0:
            i32(v, VA.E_SIZE)[owners[slot]] = EVICTED
            v[VN.EVICTIONS] += 1
    owners[slot] = 0
    used[0] = v[VN.FIND]  # entry 0 is nobody: rows taken in this find and not kept yet stay as well
    return slot * v[VN.WORDS]


@helper
def find_victim(v: Any) -> Any:
    """The slot of a row to give up; negative when the find under way uses them all. Cost: two rounds at worst."""
    owners, used, size = i32(v, VA.K_ENTRY), i32(v, VA.E_USED), room(v, VA.K_ENTRY)
    slot = v[VN.HAND]
    for _ in range(2 * size):
        slot = slot + 1 if slot + 1 < size else 0
        owner = owners[slot]
        if used[owner] == 0:
            v[VN.HAND] = slot
            return slot
        if used[owner] != v[VN.FIND]:
            used[owner] = 0
    return -1


@helper
def keep_row(v: Any, item: Any, first: Any) -> None:
    """The row written at ``first`` is that of an entry."""
    i32(v, VA.K_ENTRY)[first // v[VN.WORDS]] = item
    i32(v, VA.E_FROM)[item], i32(v, VA.E_SIZE)[item] = first, DENSE
    i32(v, VA.E_USED)[item] = v[VN.FIND]
