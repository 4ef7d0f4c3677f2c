"""Oracles shared by the tests of patterns: a slow matcher, generated patterns, all short texts."""

from __future__ import annotations

from itertools import product

from hypothesis import strategies as st
from naive.rx import derive_all, nullable

from constrain.ir import rx

SHORT = ["".join(letters) for n in range(5) for letters in product("ab\n", repeat=n)]
QUANTIFIERS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{,2}", "{1,2}", "{1,}?", "{0}"]


def patterns(atoms: list[str]) -> st.SearchStrategy[str]:
    def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.lists(inner, min_size=2, max_size=4).map("".join),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
            st.tuples(inner, st.sampled_from(QUANTIFIERS)).map(lambda pair: f"({pair[0]}){pair[1]}"),
        )

    return st.recursive(st.sampled_from(atoms), wider, max_leaves=8)


def matches(language: rx.Rx, text: str | bytes) -> bool:
    """Is the text a member? By derivatives."""
    return nullable(derive_all(language, list(text) if isinstance(text, bytes) else [ord(c) for c in text]))
