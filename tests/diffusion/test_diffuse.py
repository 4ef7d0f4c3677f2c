"""``diffuse`` over the real canvases: regular grammars by states, others by charts; checked by Python's own parsers."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import torch
from diffusion.tiny_diffusers import TinyLLaDA
from naive.brute_canvas import BruteCanvas

import constrain
from constrain.canvas import Canvases, Ending, NotCompletable
from constrain.canvas.base import OPEN
from constrain.diffusion import Denoiser, Facts, Options, Sampler, diffuse, smc
from constrain.diffusion.gemma import GemmaProcessor
from constrain.testing import byte_vocabulary

VOCABULARY = byte_vocabulary(b"true", b"null", b'{"', b'":', b'"}', b"[[", b"]]", b", ", b"((", b"))")
END = next(iter(VOCABULARY.eos))
MASK, PAD = VOCABULARY.width, VOCABULARY.width + 1
WIDTH = VOCABULARY.width + 8
FACTS = Facts(MASK, VOCABULARY.eos)
GRAMMARS: dict[str, constrain.Grammar] = {
    "date": constrain.regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|null|(true, )*true"),
    "record": constrain.json_schema(
        {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"], "additionalProperties": False}
    ),
    "brackets": constrain.ebnf('root ::= pair+\npair ::= "(" pair* ")"'),
    "lists": constrain.gbnf('root ::= "[" (root ("," " "? root)*)? "]" | "true" | "null"'),
}


def is_valid(name: str, text: str) -> bool:
    if name == "date":
        return re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|null|(true, )*true", text) is not None
    if name == "brackets":
        depths = np.cumsum([1 if c == "(" else -1 for c in text])
        return set(text) == {"(", ")"} and depths.min() >= 0 and depths[-1] == 0
    value = json.loads(text)
    if name == "record":
        return isinstance(value, dict) and isinstance(value["a"], bool)
    return isinstance(value, list) or value in (True, None)


def random_denoiser(seed: int) -> Denoiser:
    generator = torch.Generator().manual_seed(seed)
    return Denoiser(lambda ids: 3 * torch.randn(*ids.shape, WIDTH, generator=generator), FACTS)


def bracket_lover(ids: torch.Tensor) -> torch.Tensor:
    """Wants to open for ever, and is sure of it at the end most of all."""
    logits = torch.zeros(*ids.shape, WIDTH)
    for token in b"([{":
        logits[..., token] = torch.linspace(5, 20, ids.shape[1])
    logits[..., -1] = 100.0
    return logits


@pytest.mark.parametrize("name", GRAMMARS)
@pytest.mark.parametrize("tokens", [1, 4, 8])
def test_texts_are_valid(name: str, tokens: int) -> None:
    start = Canvases(GRAMMARS[name], VOCABULARY).of(24)
    for seed in range(3):
        for denoiser in (random_denoiser(seed), Denoiser(bracket_lover, FACTS)):
            got = diffuse(denoiser, VOCABULARY, [65, 66], start, tokens=tokens, seed=seed, temperature=seed / 2)
            assert is_valid(name, got.text), got.text
            assert len(got.ids) == 24 and got.tally.calls == got.steps


@pytest.mark.parametrize("propose", ["mask", "marginals", "joint"])
def test_all_ways_to_propose_on_a_canvas_of_states(propose: Any) -> None:
    start = Canvases(GRAMMARS["date"], VOCABULARY).of(12)
    for seed in range(3):
        got = diffuse(random_denoiser(seed), VOCABULARY, None, start, propose=propose, tokens=3, confidence="entropy")
        assert is_valid("date", got.text) and got.tally.certificate == 0


def test_a_canvas_of_states_counts_as_all_fillings_do() -> None:
    """SMC over the real canvas and over the list of all its fillings: the same particles, weights and estimate."""
    pattern = r"a(b|c)*"
    vocabulary = constrain.Vocabulary([b"a", b"b", b"c", b"bc"], [4])
    ending = Ending(vocabulary.eos, frozenset())
    real = Canvases(constrain.regex(pattern), vocabulary, ending).of(3)
    listed = BruteCanvas.of(vocabulary, lambda text: re.fullmatch(pattern.encode(), text) is not None, 3, ending)
    table = torch.randn(3, 7, generator=torch.Generator().manual_seed(1))
    denoiser = Denoiser(lambda ids: table + ids[:, :1, None] * 0.1, Facts(5, vocabulary.eos))
    assert np.isclose(real.log_mass(np.zeros((3, 5))), np.log(len(listed.completions)))
    estimates = [
        np.mean([np.exp(smc(denoiser, [], each, particles=4, seed=seed).log_z) for seed in range(100)])
        for each in (real, listed)
    ]
    exact = smc(denoiser, [], listed, particles=1, tokens=3).log_z
    assert np.isclose(smc(denoiser, [], real, particles=1, tokens=3).log_z, exact)
    assert np.allclose(estimates, np.mean(estimates), rtol=0.3)


def test_the_least_length_is_said_before_the_first_step() -> None:
    def never(ids: torch.Tensor) -> torch.Tensor:
        raise AssertionError("no step is taken")

    with pytest.raises(NotCompletable):
        diffuse(Denoiser(never, FACTS), VOCABULARY, None, constrain.regex("[0-9]{9}"), length=8)


def test_no_grammar_is_no_constraint() -> None:
    got = diffuse(random_denoiser(0), VOCABULARY, None, None, length=10, tokens=4)
    assert len(got.ids) == 10 and got.tally.rejections == 0


def test_infilling_keeps_what_is_fixed() -> None:
    slots = [OPEN, ord("9"), OPEN, OPEN, ord("-"), OPEN, OPEN, ord("-"), OPEN, OPEN, END]
    start = Canvases(GRAMMARS["date"], VOCABULARY).of(slots)
    got = diffuse(random_denoiser(2), VOCABULARY, None, start, threshold=0.3)
    assert re.fullmatch(r".9..-..-..", got.text) and is_valid("date", got.text)


def test_an_end_can_be_required_and_watched() -> None:
    seen: list[int] = []
    got = diffuse(
        random_denoiser(3), VOCABULARY, None, constrain.regex("a*"), length=5, required=True, tokens=2,
        watch=lambda state: seen.append(state.step),
    )  # fmt: skip
    assert END in got.ids and seen == list(range(got.steps + 1))


def test_models_by_facts_that_are_given() -> None:
    vocabulary = constrain.Vocabulary([b"a", b"b", b"c"], [3])
    model = TinyLLaDA(1).eval()
    facts = Facts(8, vocabulary.eos, None, False)
    for known in (facts, Facts(8, vocabulary.eos, None, False, 4)):  # by blocks too
        got = diffuse(model, vocabulary, [1, 2], constrain.regex("(ab)+c"), length=7, facts=known)
        assert re.fullmatch("(ab)+c", got.text)
    with pytest.raises(ValueError, match="has its facts already"):
        diffuse(Denoiser.by(model, facts), vocabulary, None, None, facts=facts)


def test_the_same_twin_without_a_constraint_breaks_what_the_canvas_keeps() -> None:
    sampler = Sampler(random_denoiser(5), [], Options(tokens=2))
    free = diffuse(sampler.denoiser, VOCABULARY, None, None, length=12, tokens=2)
    assert not is_valid("date", free.text)


@pytest.mark.parametrize("name", GRAMMARS)
def test_gemma_over_real_canvases(name: str) -> None:
    """The best tokens of every step go together, whether the canvas knows the best filling or not."""
    start = Canvases(GRAMMARS[name], VOCABULARY).of(16)
    for seed in range(2):
        processor = GemmaProcessor(start, 1)
        logits = random_denoiser(seed)(torch.zeros(2, 16, dtype=torch.int64))
        best = processor(torch.zeros(2, 1, dtype=torch.int64), logits, cur_step=3).argmax(-1)
        for row in best.tolist():
            end = row.index(END) if END in row else len(row)
            assert set(row[end:]) <= {END} and is_valid(name, VOCABULARY.decode(row[:end]).decode())
