"""Training of masked-diffusion models: a share of the canvas is masked, and the model says what stood there.

The share is drawn evenly from (0, 1] for each row (Nie et al., "Large Language Diffusion Models", 2025, algorithm 1).
The loss is the mean over all masked slots of a batch: without the weight 1/share, whose variance a few thousand steps
do not average out, so that a slot counts the same whatever the share was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Rows = npt.NDArray[np.int64]


class Task(NamedTuple):
    """``rows``: (N, L) ids. The first ``prompt`` slots of each are given; the others are the canvas."""

    rows: Rows
    prompt: int


class Plan(NamedTuple):
    """How long and how: ``seconds`` of processor time or ``steps``, what comes first; ``rate`` is the highest rate."""

    seconds: float
    steps: int
    batch: int
    rate: float
    warmup: float = 0.05


def masked(task: Task, rows: Rows, mask: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids with a share of each canvas masked, and where: (B, L) int64 and bool. At least one slot of each row is."""
    count, width = len(rows), rows.shape[1] - task.prompt
    # Shares spread over the batch: one draw from each of ``count`` equal parts of (0, 1].
    shares = (rng.permutation(count) + rng.random(count)) / count
    noise = rng.random((count, width))
    hidden = np.zeros(rows.shape, dtype=bool)
    hidden[:, task.prompt :] = noise <= np.maximum(shares[:, None], noise.min(axis=1, keepdims=True))
    return torch.from_numpy(np.where(hidden, mask, rows)), torch.from_numpy(hidden)


def loss_of(model: nn.Module, task: Task, rows: Rows, mask: int, rng: np.random.Generator) -> torch.Tensor:
    """Cross-entropy of what is masked, in nats a slot. The head sees the masked slots only, which saves its time."""
    ids, hidden = masked(task, rows, mask, rng)
    states = model.base_model(ids).last_hidden_state[hidden]
    return nn.functional.cross_entropy(head_of(model)(states), torch.from_numpy(rows)[hidden])


def head_of(model: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """From last hidden states to logits: BERT's head, or ModernBERT's."""
    return model.cls if hasattr(model, "cls") else lambda states: model.decoder(model.head(states))


def batches(tasks: Sequence[Task], size: int, rng: np.random.Generator) -> Iterator[tuple[Task, Rows]]:
    """Rows of one task after the other, by turns, without end; each task's rows come in a new order every time."""
    streams = [_shuffled(task.rows, size, rng) for task in tasks]
    while True:
        for task, stream in zip(tasks, streams, strict=True):
            yield task, next(stream)


def _shuffled(rows: Rows, size: int, rng: np.random.Generator) -> Iterator[Rows]:
    while True:
        order = rng.permutation(len(rows))
        for begin in range(0, len(order) - size + 1, size):
            yield rows[order[begin : begin + size]]


def rate_at(done: float, plan: Plan) -> float:
    """The learning rate when the share ``done`` of the training is over: up in a line, then down along a cosine."""
    if done < plan.warmup:
        return plan.rate * done / plan.warmup
    return plan.rate * (1 + math.cos(math.pi * min(1.0, (done - plan.warmup) / (1 - plan.warmup)))) / 2


def train(
    model: nn.Module,
    tasks: Sequence[Task],
    mask: int,
    plan: Plan,
    seed: int,
    report: Callable[[int, float, float], None],
) -> int:
    """Train in place; the number of steps done. ``report`` gets step, seconds, loss (a running mean, nats a slot)."""
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.01)
    began, mean, step = time.process_time(), math.nan, 0
    model.train()
    for task, rows in batches(tasks, plan.batch, rng):
        seconds = time.process_time() - began
        done = max(seconds / plan.seconds, step / plan.steps)
        if done >= 1:
            break
        optimizer.param_groups[0]["lr"] = rate_at(done, plan)
        loss = loss_of(model, task, rows, mask, rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        mean = loss.item() if math.isnan(mean) else 0.98 * mean + 0.02 * loss.item()
        report(step, seconds, mean)
    model.eval()
    return step
