"""Bounded memory: rows that are given up come back the same, full indexes are left behind, and both can be counted."""

from __future__ import annotations

import gc
import weakref
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import randoms
from test_entries import PARTS, mask_of

import constrain
from constrain.bits import ids_of
from constrain.errors import LimitExceeded
from constrain.ir.grammar import Grammar
from constrain.kernels.layout import V
from constrain.testing import byte_vocabulary
from constrain.tokens import index as indexes
from constrain.tokens import reserved
from constrain.tokens.index import VocabularyIndex
from constrain.tokens.pushdown import PushdownAutomaton

ROOMY = 1 << 26
GRAMMARS = [
    # windows of one class (counted), excluded words, patterns (walked), and leaves that end inside tokens
    constrain.json_schema({"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}, "b": True}}),
    constrain.json_schema({"additionalProperties": {"type": "string", "minLength": 2, "maxLength": 5}}),
    constrain.json_schema({"type": "array", "items": {"type": "string", "pattern": "^(a|b)*é?$"}, "uniqueItems": True}),
    constrain.json_schema({"type": "object"}, property_order="any"),
    constrain.regex("([ab]{1,4},|[^a]{2,9}--)*x?"),
    constrain.regex(r"(?:a|\n|[^\x00-\x7f]+)+"),
]


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(reserved, "LEAST_ROWS", 4)
    return 4


def walk_together(left: list[PushdownAutomaton], right: list[PushdownAutomaton], rng: Random, steps: int) -> None:
    """Take the same steps in pairs of automata, in a random order of pairs; all masks are equal."""
    places = [(a.start(), b.start()) for a, b in zip(left, right, strict=True)]
    for _ in range(steps):
        i = rng.randrange(len(left))
        mask = mask_of(left[i], places[i][0])
        assert mask.tolist() == mask_of(right[i], places[i][1]).tolist()
        token = rng.choice(ids_of(mask).tolist())
        after = left[i].advance(places[i][0], token), right[i].advance(places[i][1], token)
        over = token in left[i].vocabulary.eos
        places[i] = (left[i].start(), right[i].start()) if over else after  # type: ignore[assignment]


@given(
    st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map(b"".join), max_size=25),
    st.lists(st.sampled_from(GRAMMARS), min_size=1, max_size=4),
    randoms(),
)
def test_masks_do_not_depend_on_the_room_for_rows(tokens: list[bytes], grammars: list[Grammar], rng: Random) -> None:
    vocabulary = byte_vocabulary(*tokens)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reserved, "LEAST_ROWS", 4)
        tight = VocabularyIndex(vocabulary, 1)
    assert len(tight.arena.array("K_ENTRY")) == 4
    roomy = VocabularyIndex(vocabulary, ROOMY)
    walk_together(
        [PushdownAutomaton(grammar, vocabulary, roomy) for grammar in grammars],
        [PushdownAutomaton(grammar, vocabulary, tight) for grammar in grammars],
        rng,
        steps=40,
    )
    check_pool(tight)
    check_pool(roomy)
    assert roomy.counters()["evictions"] == 0


def check_pool(index: VocabularyIndex) -> None:
    """Each row has one owner at most, which knows where it is; who has none has been told."""
    arena, words = index.arena, index.arena["WORDS"]
    owners = arena.array("K_ENTRY")[: arena["rowslot"]].tolist()
    starts, sizes = arena.array("E_FROM"), arena.array("E_SIZE")
    for slot, entry in enumerate(owners):
        if entry:
            assert (int(starts[entry]), int(sizes[entry])) == (slot * words, -1)
    dense = [entry for entry in range(1, arena["entry"]) if sizes[entry] == -1]
    assert sorted(dense) == sorted(entry for entry in owners if entry)
    assert index.row_bytes == 4 * words * len(owners)


def test_rows_are_given_up_and_made_again(few_rows: int) -> None:
    vocabulary = byte_vocabulary(b"ab", b"ba", b'a"', b"aa", b"bb")
    index = VocabularyIndex(vocabulary, 1)
    automata = [PushdownAutomaton(grammar, vocabulary, index) for grammar in GRAMMARS]
    texts = [b'{"a":"a', b'{"k":"ab', b'["ab', b'{"k":[1', b"ab,ccc", b"a\n"]
    states = [a.advance_bytes(a.start(), text) for a, text in zip(automata, texts, strict=True)]
    places = [(a, s) for a, state in zip(automata, states, strict=True) for s in (a.start(), state) if s is not None]
    first = [mask_of(automaton, state).tolist() for automaton, state in places]
    entries, before = index.arena["entry"], index.counters()["evictions"]
    for _ in range(3):
        assert [mask_of(automaton, state).tolist() for automaton, state in places] == first
    assert index.counters()["evictions"] > before > 0
    assert index.arena["entry"] == entries, "an entry is filled again, not made anew"
    assert index.counters()["rows"] == few_rows
    check_pool(index)


def test_rows_in_use_are_not_the_ones_to_go(few_rows: int) -> None:
    """A row that is asked for all the time is hardly ever given up; the oldest row would be, at every fourth one."""
    vocabulary = byte_vocabulary(b"ab", b"ba", b"cd")
    index = VocabularyIndex(vocabulary, 1)
    often = PushdownAutomaton(constrain.regex("[a-f]+"), vocabulary, index)
    lost = 0
    for i in range(3 * few_rows):
        mask_of(often, often.start())
        other = PushdownAutomaton(constrain.regex(f"[a-{'ghijklmnopqrst'[i]}]+"), vocabulary, index)
        mask_of(other, other.start())
        lost += 1 not in index.arena.array("K_ENTRY")
    assert lost <= 1
    assert index.counters()["evictions"] >= 2 * few_rows


@pytest.mark.parametrize("rows", [2, 4])
def test_rows_that_a_row_is_made_of_stay_meanwhile(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row of an open object's keys is that of any string without some tokens: both must be there at once."""
    monkeypatch.setattr(reserved, "LEAST_ROWS", rows)
    names = ["a", "b", "ab", "ba", "aa", "bb"]
    vocabulary = byte_vocabulary(*(f'{name}"'.encode() for name in names), b"ab", b"xy")
    tight, roomy = VocabularyIndex(vocabulary, 1), VocabularyIndex(vocabulary, ROOMY)
    for chosen in [*names, *reversed(names), *names[::2], *names]:
        grammar = constrain.json_schema({"properties": {chosen: True}, "required": [chosen]})
        masks = []
        for index in (tight, roomy):
            automaton = PushdownAutomaton(grammar, vocabulary, index)
            state = automaton.advance_bytes(automaton.start(), b'{"' + chosen.encode() + b'":1,"')
            assert state is not None
            masks.append(mask_of(automaton, state).tolist())
        assert masks[0] == masks[1]
        check_pool(tight)
    assert tight.counters()["evictions"] > len(names)


def test_a_full_index_is_left_to_those_who_use_it() -> None:
    vocabulary = byte_vocabulary(b"ab", b"ba")
    memory = 1 << 17  # half of it: some 60 leaf states
    old = VocabularyIndex.of(vocabulary, memory)
    assert VocabularyIndex.of(vocabulary, memory) is old
    assert VocabularyIndex.of(vocabulary) is not old, "another bound is another index"
    automaton = PushdownAutomaton(constrain.regex("(a|b)*a(a|b){7}"), vocabulary, old)
    rng = Random(1)
    state, text = automaton.start(), b""
    while not old.is_full:
        byte = rng.choice(b"ab")
        state, text = automaton.advance(state, byte) or 0, text + bytes([byte])
    fresh = VocabularyIndex.of(vocabulary, memory)
    assert fresh is not old
    assert (old.generation, fresh.generation) == (0, 1)
    assert VocabularyIndex.of(vocabulary, memory) is fresh
    assert fresh.arena.array("T_BYTE") is old.arena.array("T_BYTE"), "the trie is shared"
    again = PushdownAutomaton(automaton.grammar, vocabulary, fresh)
    reached = again.advance_bytes(again.start(), text)
    assert reached is not None
    assert mask_of(again, reached).tolist() == mask_of(automaton, state).tolist()
    gone = weakref.ref(old)
    del old, automaton
    gc.collect()
    assert gone() is None, "nobody uses it"


def test_one_automaton_may_pass_the_bound_but_not_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = byte_vocabulary()
    index = VocabularyIndex(vocabulary, 1)
    automaton = PushdownAutomaton(constrain.regex("(a|b)*a(a|b){16}"), vocabulary, index)
    roomy = PushdownAutomaton(automaton.grammar, vocabulary, VocabularyIndex(vocabulary, ROOMY))
    rng = Random(2)
    text = bytes(rng.choices(b"ab", k=30_000))
    state = automaton.advance_bytes(automaton.start(), text)
    other = roomy.advance_bytes(roomy.start(), text)
    assert state is not None
    assert other is not None
    assert mask_of(automaton, state).tolist() == mask_of(roomy, other).tolist()
    counters = automaton.counters()
    assert counters["leafstate"] > 1 << 14, "more than one chunk of successors"
    assert counters["growths"] > 0
    assert roomy.counters()["growths"] == 0, "what is reserved does not move"
    monkeypatch.setattr(indexes, "MAX_CHUNKS", 2)
    with pytest.raises(LimitExceeded, match="states of regular terminals"):
        automaton.advance_bytes(state, bytes(rng.choices(b"ab", k=60_000)))


def test_what_is_in_use_is_counted_not_what_is_reserved() -> None:
    vocabulary = byte_vocabulary(b"ab")
    index = VocabularyIndex(vocabulary, ROOMY)
    empty = index.nbytes
    assert empty < 1 << 16
    assert index.reserved > ROOMY // 4
    automaton = PushdownAutomaton(constrain.regex("[ab]*c"), vocabulary, index)
    mask_of(automaton, automaton.start())
    assert empty + 2048 < index.nbytes < empty + (1 << 14)
    assert automaton.counters()["shared_bytes"] == index.nbytes


def test_a_pool_too_small_for_one_entry_is_refused(few_rows: int) -> None:
    index = VocabularyIndex(byte_vocabulary(), 1)
    with pytest.raises(LimitExceeded, match="memory=") as caught:
        index.arena.resolve(V.full - V.n["row"])  # what a kernel returns that finds all rows in use
    assert caught.value.limit == few_rows


def test_what_schemas_have_in_common_does_not_keep_an_index_alive() -> None:
    """Each index remembers the beginning of JSON grammars; that must not be a reference cycle."""
    vocabulary = byte_vocabulary()
    automaton = constrain.compile(constrain.json_schema({"properties": {"a": {"type": "integer"}}}), vocabulary)
    assert automaton.advance_bytes(automaton.start(), b'{"a": 1, "b": [{}]}') is not None
    index = weakref.ref(automaton.index)
    gc.disable()
    try:
        del automaton, vocabulary
        assert index() is None
    finally:
        gc.enable()
