"""``fill_masks`` against ``fill_mask`` of automata that share nothing with it: own vocabulary, own index."""

from __future__ import annotations

import threading
from random import Random

import numpy as np
import pytest
from adapters.dfa_automaton import DfaAutomaton
from hammer import run_at_once

import constrain
from constrain.bits import allocate
from constrain.errors import DeadEnd
from constrain.ir import rx
from constrain.ir.grammar import Grammar, Literal, Terminal
from constrain.kernels import batch as kernels
from constrain.kernels import jit
from constrain.kernels.layout import FINISHED
from constrain.tokens.batch import advance_all, fill_masks
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

PIECES = (
    '"a',
    'a"',
    '":',
    '","',
    '"ab"',
    "ab",
    'ab"',
    'b":',
    '{"',
    "},",
    "[1",
    "12",
    "\\u00",
    "61",
    '"a":1',
    "é",
    " x",
)
TOKENS = [bytes([byte]) for byte in range(256)] + [piece.encode() for piece in PIECES]

GRAMMARS = [
    constrain.json_schema({"additionalProperties": {"type": "integer"}, "type": "object"}),  # no key twice: suspicions
    constrain.json_schema({"type": "array", "uniqueItems": True, "items": {"enum": ["a", "ab", "b", "ba"]}}),
    constrain.json_schema({"properties": {"a": {"type": "string", "pattern": "^[a-f]{2,5}$"}}, "required": ["a"]}),
    constrain.json_schema(True),
    constrain.regex(r"(ab|a\"){1,9}[0-9]{2,40}"),
    constrain.lark('start: "[" [start ("," start)*] "]" | /[a-z]+/'),
]


def vocabulary() -> Vocabulary:
    return Vocabulary([*TOKENS, None], [len(TOKENS)], len(TOKENS) + 50)


def compiled(over: Vocabulary) -> list[PushdownAutomaton]:
    return [constrain.compile(grammar, over) for grammar in GRAMMARS]


def walk(automaton: PushdownAutomaton, random: Random, steps: int) -> list[tuple[int, list[int]]]:
    """States on a random way through the language, and the tokens that lead there."""
    state, path, words = automaton.start(), [], allocate(automaton.vocabulary.width)
    found = [(state, list(path))]
    while state != FINISHED and len(path) < steps:
        automaton.fill_mask(state, words)
        path.append(random.choice(constrain.bits.ids_of(words).tolist()))
        after = automaton.advance(state, path[-1])
        assert after is not None
        state = after
        found.append((state, list(path)))
    return found


def follow(automaton: PushdownAutomaton, path: list[int]) -> int:
    state: int | None = automaton.start()
    for token in path:
        assert state is not None
        state = automaton.advance(state, token)
    assert state is not None
    return state


@pytest.fixture(scope="module")
def expected() -> list[tuple[int, list[int], np.ndarray]]:
    """(grammar, tokens, mask), from single fills; some end in ``FINISHED``, many are equal to others."""
    random = Random(4)
    cases = []
    for number, automaton in enumerate(compiled(vocabulary())):
        for _ in range(12):
            for state, path in walk(automaton, random, 14):
                words = allocate(automaton.vocabulary.width)
                automaton.fill_mask(state, words)
                cases.append((number, path, words))
    random.shuffle(cases)
    return cases


def test_equals_single_fills_cold_and_warm(expected, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = []  # items at which the kernel stopped
    fill_mask = PushdownAutomaton.fill_mask

    def spy(self: PushdownAutomaton, state: int, words: np.ndarray) -> None:
        alone.append((self, state))
        fill_mask(self, state, words)

    monkeypatch.setattr(PushdownAutomaton, "fill_mask", spy)
    automata = compiled(vocabulary())
    states = [follow(automata[number], path) for number, path, _ in expected]
    owners = [automata[number] for number, _, _ in expected]
    matrix = np.full((len(expected) + 1, owners[0].vocabulary.words), 77, np.int32)
    again = []  # how many they were
    for size in (1, 2, 3, 64, len(expected), len(expected)):  # each begins with items filled before
        alone.clear()
        matrix[:-1] = -1
        fill_masks(owners[:size], states[:size], matrix)
        for i, (_, _, words) in enumerate(expected[:size]):
            assert np.array_equal(matrix[i], words), expected[i][:2]
        assert (matrix[size:-1] == -1).all() and (matrix[-1] == 77).all()
        again.append(len(alone))
    assert again[-2] > again[-1] == 0, "nothing grew, or something is done twice"
    assert FINISHED in states and len(set(zip(owners, states, strict=True))) < len(states)


def test_equal_items_are_filled_once() -> None:
    a, b = compiled(vocabulary())[:2]
    matrix = np.zeros((40, a.vocabulary.words), np.int32)
    fill_masks([a, b], [a.start(), b.start()], matrix)
    before = a.counters()["visits"], b.counters()["visits"]
    fill_masks([a, b], [a.start(), b.start()], matrix)
    once = [
        after - earlier for after, earlier in zip((a.counters()["visits"], b.counters()["visits"]), before, strict=True)
    ]
    assert min(once) > 0
    fill_masks([a, b] * 20, [a.start(), b.start()] * 20, matrix)
    total = a.counters()["visits"] - before[0], b.counters()["visits"] - before[1]
    assert total == (2 * once[0], 2 * once[1])
    assert (matrix[::2] == matrix[0]).all() and (matrix[1::2] == matrix[1]).all()
    assert (matrix[0] != matrix[1]).any()


def test_a_mended_row_is_what_is_copied() -> None:
    """The second of two equal items after a mend; before it is mended a row is too wide."""
    automaton = compiled(vocabulary())[0]
    state = automaton.advance_bytes(automaton.start(), b'{"ab":1,')
    assert state is not None
    matrix = np.zeros((3, automaton.vocabulary.words), np.int32)
    fill_masks(automaton, [state] * 3, matrix)
    barred = TOKENS.index(b'"ab"')
    assert [automaton.advance(state, barred), automaton.advance(state, TOKENS.index(b'"a'))].count(None) == 1
    for row in matrix:
        assert not constrain.bits.is_set(row, barred) and constrain.bits.is_set(row, TOKENS.index(b'"a'))


def test_named_rows(expected) -> None:
    automata = compiled(vocabulary())
    some = expected[:20]
    rows = Random(1).sample(range(50), len(some))
    matrix = np.full((50, automata[0].vocabulary.words), 5, np.int32)
    states = [follow(automata[number], path) for number, path, _ in some]
    fill_masks([automata[number] for number, _, _ in some], states, matrix, rows)
    for row, (_, _, words) in zip(rows, some, strict=True):
        assert np.array_equal(matrix[row], words)
    assert (np.delete(matrix, rows, axis=0) == 5).all()


def test_automata_of_other_makes_and_vocabularies() -> None:
    one, other = vocabulary(), vocabulary()
    bytes_only = Grammar("s", {"s": Terminal(rx.repeat(rx.chars(((97, 98),)), 1, 5), "bytes")})
    mixed = [constrain.compile(bytes_only, one), DfaAutomaton(bytes_only, one), constrain.compile(bytes_only, other)]
    matrix = np.zeros((3, one.words), np.int32)
    fill_masks(mixed, [automaton.start() for automaton in mixed], matrix)
    assert (matrix == matrix[0]).all() and matrix.any()


def test_steps_equal_single_steps(expected) -> None:
    single, batch = compiled(vocabulary()), compiled(vocabulary())
    random = Random(6)
    end = next(iter(batch[0].vocabulary.eos))
    paths = [(number, path) for number, path, _ in expected if path]
    states, owners, tokens, wanted = [], [], [], []
    for number, path in paths:
        token = random.choice([path[-1], path[-1], end, random.randrange(len(TOKENS)), -1, 10**6])
        before = follow(single[number], path[:-1])
        after = single[number].advance(before, token)
        wanted.append(None if after is None else (single[number].is_accepting(after), after == FINISHED))
        states.append(follow(batch[number], path[:-1]))
        owners.append(batch[number])
        tokens.append(token)
    found = advance_all(owners, states, tokens)
    again = [owner.advance(state, token) for owner, state, token in zip(owners, states, tokens, strict=True)]
    assert found == again
    facts = [s if s is None else (o.is_accepting(s), s == FINISHED) for o, s in zip(owners, found, strict=True)]
    assert facts == wanted
    assert None in found and FINISHED in found and len(set(found)) > 50


def test_steps_of_automata_of_other_makes_and_vocabularies() -> None:
    one, other = vocabulary(), vocabulary()
    bytes_only = Grammar("s", {"s": Terminal(rx.repeat(rx.chars(((97, 98),)), 1, 2), "bytes")})
    mixed = [
        constrain.compile(bytes_only, one),
        DfaAutomaton(bytes_only, one),
        constrain.compile(bytes_only, other),
    ] * 2
    states = [automaton.start() for automaton in mixed]
    tokens = [97, 98, 99, 99, TOKENS.index(b"ab"), TOKENS.index(b"ab")]
    wanted = [automaton.advance(*both) for automaton, *both in zip(mixed, states, tokens, strict=True)]
    assert advance_all(mixed, states, tokens) == wanted
    assert [state is None for state in wanted] == [False, False, True, True, False, False]
    assert advance_all([], [], []) == []
    for arguments in (
        ([mixed[0]], [2, 2], [97, 97]),
        (mixed[0], [2, 2], [97]),
        (mixed[0], [2.0], [97]),
        (mixed[0], [9**9], [97]),
    ):
        with pytest.raises(ValueError, match=r"do not fit|integers|not one of"):
            advance_all(*arguments)


def test_no_items() -> None:
    matrix = np.full((2, 3), 9, np.int32)
    fill_masks([], [], matrix)
    assert (matrix == 9).all()


def test_an_empty_mask_is_a_dead_end() -> None:
    over = Vocabulary([b"a", b"bc", None], [2])  # no single b
    automaton = constrain.compile(Grammar("s", {"s": Literal(b"ab")}), over)
    state = automaton.advance(automaton.start(), 0)
    with pytest.raises(DeadEnd, match="no token of the vocabulary can spell"):
        fill_masks(automaton, [automaton.start(), state], np.zeros((2, over.words), np.int32))


@pytest.mark.parametrize(
    ("owners", "states", "shape", "dtype", "rows", "message"),
    [
        (1, [2, 2], (2, 11), np.int32, None, "1 automata do not fit 2 states"),
        (2, [2, 2], (2, 10), np.int32, None, "has 11 words, but the matrix has 10"),
        (2, [2, 2], (2, 11), np.int64, None, "C-contiguous int32 matrix"),
        (2, [2, 2], (22,), np.int32, None, "C-contiguous int32 matrix"),
        (2, [2, 2], (1, 11), np.int32, None, "2 states do not fit a matrix of 1 rows"),
        (2, [2, 2], (2, 11), np.int32, [0, 0], "a row of its own"),
        (2, [2, 2], (2, 11), np.int32, [0], "a row of its own"),
        (2, [2, 2], (2, 11), np.int32, [0, 2], "rows 0 to 1, not 0 to 2"),
        (2, [2, 2], (2, 11), np.int32, [-1, 0], "rows 0 to 1, not -1 to 0"),
        (2, [2, 2], (2, 11), np.int32, [0.0, 1.0], "row numbers are a list of integers"),
        (2, [2, 2.5], (2, 11), np.int32, None, "states of this automaton are a list of integers"),
        (2, [2, 999999], (2, 11), np.int32, None, "not one of this automaton"),
        (2, [2, -5], (2, 11), np.int32, None, "not one of this automaton"),
        (2, [2, 0], (2, 11), np.int32, None, "not one of this automaton"),
    ],
)
def test_wrong_arguments_are_named(owners, states, shape, dtype, rows, message) -> None:  # type: ignore[no-untyped-def]
    automaton = constrain.compile(GRAMMARS[4], vocabulary())
    with pytest.raises(ValueError, match=message):
        fill_masks([automaton] * owners, states, np.zeros(shape, dtype), rows)


def test_a_matrix_that_cannot_be_written_to() -> None:
    automaton = constrain.compile(GRAMMARS[4], vocabulary())
    wide = np.zeros((2, 2 * automaton.vocabulary.words), np.int32)
    fixed = np.zeros((2, automaton.vocabulary.words), np.int32)
    fixed.flags.writeable = False
    for matrix in (wide[:, ::2], fixed):
        with pytest.raises(ValueError, match="C-contiguous int32 matrix that may be written to"):
            fill_masks(automaton, [automaton.start()] * 2, matrix)


@pytest.mark.skipif(jit.DISABLED, reason="plain Python never lets go of the interpreter lock in a kernel")
def test_the_interpreter_lock_is_released() -> None:
    assert kernels.fill_masks.without_gil and kernels.advance_all.without_gil


def test_many_threads_on_one_cold_vocabulary(expected) -> None:
    """Batches, single masks and steps at once, on states that no thread has seen: nothing may depend on the order."""
    automata = compiled(vocabulary())
    wrong: list[object] = []
    barrier = threading.Barrier(4)

    def work(seed: int) -> None:
        random = Random(seed)
        barrier.wait()
        try:
            for _ in range(12):
                some = random.sample(expected, 24)
                states = [follow(automata[number], path) for number, path, _ in some]
                matrix = np.full((len(some), automata[0].vocabulary.words), -1, np.int32)
                fill_masks([automata[number] for number, _, _ in some], states, matrix)
                number, path, words = random.choice(some)
                row = np.empty_like(words)
                automata[number].fill_mask(follow(automata[number], path), row)
                wrong.extend(
                    case[:2] for case, got in zip(some, matrix, strict=True) if not np.array_equal(got, case[2])
                )
                wrong.extend([(number, path)] if not np.array_equal(row, words) else [])
        except BaseException as error:
            wrong.append(error)

    run_at_once([threading.Thread(target=work, args=(seed,)) for seed in range(4)])
    assert wrong == []
