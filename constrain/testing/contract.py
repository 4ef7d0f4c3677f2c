"""For writers of token automata: check the five laws of ``constrain.tokens.base`` by random walks.

The checks need nothing but the contract, so they fit any implementation. They find violations, they do not prove
their absence; each walk is decided by the ``rng`` given, so a failure can be repeated.
"""

from __future__ import annotations

from collections.abc import Hashable
from random import Random
from typing import Generic, NoReturn

import numpy as np

from constrain.bits import allocate, ids_of, is_set
from constrain.testing.tokens import respell
from constrain.tokens.base import State, TokenAutomaton, Words

SMALL = 512  # vocabularies up to this width are tried id by id at every state


class ContractViolation(AssertionError):
    """A token automaton broke law ``law`` at ``state``, reached by ``tokens``; ``token`` shows it, if one does."""

    def __init__(self, law: int, what: str, state: Hashable, token: int | None, tokens: tuple[int, ...]) -> None:
        at = "" if token is None else f", token {token}"
        super().__init__(f"law {law}: {what} (state {state!r}{at}, reached by tokens {list(tokens)})")
        self.law = law
        self.what = what
        self.state = state
        self.token = token
        self.tokens = tokens


def check_token_automaton(
    automaton: TokenAutomaton[State],
    *,
    rng: Random,
    sequences: int = 20,
    depth: int = 30,
    tokens_per_state: int = 50,
) -> None:
    """Walk at random, ``sequences`` times up to ``depth`` tokens, and check the five laws at every state.

    Vocabularies of up to 512 ids are tried whole at each state; of larger ones ``tokens_per_state`` ids, half of them
    from the mask and half not. Raises ``ContractViolation`` for the first law found broken.
    """
    for _ in range(sequences):
        _Walk(automaton, rng, tokens_per_state).run(depth)


class _Walk(Generic[State]):
    """One random walk, and all that has been seen on it."""

    def __init__(self, automaton: TokenAutomaton[State], rng: Random, sample: int) -> None:
        self.automaton = automaton
        self.vocabulary = automaton.vocabulary
        self.rng = rng
        self.sample = sample
        self.state = automaton.start()
        self.tokens: tuple[int, ...] = ()
        self.masks: dict[State, bytes] = {}

    def run(self, depth: int) -> None:
        for _ in range(depth):
            allowed = self.check_state()
            texts = [t for t in allowed if t not in self.vocabulary.eos]
            if not texts:
                break
            self.step(self.rng.choice(texts))
        self.check_state()
        self.check_respelling()
        self.check_end()

    def step(self, token: int) -> None:
        after = self.automaton.advance(self.state, token)
        if after is None:
            self.fail(1, "a token of the mask is refused", token)
        self.state, self.tokens = after, (*self.tokens, token)

    def check_state(self) -> list[int]:
        """Laws 1, 3, 4 and 5 here; returns the allowed ids."""
        words = self.mask(self.state)
        allowed: list[int] = ids_of(words).tolist()
        self.check_tail(allowed)
        if not allowed:
            self.fail(3, "the mask is empty: the walk cannot go on and cannot end")
        self.check_steps(words, allowed)
        if not np.array_equal(self.mask(self.state), words):
            self.fail(4, "the mask of a state changed after advance was called on it")
        if self.masks.setdefault(self.state, words.tobytes()) != words.tobytes():
            self.fail(4, "this state equals an earlier one but has another mask")
        return allowed

    def mask(self, state: State) -> Words:
        """The mask, filled into a row of zeros and into a row of ones, which must not matter."""
        zeros, ones = (allocate(self.vocabulary.width) for _ in range(2))
        ones[:] = -1
        self.automaton.fill_mask(state, zeros)
        self.automaton.fill_mask(state, ones)
        if not np.array_equal(zeros, ones):
            self.fail(4, "fill_mask twice gives two masks: it must overwrite all words, and remember nothing")
        return zeros

    def check_tail(self, allowed: list[int]) -> None:
        for token in allowed:
            inside = token < len(self.vocabulary) and self.vocabulary.tokens[token] is not None
            if not inside and token not in self.vocabulary.eos:
                self.fail(5, "the bit of an id without bytes is set", token)

    def check_steps(self, words: Words, allowed: list[int]) -> None:
        accepting = self.automaton.is_accepting(self.state)
        for token in self.candidates(allowed):
            bit = is_set(words, token)
            after = self.automaton.advance(self.state, token)
            if bit != (after is not None):
                self.fail(1, f"the mask says {_yes(bit)} but advance says {_yes(after is not None)}", token)
            if token in self.vocabulary.eos and bit != accepting:
                self.fail(1, f"is_accepting is {accepting} but the end-of-sequence bit says {_yes(bit)}", token)
            again = self.automaton.advance(self.state, token)
            if after != again or hash(after) != hash(again):
                self.fail(4, f"advance twice from one state gives {after!r} and {again!r}", token)

    def candidates(self, allowed: list[int]) -> list[int]:
        """The ids to try: all when they are few; else from both sides of the mask, and all ends of sequence."""
        width = self.vocabulary.width
        if width <= SMALL:
            return list(range(width))
        half = self.sample // 2
        inside = self.rng.sample(allowed, min(half, len(allowed)))
        members = set(allowed)
        anywhere = self.rng.sample(range(width), min(4 * half, width))
        outside = [t for t in anywhere if t not in members][:half]
        return [*inside, *outside, *sorted(self.vocabulary.eos)]

    def check_respelling(self) -> None:
        """Law 2: the same bytes by other tokens."""
        data = self.vocabulary.decode(self.tokens)
        other = respell(self.vocabulary, data, self.rng)
        assert other is not None, "the tokens walked so far are one spelling"
        state = self.automaton.start()
        for token in other:
            after = self.automaton.advance(state, token)
            if after is None:
                self.fail(2, f"the same bytes as tokens {other} are refused", token)
            state = after
        if not np.array_equal(self.mask(state), self.mask(self.state)):
            self.fail(2, f"the same bytes as tokens {other} reach a state with another mask")

    def check_end(self) -> None:
        """Once ended, a text is accepted and only ends of sequence may follow."""
        ends = sorted(self.vocabulary.eos)
        if not self.automaton.is_accepting(self.state):
            return
        self.step(self.rng.choice(ends))
        if self.check_state() != ends:
            self.fail(1, "after an end of sequence the mask must be the ends of sequence")

    def fail(self, law: int, what: str, token: int | None = None) -> NoReturn:
        raise ContractViolation(law, what, self.state, token, self.tokens)


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
