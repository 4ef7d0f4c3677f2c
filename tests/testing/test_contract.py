"""The contract check itself: it passes a right automaton, and finds each law broken where it is broken."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from data.grammars import CASES
from naive.automaton import FINISHED, NaiveAutomaton
from naive.walk import bits_of

from constrain.bits import from_ids
from constrain.testing import ContractViolation, byte_vocabulary, check_token_automaton, respell
from constrain.tokens.base import TokenAutomaton, Words
from constrain.vocab.vocabulary import Vocabulary

WORDS = ("ab", "abc", "bb", "aab" * 3, "c" * 6)
TOKENS: list[bytes | None] = [b"a", b"b", b"c", b"ab", b"bc", None, b"cc", b"a"]
VOCABULARY = Vocabulary([*TOKENS, None], [8], 45)


class WordList:
    """A right automaton, as simple as can be: the state is the text so far, the language a list of words."""

    vocabulary = VOCABULARY

    def start(self) -> object:
        return ""

    def advance(self, state: object, token: int) -> object | None:
        if token in self.vocabulary.eos:
            return FINISHED if self.is_accepting(state) else None
        data = TOKENS[token] if token < len(TOKENS) else None
        text = None if data is None or state == FINISHED else str(state) + data.decode()
        return text if text and any(word.startswith(text) for word in WORDS) else None

    def allowed(self, state: object) -> list[int]:
        return [t for t in range(len(VOCABULARY)) if WordList.advance(self, state, t) is not None]

    def fill_mask(self, state: object, words: Words) -> None:
        words[:] = from_ids(self.allowed(state), VOCABULARY.width)

    def is_accepting(self, state: object) -> bool:
        return state == FINISHED or state in WORDS


class MaskTooWide(WordList):
    def allowed(self, state: object) -> list[int]:
        return sorted({*super().allowed(state), 1} - ({1} if state == FINISHED else set()))


class AdvanceTakesMore(WordList):
    def advance(self, state: object, token: int) -> object | None:
        return "ab" if (state, token) == ("ab", 0) else super().advance(state, token)


class AcceptsWithoutEndBit(WordList):
    """Calls "a" a whole text, but neither its mask nor its step allows the end there."""

    def advance(self, state: object, token: int) -> object | None:
        return WordList().advance(state, token)

    def allowed(self, state: object) -> list[int]:
        return WordList().allowed(state)

    def is_accepting(self, state: object) -> bool:
        return state == "a" or super().is_accepting(state)


class SplitMatters(WordList):
    """Forgets, after the long token "ab" at the start, that the text may go on."""

    def advance(self, state: object, token: int) -> object | None:
        if state == ("ab", "long"):
            return FINISHED if token == 8 else None
        after = super().advance(state, token)
        return (after, "long") if (state, token) == ("", 3) else after

    def fill_mask(self, state: object, words: Words) -> None:
        words[:] = from_ids([8] if state == ("ab", "long") else self.allowed(state), 45)

    def is_accepting(self, state: object) -> bool:
        return state == ("ab", "long") or super().is_accepting(state)


class DeadEnds(WordList):
    """Also takes "b" then "c", from where no word can be reached."""

    def advance(self, state: object, token: int) -> object | None:
        return "bc" if (state, token) in (("b", 2), ("", 4)) else super().advance(state, token)

    def allowed(self, state: object) -> list[int]:
        return sorted({*super().allowed(state), *{"b": [2], "": [4]}.get(str(state), [])})


class ForgetsToClear(WordList):
    def fill_mask(self, state: object, words: Words) -> None:
        words |= from_ids(self.allowed(state), 45)


class NewStateEachTime(WordList):
    def __init__(self) -> None:
        self.counter = itertools.count()

    def advance(self, state: object, token: int) -> object | None:
        after = super().advance(state[0] if isinstance(state, tuple) else state, token)
        return None if after is None else (after, next(self.counter))

    def fill_mask(self, state: object, words: Words) -> None:
        super().fill_mask(state[0] if isinstance(state, tuple) else state, words)

    def is_accepting(self, state: object) -> bool:
        return super().is_accepting(state[0] if isinstance(state, tuple) else state)


class AdvanceChangesTheMask(WordList):
    def __init__(self) -> None:
        self.last = 0

    def advance(self, state: object, token: int) -> object | None:
        self.last = token
        return super().advance(state, token)

    def fill_mask(self, state: object, words: Words) -> None:
        super().fill_mask(state, words)
        if self.last == 44 and state == "":
            words[0] &= ~1


class TailBits(WordList):
    def allowed(self, state: object) -> list[int]:
        return [*super().allowed(state), 44]

    def advance(self, state: object, token: int) -> object | None:
        return state if token == 44 else super().advance(state, token)


class BitPastTheWidth(WordList):
    def fill_mask(self, state: object, words: Words) -> None:
        super().fill_mask(state, words)
        words[1] |= 1 << 20


class SpecialTokenAllowed(WordList):
    def allowed(self, state: object) -> list[int]:
        return sorted([*super().allowed(state), 5])

    def advance(self, state: object, token: int) -> object | None:
        return state if token == 5 else super().advance(state, token)


def check(automaton: TokenAutomaton, seed: int = 0) -> None:
    check_token_automaton(automaton, rng=Random(seed), sequences=20, depth=12)


@pytest.mark.parametrize("seed", range(3))
def test_a_right_automaton_passes(seed: int) -> None:
    check(WordList(), seed)


def test_the_naive_automaton_passes() -> None:
    grammar = next(case.grammar for case in CASES if case.name == "dangling else")
    texts = [b"if ", b"a", b"b", b" else ", b" el", b"se ", b"i", b"f ", b" ", b"e", b"l", b"s"]
    vocabulary = Vocabulary([*texts, None], [12])
    check_token_automaton(NaiveAutomaton(grammar, vocabulary), rng=Random(0), sequences=4, depth=6)


BROKEN = [
    (MaskTooWide, 1),
    (AdvanceTakesMore, 1),
    (AcceptsWithoutEndBit, 1),
    (SplitMatters, 2),
    (DeadEnds, 3),
    (ForgetsToClear, 4),
    (NewStateEachTime, 4),
    (AdvanceChangesTheMask, 4),
    (TailBits, 5),
    (BitPastTheWidth, 5),
    (SpecialTokenAllowed, 5),
]


@pytest.mark.parametrize("broken,law", BROKEN)
def test_each_broken_law_is_found(broken: type, law: int) -> None:
    with pytest.raises(ContractViolation, match=f"law {law}: ") as caught:
        check(broken())
    assert caught.value.law == law
    assert all(isinstance(t, int) for t in caught.value.tokens)


def test_a_violation_says_where() -> None:
    with pytest.raises(ContractViolation) as caught:
        check(AdvanceTakesMore())
    error = caught.value
    assert (error.state, error.token) == ("ab", 0)
    assert "mask says no but advance says yes" in str(error) and "'ab', token 0" in str(error)
    assert VOCABULARY.decode(error.tokens) == b"ab"
    assert isinstance(error, AssertionError)


def test_large_vocabularies_are_sampled() -> None:
    """Above 512 ids only some are tried: few calls, and still all ends of sequence."""

    class Counting(WordList):
        vocabulary = Vocabulary([*TOKENS, None], [8], 600)
        calls: list[int] = []  # noqa: RUF012

        def advance(self, state: object, token: int) -> object | None:
            self.calls.append(token)
            return super().advance(state, token)

        def fill_mask(self, state: object, words: Words) -> None:
            words[:] = from_ids(self.allowed(state), 600)

    check_token_automaton(Counting(), rng=Random(0), sequences=2, depth=3, tokens_per_state=10)
    assert 8 in Counting.calls and len(Counting.calls) < 300


def test_byte_vocabulary() -> None:
    vocabulary = byte_vocabulary(b"abc", b"", width=300)
    assert vocabulary.decode(range(256)) == bytes(range(256))
    assert vocabulary.tokens[256:] == (b"abc", None, None)
    assert vocabulary.eos == {258} and vocabulary.width == 300


def test_respelling_keeps_the_bytes_and_varies() -> None:
    rng = Random(0)
    spellings = {tuple(respell(VOCABULARY, b"ababcc", rng) or ()) for _ in range(60)}
    assert all(VOCABULARY.decode(ids) == b"ababcc" for ids in spellings)
    assert len(spellings) > 10
    assert respell(VOCABULARY, b"abx", rng) is None
    assert respell(VOCABULARY, b"", rng) == []


def test_the_tests_word_list_masks() -> None:
    words = from_ids([0], 45)
    WordList().fill_mask("ab", words)
    assert bits_of(words) == [2, 8]
