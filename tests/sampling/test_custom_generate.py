"""``faithful_generate`` inside ``generate()``: rows follow the model's law; what cannot be honoured is refused."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from sampling import tiny_causal
from sampling.significance import goodness_of_fit
from transformers import LogitsProcessor, LogitsProcessorList

import constrain
from constrain.sampling.generate import FaithfulOutput, SamplesMissing, faithful_generate
from constrain.vocab.vocabulary import Vocabulary

ALPHA = 1e-6
EOS, PAD = 2, 0
VOCABULARY = Vocabulary([None, None, None, *(bytes([97 + i]) for i in range(20))], [EOS])
WORDS = ("ab", "abc", "b", "bbd", "ca")
GRAMMAR = constrain.choices(list(WORDS))
PROMPT = (3, 1, 4, 1, 5, 9)


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_causal.BUILDERS["llama"]()


def spelled(word: str) -> list[int]:
    return [ord(letter) - 94 for letter in word] + [EOS]


def law(model: Any, prompt: tuple[int, ...], temperature: float = 1.0) -> dict[str, float]:
    """The model's law of the words, by a plain forward pass for each."""
    masses = {}
    for word in WORDS:
        ids = [*prompt, *spelled(word)]
        with torch.no_grad():
            scores = model(torch.tensor([ids])).logits[0].double() / temperature
        steps = scores.log_softmax(-1)[len(prompt) - 1 : -1]
        masses[word] = math.exp(sum(float(step[token]) for step, token in zip(steps, spelled(word), strict=True)))
    total = sum(masses.values())
    return {word: mass / total for word, mass in masses.items()}


def words(sequences: torch.Tensor, width: int) -> list[str]:
    """Texts of rows; each must be prompt, letters, end, padding."""
    found = []
    for row in sequences[:, width:].tolist():
        end = row.index(EOS)
        assert set(row[end + 1 :]) <= {PAD}
        found.append(VOCABULARY.decode(row[:end]).decode())
    return found


def generate(model: Any, custom: Any, rows: int = 1, prompt: tuple[int, ...] = PROMPT, **options: Any) -> Any:
    options = {"do_sample": True, "top_k": 0, "max_new_tokens": 5, "num_return_sequences": rows} | options
    return model.generate(torch.tensor([prompt]), custom_generate=custom, **options)


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_rows_follow_the_models_law(model: Any, temperature: float) -> None:
    custom = faithful_generate(GRAMMAR, VOCABULARY, "exact", seed=1)
    sequences = generate(model, custom, 1500, temperature=temperature)
    assert sequences.dtype == torch.long and sequences[:, : len(PROMPT)].tolist() == [list(PROMPT)] * 1500
    assert goodness_of_fit(words(sequences, len(PROMPT)), law(model, PROMPT, temperature)) > ALPHA


def test_masking_is_told_from_it(model: Any) -> None:
    """The test above can fail: the same words, drawn under a mask, do not follow the law."""
    custom = faithful_generate(GRAMMAR, VOCABULARY, "mask", seed=1, resample=False)
    sequences = generate(model, custom, 1500)
    assert goodness_of_fit(words(sequences, len(PROMPT)), law(model, PROMPT)) < ALPHA


def test_weighted_rows_are_drawn_again_by_their_weights(model: Any) -> None:
    custom = faithful_generate(GRAMMAR, VOCABULARY, "mask", seed=3, draws=4000)
    output = generate(model, custom, 1000, return_dict_in_generate=True)
    assert goodness_of_fit(words(output.sequences, len(PROMPT)), law(model, PROMPT)) > ALPHA
    assert output.log_weights.tolist() == [0.0] * 1000 and len(output.results[0]) == 4000


def test_each_prompt_of_a_padded_batch_has_its_own_target(model: Any) -> None:
    long, short = PROMPT, (7, 8)
    padding = [PAD] * (len(long) - len(short))
    ids = torch.tensor([long, [*padding, *short]])
    mask = torch.tensor([[1] * len(long), [0] * len(padding) + [1] * len(short)])
    custom = faithful_generate(GRAMMAR, VOCABULARY, "exact", seed=5)
    n = 800
    output = model.generate(
        ids, attention_mask=mask, custom_generate=custom, do_sample=True, top_k=0, max_new_tokens=5,
        num_return_sequences=n, return_dict_in_generate=True,
    )  # fmt: skip
    assert isinstance(output, FaithfulOutput) and output.sequences[:, : len(long)].tolist() == (
        [ids[0].tolist()] * n + [ids[1].tolist()] * n
    )
    texts = words(output.sequences, len(long))
    for prompt, mine, samples in zip((long, short), (texts[:n], texts[n:]), output.results, strict=True):
        assert goodness_of_fit(mine, law(model, prompt)) > ALPHA
        assert samples.guarantee == "exact, independent" and samples.texts == mine
        assert samples.certificate.log_lower <= samples.certificate.log_upper
    assert output.log_probabilities.shape == output.log_weights.shape == (2 * n,)


def test_output_says_what_rows_are_worth(model: Any) -> None:
    custom = faithful_generate(GRAMMAR, VOCABULARY, "importance", seed=2, resample=False)
    output = generate(model, custom, 6, return_dict_in_generate=True)
    [samples] = output.results
    assert output.log_weights.tolist() == [sample.log_weight for sample in samples]
    assert output.log_probabilities.tolist() == [sample.log_p for sample in samples]
    assert len(set(output.log_weights.tolist())) > 1


def test_a_text_and_its_end_fit_into_max_new_tokens(model: Any) -> None:
    custom = faithful_generate(GRAMMAR, VOCABULARY, "exact", seed=4)
    found = set(words(generate(model, custom, 200, max_new_tokens=3), len(PROMPT)))
    assert found <= {word for word in WORDS if len(word) <= 2} and "b" in found


def test_the_same_seed_gives_the_same_calls_and_each_call_other_texts(model: Any) -> None:
    def calls() -> list[list[str]]:
        custom = faithful_generate(GRAMMAR, VOCABULARY, "exact", seed=9)
        return [words(generate(model, custom, 20), len(PROMPT)) for _ in range(2)]

    first, second = calls(), calls()
    assert first == second and first[0] != first[1]


def test_a_compiled_automaton_needs_no_tokenizer(model: Any) -> None:
    custom = faithful_generate(constrain.compile(GRAMMAR, VOCABULARY), None, "exact", seed=1)
    assert words(generate(model, custom), len(PROMPT))[0] in WORDS


def test_a_budget_that_does_not_suffice_is_an_error_with_what_was_found(model: Any) -> None:
    custom = faithful_generate(GRAMMAR, VOCABULARY, "exact", seed=1, budget=3)
    with pytest.raises(SamplesMissing, match=r"of 50 texts found") as caught:
        generate(model, custom, 50)
    [samples] = caught.value.results
    assert samples.missing == 50 - len(samples) > 0


class Louder(LogitsProcessor):
    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores * 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"do_sample": False}, "pass do_sample=True"),
        ({"num_beams": 2}, "no beams"),
        ({"repetition_penalty": 1.5}, "RepetitionPenalty"),
        ({"min_p": 0.1}, "MinPLogitsWarper"),
        ({"logits_processor": LogitsProcessorList([Louder()])}, "Louder cannot be honoured"),
        ({"max_time": 5.0}, "MaxTimeCriteria"),
        ({"output_scores": True, "return_dict_in_generate": True}, "output_scores"),
        ({"eos_token_id": 5}, r"ends with \[2\], the generation with \[5\]"),
        ({"attention_mask": torch.tensor([[1, 1, 1, 1, 1, 0]])}, "padding_side='left'"),
    ],
)
def test_what_cannot_be_honoured_is_refused(model: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        generate(model, faithful_generate(GRAMMAR, VOCABULARY, "exact"), **options)


def test_a_draw_count_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="draws must be 1 or more"):
        faithful_generate(GRAMMAR, VOCABULARY, draws=0)


def test_the_folder_does_the_same(model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = str(Path(__file__).parents[2] / "examples" / "faithful_generate")
    ours = {"grammar": GRAMMAR, "tokenizer": VOCABULARY, "method": "exact", "seed": 6, "trust_remote_code": True}
    by_name = generate(model, folder, 9, **ours)
    assert torch.equal(by_name, generate(model, faithful_generate(GRAMMAR, VOCABULARY, "exact", seed=6), 9))
