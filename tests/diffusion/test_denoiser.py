"""Facts are read from checkpoints or asked for; forward passes are those of each family."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusion.tiny_denoisers import END, ENDING, MASK, PAD, VOCABULARY, V, canvas, is_valid
from diffusion.tiny_diffusers import Bidirectional, TinyDream, TinyFastDLLM, TinyLLaDA, TinyLLaDA2, TinySDAR

from constrain.canvas.base import OPEN
from constrain.diffusion.blocks import block_bounds, block_sampler
from constrain.diffusion.denoiser import Denoiser, Facts, block_causal, read_facts
from constrain.diffusion.options import Options
from constrain.diffusion.sampler import Sampler

LLADA2 = {"mask": MASK, "ends": [END]}


class Tokenizer(SimpleNamespace):
    """As much of a tokenizer as facts are read from."""

    def get_vocab(self) -> dict[str, int]:
        return self.vocab  # type: ignore[no-any-return]


def config(architecture: str, **fields: Any) -> SimpleNamespace:
    return SimpleNamespace(architectures=[architecture], **fields)


@pytest.mark.parametrize(
    ("given", "tokenizer", "expected"),
    [
        (
            config("LLaDAModelLM", mask_token_id=126336, eos_token_id=126081, pad_token_id=126081),
            Tokenizer(vocab={"<|eot_id|>": 126348}, eos_token_id=126081, pad_token_id=126081),
            Facts(126336, frozenset([126081, 126348]), None, False),
        ),
        (
            config("DreamModel", mask_token_id=151666, eos_token_id=151643, pad_token_id=151643),
            Tokenizer(vocab={"<|im_end|>": 151645}, eos_token_id=151643, pad_token_id=151667),  # DiffuCoder's
            Facts(151666, frozenset([151643, 151645]), 151667, True, None, "dream"),
        ),
        (
            config("SDARForCausalLM", eos_token_id=151643),
            None,
            Facts(151669, frozenset([151643, 151645]), None, False, 4, "block mask"),
        ),
        (
            config("LLaDA2MoeModelLM", pad_token_id=156892),
            None,
            Facts(156895, frozenset([156892]), None, False, 32, "block bias"),
        ),
        (
            config("Fast_dLLM_QwenForCausalLM", eos_token_id=151645),
            None,
            Facts(151665, frozenset([151645]), None, True, 32, "block size"),
        ),
        (
            config("BertForMaskedLM", pad_token_id=0),
            Tokenizer(vocab={}, mask_token_id=103, eos_token_id=102, pad_token_id=0),
            Facts(103, frozenset([102]), 0, False),
        ),
    ],
    ids=lambda value: value.architectures[0] if hasattr(value, "architectures") else "",
)
def test_facts_of_families(given: Any, tokenizer: Any, expected: Facts) -> None:
    assert read_facts(given, tokenizer) == expected


def test_all_ends_count() -> None:
    model = SimpleNamespace(
        config=config("LLaDAModelLM", eos_token_id=[3, 4]), generation_config=SimpleNamespace(eos_token_id=5)
    )
    tokenizer = Tokenizer(vocab={}, eos_token_id=6)
    assert read_facts(model, tokenizer).ends == {3, 4, 5, 6}


def test_what_is_given_counts() -> None:
    facts = read_facts(config("Unheard"), mask=1, ends=[2], pad=3, shifted=True, block=8)
    assert facts == Facts(1, frozenset([2]), 3, True, 8, "full")
    assert facts.ending.behind == {2, 3}


@pytest.mark.parametrize(
    ("given", "named", "message"),
    [
        (config("GPT2LMHeadModel", eos_token_id=1), {"shifted": False}, "mask id of GPT2LMHeadModel"),
        (config("Unheard", mask_token_id=3), {"shifted": False}, "what ends a text of Unheard"),
        (config("Unheard", mask_token_id=3, eos_token_id=1), {}, "about place i, or about place i . 1"),
    ],
)
def test_what_nobody_says_is_asked_for(given: Any, named: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_facts(given, **named)


def test_the_vocabulary_has_the_ends_of_the_checkpoint() -> None:
    facts = Facts(MASK, frozenset([END, UNTIL := 9]), PAD)
    vocabulary = facts.vocabulary(VOCABULARY, width=V)
    assert vocabulary.eos == {END, UNTIL} and vocabulary.width == V
    assert Facts(MASK, frozenset([END])).vocabulary(VOCABULARY) is VOCABULARY


def test_shifted_logits_are_put_in_their_places() -> None:
    ids = torch.tensor([[0, 1, MASK, MASK]])
    model = TinyDream(1).eval()
    with torch.no_grad():
        rows = model(ids, "full", None).logits[0]
    got = Denoiser.of(model)(ids)[0]
    torch.testing.assert_close(got, rows[[0, 0, 1, 2]])
    plain = TinyLLaDA(1).eval()
    torch.testing.assert_close(Denoiser.of(plain)(ids), plain(ids).logits.detach())


def test_models_in_training_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"call model\.eval"):
        Denoiser.of(TinyLLaDA(1))
    with pytest.raises(ValueError, match="a denoiser gives"):
        Denoiser(lambda ids: torch.zeros(1, V), Facts(MASK, frozenset([END])))(torch.tensor([[1, 2]]))


MODELS = {
    "llada": (TinyLLaDA, {}),
    "dream": (TinyDream, {}),
    "sdar": (TinySDAR, {}),
    "llada2": (TinyLLaDA2, LLADA2),
    "fast_dllm": (TinyFastDLLM, {}),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tokens", [1, 4, 8])
def test_every_family_writes_valid_text(name: str, tokens: int) -> None:
    kind, given = MODELS[name]
    for seed in range(2):
        model: Bidirectional = kind(seed)
        denoiser = Denoiser.of(model.eval(), **given)
        for language in ("pairs", "brackets"):
            got = Sampler(denoiser, [3, 4, 5], Options(tokens=tokens)).run(canvas(language, 5), seed)
            assert is_valid(language, got.ids)


# --- Block diffusion --------------------------------------------------------------------------------------------------


def test_blocks_see_themselves_and_what_is_before_them() -> None:
    assert block_causal(5, 2).int().tolist() == [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], *[[1, 1, 1, 1, 0]] * 2, [1] * 5]


def test_blocks_lie_on_the_grid_of_the_prompt() -> None:
    assert block_bounds(0, 8, 4) == [4, 8]
    assert block_bounds(4, 8, 4) == [4, 8]
    assert block_bounds(5, 8, 4) == [3, 7, 8]
    assert block_bounds(3, 1, 4) == [1]


@pytest.mark.parametrize("name", ["sdar", "llada2", "fast_dllm"])
@pytest.mark.parametrize("steps", [2, 3, 5])
def test_block_diffusion_writes_valid_text(name: str, steps: int) -> None:
    kind, given = MODELS[name]
    for seed in range(3):
        denoiser = Denoiser.of(kind(seed).eval(), block=4, **given)
        for language in ("pairs", "brackets", "same"):
            sampler = block_sampler(denoiser, [3, 4], 6, Options(steps=steps))
            states: list[Any] = []
            got = sampler.run(canvas(language, 6), seed, states.append)
            assert is_valid(language, got.ids) and got.steps <= steps
            assert all((s.ids[2:] == OPEN).all() for s in states if (s.ids[:2] == OPEN).any() and END not in s.ids)


@pytest.mark.parametrize("name", ["sdar", "llada2"])
def test_the_window_leaves_out_only_what_attention_does_not_see(name: str) -> None:
    """A block's logits are the same with later blocks in the pass and without them."""
    kind, given = MODELS[name]
    denoiser = Denoiser.of(kind(3).eval(), block=4, **given)
    ids = torch.tensor([[3, 4, 0, MASK, MASK, MASK, MASK, MASK]])
    torch.testing.assert_close(denoiser(ids)[:, :4], denoiser(ids[:, :4]), rtol=1e-5, atol=1e-5)


def test_a_model_without_blocks_needs_their_length() -> None:
    denoiser = Denoiser.of(TinyLLaDA(0).eval())
    with pytest.raises(ValueError, match="give block_length"):
        block_sampler(denoiser, [3], 6)
    got = block_sampler(denoiser, [3], 6, Options(block_length=3)).run(canvas("pairs", 6))
    assert is_valid("pairs", got.ids) and ENDING.ends <= {END}
