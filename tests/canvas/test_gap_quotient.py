"""Grammars of gaps: their texts, and the masks that follow, are what the criterion says of each text and token."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np
import pytest
import reference_grammars as reference
from hypothesis import assume, given, settings
from naive import gaps
from naive.language import accepts
from strategies import grammars, randoms, vocabularies

import constrain
from constrain.canvas.base import NotCompletable
from constrain.canvas.quotient import Quotients
from constrain.canvas.unbounded import Unbounded
from constrain.errors import GrammarError, LimitExceeded
from constrain.ir.grammar import Grammar
from constrain.testing import check_token_automaton
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

Segments = list[bytes | None]
PIECES = (b"a", b"b", b"c", b"ab", b"\xc3", b"\xa9", b'"')
FILLINGS = [
    b"",
    *(b"".join(p) for n in (1, 2, 3) for p in product((b"a", b"b", b"c", b"\xc3", b"\xa9", b'"'), repeat=n)),
]


def random_gap(rng: Random) -> tuple[bytes, Segments]:
    before = b"".join(rng.choice(PIECES) for _ in range(rng.randint(0, 2)))
    return before, [rng.choice((None, *PIECES)) for _ in range(rng.randint(0, 3))]


def prepared(grammar: Grammar) -> Quotients:
    try:
        return Quotients(grammar)
    except (GrammarError, LimitExceeded):
        assume(False)
        raise


def gap_grammar(quotients: Quotients, before: bytes, after: Segments) -> Grammar:
    """The grammar of a gap; those that cannot be filled are of no interest."""
    try:
        return quotients.of(before, after)
    except NotCompletable:
        assert not quotients.unbounded.completable([before, None, *after])
        assume(False)
        raise


@given(grammars(with_terminals=False), randoms())
def test_texts_of_a_gap_are_those_of_the_naive_twin(grammar: Grammar, rng: Random) -> None:
    before, after = random_gap(rng)
    gap = gap_grammar(prepared(grammar), before, after)
    for text in rng.sample(FILLINGS, 10):
        assert gaps.completable(gap, [text]) == gaps.completable(grammar, [before, text, *after]), text


@settings(max_examples=12)
@given(grammars(), randoms())
def test_texts_of_a_gap_are_those_that_complete_the_text(grammar: Grammar, rng: Random) -> None:
    before, after = random_gap(rng)
    gap = gap_grammar(prepared(grammar), before, after)
    unbounded = Unbounded(grammar)  # of another normal form
    members = Unbounded(gap)
    for text in rng.sample(FILLINGS, 10):
        assert members.completable([text]) == unbounded.completable([before, text, *after]), text


@settings(max_examples=12)
@given(grammars(), randoms(), vocabularies(complete=True))
def test_masks_in_a_gap_allow_exactly_what_can_be_completed(
    grammar: Grammar, rng: Random, vocabulary: Vocabulary
) -> None:
    before, after = random_gap(rng)
    automaton = PushdownAutomaton(gap_grammar(prepared(grammar), before, after), vocabulary)
    unbounded = Unbounded(grammar)
    state, text = automaton.start(), b""
    words = np.empty(vocabulary.words, np.int32)
    for _ in range(3):
        automaton.fill_mask(state, words)
        allowed = np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")).tolist()
        assert automaton.is_accepting(state) == unbounded.completable([before, text, *after])
        tokens = {t: data for t, data in enumerate(vocabulary.tokens) if data}
        for token in {*rng.sample(sorted(tokens), 12), *rng.sample(allowed, min(len(allowed), 12))} & set(tokens):
            expected = unbounded.completable([before, text + tokens[token], None, *after])
            assert (token in allowed) == expected, (text, tokens[token])
        ordinary = [t for t in allowed if t in tokens]
        if not ordinary:
            break
        token = rng.choice(ordinary)
        after_token = automaton.advance(state, token)
        assert after_token is not None
        state, text = after_token, text + tokens[token]


@settings(max_examples=12)
@given(grammars(), randoms(), vocabularies(complete=True))
def test_the_automaton_of_a_gap_keeps_the_laws(grammar: Grammar, rng: Random, vocabulary: Vocabulary) -> None:
    before, after = random_gap(rng)
    automaton = PushdownAutomaton(gap_grammar(prepared(grammar), before, after), vocabulary)
    check_token_automaton(automaton, rng=rng, sequences=3, depth=6)


LISTS = 'root ::= "[" (item ("," item)*)? "]"\nitem ::= [0-9]+ | root | "\\"" [a-z]* "\\""'


@pytest.mark.parametrize(
    ("before", "after", "members", "others"),
    [
        (b"[1", [b"3]"], [b"", b"2", b",2,", b",", b",[],", b',"x",'], [b"]", b"[", b",,", b'"']),
        (b'["a', [b'b"]'], [b"", b"x", b'",1,"'], [b"1", b'"', b","]),
        (b"", [], [b"[]", b"[1,[2]]"], [b"", b"[", b"1"]),
        (b"[", [None, b"]"], [b"", b"1", b"[[[", b'"a'], [b"a", b","]),
        (b"[1]", [], [b""], [b"1", b","]),
        (b"", [b"1]"], [b"[", b"[[],", b"[2"], [b"", b"[]", b'["']),
        (b"[1,", [b"]", None, b"]"], [b"[", b"2,[[]", b"[2"], [b"", b"2"]),
    ],
)
def test_lists(before: bytes, after: Segments, members: list[bytes], others: list[bytes]) -> None:
    gap = Quotients(constrain.gbnf(LISTS)).of(before, after)
    assert [m for m in members if not accepts(gap, m)] == []
    assert [m for m in others if accepts(gap, m)] == []


def test_what_cannot_be_completed_has_no_grammar() -> None:
    quotients = Quotients(constrain.gbnf(LISTS))
    for before, after in ((b"]", []), (b"[1]", [b"1"]), (b"", [b"[,"])):
        with pytest.raises(NotCompletable):
            quotients.of(before, after)


def test_a_gap_may_stand_for_the_empty_text() -> None:
    gap = Quotients(constrain.gbnf('root ::= ("(" root ")")?')).of(b"", [])
    assert accepts(gap, b"")
    assert accepts(gap, b"(())")
    assert not accepts(gap, b"(")


@pytest.mark.skipif(not reference.FOLDER.is_dir(), reason=f"needs the data folder {reference.FOLDER}")
def test_gaps_of_the_reference_cases() -> None:
    """The witness of each case, cut out again, is a text of its first gap; with something broken in it, as decided."""
    known: dict[str, Quotients] = {}
    seen = 0
    for row in reference.cases("completable"):
        segments = reference.segments(row)
        if None not in segments or not row["expected"] or row["grammar"] in ("cpp_no_comments",):
            continue
        blanks = row.get("strip_chars", reference.BLANKS)
        if row["grammar"] not in known:
            known[row["grammar"]] = Quotients(reference.grammar_of(reference.grammars()[row["grammar"]], blanks))
        quotients = known[row["grammar"]]
        first = segments.index(None)
        before, after = b"".join(s or b"" for s in segments[:first]), segments[first + 1 :]
        gap = Unbounded(quotients.of(before, after))
        for text in (b"", b"1", b'"', b"]", b" ", b"}", b"x;", b"(", b'": "', b"c1"):
            assert gap.completable([text]) == quotients.unbounded.completable([before, text, *after]), (row["id"], text)
        seen += 1
    assert seen > 10
