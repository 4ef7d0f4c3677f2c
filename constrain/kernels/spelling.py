"""A walk of the vocabulary trie under one byte automaton (``canvas/spelling.py``)."""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import entry


@entry(reads={"byte": 8, "end": 32, "parent": 32, "step": 32}, writes={"states": 32, "visited": 32})
def walk_trie(top: Any, start: Any, dead: Any, byte: Any, end: Any, parent: Any, step: Any, states: Any,
              visited: Any) -> Any:  # fmt: skip
    """The nodes below ``top`` at which the automaton lives; how many. Nodes are in preorder.

    ``step``     (states, 256): successors, ``dead`` for none
    ``states``   (nodes,): receives the state at each node that is visited, and ``start`` at ``top``
    ``visited``  (nodes,): receives these nodes, in order

    Cost: nodes visited and their children.
    """
    states[top] = start
    node, count = top + 1, 0
    while node < end[top]:
        state = step[256 * states[parent[node]] + byte[node]]
        if state == dead:
            node = end[node]
        else:
            states[node] = state
            visited[count] = node
            count += 1
            node += 1
    return count
