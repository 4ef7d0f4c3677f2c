"""Canvases by charts against listing all fillings, and against the cases of the research note."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from canvas.exact_cases import SMALL, canvas_of, cases, grammar_of, grammars
from hypothesis import given
from hypothesis import strategies as st
from naive.brute_canvas import BruteCanvas

import constrain
from constrain.bits import from_ids
from constrain.canvas import OPEN, Canvases, Ending, NotCompletable, Undecided
from constrain.canvas.analysis import Analysis, Language
from constrain.canvas.chart_canvas import ChartCanvas, chart_canvas, fewest_tokens
from constrain.canvas.lattice import Limits
from constrain.canvas.normal import normal_form
from constrain.ir.grammar import Grammar
from constrain.vocab.vocabulary import Vocabulary

TOKENS = {
    "json": [b'{"', b"a", b'":', b"1", b"}", b'"', b",", b"[", b"]", b'"}', b" ", b"\xc3", b"\xa9"],
    "brackets": [b"(", b")", b"((", b"))", b")(", b"()("],
    "sums": [b"1", b"+", b"-", b"(", b")", b"1+", b")-", b"2)"],
    "as then bs": [b"a", b"b", b"aa", b"ab", b"bb"],
    "twice": [b"a", b"b", b"ab", b"ba"],
    "ambiguous": [b"a", b"b", b"ab", b"ba"],
}
NO_LIMITS = Limits(1_000_000, None)
GRAMMARS = {name: grammar_of(data) for name, data in SMALL.items()}


def vocabulary_of(name: str) -> Vocabulary:
    """The tokens, an end, and a padding id that stands for no text."""
    tokens = TOKENS[name]
    return Vocabulary(tokens, [len(tokens)], width=len(tokens) + 2)


def language_of(grammar: Grammar, vocabulary: Vocabulary, limits: Limits = NO_LIMITS) -> Language:
    return Language(grammar, normal_form(grammar, lexed=True), vocabulary, limits)


LANGUAGES = {name: language_of(grammar, vocabulary_of(name)) for name, grammar in GRAMMARS.items()}


def accepts(language: Language, text: bytes) -> bool:
    automaton = language.automaton
    state = automaton.advance_bytes(automaton.start(), text)
    return state is not None and automaton.is_accepting(state)


def brute(language: Language, slots: list[int], ending: Ending) -> BruteCanvas:
    """All fillings, by trying every id in every open slot."""
    ids = [range(language.vocabulary.width) if token == OPEN else (token,) for token in slots]
    found = tuple(filling for filling in product(*ids) if is_filling(language, filling, ending))
    if not found:
        raise NotCompletable("no filling")
    return BruteCanvas(language.vocabulary, ending, np.array(slots, np.int32), found)


def is_filling(language: Language, filling: tuple[int, ...], ending: Ending) -> bool:
    """A text up to the first end, and behind it what may stand there."""
    length = next((k for k, token in enumerate(filling) if token in ending.ends), len(filling))
    tokens = language.vocabulary.tokens
    if (length == len(filling) and ending.required) or not set(filling[length:]) <= ending.behind:
        return False
    if any(token >= len(tokens) or tokens[token] is None for token in filling[:length]):
        return False
    return accepts(language, language.vocabulary.decode(filling[:length]))


@st.composite
def canvases(draw: st.DrawFn) -> tuple[str, list[int], Ending]:
    """A small world, slots of which few are open, and how texts end."""
    name = draw(st.sampled_from(sorted(GRAMMARS)))
    end = len(TOKENS[name])
    size = draw(st.integers(0, 5))
    tokens = st.integers(0, end - 1)
    slots = draw(st.lists(tokens, min_size=size, max_size=size))
    tail = draw(st.integers(0, 2))
    slots += [end] * min(tail, 1) + [draw(st.sampled_from([end, end + 1, OPEN])) for _ in range(tail - 1)]
    free = draw(st.lists(st.integers(0, max(len(slots) - 1, 0)), max_size=3))
    slots = [OPEN if k in free else token for k, token in enumerate(slots)]
    ends = draw(st.sampled_from([frozenset((end,)), frozenset()]))
    return name, slots, Ending(ends, frozenset((end + 1,)) if ends else frozenset(), bool(ends) and draw(st.booleans()))


@pytest.mark.nojit
@given(canvases())
def test_every_answer_is_that_of_all_fillings(world: tuple[str, list[int], Ending]) -> None:
    name, slots, ending = world
    language = LANGUAGES[name]
    try:
        expected = brute(language, slots, ending)
    except NotCompletable:
        with pytest.raises(NotCompletable):
            chart_canvas(language, slots, ending)
        return
    canvas = chart_canvas(language, slots, ending)
    assert tuple(canvas.filling.tolist()) in expected.completions
    for slot in np.flatnonzero(canvas.slots == OPEN).tolist():
        assert (canvas.mask(slot) == expected.mask(slot)).all()
        for token in range(language.vocabulary.width):
            assert canvas.allows(slot, token) == expected.allows(slot, token), (slot, token)


@pytest.mark.nojit
@given(canvases(), st.randoms(use_true_random=False))
def test_commits_keep_a_completion_and_lose_none(world: tuple[str, list[int], Ending], rng: object) -> None:
    name, slots, ending = world
    language = LANGUAGES[name]
    try:
        canvas, expected = chart_canvas(language, slots, ending), brute(language, slots, ending)
    except NotCompletable:
        return
    choice = np.random.default_rng(rng.getrandbits(32))  # type: ignore[attr-defined]
    while (free := np.flatnonzero(canvas.slots == OPEN)).size:
        slot, token = int(choice.choice(free)), int(choice.integers(language.vocabulary.width))
        before = canvas
        try:
            canvas = canvas.commit(slot, token)
        except NotCompletable:
            assert not expected.allows(slot, token)
            canvas = canvas.commit(slot, int(canvas.filling[slot]))
        assert before.slots[slot] == OPEN  # a value
        expected = expected.commit(slot, int(canvas.slots[slot]))
        assert tuple(canvas.filling.tolist()) in expected.completions
    assert tuple(canvas.slots.tolist()) in expected.completions


@pytest.mark.filterwarnings("ignore::constrain.GrammarWarning")  # vocabularies that cannot spell every rule
def test_the_cases_of_the_research_note() -> None:
    rows = cases()
    if not rows:
        pytest.skip("../shared/data/diffusion is not there")
    named = grammars()
    languages: dict[tuple[str, ...], Language] = {}
    assert len(rows) == 247
    for row in rows:
        vocabulary, slots, ending = canvas_of(row)
        key = (row["grammar"], *row["vocab_hex"])
        language = languages.get(key) or language_of(named[row["grammar"]], vocabulary)
        languages[key] = language
        analysis = Analysis(language, np.array(slots, np.int32), ending)
        assert analysis.completable == row["expected_completable"], row["id"]
        if analysis.completable:
            assert analysis.live_ends()[0] == row["min_content_tokens"], row["id"]
            check_allowed(row, vocabulary, chart_canvas(language, slots, ending))


def check_allowed(row: dict[str, list[list[int] | None]], vocabulary: Vocabulary, canvas: ChartCanvas) -> None:
    """Every slot's allowed set is that of the case."""
    end = min(vocabulary.eos)
    for slot, allowed in enumerate(row["allowed"]):
        if allowed is not None:
            expected = from_ids(sorted(end if token == -1 else token for token in allowed), vocabulary.width)
            assert (canvas.mask(slot) == expected).all(), (row["id"], slot)


@pytest.mark.parametrize("name", ["json", "arithmetic"])
def test_a_lexer_is_followed_as_its_rules_spelled_out(name: str) -> None:
    """Contexts of a lexer beside the chart, and the product of rules and contexts, allow the same."""
    grammar = constrain.lark(Path(__file__).parents[2] / "grammars" / f"{name}.lark")
    vocabulary = Vocabulary([b'{"', b"a", b'":', b"1", b"}", b'"', b"[", b"]", b"+", b" ", b"1)", b"("], [12])
    ending = Ending(vocabulary.eos, frozenset())
    lexed = language_of(grammar, vocabulary)
    plain = Language(grammar, normal_form(grammar), vocabulary, NO_LIMITS)
    assert lexed.normal.lexing is not None and plain.normal.lexing is None
    for slots in ([OPEN] * 3, [OPEN, 3, OPEN, OPEN], [9, OPEN, OPEN], [5, OPEN, OPEN, OPEN]):
        one, other = (Analysis(language, np.array(slots, np.int32), ending) for language in (lexed, plain))
        assert one.completable == other.completable
        for slot in range(len(slots)):
            if slots[slot] == OPEN and one.completable:
                assert one.tokens(slot).tolist() == other.tokens(slot).tolist()


def test_too_few_slots_say_how_many_the_grammar_needs() -> None:
    grammar = constrain.gbnf('root ::= "(" root ")" | "abc"')
    vocabulary = Vocabulary([b"(", b")", b"a", b"b", b"c"], [5])
    with pytest.raises(NotCompletable, match="needs at least 3 tokens"):
        Canvases(grammar, vocabulary).of(2)
    assert fewest_tokens(language_of(grammar, vocabulary), 10) == 3
    with pytest.raises(NotCompletable, match="around what is fixed"):
        Canvases(grammar, vocabulary).of([OPEN, 1, 0])


def test_what_is_too_large_is_undecided_and_changes_nothing() -> None:
    language = language_of(GRAMMARS["brackets"], vocabulary_of("brackets"), Limits(10, None))
    canvas = chart_canvas(language, 2, Ending(frozenset((6,)), frozenset()))
    with pytest.raises(Undecided, match="places of the chart"):
        chart_canvas(language, 40, Ending(frozenset(), frozenset()))
    assert accepts(language, language.vocabulary.decode(canvas.filling.tolist()))


def test_a_question_that_takes_too_long_is_undecided() -> None:
    language = language_of(GRAMMARS["json"], vocabulary_of("json"), Limits(1_000_000, 0.0))
    with pytest.raises(Undecided, match="milliseconds"):
        chart_canvas(language, 40, Ending(frozenset(), frozenset()))


def test_an_end_that_is_text_is_refused() -> None:
    vocabulary = vocabulary_of("brackets")
    with pytest.raises(ValueError, match="is text too"):
        Canvases(GRAMMARS["brackets"], vocabulary, Ending(vocabulary.eos, frozenset((0,))))


def test_slots_that_are_not_open_are_not_asked_about() -> None:
    canvas = chart_canvas(LANGUAGES["brackets"], [0, OPEN], Ending(frozenset(), frozenset()))
    for slot in (0, 2, -1):
        with pytest.raises(ValueError, match="not an open slot"):
            canvas.allows(slot, 1)
