"""A small part of the engine's tests that also runs with ``NUMBA_DISABLE_JIT=1`` (``make nojit``).

Then kernels are plain Python: an index past an array's end or a number that does not fit is an error with a line
number, and whatever differs from the compiled run is a bug in one of the two. Small texts and vocabularies, since
Python is a hundred times slower.
"""

from __future__ import annotations

from random import Random

import pytest
from data.grammars import CASES, Case
from naive.automaton import NaiveAutomaton
from naive.walk import bits_of

import constrain
from constrain.bits import allocate
from constrain.ir import rx
from constrain.ir.grammar import Grammar, Literal, Seq, Terminal
from constrain.testing import byte_vocabulary, check_token_automaton
from constrain.vocab.vocabulary import Vocabulary

pytestmark = [pytest.mark.nojit, pytest.mark.filterwarnings("ignore::constrain.errors.GrammarWarning")]

CURATED = [pytest.param(case, id=case.name) for case in CASES]
ANYTHING = rx.repeat(rx.ANY_CHAR, 0, None)
PIECES = (b'"a', b"aa", b'a"', b'",', b"\\u00", b"61", b"\xc3", b"\xa9x", b"ab", b"abc")


def mask_of(automaton: constrain.TokenAutomaton, state: object) -> list[int]:
    words = allocate(automaton.vocabulary.width)
    words[:] = -1
    automaton.fill_mask(state, words)
    return bits_of(words)


def short_members(case: Case) -> list[bytes]:
    return [text for text in case.accept if len(text) <= 12]


def small_vocabulary(texts: tuple[bytes, ...]) -> Vocabulary:
    """The bytes of some texts, pieces of them, and one end of sequence."""
    pieces = {text[i : i + size] for text in texts for size in (2, 3, 5) for i in range(0, min(len(text), 16), 3)}
    tokens = sorted({bytes([b]) for text in texts for b in text} | pieces - {b""})
    return Vocabulary([*tokens, None], [len(tokens)], len(tokens) + 40)


@pytest.mark.parametrize("case", CURATED)
def test_members(case: Case) -> None:
    automaton = constrain.compile(case.grammar, byte_vocabulary())
    wrong = []
    for texts, expected in ((case.accept, True), (case.reject, False)):
        for text in texts:
            state = automaton.start()
            for byte in text:
                state = None if state is None else automaton.advance(state, byte)
            if (state is not None and automaton.is_accepting(state)) != expected:
                wrong.append(text)
    assert wrong == []


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES if short_members(case)][::4])
def test_masks_equal_slow_stepping(case: Case) -> None:
    """At each byte of a short member: the bits of the mask are the ids that ``advance`` takes."""
    vocabulary = small_vocabulary((*case.accept, *case.reject))
    automaton = constrain.compile(case.grammar, vocabulary)
    state = automaton.start()
    for byte in max(short_members(case), key=len):
        assert mask_of(automaton, state) == [t for t in range(vocabulary.width) if is_allowed(automaton, state, t)]
        state = automaton.advance_bytes(state, bytes([byte]))
    assert automaton.is_accepting(state)


def is_allowed(automaton: constrain.TokenAutomaton, state: object, token: int) -> bool:
    return automaton.advance(state, token) is not None


TERMINALS = {
    "JSON string": Terminal(ANYTHING, "json"),
    "JSON string, counted": Terminal(ANYTHING, "json", 2, 3),
    "JSON string, words left out": Terminal(ANYTHING, "json", exclude=("a", "abc", "é", "")),
    "text, counted": Terminal(ANYTHING, "utf8", 1, 2),
    "pattern with a window": Terminal(rx.repeat(rx.literal("ab"), 0, None), "json", 1, 4),
    "bytes": Terminal(rx.repeat(rx.chars(((0x80, 0xFF),)), 0, 3), "bytes"),
}


@pytest.mark.parametrize("terminal", TERMINALS.values(), ids=TERMINALS)
def test_laws_of_terminals(terminal: Terminal) -> None:
    grammar = Grammar("s", {"s": Seq(Literal(b'"'), terminal, Literal(b","))})
    automaton = constrain.compile(grammar, byte_vocabulary(*PIECES))
    check_token_automaton(automaton, rng=Random(5), sequences=1, depth=3)


@pytest.mark.parametrize("case", CURATED[::9])
def test_laws_of_grammars(case: Case) -> None:
    vocabulary = byte_vocabulary(*{text[i : i + 3] for text in case.accept[:3] for i in range(0, min(len(text), 9), 3)})
    check_token_automaton(constrain.compile(case.grammar, vocabulary), rng=Random(7), sequences=1, depth=3)


def test_masks_equal_the_twins() -> None:
    case = next(case for case in CASES if case.name == "JSON")
    characters = [bytes([b]) for b in b'[]{}":,.-+eE \ntrufalsdn\\0123456789']
    tokens = [*characters, b'"a', b"\\u00", b"1,", b'"]', b'["']
    vocabulary = Vocabulary([*tokens, None], [len(tokens)], len(tokens) + 10)
    automaton, twin = constrain.compile(case.grammar, vocabulary), NaiveAutomaton(case.grammar, vocabulary)
    state, text = automaton.start(), twin.start()
    for token in (b'["', b"\\", b"n", b'"', b",", b"1,", b"t"):
        assert mask_of(automaton, state) == mask_of(twin, text)
        number = tokens.index(token)
        state, text = automaton.advance(state, number), twin.advance(text, number)


def test_a_batch_equals_single_masks() -> None:
    tokens = [*(bytes([byte]) for byte in range(256)), b'"ab"', b'"a', b'{"', b'":']
    vocabulary = Vocabulary([*tokens, None], [len(tokens)])
    automata = [
        constrain.compile(constrain.json_schema(schema), vocabulary)
        for schema in ({"additionalProperties": {"type": "integer"}}, {"type": "array", "items": {"enum": ["a", "ab"]}})
    ]
    items = [(automaton, automaton.start()) for automaton in automata for _ in range(2)]
    after = automata[0].advance_bytes(automata[0].start(), b'{"ab":1,')
    assert after is not None
    items.append((automata[0], after))
    matrix = allocate(vocabulary.width, rows=len(items))
    constrain.fill_masks([automaton for automaton, _ in items], [state for _, state in items], matrix)
    assert [bits_of(row) for row in matrix] == [mask_of(*item) for item in items]
    steps = [tokens.index(b'{"'), 0, tokens.index(b"["), tokens.index(b"["), tokens.index(b'"a')]
    wanted = [automaton.advance(state, token) for (automaton, state), token in zip(items, steps, strict=True)]
    after = constrain.advance_all([automaton for automaton, _ in items], [state for _, state in items], steps)
    assert after == wanted and wanted.count(None) == 1
