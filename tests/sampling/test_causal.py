"""``CausalModel``: laws by the tree are those of plain forward passes, each token is read once, and refusals."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tiny_causal import BUILDERS, PLAIN, PROMPT, SHAPE, TREES, VOCABULARY, Oracle, random_requests, tiny, tolerance

from constrain.errors import ConstrainError, LimitExceeded
from constrain.sampling.lm import examination, kvtree, readers
from constrain.sampling.lm.causal import CausalModel
from constrain.sampling.lm.model import Request, Usage
from constrain.sampling.lm.readers import Forward, PlainReader


def entry_bytes(model: Any) -> int:
    return CausalModel(model, PROMPT)._examination.entry_bytes


def distinct(requests: list[Request]) -> set[tuple[int, ...]]:
    """The nonempty beginnings of texts that are asked about."""
    texts = [request.prefix + request.ahead for request in requests]
    return {text[:length] for text in texts for length in range(1, len(text) + 1)}


def wanted(requests: list[Request]) -> set[tuple[int, ...]]:
    """The beginnings whose laws are asked for."""
    return {request.prefix + request.ahead[:length] for request in requests for length in range(len(request.ahead) + 1)}


@contextmanager
def plainly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no keys and values|.*with no keys")
        yield


# --- Laws ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", TREES + PLAIN)
def test_laws_are_those_of_plain_forward_passes(family: str) -> None:
    model, generator = tiny(family), np.random.default_rng(1)
    oracle, causal = Oracle(model), CausalModel(model, PROMPT)
    with plainly():
        for _ in range(8):
            requests = random_requests(generator, int(generator.integers(1, 8)))
            for request, laws in zip(requests, causal.laws(requests), strict=True):
                assert laws.shape == (1 + len(request.ahead), VOCABULARY) and laws.dtype == np.float64
                np.testing.assert_allclose(laws, oracle.laws(request), rtol=0, atol=tolerance(family))
                np.testing.assert_allclose(np.exp(laws).sum(axis=1), 1, rtol=0, atol=1e-12)
        assert causal.kv == ("tree" if family in TREES else "none"), causal.kv_reason


@pytest.mark.parametrize("family", ["llama", "gemma3", "bloom"])
def test_laws_do_not_depend_on_what_is_asked_together(family: str) -> None:
    requests = random_requests(np.random.default_rng(2), 12)
    with plainly():
        together = CausalModel(tiny(family), PROMPT).laws(requests)
        alone, backwards = CausalModel(tiny(family), PROMPT), CausalModel(tiny(family), PROMPT)
        for request, laws in zip(requests, together, strict=True):
            np.testing.assert_allclose(alone.laws([request])[0], laws, rtol=0, atol=tolerance(family))
        for laws, other in zip(reversed(together), backwards.laws(requests[::-1]), strict=True):
            np.testing.assert_allclose(other, laws, rtol=0, atol=tolerance(family))


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_long_texts_are_read_in_parts(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny(family)
    causal, oracle = CausalModel(model, PROMPT), Oracle(model)
    assert causal.kv == "tree"
    monkeypatch.setattr(readers, "MOST_FEEDS", 4)
    requests = [Request((6, 7, 8) * 4, (6, 6)), Request((6, 7, 8, 6, 7, 7, 7)), Request(())]
    for request, laws in zip(requests, causal.laws(requests), strict=True):
        np.testing.assert_allclose(laws, oracle.laws(request), rtol=0, atol=1e-12)
    assert causal.usage.tokens == len(PROMPT) + len(distinct(requests))
    assert causal.usage.calls == -(-causal.usage.tokens // 4)


@pytest.mark.parametrize("family", TREES)
def test_plain_passes_do_not_see_what_pads_them(family: str) -> None:
    oracle, plain = Oracle(tiny(family)), PlainReader(Forward(tiny(family)), PROMPT, Usage())
    requests = [Request(()), Request((6, 7)), Request((6, 7, 8), (8,) * 12)]  # padding is longer than any window
    for request, laws in zip(requests, plain.read(requests), strict=True):
        np.testing.assert_allclose(laws, oracle.laws(request), rtol=0, atol=tolerance(family))


def test_batches_of_plain_passes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = random_requests(np.random.default_rng(3), 9)
    with plainly():
        causal = CausalModel(tiny("bloom"), PROMPT)
        together = causal.laws(requests)
        assert causal.usage.calls == 1
        monkeypatch.setattr(readers, "MOST_PLAIN", 20)
        for laws, other in zip(together, causal.laws(requests), strict=True):
            np.testing.assert_allclose(other, laws, rtol=0, atol=1e-12)
        assert causal.usage.calls > 4


def test_rows_are_fresh() -> None:
    for family in ("llama", "bloom"):
        with plainly():
            causal = CausalModel(tiny(family), PROMPT)
            first, second = causal.laws([Request((6,)), Request((6,))])
            first[:] = 0
            assert not np.shares_memory(first, second) and (second != 0).all()


def test_log_probabilities_of_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (6, 7, 8, 8, 7, 2)
    oracle = Oracle(tiny("llama"))
    expected = [oracle.law(text[:place])[token] for place, token in enumerate(text)]
    causal = CausalModel(tiny("llama"), PROMPT)
    np.testing.assert_allclose(causal.log_probabilities(text), expected, rtol=0, atol=1e-12)
    assert causal.usage.calls == 1 and causal.usage.tokens == len(PROMPT) + len(text) - 1
    monkeypatch.setattr("constrain.sampling.lm.causal.PIECE", 2)
    pieces = CausalModel(tiny("llama"), PROMPT)
    np.testing.assert_allclose(pieces.log_probabilities(text), expected, rtol=0, atol=1e-12)
    assert pieces.usage.calls == 3 and pieces.usage.tokens == len(PROMPT) + len(text) - 1
    assert causal.log_probabilities(()).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_number_formats(dtype: torch.dtype) -> None:
    model = BUILDERS["llama"]().to(dtype)
    causal, oracle = CausalModel(model, PROMPT), Oracle(model)
    assert causal.kv == "tree", causal.kv_reason
    [laws] = causal.laws([Request((6, 7), (8,))])
    assert np.exp(laws).sum(axis=1) == pytest.approx(1, abs=1e-12)
    difference = max(map(examination.distance, laws, oracle.laws(Request((6, 7), (8,)))))
    assert difference < examination.TOLERANCES[dtype]


# --- Each token is read once -----------------------------------------------------------------------------------------


def test_each_token_is_read_once() -> None:
    generator = np.random.default_rng(4)
    causal, read, tokens = CausalModel(tiny("llama"), PROMPT), set[tuple[int, ...]](), len(PROMPT)
    assert causal.kv == "tree" and (causal.usage.calls, causal.usage.tokens) == (0, 0)
    for calls in range(12):
        requests = random_requests(generator, 5)
        again = wanted(requests) & (read | ({()} if calls else set()))
        tokens += len(distinct(requests) - read) + len(again)
        read |= distinct(requests)
        causal.laws(requests)
        assert (causal.usage.calls, causal.usage.tokens) == (calls + 1, tokens)


def test_slots_that_go_on_cost_one_token_each() -> None:
    causal, slots = CausalModel(tiny("gpt2"), PROMPT), [(6,), (7,), (8,)]
    causal.laws([Request(slot) for slot in slots])
    for _ in range(5):
        before = causal.usage.copy()
        slots = [(*slots[0], 6), (*slots[0], 7), (*slots[2], 6)]  # the second was resampled from the first
        causal.laws([Request(slot) for slot in slots])
        done = causal.usage.since(before)
        assert (done.calls, done.tokens) == (1, 3)


def test_nothing_asked_costs_nothing() -> None:
    causal = CausalModel(tiny("llama"), PROMPT)
    assert causal.laws([]) == [] and causal.usage.calls == 0


# --- Bounded memory --------------------------------------------------------------------------------------------------


def test_forgetting_changes_nothing() -> None:
    model, generator = tiny("llama"), np.random.default_rng(6)
    room = 30
    causal = CausalModel(model, PROMPT, max_bytes=entry_bytes(model) * (len(PROMPT) + room))
    oracle, seen = Oracle(model), set[tuple[int, ...]]()
    for _ in range(25):
        requests = random_requests(generator, 3)
        seen |= distinct(requests)
        for request, laws in zip(requests, causal.laws(requests), strict=True):
            np.testing.assert_allclose(laws, oracle.laws(request), rtol=0, atol=1e-12)
        pools = [*causal._reader.cache._keys.values(), *causal._reader.cache._values.values()]  # type: ignore[union-attr]
        assert all(pool.shape[1] <= len(PROMPT) + room for pool in pools)
    assert len(seen) > room < causal.usage.tokens


def test_texts_asked_about_last_are_kept() -> None:
    model = tiny("llama")
    causal = CausalModel(model, PROMPT, max_bytes=entry_bytes(model) * (len(PROMPT) + 12))
    first, second, third = (6,) * 4, (7,) * 4, (8,) * 5
    for text in (first, second, (*first, 7), third):
        causal.laws([Request(text)])
    before = causal.usage.copy()
    causal.laws([Request((*first, 7, 7))])
    assert causal.usage.since(before).tokens == 1
    before = causal.usage.copy()
    causal.laws([Request(second)])
    assert 1 < causal.usage.since(before).tokens <= 4


def test_a_call_too_large_is_read_in_parts() -> None:
    model = tiny("llama")
    causal, oracle = CausalModel(model, PROMPT, max_bytes=entry_bytes(model) * (len(PROMPT) + 12)), Oracle(model)
    requests = [Request((token,) * 6) for token in (6, 7, 8, 9)]
    for request, laws in zip(requests, causal.laws(requests), strict=True):
        np.testing.assert_allclose(laws, oracle.laws(request), rtol=0, atol=1e-12)
    assert causal.usage.calls == 2


def test_shared_beginnings_need_room_once() -> None:
    model = tiny("llama")
    causal = CausalModel(model, PROMPT, max_bytes=entry_bytes(model) * (len(PROMPT) + 12))
    causal.laws([Request((*(6,) * 8, token)) for token in (6, 7, 8, 9)])
    assert causal.usage.calls == 1


def test_a_text_too_long_is_refused_and_nothing_is_lost() -> None:
    model = tiny("llama")
    size = entry_bytes(model)
    causal = CausalModel(model, PROMPT, max_bytes=size * (len(PROMPT) + 5))
    with pytest.raises(LimitExceeded, match="larger max_bytes") as caught:
        causal.laws([Request((6,) * 4, (7,) * 2)])
    assert (caught.value.given, caught.value.limit) == (size * (len(PROMPT) + 6), size * (len(PROMPT) + 5))
    np.testing.assert_allclose(causal.laws([Request((6,) * 5)])[0][0], Oracle(model).law((6,) * 5), rtol=0, atol=1e-12)


def test_a_prompt_too_long_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="larger max_bytes"):
        CausalModel(tiny("llama"), PROMPT, max_bytes=1000).laws([Request(())])


def test_distinct_beginnings() -> None:
    assert kvtree.distinct_beginnings([(1, 2), (1, 2, 3), (1, 4), (), (5,)]) == 5


# --- Failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", [1, 2, 4])
def test_a_pass_that_fails_leaves_nothing_behind(failing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = BUILDERS["llama"]()
    causal, oracle, calls = CausalModel(model, PROMPT), Oracle(model), 0
    assert causal.kv == "tree"
    monkeypatch.setattr(readers, "MOST_FEEDS", 4)
    layer = model.model.layers[1].mlp

    def spoil(_module: Any, _arguments: Any, output: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise KeyboardInterrupt
        return output

    hook = layer.register_forward_hook(spoil)
    requests = [Request((6, 7, 8) * 3, (6, 6)), Request((6, 7, 7, 7))]
    with pytest.raises(KeyboardInterrupt):
        causal.laws(requests)
    hook.remove()
    for request, laws in zip(requests, causal.laws(requests), strict=True):
        np.testing.assert_allclose(laws, oracle.laws(request), rtol=0, atol=1e-12)


def test_scores_that_are_no_numbers_are_refused_and_do_not_spread() -> None:
    model = BUILDERS["llama"]()
    causal, oracle = CausalModel(model, PROMPT), Oracle(model)
    causal.laws([Request((6, 7))])
    with torch.no_grad():
        row = model.model.embed_tokens.weight[8].clone()
        model.model.embed_tokens.weight[8] = torch.nan
        with pytest.raises(ConstrainError, match="not numbers"):
            causal.laws([Request((6, 8, 8, 6))])
        model.model.embed_tokens.weight[8] = row
    for text in ((6, 7, 6), (6, 8, 8, 6)):
        np.testing.assert_allclose(causal.laws([Request(text)])[0][0], oracle.law(text), rtol=0, atol=1e-12)


# --- The examination -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", PLAIN)
def test_what_a_tree_does_not_fit_is_read_plainly_and_said(family: str) -> None:
    causal = CausalModel(tiny(family), PROMPT)
    with pytest.warns(UserWarning, match="no keys and values kept"):
        causal.laws([Request(())])
    assert causal.kv == "none" and causal.kv_reason
    assert causal.usage.calls == 1 and causal.usage.tokens == len(PROMPT)


def sees_sisters(self: Any, feeds: Any) -> Any:
    entries = np.arange(max(feed.node for feed in feeds) + 1)
    return entries, entries[None] <= np.array([feed.node for feed in feeds])[:, None]


def test_a_model_that_sees_sister_branches_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvtree.PrefixTree, "visible", sees_sisters)
    causal = CausalModel(tiny("llama"), PROMPT)
    with pytest.warns(UserWarning, match="differ from its own"):
        assert causal.kv == "none"
    request = Request((6, 7), (8,))
    np.testing.assert_allclose(causal.laws([request])[0], Oracle(tiny("llama")).laws(request), rtol=0, atol=1e-12)


@pytest.mark.parametrize("family", ["qwen2_mixed", "gemma3", "llama4", "mistral"])
def test_a_window_that_is_not_kept_is_found_out(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "limit_reach", lambda seen, *_: seen)
    causal = CausalModel(tiny(family), PROMPT)
    with pytest.warns(UserWarning, match="differ from its own"):
        assert causal.kv == "none"


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_wrong_positions_are_found_out(family: str) -> None:
    model = BUILDERS[family]()
    forward = model.forward

    def by_place(*arguments: Any, position_ids: Any = None, past_key_values: Any = None, **options: Any) -> Any:
        return forward(*arguments, past_key_values=past_key_values, **options)

    model.forward = by_place
    causal = CausalModel(model, PROMPT)
    with pytest.warns(UserWarning, match="differ from its own"):
        assert causal.kv == "none"


def test_windows_are_as_before_after_the_examination() -> None:
    model = tiny("mistral")
    assert CausalModel(model, PROMPT).kv == "tree" and model.config.sliding_window == 5


def test_a_model_that_sees_what_comes_later_is_refused() -> None:
    model = BUILDERS["llama"]()
    model.config.is_causal = False
    for layer in model.model.layers:
        layer.self_attn.is_causal = False
    with pytest.raises(ValueError, match="not a causal model"):
        CausalModel(model, PROMPT).laws([Request(())])


# --- Arguments -------------------------------------------------------------------------------------------------------


def test_prompts_may_be_arrays_and_tensors() -> None:
    model = tiny("llama")
    keys = {
        CausalModel(model, prompt).key
        for prompt in (PROMPT, list(PROMPT), np.array(PROMPT), torch.tensor(PROMPT), torch.tensor([PROMPT]))
    }
    assert len(keys) == 1


def test_one_token_is_prompt_enough() -> None:
    causal = CausalModel(tiny("llama"), [1])
    [laws] = causal.laws([Request((), (6, 2))])
    np.testing.assert_allclose(laws, Oracle(tiny("llama"), (1,)).laws(Request((), (6, 2))), rtol=0, atol=1e-12)


def test_keys_tell_models_prompts_and_formats_apart() -> None:
    model, other = BUILDERS["llama"](), BUILDERS["llama"]()
    assert CausalModel(model, PROMPT).key == CausalModel(other, PROMPT).key
    keys = {CausalModel(model, PROMPT).key, CausalModel(model, PROMPT[:-1]).key}
    keys.add(CausalModel(model, PROMPT, name="another").key)
    with torch.no_grad():
        other.lm_head.weight.mul_(2)
    keys |= {CausalModel(other, PROMPT).key, CausalModel(model.float(), PROMPT).key}
    assert len(keys) == 5


@pytest.mark.parametrize("prompt", [[], [[1], [2]], 3, [1.5], "text"])
def test_prompts_that_are_no_row_of_ids(prompt: Any) -> None:
    with pytest.raises(ValueError, match="at least one token id"):
        CausalModel(tiny("llama"), prompt)


def test_ids_the_model_does_not_have() -> None:
    with pytest.raises(ValueError, match="token id 23: the model has ids 0 to 22"):
        CausalModel(tiny("llama"), [1, VOCABULARY])
    for request in (Request((-1,)), Request((), (VOCABULARY,))):
        with pytest.raises(ValueError, match="the model has ids"):
            CausalModel(tiny("llama"), PROMPT).laws([request])


def test_models_that_will_not_do() -> None:
    with pytest.raises(ValueError, match=r"model\.eval"):
        CausalModel(BUILDERS["llama"]().train(), PROMPT)
    config = transformers.T5Config(vocab_size=9, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    with pytest.raises(ValueError, match="encoder-decoder"):
        CausalModel(transformers.T5ForConditionalGeneration(config).eval(), PROMPT)


def test_a_wrong_width_is_refused() -> None:
    with pytest.raises(ConstrainError, match="23 wide"):
        CausalModel(tiny("llama"), PROMPT, width=24).laws([Request(())])


def test_texts_longer_than_the_model_allows() -> None:
    causal = CausalModel(tiny("gpt2"), PROMPT)
    room = int(SHAPE["max_position_embeddings"]) - len(PROMPT)
    assert causal.laws([Request((6,) * room)])[0].shape == (1, VOCABULARY)
    with pytest.raises(LimitExceeded, match="prompt and text"):
        causal.laws([Request((6,) * room, (6,))])


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 12, "rope_theta": 1e4},
        {
            "rope_type": "longrope",
            "short_factor": [1.0, 1.0],
            "long_factor": [2.0, 2.0],
            "original_max_position_embeddings": 12,
            "rope_theta": 1e4,
        },
    ],
)
def test_positions_that_depend_on_the_length_are_refused_beyond_the_original(rope: dict[str, Any]) -> None:
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SHAPE, rope_parameters=rope)).eval().double()
    causal, oracle = CausalModel(model, PROMPT), Oracle(model)
    [laws] = causal.laws([Request((6, 7, 8), (6, 7, 8))])
    np.testing.assert_allclose(laws, oracle.laws(Request((6, 7, 8), (6, 7, 8))), rtol=0, atol=1e-12)
    with pytest.raises(LimitExceeded, match="limit of 12"):
        causal.laws([Request((6,) * 7)])
