"""Readers against seven real tokenizers: joined bytes must be what the tokenizer itself decodes."""

from __future__ import annotations

import unicodedata
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vocab.vocabulary_oracles import TEXTS, decode_with_byte_pieces, random_ids, replace_whole_run

from constrain.vocab.readers import read_vocabulary

transformers = pytest.importorskip("transformers")

BYTE_LEVEL = ["deepseek_v3", "gpt2", "llama3_1", "qwen2_5", "smollm2"]
BYTE_FALLBACK = ["gemma3", "llama2"]
DROPS_FIRST_SPACE = {"llama2"}
ENDS = {
    "deepseek_v3": 1,
    "gemma3": 106,
    "gpt2": 50256,
    "llama2": 2,
    "llama3_1": 128009,
    "qwen2_5": 151645,
    "smollm2": 2,
}
MISSING_IN_SMOLLM2 = bytes.fromhex("04 06 13 14 16 1D C0 C1 F1 F2 F5 F6 F7 F8 F9 FA FB FC FD FE FF")


@cache
def load(folder):
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    vocabulary = read_vocabulary(tokenizer, eos=[ENDS[folder.name]])
    return tokenizer, vocabulary, random_ids(vocabulary.tokens)


def decode(tokenizer, ids):
    return tokenizer.decode(ids, clean_up_tokenization_spaces=False, skip_special_tokens=False)


@pytest.fixture(params=[*BYTE_LEVEL, *BYTE_FALLBACK])
def name(request):
    return request.param


@pytest.fixture
def loaded(shared_data, name):
    return load(shared_data / "tokenizers" / name)


def test_texts(loaded, name):
    tokenizer, vocabulary, _ = loaded
    for text in TEXTS:
        ids = [i for i in tokenizer.encode(text, add_special_tokens=False) if vocabulary.tokens[i] is not None]
        joined = vocabulary.decode(ids).decode("utf-8", "replace")
        assert joined.removeprefix(" " if name in DROPS_FIRST_SPACE else "") == decode(tokenizer, ids)


def test_texts_survive(loaded, name):
    """Encoding and joining gives back the very bytes of the text, as far as the tokenizer keeps the text at all."""
    tokenizer, vocabulary, _ = loaded
    compared = 0
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False)
        if not any(i in vocabulary.names for i in ids):
            assert vocabulary.decode(ids) == kept_bytes(text, name)
            compared += 1
    assert compared >= len(TEXTS) - 1  # one text spells the special token of some


def kept_bytes(text, name):
    if name == "qwen2_5":  # composes characters
        text = unicodedata.normalize("NFC", text)
    if name in BYTE_FALLBACK:
        text = text.replace("▁", " ")
    text = " " * (name in DROPS_FIRST_SPACE) + text
    return bytes(b for b in text.encode("utf-8") if name != "smollm2" or b not in MISSING_IN_SMOLLM2)


@given(data=st.data())
@pytest.mark.parametrize("name", BYTE_LEVEL)
def test_random_byte_level(shared_data, name, data):
    tokenizer, vocabulary, sequences = load(shared_data / "tokenizers" / name)
    ids = data.draw(sequences)
    assert vocabulary.decode(ids).decode("utf-8", "replace") == decode(tokenizer, ids)


@given(data=st.data())
@pytest.mark.parametrize("name", BYTE_FALLBACK)
def test_random_byte_fallback(shared_data, name, data):
    """Where bytes are not UTF-8 this decoder replaces by its own rule; where they are, it must agree with the bytes."""
    tokenizer, vocabulary, sequences = load(shared_data / "tokenizers" / name)
    ids = data.draw(sequences)
    text, joined = decode(tokenizer, ids), vocabulary.decode(ids)
    expected = decode_with_byte_pieces(tokenizer.convert_ids_to_tokens(ids), replace_whole_run)
    first = " " if name in DROPS_FIRST_SPACE else ""
    assert text == expected.removeprefix(first)
    if "\ufffd" not in text:
        assert text == joined.decode("utf-8").removeprefix(first)
    assert decode_bytes(tokenizer.convert_ids_to_tokens(ids)) == joined


def decode_bytes(pieces):
    """The same rule, in bytes: Latin-1 carries a byte through a text."""
    spelled = (piece.encode("utf-8").decode("latin-1") for piece in pieces)
    space = "▁".encode().decode("latin-1")
    return decode_with_byte_pieces((p.replace(space, " ") for p in spelled), lambda run: run.decode("latin-1")).encode(
        "latin-1"
    )


def test_every_token_alone(loaded, name):
    """What decode gives for each id; a token that is not UTF-8 is one byte where the decoder does not join bytes."""
    tokenizer, vocabulary, _ = loaded
    ids = [i for i, data in enumerate(vocabulary.tokens) if data is not None]
    texts = tokenizer.backend_tokenizer.decode_batch([[i] for i in ids], skip_special_tokens=False)
    expected = [vocabulary.tokens[i].decode("utf-8", "replace") for i in ids]
    if name in DROPS_FIRST_SPACE:
        expected = [text.removeprefix(" ") for text in expected]
    assert [(i, a, b) for i, a, b in zip(ids, texts, expected, strict=True) if a != b] == []


def test_special_tokens_are_never_text(loaded, name):
    tokenizer, vocabulary, _ = loaded
    for i, added in tokenizer.backend_tokenizer.get_added_tokens_decoder().items():
        if added.special:
            assert vocabulary.tokens[i] is None
            assert vocabulary.names[i] == added.content
        else:
            assert vocabulary.tokens[i] == added.content.replace(*spaces(name)).encode("utf-8")
    assert len(vocabulary) == max(tokenizer.get_vocab().values()) + 1


def spaces(name):
    return ("▁", " ") if name in BYTE_FALLBACK else ("", "")


def test_three_ways_to_the_same_vocabulary(loaded, shared_data, name):
    tokenizer, vocabulary, _ = loaded
    folder = shared_data / "tokenizers" / name
    backend = read_vocabulary(tokenizer.backend_tokenizer, eos=ENDS[name])
    file = read_vocabulary(folder, eos=2 if name == "llama2" else None)  # no configuration beside that one
    assert backend.fingerprint == file.fingerprint == vocabulary.fingerprint
    assert backend.names == file.names == vocabulary.names


def test_single_bytes(loaded, name):
    _, vocabulary, _ = loaded
    single = {data for data in vocabulary.tokens if data is not None and len(data) == 1}
    anywhere = set(b"".join(data for data in vocabulary.tokens if data is not None))
    missing = MISSING_IN_SMOLLM2 if name == "smollm2" else b""
    assert {bytes([byte]) for byte in range(256)} - single == {bytes([byte]) for byte in missing}
    assert set(range(256)) - anywhere == set(missing)


def test_gemma_logits_are_narrower_than_its_tokenizer(shared_data):
    """The text models have 262,144 logits; the one id past them, an image token, is no text."""
    tokenizer, vocabulary, _ = load(shared_data / "tokenizers/gemma3")
    assert len(vocabulary) == 262_145
    narrow = read_vocabulary(tokenizer, width=262_144, eos=[106])
    assert len(narrow) == narrow.width == 262_144
    assert narrow.tokens == vocabulary.tokens[:-1]
