"""Regular languages of strings: patterns, formats, whole string schemas, sets of keys."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from constrain.automata.regions import regions
from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends.json_schema.facts import STRING, Branch, Facts, Keys, Located, Refusal, Text
from constrain.frontends.json_schema.formats import string_format, why_not_regular
from constrain.frontends.json_schema.matching import matches
from constrain.frontends.json_schema.pointer import Path, pointer
from constrain.frontends.regex import regex_to_rx
from constrain.ir import rx as _rx
from constrain.ir.rx import (
    ANY_CHAR,
    ANY_TEXT,
    EPSILON,
    NOTHING,
    Rx,
    complement,
    concat,
    intersect,
    literal,
    repeat,
    union,
)

MAX_TEXTS = 40  # patterns of one string
MAX_FEW = 16  # strings of a pattern that are compared one by one
LATEST = 2020  # a schema of an earlier draft that names a format of a later one means that format


class Languages:
    """``formats``: ``assert``, ``annotate`` (formats assert nothing) or ``strict`` (unknown ones are refused)."""

    def __init__(
        self,
        formats: str,
        year: Callable[[Path], int],
        alternatives: Callable[[Branch], list[Facts]],
        refuse: Callable[[Refusal], None],
    ) -> None:
        self.formats = formats
        self.year = year
        self.alternatives = alternatives
        self.refuse = refuse
        self.patterns: dict[str, Rx | None] = {}
        self.few: dict[str, frozenset[str] | None] = {}
        self.prefixes: dict[str, str] = {}
        self.matched: dict[tuple[Text, str], bool] = {}

    def text(self, text: Text) -> Rx:
        """The strings that the text asks for."""
        found = self._format(text) if text.word == "format" else self._pattern(text)
        return ANY_TEXT if found is None else found

    def is_match(self, text: Text, value: str) -> bool:
        """Is ``value`` one of them?"""
        if (text, value) not in self.matched:
            self.matched[text, value] = matches(self.text(text), value)
        return self.matched[text, value]

    def words(self, text: Text) -> frozenset[str] | None:
        """The few strings that a pattern admits; ``None``: many, or not known."""
        if text.word == "format" or not text.wanted:
            return None
        if text.value not in self.few:
            found = few_words(self.text(text), MAX_FEW)
            self.few[text.value] = None if found is None else frozenset(found)
        return self.few[text.value]

    def prefix(self, text: Text) -> str:
        """What all strings that a pattern admits begin with."""
        if text.word == "format" or not text.wanted:
            return ""
        if text.value not in self.prefixes:
            self.prefixes[text.value] = literal_prefix(self.text(text))
        return self.prefixes[text.value]

    def _pattern(self, text: Text) -> Rx | None:
        if text.value not in self.patterns:
            try:
                self.patterns[text.value] = _read_pattern(text.value)
            except LimitExceeded:
                raise
            except GrammarError as error:
                reason = f"{text.value!r}: {error.message}"
                self.refuse(Refusal(text.word, text.path, reason, STRING, error.hint))
                self.patterns[text.value] = None
        rx = self.patterns[text.value]
        return rx if rx is None or text.wanted else complement(rx)

    def _format(self, text: Text) -> Rx | None:
        if self.formats == "annotate":
            return None
        year = self.year(text.path)
        reason = why_not_regular(text.value, LATEST)
        if reason is not None:
            self.refuse(Refusal("format", text.path, f"{text.value!r}: {reason}", STRING))
            return None
        found = string_format(text.value, year) or string_format(text.value, LATEST)
        if found is None:
            if self.formats == "strict":
                self.refuse(Refusal("format", text.path, f"{text.value!r} is no format of this draft", STRING))
            return None if text.wanted else NOTHING
        if text.wanted:
            return windowed(found.rx, 0, found.high)
        if found.widest is None:
            reason = f"{text.value!r} in a place where its complement is needed"
            self.refuse(Refusal("format", text.path, reason, STRING))
            return None
        return complement(found.widest)

    def of_string(self, facts: Facts) -> Rx:
        """The strings that satisfy ``facts``, but for the bounds of their length."""
        if facts.values is not None:
            return union(literal(value) for value in facts.values if isinstance(value, str))
        if len(facts.texts) > MAX_TEXTS:
            raise LimitExceeded(
                f"patterns that must hold together at {pointer(facts.path) or '/'}", len(facts.texts), MAX_TEXTS
            )
        rx = intersect([self.text(text) for text in facts.texts]) if facts.texts else ANY_TEXT
        banned = [value for value in facts.excluded if isinstance(value, str)]
        return rx - union(map(literal, banned)) if banned else rx

    def of_schema(self, located: Located) -> Rx:
        """The strings that satisfy a schema."""
        ways = [facts for facts in self.alternatives((located,)) if facts.types & STRING]
        return union(windowed(self.of_string(facts), facts.shortest, facts.longest) for facts in ways)

    def of_keys(self, keys: Keys) -> Rx:
        """The strings that are such keys."""
        wanted = [self.text(text) for text in keys.texts]
        if keys.schema is not None:
            wanted.append(self.of_schema(keys.schema))
        rx = meet_rx(*wanted)
        return rx - union(map(literal, keys.names)) if keys.names else rx


@lru_cache(maxsize=4096)
def _read_pattern(text: str) -> Rx:
    return regex_to_rx(text, dialect="ecma", search=True)


def windowed(rx: Rx, low: int, high: int | None) -> Rx:
    """The strings of ``rx`` with ``low`` to ``high`` symbols."""
    if high is not None and high < low:
        return NOTHING
    return rx if low == 0 and high is None else meet_rx(rx, repeat(ANY_CHAR, low, high))


def meet_rx(*parts: Rx) -> Rx:
    """Intersection; all strings are left out of it."""
    wanted = [part for part in parts if part != ANY_TEXT]
    return intersect(wanted) if wanted else ANY_TEXT


def is_nothing(rx: Rx) -> bool:
    """Is the language empty?"""
    if isinstance(rx, (_rx.And, _rx.Not)):
        return all(not matched for matched, _ in regions((rx,)))
    return rx == NOTHING


def literal_prefix(rx: Rx) -> str:
    """A string with which all strings of the language begin: its leading single symbols."""
    found = ""
    for part in rx.parts if isinstance(rx, _rx.Concat) else (rx,):
        if not isinstance(part, _rx.Chars) or len(part.ranges) > 1 or part.ranges[0][0] != part.ranges[0][1]:
            break
        found += chr(part.ranges[0][0])
    return found


def few_words(rx: Rx, limit: int) -> list[str] | None:
    """All strings of a language built from at most ``limit`` of them without ``And`` and ``Not``; else ``None``."""
    match rx:
        case _rx.Chars(ranges):
            if sum(high - low + 1 for low, high in ranges) > limit:
                return None
            return [chr(code) for low, high in ranges for code in range(low, high + 1)]
        case _rx.Union(parts):
            return _few_of_union(parts, limit)
        case _rx.Concat(parts):
            found = [""]
            for part in parts:
                words = few_words(part, limit)
                if words is None or len(words) * len(found) > limit:
                    return None
                found = [first + second for first in found for second in words]
            return list(dict.fromkeys(found))
        case _rx.Repeat(body, low, high):
            if high is None or high > 4:
                return None
            each = [few_words(concat([body] * count) if count else EPSILON, limit) for count in range(low, high + 1)]
            return _union_of(each, limit)
        case _rx.Graph():
            return _few_of_graph(rx, limit)
    return None


def _few_of_graph(graph: _rx.Graph, limit: int) -> list[str] | None:
    found: list[str] = []
    waiting = [("", graph.start)]
    for word, state in waiting:  # grows while we walk it
        if state in graph.finals:
            found.append(word)
        for low, high, target in graph.edges[state]:
            if high - low >= limit or len(waiting) + len(word) > 8 * limit:
                return None
            waiting += [(word + chr(code), target) for code in range(low, high + 1)]
    return found if len(found) <= limit else None


def _few_of_union(parts: tuple[Rx, ...], limit: int) -> list[str] | None:
    return None if len(parts) > limit else _union_of([few_words(part, limit) for part in parts], limit)


def _union_of(lists: list[list[str] | None], limit: int) -> list[str] | None:
    found: dict[str, None] = {}
    for words in lists:
        if words is None:
            return None
        found.update(dict.fromkeys(words))
    return list(found) if len(found) <= limit else None
