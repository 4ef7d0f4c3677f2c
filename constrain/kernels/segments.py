"""Terminals over fixed text with gaps of any bytes (``canvas/unbounded.py``): where they end.

All terminals are one table of states, ``step`` (states + 1, 256), the last of which is dead. The text is ``data``;
``gap[v]`` is the number of the gap at node v, or -1. ``after`` (gaps, components, words): the nodes at which a terminal
can end whose state at the gap is in that strongly connected component, whatever the gap holds.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.chart import NO_ROW
from constrain.kernels.jit import entry, helper, inline


@inline
def put(rows: Any, base: Any, node: Any) -> None:
    """Add ``node`` to the row that begins at ``base``."""
    place = node & 31
    rows[base + (node >> 5)] |= (1 << place) if place < 31 else -2147483648


@inline
def unite(rows: Any, base: Any, source: Any, origin: Any, words: Any) -> None:
    """Add a row of ``source`` to one of ``rows``."""
    for k in range(words):
        rows[base + k] |= source[origin + k]


@helper
def read(state: Any, node: Any, length: Any, words: Any, components: Any, dead: Any, data: Any, gap: Any, step: Any,
         accepts: Any, component: Any, after: Any, rows: Any, base: Any) -> None:  # fmt: skip
    """The nodes behind ``node`` at which what is in ``state`` there can end: to the row at ``base``.

    The text is read to the next gap, where all is known already.
    """
    while node < length:
        state = step[256 * state + data[node]]
        node += 1
        if state == dead:
            return
        if accepts[state] != 0:
            put(rows, base, node)
        if gap[node] >= 0:
            unite(rows, base, after, (gap[node] * components + component[state]) * words, words)
            return


@entry(
    reads={"data": 32, "gap": 32, "step": 32, "accepts": 32, "component": 32, "after": 32},
    writes={"rows": 32},
)
def read_states(node: Any, states: Any, length: Any, words: Any, components: Any, data: Any, gap: Any, step: Any,
                accepts: Any, component: Any, after: Any, rows: Any) -> None:  # fmt: skip
    """For each state that a terminal may have at ``node``, where it can end if no gap is there: ``rows``
    (states, words). ``after`` is known for the gaps behind ``node``."""
    for state in range(states):
        if accepts[state] != 0:
            put(rows, state * words, node)
        read(state, node, length, words, components, states, data, gap, step, accepts, component, after, rows,
             state * words)  # fmt: skip


@entry(
    reads={"rows": 32, "member0": 32, "member": 32, "next0": 32, "next": 32},
    writes={"after": 32},
)
def close_gap(number: Any, words: Any, components: Any, rows: Any, member0: Any, member: Any, next0: Any, next: Any,
              after: Any) -> None:  # fmt: skip
    """``after[number]`` of ``rows`` (states, words): in a gap, a state leads to all that follow it.

    Components are numbered so that successors come first: ``next`` from ``next0[c]`` to ``next0[c + 1]``; the states
    of a component are ``member`` likewise.
    """
    for c in range(components):
        base = (number * components + c) * words
        for k in range(member0[c], member0[c + 1]):
            unite(after, base, rows, member[k] * words, words)
        for k in range(next0[c], next0[c + 1]):
            unite(after, base, after, (number * components + next[k]) * words, words)


@helper
def allow(rows: Any, base: Any, words: Any, terminal: Any, width: Any, follow: Any, allowed: Any) -> None:
    """What may follow ``terminal`` may begin at each node of its row."""
    for k in range(words):
        word = rows[base + k]
        if word == 0:
            continue
        for place in range(32):
            if (word >> place) & 1 != 0:
                unite(allowed, (32 * k + place) * width, follow, terminal * width, width)


@entry(
    reads={"data": 32, "gap": 32, "step": 32, "accepts": 32, "component": 32, "after": 32, "first": 32, "follow": 32},
    writes={"allowed": 32, "numbers": 32, "rows": 32, "state": 64},
)
def seed(
    length: Any, words: Any, components: Any, dead: Any, terminals: Any, width: Any,
    data: Any, gap: Any, step: Any, accepts: Any, component: Any, after: Any, first: Any, follow: Any,
    allowed: Any, numbers: Any, rows: Any, state: Any,
) -> Any:  # fmt: skip
    """The rows of all terminals that can be come to; 1 if there is no room for a new row (call again), else 0.

    ``first``    (terminals,): first states;   ``follow`` (terminals, width): bits of the terminals that may follow
    ``allowed``  (length + 1, width): bits of the terminals that may begin at a node; the caller sets those at node 0
    ``numbers``  (terminals, length + 1) and ``rows``: as in ``kernels/chart.py``
    ``state``    the node to go on with, rows in use, room for rows
    """
    nodes = length + 1
    while state[0] < nodes:
        node, growing = state[0], 1
        while growing != 0:  # behind a gap's terminals others may begin in the gap
            growing = 0
            for terminal in range(terminals):
                if (allowed[node * width + (terminal >> 5)] >> (terminal & 31)) & 1 == 0:
                    continue
                if numbers[terminal * nodes + node] != NO_ROW:
                    continue
                if state[1] >= state[2]:
                    return 1
                base = state[1] * words
                if gap[node] >= 0:
                    growing = 1
                    unite(rows, base, after, (gap[node] * components + component[first[terminal]]) * words, words)
                else:
                    read(first[terminal], node, length, words, components, dead, data, gap, step, accepts, component,
                         after, rows, base)  # fmt: skip
                found = 0
                for k in range(words):
                    found |= rows[base + k]
                if found != 0:
                    numbers[terminal * nodes + node] = state[1]
                    state[1] += 1
                    allow(rows, base, words, terminal, width, follow, allowed)
        state[0] = node + 1
    return 0
