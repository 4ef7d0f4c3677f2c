"""The vocabulary trie against the definition: a dictionary of prefixes in the order of their bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from constrain.vocab.trie import build_trie
from constrain.vocab.vocabulary import Vocabulary

PIECES = st.binary(min_size=0, max_size=4) | st.text("ab", max_size=5).map(str.encode)
TOKENS = st.lists(st.none() | PIECES, max_size=25)


@given(TOKENS)
def test_trie_equals_the_definition(tokens: list[bytes | None]) -> None:
    vocabulary = Vocabulary(tokens, eos=[len(tokens)])
    texts = vocabulary.ids_by_bytes
    prefixes = sorted({text[:i] for text in texts for i in range(len(text) + 1)} | {b""})  # preorder
    number = {prefix: n for n, prefix in enumerate(prefixes)}
    trie = build_trie(vocabulary)
    assert len(trie.byte) == len(trie.end) == len(prefixes) == len(trie.kid0) - 1 == len(trie.token0) - 1
    assert sorted(trie.ids.tolist()) == sorted(i for ids in texts.values() for i in ids)
    for prefix, node in number.items():
        assert trie.end[node] == node + sum(other.startswith(prefix) for other in prefixes)
        assert tuple(trie.ids[trie.token0[node] : trie.token0[node + 1]]) == texts.get(prefix, ())
        kids = [number[other] for other in prefixes if len(other) == len(prefix) + 1 and other.startswith(prefix)]
        assert trie.kid[trie.kid0[node] : trie.kid0[node + 1]].tolist() == kids
        assert node == 0 or trie.byte[node] == prefix[-1]
    for byte in range(256):
        assert trie.root[byte] == number.get(bytes([byte]), 0)
