"""Hypothesis strategies for a grammar: its members, their beginnings, near-misses, and spellings as tokens.

All is drawn by single decisions of which the simplest is 0 (``constrain/members``), so failing examples shrink to
short texts of simple characters; recursive rules are drawn as parts of their own, which Hypothesis may put in each
other's place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from constrain.errors import LimitExceeded
from constrain.ir.grammar import Grammar, Literal, Terminal, walk
from constrain.members import Language
from constrain.members.strings import CLASSES, strings_of
from constrain.testing.tokens import respell
from constrain.testing.verdicts import Recogniser, Text, decoded, grammar_of
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

SPARE = 60  # bytes that a member may be longer than the shortest, where no size is given
SMALL = 8  # the same for members that are to be short
PADDING = 4  # decisions about nothing, at most, for one choice
LONG = 8  # characters that one edit deletes or writes twice, at most
MAX_CHARACTERS = 2_000  # that mutations choose from

Item = TypeVar("Item")
Source = Grammar | PushdownAutomaton


class Mutation(NamedTuple):
    """A text made from a member by edits, and whether it is (still, or again) a member."""

    text: Any  # str, or bytes where the grammar is not one of text
    is_member: bool


def strings(grammar: Source, *, max_size: int | None = None) -> SearchStrategy[Any]:
    """Members of the language: ``str``, or ``bytes`` where the grammar is not one of UTF-8 text (a pattern of bytes).

    No member has more than ``max_size`` bytes (as UTF-8); without it, at most 60 more than the shortest. Raises
    ``GrammarError`` when the language is empty, ``LimitExceeded`` when no member is so short.
    """
    source = _Members(grammar_of(grammar), max_size)
    return _strings(source)


def prefixes(grammar: Source, *, max_size: int | None = None) -> SearchStrategy[Any]:
    """Beginnings of members, from the empty text to a whole member: each can be continued to a member.

    ``max_size`` bounds the member. Text is cut between characters.
    """
    return _prefixes(_Members(grammar_of(grammar), max_size))


def mutations(grammar: Source, *, max_size: int | None = None) -> SearchStrategy[Mutation]:
    """Near-misses ``(text, is_member)``: members with one or two edits, and what the grammar says of the result.

    Edits delete, insert, replace and swap characters, cut the end off, and write a piece twice; characters are those of
    the grammar, and those just outside its ranges. ``max_size`` bounds the member before the edits.
    """
    source = _Members(grammar_of(grammar), max_size)
    return _mutations(source, Recogniser(source.grammar), _alphabet(source.language.grammar, source.is_text))


def tokenizations(grammar: Source, vocabulary: Vocabulary, *, max_size: int | None = None) -> SearchStrategy[list[int]]:
    """Members as token ids of ``vocabulary``, cut anyhow. Members that it cannot spell are not drawn."""
    return _tokenizations(_Members(grammar_of(grammar), max_size), vocabulary)


def edits(grammar: Source, texts: Sequence[Text]) -> SearchStrategy[Mutation]:
    """``mutations`` of given texts instead of drawn members: texts must be all ``str`` or all ``bytes``."""
    grammar = grammar_of(grammar)
    return _edits(texts, Recogniser(grammar), _alphabet(grammar, isinstance(texts[0], str)))


class _Members:
    """What members of one grammar are drawn from."""

    def __init__(self, grammar: Grammar, max_size: int | None) -> None:
        self.grammar = grammar
        self.language = Language(grammar)
        self.is_text = _is_text(self.language.grammar)
        least = self.language.least
        if max_size is not None and least > max_size:
            raise LimitExceeded("bytes of the shortest member", least, max_size)
        self.max_size = max_size
        self.spare = SPARE if max_size is None else max_size - least

    def __repr__(self) -> str:
        return f"<grammar from {self.grammar.start!r}>"

    def draw(self, draw: DrawFn) -> bytes:
        small = draw(_below(3)) == 2  # every third is short from the start: most faults show in small examples
        data = self.language.member(_Drawn(draw), min(self.spare, SMALL) if small else self.spare)
        if self.max_size is not None and len(data) > self.max_size:
            reject()  # what is known of the cheapest filling of a bag is an estimate
        if not self.language.accepts(data):
            reject()  # a lexer cuts it otherwise
        return data

    def draw_text(self, draw: DrawFn) -> Text:
        data = self.draw(draw)
        return data.decode() if self.is_text else data


@st.composite
def _strings(draw: DrawFn, source: _Members) -> Text:
    return source.draw_text(draw)


@st.composite
def _prefixes(draw: DrawFn, source: _Members) -> Text:
    text = source.draw_text(draw)
    return text[: draw(st.integers(0, len(text)))]


@st.composite
def _mutations(draw: DrawFn, source: _Members, recogniser: Recogniser, alphabet: Alphabet) -> Mutation:
    text = _edited(draw, source.draw_text(draw), alphabet)
    return Mutation(text, recogniser.accepts(text))


@st.composite
def _edits(draw: DrawFn, texts: Sequence[Text], recogniser: Recogniser, alphabet: Alphabet) -> Mutation:
    text = _edited(draw, draw(st.sampled_from(texts)), alphabet)
    return Mutation(text, recogniser.accepts(text))


@st.composite
def _tokenizations(draw: DrawFn, source: _Members, vocabulary: Vocabulary) -> list[int]:
    ids = respell(vocabulary, source.draw(draw), _Drawn(draw))
    if ids is None:
        reject()
    return ids


class _Drawn:
    """``Choices`` and ``Chooser`` of decisions that Hypothesis makes."""

    def __init__(self, draw: DrawFn) -> None:
        self._draw = draw
        self._writers: list[Callable[[], bytes]] = []
        self._span = st.builds(lambda: self._writers.pop()())  # drawing it puts what is drawn inside into one span

    def index(self, count: int) -> int:
        return self._draw(_below(count))

    def more(self) -> bool:
        return self._draw(_below(4)) > 0

    def rare(self) -> bool:
        return self._draw(_below(16)) == 15

    def weigh(self, size: int) -> None:
        for _ in range(min(size, PADDING)):  # Hypothesis takes for simpler what was drawn with fewer decisions
            self._draw(_below(1))

    def part(self, write: Callable[[], bytes]) -> bytes:
        self._writers.append(write)
        return self._draw(self._span)

    def choice(self, seq: Sequence[Item], /) -> Item:
        return seq[self.index(len(seq)) if len(seq) > 1 else 0]


@lru_cache(maxsize=4096)
def _below(count: int) -> SearchStrategy[int]:
    return st.integers(0, count - 1)


# --- Edits ---------------------------------------------------------------------------------------------------------


def _edited(draw: DrawFn, text: Text, alphabet: Alphabet) -> Text:
    """The text with one or two edits."""
    units: list[Any] = list(text)
    for _ in range(1 + draw(_below(2))):
        _EDITS[draw(_below(len(_EDITS)))](draw, units, alphabet)
    return "".join(units) if isinstance(text, str) else bytes(units)


def _place(draw: DrawFn, count: int) -> int:
    return draw(_below(count)) if count > 1 else 0


def _character(draw: DrawFn, units: list[Any], alphabet: Alphabet) -> Any:
    """One of the text, of the grammar's literals, or of its terminals: each source as often."""
    sources = [source for source in (units, alphabet.literal, alphabet.other) if source]
    if not sources:
        return alphabet.spare
    source = sources[_place(draw, len(sources))]
    return source[_place(draw, len(source))]


def _delete(draw: DrawFn, units: list[Any], alphabet: Alphabet) -> None:
    if units:
        i = _place(draw, len(units))
        del units[i : i + 1 + _place(draw, min(len(units) - i, LONG))]


def _replace(draw: DrawFn, units: list[Any], alphabet: Alphabet) -> None:
    if units:
        units[_place(draw, len(units))] = _character(draw, units, alphabet)


def _insert(draw: DrawFn, units: list[Any], alphabet: Alphabet) -> None:
    units.insert(_place(draw, len(units) + 1), _character(draw, units, alphabet))


def _swap(draw: DrawFn, units: list[Any], alphabet: Alphabet) -> None:
    if len(units) > 1:
        i = _place(draw, len(units) - 1)
        units[i : i + 2] = units[i + 1], units[i]


def _truncate(draw: DrawFn, units: list[Any], alphabet: Alphabet) -> None:
    if units:
        del units[_place(draw, len(units)) :]


def _duplicate(draw: DrawFn, units: list[Any], alphabet: Alphabet) -> None:
    if units:
        i = _place(draw, len(units))
        j = i + 1 + _place(draw, min(len(units) - i, LONG))
        units[j:j] = units[i:j]


_EDITS = (_delete, _replace, _insert, _swap, _truncate, _duplicate)


class Alphabet(NamedTuple):
    """Characters (or bytes) of a grammar, simple ones first: of its literals, and of its terminals (the ends of their
    ranges, and the neighbours of those); ``spare`` is for a grammar that has none."""

    literal: list[Any]
    other: list[Any]
    spare: Any


def _alphabet(grammar: Grammar, is_text: bool) -> Alphabet:
    literal: set[int] = set()
    other: set[int] = set()
    for node in _leaves(grammar):
        if isinstance(node, Literal):
            literal.update(map(ord, node.data.decode()) if is_text else node.data)
        else:
            other.update(*(_around(low, high) for low, high in _ranges(node)))
    return Alphabet(_ordered(literal, is_text), _ordered(other, is_text), "0" if is_text else 48)


def marks(grammar: Grammar) -> list[Text]:
    """The characters (or bytes) of literals that are neither letters nor digits: what syntax is made of."""
    alphabet = _alphabet(grammar, _is_text(grammar))
    found = [mark if isinstance(mark, str) else bytes([mark]) for mark in alphabet.literal]
    return [mark for mark in found if not mark.isalnum()]


def _ordered(codes: set[int], is_text: bool) -> list[Any]:
    top = 0x10FFFF if is_text else 0xFF
    known = {code for code in codes if 0 <= code <= top and not 0xD800 <= code <= 0xDFFF}
    ordered = sorted(known, key=lambda code: (_rank(code), code))[:MAX_CHARACTERS]
    return [chr(code) for code in ordered] if is_text else ordered


def _ranges(terminal: Terminal) -> set[tuple[int, int]]:
    quotes = {(34, 34), (92, 92)} if terminal.encoding == "json" else set()
    return quotes | {(step.low, step.high) for steps in strings_of(terminal).steps for step in steps}


def _around(low: int, high: int) -> tuple[int, ...]:
    return low - 1, low, high, high + 1


def _rank(code: int) -> int:
    return next(rank for rank, (low, high, _) in enumerate(CLASSES) if low <= code <= high)


def _is_text(grammar: Grammar) -> bool:
    """Is every literal UTF-8, and no terminal one of bytes?"""
    return all(
        node.encoding != "bytes" if isinstance(node, Terminal) else isinstance(decoded(node.data), str)
        for node in _leaves(grammar)
    )


def _leaves(grammar: Grammar) -> list[Literal | Terminal]:
    nodes = (node for body in grammar.rules.values() for node in walk(body))
    return [node for node in nodes if isinstance(node, (Literal, Terminal))]
