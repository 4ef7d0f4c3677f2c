"""Hypothesis strategies: small random expressions, terminals, grammars and vocabularies.

Over few symbols, so that random texts often match: a, b, c, the two-byte é, and the quote, which JSON must escape.
"""

from __future__ import annotations

from hypothesis import strategies as st

from constrain.ir import rx
from constrain.ir.grammar import (
    Choice,
    Expr,
    Grammar,
    Joined,
    Literal,
    Ref,
    Repeat,
    Seq,
    Terminal,
)
from constrain.ir.rx import ANY_CHAR, EPSILON, Rx
from constrain.vocab.vocabulary import Vocabulary

SYMBOLS = 'abcé"'
PIECES = (b"a", b"b", b"c", b"\xc3", b"\xa9", b'"', b"\\", b"u", b"0", b"6", b"1")
RULES = ("s", "t", "u")


def _chars() -> st.SearchStrategy[Rx]:
    some = st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=3, unique=True)
    chosen = some.map(lambda symbols: rx.chars((ord(c), ord(c)) for c in symbols))
    span = st.sampled_from([ANY_CHAR, rx.chars(((ord("a"), ord("c")),)), rx.chars(((0x80, 0x7FF),))])
    return chosen | chosen | span


def _repeats(body: st.SearchStrategy[Rx]) -> st.SearchStrategy[Rx]:
    bounds = st.sampled_from([(0, None), (1, None), (0, 1), (2, 2), (1, 3), (0, 4), (2, None)])
    return st.builds(lambda r, b: rx.repeat(r, *b), body, bounds)


def expressions(*, complement: bool = True) -> st.SearchStrategy[Rx]:
    """Random ``Rx``; never the empty language as a whole, but possibly an expression that matches nothing."""

    def grow(inner: st.SearchStrategy[Rx]) -> st.SearchStrategy[Rx]:
        few = st.lists(inner, min_size=2, max_size=3)
        shapes = [few.map(rx.concat), few.map(rx.concat), few.map(rx.union), _repeats(inner)]
        if complement:
            shapes += [few.map(rx.intersect), inner.map(rx.complement)]
        return st.one_of(shapes)

    return st.recursive(_chars() | st.just(EPSILON), grow, max_leaves=5)


def terminals() -> st.SearchStrategy[Terminal]:
    """Random terminals in every encoding, some with a window on the number of symbols."""
    windows = st.sampled_from([(0, None)] * 4 + [(0, 2), (1, 3), (2, 2), (1, None)])
    encodings = st.sampled_from(["utf8", "utf8", "json", "bytes"])
    return st.builds(lambda r, e, w: Terminal(r, e, *w), expressions(), encodings, windows)


def literals() -> st.SearchStrategy[Literal]:
    data = st.lists(st.sampled_from(PIECES[:6]), max_size=3).map(b"".join)
    return st.builds(Literal, data)


def _bodies(leaves: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        few = st.lists(inner, min_size=1, max_size=3)
        bounds = st.tuples(st.integers(0, 3), st.sampled_from([None, 0, 1])).map(
            lambda b: (b[0], None if b[1] is None else b[0] + b[1])
        )
        items = st.lists(st.tuples(inner, st.booleans()), min_size=1, max_size=4).map(tuple)
        return st.one_of(
            few.map(lambda parts: Seq(*parts)),
            few.map(lambda parts: Seq(*parts)),
            few.map(lambda parts: Choice(*parts)),
            st.builds(lambda body, b: Repeat(body, *b), inner, bounds),
            st.builds(Joined, items, literals()),
        )

    return st.recursive(leaves, grow, max_leaves=5)


def grammars(*, with_terminals: bool = True) -> st.SearchStrategy[Grammar]:
    """Random grammars of up to three rules that may refer to each other in every way: left, right and middle
    recursion, cycles, ambiguity, empty rules; the language may be empty."""
    leaves = literals() | st.sampled_from(RULES).map(Ref)
    if with_terminals:
        leaves |= terminals()
    return st.tuples(*(_bodies(leaves) for _ in RULES)).map(
        lambda bodies: Grammar("s", dict(zip(RULES, bodies, strict=True)))
    )


def vocabularies(*, complete: bool = False) -> st.SearchStrategy[Vocabulary]:
    """Random small vocabularies: aliases, ids without text, tokens across characters, several ends, a wide tail.

    ``complete``: with all 256 bytes, so that every text can be spelled and no state is a dead end.
    """
    token = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map(b"".join)
    tokens = st.lists(token | token | token | st.none(), min_size=4, max_size=20)
    return st.builds(_vocabulary, tokens, st.integers(1, 2), st.integers(0, 40), st.just(complete), st.randoms())


def _vocabulary(tokens: list[bytes | None], ends: int, extra: int, complete: bool, rng: object) -> Vocabulary:
    every = [*tokens, *(bytes([b]) for b in range(256))] if complete else [*tokens, *PIECES[:6]]
    all_tokens: list[bytes | None] = [*every, *[None] * ends]
    rng.shuffle(all_tokens)  # type: ignore[attr-defined]
    blank = [i for i, t in enumerate(all_tokens) if t is None]
    return Vocabulary(all_tokens, blank[:ends], len(all_tokens) + extra)
