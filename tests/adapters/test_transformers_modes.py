"""One grammar processor in every mode of ``generate()``: the compatibility table of ``docs/transformers.md``.

Every cell is checked with Python's ``re`` on bytes put together here, not with the code under test. Each runs twice:
with a fresh processor, and with one that all cells before it have used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tiny_models import (
    BOS,
    ENGINES,
    EOS,
    PATTERNS,
    STOP,
    VOCABULARY,
    WIDTH,
    automaton_of,
    encode,
    is_member,
    prompts,
    text_of,
    tiny_llama,
    tiny_t5,
)
from transformers import TextStreamer

from constrain.adapters.transformers import GrammarLogitsProcessor, read_outputs

LONG_ENOUGH = 60  # every text of the bounded languages fits, one byte a token

ONE = prompts(b"hello")
ECHO = prompts(b'{"a": 12, "b": "abc"} {"a": 9')  # holds members: prompt lookup finds drafts there
PADDED = prompts(b"hi", b"a much longer prompt", b"mid")

MODES: dict[str, tuple[dict[str, torch.Tensor], dict[str, Any]]] = {
    "greedy": (ONE, {}),
    "sample": (ONE, {"do_sample": True}),
    "sample, warpers": (ONE, {"do_sample": True, "temperature": 0.7, "top_k": 5, "top_p": 0.9, "min_p": 0.05}),
    "num_return_sequences": (ONE, {"do_sample": True, "num_return_sequences": 3}),
    "left-padded batch": (PADDED, {}),
    "left-padded batch, sample": (PADDED, {"do_sample": True}),
    "beams": (ONE, {"num_beams": 4}),
    "beams, return all": (ONE, {"num_beams": 4, "num_return_sequences": 4}),
    "beams, padded batch": (PADDED, {"num_beams": 3, "num_return_sequences": 2}),
    "beam sampling": (ONE, {"num_beams": 3, "do_sample": True}),
    "beams, renormalized": (ONE, {"num_beams": 3, "renormalize_logits": True}),
    "beams, early stopping": (ONE, {"num_beams": 3, "early_stopping": True, "length_penalty": 0.5}),
    "repetition penalty": (ONE, {"repetition_penalty": 1.3}),
    "static cache": (ONE, {"cache_implementation": "static"}),
    "no cache": (ONE, {"use_cache": False}),
    "prompt lookup": (ECHO, {"prompt_lookup_num_tokens": 4}),
    "prompt lookup, sample": (ECHO, {"prompt_lookup_num_tokens": 4, "do_sample": True}),
    "prompt lookup, penalty": (ECHO, {"prompt_lookup_num_tokens": 4, "repetition_penalty": 1.1}),
    "assistant": (ONE, {"assistant_model": 1}),
    "assistant, sample": (ONE, {"assistant_model": 1, "do_sample": True}),
    "assistant, penalty": (ONE, {"assistant_model": 1, "repetition_penalty": 1.2}),
    "assistant, ensemble": (ONE, {"assistant_model": 1, "do_sample": True, "assistant_ensemble_weight": 0.5}),
}


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_llama()


@pytest.fixture(scope="module")
def assistant() -> Any:
    return tiny_llama(seed=1, layers=1)


@pytest.fixture(scope="module", params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def automata(engine: str) -> dict[str, Any]:
    return {name: automaton_of(name, engine) for name in PATTERNS}


@pytest.fixture(scope="module")
def shared(automata: dict[str, Any]) -> Iterator[dict[str, GrammarLogitsProcessor]]:
    """Processors that every cell uses, one after the other, with no reset between."""
    yield {name: GrammarLogitsProcessor(automaton) for name, automaton in automata.items()}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(7)


def generate(
    model: Any, inputs: dict[str, torch.Tensor], processor: GrammarLogitsProcessor, **options: Any
) -> list[list[int]]:
    """The generated ids of each row, prompt cut off."""
    options = {"max_new_tokens": LONG_ENOUGH, **options}
    out = model.generate(**inputs, logits_processor=[processor], **options)
    return out[:, inputs["input_ids"].shape[1] :].tolist()


def assert_members(rows: list[list[int]], *names: str) -> None:
    """Row ``r`` is a whole, ended text of grammar ``names[r // (rows / len(names))]``."""
    for number, row in enumerate(rows):
        text, ended = text_of(row)
        name = names[number // (len(rows) // len(names))]
        assert ended and is_member(name, text), (name, text, row)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
@pytest.mark.parametrize("name", ["row", "word"])
def test_every_mode(
    mode: str, reused: bool, name: str, model: Any, assistant: Any, automata: dict[str, Any], shared: dict[str, Any]
) -> None:
    inputs, options = MODES[mode]
    if "assistant_model" in options:
        options = {**options, "assistant_model": assistant}
    processor = shared[name] if reused else GrammarLogitsProcessor(automata[name])
    rows = generate(model, inputs, processor, **options)
    assert_members(rows, name)
    read = read_outputs(
        processor, [[*inputs["input_ids"][0].tolist(), *row] for row in rows], inputs["input_ids"].shape[1]
    )
    assert all(output.complete and is_member(name, output.text) for output in read)


@pytest.mark.parametrize("name", ["row", "word", "yes_no"])
@pytest.mark.parametrize("inputs", [ONE, ECHO], ids=["short", "echo"])
def test_drafts_do_not_change_greedy_output(
    name: str, inputs: dict[str, torch.Tensor], model: Any, assistant: Any, shared: dict[str, Any]
) -> None:
    plain = generate(model, inputs, shared[name])
    assert generate(model, inputs, shared[name], assistant_model=assistant) == plain
    assert generate(model, inputs, shared[name], assistant_model=model) == plain
    assert generate(model, inputs, shared[name], prompt_lookup_num_tokens=5) == plain


def test_the_given_prompt_length_replaces_detection(model: Any, assistant: Any, automata: dict[str, Any]) -> None:
    processor = GrammarLogitsProcessor(automata["row"], prompt_length=ONE["input_ids"].shape[1])
    plain = generate(model, ONE, processor)
    assert_members(plain, "row")
    assert generate(model, ONE, processor, assistant_model=assistant) == plain
    assert_members(generate(model, ONE, processor, num_beams=3), "row")


@pytest.mark.parametrize(
    "options", [{}, {"do_sample": True}, {"num_beams": 3}, {"num_beams": 3, "num_return_sequences": 2}]
)
def test_a_grammar_for_each_prompt(options: dict[str, Any], model: Any, automata: dict[str, Any]) -> None:
    names = ("row", "yes_no", "word")
    processor = GrammarLogitsProcessor([automata[name] for name in names])
    for _ in range(2):
        assert_members(generate(model, PADDED, processor, **options), *names)


def test_samples_of_a_batch_belong_to_their_prompt(model: Any, automata: dict[str, Any]) -> None:
    processor = GrammarLogitsProcessor([automata["yes_no"], automata["row"], automata["yes_no"]])
    rows = generate(model, PADDED, processor, do_sample=True, num_return_sequences=3)
    assert len(rows) == 9
    assert_members(rows, "yes_no", "row", "yes_no")


def test_more_beams_than_texts(model: Any, automata: dict[str, Any]) -> None:
    """Beams that the language cannot fill leave it with score -inf: no error, and never the best one."""
    one_token = GrammarLogitsProcessor(automata["yes_no"])
    rows = generate(model, ONE, one_token, num_beams=40, num_return_sequences=1, max_new_tokens=12)
    assert_members(rows, "yes_no")
    everything = generate(model, ONE, one_token, num_beams=40, num_return_sequences=40, max_new_tokens=12)
    read = read_outputs(one_token, everything, 0)
    texts = [output.text for output in read if output.complete]
    assert texts and set(texts) <= {b"yes", b"no"}
    assert all(output.complete or output.violation or output.truncated for output in read)


def test_prompts_follow_one_another(model: Any, automata: dict[str, Any]) -> None:
    """Equal, longer, shorter, extending the former one, and extending it with its whole output."""
    processor = GrammarLogitsProcessor(automata["row"])
    for text in (b"hello", b"hello", b"a longer prompt", b"no", b"now", b"now then", b"now", b"hello world"):
        assert_members(generate(model, prompts(text), processor), "row")
    first = prompts(b"chat")
    turn = first
    for _ in range(3):
        answer = generate(model, turn, processor)
        assert_members(answer, "row")
        ids = [*turn["input_ids"][0].tolist(), *answer[0], *encode(b" next")]
        turn = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}


def test_the_whole_former_output_is_a_new_prompt(model: Any, automata: dict[str, Any]) -> None:
    processor = GrammarLogitsProcessor(automata["row"])
    answer = generate(model, ONE, processor)
    ids = torch.cat([ONE["input_ids"], torch.tensor(answer)], dim=1)
    rows = model.generate(
        ids, attention_mask=torch.ones_like(ids), logits_processor=[processor], max_new_tokens=LONG_ENOUGH
    )
    assert_members(rows[:, ids.shape[1] :].tolist(), "row")


@pytest.mark.parametrize("cut", [1, 5, 11])
def test_a_cut_output_as_prompt_goes_on_or_begins_anew(cut: int, model: Any, automata: dict[str, Any]) -> None:
    """The one ambiguous case: read as going on, unless told otherwise."""
    processor = GrammarLogitsProcessor(automata["row"])
    whole = generate(model, ONE, processor)
    head = generate(model, ONE, processor.reset(), max_new_tokens=cut)
    assert head[0] == whole[0][:cut]
    ids = torch.cat([ONE["input_ids"], torch.tensor(head)], dim=1)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    rest = generate(model, inputs, processor)
    assert head[0] + rest[0] == whole[0]
    assert_members(generate(model, inputs, processor.reset()), "row")
    assert_members(generate(model, inputs, GrammarLogitsProcessor(automata["row"], prompt_length=ids.shape[1])), "row")


def test_two_generations_at_once(model: Any, automata: dict[str, Any]) -> None:
    """Interleaved calls, as from two threads: each generation keeps its own prompt."""
    processor = GrammarLogitsProcessor(automata["row"])
    scores = torch.zeros(1, WIDTH)
    rows = {text: [BOS, *encode(text)] for text in (b"one", b"two!", b"three")}
    expected = [*encode(b'{"a": 5, "b": "xy"}'), EOS]
    for token in expected:
        for ids in rows.values():
            masked = processor(torch.tensor([ids]), scores)
            assert masked[0, token] == 0
            assert not (torch.isneginf(masked).all() or torch.isfinite(masked).all())
            ids.append(token)


@pytest.mark.parametrize("options", [{}, {"do_sample": True}, {"num_beams": 3}])
def test_embedded_prompts(options: dict[str, Any], model: Any, shared: dict[str, Any]) -> None:
    """``input_ids`` starts empty."""
    for inputs in (ONE, PADDED):
        embeds = model.get_input_embeddings()(inputs["input_ids"])
        out = model.generate(
            inputs_embeds=embeds,
            attention_mask=inputs["attention_mask"],
            logits_processor=[shared["row"]],
            max_new_tokens=LONG_ENOUGH,
            **options,
        )
        assert_members(out.tolist(), "row")


@pytest.mark.parametrize(
    "options", [{}, {"do_sample": True}, {"num_beams": 3, "num_return_sequences": 2}, {"assistant": True}]
)
def test_encoder_decoder(options: dict[str, Any], shared: dict[str, Any]) -> None:
    model = tiny_t5()
    inputs = PADDED
    if options.pop("assistant", False):
        options, inputs = {"assistant_model": tiny_t5(seed=1)}, ONE
    for _ in range(2):
        out = model.generate(**inputs, logits_processor=[shared["row"]], max_new_tokens=LONG_ENOUGH, **options)
        assert_members(out[:, 1:].tolist(), "row")


def test_every_end_is_open_and_finished_rows_get_ends_only(automata: dict[str, Any]) -> None:
    processor = GrammarLogitsProcessor(automata["yes_no"])
    yes, scores = encode(b"yes"), torch.zeros(2, WIDTH)
    ids = torch.tensor([[BOS], [BOS]])
    for tokens in zip([*yes, EOS, 0, 0], [*encode(b"no"), STOP, 0, 0, 9], strict=True):
        masked = processor(ids, scores)
        ids = torch.cat([ids, torch.tensor(tokens)[:, None]], dim=1)
    masked = processor(ids, scores)
    assert [row.nonzero().flatten().tolist() for row in torch.isfinite(masked)] == [[EOS, STOP], [EOS, STOP]]


def test_the_extra_step_after_the_end(automata: dict[str, Any]) -> None:
    """On mps ``generate()`` calls once more after all rows have finished, and throws the result away."""
    processor = GrammarLogitsProcessor(automata["yes_no"])
    ids = torch.tensor([[BOS]])
    for token in [*encode(b"no"), EOS]:
        processor(ids, torch.zeros(1, WIDTH))
        ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
    assert torch.isfinite(processor(ids, torch.zeros(1, WIDTH))).any()
    assert torch.isfinite(processor(torch.tensor([[BOS]]), torch.zeros(1, WIDTH)))[0, encode(b"y")[0]]


def test_scores_wider_than_the_vocabulary(model: Any, shared: dict[str, Any]) -> None:
    assert max(len(VOCABULARY.tokens), 32 * VOCABULARY.words) < WIDTH
    out = model.generate(
        **ONE, logits_processor=[shared["row"]], max_new_tokens=4, output_scores=True, return_dict_in_generate=True
    )
    for scores in out.scores:
        assert scores.shape == (1, WIDTH) and torch.isneginf(scores[:, len(VOCABULARY.tokens) :]).all()


def test_masked_scores_are_a_new_tensor(shared: dict[str, Any]) -> None:
    scores = torch.randn(1, WIDTH, generator=torch.Generator().manual_seed(0))
    before = scores.clone()
    masked = shared["row"].reset()(ONE["input_ids"], scores)
    assert torch.equal(scores, before) and not torch.equal(masked, before)
    kept = torch.isfinite(masked)
    assert torch.equal(masked[kept], before[kept])


def test_streamed_tokens_are_the_output(model: Any, shared: dict[str, Any]) -> None:
    class Collect(TextStreamer):
        def __init__(self) -> None:
            self.ids: list[int] = []

        def put(self, value: torch.Tensor) -> None:
            self.ids.extend(value.flatten().tolist())

        def end(self) -> None:
            self.ids.append(-1)

    streamer = Collect()
    rows = generate(model, ONE, shared["row"], streamer=streamer)
    assert streamer.ids == [*ONE["input_ids"][0].tolist(), *rows[0], -1]
