"""Leaf automata, for Python."""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import entry
from constrain.kernels.leaf import start_leaf, step_leaf
from constrain.kernels.pointers import table_at


@entry
def leaf_step(v: Any, leaf: Any, state: Any, byte: Any) -> Any:
    """Successor of a leaf state or, if ``state`` is negative, the start state of a leaf; negative: grow and retry."""
    v = table_at(v)
    return start_leaf(v, leaf) if state < 0 else step_leaf(v, state, byte)
