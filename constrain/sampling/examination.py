"""Whether a model may be read as a tree, found out by trying: laws by the tree against laws by plain forward passes.

The text read is short and arbitrary; windows are narrowed while it is read, so that it passes their ends. Two branches
fork behind it and grow in one pass, as slots do. A model that sees a sister branch, wrong positions, or further back
than its window, gives other laws; then, and where a model refuses, the tree is not used and the reason is kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from constrain.sampling.attention import narrowed, tree_obstacle
from constrain.sampling.kvtree import Text
from constrain.sampling.model import Laws, Request, Usage
from constrain.sampling.readers import Forward, PlainReader, TreeReader

LENGTH = 20  # of the text behind which branches fork
WINDOW = 6  # of layers with a window, meanwhile
GOLDEN = 0.6180339887498949  # multiples of it, modulo one, lie far apart: ids from all over the vocabulary

# The most that two computations of one law may differ, in total variation: rounding grows with depth. Attention by
# "eager" takes its softmax in float32 whatever the model's own format.
TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}
CONTRAST = 10  # laws after different texts must differ by this many times what one law differs by


class Examination(NamedTuple):
    """``reason``: why the tree is not used, or ``None``; ``entry_bytes``: what keys and values of a token take."""

    reason: str | None
    entry_bytes: int = 0


def examine(forward: Forward) -> Examination:
    """Try the tree on ``forward``. Raises ``ValueError`` for a model that sees what comes later."""
    ids = tuple(int((place * GOLDEN) % 1 * forward.vocabulary) for place in range(1, LENGTH + 4))
    _check_causal(forward, ids)
    reason = tree_obstacle(forward.model, forward.takes)
    if reason is not None:
        return Examination(reason)
    try:
        with narrowed(forward.config, WINDOW):
            return _compare(forward, ids[:LENGTH], *ids[LENGTH:])
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a model may refuse masks, positions or the cache in any way
        return Examination(f"it refuses a tree: {type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")


def _check_causal(forward: Forward, ids: Text) -> None:
    plain = PlainReader(forward, ids[:LENGTH], Usage())
    [alone], [first, *_] = plain.read([Request(())])[0], plain.read([Request((), ids[LENGTH:])])[0]
    if distance(alone, first) > TOLERANCES.get(forward.dtype, max(TOLERANCES.values())):
        raise ValueError("the model's law after a text depends on what comes later: it is not a causal model")


def _compare(forward: Forward, prompt: Text, x: int, y: int, z: int) -> Examination:
    tree = TreeReader(forward, prompt, Usage(), max_bytes=2 * LENGTH, entry_bytes=1)
    plain = PlainReader(forward, prompt, Usage())
    calls = [
        [Request(())],
        [Request((x,), (y,)), Request((y,), (x,))],
        [Request((y, x), (z,)), Request((x, y), (z, x)), Request((y,))],
    ]
    read = [
        (laws, plain.read([request])[0]) for call in calls for request, laws in zip(call, tree.read(call), strict=True)
    ]
    error = max(distance(row, other) for laws, others in read for row, other in zip(laws, others, strict=True))
    (_, forks), (_, sisters) = read[1:3]
    contrast = min(distance(row, other) for row in forks for other in sisters)
    return Examination(_verdict(error, contrast, forward.dtype), tree.cache.entry_bytes)


def _verdict(error: float, contrast: float, dtype: torch.dtype) -> str | None:
    if error > TOLERANCES.get(dtype, max(TOLERANCES.values())):
        return f"laws by a tree differ from its own by {error:.2g} in total variation"
    if CONTRAST * error > contrast:
        return f"laws by a tree differ from its own by {error:.2g}, and laws after different texts by {contrast:.2g}"
    return None


def distance(law: Laws, other: Laws) -> float:
    """Total variation between two laws given by logarithms."""
    return float(np.abs(np.exp(law) - np.exp(other)).sum() / 2)
