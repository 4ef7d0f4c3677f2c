"""The engine against its slow, obvious twin: on curated grammars, and on random grammars and vocabularies."""

from __future__ import annotations

import random
import warnings
from collections import deque
from collections.abc import Callable

import numpy as np
import pytest
from data.grammars import CASES, Case
from hypothesis import given, settings
from naive.automaton import NaiveAutomaton
from naive.language import is_prefix
from naive.walk import bits_of
from strategies import PIECES, grammars, random_grammar, random_vocabulary, randoms, vocabularies

import constrain
from constrain.bits import allocate
from constrain.errors import GrammarError, GrammarWarning
from constrain.ir.grammar import Grammar
from constrain.testing import byte_vocabulary, check_token_automaton
from constrain.tokens.base import TokenAutomaton
from constrain.vocab.vocabulary import Vocabulary

BYTES = byte_vocabulary()
LETTERS = set(b"".join(PIECES))
Compile = Callable[[Grammar, Vocabulary], TokenAutomaton]

pytestmark = pytest.mark.filterwarnings("ignore::constrain.errors.GrammarWarning")

ENGINES = [pytest.param(constrain.compile, id="engine"), pytest.param(NaiveAutomaton, id="naive")]
CURATED = [pytest.param(case, id=case.name) for case in CASES]


def compile_or_none(grammar: Grammar, vocabulary: Vocabulary) -> TokenAutomaton | None:
    """The engine for the grammar; ``None`` when it says that the language is empty, checked against the twin."""
    empty = not is_prefix(grammar, b"")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GrammarWarning)
        try:
            automaton = constrain.compile(grammar, vocabulary)
        except GrammarError:
            assert empty, f"refused, but has members:\n{grammar}"
            return None
    assert not empty, f"taken, but without members:\n{grammar}"
    return automaton


def is_member(automaton: TokenAutomaton, data: bytes) -> bool:
    """Membership by feeding the bytes as single-byte tokens (``BYTES``)."""
    state = automaton.start()
    for byte in data:
        state = automaton.advance(state, byte)
        if state is None:
            return False
    return automaton.is_accepting(state)


def mask_of(automaton: TokenAutomaton, state: object) -> list[int]:
    words = allocate(automaton.vocabulary.width)
    words[:] = -1
    automaton.fill_mask(state, words)
    return bits_of(words)


# --- Curated grammars ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", ENGINES)
@pytest.mark.parametrize("case", CURATED)
def test_curated_members(build: Compile, case: Case) -> None:
    automaton = build(case.grammar, BYTES)
    assert [text for text in case.accept if not is_member(automaton, text)] == []
    assert [text for text in case.reject if is_member(automaton, text)] == []


@pytest.mark.parametrize("case", CURATED)
def test_curated_masks_at_every_byte(case: Case) -> None:
    """Along all short texts, members or not: viability and mask of the engine are the twin's."""
    texts = [text for text in (*case.accept, *case.reject) if len(text) <= 12]
    pieces = sorted({text[i : i + 3] for text in texts for i in range(0, len(text), 3)})[::2][:16]
    vocabulary = byte_vocabulary(*pieces, width=256 + len(pieces) + 30)
    automaton, twin = constrain.compile(case.grammar, vocabulary), NaiveAutomaton(case.grammar, vocabulary)
    used = sorted({b for text in texts for b in text})
    tokens = sorted({*used[:: len(used) // 8 + 1], 34, 128, *range(256, vocabulary.width)})
    for text in texts:
        state = automaton.start()
        for i in range(len(text) + 1):
            assert (state is not None) == twin.facts(text[:i])[1], text[:i]
            if state is None:
                break
            mask = set(mask_of(automaton, state))
            expected = {t for t in tokens if twin.advance(text[:i], t) is not None}
            assert mask & set(tokens) == expected, text[:i]
            state = automaton.advance(state, text[i]) if i < len(text) else None


@pytest.mark.parametrize("case", CURATED)
def test_curated_contract(case: Case) -> None:
    pieces = sorted({text[i : i + 4] for text in case.accept for i in range(0, min(len(text), 30), 3)})
    automaton = constrain.compile(case.grammar, byte_vocabulary(*pieces, *pieces[:3], width=700))
    check_token_automaton(automaton, rng=random.Random(case.name), sequences=4, depth=12)


# --- Random grammars -----------------------------------------------------------------------------------------------


def check_language(grammar: Grammar, alphabet: bytes, texts: int) -> None:
    """The first ``texts`` viable texts over ``alphabet``, shortest first, and their one-byte extensions."""
    automaton = compile_or_none(grammar, BYTES)
    if automaton is None:
        return
    twin = NaiveAutomaton(grammar, BYTES)
    queue = deque([(b"", automaton.start())])
    for _ in range(texts):
        if not queue:
            break
        text, state = queue.popleft()
        assert automaton.is_accepting(state) == twin.is_accepting(text), (str(grammar), text)
        for byte in alphabet:
            after = automaton.advance(state, byte)
            longer = twin.advance(text, byte)
            assert (after is not None) == (longer is not None), (str(grammar), text, bytes([byte]))
            if after is not None:
                queue.append((longer, after))


@pytest.mark.parametrize("with_terminals", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_language_equals_the_twins(seed: int, with_terminals: bool) -> None:
    """Twenty grammars for each seed; without terminals they recur more deeply."""
    rng = random.Random(seed)
    for _ in range(20):
        alphabet, texts = (b"".join(PIECES[:7]), 10) if with_terminals else (b"abc", 15)
        check_language(random_grammar(rng, with_terminals=with_terminals), alphabet, texts)


def check_masks(grammar: Grammar, vocabulary: Vocabulary, rng: random.Random, steps: int) -> None:
    """Along a random walk: the mask, and what ``advance`` takes, are what the twin takes.

    Tried are all tokens over the small alphabet, and all ids that are not text.
    """
    automaton = compile_or_none(grammar, vocabulary)
    if automaton is None:
        return
    twin = NaiveAutomaton(grammar, vocabulary)
    texts = (*vocabulary.tokens, *[None] * (vocabulary.width - len(vocabulary)))
    tokens = [t for t, data in enumerate(texts) if data is None or set(data) <= LETTERS]
    state, text = automaton.start(), twin.start()
    for _ in range(steps):
        expected = [t for t in tokens if twin.advance(text, t) is not None]
        assert [t for t in tokens if automaton.advance(state, t) is not None] == expected, (str(grammar), text)
        if not expected:  # only letters outside the small alphabet may follow
            break
        assert [t for t in mask_of(automaton, state) if t in set(tokens)] == expected, (str(grammar), text)
        token = rng.choice(expected)
        state, text = automaton.advance(state, token), twin.advance(text, token)
        assert automaton.is_accepting(state) == twin.is_accepting(text), (str(grammar), text)


@pytest.mark.parametrize("seed", range(8))
def test_masks_equal_the_twins(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(12):
        check_masks(random_grammar(rng), random_vocabulary(rng, complete=True), rng, steps=4)


@given(grammars(), vocabularies(), randoms())
@settings(max_examples=5)
def test_masks_over_a_vocabulary_that_lacks_bytes(grammar: Grammar, vocabulary: Vocabulary, rng: random.Random) -> None:
    check_masks(grammar, vocabulary, rng, steps=4)


@given(grammars(), vocabularies(complete=True), randoms())
@settings(max_examples=60)
def test_contract_on_random_grammars(grammar: Grammar, vocabulary: Vocabulary, rng: random.Random) -> None:
    automaton = compile_or_none(grammar, vocabulary)
    if automaton is not None:
        check_token_automaton(automaton, rng=rng, sequences=2, depth=8)


@pytest.mark.parametrize("case", CURATED[:30:6])
def test_masks_do_not_depend_on_what_was_asked_before(case: Case) -> None:
    """A fresh automaton and one that has been used a lot give the same masks."""
    vocabulary = byte_vocabulary(*case.accept[-2:])
    used = constrain.compile(case.grammar, vocabulary)
    check_token_automaton(used, rng=random.Random(1), sequences=2, depth=15)
    fresh = constrain.compile(case.grammar, vocabulary)
    for text in case.accept:
        states = used.start(), fresh.start()
        for byte in text[:20]:
            states = tuple(a.advance(s, byte) for a, s in zip((used, fresh), states, strict=True))
            assert mask_of(used, states[0]) == mask_of(fresh, states[1])
            assert np.array_equal(used.is_accepting(states[0]), fresh.is_accepting(states[1]))
