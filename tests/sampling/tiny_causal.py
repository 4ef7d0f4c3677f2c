"""Tiny random causal models of many families, in float64, and their laws by plain forward passes: the oracle."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
import transformers

from constrain.sampling.lm.model import Laws, Request

torch.set_num_threads(1)  # the models are tiny: threads only wait for each other

VOCABULARY = 23
PROMPT = (3, 1, 4, 1, 5, 9)
SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.5,  # laws are far from flat, and far from each other
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def _build(kind: str, implementation: str | None = "sdpa", **fields: Any) -> Any:
    torch.manual_seed(5)
    config = getattr(transformers, f"{kind}Config")(**{**SHAPE, **fields})
    named = {"Gemma3Text": "Gemma3ForCausalLM", "Llama4Text": "Llama4ForCausalLM", "GPT2": "GPT2LMHeadModel"}
    if implementation is not None:
        config._attn_implementation = implementation
    return getattr(transformers, named.get(kind, f"{kind}ForCausalLM"))(config).eval().double()


MIXED = ["sliding_attention", "full_attention"]
BUILDERS: dict[str, Callable[[], Any]] = {
    "llama": lambda: _build("Llama"),
    "llama_eager": lambda: _build("Llama", "eager"),
    "gpt2": lambda: _build("GPT2", n_inner=24),
    "qwen2": lambda: _build("Qwen2"),
    "qwen2_mixed": lambda: _build("Qwen2", use_sliding_window=True, sliding_window=4, layer_types=MIXED),
    "gemma2_eager": lambda: _build(
        "Gemma2", "eager", head_dim=4, sliding_window=5, layer_types=MIXED, query_pre_attn_scalar=4
    ),
    "gemma3": lambda: _build("Gemma3Text", head_dim=4, sliding_window=4, layer_types=MIXED, query_pre_attn_scalar=4),
    "llama4": lambda: _build(
        "Llama4Text",
        head_dim=4,
        attention_chunk_size=5,
        layer_types=["chunked_attention", "full_attention"],
        num_local_experts=2,
        intermediate_size_mlp=24,
    ),
    "mistral": lambda: _build("Mistral", sliding_window=5),
    "mamba": lambda: _build("Mamba", None, state_size=4),
    "bloom": lambda: _build("Bloom", None, n_head=4, n_layer=2),
    "gpt_neo": lambda: _build(
        "GPTNeo", None, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=4
    ),
}
TREES = ["llama", "llama_eager", "gpt2", "qwen2", "qwen2_mixed", "gemma2_eager", "gemma3", "llama4", "mistral"]
PLAIN = ["mamba", "bloom", "gpt_neo"]


@cache
def tiny(family: str) -> Any:
    """One model of each family; whoever changes it builds its own."""
    return BUILDERS[family]()


def tolerance(family: str) -> float:
    """Some families take a step in float32: attention by "eager" its softmax, Mamba its scan, Llama 4 its rotations."""
    return 2e-5 if family in PLAIN or family.endswith("eager") or family == "llama4" else 1e-12


class Oracle:
    """Laws of a model, each by one plain forward pass over the whole text, without cache, mask or batch."""

    def __init__(self, model: Any, prompt: tuple[int, ...] = PROMPT) -> None:
        self._model, self._prompt = model, prompt
        self._known: dict[tuple[int, ...], Laws] = {}

    def law(self, prefix: tuple[int, ...]) -> Laws:
        if prefix not in self._known:
            with torch.inference_mode():
                logits = self._model(input_ids=torch.tensor([[*self._prompt, *prefix]])).logits[0, -1]
            scores = logits.double().numpy()
            self._known[prefix] = scores - np.log(np.exp(scores - scores.max()).sum()) - scores.max()
        return self._known[prefix]

    def laws(self, request: Request) -> Laws:
        return np.stack([self.law(request.prefix + request.ahead[:length]) for length in range(len(request.ahead) + 1)])


def random_requests(generator: np.random.Generator, count: int, longest: int = 9) -> list[Request]:
    """Requests over few tokens, so that beginnings are shared and asked for again."""

    def tokens(most: int) -> tuple[int, ...]:
        return tuple(int(token) for token in generator.integers(6, 9, generator.integers(most + 1)))

    return [Request(tokens(longest), tokens(3)) for _ in range(count)]
