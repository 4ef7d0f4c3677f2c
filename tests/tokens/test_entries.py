"""The shortcuts of the engine against its general machinery, and its work counted.

Windows over one class of symbols share what is left open (``kernels/entry.py``) and excluded words are subtracted
(``kernels/exclude.py``). The same languages written as repeats, intersections and complements take the general way;
masks must not differ. A third opinion is Python's: its ``json`` module reads every text that is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import randoms

import constrain
from constrain.bits import allocate, ids_of
from constrain.ir import rx
from constrain.ir.grammar import EMPTY, Choice, Encoding, Expr, Grammar, Literal, Ref, Repeat, Seq, Terminal
from constrain.ir.rx import ANY_CHAR, Rx
from constrain.testing import byte_vocabulary, respell
from constrain.tokens.base import Words
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

SYMBOLS = 'ab"\\é😀\n,'
ANYTHING = rx.repeat(ANY_CHAR, 0, None)
CLASSES = {
    "any": ANY_CHAR,
    "few": rx.chars((ord(c), ord(c)) for c in 'a"é😀'),
    "ascii": rx.chars(((0, 0x7F),)),
    "not a": rx.chars(rx.invert_ranges(((97, 97),))),
    "astral": rx.chars(((0x10000, 0x10FFFF),)),
}
# Parts of texts: whole and half characters, escapes and their halves, quotes with what follows them.
PARTS = [
    *(b"a", b"b", b"ab", b"aa", b",", b"\n", b"--", b"\xc3", b"\xa9", b"\xf0", b"\x9f\x98", b"\x80"),
    *(b'"', b'",', b"\\", b'\\"', b"\\n", b"\\\\", b"\\u", b"\\u00", b"61", b"e9", b"\\u0061", b"\\ud83d", b"\\ude00"),
    *(b"\\ud8", b"3d\\u"),
]
INTERESTING = set(b"".join(PARTS))
WINDOWS = [(0, 0), (0, 1), (1, 1), (0, 3), (2, 3), (3, 3), (1, 6), (1, None), (4, None), (5, 9)]


def vocabularies() -> st.SearchStrategy[Vocabulary]:
    """All bytes, and up to 25 tokens of up to 5 parts."""
    pieces = st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map(b"".join), max_size=25)
    return pieces.map(lambda tokens: byte_vocabulary(*tokens))


def around(terminal: Terminal) -> Grammar:
    """A terminal where texts before and after it share tokens with it, and where its end may be ambiguous."""
    before = Literal(b'"') if terminal.encoding == "json" else Choice(EMPTY, Literal(b"b"))
    declared = [Seq(Literal(b'a":'), Literal(b"a"))] if terminal.encoding == "json" else []
    tail = Repeat(Choice(Literal(b","), Literal(b"a")), 0, None)
    return Grammar("s", {"s": Seq(before, Choice(terminal, *declared), tail)})


def mask_of(automaton: PushdownAutomaton, state: int) -> Words:
    words = allocate(automaton.vocabulary.width)
    words[:] = -1
    automaton.fill_mask(state, words)
    return words


def check_equal(grammars: list[Grammar], vocabulary: Vocabulary, rng: Random, walks: int = 3, steps: int = 8) -> None:
    """Walk through automata of one language in step: masks and acceptance are the same everywhere."""
    automata = [constrain.compile(grammar, vocabulary) for grammar in grammars]
    for _ in range(walks):
        states, text = [automaton.start() for automaton in automata], b""
        for _ in range(steps):
            masks = [mask_of(automaton, state) for automaton, state in zip(automata, states, strict=True)]
            accepting = [automaton.is_accepting(state) for automaton, state in zip(automata, states, strict=True)]
            assert len(set(accepting)) == 1, text
            for mask in masks[1:]:
                different = ids_of(mask ^ masks[0]).tolist()
                assert [vocabulary.tokens[t] for t in different] == [], text
            token = choose(vocabulary, ids_of(masks[0]).tolist(), rng)
            if token is None:
                break
            after = [automaton.advance(state, token) for automaton, state in zip(automata, states, strict=True)]
            assert None not in after
            states, text = after, text + vocabulary.tokens[token]


def choose(vocabulary: Vocabulary, allowed: list[int], rng: Random) -> int | None:
    """An allowed token, mostly one over the small alphabet; ``None`` when only the end may follow."""
    texts = [t for t in allowed if vocabulary.tokens[t] is not None]
    near = [t for t in texts if set(vocabulary.tokens[t]) <= INTERESTING]
    return rng.choice(near or texts) if texts else None


def spell_json(value: str, rng: Random) -> bytes:
    """A random spelling of a JSON string, without the opening quote."""
    out = []
    for char in value:
        pairs = char.encode("utf-16-be")
        escaped = "".join(f"\\u{pairs[i : i + 2].hex()}" for i in range(0, len(pairs), 2))
        ways = [escaped, json.dumps(char)[1:-1], json.dumps(char, ensure_ascii=False)[1:-1]]
        out.append(rng.choice(ways))
    return "".join(out).encode() + b'"'


def spell(value: str, encoding: Encoding, rng: Random) -> bytes:
    return spell_json(value, rng) if encoding == "json" else value.encode()


def is_member(automaton: PushdownAutomaton, data: bytes, rng: Random) -> bool:
    """Membership of a text in some random spelling by tokens."""
    state: int | None = automaton.start()
    for token in respell(automaton.vocabulary, data, rng) or []:
        if state is not None:
            assert bool(token in ids_of(mask_of(automaton, state))) == (automaton.advance(state, token) is not None)
            state = automaton.advance(state, token)
    return state is not None and automaton.is_accepting(state)


# --- Windows ---------------------------------------------------------------------------------------------------------


def window_twins(symbols: Rx, encoding: Encoding, low: int, high: int | None) -> list[Terminal]:
    """One language three times: counted, unrolled, and as an intersection."""
    return [
        Terminal(rx.repeat(symbols, 0, None), encoding, low, high),
        Terminal(rx.repeat(symbols, low, high), encoding),
        Terminal(rx.repeat(symbols, 0, None) & rx.repeat(ANY_CHAR, low, high), encoding),
    ]


def is_counted(automaton: PushdownAutomaton, terminal: Terminal) -> bool:
    """Has the leaf of a terminal an unbounded twin, which stands for it far from the window's bounds?"""
    index = automaton.index
    return bool(index.arena.array("L_TWIN")[index.arena.array("S_LEAF")[index.leaf(terminal)]])


@pytest.mark.parametrize("encoding", ["json", "utf8"])
@pytest.mark.parametrize("symbols", CLASSES)
@given(vocabulary=vocabularies(), window=st.sampled_from(WINDOWS), rng=randoms())
@settings(max_examples=15)
def test_counted_windows(
    encoding: Encoding, symbols: str, vocabulary: Vocabulary, window: tuple[int, int | None], rng: Random
) -> None:
    twins = window_twins(CLASSES[symbols], encoding, *window)
    automaton = constrain.compile(around(twins[0]), vocabulary)
    assert [is_counted(automaton, twin) for twin in twins] == [window != (0, None), False, False]
    check_equal([around(twin) for twin in twins], vocabulary, rng)


@pytest.mark.parametrize("encoding", ["json", "utf8"])
@given(vocabulary=vocabularies(), value=st.text(SYMBOLS, max_size=6), window=st.sampled_from(WINDOWS), rng=randoms())
def test_window_members(
    encoding: Encoding, vocabulary: Vocabulary, value: str, window: tuple[int, int | None], rng: Random
) -> None:
    low, high = window
    first = Literal(b'"' if encoding == "json" else b"")
    text = first.data + spell(value, encoding, rng)
    expected = low <= len(value) and (high is None or len(value) <= high)
    for twin in window_twins(ANY_CHAR, encoding, *window):
        automaton = constrain.compile(Grammar("s", {"s": Seq(first, twin)}), vocabulary)
        assert is_member(automaton, text, rng) == expected, (text, twin.rx)


@given(vocabulary=vocabularies(), rng=randoms())
@settings(max_examples=20)
def test_windows_of_one_class_share_their_rows(vocabulary: Vocabulary, rng: Random) -> None:
    """Used one after another over one vocabulary, windows are not confused with each other."""
    terminals = [Terminal(ANYTHING, "json", *window) for window in rng.sample(WINDOWS, 4)]
    used = [constrain.compile(around(terminal), vocabulary) for terminal in terminals]
    for automaton, terminal in zip([*used, *used], [*terminals, *terminals], strict=True):
        fresh = byte_vocabulary(*(t for t in vocabulary.tokens[256:] if t is not None))
        other = constrain.compile(around(terminal), fresh)
        state = automaton.start(), other.start()
        for token in respell(vocabulary, b'"' + spell_json("ab😀"[: rng.randint(0, 3)], rng)[:-1], rng) or []:
            state = automaton.advance(state[0], token), other.advance(state[1], token)
            if None in state:
                assert state == (None, None)
                break
            assert np.array_equal(mask_of(automaton, state[0]), mask_of(other, state[1]))


# --- Excluded words --------------------------------------------------------------------------------------------------


def words() -> st.SearchStrategy[tuple[str, ...]]:
    """Words with common beginnings, the empty one and repeats among them."""
    return st.lists(st.text(SYMBOLS, max_size=4), min_size=1, max_size=5).map(tuple)


def exclude_twins(excluded: tuple[str, ...], encoding: Encoding, window: tuple[int, int | None]) -> list[Terminal]:
    """Left out, and as a complement."""
    terminal = Terminal(ANYTHING, encoding, *window, exclude=excluded)
    return [terminal, Terminal(terminal.language, encoding, *window)]


@pytest.mark.parametrize("encoding", ["json", "utf8"])
@given(vocabulary=vocabularies(), excluded=words(), window=st.sampled_from([(0, None)] * 4 + WINDOWS), rng=randoms())
@settings(max_examples=100)
def test_excluded_words(
    encoding: Encoding, vocabulary: Vocabulary, excluded: tuple[str, ...], window: tuple[int, int | None], rng: Random
) -> None:
    twins = exclude_twins(excluded, encoding, window)
    if window == (0, 0) and "" in excluded:
        return  # nothing is left
    check_equal([around(twin) for twin in twins], vocabulary, rng, walks=2)
    check_along(twins, excluded, vocabulary, rng)


def check_along(twins: list[Terminal], excluded: tuple[str, ...], vocabulary: Vocabulary, rng: Random) -> None:
    """The masks along random spellings of the excluded words themselves, where the difference lies."""
    encoding = twins[0].encoding
    first = Literal(b'"' if encoding == "json" else b"")
    automata = [constrain.compile(Grammar("s", {"s": Seq(first, twin)}), vocabulary) for twin in twins]
    for word in excluded:
        text = first.data + spell(word, encoding, rng)
        states = [automaton.start() for automaton in automata]
        for token in respell(vocabulary, text, rng) or []:
            masks = [mask_of(automaton, state) for automaton, state in zip(automata, states, strict=True)]
            assert ids_of(masks[0] ^ masks[1]).tolist() == [], text
            states = [automaton.advance(state, token) for automaton, state in zip(automata, states, strict=True)]
            if None in states:
                break
        assert all(state is None or not a.is_accepting(state) for a, state in zip(automata, states, strict=True)), text


@given(excluded=words(), rng=randoms())
def test_tokens_that_close_excluded_words(excluded: tuple[str, ...], rng: Random) -> None:
    """Tokens that are whole words or their ends, quote and more included, in many spellings: all must be cleared."""
    texts = [spell_json(word, rng) + b",a" for word in excluded for _ in range(4)]
    starts = [(text, rng.randrange(len(text) - 2)) for text in texts]
    tokens = [text[i:end] for text, start in starts for i in (0, start) for end in (len(text) - 2, len(text) - 1)]
    vocabulary = byte_vocabulary(*tokens)
    twins = exclude_twins(excluded, "json", (0, None))
    check_equal([around(twin) for twin in twins], vocabulary, rng, walks=2)
    check_along(twins, excluded, vocabulary, rng)


@pytest.mark.parametrize("encoding", ["json", "utf8"])
@given(vocabulary=vocabularies(), excluded=words(), value=st.text(SYMBOLS, max_size=4), rng=randoms())
def test_excluded_members(
    encoding: Encoding, vocabulary: Vocabulary, excluded: tuple[str, ...], value: str, rng: Random
) -> None:
    first = Literal(b'"' if encoding == "json" else b"")
    for text in (value, rng.choice(excluded)):
        for twin in exclude_twins(excluded, encoding, (0, None)):
            automaton = constrain.compile(Grammar("s", {"s": Seq(first, twin)}), vocabulary)
            assert is_member(automaton, first.data + spell(text, encoding, rng), rng) == (text not in excluded)


@given(vocabulary=vocabularies(), excluded=words(), rng=randoms())
def test_whatever_is_accepted_is_another_string(vocabulary: Vocabulary, excluded: tuple[str, ...], rng: Random) -> None:
    """Python reads what a random walk has written: a string, not an excluded one."""
    automaton = constrain.compile(
        Grammar("s", {"s": Seq(Literal(b'"'), Terminal(ANYTHING, "json", exclude=excluded))}), vocabulary
    )
    state, text = automaton.start(), b""
    for _ in range(12):
        token = choose(vocabulary, ids_of(mask_of(automaton, state)).tolist(), rng)
        if token is None:
            break
        state, text = automaton.advance(state, token), text + vocabulary.tokens[token]
    if automaton.is_accepting(state):
        assert json.loads(text) not in excluded


@given(vocabulary=vocabularies(), excluded=words(), rng=randoms())
@settings(max_examples=20)
def test_excluded_words_do_not_leak(vocabulary: Vocabulary, excluded: tuple[str, ...], rng: Random) -> None:
    """The plain leaf, which excluding ones are made of, still takes every word; in whatever order they are used."""
    free, bound = (Terminal(ANYTHING, "json", exclude=some) for some in ((), excluded))
    both = Grammar("s", {"s": Choice(Seq(Literal(b'"'), bound), Seq(Literal(b'["'), free, Literal(b"]")))})
    automaton = constrain.compile(both, vocabulary)
    for word in (*excluded, *excluded):
        assert not is_member(automaton, b'"' + spell_json(word, rng), rng)
        assert is_member(automaton, b'["' + spell_json(word, rng) + b"]", rng)


# --- Work, counted ---------------------------------------------------------------------------------------------------


def lit(text: str) -> Literal:
    return Literal(text.encode())


def run(automaton: PushdownAutomaton, text: str) -> dict[str, int]:
    """Read a member byte by byte with a mask before each; the counters after it."""
    state: int | None = automaton.start()
    for byte in text.encode():
        mask_of(automaton, state)
        state = automaton.advance(state, byte)
        assert state is not None
    mask_of(automaton, state)
    assert automaton.is_accepting(state)
    return automaton.counters()


def work(rules: dict[str, Expr], text: str) -> dict[str, int]:
    """The counters of a new automaton after one text."""
    vocabulary = byte_vocabulary(b"xx", b"yz", b"zy", b"a,", b",a", b"a+", b"+a", b"aa", b'{"', b'"}', b"}}")
    return run(constrain.compile(Grammar(next(iter(rules)), rules), vocabulary), text)


def test_a_second_pass_builds_nothing() -> None:
    grammar = constrain.json_schema(
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": 9},
                "tags": {"type": "array", "items": {"type": "number"}},
            },
            "additionalProperties": {"type": "string"},
        }
    )
    vocabulary = byte_vocabulary(b'{"', b'":', b'", "', b"na", b"name", b"\xc3", b"\\u00", b"12", b"],", b"abc")
    text = '{"name": "Zoé", "tags": [1, 2.5, -3e7], "nam": "x\\n", "name2": ""}'
    automaton = constrain.compile(grammar, vocabulary)
    first = run(automaton, text)
    second = run(automaton, text)
    built = ("state", "stack", "edge", "entry", "residual", "leafstate", "leaf", "bytes", "shared_bytes")
    assert {name: second[name] for name in built} == {name: first[name] for name in built}
    assert second["visits"] - first["visits"] <= first["visits"]
    again = run(constrain.compile(grammar, vocabulary), text)  # another automaton shares all that is the vocabulary's
    shared = ("entry", "residual", "leafstate", "leaf", "shared_bytes")
    assert {name: again[name] for name in shared} == {name: first[name] for name in shared}


LISTS: dict[str, Callable[[], dict[str, Expr]]] = {
    "left": lambda: {"s": Choice(Seq(Ref("s"), lit(","), lit("a")), lit("a"))},
    "right": lambda: {"s": Choice(Seq(lit("a"), lit(","), Ref("s")), lit("a"))},
    "repeat": lambda: {"s": Seq(lit("a"), Repeat(Seq(lit(","), lit("a")), 0, None))},
    "repeat of a rule": lambda: {"s": Seq(Ref("i"), Repeat(Seq(lit(","), Ref("i")), 0, None)), "i": lit("a")},
    "left, of rules": lambda: {"s": Choice(Seq(Ref("s"), lit(","), Ref("i")), Ref("i")), "i": lit("a")},
}


@pytest.mark.parametrize("rules", LISTS.values(), ids=LISTS)
def test_lists_need_no_more_memory_for_more_items(rules: Callable[[], dict[str, Expr]]) -> None:
    short, long = (work(rules(), ",".join("a" * items)) for items in (10, 200))
    kept = ("state", "stack", "edge", "entry", "leafstate", "residual", "bytes")
    assert {name: long[name] for name in kept} == {name: short[name] for name in kept}
    assert long["visits"] <= 21 * short["visits"]


def test_a_star_needs_no_more_memory_for_longer_texts() -> None:
    short, long = (work({"s": Repeat(lit("a"), 0, None)}, "a" * items) for items in (10, 200))
    kept = ("state", "stack", "edge", "entry", "leafstate", "residual", "bytes")
    assert {name: long[name] for name in kept} == {name: short[name] for name in kept}


def growth(measure: Callable[[int], dict[str, int]], sizes: tuple[int, ...], power: int) -> None:
    """Each doubling of the size multiplies each counter by at most ``2 ** power``, and a fifth for lower terms."""
    counts = [measure(size) for size in sizes]
    for small, large in pairwise(counts):
        for name in ("visits", "closures", "state", "stack", "edge"):
            assert large[name] <= 1.2 * 2**power * small[name], (name, sizes, [c[name] for c in counts])


def test_ambiguity_costs_at_most_cubic_work() -> None:
    """The number of trees grows like Catalan's numbers; edges as the square, everything else linearly."""
    rules = {"e": Choice(Seq(Ref("e"), lit("+"), Ref("e")), Seq(Ref("e"), Ref("e")), lit("a"))}
    growth(lambda n: work(rules, ("a+aa" * n)[: n - 1] + "a"), (10, 20, 40), power=3)


def test_two_calls_at_each_level_stay_linear() -> None:
    """x^n (y|z)^n has 2^n stacks when return addresses are kept one by one; as sets they are n."""
    rules = {"s": Choice(EMPTY, Seq(lit("x"), Ref("s"), lit("y")), Seq(lit("x"), Ref("s"), lit("z")))}
    growth(lambda n: work(rules, "x" * n + ("yz" * n)[:n]), (10, 20, 40, 80), power=1)


def nested(depth: int) -> dict[str, Expr]:
    """``anyOf`` of two objects that begin alike, in each other ``depth`` times: 2^depth ways to begin."""
    rules: dict[str, Expr] = {
        f"r{i}": Choice(
            Seq(lit('{"a":'), Ref(f"r{i + 1}"), lit("}")), Seq(lit('{"a":'), Ref(f"r{i + 1}"), lit(',"b":1}'))
        )
        for i in range(depth)
    }
    return {**rules, f"r{depth}": lit("1")}


def test_nested_choices_stay_linear_in_their_depth() -> None:
    growth(lambda d: work(nested(d), '{"a":' * d + "1" + ("}" + ',"b":1}') * (d // 2)), (8, 16, 32, 64), power=1)


def test_a_chain_of_choices_stays_linear_in_its_depth() -> None:
    """Choices of one and the same rule, one below the other, before the first byte."""

    def chain(depth: int) -> dict[str, Expr]:
        rules: dict[str, Expr] = {
            f"r{i}": Choice(Ref(f"r{i + 1}"), Seq(lit("x"), Ref(f"r{i + 1}")), Ref(f"r{i + 1}")) for i in range(depth)
        }
        return {**rules, f"r{depth}": lit("a")}

    growth(lambda d: work(chain(d), "x" * (d // 2) + "a"), (8, 16, 32, 64), power=1)
