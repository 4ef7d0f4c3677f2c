"""Walk sets and remembered answers: with them, without, and with caches that are too small, masks are the same."""

from __future__ import annotations

import random
import warnings

import pytest
from naive.automaton import NaiveAutomaton
from naive.walk import bits_of
from strategies import random_grammar, random_vocabulary

import constrain
from constrain.bits import allocate
from constrain.errors import GrammarError
from constrain.ir.contexts import spelled_out
from constrain.ir.grammar import Grammar
from constrain.testing import byte_vocabulary
from constrain.tokens.beginnings import MASKS
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

pytestmark = pytest.mark.filterwarnings("ignore::constrain.errors.GrammarWarning")

EVERYWHERE = {"SHORT": 0, "MANY": 0}
NOWHERE = {"SHORT": 1 << 40, "MANY": 1 << 40}
TINY = {**EVERYWHERE, "MEMBERS": 20}  # sets are forgotten again and again, large ones never kept

# Keywords are names, blanks may stand nearly everywhere, one text has many readings.
STATEMENTS = r"""
start: _S? statement+
statement: "if" _S? expr statement ("else" _S statement)? | "in" _S name _S? ";" _S?
    | expr ";" _S? | name _S name ";" _S?
expr: sum | expr "?" _S? expr ":" _S? expr
sum: product (("+" | "-") _S? product)*
product: atom (("*" | "/") _S? atom)*
atom: name | NUMBER _S? | "(" _S? expr ")" _S? | name "(" _S? (expr ("," _S? expr)*)? ")" _S? | "-" atom
name: NAME _S?
NAME: /[a-z_]+/
NUMBER: /[0-9]+(\.[0-9]+)?/
_S: /[ \n]+/
"""
TEXTS = (
    "if (a) b; else if c in(d);",
    "in in; if if; else else; f (in, if(x), -3.25) * 2;",
    "a ? b ? c : d : -e(f + (g * h), i);\n  x y; z;",
    "  ((((a))));if(iff)elsex;",
)
PIECES = (
    b"if",
    b"if(",
    b" if",
    b"in",
    b" in",
    b"else ",
    b"else",
    b" (",
    b");",
    b"));",
    b") ;\n",
    b" + ",
    b"a;",
    b"x y",
)
AMBIGUOUS = (
    'start: "a"* b\nb: "a" b? "a" | "aa" | c c\nc: "a" | "ab" | c "a"',
    "start: (A | B | C)+\nA: /[ab]+/\nB: /b[a-c]*/\nC: /c+b?/",
    'start: x\nx: "(" x* ")" | "(" x ")" y* | "()"\ny: "(" | ")" y | x',
)


def variant(grammar: Grammar, vocabulary: Vocabulary, bounds: dict[str, int]) -> PushdownAutomaton:
    automaton = constrain.compile(grammar, vocabulary)
    assert isinstance(automaton, PushdownAutomaton)
    for name, bound in bounds.items():
        automaton.arena[name] = bound
    return automaton


def mask_of(automaton: PushdownAutomaton, state: int) -> list[int]:
    words = allocate(automaton.vocabulary.width)
    words[:] = -1
    automaton.fill_mask(state, words)
    return bits_of(words)


def check_text(automata: list[PushdownAutomaton], text: bytes) -> None:
    """Along a text: the masks of all automata are the tokens that the first one, which steps byte by byte, takes."""
    states = [automaton.start() for automaton in automata]
    for i in range(len(text) + 1):
        first = automata[0]
        expected = [t for t in range(first.vocabulary.width) if first.advance(states[0], t) is not None]
        for automaton, state in zip(automata, states, strict=True):
            assert mask_of(automaton, state) == expected, text[:i]
            assert mask_of(automaton, state) == expected, f"asked again after {text[:i]!r}"
            assert [t for t in expected if automaton.advance(state, t) is None] == []
        if i < len(text):
            states = [a.advance(s, text[i]) for a, s in zip(automata, states, strict=True)]
            assert None not in states, text[: i + 1]


def test_masks_do_not_depend_on_caches() -> None:
    vocabulary = byte_vocabulary(*PIECES)
    grammar = spelled_out(constrain.lark(STATEMENTS))
    off, on, tiny, usual = (variant(grammar, vocabulary, bounds) for bounds in (NOWHERE, EVERYWHERE, TINY, {}))
    for text in TEXTS:
        check_text([off, on, tiny, usual], text.encode())
    assert off.counters()["walkset"] == 1 and off.counters()["maskslot"] == 0
    assert on.counters()["walkset"] > 100 and on.counters()["maskslot"] > 50
    assert tiny.arena["walkmember"] <= 20


@pytest.mark.parametrize("bounds", [EVERYWHERE, TINY], ids=["on", "tiny"])
@pytest.mark.parametrize("source", AMBIGUOUS)
def test_ambiguous_grammars_equal_the_twin(source: str, bounds: dict[str, int]) -> None:
    vocabulary = byte_vocabulary(b"ab", b"aa", b"ba", b"abc", b"()", b"))", b"((", b")(", b"cb")
    grammar, rng = spelled_out(constrain.lark(source)), random.Random(source)
    automaton, twin = variant(grammar, vocabulary, bounds), NaiveAutomaton(grammar, vocabulary)
    tokens = [t for t in range(vocabulary.width) if t > 255 or t in b"abc()"]
    for _ in range(4):
        state, text = automaton.start(), twin.start()
        for _ in range(8):
            expected = [t for t in tokens if twin.advance(text, t) is not None]
            assert [t for t in mask_of(automaton, state) if t in tokens] == expected, text
            assert automaton.is_accepting(state) == twin.is_accepting(text), text
            allowed = [t for t in expected if t < len(vocabulary)]
            if not allowed:
                break
            token = rng.choice(allowed)
            state, text = automaton.advance(state, token), twin.advance(text, token)


@pytest.mark.parametrize("seed", range(6))
def test_random_grammars_with_sets_everywhere(seed: int) -> None:
    """Bags and their words among them: a walk with sets suspects what a walk without them does."""
    rng = random.Random(seed)
    for _ in range(20):
        grammar, vocabulary = random_grammar(rng), random_vocabulary(rng, complete=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                automata = [variant(grammar, vocabulary, bounds) for bounds in (NOWHERE, EVERYWHERE, TINY)]
            except GrammarError:
                continue
        states = [automaton.start() for automaton in automata]
        for _ in range(6):
            masks = [mask_of(a, s) for a, s in zip(automata, states, strict=True)]
            assert masks[0] == masks[1] == masks[2], str(grammar)
            tokens = [t for t in masks[0] if automata[0].advance(states[0], t) not in (None, 1)]
            if not tokens:
                break
            token = rng.choice(tokens)
            states = [a.advance(s, token) for a, s in zip(automata, states, strict=True)]


def test_objects_with_sets_everywhere() -> None:
    """Keys that must not come twice are suspected from sets too."""
    schema = {
        "type": "object",
        "properties": {"ab": {"type": "integer"}, "a": {}, "b": {"$ref": "#"}},
        "maxProperties": 5,
    }
    vocabulary = byte_vocabulary(b'"a', b'a"', b'b":', b'"ab"', b'{"', b'":1', b'","', b"\\u006", b'1,"a":')
    grammar = constrain.json_schema(schema)
    automata = [variant(grammar, vocabulary, bounds) for bounds in (NOWHERE, EVERYWHERE, TINY)]
    for text in (b'{"ab":2,"a":1,"b":{"a":[1],"c":null},"abc":""}', b'{"ab":0,"b":{"x":{}},"y":1,"\\u0079z":2}'):
        check_text(automata, text)


def test_more_masks_than_are_remembered() -> None:
    """Rows are given up and made again, and one that is there is copied without a visit."""
    vocabulary = byte_vocabulary(b"xx")
    counted = variant(spelled_out(constrain.lark('start: "x" start "y" | "x" "y"')), vocabulary, EVERYWHERE)
    state, states = counted.start(), []
    for _ in range(2 * MASKS):
        states.append(state)
        state = counted.advance(state, ord("x"))
    expected = [[ord("x"), 256]] + [[ord("x"), ord("y"), 256]] * (2 * MASKS - 1)
    for order in (1, -1, 1):
        assert [mask_of(counted, s) for s in states[::order]] == expected[::order]
    assert counted.counters()["maskslot"] == MASKS
    visits = counted.counters()["visits"]
    assert mask_of(counted, states[-1]) == expected[-1] and counted.counters()["visits"] == visits


def test_remembered_masks_are_counted_as_they_are_made() -> None:
    automaton = variant(constrain.regex("a*b"), byte_vocabulary(), EVERYWHERE)
    before, row = automaton.nbytes, 4 * automaton.vocabulary.words
    mask_of(automaton, automaton.start())
    assert automaton.counters()["maskslot"] == 1
    assert before + row <= automaton.nbytes < before + MASKS * row
