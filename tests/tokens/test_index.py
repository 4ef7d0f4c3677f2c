"""What a vocabulary cannot spell."""

from __future__ import annotations

from constrain.ir import rx
from constrain.tokens.index import _unspellable


def test_code_points_that_small_vocabularies_cannot_spell() -> None:
    """The short way for vocabularies without continuation bytes, against all code points one by one."""
    missing = frozenset(range(256)) - set(b"ab0\xc3")
    every = (code for code in (*range(0xD800), *range(0xE000, 0x110000)))
    assert _unspellable(missing) == rx.merge_ranges((c, c) for c in every if not missing.isdisjoint(chr(c).encode()))
