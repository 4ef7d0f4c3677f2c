"""The quotient of the trie against the definition: a dictionary of paths of classes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from constrain.kernels.classes import BLOCK_BIT, CLASS, CLASSES, FIRST_BLOCK, INVALID_BIT, LEAD, PARTIAL, ascii_bit
from constrain.vocab.quotient import build_quotient
from constrain.vocab.trie import build_trie
from constrain.vocab.vocabulary import Vocabulary

PIECES = st.binary(min_size=0, max_size=4) | st.text("abzAZ09. é\u00a0\u2028中\ufeff😀", max_size=5).map(str.encode)
CUT = st.text("aé中😀\u1680", min_size=1, max_size=3).map(lambda text: text.encode()[:-1])
TOKENS = st.lists(st.none() | PIECES | CUT, max_size=25)


def class_of(char: str) -> int:
    """The label of a character's edge."""
    return next((CLASS + n for n, (low, high) in enumerate(CLASSES) if low <= ord(char) <= high), ord(char))


def partial_label(rest: bytes) -> int | None:
    """The label of the beginning of a character; ``None`` if it is none."""
    classes = {class_of(char) for char in map(chr, range(0x80, 0x110000)) if _begins(char, rest)}
    if not classes:
        return None
    return classes.pop() - CLASS + PARTIAL if len(classes) == 1 else LEAD + rest[0] - 0xC0


def _begins(char: str, rest: bytes) -> bool:
    return not 0xD800 <= ord(char) <= 0xDFFF and char.encode().startswith(rest)


KNOWN: dict[bytes, int | None] = {}


def path_of(prefix: bytes) -> tuple[tuple[int, ...], bool] | None:
    """Labels on the way to a prefix, and whether it ends a character; ``None`` if it is not UTF-8."""
    for cut in range(min(4, len(prefix) + 1)):
        whole, rest = prefix[: len(prefix) - cut], prefix[len(prefix) - cut :]
        try:
            labels = tuple(class_of(char) for char in whole.decode())
        except UnicodeDecodeError:
            continue
        if not rest:
            return labels, True
        if rest not in KNOWN:
            KNOWN[rest] = partial_label(rest)
        return None if KNOWN[rest] is None else ((*labels, KNOWN[rest]), False)
    return None


def read_below(prefix: bytes, texts: dict[bytes, tuple[int, ...]]) -> set[int]:
    """Bits of the characters that tokens have after ``prefix``, which ends a character."""
    bits = set()
    for text in texts:
        for end in range(len(prefix) + 1, len(text) + 1):
            found = path_of(text[:end])
            if not text.startswith(prefix) or (found is None and text[end - 1] >= 0x80):
                bits |= {INVALID_BIT} if text.startswith(prefix) else set()
                continue
            if found is None:
                bits |= {INVALID_BIT, ascii_bit(text[end - 1])}
            elif text[end - 1] < 0x80:
                bits.add(ascii_bit(text[end - 1]))
            elif found[1]:
                bits.add(BLOCK_BIT + found[0][-1] - CLASS)
            elif end == len(text):
                bits |= blocks_of(text, found[0][-1])
    return bits


def blocks_of(text: bytes, label: int) -> set[int]:
    if label < LEAD:
        return {BLOCK_BIT + label - PARTIAL}
    low, high = (text[-1] & 15) << 12, ((text[-1] & 15) << 12) + 0xFFF
    return {BLOCK_BIT + n for n, (a, b) in enumerate(CLASSES) if n >= FIRST_BLOCK and a <= high and b >= low}


@given(TOKENS)
def test_quotient_equals_the_definition(tokens: list[bytes | None]) -> None:
    vocabulary = Vocabulary(tokens, eos=[len(tokens)])
    texts = vocabulary.ids_by_bytes
    prefixes = sorted({text[:i] for text in texts for i in range(len(text) + 1)} | {b""})  # preorder of the trie
    found = build_quotient(build_trie(vocabulary))
    groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for node, prefix in enumerate(prefixes):
        path = path_of(prefix)
        if path is not None and (path[1] or prefix in texts):
            groups.setdefault((len(prefix), path[0]), []).append(node)
        else:
            assert found.trie_node[node] == 0
    numbers = {key: int(found.trie_node[nodes[0]]) for key, nodes in groups.items()}
    assert sorted(numbers.values()) == list(range(len(found.label)))
    for (length, path), nodes in groups.items():
        here = numbers[length, path]
        first, last = found.member0[here : here + 2]
        assert sorted(found.member[first:last].tolist()) == nodes == sorted(nodes)
        assert found.code[first:last].tolist() == sorted(found.code[first:last].tolist())
        assert (found.trie_node[nodes] == here).all()
        assert not path or found.label[here] == path[-1]
        own = sorted(i for node in nodes for i in texts.get(prefixes[node], ()))
        assert sorted(found.ids[found.token0[here] : found.token0[here + 1]].tolist()) == own
        below = {n for (_, other), n in numbers.items() if other[: len(path)] == path and len(other) > len(path)}
        assert below == set(range(here + 1, found.end[here]))
        if path and path[-1] >= PARTIAL:
            continue
        bits = set().union(*(read_below(prefixes[node], texts) for node in nodes))
        assert {32 * w + b for w in range(4) for b in range(32) if found.reach[here][w] >> b & 1} == bits
        depth = max(
            len(text) - length for node in nodes for text in [*texts, prefixes[node]] if text.startswith(prefixes[node])
        )
        assert found.depth[here] == depth
