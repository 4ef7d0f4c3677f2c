"""``Vocabulary``: id -> bytes, the end-of-sequence ids, and the width of the logits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property

from constrain.errors import VocabularyError
from constrain.vocab.token_bytes import TokenBytes


class Vocabulary:
    """The tokens of a model as byte strings. Not to be changed; ``read_vocabulary`` makes it of a tokenizer.

    ``tokens[i]`` is the bytes of id ``i``, or ``None`` when the id never stands for text (special, unused).
    Several ids may have the same bytes. ``eos`` are the ids that end a text; they are never text themselves.
    ``width`` is the width of the model's logits, by default just wide enough; ids at or past ``len(tokens)`` are
    never text. ``names[i]``, where present, is what people call a special id. ``packed`` holds what ``tokens`` does,
    in two arrays; ``tokens`` is made of it when first asked for.
    """

    def __init__(
        self,
        tokens: Sequence[bytes | None] | TokenBytes,
        eos: Iterable[int],
        width: int | None = None,
        names: dict[int, str] | None = None,
    ) -> None:
        ends = frozenset(int(i) for i in eos)
        top = max([len(tokens), *(i + 1 for i in ends)])
        size = top if width is None else int(width)
        if size < top:
            raise VocabularyError(f"logits of width {size} cannot hold ids up to {top - 1}")
        if not ends:
            raise VocabularyError("a vocabulary needs at least one end-of-sequence id: pass eos=[...]")
        if min(ends) < 0:
            raise VocabularyError(f"end-of-sequence ids must not be negative: {sorted(ends)}")
        # An id that ends the text is not text; an empty token would let a text go on without growing.
        packed = tokens if isinstance(tokens, TokenBytes) else TokenBytes.of(tokens)
        self.packed = packed.without(i for i in ends if i < len(packed))
        self.eos = ends
        self.width = size
        self.names = dict(names or {})

    def __len__(self) -> int:
        return len(self.packed)

    @cached_property
    def tokens(self) -> tuple[bytes | None, ...]:
        """The bytes of each id."""
        return self.packed.tuple()

    @property
    def words(self) -> int:
        """Number of int32 words in one mask row: ``ceil(width / 32)``."""
        return (self.width + 31) // 32

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that masks depend on: the bytes of each id, the ends, the width."""
        digest = hashlib.sha256(f"{self.width};{sorted(self.eos)};".encode())
        digest.update(self.packed.starts.data)
        digest.update(self.packed.data.data)
        return digest.hexdigest()

    @cached_property
    def ids_by_bytes(self) -> dict[bytes, tuple[int, ...]]:
        """All ids that stand for given bytes."""
        ids: dict[bytes, tuple[int, ...]] = {}
        for i, token in enumerate(self.tokens):
            if token is not None:
                ids[token] = (*ids.get(token, ()), i)
        return ids

    def describe(self, token: int) -> str:
        """Readable form of an id for messages."""
        if token in self.eos:
            return f"{token} (end of sequence{', ' + self.names[token] if token in self.names else ''})"
        if not 0 <= token < len(self):
            return f"{token} (outside the vocabulary of {len(self)})"
        data = self.packed[token]
        if data is None:
            return f"{token} (special or unused{', ' + self.names[token] if token in self.names else ''})"
        return f"{token} ({data.decode('utf-8', 'backslashreplace')!r})"

    def decode(self, ids: Iterable[int]) -> bytes:
        """Bytes of a token sequence; ends are nothing, other ids without bytes are an error."""
        out = []
        for i in ids:
            if i in self.eos:
                continue
            data = self.packed[i] if 0 <= i < len(self) else None
            if data is None:
                raise VocabularyError(f"token {self.describe(i)} does not stand for text")
            out.append(data)
        return b"".join(out)
