"""Is anything live behind an address of the program, on a stack? (``kernels/probe.py`` says why one has to ask.)

A place is live if something there waits for a byte, or if one of the places is live that a PROBE on the way asks about.
So the question is one of reachability in a graph that is explored as it is needed, nearest places first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from constrain.errors import LimitExceeded
from constrain.kernels.layout import LEAF, NOT_KNOWN, PROBE
from constrain.kernels.step import probe
from constrain.tokens.arena import Arena

ALL = -1
MAX_PLACES = 5_000  # looked at for one question
Place = tuple[int, int]  # address, stack


def answer_probes(arena: Arena, grow: Callable[[int], None]) -> None:
    """Answer all that has been asked. If that fails all answers are forgotten, so that the question does not stay."""
    try:
        _answer_all(arena, grow)
    except BaseException:
        arena["probe"] = 1
        arena.array("probe_table")[:] = 0
        raise


def _answer_all(arena: Arena, grow: Callable[[int], None]) -> None:
    while (left := probe.direct(arena.address, ALL, 0, NOT_KNOWN)) != 0:
        if left < 0:
            grow(left)
            continue
        live, pcs, stacks = (arena.array(name) for name in ("F_LIVE", "F_PC", "F_STACK"))
        item = 1 + int(np.argmax(live[1 : arena["probe"]] == NOT_KNOWN))
        find_live(arena, (int(pcs[item]), int(stacks[item])), grow)


def find_live(arena: Arena, place: Place, grow: Callable[[int], None]) -> None:
    """Answer the question, and remember what has been found. ``grow`` does what a kernel's status asks for.

    Raises ``LimitExceeded`` where the graph is too large.
    """
    came_from: dict[Place, Place | None] = {place: None}
    todo = [place]
    for each in todo:  # grows
        is_live, others = _look(arena, each, grow)
        if is_live:
            on_the_way: Place | None = each
            while on_the_way is not None:
                _answer(arena, on_the_way, 1, grow)
                on_the_way = came_from[on_the_way]
            return
        new = [other for other in dict.fromkeys(others) if other not in came_from]
        came_from.update(dict.fromkeys(new, each))
        todo += new
        if len(todo) > MAX_PLACES:
            what = "places to look at for a lexeme whose claims on the text can be kept"
            raise LimitExceeded(what, len(todo), MAX_PLACES, "let blanks stand between tokens (%ignore)")
    for each in todo:
        _answer(arena, each, 0, grow)


def _look(arena: Arena, place: Place, grow: Callable[[int], None]) -> tuple[bool, list[Place]]:
    """Does anything wait for a byte there? And the places to look at if nothing does."""
    while (count := probe.direct(arena.address, *place, NOT_KNOWN)) < 0:
        grow(count)
    positions, stacks, code = (arena.array(name) for name in ("W_POSITION", "W_STACK", "CODE"))
    found = [(int(positions[i]), int(stacks[i])) for i in range(count)]
    others = [(int(code[pc + 1]), stack) for pc, stack in found if pc < LEAF and code[pc] == PROBE]
    return len(others) < len(found), others


def _answer(arena: Arena, place: Place, answer: int, grow: Callable[[int], None]) -> None:
    while (status := probe.direct(arena.address, *place, answer)) < 0:
        grow(status)
