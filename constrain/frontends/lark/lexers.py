"""Lark's lexers as ``Lexing``: which tokens can be read in which context.

``basic``: one scanner for all terminals. ``contextual``: a scanner for each set of terminals that a state of the parser accepts;
the state is the one after the last token, before the reductions that the next one causes. ``dynamic``: a scanner for each
terminal, each on its own. ``dynamic_complete``: that, and shorter lexemes too.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from constrain.frontends.lark.scanner import NO_SETS, NONE, FreeScanner, Lexemes, Pattern, Scanner, Text
from constrain.frontends.lark.threads import Machine
from constrain.ir.grammar import Terminal
from constrain.ir.lexing import Way

END = "$END"
Key = TypeVar("Key", bound=Hashable)


class Numbers(Generic[Key]):
    """Small numbers for values, in the order in which they are met."""

    def __init__(self) -> None:
        self.values: list[Key] = []
        self._numbers: dict[Key, int] = {}

    def of(self, value: Key) -> int:
        """The number of a value."""
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


class Context(NamedTuple):
    """``scanner``: which one reads next (of a scanning lexer); ``barred``: tokens that the parser does not take next."""

    text: Text
    scanner: int = 0
    barred: frozenset[str] = frozenset()


class Kind(NamedTuple):
    """A token as rules know it: a terminal, and the scanner that reads on after it; or, without a name, nothing but
    the tokens that must not follow."""

    name: str
    scanner: int = 0
    barred: frozenset[str] = frozenset()


class LarkLexing:
    """The common part. ``kind(...)`` numbers the tokens; all of them are numbered before the first question."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.kinds: Numbers[Kind] = Numbers()
        self.contexts: Numbers[Context] = Numbers()
        self.end = self.kinds.of(Kind(END))
        self._terminals: dict[tuple[object, ...], Terminal] = {}
        self._read: dict[tuple[int, Text], list[Lexemes]] = {}

    def begin(self, scanner: int) -> None:
        """Begin with this scanner."""
        self.first = self.contexts.of(Context(Text(NONE, NO_SETS, self.machine.nowhere), scanner))

    @property
    def names(self) -> Sequence[str]:
        """What tokens are called."""
        return [kind.name for kind in self.kinds.values]

    def ways(self, context: int, token: int) -> list[Way]:
        """How a token can be read."""
        kind, before = self.kinds.values[token], self.contexts.values[context]
        if kind.barred:
            return [Way(None, self.contexts.of(before._replace(barred=before.barred | kind.barred)))]
        if kind.name in before.barred:
            return []
        if kind.name == END:
            return [Way(None, context)] if before.text.may_end(self.machine) else []
        return [
            Way(self._terminal(before, found), self.contexts.of(Context(found.after, kind.scanner)))
            for found in self.tokens(before, kind.name)
        ]

    def blanks(self, context: int) -> list[Way]:
        """What may be skipped."""
        before = self.contexts.values[context]
        return [
            Way(self._terminal(before, found), self.contexts.of(before._replace(text=found.after)))
            for found in self.ignored(before)
        ]

    def tokens(self, before: Context, name: str) -> list[Lexemes]:
        """The lexemes of a token."""
        raise NotImplementedError

    def ignored(self, before: Context) -> list[Lexemes]:
        """The lexemes of ignored terminals."""
        raise NotImplementedError

    def read(self, scanner: Scanner, text: Text) -> list[Lexemes]:
        """What a scanner reads, remembered."""
        key = (id(scanner), text)
        if key not in self._read:
            self._read[key] = scanner.lexemes(text)
        return self._read[key]

    def _terminal(self, before: Context, found: Lexemes) -> Terminal:
        """Equal languages are one object: what the engine makes of it is made once."""
        key = (found.name, found.language)
        if key not in self._terminals:
            self._terminals[key] = Terminal(found.language, name=found.name)
        return self._terminals[key]


class ScanningLexing(LarkLexing):
    """``basic`` and ``contextual``."""

    def __init__(self, machine: Machine, scanners: Sequence[Scanner], ignored: frozenset[str]) -> None:
        super().__init__(machine)
        self.scanners, self._ignored = scanners, ignored

    def tokens(self, before: Context, name: str) -> list[Lexemes]:
        found = self.read(self.scanners[before.scanner], before.text)
        return [each for each in found if each.name == name and each.pattern not in self._ignored]

    def ignored(self, before: Context) -> list[Lexemes]:
        found = self.read(self.scanners[before.scanner], before.text)
        return [each for each in found if each.pattern in self._ignored]


class DynamicLexing(LarkLexing):
    """``dynamic`` and ``dynamic_complete``."""

    def __init__(self, machine: Machine, patterns: Mapping[str, Pattern], ignored: Sequence[str], *, free: bool) -> None:
        super().__init__(machine)
        make = FreeScanner if free else Scanner
        self.scanners = {name: make(machine, [pattern]) for name, pattern in patterns.items()}
        self.skipping = [Scanner(machine, [patterns[name]]) for name in ignored]

    def tokens(self, before: Context, name: str) -> list[Lexemes]:
        return self.read(self.scanners[name], before.text)

    def ignored(self, before: Context) -> list[Lexemes]:
        return [each for scanner in self.skipping for each in self.read(scanner, before.text)]
