"""Dream's own loop with our hooks: every row is valid, whatever it proposes and however it fills slots."""

from __future__ import annotations

import pytest
import torch
from diffusion.tiny_denoisers import END, ENDING, MASK, PAD, VOCABULARY, adversary, canvas, is_valid
from diffusion.tiny_diffusers import TinyDream
from naive.brute_canvas import BruteCanvas

from constrain.canvas.base import OPEN
from constrain.diffusion.denoiser import read_facts
from constrain.diffusion.dream import DreamHooks

LANGUAGES = ["pairs", "brackets", "same"]
PROMPT = torch.tensor([[3, 4, 0], [5, 5, 1]])


def dream(seed: int, wants: str | None = None) -> TinyDream:
    """A model; ``wants``: one that proposes what that language does not allow."""
    model = TinyDream(seed).eval()
    if wants is not None:
        worst = adversary(wants)

        def logits(ids: torch.Tensor, blocked: object = None) -> object:
            rows = [torch.cat([torch.zeros(2, 11), worst(row[None, 3:])[0], torch.zeros(1, 11)]) for row in ids]
            return type("Output", (), {"logits": torch.stack(rows)})

        model.logits = logits  # type: ignore[method-assign]
    return model


@pytest.mark.parametrize("alg", ["origin", "entropy", "topk_margin", "maskgit_plus"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("masks", [True, False])
def test_every_row_is_valid(language: str, alg: str, masks: bool) -> None:
    for seed, steps, temperature, alg_temp in ((0, 1, 0.0, 0.0), (1, 3, 1.0, 0.5), (2, 6, 0.7, 0.0)):
        for wants in (None, language):
            model = dream(seed, wants)
            hooks = DreamHooks(canvas(language, 6), read_facts(model), steps, masks=masks)
            prompt = PROMPT[:1] if alg_temp else PROMPT
            x = model.diffusion_generate(prompt, temperature=temperature, alg=alg, alg_temp=alg_temp, **hooks.options())
            assert x[:, :3].tolist() == prompt.tolist()
            for row, result in zip(x[:, 3:].tolist(), hooks.results(), strict=True):
                assert is_valid(language, tuple(row)) and result.ids == tuple(row)
                assert result.tally.calls == result.steps == steps


def test_rows_have_canvases_of_their_own() -> None:
    model = dream(4)
    hooks = DreamHooks([canvas("pairs", 5), canvas("brackets", 5)], read_facts(model), 4)
    for _ in range(2):  # and hooks can be used again
        x = model.diffusion_generate(PROMPT, **hooks.options())
        assert is_valid("pairs", tuple(x[0, 3:].tolist())) and is_valid("brackets", tuple(x[1, 3:].tolist()))


def test_what_is_committed_stays_though_the_loop_takes_it_back() -> None:
    """A row with a single open slot beside one with six: the loop fills the mean of both, and so masks tokens again."""
    fixed = [3, 4, 3, 4, OPEN, END]
    short = BruteCanvas.of(VOCABULARY, lambda text: text.startswith(b"()()"), fixed, ENDING)
    hooks = DreamHooks([short, canvas("brackets", 6)], read_facts(dream(0)), 2)
    seen = []
    generate = hooks.on_tokens

    def watched(step: int | None, x: torch.Tensor, logits: torch.Tensor | None) -> torch.Tensor:
        if step is not None:
            seen.append(bool((x[0, :3] == MASK).any()) or any(x[0, 3 + i] == MASK for i in (0, 1, 2, 3, 5)))
        return generate(step, x, logits)

    options = hooks.options() | {"generation_tokens_hook_func": watched}
    x = dream(0).diffusion_generate(PROMPT, **options)
    assert any(seen) and x[:, :3].tolist() == PROMPT.tolist()
    assert [token for token, given in zip(x[0, 3:].tolist(), fixed, strict=True) if given != OPEN] == [3, 4, 3, 4, END]


def test_a_valid_proposal_is_kept_and_one_that_disagrees_is_masked_again() -> None:
    hooks = DreamHooks(canvas("same", 3), read_facts(dream(0)), 2, masks=False)
    x = hooks.on_tokens(None, torch.full((1, 3), MASK), None)
    logits = torch.zeros(1, 3, 11)
    logits[0, 0, 1], logits[0, 1, 0], logits[0, 2, 5] = 5.0, 4.0, 3.0  # b, a, c
    x = hooks.on_tokens(0, torch.tensor([[1, 0, 5]]), logits)
    assert x.tolist() == [[1, MASK, 5]]
    assert hooks.on_tokens(1, x, logits).tolist() == [[1, 1, 5]]
    assert hooks.results()[0].text == "bbc" and hooks.results()[0].tally.rejections == 2


def test_padding_fills_what_is_behind_an_end() -> None:
    hooks = DreamHooks(canvas("same", 4), read_facts(dream(0)), 2)
    hooks.on_tokens(None, torch.full((1, 4), MASK), None)
    logits = torch.zeros(1, 4, 11)
    assert hooks.on_tokens(0, torch.tensor([[5, END, MASK, MASK]]), logits).tolist() == [[5, END, PAD, PAD]]


def test_what_does_not_fit_is_refused() -> None:
    facts = read_facts(dream(0))
    with pytest.raises(ValueError, match="of one length"):
        DreamHooks([canvas("same", 3), canvas("same", 4)], facts, 2)
    with pytest.raises(ValueError, match="steps must be 1"):
        DreamHooks(canvas("same", 3), facts, 0)
    hooks = DreamHooks([canvas("same", 3)] * 3, facts, 2)
    with pytest.raises(ValueError, match="3 canvases for 2 rows"):
        dream(0).diffusion_generate(PROMPT, **hooks.options())
    with pytest.raises(ValueError, match="has not come to its last step"):
        hooks.results()
    with pytest.raises(ValueError, match="cannot hold a canvas"):
        DreamHooks(canvas("same", 4), facts, 2).on_tokens(None, torch.full((1, 2), MASK), None)
