"""What is kept of a tokenizer's file and of a vocabulary's trie: the same as made afresh, and never of another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constrain.vocab import files, trie
from constrain.vocab.readers import read_vocabulary
from constrain.vocab.token_bytes import TokenBytes
from constrain.vocab.vocabulary import Vocabulary

CONTENT: dict[str, Any] = {
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġab": 2, "Ċ": 3}, "merges": []},
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "added_tokens": [
        {"id": 5, "content": "</s>", "special": True},
        {"id": 6, "content": "<pad>", "special": True},
        {"id": 7, "content": "more é", "special": False},
    ],
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new, empty folder for kept files."""
    monkeypatch.setenv("CONSTRAIN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A small ``tokenizer.json``."""
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(CONTENT))
    return path


def facts(vocabulary: Vocabulary) -> tuple[Any, ...]:
    return vocabulary.tokens, vocabulary.eos, vocabulary.width, vocabulary.names, vocabulary.fingerprint


def no_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("the file is read again")

    monkeypatch.setattr(files, "_list_json", refuse)


def test_a_tokenizer_is_parsed_once(cache: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    afresh = [facts(read_vocabulary(tokenizer, eos=eos, width=width)) for eos, width in ((5, None), ([1, 6], 40))]
    no_parsing(monkeypatch)
    kept = [facts(read_vocabulary(tokenizer, eos=eos, width=width)) for eos, width in ((5, None), ([1, 6], 40))]
    assert kept == afresh
    assert kept[0][0] == (b"a", b"b", b" ab", b"\n", None, None, None, "more é".encode())
    assert kept[1][0][1] is None and kept[1][3] == {1: "b", 5: "</s>", 6: "<pad>"}


def test_configuration_beside_the_file_is_read_each_time(cache: Path, tokenizer: Path) -> None:
    configuration = tokenizer.with_name("generation_config.json")
    for eos in (5, [5, 6], 2):
        configuration.write_text(json.dumps({"eos_token_id": eos}))
        assert read_vocabulary(tokenizer).eos == frozenset([eos] if isinstance(eos, int) else eos)
    configuration.unlink()
    tokenizer.with_name("tokenizer_config.json").write_text(json.dumps({"eos_token": "<pad>"}))
    assert read_vocabulary(tokenizer).eos == {6}
    tokenizer.with_name("tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": " ab"}}))
    assert read_vocabulary(tokenizer).eos == {2}


def test_a_changed_tokenizer_is_another_one(cache: Path, tokenizer: Path) -> None:
    read_vocabulary(tokenizer, eos=5)
    changed = json.loads(json.dumps(CONTENT))
    changed["model"]["vocab"] = {"a": 0, "c": 1, "Ġab": 2, "Ċ": 3}
    tokenizer.write_text(json.dumps(changed))
    assert read_vocabulary(tokenizer, eos=5).tokens[1] == b"c"
    assert len(list((cache / "tokenizers").iterdir())) == 2


def test_a_damaged_file_is_replaced(cache: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    afresh = facts(read_vocabulary(tokenizer, eos=5))
    (kept,) = (cache / "tokenizers").iterdir()
    content = kept.read_bytes()
    kept.write_bytes(content[:-3] + b"abc")
    assert facts(read_vocabulary(tokenizer, eos=5)) == afresh and kept.read_bytes() == content
    no_parsing(monkeypatch)
    assert facts(read_vocabulary(tokenizer, eos=5)) == afresh


def test_without_a_folder_all_is_made_afresh(cache: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write_text("not a folder")
    monkeypatch.setattr(trie, "WORTH_KEEPING", 0)
    vocabulary = read_vocabulary(tokenizer, eos=5)
    assert vocabulary.tokens[0] == b"a" and len(trie.build_trie(vocabulary).byte) == 14


# --- The trie ------------------------------------------------------------------------------------------------------

TOKENS = st.lists(st.none() | st.binary(max_size=4), min_size=1, max_size=20)


@given(TOKENS)
def test_packed_tokens_are_the_tokens(tokens: list[bytes | None]) -> None:
    packed, expected = TokenBytes.of(tokens), tuple(token or None for token in tokens)
    assert packed.tuple() == tuple(packed) == tuple(packed[i] for i in range(len(tokens))) == expected
    assert packed[-1] == expected[-1] and packed[1:3] == expected[1:3] and len(packed) == len(tokens)
    assert packed.lengths.tolist() == [len(token or b"") for token in tokens]
    for gone in ([0], list(range(0, len(tokens), 2)), []):
        assert packed.without(gone).tuple() == tuple(None if i in gone else t for i, t in enumerate(expected))
    with pytest.raises(IndexError):
        _ = packed[len(tokens)]


def same(one: trie.Trie, other: trie.Trie) -> bool:
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_trie_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = Vocabulary([b"a", b"ab", None, b"b", b"ab"], [2])
    assert same(trie.build_trie(vocabulary), trie.sort_tokens(vocabulary)) and not cache.exists()  # a small one is not
    monkeypatch.setattr(trie, "WORTH_KEEPING", 0)
    assert same(trie.build_trie(vocabulary), trie.sort_tokens(vocabulary))
    (kept,) = (cache / "tries").iterdir()
    monkeypatch.setattr(trie, "sort_tokens", lambda _: None)
    assert same(trie.build_trie(vocabulary), trie.build_trie(Vocabulary(vocabulary.tokens, [2], 99)))
    kept.write_bytes(kept.read_bytes()[:-1])
    monkeypatch.undo()


@pytest.mark.parametrize(
    "tokens",
    [[b"ab", b"c", None], [b"a", b"bc", None], [b"a", None, b"bc"], [b"a", b"bd", None, None], [b"bc", b"a", None]],
)
def test_other_tokens_have_another_trie(cache: Path, monkeypatch: pytest.MonkeyPatch, tokens: list[Any]) -> None:
    monkeypatch.setattr(trie, "WORTH_KEEPING", 0)
    trie.build_trie(Vocabulary([b"a", b"bc", None], [9]))
    vocabulary = Vocabulary(tokens, [9])
    assert same(trie.build_trie(vocabulary), trie.sort_tokens(vocabulary))
    assert len(list((cache / "tries").iterdir())) == (1 if tokens == [b"a", b"bc", None] else 2)
