"""Masks of regular leaves against stepping every token byte by byte.

Sweeps (``kernels/sweep.py``) know classes of characters, prune subtrees, mend odd members and copy rows; the twin here
knows none of that. Vocabularies are random texts over what the shortcuts tell apart: letters and digits, blocks of
other characters, single ones that popular patterns treat apart, beginnings of characters, bytes that are no UTF-8.
"""

from __future__ import annotations

from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import randoms

import constrain
from constrain.bits import allocate, ids_of
from constrain.ir import rx
from constrain.ir.grammar import EMPTY, Choice, Encoding, Grammar, Literal, Seq, Terminal
from constrain.ir.rx import ANY_CHAR, Rx
from constrain.kernels.layout import DEAD
from constrain.testing import byte_vocabulary
from constrain.tokens.index import VocabularyIndex
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab import quotient
from constrain.vocab.vocabulary import Vocabulary

CHARS = "abcfoxyzABZ0129 _-.,:\t\n\x01éèà\u00a0λжב\u1680\u2028\u2019\u3000\u3042中文한\ufeff😀"
PIECES = [*(char.encode() for char in CHARS), b'"', b"\\", b"\\n", b"\\u00", b"e9", b"\xc3", b"\xe2", b"\xe2\x80"]
PIECES += [b"\xf0\x9f", b"\xe4\xb8", b"\x80", b"\xa9", b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xe1", b"\xef\xbb"]
SPACES = ((9, 10), (32, 32), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x3000, 0x3000))
SETS = [
    *(
        ((97, 122),),
        ((65, 90), (97, 122)),
        ((48, 57),),
        ((97, 102), (48, 57)),
        ((102, 102),),
        ((45, 46),),
        ((95, 122),),
    ),
    *(SPACES, rx.invert_ranges(SPACES), rx.invert_ranges(((102, 102),)), ((0xE0, 0xE8),), ((0x4E00, 0x4E2D),)),
    *(((0x400, 0xFFFF),), rx.invert_ranges(((0x2028, 0x2029), (10, 10))), ((0, 0x10FFFF),), ((0x10000, 0x10FFFF),)),
    tuple((code, code) for code in range(0xE0, 0x120, 2)),
]


def vocabularies(pieces: list[bytes] = PIECES) -> st.SearchStrategy[Vocabulary]:
    """All bytes, and 150 texts of up to 6 pieces: half of them over a few pieces, so that they share prefixes."""

    def build(rng: Random) -> Vocabulary:
        few = rng.sample(pieces, 6)
        tokens = {b"".join(rng.choices(rng.choice((few, pieces)), k=rng.randint(1, 6))) for _ in range(150)}
        return byte_vocabulary(*sorted(token for token in tokens if len(token) > 1))

    return randoms().map(build)


def expressions() -> st.SearchStrategy[Rx]:
    """Classes, sequences, choices and repeats of them, with and without anything around."""
    atoms = st.sampled_from(SETS).map(rx.chars)
    bounds = st.sampled_from([(0, 1), (0, None), (1, None), (2, 3), (0, 9), (3, None)])
    inner = st.recursive(
        atoms,
        lambda sub: st.one_of(
            st.lists(sub, min_size=2, max_size=3).map(rx.concat),
            st.lists(sub, min_size=2, max_size=3).map(rx.union),
            st.builds(lambda body, bound: rx.repeat(body, *bound), sub, bounds),
        ),
        max_leaves=5,
    )
    anything = rx.repeat(ANY_CHAR, 0, None)
    return inner | inner.map(lambda body: rx.concat([anything, body, anything])) | inner.map(lambda body: ~body)


SHARED_LEADS = 6  # E1, E2, E3, E4, EA, EF
WINDOWS = st.sampled_from([(0, None)] * 3 + [(0, 4), (2, 6), (3, None), (5, 5), (0, 40)])


def allowed(automaton: PushdownAutomaton, state: int) -> set[int]:
    """The texts of a mask, by stepping: ids 0..255 are the bytes."""
    after: dict[bytes, int | None] = {b"": state}
    for prefix in sorted({text[:i] for text in automaton.vocabulary.ids_by_bytes for i in range(1, len(text) + 1)}):
        former = after[prefix[:-1]]
        after[prefix] = None if former is None else automaton.advance(former, prefix[-1])
    return {i for text, ids in automaton.vocabulary.ids_by_bytes.items() if after[text] is not None for i in ids}


def check_walk(grammar: Grammar, vocabulary: Vocabulary, rng: Random, steps: int = 5) -> None:
    automaton = constrain.compile(grammar, vocabulary)
    state = automaton.start()
    for _ in range(steps):
        words = allocate(vocabulary.width)
        automaton.fill_mask(state, words)
        masked = set(ids_of(words).tolist()) - vocabulary.eos
        expected = allowed(automaton, state)
        assert masked == expected, sorted(vocabulary.tokens[t] for t in masked ^ expected)
        longer = [t for t in sorted(masked) if t >= 256] if rng.random() < 0.7 else []
        if not masked:
            break
        state = automaton.advance(state, rng.choice(longer or sorted(masked)))
        assert state is not None


def around(terminal: Terminal, rng: Random) -> Grammar:
    """The terminal after texts that share tokens with it, and before one that does."""
    before = [Literal(b'"'), Literal(b'a "'), Literal(b'\xc3"')] if terminal.encoding == "json" else []
    before = before or [EMPTY, Literal(b"a"), Literal(b" "), Literal(b"\xe2")]
    return Grammar("s", {"s": Seq(rng.choice(before), terminal, Choice(EMPTY, Literal(b","), Literal(b"fo")))})


@pytest.mark.parametrize("wide", [2, 1024])
@pytest.mark.parametrize("encoding", ["json", "utf8"])
@given(vocabulary=vocabularies(), body=expressions(), window=WINDOWS, rng=randoms())
@settings(max_examples=20)
def test_masks_equal_stepping(
    wide: int, encoding: Encoding, vocabulary: Vocabulary, body: Rx, window: tuple[int, int | None], rng: Random
) -> None:
    with patch.object(quotient, "WIDE", wide):
        terminal = Terminal(body, encoding, *window)
        if VocabularyIndex.of(vocabulary).leaf(terminal) != DEAD:
            check_walk(around(terminal, rng), vocabulary, rng)


@given(vocabulary=vocabularies(), rng=randoms(), low=st.integers(0, 255), high=st.integers(0, 255))
@settings(max_examples=30)
def test_leaves_over_bytes(vocabulary: Vocabulary, rng: Random, low: int, high: int) -> None:
    """A leaf whose symbols are bytes knows no characters."""
    symbols = rx.chars(((min(low, high), max(low, high)), (97, 122)))
    body = rx.concat([rx.repeat(symbols, 0, None), rx.chars(((97, 255),))])
    check_walk(Grammar("s", {"s": Seq(Terminal(body, "bytes"), Literal(b","))}), vocabulary, rng)


@given(vocabulary=vocabularies([b"a", b"b", b"f", b"A", b"0", b"-", "é".encode(), "ж".encode()]), rng=randoms())
@settings(max_examples=20)
def test_a_state_that_loops_on_all_costs_few_states(vocabulary: Vocabulary, rng: Random) -> None:
    """Beginnings of characters have states of their own only where the first byte does not tell the block."""
    automaton = constrain.compile(Grammar("s", {"s": Terminal(rx.repeat(ANY_CHAR, 0, None), "utf8")}), vocabulary)
    before = automaton.index.arena["leafstate"]
    automaton.fill_mask(automaton.start(), allocate(vocabulary.width))
    assert automaton.index.arena["leafstate"] <= before + SHARED_LEADS
