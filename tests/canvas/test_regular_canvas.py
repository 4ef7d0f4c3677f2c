"""Canvases of regular grammars against trying every filling."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import canvas as naive
from naive.walk import bits_of
from sampling.significance import ALPHA, goodness_of_fit

import constrain
from constrain.canvas import normal
from constrain.canvas.base import OPEN, Ending, NotCompletable, ending_of
from constrain.canvas.bytesets import NOWHERE, ByteDfa
from constrain.canvas.normal import normal_form
from constrain.canvas.regular import RegularCanvas
from constrain.canvas.tokendfa import TokenDfa, regular_language
from constrain.vocab.vocabulary import Vocabulary

pytestmark = pytest.mark.nojit

SEEDS = st.integers(0, 2**32)


@dataclass
class World:
    """A language, a vocabulary, a way to end, and a canvas to begin with."""

    automaton: TokenDfa
    member: naive.Member
    slots: list[int]

    @property
    def fillings(self) -> list[naive.Filling]:
        automaton = self.automaton
        return naive.completions(self.slots, self.member, automaton.vocabulary, automaton.ending)

    @property
    def canvas(self) -> RegularCanvas:
        return RegularCanvas.of(self.automaton, self.slots)


def random_dfa(rng: Random) -> ByteDfa:
    """Over a, b and c; it may well be empty, or have states that lead nowhere."""
    count = rng.randint(1, 5)
    step = np.full((count, 256), NOWHERE, np.int32)
    for state in range(count):
        for byte in b"abc":
            if rng.random() < 0.6:
                step[state, byte] = rng.randrange(count)
    return ByteDfa(step, np.array([rng.random() < 0.4 for _ in range(count)]))


def member_of(dfa: ByteDfa) -> naive.Member:
    def accepts(text: bytes) -> bool:
        state = 0
        for byte in text:
            state = int(dfa.step[state, byte]) if state != NOWHERE else NOWHERE
        return state != NOWHERE and bool(dfa.accepts[state])

    return accepts


def random_world(rng: Random, most: int = 4) -> World:
    dfa = random_dfa(rng)
    tokens = [bytes(rng.choices(b"abcd", k=rng.choice((1, 1, 1, 2, 3)))) for _ in range(rng.randint(1, 4))]
    vocabulary = Vocabulary([*tokens, None, None], [len(tokens)], len(tokens) + 3)
    ids = range(vocabulary.width)
    ends = frozenset(rng.sample(ids, rng.choice((0, 1, 1, 2))) if rng.random() < 0.5 else vocabulary.eos)
    padding = frozenset(rng.sample(ids, rng.choice((0, 0, 1, 2))))
    ending = Ending(ends, padding, bool(ends) and rng.random() < 0.3)
    slots = [rng.choice((OPEN, OPEN, rng.randrange(vocabulary.width))) for _ in range(rng.randint(0, most))]
    return World(TokenDfa(dfa, vocabulary, ending), member_of(dfa), slots)


def completable_world(rng: Random) -> World:
    """Around a completion, if the first ones have none."""
    while True:
        world = random_world(rng)
        if world.slots.count(OPEN) and world.fillings:
            return world


def random_scores(rng: Random, world: World) -> np.ndarray:
    scores = np.array([[rng.gauss(0, 3) for _ in range(world.automaton.vocabulary.width)] for _ in world.slots])
    for _ in range(rng.choice((0, 0, 3))):
        scores[rng.randrange(len(world.slots)), rng.randrange(scores.shape[1])] = -math.inf
    return scores if rng.random() < 0.8 else scores * 400  # far below what exp() can hold


def check_masks(canvas: RegularCanvas, fillings: list[naive.Filling]) -> None:
    width = canvas.vocabulary.width
    assert tuple(canvas.filling.tolist()) in fillings
    for slot in np.flatnonzero(canvas.slots == OPEN).tolist():
        expected = naive.allowed(fillings, slot)
        assert bits_of(canvas.mask(slot)) == expected
        assert [token for token in range(-1, width + 2) if canvas.allows(slot, token)] == expected


# ---- verdicts, masks, commits ------------------------------------------------------------------------------------


@given(SEEDS)
def test_verdict_masks_and_certificate(seed: int) -> None:
    world = random_world(Random(seed))
    if world.fillings:
        check_masks(world.canvas, world.fillings)
    else:
        with pytest.raises(NotCompletable):
            _ = world.canvas


@given(SEEDS)
def test_commits_one_by_one_equal_a_canvas_from_scratch(seed: int) -> None:
    rng = Random(seed)
    world = completable_world(rng)
    canvas, fillings = world.canvas, world.fillings
    while (open_slots := np.flatnonzero(canvas.slots == OPEN).tolist()) != []:
        slot, token = rng.choice(open_slots), rng.randrange(canvas.vocabulary.width)
        before = canvas.slots.tolist()
        if token in naive.allowed(fillings, slot):
            former, canvas = canvas, canvas.commit(slot, token)
            fillings = [filling for filling in fillings if filling[slot] == token]
            assert former.slots.tolist() == before
            check_masks(canvas, fillings)
            assert np.array_equal(canvas.alive, RegularCanvas.of(world.automaton, canvas.slots).alive)
        else:
            with pytest.raises(NotCompletable, match=f"in slot {slot}"):
                canvas.commit(slot, token)
    assert tuple(canvas.slots.tolist()) in fillings


@given(SEEDS)
def test_commits_of_many(seed: int) -> None:
    rng = Random(seed)
    world = completable_world(rng)
    open_slots = [k for k, token in enumerate(world.slots) if token == OPEN]
    proposals = [(rng.choice(open_slots), rng.randrange(-2, world.automaton.vocabulary.width + 2)) for _ in range(9)]
    canvas, taken = world.canvas.commit_many(*zip(*proposals, strict=True))
    held, expected = naive.committed(world.fillings, world.slots, proposals)
    assert canvas.slots.tolist() == held
    assert taken.tolist() == expected
    check_masks(canvas, [f for f in world.fillings if all(h in (OPEN, t) for h, t in zip(held, f, strict=True))])


def test_a_certificate_that_agrees_is_kept() -> None:
    canvas = record_canvas(12)
    for slot, token in enumerate(canvas.filling.tolist()):
        former, canvas = canvas, canvas.commit(slot, token)
        assert np.array_equal(former.filling, canvas.filling)


def record_canvas(n: int) -> RegularCanvas:
    return RegularCanvas.of(record_automaton(), n)


@cache
def record_automaton() -> TokenDfa:
    """Of a small record over bytes and some longer tokens."""
    schema = {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a", "b"],
              "type": "object", "additionalProperties": False}  # fmt: skip
    tokens = [bytes([b]) for b in range(256)] + [b'{"', b'":', b',"', b'"}', b'"b":"', b"  ", b"10"]
    vocabulary = Vocabulary([*tokens, None], [len(tokens)])
    dfa = regular_language(normal_form(constrain.json_schema(schema, whitespace="compact")))
    assert dfa is not None
    return TokenDfa(dfa, vocabulary, ending_of(vocabulary))


def test_a_certificate_is_repaired_near_the_commit() -> None:
    """And it ends as soon as it can: b'{"', b"a", b'":', ..."""
    canvas = record_canvas(16)
    vocabulary = canvas.vocabulary
    start = canvas.filling
    assert vocabulary.decode(start.tolist()) == b'{"a":0,"b":""}'
    slot = int(np.flatnonzero(start == ord("0"))[0])
    changed = canvas.commit(slot, ord("7")).filling
    assert np.flatnonzero(changed != start).tolist() == [slot]


@pytest.mark.parametrize(
    ("pattern", "tokens", "n"),
    [
        ("(a{33}|b{40}){1,2}", [b"a" * 31, b"aa", b"a", b"b" * 40], 4),
        ("a{0,70}", [b"a", b"a" * 16, b"a" * 32, b"a" * 64], 4),
        ("(a|b){31}c|(ab){32}d", [b"a" * 31, b"ab" * 15, b"ab" * 16, b"c", b"b", b"a"], 4),
        ("(é)+", [b"\xc3", b"\xa9", b"\xa9\xc3", b"\xc3\xa9"], 4),
        ("(a*b)?", [b"a", b"b", b"ab"], 4),
        ("", [b"a"], 2),
    ],
)
def test_regular_expressions(pattern: str, tokens: list[bytes], n: int) -> None:
    """States in more than one word; the empty text; tokens with parts of characters."""
    vocabulary = Vocabulary([*tokens, None], [len(tokens)])
    dfa = regular_language(normal_form(constrain.regex(pattern)))
    assert dfa is not None
    compiled = re.compile(pattern.encode())
    for required in (False, True):
        automaton = TokenDfa(dfa, vocabulary, Ending(vocabulary.eos, frozenset((0,)), required))
        for length in range(n + 1):
            world = World(automaton, lambda text: compiled.fullmatch(text) is not None, [OPEN] * length)
            if world.fillings:
                check_masks(world.canvas, world.fillings)
            else:
                with pytest.raises(NotCompletable):
                    _ = world.canvas


def test_what_is_not_regular() -> None:
    nested = constrain.gbnf('root ::= "a" root "b" | "c"')
    assert regular_language(normal_form(nested)) is None


# ---- reasons -----------------------------------------------------------------------------------------------------


@given(SEEDS)
def test_the_fewest_tokens_are_named(seed: int) -> None:
    world = random_world(Random(seed))
    automaton, limit = world.automaton, 5
    least = naive.fewest_tokens(world.member, automaton.vocabulary, automaton.ending, limit)
    if least is None:
        with pytest.raises(NotCompletable):
            RegularCanvas.of(automaton, 0)
        assert int(automaton.remaining[0]) > limit
    elif least:
        with pytest.raises(NotCompletable, match=f"at least {least} token.*has {least - 1} slot"):
            RegularCanvas.of(automaton, least - 1)


def test_reasons() -> None:
    """The place is named, and whether another number of open slots would help."""
    canvas = record_canvas(20)
    automaton = canvas.automaton
    ids = {automaton.vocabulary.tokens[k]: k for k in range(len(automaton.vocabulary))}
    end = len(automaton.vocabulary.tokens) - 1

    def reason(*slots: int) -> str:
        with pytest.raises(NotCompletable) as caught:
            RegularCanvas.of(automaton, slots)
        return str(caught.value)

    begun = [ids[b'{"'], ids[b"a"], ids[b'":']]
    assert reason(*[OPEN] * 4) == "this grammar needs at least 7 tokens, and the canvas has 4 slots: give it more"
    assert (
        reason(*begun, ids[b"x"], *[OPEN] * 9)
        == "slot 3 holds token 120 ('x'), which cannot follow what is fixed before it"
    )
    assert "with another number of open slots it could" in reason(*begun, OPEN, ids[b"b"], *[OPEN] * 9)
    assert reason(*[OPEN] * 3, end, *[OPEN] * 9) == (
        "slot 3 holds token 263 (end of sequence), which cannot follow what is fixed before it with as many slots "
        "between; with another number of open slots it could"
    )
    assert "slot 9 holds token 255" in reason(*[OPEN] * 9, 255)
    assert reason(*b'{"a":0', ids[b',"']) == (
        "the canvas is too short for what is fixed: behind it at least 4 tokens more must follow"
    )
    assert reason(*[OPEN] * 9, end, ids[b"a"]).startswith("slot 10 holds token 97 ('a'), which cannot follow")


def test_lengths_that_no_text_has() -> None:
    vocabulary = Vocabulary([b"aa", None], [1])
    dfa = regular_language(normal_form(constrain.regex("(aaaa)+")))
    assert dfa is not None
    automaton = TokenDfa(dfa, vocabulary, Ending(frozenset(), frozenset()))
    with pytest.raises(NotCompletable, match=r"at least 2 tokens, but no text has just as many .* 3, and .* no ends"):
        RegularCanvas.of(automaton, 3)
    with pytest.raises(NotCompletable, match="no text of this grammar can be put together"):
        RegularCanvas.of(TokenDfa(dfa, Vocabulary([b"aab", b"b", None], [2]), Ending(frozenset(), frozenset())), 3)


def test_wrong_arguments() -> None:
    canvas = record_canvas(20).commit(0, 123)
    with pytest.raises(ValueError, match=r"slot 0 is not open: it holds token 123 \('{'\)"):
        canvas.allows(0, 123)
    with pytest.raises(ValueError, match="slot 20 is outside this canvas of 20 slots"):
        canvas.commit(20, 1)
    with pytest.raises(ValueError, match="as many slots as tokens are needed, not 2 and 1"):
        canvas.commit_many([1, 2], [3])
    with pytest.raises(ValueError, match="0 slots or more, not -1"):
        RegularCanvas.of(canvas.automaton, -1)
    with pytest.raises(ValueError, match="not 264"):
        RegularCanvas.of(canvas.automaton, [264])
    with pytest.raises(ValueError, match=r"ids of a vocabulary of width 264, not \[300\]"):
        TokenDfa(random_dfa(Random(1)), canvas.vocabulary, Ending(frozenset((300,)), frozenset()))
    with pytest.raises(ValueError, match="an end is required, but there are no ends"):
        TokenDfa(random_dfa(Random(1)), canvas.vocabulary, Ending(frozenset(), frozenset(), required=True))


# ---- sums --------------------------------------------------------------------------------------------------------


@given(SEEDS)
def test_best_mass_and_marginals(seed: int) -> None:
    rng = Random(seed)
    world = completable_world(rng)
    canvas, scores = world.canvas, random_scores(rng, world)
    weights = {filling: naive.weight(filling, world.slots, scores) for filling in world.fillings}
    best = tuple(canvas.best(scores).tolist())
    assert weights[best] == pytest.approx(max(weights.values()), rel=1e-12)
    total = naive.log_total(list(weights.values()))
    assert canvas.log_mass(scores) == pytest.approx(total, rel=1e-12, abs=1e-9)
    if total == -math.inf:
        with pytest.raises(ValueError, match="probability above 0"):
            canvas.marginals(scores)
        return
    found = canvas.marginals(scores)
    for slot in range(canvas.n):
        for token in range(canvas.vocabulary.width):
            share = naive.log_total([w - total for f, w in weights.items() if f[slot] == token])
            assert found[slot, token] == pytest.approx(share, rel=1e-9, abs=1e-9)
    some = [canvas.n - 1, 0]
    assert np.array_equal(canvas.marginals(scores, some), found[some])


@pytest.mark.parametrize("seed", range(3))
def test_samples_have_the_frequencies_of_completions(seed: int) -> None:
    rng = Random(seed)
    world = completable_world(rng)
    while not 8 <= len(world.fillings) <= 60:
        world = completable_world(rng)
    scores = np.array([[rng.gauss(0, 1) for _ in range(world.automaton.vocabulary.width)] for _ in world.slots])
    weights = {filling: naive.weight(filling, world.slots, scores) for filling in world.fillings}
    total = naive.log_total(list(weights.values()))
    drawn = world.canvas.sample(scores, np.random.default_rng(seed), 2_000)
    law = {filling: math.exp(weight - total) for filling, weight in weights.items()}
    assert goodness_of_fit(map(tuple, drawn.tolist()), law) > ALPHA


def test_scores_of_another_kind_are_refused() -> None:
    canvas = record_canvas(14)
    scores = np.zeros((14, canvas.vocabulary.width))
    with pytest.raises(ValueError, match=r"\(14, 264\), not \(13, 264\)"):
        canvas.best(scores[1:])
    for wrong in (math.nan, math.inf):
        scores[3, 5] = wrong
        with pytest.raises(ValueError, match="slot 3 has NaN or"):
            canvas.log_mass(scores)
    with pytest.raises(ValueError, match="probability above 0"):
        canvas.sample(np.full_like(scores, -math.inf), np.random.default_rng(1))
    assert np.array_equal(canvas.best(np.full_like(scores, -math.inf)), canvas.filling)


def test_a_grammar_that_is_regular_as_a_whole_may_be_larger_than_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above that limit too it is a grammar like others, of parts that are small again."""
    grammar = constrain.gbnf('root ::= a a\na ::= "abc" "def" | "ghi" "jkl"')
    monkeypatch.setattr(normal, "MAX_TERMINAL", 4)
    whole = regular_language(normal_form(grammar))
    assert whole is not None
    assert len(whole.accepts) > 20
    monkeypatch.setattr(normal, "MAX_WHOLE", 20)
    parts = normal_form(grammar)
    assert regular_language(parts) is None
    assert max(len(terminal.accepts) for terminal in parts.terminals) <= 5
