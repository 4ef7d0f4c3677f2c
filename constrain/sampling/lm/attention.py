"""What a transformers model lets its layers see, and how long a text may be: read off its configuration.

Layers see all that lies before, or a window of it (``sliding_attention``), or their own stretch of the text
(``chunked_attention``). A mask for a tree of texts says the same by depths. What cannot be said so, or is not
recognised, is an obstacle, and the model is read without a tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from constrain.sampling.lm.kvtree import Integers, Visible

SIZES = {"sliding_attention": "sliding_window", "chunked_attention": "attention_chunk_size"}
KINDS = {"full_attention", *SIZES}
MASKED = ("sdpa", "eager")  # implementations of attention that take any mask


def text_config(model: Any) -> Any:
    """The configuration of the part that reads and writes text."""
    return model.config.get_text_config(decoder=True)


def layer_kinds(config: Any) -> set[str]:
    """The kinds of layers, by transformers' names for them."""
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        return set(kinds)
    return {kind for kind, size in SIZES.items() if getattr(config, size, None) is not None} or {"full_attention"}


def limit_reach(seen: Visible, kind: str, config: Any, queries: Integers, keys: Integers) -> Visible:
    """What layers of ``kind`` see of ``seen`` ``[Q, K]``, by the depths of queries ``[Q]`` and keys ``[K]``."""
    if kind not in SIZES:
        return seen
    size: int = getattr(config, SIZES[kind])
    if kind == "sliding_attention":
        near: Visible = queries[:, None] - keys < size
    else:
        near = queries[:, None] // size == keys // size
    return seen & near


@contextmanager
def narrowed(config: Any, size: int) -> Iterator[None]:
    """Windows of ``size`` for a while, so that a short text shows whether the model keeps to them."""
    kept = {name: getattr(config, name) for kind, name in SIZES.items() if kind in layer_kinds(config)}
    for name in kept:
        setattr(config, name, size)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(config, name, value)


def tree_obstacle(model: Any, takes: frozenset[str]) -> str | None:
    """Why the model cannot read a tree of texts; ``takes`` names the arguments of its ``forward``. Else ``None``."""
    config = text_config(model)
    implementation = getattr(config, "_attn_implementation", None)
    unknown = layer_kinds(config) - KINDS
    if "position_ids" not in takes or "past_key_values" not in takes:
        return "its forward takes no position_ids, or no past_key_values"
    if not getattr(model, "_supports_attention_backend", False):
        return "its attention is not one of transformers' interchangeable ones, which take any mask"
    if implementation not in MASKED:
        return f"its attention is {implementation!r}: load it with attn_implementation='sdpa' or 'eager'"
    if unknown:
        return f"it has layers of the kind {', '.join(sorted(unknown))}"
    return None


def most_positions(config: Any) -> int | None:
    """The longest text whose laws are defined, in tokens; ``None``: any.

    Beyond the positions a model was made for it fails or guesses; and with rotary positions of the types ``dynamic``
    and ``longrope``, beyond the original length, what it reads depends on how long the text is that is read with it.
    """
    bounds = [getattr(config, "max_position_embeddings", None)]
    for rope in _rope_parameters(config):
        if "dynamic" in str(rope.get("rope_type")) or rope.get("rope_type") == "longrope":
            bounds += [
                rope.get("original_max_position_embeddings"),
                getattr(config, "original_max_position_embeddings", None),
            ]
    return min((bound for bound in bounds if bound), default=None)


def _rope_parameters(config: Any) -> list[dict[str, Any]]:
    """The parameters of rotary positions: one set, or one for each kind of layer."""
    parameters = getattr(config, "rope_parameters", None) or {}
    return [parameters, *(value for value in parameters.values() if isinstance(value, dict))]
