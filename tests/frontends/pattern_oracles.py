"""Oracles shared by the tests of patterns: a slow matcher, generated patterns, all short texts."""

from __future__ import annotations

from itertools import product
from random import Random

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


SYMBOLS = ["a", "b", ".", r"\n", "[^a]", "[ab]", r"\w", r"\s"]
TESTS = ["^", "$", r"\b", r"\B", r"\A", r"\Z"]
BEHIND = ["a", "b", "ab", r"\n", "a|b", "^a", r"a\b", "[^b]", "(?=b)", "(?<!b)a"]


class PatternMaker:
    """Random patterns of all that ``re`` has. ``kinds``: any of look, atomic, asked (groups that are asked for)."""

    def __init__(self, rng: Random, kinds: frozenset[str]) -> None:
        self.rng, self.kinds, self.groups = rng, kinds, 0

    def make(self, depth: int = 4) -> str:
        makers = [
            self.symbol,
            self.symbol,
            self.test,
            self.sequence,
            self.sequence,
            self.either,
            self.repeat,
            self.repeat,
        ]
        makers += [self.look] * ("look" in self.kinds) + [self.atomic] * ("atomic" in self.kinds)
        makers += [self.asked] * (2 if "asked" in self.kinds and self.groups else 0)
        return self.rng.choice(makers if depth else makers[:2])(depth - 1)

    def symbol(self, _: int) -> str:
        return self.rng.choice(SYMBOLS)

    def test(self, _: int) -> str:
        return self.rng.choice(TESTS)

    def sequence(self, depth: int) -> str:
        return "".join(self.make(depth) for _ in range(self.rng.randint(2, 3)))

    def either(self, depth: int) -> str:
        return self.group("|".join(self.make(depth) for _ in range(self.rng.randint(2, 3))))

    def repeat(self, depth: int) -> str:
        marks = [*QUANTIFIERS, "*+", "++", "?+", "{2}+", "{1,2}+"] if "atomic" in self.kinds else QUANTIFIERS
        return self.group(self.make(depth)) + self.rng.choice(marks)

    def group(self, body: str) -> str:
        if self.rng.random() < 0.5:
            return f"(?:{body})"
        self.groups += 1
        return f"({body})"

    def look(self, depth: int) -> str:
        if self.rng.random() < 0.6:
            return f"(?{self.rng.choice('=!')}{self.make(depth)})"
        return f"(?<{self.rng.choice('=!')}{self.rng.choice(BEHIND)})"

    def atomic(self, depth: int) -> str:
        return f"(?>{self.make(depth)})"

    def asked(self, depth: int) -> str:
        number = self.rng.randint(1, self.groups)
        return f"\\{number}" if self.rng.random() < 0.5 else f"(?({number}){self.make(depth)}|{self.make(depth)})"
