"""Control of bags against brute force over counts, and words as values."""

from __future__ import annotations

import itertools
import json
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from naive.bags import is_fulfilled
from naive.spelling import decode, started
from strategies import randoms

from constrain.automata.course import Course
from constrain.automata.wordlanguage import WordLanguage, can_run_out
from constrain.errors import LimitExceeded
from constrain.ir import rx
from constrain.ir.bag import Control
from constrain.ir.grammar import Bag, Item, Literal, Terminal, show
from constrain.ir.words import split_word, started_symbols, words_that_begin

X = Literal(b"x")
BOUNDS = ((0, 1), (0, 1), (0, None), (1, 1), (0, 2), (1, None), (2, 3), (2, None), (0, 0))


def random_bounds(rng: Random) -> Bag:
    size = rng.randint(0, 4)
    items = []
    for _ in range(size):
        needs = tuple(j for j in range(size) if rng.random() < 0.25)
        items.append(Item(X, *rng.choice(BOUNDS), needs=needs))
    return Bag(
        tuple(items),
        X,
        *rng.choice(((0, None), (1, None), (0, 2), (2, 3), (3, 3), (4, None))),
        ordered=rng.random() < 0.3,
    )


@given(randoms())
@settings(max_examples=150)
def test_counts_are_exact_and_never_run_into_a_dead_end(rng: Random) -> None:
    """Along all sequences of items: taken if and only if some sequence that fulfils all goes on so."""
    bag = random_bounds(rng)
    control, limit = Control(bag), 7

    @cache
    def can_end(counts: tuple[int, ...], last: int) -> bool:
        return is_fulfilled(bag, counts) or (
            sum(counts) < 2 * limit and any(can_end(c, k) for k, c in longer(counts, last))
        )

    def longer(counts: tuple[int, ...], last: int) -> list[tuple[int, tuple[int, ...]]]:
        following = range(last if bag.ordered else 0, len(counts))
        return [(k, (*counts[:k], counts[k] + 1, *counts[k + 1 :])) for k in following]

    def check(counts: tuple[int, ...], last: int, state: object) -> None:
        assert (state is not None) == can_end(counts, last), (show(bag), counts)
        if state is None or sum(counts) > 4:
            return
        assert control.is_final(state) == is_fulfilled(bag, counts), (show(bag), counts)
        for k, after in longer(counts, last):
            check(after, k, control.take(state, k))
        if bag.ordered:
            assert all(control.take(state, k) is None for k in range(last))

    check((0,) * len(bag.items), 0, control.start)


def test_states_are_few() -> None:
    """Counts that no longer matter are forgotten."""
    control = Control(Bag((Item(X, 2, None), Item(X, 0, None), Item(X)), X, 3))
    seen, stack = {control.start}, [control.start]
    while stack:
        state = stack.pop()
        for i in range(3):
            after = control.take(state, i)
            if after is not None and after not in seen:
                seen.add(after)
                stack.append(after)
    assert len(seen) <= 3 * 2 * 4


def test_large_circles_with_tight_bounds_are_refused_by_name() -> None:
    """Finding sizes of 40 pairs that add up to an odd number is a search; it says so instead of taking for ever."""
    items = tuple(Item(X, needs=(i ^ 1,)) for i in range(80))
    with pytest.raises(LimitExceeded, match="items that need each other"):
        Control(Bag(items, X, 41, 41))


@pytest.mark.parametrize(
    "build",
    [
        lambda: Item(X, 2, 1),
        lambda: Item(X, -1),
        lambda: Item(X, opening=X),
        lambda: Bag((), X, 2, 1),
        lambda: Bag((Item(X, needs=(1,)),), X),
    ],
)
def test_impossible_bounds_are_refused(build: object) -> None:
    with pytest.raises(ValueError, match=r"needs|need"):
        build()  # type: ignore[operator]


# --- Words ---------------------------------------------------------------------------------------------------------

TEXTS = ["", "a", "é", "😀", 'q"\\', "\n\0\x1f/", "\ud7ff\ue000\uffff", "a😀é", "\x7f"]


@pytest.mark.parametrize("text", TEXTS)
def test_values_and_rests_of_every_beginning(text: str) -> None:
    """Of both common ways to write it: value and rest say what the twin's decoder says."""
    for spelled in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        data = spelled.encode()[1:]
        assert split_word(data, "json") == ("j" + text, b'"')
        for cut in range(len(data)):
            value, rest = split_word(data[:cut], "json")
            whole = decode(data[:cut] + b'"', "json") if not rest else None
            assert rest or [ord(c) for c in value[1:]] == whole
            assert not rest or same_ranges(rest)


def same_ranges(rest: bytes) -> bool:
    """Equal as sets of symbols."""
    return rx.invert_ranges(started_symbols(rest)) == rx.invert_ranges(started(rest, "json"))


RESTS = (b"\\", b"\\u", b"\\u00", b"\\u12e", b"\\ud", b"\\uD8", b"\\uD83d", b"\\uD83d\\", b"\\uD83d\\uDe0",
         b"\\udbff\\udf", b"\xc3", b"\xe2\x82", b"\xed\x9f", b"\xf4", b"\xf0\x9f")  # fmt: skip


@pytest.mark.parametrize("rest", RESTS)
def test_symbols_that_a_rest_may_become(rest: bytes) -> None:
    assert same_ranges(rest)
    assert split_word(b"ab" + rest, "json") == ("jab", rest)


def test_words_that_begin() -> None:
    words = ("ja", "jab", "jabc", "jb", "ub")
    assert words_that_begin(words, "jab") == ("jab", "jabc")
    assert words_that_begin(words, "j") == words[:4]
    assert words_that_begin(words, "jc") == ()


AB = rx.chars(((97, 98),))
LANGUAGES = {
    "finite": Terminal(rx.repeat(AB, 1, 3), "json"),
    "window": Terminal(rx.repeat(AB, 0, None), "utf8", 1, 2),
    "infinite with finite parts": Terminal(
        rx.union((rx.literal("b"), rx.concat((rx.literal("a"), rx.repeat(AB, 0, None)))))
    ),
    "endless": Terminal(rx.repeat(AB, 0, None)),
    "gaps": Terminal(rx.repeat(rx.literal("aba"), 0, None), "bytes"),
}


@pytest.mark.parametrize("terminal", LANGUAGES.values(), ids=LANGUAGES)
def test_counting_words(terminal: Terminal) -> None:
    """Against the list of all words of up to seven symbols."""
    language = WordLanguage(terminal)
    texts = ["".join(t) for n in range(8) for t in itertools.product("ab", repeat=n)]
    words = [language.letter + text for text in texts if language.contains(language.letter + text)]
    short = [word for word in words if len(word) <= 4]
    assert sorted(itertools.islice(language.values(), len(short))) == sorted(short)
    for prefix in texts[:31]:
        those = [word for word in words if word[1:].startswith(prefix)]
        count = len(those) if all(len(word) < 6 for word in those) else 3  # infinitely many
        assert language.count(language.letter + prefix, b"", 3) == min(count, 3), prefix
    some = tuple(sorted(words[:2]))
    assert language.is_left(language.letter, b"", some) == (len(words) > 2)


def test_plain_keys_are_never_used_up() -> None:
    anything = rx.repeat(rx.ANY_CHAR, 0, None)
    assert not can_run_out(Terminal(anything, "json"))
    assert not can_run_out(Terminal(anything, "json", exclude=("a", "b")))
    assert can_run_out(Terminal(anything, "json", high=5))
    assert not Course(Bag((Item(X, word=Terminal(anything, "json")),), X)).tight


def test_a_bag_that_asks_for_more_words_than_there_are() -> None:
    word = Terminal(AB, "json")
    assert Course(Bag((Item(X, 2, 2, word=word),), X)).start is not None
    assert Course(Bag((Item(X, 3, 3, word=word),), X)).start is None
    shared = Bag((Item(X, 1, 1, word=word), Item(X, 2, 2, word=Terminal(AB, "json"))), X)
    assert Course(shared).start is None
