"""Real continuous batching on the CPU with a tiny model: constrained and free requests side by side."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_models import (
    BOS,
    ENGINES,
    EOS,
    GRAMMARS,
    STOP,
    TOKENS,
    VOCABULARY,
    WIDTH,
    automaton_of,
    encode,
    is_member,
    text_of,
    tiny_llama,
)
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.requests import RequestState

from constrain.adapters.continuous_batching import FREE, GrammarContinuousBatchingProcessor, attach, install
from constrain.adapters.outputs import read_output
from constrain.adapters.transformers import GrammarLogitsProcessor
from constrain.errors import ConstraintViolation, DeadEnd, LimitExceeded, VocabularyError
from constrain.vocab.vocabulary import Vocabulary


@pytest.fixture(scope="module", params=sorted(ENGINES))
def automata(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {name: automaton_of(name, request.param) for name in ("row", "yes_no")}


@pytest.fixture
def model() -> Any:
    return tiny_llama()


def settings(**options: Any) -> GenerationConfig:
    return GenerationConfig(eos_token_id=[EOS, STOP], pad_token_id=0, bos_token_id=BOS, max_new_tokens=40, **options)


def small(**options: Any) -> ContinuousBatchingConfig:
    return ContinuousBatchingConfig(num_blocks=64, max_batch_tokens=64, **options)


def serve(manager: Any, requests: list[tuple[bytes, dict[str, Any]]]) -> list[Any]:
    """Run the requests to their ends, in their order."""
    manager.start()
    try:
        names = [manager.add_request([BOS, *encode(prompt)], **options) for prompt, options in requests]
        done: dict[str, Any] = {}
        until = time.monotonic() + 60
        while len(done) < len(names) and time.monotonic() < until:
            result = manager.get_result(timeout=1)
            if result is not None and result.is_finished():
                done[result.request_id] = result
        return [done[name] for name in names]
    finally:
        manager.stop(block=True, timeout=10)
        manager.destroy()


@pytest.mark.parametrize("options", [{"do_sample": False}, {"do_sample": True, "temperature": 0.8, "top_k": 20}])
def test_three_kinds_of_request_in_one_batch(options: dict[str, Any], model: Any, automata: dict[str, Any]) -> None:
    torch.manual_seed(3)
    processor = GrammarContinuousBatchingProcessor(automata)
    with attach(model, processor):
        manager = model.init_continuous_batching(settings(**options), small(per_request_processors=True))
    requests = [(b"row please", {"grammar": "row"}), (b"is it?", {"grammar": "yes_no"}), (b"hello", {"grammar": FREE})]
    row, answer, free = serve(manager, requests * 2)[:3]
    assert row.error is None and answer.error is None and free.error is None
    text, ended = text_of(row.generated_tokens)
    assert ended and is_member("row", text) and set(json.loads(text)) == {"a", "b"}
    text, ended = text_of(answer.generated_tokens)
    assert ended and text in (b"yes", b"no")
    assert not read_output(automata["row"], free.generated_tokens).complete
    assert read_output(automata["row"], row.generated_tokens).complete


def test_free_requests_are_those_of_the_bare_model(model: Any, automata: dict[str, Any]) -> None:
    prompt = [BOS, *encode(b"hello")]
    bare = model.generate(torch.tensor([prompt]), generation_config=settings(do_sample=False))[
        0, len(prompt) :
    ].tolist()
    with attach(model, GrammarContinuousBatchingProcessor(automata)):
        manager = model.init_continuous_batching(settings(do_sample=False), small())
    free, row = serve(manager, [(b"hello", {"grammar": FREE}), (b"hello", {"grammar": "row"})])
    assert free.generated_tokens == bare
    assert is_member("row", text_of(row.generated_tokens)[0])


def test_generate_batch_uses_the_default(model: Any, automata: dict[str, Any]) -> None:
    inputs = [[BOS, *encode(text)] for text in (b"a", b"something longer", b"b")]
    with attach(model, GrammarContinuousBatchingProcessor(automata, default="row")):
        results = model.generate_batch(
            inputs, generation_config=settings(do_sample=False), continuous_batching_config=small()
        )
    assert len(results) == 3
    for result in results.values():
        text, ended = text_of(result.generated_tokens)
        assert ended and is_member("row", text)
    assert "generate_batch" not in model.__dict__ and "init_continuous_batching" not in model.__dict__


@pytest.mark.filterwarnings("ignore")
def test_paged_generate_uses_the_default(model: Any, automata: dict[str, Any]) -> None:
    """A classic processor is never called on this path (transformers 5.23 drops it without a word)."""
    prompt = torch.tensor([[BOS, *encode(b"hello")]])
    classic = GrammarLogitsProcessor(automata["row"])
    config = settings(do_sample=False)
    config.continuous_batching_config = small()  # the only way in: generate() hands no other configuration on
    with attach(model, GrammarContinuousBatchingProcessor(automata, default="yes_no")):
        out = model.generate(prompt, generation_config=config, cache_implementation="paged", logits_processor=[classic])
    assert text_of(out.flatten().tolist()[prompt.shape[1] :]) in ((b"yes", True), (b"no", True))
    assert not classic._generations._recent


def test_samples_of_one_request_are_all_masked(model: Any, automata: dict[str, Any]) -> None:
    torch.manual_seed(5)
    with attach(model, GrammarContinuousBatchingProcessor(automata, default="row")):
        config = settings(do_sample=True, num_return_sequences=3)
        results = model.generate_batch(
            [[BOS, 9], [BOS, 8, 7]], generation_config=config, continuous_batching_config=small()
        )
    assert len(results) == 6
    for result in results.values():
        text, ended = text_of(result.generated_tokens)
        assert ended and is_member("row", text)


def test_evicted_requests_go_on_where_they_were(
    model: Any, automata: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache too small for all: transformers moves generated ids of a request to its prompt and starts it again."""
    evicted = []
    again = RequestState.create_equivalent_initial_request

    def noted(state: RequestState) -> RequestState:
        evicted.append(list(state.generated_tokens))
        return again(state)

    monkeypatch.setattr(RequestState, "create_equivalent_initial_request", noted)
    config = ContinuousBatchingConfig(num_blocks=4, page_size=16, max_batch_tokens=64, safety_margin=0.0)
    inputs = [[BOS, *encode(text)] for text in (b"abcd", b"efgh", b"ijkl", b"mnop")]
    with attach(model, GrammarContinuousBatchingProcessor(automata, default="row")):
        results = model.generate_batch(
            inputs, generation_config=settings(do_sample=False), continuous_batching_config=config
        )
    assert any(evicted), "the cache was large enough after all"
    for result in results.values():
        text, ended = text_of(result.generated_tokens)
        assert ended and is_member("row", text)


def test_generate_batch_needs_a_default(model: Any, automata: dict[str, Any]) -> None:
    with (
        attach(model, GrammarContinuousBatchingProcessor(automata)),
        pytest.raises(ValueError, match="generate_batch names no grammar"),
    ):
        model.generate_batch([[BOS]], generation_config=settings())


def test_names_are_checked_when_the_request_is_made(model: Any, automata: dict[str, Any]) -> None:
    with attach(model, GrammarContinuousBatchingProcessor(automata)):
        manager = model.init_continuous_batching(settings(do_sample=False), small())
    manager.start()
    try:
        with pytest.raises(ValueError, match="no grammar is called 'rows': there are 'row', 'yes_no'"):
            manager.add_request([BOS], grammar="rows")
        with pytest.raises(ValueError, match="the request names no grammar: pass grammar= one of"):
            manager.add_request([BOS])
    finally:
        manager.stop(block=True, timeout=10)
        manager.destroy()


def test_asynchronous_batching_is_refused(model: Any, automata: dict[str, Any]) -> None:
    processor = GrammarContinuousBatchingProcessor(automata)
    with attach(model, processor), pytest.raises(ValueError, match="use_async_batching=False"):
        model.init_continuous_batching(settings(), small(use_async_batching=True))
    late = SimpleNamespace(position_offset=5, initial_tokens=[1, 2], generated_tokens=[3, 4], _true_initial_tokens=0)
    with pytest.raises(RuntimeError, match="asynchronous batching is on"):
        processor.prepare_tensor_args([request(late, "row")])


def request(state: SimpleNamespace, grammar: str | None) -> SimpleNamespace:
    state.request_id = "req_0"
    state.logit_processor_kwargs = {} if grammar is None else {"grammar": grammar}
    return SimpleNamespace(state=state, has_new_token=True)


def state_of(generated: list[int], moved: int = 0) -> SimpleNamespace:
    """A request in decoding; the first ``moved`` generated ids have become prompt by an eviction."""
    initial = [BOS, 9, *generated[:moved]]
    return SimpleNamespace(
        position_offset=2 + len(generated),
        initial_tokens=initial,
        generated_tokens=generated[moved:],
        _true_initial_tokens=2 if moved else 0,
    )


@pytest.mark.parametrize("moved", [0, 3])
def test_masks_of_single_requests(moved: int, automata: dict[str, Any]) -> None:
    processor = GrammarContinuousBatchingProcessor(automata)
    slots = torch.empty(4, dtype=torch.int32)
    processor.fill_defaults(slots)
    states = [
        request(state_of(encode(b'{"a": 1'), moved), "row"),
        request(state_of([]), FREE),
        request(state_of([]), "yes_no"),
    ]
    slots[:3] = processor.prepare_tensor_args(states)
    assert slots.tolist() == [1, 0, 3, 0]
    masked = processor(torch.zeros(4, WIDTH), slots)
    assert torch.isfinite(masked[1]).all() and torch.isfinite(masked[3]).all()
    allowed = {bytes(TOKENS[t] or b"") for t in torch.isfinite(masked[2]).nonzero().flatten().tolist()}
    assert allowed == {b"y", b"ye", b"yes", b"n", b"no"}
    assert not torch.isfinite(masked[0, encode(b'"')[0]]) and torch.isfinite(masked[0, encode(b",")[0]])


def test_what_cannot_be_right_is_refused(automata: dict[str, Any]) -> None:
    processor = GrammarContinuousBatchingProcessor(automata, max_requests=1)
    with pytest.raises(ConstraintViolation, match=r"req_0: token .*'!'.* at generated position 0"):
        processor.prepare_tensor_args([request(state_of(encode(b"!")), "row")])
    with pytest.raises(LimitExceeded, match="requests in one batch: 2 exceeds the limit of 1"):
        processor.prepare_tensor_args([request(state_of([]), "row")] * 2)
    with pytest.raises(VocabularyError, match="the scores have 100 columns"):
        processor(torch.zeros(1, 100), torch.zeros(1, dtype=torch.int32))
    with pytest.raises(ValueError, match="not empty"):
        GrammarContinuousBatchingProcessor({FREE: automata["row"]})
    with pytest.raises(ValueError, match="no grammar is called 'rows'"):
        GrammarContinuousBatchingProcessor(automata, default="rows")


def test_an_empty_mask_is_a_dead_end() -> None:
    automaton = ENGINES["dfa"](GRAMMARS["yes_no"], Vocabulary([None, None, None, b"n"], eos=[2]))
    processor = GrammarContinuousBatchingProcessor({"yes_no": automaton})
    with pytest.raises(DeadEnd, match="no token can follow b'n'"):
        processor.prepare_tensor_args([request(state_of([3]), "yes_no")])


def test_vocabularies_must_agree(automata: dict[str, Any]) -> None:
    other = ENGINES["dfa"](GRAMMARS["yes_no"], Vocabulary(TOKENS, eos=[EOS]))
    with pytest.raises(VocabularyError, match="compiled for one vocabulary"):
        GrammarContinuousBatchingProcessor({"row": automata["row"], "other": other})
    assert VOCABULARY.fingerprint != other.vocabulary.fingerprint


def test_a_started_manager_is_refused(model: Any, automata: dict[str, Any]) -> None:
    manager = SimpleNamespace(logit_processor=SimpleNamespace(logits_processor=[]), batch_processor=object())
    with pytest.raises(ValueError, match="has started already"):
        install(manager, GrammarContinuousBatchingProcessor(automata))
