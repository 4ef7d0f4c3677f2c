"""The matcher against a list of texts, its obvious model, over the naive automaton and the engine."""

from __future__ import annotations

import numpy as np
import pytest
from data.grammars import CASES
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from naive.automaton import NaiveAutomaton
from naive.walk import allowed_by_stepping

import constrain
from constrain.bits import allocate, ids_of
from constrain.errors import ConstraintViolation
from constrain.ir.grammar import Grammar
from constrain.matcher import Matcher
from constrain.testing import byte_vocabulary
from constrain.tokens.base import Words
from constrain.vocab.vocabulary import Vocabulary

GRAMMARS = {case.name: case.grammar for case in CASES}
ARITHMETIC = GRAMMARS["arithmetic, left-recursive"]
VOCABULARY = Vocabulary([b"1", b"2", b"+", b"*(", b"(", b")", b"1+", b"))", None, b"x", b"1"], [8, 12], 70)
EOS = 8


@pytest.fixture(params=[constrain.compile, NaiveAutomaton], ids=["engine", "naive"])
def matcher(request: pytest.FixtureRequest) -> Matcher:
    return Matcher(request.param(ARITHMETIC, VOCABULARY))


class TokensOnly:
    """A third party's automaton: nothing but the contract. The language: one token 0 or 1."""

    vocabulary = Vocabulary([b"a", b"b", b"c", None], [3])

    def start(self) -> int:
        return 0

    def advance(self, state: int, token: int) -> int | None:
        return {(0, 0): 1, (0, 1): 1, (1, 3): 2, (2, 3): 2}.get((state, token))

    def fill_mask(self, state: int, words: Words) -> None:
        words[:] = 0b0011 if state == 0 else 0b1000

    def is_accepting(self, state: int) -> bool:
        return state > 0


def test_a_text_from_start_to_end(matcher: Matcher) -> None:
    for token in (6, 1, 3, 0, 5):  # 1+ 2 *( 1 )
        matcher.advance(token)
    assert len(matcher) == 5 and matcher.is_accepting() and not matcher.is_finished()
    assert matcher.allowed_tokens().tolist() == [2, 3, 8, 12]
    matcher.advance(EOS)
    assert matcher.is_finished() and matcher.is_accepting()
    assert matcher.allowed_tokens().tolist() == [8, 12]
    assert matcher.try_advance(12) and matcher.is_finished()
    matcher.rollback(2)
    assert not matcher.is_finished() and len(matcher) == 5


def test_a_violation_explains_and_advances_nothing(matcher: Matcher) -> None:
    matcher.advance(0)
    before = matcher.state
    for token in (5, 9, 30, 69):
        with pytest.raises(ConstraintViolation, match=str(token)):
            matcher.advance(token)
        assert not matcher.try_advance(token)
        assert "token" in matcher.explain(token)
    assert matcher.state == before and len(matcher) == 1


def test_text_that_is_not_aligned_with_tokens(matcher: Matcher) -> None:
    matcher.advance_bytes(b"21*(")
    assert len(matcher) == 1 and not matcher.is_accepting()
    with pytest.raises(ConstraintViolation, match="1x"):
        matcher.advance_bytes(b"1x")
    assert len(matcher) == 1
    matcher.advance_bytes(b"1)")
    assert matcher.is_accepting()
    matcher.rollback()
    assert matcher.allowed_tokens().tolist() == [0, 1, 4, 6, 10]


def test_masks_are_fresh_and_rows_are_checked(matcher: Matcher) -> None:
    first, second = matcher.mask(), matcher.mask()
    first[:] = 0
    assert first.dtype == np.int32 and first.shape == (3,) and second.any()
    row = allocate(70)
    matcher.fill_mask(row)
    assert np.array_equal(row, second)
    for bad in (allocate(64), allocate(70).astype(np.int64), np.zeros(6, np.int32)[::2], allocate(70, rows=1)):
        with pytest.raises(ValueError, match="row"):
            matcher.fill_mask(bad)


@pytest.mark.parametrize("n", [-1, 2, 99])
def test_rollback_past_the_start(matcher: Matcher, n: int) -> None:
    matcher.advance(0)
    with pytest.raises(ValueError, match="undo"):
        matcher.rollback(n)
    assert len(matcher) == 1
    matcher.rollback(0)
    assert len(matcher) == 1


@pytest.mark.parametrize("build", [constrain.compile, NaiveAutomaton], ids=["engine", "naive"])
def test_forced_bytes(build: type) -> None:
    matcher = Matcher(build(GRAMMARS["long literals with common beginnings"], byte_vocabulary()))
    assert matcher.forced_bytes() == b"in"
    matcher.advance_bytes(b"int")
    assert matcher.forced_bytes() == b"er"
    matcher.advance_bytes(b"ernationalis")
    assert matcher.forced_bytes() == b"e"
    matcher.advance_bytes(b"e")
    assert matcher.is_accepting() and matcher.forced_bytes() == b""


def test_an_automaton_that_reads_tokens_only() -> None:
    matcher = Matcher(TokensOnly())
    assert matcher.allowed_tokens().tolist() == [0, 1]
    with pytest.raises(ConstraintViolation, match=r"2 \('c'\)"):
        matcher.advance(2)
    for call in (lambda: matcher.advance_bytes(b"a"), matcher.forced_bytes):
        with pytest.raises(TypeError, match="TokensOnly reads tokens only"):
            call()
    matcher.advance(1)
    matcher.advance(3)
    assert matcher.is_finished()


class MatcherMachine(RuleBasedStateMachine):
    """Any order of steps, undoing and copies; the model of a matcher is the list of texts it has been through."""

    grammar: Grammar
    build: type

    def __init__(self) -> None:
        super().__init__()
        self.twin = NaiveAutomaton(self.grammar, VOCABULARY)
        self.pairs: list[tuple[Matcher, list[object]]] = [
            (Matcher(self.build(self.grammar, VOCABULARY)), [self.twin.start()])
        ]

    def pick(self, index: int) -> tuple[Matcher, list[object]]:
        return self.pairs[index % len(self.pairs)]

    @rule(which=st.integers(0, 3), token=st.integers(0, 12))
    def step(self, which: int, token: int) -> None:
        matcher, texts = self.pick(which)
        after = self.twin.advance(texts[-1], token) if len(texts) < 9 else None
        if len(texts) < 9:
            assert matcher.try_advance(token) == (after is not None)
        if after is not None:
            texts.append(after)

    @rule(which=st.integers(0, 3), index=st.integers(0, 20))
    def step_by_an_allowed_token(self, which: int, index: int) -> None:
        matcher, texts = self.pick(which)
        allowed = matcher.allowed_tokens()
        if len(texts) < 9:
            token = int(allowed[index % len(allowed)])
            matcher.advance(token)
            texts.append(self.twin.advance(texts[-1], token))

    @rule(which=st.integers(0, 3), data=st.sampled_from([b"", b"1", b"(1", b"2+2", b")", b"*"]))
    def step_by_text(self, which: int, data: bytes) -> None:
        matcher, texts = self.pick(which)
        after = self.twin.advance_bytes(texts[-1], data)
        if after is None:
            with pytest.raises(ConstraintViolation):
                matcher.advance_bytes(data)
        elif len(texts) < 9:
            matcher.advance_bytes(data)
            texts.append(after)

    @rule(which=st.integers(0, 3), n=st.integers(0, 3))
    def undo(self, which: int, n: int) -> None:
        matcher, texts = self.pick(which)
        n = min(n, len(texts) - 1)
        matcher.rollback(n)
        del texts[len(texts) - n :]

    @precondition(lambda self: len(self.pairs) < 4)
    @rule(which=st.integers(0, 3))
    def copy(self, which: int) -> None:
        matcher, texts = self.pick(which)
        self.pairs.append((matcher.copy(), texts.copy()))

    @invariant()
    def all_agree_with_their_texts(self) -> None:
        for matcher, texts in self.pairs:
            assert len(matcher) == len(texts) - 1
            assert matcher.is_finished() == isinstance(texts[-1], str)
            assert matcher.is_accepting() == self.twin.is_accepting(texts[-1])
            assert ids_of(matcher.mask()).tolist() == allowed_by_stepping(self.twin, texts[-1])


def machine(name: str, build_with: type) -> type:
    members = {"grammar": ARITHMETIC, "build": staticmethod(build_with)}
    case = type(name, (MatcherMachine,), members).TestCase
    case.settings = settings(max_examples=12, stateful_step_count=15)
    return case


TestEngineMatcher = machine("EngineMatcher", constrain.compile)
TestNaiveMatcher = machine("NaiveMatcher", NaiveAutomaton)
