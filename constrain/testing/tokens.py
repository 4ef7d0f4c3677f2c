"""Vocabularies and spellings for tests: every byte a token, and any text as any sequence of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from constrain.vocab.vocabulary import Vocabulary

Item = TypeVar("Item")


class Chooser(Protocol):
    """What chooses: a ``random.Random``, for instance."""

    def choice(self, seq: Sequence[Item], /) -> Item:
        """One of the items."""
        ...


def byte_vocabulary(*pieces: bytes, width: int | None = None) -> Vocabulary:
    """Id ``b`` is the byte ``b``; then each piece, also empty ones (as ids without text); last, one end of sequence."""
    tokens = [*(bytes([b]) for b in range(256)), *pieces]
    return Vocabulary([*tokens, None], [len(tokens)], width)


def respell(vocabulary: Vocabulary, data: bytes, rng: Chooser) -> list[int] | None:
    """A sequence of ids whose bytes are ``data``, as ``rng`` chooses among longest pieces first; ``None`` when the
    vocabulary cannot spell it."""
    ids, longest = vocabulary.ids_by_bytes, max(map(len, vocabulary.ids_by_bytes), default=0)
    ways: list[list[int]] = [[] for _ in data] + [[len(data)]]  # where a first piece that starts here may end
    for i in reversed(range(len(data))):
        ends = range(min(i + longest, len(data)), i, -1)
        ways[i] = [j for j in ends if ways[j] and data[i:j] in ids]
    spelling, at = [], 0
    while at < len(data):
        if not ways[at]:
            return None
        end = rng.choice(ways[at])
        spelling.append(rng.choice(ids[data[at:end]]))
        at = end
    return spelling
