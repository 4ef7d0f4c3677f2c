"""``TokenBytes``: the bytes of all tokens in two arrays, for 128,000 tokens at once; a ``bytes`` object when asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import Any, overload

import numpy as np
import numpy.typing as npt


class TokenBytes(Sequence[bytes | None]):
    """Token i is ``data[starts[i]:starts[i + 1]]``, ``None`` when that is empty.

    starts  (tokens + 1,) int32, ascending from 0
    data    (bytes,) uint8
    """

    def __init__(self, starts: npt.NDArray[np.int32], data: npt.NDArray[np.uint8]) -> None:
        self.starts, self.data = starts, data
        self._bounds = starts.data  # its items are Python integers

    @classmethod
    def of(cls, tokens: Iterable[bytes | None]) -> TokenBytes:
        """Pack byte strings; ``None`` and the empty string are the same."""
        texts = [token or b"" for token in tokens]
        starts = np.fromiter(chain((0,), accumulate(map(len, texts))), np.int32, len(texts) + 1)
        return cls(starts, np.frombuffer(b"".join(texts), np.uint8))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, i: int) -> bytes | None: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[bytes | None]: ...
    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return tuple(self[j] for j in range(*i.indices(len(self))))
        if i < 0:
            i += len(self)
        if not 0 <= i < len(self):
            raise IndexError(i)
        return self._text[self._bounds[i] : self._bounds[i + 1]] or None

    def tuple(self) -> tuple[bytes | None, ...]:
        """All of them as ``bytes`` objects."""
        text, bounds = self._text, self.starts.tolist()
        return tuple(text[first:last] or None for first, last in pairwise(bounds))

    @cached_property
    def lengths(self) -> npt.NDArray[np.int32]:
        """How many bytes each token has; 0 where it is not text."""
        return np.diff(self.starts)

    def without(self, ids: Iterable[int]) -> TokenBytes:
        """The same but for some tokens, which become ``None``."""
        gone = [i for i in ids if self[i] is not None]
        if not gone:
            return self
        lengths = self.lengths.copy()
        lengths[gone] = 0
        kept = np.ones(len(self.data), bool)
        for i in gone:
            kept[self.starts[i] : self.starts[i + 1]] = False
        return TokenBytes(np.concatenate(([0], np.cumsum(lengths))).astype(np.int32), self.data[kept])

    @cached_property
    def _text(self) -> bytes:
        return self.data.tobytes()
