"""Lark's lexers as ``Lexing``: which tokens can be read in which context.

``basic``: one scanner for all terminals. ``contextual``: a scanner for each set of terminals that a state of the parser
accepts; the state is the one after the last token, before the reductions that the next one causes. ``dynamic``: a
scanner for each terminal, each on its own. ``dynamic_complete``: that, and shorter lexemes too.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence, Set
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

from constrain.frontends.lark.scanner import NO_SETS, NONE, FreeScanner, Lexemes, Pattern, Scanner, Text
from constrain.frontends.lark.threads import Machine
from constrain.ir import rx
from constrain.ir.grammar import Choice, Expr, Literal, Seq, Terminal, Token
from constrain.ir.lexing import Way
from constrain.ir.rx import Rx

END = "$END"
LONGEST_WORD, CASES = 64, 4  # states, and characters at one place
ENDED = -1  # the scanner after the end
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


class Inside(NamedTuple):
    """In the last line of a line break: in a state of a ``LastLines``, at a column. ``ran``: behind a run."""

    lines: int
    state: int
    column: int = 0
    ran: bool = False


class Line(NamedTuple):
    """Indentation (``indentation.py``): levels, open brackets, DEDENTs that must come next; where ``inside`` of a line
    break, and whether an INDENT begins there. ``fresh``: the last token was a line break, INDENT or DEDENT."""

    levels: tuple[int, ...] = (0,)
    depth: int = 0
    dedents: int = 0
    inside: Inside | None = None
    deeper: bool = False
    fresh: bool = False


class Context(NamedTuple):
    """``scanner``: which one reads next (of a scanning lexer); ``barred``: tokens that the parser does not take next;
    ``line``: where in the indentation (of a lexer that has it)."""

    text: Text
    scanner: int = 0
    barred: frozenset[str] = frozenset()
    line: Line = Line()


class Kind(NamedTuple):
    """A token as rules know it: a terminal, and the scanner that reads on after it; or, without a name, nothing but
    the tokens that must not follow. ``part``: of a terminal that is read in parts (``indentation.py``)."""

    name: str
    scanner: int = 0
    barred: frozenset[str] = frozenset()
    part: str = ""

    @property
    def title(self) -> str:
        """What messages call it."""
        return self.name or f"not before {', '.join(sorted(self.barred))}"


class LarkLexing:
    """The common part. ``token(...)`` numbers the tokens; all of them are numbered before the first question."""

    is_finite = True

    def __init__(self, machine: Machine, skipped: Set[str] = frozenset()) -> None:
        self.machine, self.skipped = machine, skipped
        self.kinds: Numbers[Kind] = Numbers()
        self.contexts: Numbers[Context] = Numbers()
        self.end = self.kinds.of(Kind(END))
        self._terminals: dict[tuple[object, ...], Expr] = {}
        self.embedded: dict[str, Expr] = {}  # what stands in the place of a terminal's symbol
        self._names: list[str] = []
        self._ways: dict[tuple[int, int], list[Way]] = {}
        self._stuck: dict[int, bool] = {}
        self._read: dict[tuple[int, Text], dict[str, list[Lexemes]]] = {}

    def token(self, kind: Kind) -> Expr:
        """What stands for it in rules."""
        return Token(self.kinds.of(kind), kind.title)

    def begin(self, scanner: int) -> None:
        """Begin with this scanner."""
        self.first = self.contexts.of(Context(Text(NONE, NO_SETS, self.machine.nowhere), scanner))

    @property
    def empty(self) -> frozenset[int]:
        """The tokens that read nothing."""
        return frozenset(i for i, kind in enumerate(self.kinds.values) if kind.name == END or kind.barred)

    @property
    def names(self) -> Sequence[str]:
        """What tokens are called."""
        if len(self._names) < len(self.kinds.values):
            self._names = [kind.title for kind in self.kinds.values]
        return self._names

    def ways(self, context: int, token: int) -> list[Way]:
        """How a token can be read."""
        key = (context, token)
        if key not in self._ways:
            self._ways[key] = self._new_ways(context, token)
        return self._ways[key]

    def _new_ways(self, context: int, token: int) -> list[Way]:
        kind, before = self.kinds.values[token], self.contexts.values[context]
        if kind.barred:
            return [Way(None, self.contexts.of(before._replace(barred=before.barred | kind.barred)))]
        if kind.name in before.barred:
            return []
        if kind.name == END:
            ended = Context(Text(NONE, NO_SETS, self.machine.nowhere), ENDED)
            return [Way(None, self.contexts.of(ended))] if before.text.may_end(self.machine) else []
        return [
            Way(self._body(found), self.contexts.of(Context(found.after, kind.scanner)))
            for found in self.tokens(before, kind.name)
        ]

    def may_be_stuck(self, context: int) -> bool:
        """Could it be that something is read from here on, as rules ask, after which nothing can be read?

        No, if behind blanks each token that rules may ask for can be read in some way after which the same holds, and
        the text end. (The greatest fixed point of that: what is assumed on the way to a proof is part of it.)
        """
        if self._bars:
            return True  # a rule may end so that nothing of what could be read may follow
        while context not in self._stuck:
            assumed: dict[int, None] = {}
            refuted = len(self._stuck)
            holds = self._is_safe(context, assumed)
            if len(self._stuck) == refuted:
                self._stuck.update(dict.fromkeys(assumed, not holds))
        return self._stuck[context]

    @cached_property
    def _bars(self) -> bool:
        return any(kind.barred for kind in self.kinds.values)

    def _is_safe(self, context: int, assumed: dict[int, None]) -> bool:
        """With what is assumed, and added to that; what is refuted is so for good."""
        if context in assumed or context in self._stuck:
            return not self._stuck.get(context, False)
        assumed[context] = None
        seen, todo = {context}, [context]
        for each in todo:  # grows
            if self._reads_all(each, assumed):
                return True
            new = {way.after for way in self.blanks(each)} - seen
            seen |= new
            todo += new
        del assumed[context]
        self._stuck[context] = True
        return False

    def _reads_all(self, context: int, assumed: dict[int, None]) -> bool:
        before = self.contexts.values[context]
        if before.scanner == ENDED:
            return True
        if before.barred or not before.text.may_end(self.machine):
            return False
        names = self.asked(before)
        tokens = [i for i, kind in enumerate(self.kinds.values) if kind.name in names]
        return all(any(self._is_safe(way.after, assumed) for way in self.ways(context, token)) for token in tokens)

    def asked(self, before: Context) -> set[str]:
        """The terminals that rules may ask for in a context."""
        return {kind.name for kind in self.kinds.values if kind.name != END}

    def blanks(self, context: int) -> list[Way]:
        """What may be skipped."""
        before = self.contexts.values[context]
        if before.scanner == ENDED:
            return []
        return [
            Way(self._body(found), self.contexts.of(before._replace(text=found.after)))
            for found in self.ignored(before)
        ]

    def tokens(self, before: Context, name: str) -> list[Lexemes]:
        """The lexemes of a token."""
        raise NotImplementedError

    def ignored(self, before: Context) -> list[Lexemes]:
        """The lexemes of ignored terminals."""
        raise NotImplementedError

    def read(self, scanner: Scanner, text: Text) -> dict[str, list[Lexemes]]:
        """What a scanner reads, by name, remembered. What is ignored is under ``""``."""
        key = (id(scanner), text)
        if key not in self._read:
            found: dict[str, list[Lexemes]] = {}
            for each in scanner.lexemes(text):
                found.setdefault("" if each.pattern in self.skipped else each.name, []).append(each)
            self._read[key] = found
        return self._read[key]

    def _body(self, found: Lexemes) -> Expr:
        """Equal languages are one object: what the engine makes of it is made once."""
        if found.name in self.embedded:
            return self.embedded[found.name]
        key = (found.name, found.language)
        if key not in self._terminals:
            self._terminals[key] = _spelled(found.language) or Terminal(found.language, name=found.name)
        return self._terminals[key]


def _spelled(language: Rx) -> Expr | None:
    """A fixed string, perhaps in upper and lower case, as such: it needs no automaton. None: it is something else."""
    if not isinstance(language, rx.Graph) or len(language.edges) > LONGEST_WORD:
        return None
    parts: list[Expr] = []
    state = language.start
    while state not in language.finals:
        edges = language.edges[state]
        if len({target for _, _, target in edges}) != 1 or sum(high - low + 1 for low, high, _ in edges) > CASES:
            return None
        letters = [chr(code).encode() for low, high, _ in edges for code in range(low, high + 1)]
        if len(letters) > 1:
            parts.append(Choice(*map(Literal, letters)))
        elif parts and isinstance(parts[-1], Literal):
            parts[-1] = Literal(parts[-1].data + letters[0])
        else:
            parts.append(Literal(letters[0]))
        state = edges[0][2]
    if language.edges[state]:
        return None
    return parts[0] if len(parts) == 1 else Seq(*parts)


class ScanningLexing(LarkLexing):
    """``basic`` and ``contextual``."""

    def __init__(self, machine: Machine, scanners: Sequence[Scanner], skipped: Set[str]) -> None:
        super().__init__(machine, skipped)
        self.scanners = scanners

    def tokens(self, before: Context, name: str) -> list[Lexemes]:
        return self.read(self.scanners[before.scanner], before.text).get(name, [])

    def asked(self, before: Context) -> set[str]:
        scanner = self.scanners[before.scanner]
        return super().asked(before) & {p.name for pattern in scanner.patterns for p in (pattern, *pattern.words)}

    def ignored(self, before: Context) -> list[Lexemes]:
        return self.read(self.scanners[before.scanner], before.text).get("", [])


class DynamicLexing(LarkLexing):
    """``dynamic`` and ``dynamic_complete``."""

    def __init__(
        self, machine: Machine, patterns: Mapping[str, Pattern], ignored: Sequence[str], *, free: bool
    ) -> None:
        super().__init__(machine)
        make = FreeScanner if free else Scanner
        self.scanners = {name: make(machine, [pattern]) for name, pattern in patterns.items()}
        self.skipping = [Scanner(machine, [patterns[name]]) for name in ignored]

    def tokens(self, before: Context, name: str) -> list[Lexemes]:
        return self.read(self.scanners[name], before.text).get(name, [])

    def ignored(self, before: Context) -> list[Lexemes]:
        found = (self.read(scanner, before.text).values() for scanner in self.skipping)
        return [each for values in found for lexemes in values for each in lexemes]
