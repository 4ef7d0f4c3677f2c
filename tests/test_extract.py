"""Extraction with a model: a tiny random one, whose every finished answer must still be a record of its type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from constrain.errors import GrammarError
from constrain.extract import ModelGenerator, extract
from constrain.records import Document, DocumentError, Failure, Record, RecordType, Settings

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "kind": {"enum": ["a", "b"]},
        "code": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{2}$"},
    },
    "required": ["name", "kind", "code"],
    "additionalProperties": False,
}
TEXT = Document.of_bytes("d", b"some text")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {symbol: i for i, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<end>", "<turn>"])
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>")


@pytest.fixture(scope="module")
def model() -> Iterator[LlamaForCausalLM]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads only get in each other's way in a model this small
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=264,  # wider than the tokenizer, as many models are
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=1024,
            bos_token_id=None,
            eos_token_id=[256, 257],
        )
        made = LlamaForCausalLM(config).eval()
    yield made
    torch.set_num_threads(threads)


def records(results: Iterator[Any]) -> list[Any]:
    found = list(results)
    assert all(isinstance(result, Record) for result in found), found
    return [result.value for result in found]


def test_every_record_conforms(model: Any, tokenizer: Any, tmp_path: Path) -> None:
    path = tmp_path / "e.txt"
    path.write_text("another text")
    values = records(extract([TEXT, path, str(path)], SCHEMA, model, tokenizer))
    assert len(values) == 3 and values[1] == values[2]
    for value in values:
        jsonschema.validate(value, SCHEMA)


def test_sampling_is_repeatable_and_independent_of_order(model: Any, tokenizer: Any) -> None:
    other = Document.of_bytes("e", b"another text")
    settings = Settings(sample=True, seed=3)
    both = records(extract([TEXT, other], SCHEMA, model, tokenizer, settings))
    alone = records(extract([other], SCHEMA, model, tokenizer, settings))
    assert both[1] == alone[0]
    again = [records(extract([TEXT], SCHEMA, model, tokenizer, Settings(sample=True, seed=s)))[0] for s in range(4)]
    assert len({json.dumps(value) for value in again}) > 1


def test_generating_leaves_the_callers_random_state_alone(model: Any, tokenizer: Any) -> None:
    before = torch.get_rng_state()
    list(extract([TEXT], SCHEMA, model, tokenizer, Settings(sample=True)))
    assert torch.equal(before, torch.get_rng_state())


def test_a_cut_off_answer_and_a_long_document_are_failures_among_records(model: Any, tokenizer: Any) -> None:
    long = Document.of_bytes("long", b"x" * 2000)
    results = list(extract([long, TEXT, Document.of_bytes("no", b"")], SCHEMA, model, tokenizer))
    assert [getattr(result, "kind", "record") for result in results] == ["too-long", "record", "empty"]
    (cut,) = extract([TEXT], SCHEMA, model, tokenizer, Settings(max_new_tokens=5))
    assert isinstance(cut, Failure) and cut.kind == "truncated" and cut.partial.startswith('{"nam')


def test_a_schema_that_cannot_be_enforced_is_refused_at_once(model: Any, tokenizer: Any) -> None:
    with pytest.raises(GrammarError):
        extract([TEXT], {"type": "strin"}, model, tokenizer)


def test_all_ends_of_the_model_end_a_record(model: Any, tokenizer: Any) -> None:
    generator = ModelGenerator(RecordType.of(SCHEMA).grammar, model, tokenizer, Settings())
    assert generator.ends == {256, 257}


def test_a_chat_template_is_used_where_there_is_one(model: Any, tokenizer: Any) -> None:
    generator = ModelGenerator(RecordType.of(SCHEMA).grammar, model, tokenizer, Settings())
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    assert tokenizer.decode(generator._encode(messages)[0]) == "S\n\nU\n\nRecord: "
    tokenizer.chat_template = "{% for m in messages %}<turn>{{ m['content'] }}{% endfor %}"
    try:
        ids = generator._encode(messages)[0].tolist()
    finally:
        tokenizer.chat_template = None
    assert ids[0] == ids[2] == 257 and len(ids) == 4


def test_no_room_for_the_answer(model: Any, tokenizer: Any) -> None:
    generator = ModelGenerator(RecordType.of(SCHEMA).grammar, model, tokenizer, Settings(max_new_tokens=1020))
    with pytest.raises(DocumentError, match="1024"):
        generator([{"role": "user", "content": "hello"}], 0)
