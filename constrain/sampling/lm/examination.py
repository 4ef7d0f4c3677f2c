"""Whether a model may be read as a tree, found out by trying: laws by the tree against laws by plain forward passes.

The text read is short and arbitrary; windows are narrowed while it is read, so that it passes their ends. Branches
fork behind it and grow in one pass, as slots do. A model that sees a sister branch, wrong positions, or further back
than its window, gives other laws; then, and where a model refuses, the tree is not used and the reason is kept.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from constrain.sampling.lm.attention import narrowed, tree_obstacle
from constrain.sampling.lm.kvtree import Text
from constrain.sampling.lm.model import Laws, Request, Usage
from constrain.sampling.lm.readers import Forward, PlainReader, TreeReader

LENGTH = 20  # of the text behind which branches fork
SIDE = 12  # of a branch aside: whoever sees it, or counts it, is far off
WINDOW = 6  # of layers with a window, meanwhile
GOLDEN = 0.6180339887498949  # multiples of it, modulo one, lie far apart: ids from all over the vocabulary

# The most that two computations of one law may differ, in total variation: rounding grows with depth. Attention by
# "eager" takes its softmax in float32 whatever the model's own format.
TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 2e-1}
WIDEST = max(TOLERANCES.values())
CONTRAST = 5  # on average laws after different texts must differ by this many times what one law differs by


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
            return _compare(forward, ids)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a model may refuse masks, positions or the cache in any way
        return Examination(f"it refuses a tree: {type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")


def _check_causal(forward: Forward, ids: Text) -> None:
    """What follows, and what a batch is padded with, must not change a law: that goes for plain passes too."""
    plain = PlainReader(forward, ids[:LENGTH], Usage())
    [[alone]] = plain.read([Request(())])
    [[padded], [followed, *_]] = plain.read([Request(()), Request((), ids[LENGTH:])])
    if max(distance(alone, padded), distance(alone, followed)) > TOLERANCES.get(forward.dtype, WIDEST):
        raise ValueError("the model's law after a text depends on what comes later: it is not a causal model")


def _compare(forward: Forward, ids: Text) -> Examination:
    prompt, (x, y, z) = ids[:LENGTH], ids[LENGTH:]
    tree = TreeReader(forward, prompt, Usage(), max_bytes=4 * LENGTH, entry_bytes=1)
    calls = [
        [Request(())],
        [Request((z,), ids[:SIDE])],
        [Request((x,), (y,)), Request((y,), (x,))],
        [Request((y, x), (z,)), Request((x, y), (z, x)), Request((y,))],
    ]
    read = np.concatenate([laws for call in calls for laws in tree.read(call)])
    own = np.concatenate(PlainReader(forward, prompt, Usage()).read([request for call in calls for request in call]))
    errors = [distance(row, other) for row, other in zip(read, own, strict=True)]
    contrasts = [distance(row, other) for row, other in pairwise(own)]
    return Examination(_verdict(errors, contrasts, forward.dtype), tree.cache.entry_bytes)


def _verdict(errors: list[float], contrasts: list[float], dtype: torch.dtype) -> str | None:
    error, mean, contrast = max(errors), sum(errors) / len(errors), sum(contrasts) / len(contrasts)
    if error > TOLERANCES.get(dtype, WIDEST):
        return f"laws by a tree differ from its own by {error:.2g} in total variation"
    if CONTRAST * mean > contrast:
        return f"laws by a tree differ from its own by {mean:.2g}, and laws after different texts by {contrast:.2g}"
    return None


def distance(law: Laws, other: Laws) -> float:
    """Total variation between two laws given by logarithms."""
    return float(np.abs(np.exp(law) - np.exp(other)).sum() / 2)
