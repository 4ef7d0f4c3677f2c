"""Bags against their twin: words inside tokens, words spelled in other ways, words that are used up."""

from __future__ import annotations

import itertools
import json
from random import Random

import pytest
from data.grammars import CASES, Case, bag, keyed
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.automaton import NaiveAutomaton
from naive.walk import allowed_by_stepping, bits_of
from strategies import bag_grammars, random_bag_grammar, randoms
from tokens.test_engine import check_language, check_masks, compile_or_none

import constrain
from constrain.bits import allocate
from constrain.errors import GrammarError, LimitExceeded
from constrain.ir import rx
from constrain.ir.grammar import EMPTY, NEVER, Bag, Encoding, Grammar, Item, Literal, Ref, Repeat, Seq, Terminal
from constrain.ir.words import value_of
from constrain.testing import byte_vocabulary, check_token_automaton
from constrain.vocab.vocabulary import Vocabulary

pytestmark = pytest.mark.filterwarnings("ignore::constrain.errors.GrammarWarning")

BAGS = [case for case in CASES if "bag" in case.name or "unique in each" in case.name]
CURATED = [pytest.param(case, id=case.name) for case in BAGS]
NASTY = (
    b'":1,"a":', b'"a"', b'a"', b"\\u0061\"", b"\\u00", b'61"', b',"', b'{"a":1,"a":1}', b'{"a":1,"b":1}', b'":1,"',
    b'"a":1,"a', b'":{"a":', b'"a":{"a":1}', b'1,"a":1}', b'"b":1,"b":1', b'"":1,"":1', b'":', b'","', b'"\\u0061":1',
    b'":1,"\\u0061"', b"1,1", b",1]", b"1,11,1", b"1,2", b"a,b", b"b,a,a", b"a-x,a-x", b"-x,", b"x,b", b"\x80,\x80",
    b'b":1,"aa":1', b'1,"bb":1,',
    b'b":1,', b'"b":1,', b'1,"b":1,', b"b2,", b"b2,c", b"a1,b2,", b"b.", b"a.,b.", b"b.,a", b"b!,", b",a!,b", b"a?,",
    b'ja".ja".', b'.ja".', b"a!ab", b"ab#a", b"ba", b"c,c", b"a,b,c",
)  # fmt: skip


def used_up(text: bytes) -> list[bytes]:
    """Pieces of a text of all lengths, so that tokens start and end anywhere."""
    return [text[i : i + n] for n in (2, 3, 5, 7, 11) for i in range(0, max(len(text) - n, 0), 2)]


@pytest.mark.parametrize("case", CURATED)
def test_masks_with_nasty_tokens(case: Case) -> None:
    """At every byte of all texts, members or not: the whole mask is what stepping allows, and what the twin does."""
    texts = [text for text in (*case.accept, *case.reject) if len(text) <= 40]
    pieces = sorted({*NASTY, *(piece for text in case.accept[-3:] for piece in used_up(text))})
    vocabulary = byte_vocabulary(*pieces, width=256 + len(pieces) + 20)
    automaton, twin = constrain.compile(case.grammar, vocabulary), NaiveAutomaton(case.grammar, vocabulary)
    letters = {b for text in texts for b in text}
    asked = [
        t for t in range(256, vocabulary.width) if t < len(vocabulary) and set(vocabulary.tokens[t] or b"") <= letters
    ]
    for text in texts:
        state, before = automaton.start(), None
        for i in range(len(text) + 1):
            if state is None:
                break
            if state != before:
                mask = mask_of(automaton, state)
                assert mask == allowed_by_stepping(automaton, state), text[:i]
                if i % 5 == 0:
                    expected = [t for t in asked if twin.advance(text[:i], t) is not None]
                    assert [t for t in mask if t in set(asked)] == expected, text[:i]
            state, before = automaton.advance(state, text[i]) if i < len(text) else None, state


def mask_of(automaton: constrain.TokenAutomaton, state: object) -> list[int]:
    words = allocate(automaton.vocabulary.width)
    words[:] = -1
    automaton.fill_mask(state, words)
    return bits_of(words)


@pytest.mark.parametrize(
    "text",
    [
        b'{"name":1,"',
        b'{"name":1,"na',
        b'{"name":1,"name',
        b'{"name":1,',
        b'{",":1,":":1,',
        b'{"/":1,"\\',
        b'{"/":1,"\\u002',
        b'{"id":{"id":1},"":1,"i',
    ],
)
def test_masks_of_keys_over_a_real_vocabulary(llama3_1: Vocabulary, text: bytes) -> None:
    grammar = next(case.grammar for case in CASES if "unique in each" in case.name)
    automaton = constrain.compile(grammar, llama3_1)
    state = automaton.advance_bytes(automaton.start(), text)
    assert state is not None
    mask = mask_of(automaton, state)
    assert mask == allowed_by_stepping(automaton, state)


SPELLED = (
    b'"\\u00e9\\u20ac":', b'\\u00e9"', b'\\u00E9\\u20AC"', b'\\u00', b'e9"', b'\xc3\xa9\xe2\x82\xac":', b'\xa9\xe2\x82',
    b'\xf0\x9f\x98\x80"', b'\\ud83d\\ude00"', b'\\uD83d', b'\\uDe00":1,"', b'\\/"', b'/"', b'\\""', b'\\u0022"',
    b'\\\\"', b'"":1,"', b'":1,"":', b'","', b'1,"/":1,"\\/":1', b'":1,"/"', b'\x7f"',
)  # fmt: skip
KEYS = ["é€", "😀", "/", '"', "\\", "", "é", "\x7f", "\n"]


@pytest.mark.parametrize("key", KEYS)
def test_masks_where_keys_have_been_spelled_in_other_ways(key: str) -> None:
    """At each byte of a second member with the same key, in each of its spellings, and of one with another key."""
    vocabulary = byte_vocabulary(*SPELLED)
    automaton = constrain.compile(Grammar("s", {"s": bag(keyed("1"))}), vocabulary)
    ways = [json.dumps(key), json.dumps(key, ensure_ascii=False), json.dumps(key).replace("/", "\\/")]
    for first in ways:
        begun = automaton.advance_bytes(automaton.start(), f"{first}:1,".encode())
        assert begun is not None
        for second in ways:
            assert automaton.advance_bytes(begun, second.encode()) is None
        for text in (*ways, json.dumps(key + "x"), json.dumps("x" + key, ensure_ascii=False)):
            state: int | None = begun
            for byte in text.encode():
                assert state is not None
                assert mask_of(automaton, state) == allowed_by_stepping(automaton, state), (first, text)
                state = automaton.advance(state, byte)


LONG = rx.repeat(rx.chars(((97, 98),)), 1, 5)  # 62 words, the more the longer: only the last few are scarce
PIECES = (b"aa", b"ab", b"ba", b'a"', b'b"', b'",', b',"', b'"a')


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("encoding", ["json", "utf8"])
def test_words_are_used_up_one_by_one(encoding: Encoding, seed: int) -> None:
    """All words of a language in random order: what may come next is what some word that is left begins with."""
    rng = Random(seed)
    quote, close = (b'"', b'"') if encoding == "json" else (b"", b"")
    words = ["".join(letters) for n in range(1, 6) for letters in itertools.product("ab", repeat=n)]
    opening = Literal(quote) if quote else None
    item = Item(EMPTY if quote else Literal(b"."), 0, None, opening=opening, word=Terminal(LONG, encoding))
    vocabulary = byte_vocabulary(*PIECES, b".,", b"a.", b".,a")
    automaton = constrain.compile(Grammar("s", {"s": Bag((item,), Literal(b","))}), vocabulary)
    close = close or b"."
    left = set(words)
    state: int | None = automaton.start()
    for count, word in enumerate(rng.sample(words, len(words))):
        assert state is not None
        state = automaton.advance_bytes(state, (b"," if count else b"") + quote)
        for i in range(len(word) + 1):
            assert state is not None
            here = {w for w in left if w.startswith(word[:i])}
            longer = {ord(w[i]) for w in here if len(w) > i}
            expected = longer | ({close[0]} if word[:i] in here else set())
            if quote and longer:
                expected.add(ord("\\"))
                escape = automaton.advance_bytes(state, b"\\u006")
                assert escape is not None
                assert {byte + 48 for byte in automaton.live_bytes(escape)} == longer, (count, word[:i])
            assert set(automaton.live_bytes(state)) == expected, (count, word[:i])
            if rng.random() < 0.1 or count > 52:
                assert mask_of(automaton, state) == allowed_by_stepping(automaton, state), (count, word[:i])
            state = automaton.advance(state, (word.encode() + close)[i])
        left.discard(word)
    assert state is not None and automaton.is_accepting(state) and automaton.live_bytes(state) == b""


@given(st.lists(st.text(max_size=4), max_size=12), randoms())
def test_sets_of_words_do_not_depend_on_the_order(texts: list[str], rng: Random) -> None:
    """Equal sets have equal numbers, and hold what was put in."""
    automaton = constrain.compile(Grammar("s", {"s": bag(keyed("1"))}), byte_vocabulary())
    memories, words = automaton.memories, ["j" + text for text in texts]
    number = memories.set_of(words)
    rng.shuffle(words)
    assert memories.set_of(words + words[:2]) == number
    assert sorted(map(value_of, memories.words(number))) == sorted(set(words))
    assert int(automaton.arena.array("U_SIZE")[number]) == len(set(words))
    for word in words:
        assert (memories.set_of(set(words) - {word}) == number) == (not words)


def test_thousands_of_words_cost_a_key_no_more() -> None:
    """Work is counted: a mask in a key looks at what keys and tokens share, and Python is not asked for anything."""
    automaton = constrain.compile(Grammar("s", {"s": bag(keyed("1"))}), byte_vocabulary(*NASTY))
    state: int | None = automaton.start()
    sizes = []
    for i in range(1500):
        assert state is not None
        before = automaton.arena["wordset"]
        state = automaton.advance_bytes(state, b'"%d":1,' % (7919 * i % 100_000))
        sizes.append(automaton.arena["wordset"] - before)
    assert state is not None and automaton.advance_bytes(state, b'"7919"') is None
    assert max(sizes) < 80  # new nodes for one more word: its own, and the digits before its own at each place
    assert len(automaton.arena.array("M_SEEN")) >= 1500 and automaton.arena["shape"] < 10
    state = automaton.advance_bytes(state, b'"79')
    assert state is not None and mask_of(automaton, state) == allowed_by_stepping(automaton, state)


def test_cutting_a_text_into_distinct_words_has_a_limit() -> None:
    """NP-complete where words are not separated; ours doubles the readings with each byte, and says so in time."""
    word = Terminal(rx.repeat(rx.ANY_CHAR, 1, None))
    automaton = constrain.compile(
        Grammar("s", {"s": Bag((Item(EMPTY, 0, None, word=word),), EMPTY)}), byte_vocabulary()
    )
    state = automaton.advance_bytes(automaton.start(), b"abcdefgh")
    assert state is not None
    with pytest.raises(LimitExceeded, match="ways to cut the text"):
        for byte in b"ijklmnopqrst":
            state = automaton.advance(state, byte)


def test_bags_in_words() -> None:
    automaton = constrain.compile(Grammar("s", {"s": bag(keyed("1"))}), byte_vocabulary())
    state = automaton.advance_bytes(automaton.start(), b'"a":1,"a')
    assert state is not None and ord('"') not in automaton.live_bytes(state)
    assert '"' not in automaton.expected(state)[0].partition("(")[0].replace('\\"', "")
    assert "refuses" not in automaton.explain(state, ord('"')) and "not allowed" in automaton.explain(state, ord('"'))
    only = constrain.compile(
        Grammar("s", {"s": bag(keyed("1", rx.literal("ab") | rx.literal("ac")))}), byte_vocabulary()
    )
    state = only.advance_bytes(only.start(), b'"ab":1,"')
    assert state is not None and only.advance_bytes(state, b"ab") is None
    assert only.advance_bytes(state, b"ac") is not None


@pytest.mark.parametrize(
    "body,message",
    [
        (bag(Item(Repeat(Literal(b"a"), 0, 1))), "an element of a bag may be empty"),
        (bag(Item(Literal(b"a"), word=Terminal(rx.repeat(rx.ANY_CHAR, 0, None)))), "a word of a bag may be empty"),
        (bag(Item(Literal(b"a"), 1), low=2), "cannot be filled"),
        (bag(Item(NEVER, 1)), "no text at all"),
        (bag(Item(Seq(Ref("s"), Literal(b"x"))), Item(Literal(b"y"))), "begins with a bag"),
        (bag(Item(Literal(b"1"), 3, 3, word=Terminal(rx.literal("a"), "json"))), "cannot be filled"),
    ],
)
def test_bags_that_are_refused(body: Bag, message: str) -> None:
    with pytest.raises(GrammarError, match=message):
        constrain.compile(Grammar("s", {"s": body}), byte_vocabulary())


@pytest.mark.parametrize("seed", range(6))
def test_language_of_random_bags(seed: int) -> None:
    rng = Random(seed)
    for _ in range(8):
        check_language(random_bag_grammar(rng), b'ab",1[]\\', 12)


@pytest.mark.parametrize("seed", range(8))
def test_masks_of_random_bags(seed: int) -> None:
    rng = Random(seed)
    for _ in range(4):
        check_masks(random_bag_grammar(rng), bag_vocabulary(rng), rng, steps=5)


@given(bag_grammars(), randoms())
@settings(max_examples=60)
def test_contract_on_random_bags(grammar: Grammar, rng: Random) -> None:
    automaton = compile_or_none(grammar, bag_vocabulary(rng))
    if automaton is not None:
        check_token_automaton(automaton, rng=rng, sequences=2, depth=10)


def bag_vocabulary(rng: Random) -> Vocabulary:
    """All bytes, and tokens that bags over few symbols are likely to meet."""
    pieces = (b'"', b'"', b"a", b"a", b"b", b",", b"1", b"[", b"]", b"\\u0061", b"\\u00", b"61", b"\xc3", b"\xa9")
    texts = [b"".join(rng.choice(pieces) for _ in range(rng.randint(2, 7))) for _ in range(60)]
    return byte_vocabulary(*NASTY, *texts)
