"""transformers' own DiffusionGemma, tiny and randomly initialised: whatever ``generate()`` is told, text is valid."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from diffusion.tiny_denoisers import END, ENDING, LANGUAGES, PAD, TOKENS, VOCABULARY, adversary, canvas, is_valid
from naive.brute_canvas import BruteCanvas
from transformers import DiffusionGemmaForBlockDiffusion, LogitsProcessor, LogitsProcessorList
from transformers.models.diffusion_gemma.configuration_diffusion_gemma import (
    DiffusionGemmaConfig,
    DiffusionGemmaTextConfig,
)

from constrain.canvas.base import OPEN, Canvas
from constrain.diffusion.gemma import GemmaProcessor, led

LENGTH, WIDTH = 5, 32
PROMPT = torch.tensor([[3, 4, 0], [5, 5, 1]])


@cache
def gemma(seed: int) -> Any:
    torch.manual_seed(seed)
    text = DiffusionGemmaTextConfig(
        vocab_size=WIDTH, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, global_head_dim=8, max_position_embeddings=128, sliding_window=16,
        num_experts=2, top_k_experts=1, moe_intermediate_size=8, pad_token_id=PAD, eos_token_id=END, bos_token_id=10,
        layer_types=["sliding_attention", "full_attention"], initializer_range=0.5,
    )  # fmt: skip
    vision = {
        "model_type": "gemma4_vision", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 8,
    }  # fmt: skip
    config = DiffusionGemmaConfig(
        text_config=text, vision_config=vision, canvas_length=LENGTH, image_token_id=31, boi_token_id=30,
        eoi_token_id=29,
    )  # fmt: skip
    return DiffusionGemmaForBlockDiffusion(config).eval()


class Uncounted:
    """A canvas that can do what the protocol asks, and no more."""

    def __init__(self, inner: BruteCanvas) -> None:
        self.vocabulary, self.ending, self.slots, self.filling = (
            inner.vocabulary, inner.ending, inner.slots, inner.filling,
        )  # fmt: skip
        self.mask, self.allows, self.best, self._inner = inner.mask, inner.allows, inner.best, inner

    def commit(self, slot: int, token: int) -> Uncounted:
        return Uncounted(self._inner.commit(slot, token))


def generate(processor: GemmaProcessor, seed: int = 0, **options: Any) -> list[list[int]]:
    torch.manual_seed(seed)
    out = gemma(seed).generate(PROMPT, **{**processor.options(), **options})
    assert out.sequences[:, :3].tolist() == PROMPT.tolist()
    rows = out.sequences[:, 3:].tolist()
    for row, result in zip(rows, processor.results(out.sequences), strict=True):
        known = canvas_text(row)
        assert result.text == known and result.steps >= 1
    return rows


def canvas_text(row: list[int]) -> str:
    return b"".join(TOKENS[i] for i in row[: row.index(END) if END in row else len(row)]).decode()


STOPS: dict[str, dict[str, Any]] = {
    "one step": {"max_denoising_steps": 1},
    "by default": {"max_denoising_steps": 6},
    "after any step": {"max_denoising_steps": 8, "stability_threshold": 0, "confidence_threshold": 100.0},
    "when stable": {"max_denoising_steps": 8, "stability_threshold": 1, "confidence_threshold": 2.0},
    "hot": {"max_denoising_steps": 4, "t_min": 3.0, "t_max": 5.0},
}


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("counted", [True, False])
def test_every_row_is_valid_whenever_the_loop_stops(language: str, stop: str, counted: bool) -> None:
    start: Any = canvas(language, LENGTH)
    for seed in range(2):
        processor = GemmaProcessor(start if counted else Uncounted(start), PROMPT.shape[1])
        for row in generate(processor, seed=seed, **STOPS[stop]):
            assert is_valid(language, tuple(row))


def test_without_the_processor_it_is_not() -> None:
    out = gemma(0).generate(PROMPT, max_new_tokens=LENGTH, max_denoising_steps=3)
    assert not any(is_valid("pairs", tuple(row)) for row in out.sequences[:, 3:].tolist())


def test_text_over_several_canvases() -> None:
    """Eight brackets on two canvases of five: the first may not open more than the second can close."""

    def accepts(text: bytes) -> bool:
        return LANGUAGES["brackets"](text) and len(text) == 8

    fixed = [3, OPEN, OPEN, OPEN, 4, 4, OPEN, 4, END, OPEN]
    long = BruteCanvas.of(VOCABULARY, accepts, fixed, ENDING)
    for seed in range(3):
        processor = GemmaProcessor(long, PROMPT.shape[1])
        for row in generate(processor, seed=seed, max_denoising_steps=2):
            assert accepts(canvas_text(row).encode()) and len(row) == 2 * LENGTH


def test_rows_may_be_finished_at_different_times() -> None:
    short = BruteCanvas.of(VOCABULARY, lambda text: text == b"c", [OPEN, END] + [OPEN] * 8, ENDING)
    fixed = [OPEN, 0, OPEN, 0, 0, 0, OPEN, 5, END, OPEN]
    long = BruteCanvas.of(VOCABULARY, lambda text: text == b"aaaaaaac", fixed, ENDING)
    rows = generate(GemmaProcessor([short, long], 3), max_denoising_steps=2)
    assert [canvas_text(row) for row in rows] == ["c", "aaaaaaac"]


def test_fixed_slots_stay() -> None:
    fixed = [OPEN, 2, OPEN, 5, OPEN]
    start = BruteCanvas.of(VOCABULARY, LANGUAGES["pairs"], fixed, ENDING)
    for row in generate(GemmaProcessor(start, 3), max_denoising_steps=4):
        assert row[1] == 2 and row[3] == 5 and is_valid("pairs", tuple(row))


def test_a_processor_can_be_used_again() -> None:
    processor = GemmaProcessor(canvas("pairs", LENGTH), 3)
    first = generate(processor, max_denoising_steps=3)
    steps = [result.steps for result in processor.results(torch.cat([PROMPT, torch.tensor(first)], 1))]
    assert generate(processor, max_denoising_steps=3) == first
    assert [r.steps for r in processor.results(torch.cat([PROMPT, torch.tensor(first)], 1))] == steps
    assert max(steps) <= 3


def processed(processor: GemmaProcessor, logits: torch.Tensor) -> torch.Tensor:
    return LogitsProcessorList([processor])(PROMPT[:1], logits, cur_step=torch.tensor(3))


def test_laws_are_marginals_but_for_what_leads() -> None:
    start = canvas("same", LENGTH)
    logits = torch.randn(1, LENGTH, WIDTH, generator=torch.Generator().manual_seed(2))
    got = processed(GemmaProcessor(start, 3), logits)[0]
    law = logits[0].masked_fill(torch.tensor([i >= 6 and i not in (END, PAD) for i in range(WIDTH)]), -torch.inf)
    scores = law.log_softmax(-1).double().numpy()[:, : VOCABULARY.width]
    best, exact = start.best(scores), start.marginals(scores)
    for place in range(LENGTH):
        assert int(got[place].argmax()) == best[place]
        ours, theirs = np.sort(got[place, : VOCABULARY.width].double().exp()), np.sort(np.exp(exact[place]))
        assert np.allclose(ours[:-1], theirs[:-1], atol=1e-5) and abs(ours[-1] - theirs[-1]) < 0.011


def test_the_best_filling_leads_though_single_slots_want_something_else() -> None:
    """Marginals want a, b and c on their own; only one of a and b can be had."""
    logits = torch.full((1, 3, WIDTH), -9.0)
    logits[0, 0, 0], logits[0, 1, 1], logits[0, 2, 5] = 5.0, 6.0, 5.0
    got = processed(GemmaProcessor(canvas("same", 3), 3), logits)[0]
    assert got.argmax(-1).tolist() == [1, 1, 5]


def test_leading_keeps_all_other_values() -> None:
    law = torch.tensor([[0.0, -1.0, -2.0], [-1.0, -1.0, -3.0]])
    got = led(law, np.array([2, 1], np.int32))
    assert got.argmax(-1).tolist() == [2, 1]
    torch.testing.assert_close(got[0], torch.tensor([-2.0, -1.0, 0.01]))
    torch.testing.assert_close((got[1] / 0.4).argmax(), torch.tensor(1))


def test_an_adversary_is_no_matter() -> None:
    class Adversary(LogitsProcessor):
        """Before ours: wants what cannot be had."""

        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, cur_step: Any) -> torch.Tensor:
            worst = adversary("pairs")(torch.full((1, LENGTH), 8))[0]
            return torch.nn.functional.pad(worst, (0, WIDTH - worst.shape[-1]), value=60.0).expand(scores.shape)

    processor = GemmaProcessor(canvas("pairs", LENGTH), 3)
    chain = LogitsProcessorList([Adversary(), *processor.options()["logits_processor"]])
    for row in generate(processor, max_denoising_steps=3, logits_processor=chain):
        assert is_valid("pairs", tuple(row))


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "lengths": (lambda: GemmaProcessor([canvas("same", 3), canvas("same", 4)], 3), "of one length"),
    "no multiple": (lambda: generate(GemmaProcessor(canvas("same", 4), 3)), "a multiple of 5 slots"),
    "prompt": (lambda: generate(GemmaProcessor(canvas("same", LENGTH), 2)), "behind a prompt of 2"),
    "rows": (lambda: generate(GemmaProcessor([canvas("same", LENGTH)] * 3, 3)), "3 canvases for 2 rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_the_stand_in_without_counts_is_a_canvas() -> None:
    start: Canvas = Uncounted(canvas("pairs", 3))
    assert not hasattr(start, "marginals") and start.commit(0, 5).slots.tolist() == [5, OPEN, OPEN]
