"""Leaf automata, for Python."""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import entry
from constrain.kernels.leaf import start_leaf, step_leaf
from constrain.kernels.pointers import table_at


@entry
def leaf_start(v: Any, leaf: Any) -> Any:
    """Start state of a leaf; ``DEAD`` when its language is empty; negative: grow and retry."""
    return start_leaf(table_at(v), leaf)


@entry
def leaf_step(v: Any, state: Any, byte: Any) -> Any:
    """Successor of a leaf state, ``DEAD`` for none; negative: grow and retry."""
    return step_leaf(table_at(v), state, byte)
