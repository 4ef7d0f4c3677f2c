"""Tiny models, randomly initialised, with the interfaces of checkpoints whose code comes with them.

Only the interfaces are theirs: how a forward pass is called, what it returns, what the configuration says, and, for
Dream, the loop of ``diffusion_generate`` as far as hooks can tell (in words of our own, from its description).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from diffusion.tiny_denoisers import END, MASK, PAD, V
from torch import nn


class Bidirectional(nn.Module):
    """Two layers of attention from everywhere to everywhere, or as an explicit mask says."""

    def __init__(self, seed: int, architecture: str, **config: Any) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = nn.Embedding(V, 16)
        self.position = nn.Embedding(64, 16)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True) for _ in range(2))
        self.head = nn.Linear(16, V)
        nn.init.normal_(self.head.weight, std=1.0)
        self.config = SimpleNamespace(architectures=[architecture], **config)
        self.dtype, self.device = torch.float32, torch.device("cpu")

    def logits(self, ids: torch.Tensor, blocked: torch.Tensor | None = None) -> Any:
        hidden = self.embedding(ids) + self.position(torch.arange(ids.shape[1]))
        for layer in self.layers:
            hidden = layer(hidden, src_mask=blocked)
        return SimpleNamespace(logits=self.head(hidden))


class TinyLLaDA(Bidirectional):
    """``model(ids).logits``, row ``i`` for place ``i``."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, "LLaDAModelLM", mask_token_id=MASK, eos_token_id=END, pad_token_id=PAD)

    def forward(self, input_ids: torch.Tensor) -> Any:
        return self.logits(input_ids)


class TinyDream(Bidirectional):
    """``model(ids, "full", None).logits``, row ``i`` for place ``i + 1``; and the loop with its two hooks."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, "DreamModel", mask_token_id=MASK, eos_token_id=END, pad_token_id=PAD)

    def forward(self, input_ids: torch.Tensor, attention_mask: Any, tok_idx: Any) -> Any:
        assert attention_mask == "full" and tok_idx is None
        return self.logits(input_ids)

    @torch.no_grad()
    def diffusion_generate(
        self,
        inputs: torch.Tensor,
        *,
        max_new_tokens: int,
        steps: int,
        temperature: float = 0.0,
        alg: str = "entropy",
        alg_temp: float = 0.0,
        eps: float = 1e-3,
        generation_tokens_hook_func: Any = lambda step, x, logits: x,
        generation_logits_hook_func: Any = lambda step, x, logits: logits,
    ) -> torch.Tensor:
        masked = torch.full((len(inputs), max_new_tokens), MASK)
        x = generation_tokens_hook_func(None, torch.cat([inputs, masked], 1), None)
        times = torch.linspace(1, eps, steps + 1)
        for i in range(steps):
            hidden = self(x, "full", None).logits
            logits = generation_logits_hook_func(i, x, torch.cat([hidden[:, :1], hidden[:, :-1]], 1))
            share = float(1 - times[i + 1] / times[i]) if i < steps - 1 else 1.0
            fill(x, logits, share, temperature, alg, alg_temp)
            x = generation_tokens_hook_func(i, x, logits)
        return x


def fill(x: torch.Tensor, logits: torch.Tensor, share: float, temperature: float, alg: str, alg_temp: float) -> None:
    """Put tokens in so large a share of the masks, the surest ones. The number is the mean of all rows, so a row that
    has fewer masks left gets masks in places that had tokens."""
    masked = x == MASK
    probabilities = torch.softmax(logits / (temperature or 1.0), -1)
    flat = probabilities.flatten(0, 1)
    chosen = (torch.multinomial(flat, 1)[:, 0] if temperature else flat.argmax(-1)).view(x.shape)
    chosen = torch.where(masked, chosen, MASK)
    if alg == "origin":
        x[:] = torch.where(masked & (torch.rand(x.shape) < share), chosen, x)
        return
    sure = torch.where(masked, confidences(probabilities, alg), -torch.inf)
    count = int(float(masked.sum()) / len(x) * share)
    if count:
        places = sure.topk(count).indices if not alg_temp else torch.multinomial((sure / alg_temp).softmax(-1), count)
        x.scatter_(1, places, chosen.gather(1, places))


def confidences(probabilities: torch.Tensor, alg: str) -> torch.Tensor:
    if alg == "entropy":
        return (probabilities * (probabilities + 1e-10).log()).sum(-1)
    best = probabilities.topk(2).values
    return best[..., 0] - best[..., 1] if alg == "topk_margin" else best[..., 0]


class TinySDAR(Bidirectional):
    """Block diffusion: attention as a bool mask ``[1, 1, L, L]`` says."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, "SDARForCausalLM", mask_token_id=MASK, eos_token_id=END, pad_token_id=PAD)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, use_cache: bool) -> Any:
        assert attention_mask.dtype == torch.bool and not use_cache
        return self.logits(input_ids, ~attention_mask[0, 0])


class TinyLLaDA2(Bidirectional):
    """Block diffusion: what may not be seen has ``-inf`` added. No ids in the configuration but padding."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, "LLaDA2MoeModelLM", pad_token_id=PAD)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, use_cache: bool) -> Any:
        assert attention_mask.dtype == self.dtype and not use_cache
        return self.logits(input_ids, attention_mask[0, 0])


class TinyFastDLLM(Bidirectional):
    """Block diffusion, shifted: makes the mask itself, of ``block_size``."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, "Fast_dLLM_QwenForCausalLM", mask_token_id=MASK, eos_token_id=END, pad_token_id=PAD)

    def forward(self, input_ids: torch.Tensor, block_size: int, use_cache: bool) -> Any:
        number = torch.arange(input_ids.shape[1]) // block_size
        return self.logits(input_ids, number[:, None] < number[None, :])
