"""Texts with gaps of any bytes: the naive twin, witnesses, own cases and those of the reference implementation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from random import Random

import pytest
import reference_grammars as reference
from hypothesis import assume, given, settings
from naive import gaps
from naive.language import accepts
from strategies import grammars, randoms

import constrain
from constrain.canvas.normal import normal_form
from constrain.canvas.unbounded import Unbounded
from constrain.errors import GrammarError, LimitExceeded
from constrain.ir.grammar import Grammar, Terminal, walk

Segments = list[bytes | None]
BYTES = (b"a", b"b", b"c", b"ab", b"\xc3", b'"', b"aab")


def random_segments(rng: Random) -> Segments:
    return [rng.choice((None, None, *BYTES)) for _ in range(rng.randint(0, 5))]


def fits(text: bytes, segments: Segments) -> bool:
    """Is the text one with these segments?"""
    pattern = b"".join(b"(?s:.)*" if s is None else re.escape(s) for s in segments)
    return re.fullmatch(pattern, text) is not None


def prepared(grammar: Grammar) -> Unbounded:
    try:
        return Unbounded(grammar)
    except (GrammarError, LimitExceeded):
        assume(False)
        raise


@given(grammars(), randoms())
def test_all_answers_are_those_of_the_naive_twin(grammar: Grammar, rng: Random) -> None:
    for terminal in {id(n): n for body in grammar.rules.values() for n in walk(body)}.values():
        if isinstance(terminal, Terminal):
            terminal.encoding = "bytes"  # the twin reads no others
    unbounded = prepared(grammar)
    for _ in range(6):
        segments = random_segments(rng)
        assert unbounded.completable(segments) == gaps.completable(grammar, segments), segments


@settings(max_examples=150)
@given(grammars(with_terminals=False), randoms())
def test_answers_on_rules_of_literals_are_those_of_the_naive_twin(grammar: Grammar, rng: Random) -> None:
    unbounded = prepared(grammar)
    for _ in range(6):
        segments = random_segments(rng)
        assert unbounded.completable(segments) == gaps.completable(grammar, segments), segments


@given(grammars(), randoms())
def test_a_yes_comes_with_a_member_and_a_no_with_none(grammar: Grammar, rng: Random) -> None:
    unbounded = prepared(grammar)
    for _ in range(6):
        segments = random_segments(rng)
        witness = unbounded.witness(segments)
        assert (witness is not None) == unbounded.completable(segments)
        if witness is not None:
            assert fits(witness, segments)
            assert accepts(grammar, witness)
        else:  # no short text either
            pieces = [b""] if None not in segments else [b"", *BYTES, b"\xa9"]
            assert not any(accepts(grammar, b"".join(p if s is None else s for s in segments)) for p in pieces)


def test_the_kernels_are_the_same_as_plain_python() -> None:
    """In a process of its own: what Numba makes of the kernels does what they say."""
    program = """
import constrain
from constrain.canvas.unbounded import Unbounded
unbounded = Unbounded(constrain.gbnf('root ::= "(" root? ")" root? | "[" [a-z]+ "]"'))
long = [b"(" * 30, None, b"[a", None, b"b]" + b")" * 20, None]
texts = [long, [b"([", None, b")"], [b"([", None, b"[)"], [None, b")("], [b")", None]]
print([unbounded.completable(text) for text in texts])
"""
    printed = [
        subprocess.run([sys.executable, "-c", program], env=os.environ | {"NUMBA_DISABLE_JIT": flag}, check=True,
                       capture_output=True, text=True).stdout for flag in ("1", "0")
    ]  # fmt: skip
    assert printed == ["[True, True, False, False, False]\n"] * 2


PAIRS = 'root ::= "(" ws root? ws ")" | "[" [a-z]+ "]"\nws ::= " "*'


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([b"(()"], False),
        ([b"(", b"())"], True),
        ([b"((", None], True),
        ([None], True),
        ([None, None], True),
        ([], False),
        ([b""], False),
        ([None, b"[a", None, b"b]", None], True),
        ([b"[a", None, b"("], False),
        ([b"(", None, b"]))"], True),
        ([b"()", None, b")"], False),
        ([None, b" [", None], True),
        ([None, b"[ ", None], False),
        ([b"[", None, b"x", None, b"y", None, b"]"], True),
        ([b"(" * 70, None, b")" * 70], True),
        ([b"(" * 70 + b")" * 69], False),
    ],
)
def test_brackets(segments: Segments, expected: bool) -> None:
    unbounded = Unbounded(constrain.gbnf(PAIRS))
    assert unbounded.completable(segments) == expected
    witness = unbounded.witness(segments)
    assert (witness is not None) == expected
    assert witness is None or fits(witness, segments)


def test_one_lexeme_may_span_several_gaps() -> None:
    """The reference's glp-2 to glp-6: what is between the gaps must all be part of one word, in its order."""
    null = Unbounded(constrain.regex("null"))
    assert null.completable([b"n", None, b"l", None])
    assert not null.completable([b"nul", None, b"ull"])
    assert not null.completable([b"n", None, b"ll", None, b"l"])
    assert Unbounded(constrain.regex("(null){2}")).completable([b"nul", None, b"ull"])


def test_the_empty_text() -> None:
    some = Unbounded(constrain.gbnf('root ::= "(" root ")" |'))
    assert some.completable([])
    assert some.completable([None])
    assert some.witness([b"", None]) == b""
    assert not Unbounded(constrain.regex("a+")).completable([])


def test_a_normal_form_is_as_good_as_its_grammar() -> None:
    grammar = constrain.gbnf(PAIRS)
    assert Unbounded(normal_form(grammar)).witness([b"((", None, b"a]"]) is None
    assert Unbounded(normal_form(grammar)).witness([b"((", None, b"a]))"]) == b"(([a]))"


def test_segments_are_bytes() -> None:
    with pytest.raises(TypeError, match="encode text first"):
        Unbounded(constrain.regex("a")).completable(["a"])  # type: ignore[list-item]


# --- the reference's cases -----------------------------------------------------------------------------------------

DECIDED = {"cpp-test6": True, "cpp-lambda-gap": True}  # skipped there, and why says that these are the right answers
COMPLETABLE = reference.cases("completable")
EXAMPLES = {"lexNumber": "1"}  # a text of each lexeme that is not its own


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, str], Unbounded]:
    """Grammars of the reference that are prepared already, by name and blanks."""
    return {}


def reference_unbounded(known: dict[tuple[str, str], Unbounded], name: str, blanks: str) -> Unbounded:
    if (name, blanks) not in known:
        known[name, blanks] = Unbounded(reference.grammar_of(reference.grammars()[name], blanks))
    return known[name, blanks]


needs_cases = pytest.mark.skipif(not COMPLETABLE, reason=f"needs the data folder {reference.FOLDER}")


@needs_cases
@pytest.mark.parametrize("blanks", ["", reference.BLANKS])
@pytest.mark.parametrize("name", sorted({row["grammar"] for row in COMPLETABLE}))
def test_completability_is_that_of_the_reference(
    name: str, blanks: str, known: dict[tuple[str, str], Unbounded]
) -> None:
    for row in COMPLETABLE:
        if (row["grammar"], row.get("strip_chars", reference.BLANKS)) != (name, blanks):
            continue
        unbounded, segments = reference_unbounded(known, name, blanks), reference.segments(row)
        assert unbounded.completable(segments) == DECIDED.get(row["id"], row["expected"]), row["id"]
        witness = unbounded.witness(segments)
        assert witness is None or fits(witness, segments), row["id"]


@needs_cases
def test_patterns_admit_the_lexemes_of_the_reference() -> None:
    rows = reference.cases("pattern_lexemes")
    for row in rows:
        for key, expected in (("accepts_lexemes", True), ("rejects_lexemes", False)):
            for names in row[key]:
                grammar = reference.sequence_of(reference.grammars()[row["grammar"]], names)
                assert Unbounded(grammar).completable(reference.segments(row)) == expected, (row["id"], names)
    assert len(rows) == 13


@needs_cases
def test_fragments_of_lexemes_spelled_out() -> None:
    for row in reference.cases("completable_with_lexing_fragment"):
        spelled = [
            s if not isinstance(s, dict) else "".join(EXAMPLES.get(name, name) for name in s["lexemes"])
            for s in row["segments"]
        ]
        unbounded = Unbounded(reference.grammar_of(reference.grammars()[row["grammar"]]))
        assert unbounded.completable(reference.segments(row | {"segments": spelled})) == row["expected"], row["id"]


@needs_cases
def test_sequences_of_lexemes() -> None:
    rows = [*reference.cases("lexeme_sequence"), *reference.cases("intersection_empty")]
    decided = 0
    for row in rows:
        text = row.get("grammar_text") or reference.grammars()[row["grammar"]]["text"]
        start = reference.grammars()[row["grammar"]]["start"]
        names = row["lexemes"] if "lexemes" in row else list(row["regex"])
        if not all(name.isalnum() for name in row.get("regex", "")):
            continue  # a regular language, not one text
        expected = row["expected"] if "lexemes" in row else not row["expected_empty"]
        unbounded = Unbounded(reference.lexeme_grammar(text, start))
        assert unbounded.completable([reference.lexemes(names)]) == expected, row["id"]
        decided += 1
    assert decided >= 33


@needs_cases
def test_properties_of_grammars() -> None:
    for row in reference.cases("grammar_property"):
        grammar, expected = reference.lexeme_grammar(row["grammar_text"]), row["expected"]
        if expected["empty"]:
            with pytest.raises(GrammarError, match="matches nothing"):
                Unbounded(grammar)
        else:
            assert Unbounded(grammar).completable([]) == expected["generates_epsilon"], row["id"]


@needs_cases
def test_runs_of_one_operator_are_decided(known: dict[tuple[str, str], Unbounded]) -> None:
    unbounded = reference_unbounded(known, "cpp", reference.BLANKS)
    for row in reference.cases("lex_count"):
        if row["grammar"] == "cpp":
            assert unbounded.completable([None, row["text"].encode(), None])


@needs_cases
def test_terminals_match_whole_words() -> None:
    for row in reference.cases("terminal_match"):
        pattern = reference.grammars()[row["grammar"]]["terminals"][row["terminal"]]
        unbounded = Unbounded(Grammar("t", {"t": reference.terminal(pattern)}))
        assert unbounded.completable([reference.mark(row["text"])]) == row["oracle"]["fullmatch"], row["id"]


@needs_cases
def test_residuals_of_patterns() -> None:
    for row in reference.cases("regex"):
        assert Unbounded(constrain.regex(row["regex"])).completable([row["text"].encode()]) == row["expected"]
    for row in reference.cases("regex_residual"):
        unbounded = Unbounded(constrain.regex(row["regex"]))
        for key, expected in (("accepts", True), ("rejects", False)):
            for text in row[key]:
                more = [bytes([byte]) for byte in range(256)]  # there is at least one byte before or behind
                ways: list[Segments] = [[text.encode(), b, None] for b in more]
                if row["op"] == "true_suffix":
                    ways = [[None, b, text.encode()] for b in more]
                assert any(map(unbounded.completable, ways)) == expected, (row["id"], text)
