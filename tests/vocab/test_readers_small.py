"""Readers on tokenizers built here: every kind of source, and every refusal."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.errors import VocabularyError
from constrain.vocab.byte_level import CHAR_OF_BYTE, byte_level_bytes
from constrain.vocab.decoders import token_speller
from constrain.vocab.readers import read_vocabulary
from constrain.vocab.vocabulary import Vocabulary

tokenizers = pytest.importorskip("tokenizers")
tiktoken = pytest.importorskip("tiktoken")
convert_slow = pytest.importorskip("transformers.convert_slow_tokenizer")
transformers = pytest.importorskip("transformers")
gguf = pytest.importorskip("gguf")

FALLBACK = [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
]
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}


def byte_level_tokenizer(pieces, special=(), added=()):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special))
    tokenizer.add_tokens(list(added))
    return tokenizer


# --- plain lists and vocabularies ------------------------------------------------------------------------------------


def test_list_of_byte_strings():
    vocabulary = read_vocabulary([b"a", None, b"\xff", b"a", b""], eos=[1], width=8)
    assert vocabulary.tokens == (b"a", None, b"\xff", b"a", None)
    assert vocabulary.width == 8 and vocabulary.eos == {1}
    assert vocabulary.ids_by_bytes[b"a"] == (0, 3)


@pytest.mark.parametrize("eos", [1, np.int64(1), [1], (1,), np.array([1]), iter([1])])
def test_forms_of_eos(eos):
    assert read_vocabulary([b"a", None], eos=eos).eos == {1}


@pytest.mark.parametrize("eos", [None, [], ()])
def test_no_end_is_refused(eos):
    with pytest.raises(VocabularyError, match=r"eos=\[...\]"):
        read_vocabulary([b"a", None], eos=eos)


def test_list_of_texts_is_refused():
    with pytest.raises(VocabularyError, match="token 1 is 'b': each token must be bytes"):
        read_vocabulary([b"a", "b"], eos=[0])


def test_vocabulary_passes_through():
    vocabulary = Vocabulary([b"a", None, b"c"], [1], 40, {1: "</s>"})
    assert read_vocabulary(vocabulary) is vocabulary
    wider = read_vocabulary(vocabulary, width=64)
    assert (wider.width, wider.tokens, wider.eos, wider.names) == (64, vocabulary.tokens, {1}, {1: "</s>"})
    assert read_vocabulary(vocabulary, eos=[1, 2]).tokens == (b"a", None, None)


def test_width_cuts_only_what_is_never_text():
    assert len(read_vocabulary([b"a", None, None], eos=[1], width=2)) == 2
    with pytest.raises(VocabularyError, match="width 2"):
        read_vocabulary([b"a", None, b"c"], eos=[1], width=2)
    with pytest.raises(VocabularyError, match="width 2"):
        read_vocabulary([b"a", None, None], eos=[2], width=2)


@pytest.mark.parametrize("source", [object(), 3, {"a": 1}, SimpleNamespace(encode=1, decode=2)])
def test_unknown_sources_are_refused(source):
    with pytest.raises(VocabularyError, match="not a tokenizer that constrain knows"):
        read_vocabulary(source, eos=[0])


def test_reading_needs_neither_torch_nor_transformers():
    check = "import sys, constrain.vocab.readers; print({'torch', 'transformers', 'tokenizers'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


# --- the byte alphabet -----------------------------------------------------------------------------------------------


def test_alphabet_is_that_of_gpt2():
    assert convert_slow.bytes_to_unicode() == CHAR_OF_BYTE


@given(st.binary())
def test_alphabet_round_trip(data):
    assert byte_level_bytes("".join(CHAR_OF_BYTE[byte] for byte in data)) == data


@given(st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("".join(CHAR_OF_BYTE.values()))), max_size=6))
def test_added_tokens_are_spelled_as_the_decoder_does(text):
    decoder = tokenizers.decoders.ByteLevel()
    assert byte_level_bytes(text).decode("utf-8", "replace") == decoder.decode([text])


# --- decoders --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decoder", "token", "data"),
    [
        ({"type": "ByteLevel"}, "Ġa", b" a"),
        ({"type": "Sequence", "decoders": [{"type": "Sequence", "decoders": [{"type": "ByteLevel"}]}]}, "Ċ", b"\n"),
        ({"type": "Sequence", "decoders": FALLBACK}, "▁a▁", b" a "),
        ({"type": "Sequence", "decoders": FALLBACK}, "<0xfF>", b"\xff"),
        ({"type": "Sequence", "decoders": FALLBACK}, "<0xFG>", b"<0xFG>"),
        ({"type": "Sequence", "decoders": FALLBACK}, "<0x0A>b", b"<0x0A>b"),
        ({"type": "Sequence", "decoders": [*FALLBACK, STRIP]}, "▁▁", b"  "),
        ({"type": "Sequence", "decoders": [{"type": "ByteLevel"}, STRIP]}, "Ġ", b" "),
        ({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}, "▁é", b" \xc3\xa9"),
        ({"type": "Metaspace", "replacement": "_", "add_prefix_space": True}, "_a▁", " a▁".encode()),
        ({"type": "Fuse"}, "<0x0A>", b"<0x0A>"),
    ],
)
def test_spelling(decoder, token, data):
    assert token_speller(decoder)(token) == data


@pytest.mark.parametrize(
    ("decoder", "reason"),
    [
        (None, "has no decoder"),
        ({"type": "WordPiece", "prefix": "##", "cleanup": True}, "'WordPiece'.*depend on where it stands"),
        ({"type": "WordPiece", "prefix": "##", "cleanup": False}, "'WordPiece'.*depend on where it stands"),
        ({"type": "BPEDecoder", "suffix": "</w>"}, "'BPEDecoder'.*end-of-word"),
        ({"type": "CTC"}, "'CTC'.*neighbours"),
        ({"type": "Mystery"}, "'Mystery'.*not one of the decoders"),
        ({"type": "Sequence", "decoders": [*FALLBACK, FALLBACK[0]]}, "'Replace'.*across"),
        ({"type": "Sequence", "decoders": [FALLBACK[1], {"type": "ByteLevel"}]}, "'ByteLevel'.*across"),
        ({"type": "Sequence", "decoders": [*FALLBACK[:2], STRIP]}, "'Strip'.*before the tokens are fused"),
        ({"type": "Sequence", "decoders": [*FALLBACK, STRIP | {"stop": 1}]}, "'Strip'.*more than spaces"),
        ({"type": "Sequence", "decoders": [*FALLBACK, STRIP | {"content": "a"}]}, "'Strip'.*more than spaces"),
        ({"type": "Replace", "pattern": {"Regex": "a+"}, "content": ""}, "'Replace'.*not a plain string"),
    ],
)
def test_decoders_that_are_refused(decoder, reason):
    with pytest.raises(VocabularyError, match=reason):
        token_speller(decoder)


def test_wordpiece_tokenizer_is_refused():
    model = tokenizers.models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.decoder = tokenizers.decoders.WordPiece()
    assert tokenizer.decode([2]) != tokenizer.decode([1, 2])[1:], "the reason why"
    with pytest.raises(VocabularyError, match="WordPiece"):
        read_vocabulary(tokenizer, eos=[0])


def test_decoder_written_in_python_is_refused():
    class Upper:
        def decode_chain(self, tokens):
            return [token.upper() for token in tokens]

    tokenizer = byte_level_tokenizer("ab")
    tokenizer.decoder = tokenizers.decoders.Decoder.custom(Upper())
    with pytest.raises(VocabularyError, match="cannot be read exactly"):
        read_vocabulary(tokenizer, eos=[0])


# --- live tokenizers and tokenizer.json ------------------------------------------------------------------------------


def test_added_tokens_are_text_and_special_ones_are_not():
    tokenizer = byte_level_tokenizer(["a", "Ġ", "Ã", "©"], ["<s>", "</s>"], ["<tool>", "x y", "▁", "é"])
    vocabulary = read_vocabulary(tokenizer, eos=[5])
    expected = (b"a", b" ", b"\xc3", b"\xa9", None, None, b"<tool>", b"x y", "▁".encode(), b"\xe9")
    assert vocabulary.tokens == expected
    assert vocabulary.names == {4: "<s>", 5: "</s>"}
    for i, data in enumerate(vocabulary.tokens):
        if data is not None:
            assert tokenizer.decode([i]) == data.decode("utf-8", "replace")


def test_aliases_are_kept():
    pieces = ["\t", "<0x09>", "▁", " "]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({p: i for i, p in enumerate(pieces)}, []))
    tokenizer.decoder = tokenizers.decoders.Sequence(
        [tokenizers.decoders.Replace("▁", " "), tokenizers.decoders.ByteFallback(), tokenizers.decoders.Fuse()]
    )
    tokenizer.add_special_tokens(["</s>"])
    vocabulary = read_vocabulary(tokenizer, eos=4)
    assert vocabulary.ids_by_bytes == {b"\t": (0, 1), b" ": (2, 3)}


def test_gaps_in_ids():
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0, "b": 3, "c": 7}, []))
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    vocabulary = read_vocabulary(tokenizer, eos=[5], width=9)
    assert vocabulary.tokens == (b"a", None, None, b"b", None, None, None, b"c")
    assert vocabulary.names == {}


def test_unigram_with_metaspace():
    model = tokenizers.models.Unigram([("<unk>", 0.0), ("▁a", -1.0), ("b▁▁", -2.0)], unk_id=0)
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.decoder = tokenizers.decoders.Metaspace()
    for source in (tokenizer, transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer)):
        vocabulary = read_vocabulary(source, eos=[0])
        assert vocabulary.tokens == (None, b" a", b"b  ")
        assert vocabulary.names == {0: "<unk>"}
    assert tokenizer.decode([1, 2, 1]) == "ab   a", "a space is dropped at the very start, and there only"


def test_ends_of_a_fast_tokenizer():
    backend = byte_level_tokenizer("abc", ["</s>"])
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", pad_token="c")
    vocabulary = read_vocabulary(wrapped)
    assert vocabulary.eos == {3}
    assert vocabulary.tokens == (b"a", b"b", None, None), "transformers calls 'c' special"
    several = read_vocabulary(wrapped, eos=[1, 3])
    assert several.eos == {1, 3} and several.tokens == (b"a", None, None, None) and several.names[1] == "b"
    with pytest.raises(VocabularyError, match="eos"):
        read_vocabulary(transformers.PreTrainedTokenizerFast(tokenizer_object=backend))


@pytest.fixture
def folder(tmp_path):
    byte_level_tokenizer(["a", "Ġ"], ["<s>", "</s>"], ["<t>"]).save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_tokenizer_json_without_configuration_needs_eos(folder):
    with pytest.raises(VocabularyError, match="eos"):
        read_vocabulary(folder / "tokenizer.json")
    assert read_vocabulary(str(folder), eos=[3]).tokens == (b"a", b" ", None, None, b"<t>")


@pytest.mark.parametrize(
    ("files", "eos"),
    [
        ({"tokenizer_config.json": {"eos_token": "</s>"}}, {3}),
        ({"tokenizer_config.json": {"eos_token": {"content": "<s>"}}}, {2}),
        ({"tokenizer_config.json": {"eos_token": "<t>"}}, {4}),
        ({"config.json": {"eos_token_id": 2}, "tokenizer_config.json": {"eos_token": "</s>"}}, {2}),
        ({"config.json": {"text_config": {"eos_token_id": [2, 3]}}}, {2, 3}),
        ({"generation_config.json": {"eos_token_id": [3, 2]}, "config.json": {"eos_token_id": 1}}, {2, 3}),
    ],
)
def test_ends_from_files_beside(folder, files, eos):
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    assert read_vocabulary(folder / "tokenizer.json").eos == eos
    assert read_vocabulary(folder, eos=[0]).eos == {0}


def test_paths_that_are_no_tokenizer(tmp_path):
    (tmp_path / "text").write_bytes(b"\xff\xfe")
    (tmp_path / "other.json").write_text("[1]")
    for path, reason in [
        ("missing", "not a file"),
        ("", "nor a folder"),
        ("text", "nor JSON"),
        ("other.json", "neither"),
    ]:
        with pytest.raises(VocabularyError, match=reason):
            read_vocabulary(tmp_path / path, eos=[0])


# --- tiktoken and Python byte-level BPE ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoding():
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"\xe2\x82": 256, b" a": 258}
    return tiktoken.Encoding(
        "tiny", pat_str=r"\s?\S+|\s+", mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 260}
    )


def test_encoding(encoding):
    vocabulary = read_vocabulary(encoding)
    assert vocabulary.tokens[255:] == (b"\xff", b"\xe2\x82", None, b" a", None, None)
    assert vocabulary.eos == {260} and vocabulary.names == {260: "<|endoftext|>"}
    text = " a€ a\n"
    assert vocabulary.decode(encoding.encode(text)) == text.encode()


@pytest.mark.parametrize("place", ["tokenizer", "model"])
def test_wrapped_encoding(encoding, place):
    wrapper = SimpleNamespace(**{place: encoding}, special_tokens={"<|im_end|>": 261}, eos_token_id=261)
    vocabulary = read_vocabulary(wrapper)
    assert vocabulary.eos == {261} and vocabulary.names == {260: "<|endoftext|>", 261: "<|im_end|>"}
    assert vocabulary.tokens[256] == b"\xe2\x82"


def test_mergeable_ranks():
    added = {3: SimpleNamespace(content="<x>", special=True), 4: SimpleNamespace(content="é", special=False)}
    wrapper = SimpleNamespace(
        mergeable_ranks={b"a": 0, b"\xff": 1}, special_tokens={"<e>": 2}, added_tokens_decoder=added
    )
    vocabulary = read_vocabulary(wrapper, eos=[2])
    assert vocabulary.tokens == (b"a", b"\xff", None, None, "é".encode())
    assert vocabulary.names == {2: "<e>", 3: "<x>"}


class SlowBytePairs:
    """A slow tokenizer in the manner of GPT-2's."""

    def __init__(self, pieces, suffix=""):
        self.pieces = pieces
        self.suffix = suffix
        self.byte_decoder = {char: byte for byte, char in convert_slow.bytes_to_unicode().items()}
        self.eos_token_id = len(pieces) - 1
        self.all_special_ids = [self.eos_token_id]

    def __len__(self):
        return len(self.pieces)

    def convert_ids_to_tokens(self, token):
        return self.pieces[token]

    def convert_tokens_to_string(self, tokens):
        data = bytes(self.byte_decoder[char] for token in tokens for char in token)
        text = data.decode("utf-8", "replace")
        return text.replace(self.suffix, " ") if self.suffix else text


def test_byte_decoder():
    vocabulary = read_vocabulary(SlowBytePairs(["a", "Ġb", "â", "âĤ¬", "<end of text>"]))
    assert vocabulary.tokens == (b"a", b" b", b"\xe2", "€".encode(), None)
    assert vocabulary.eos == {4} and vocabulary.names == {4: "<end of text>"}


def test_byte_decoder_alone():
    bare = SlowBytePairs(["a", "Ġb", "Ċ"])
    only = SimpleNamespace(
        byte_decoder=bare.byte_decoder, convert_ids_to_tokens=bare.convert_ids_to_tokens, encoder={"a": 0, "Ċ": 2}
    )
    assert read_vocabulary(only, eos=[1]).tokens == (b"a", None, b"\n")


def test_byte_decoder_that_tells_half_is_refused():
    with pytest.raises(VocabularyError, match="decodes it as 'b '"):
        read_vocabulary(SlowBytePairs(["a", "b</w>", "<e>"], suffix="</w>"))
    with pytest.raises(VocabularyError, match="token 1, '▁b': byte_decoder lacks the character '▁'"):
        read_vocabulary(SlowBytePairs(["a", "▁b", "<e>"]))


# --- GGUF ------------------------------------------------------------------------------------------------------------

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


def write_gguf(path, model, entries, **ends):
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list([piece for piece, _ in entries])
    writer.add_token_merges(["a b"] * 5)
    writer.add_token_types([kind for _, kind in entries])
    for name, token in ends.items():
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", token)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def test_gguf_of_sentencepiece(tmp_path):
    entries = [
        ("<unk>", UNKNOWN),
        ("</s>", CONTROL),
        ("<0x0A>", BYTE),
        ("▁a", NORMAL),
        ("▁", USER_DEFINED),
        ("u", UNUSED),
    ]
    path = write_gguf(tmp_path / "model", "llama", entries, eos=1)
    vocabulary = read_vocabulary(path)
    assert vocabulary.tokens == (None, None, b"\n", b" a", "▁".encode(), None)
    assert vocabulary.eos == {1} and vocabulary.names == {0: "<unk>", 1: "</s>", 5: "u"}


def test_gguf_of_byte_level(tmp_path):
    entries = [("Ġa", NORMAL), ("é", USER_DEFINED), ("é", NORMAL), ("<e>", CONTROL), ("<t>", CONTROL)]
    path = write_gguf(tmp_path / "model", "gpt2", entries, eos=3, eot=4)
    vocabulary = read_vocabulary(str(path), width=6)
    assert vocabulary.tokens == (b" a", "é".encode(), b"\xe9", None, None)
    assert vocabulary.eos == {3, 4}


def test_gguf_refusals(tmp_path):
    entries = [("a", NORMAL)]
    with pytest.raises(VocabularyError, match="model 'bert' is not one of"):
        read_vocabulary(write_gguf(tmp_path / "bert", "bert", entries), eos=[0])
    with pytest.raises(VocabularyError, match="unknown GGUF token type 9"):
        read_vocabulary(write_gguf(tmp_path / "kind", "gpt2", [("a", 9)]), eos=[0])
    with pytest.raises(VocabularyError, match="not spelled like <0x0A>"):
        read_vocabulary(write_gguf(tmp_path / "byte", "llama", [("a", BYTE)]), eos=[0])
    with pytest.raises(VocabularyError, match="eos"):
        read_vocabulary(write_gguf(tmp_path / "end", "gpt2", entries))


def test_damaged_gguf(tmp_path):
    whole = write_gguf(tmp_path / "whole", "gpt2", [("a", NORMAL)], eos=0).read_bytes()
    cut = tmp_path / "cut"
    for length in range(4, len(whole) - 4, 3):
        cut.write_bytes(whole[:length])
        with pytest.raises(VocabularyError, match="damaged"):
            read_vocabulary(cut)
    cut.write_bytes(b"GGUF" + (3).to_bytes(4, "big") + whole[8:])
    with pytest.raises(VocabularyError, match="version"):
        read_vocabulary(cut)
    cut.write_bytes(b"GGUF" + (3).to_bytes(4, "little") + bytes(16))
    with pytest.raises(VocabularyError, match="lacks"):
        read_vocabulary(cut)


# --- tekken.json -----------------------------------------------------------------------------------------------------


def test_tekken_json(tmp_path):
    data = {
        "config": {"default_vocab_size": 6, "default_num_special_tokens": 4},
        "vocab": [{"rank": i, "token_bytes": x, "token_str": None} for i, x in enumerate(["/w==", "YQ==", "Yg=="])],
        "special_tokens": [{"rank": 0, "token_str": "<s>"}, {"rank": 2, "token_str": "</s>"}],
    }
    (tmp_path / "tekken.json").write_text(json.dumps(data))
    vocabulary = read_vocabulary(tmp_path)
    assert vocabulary.tokens == (None, None, None, None, b"\xff", b"a")
    assert vocabulary.eos == {2} and vocabulary.names[2] == "</s>" and vocabulary.names[3] == "<SPECIAL_3>"
