"""The patterns of all terminals as one program for threads that ``re`` would try, best first.

A backtracking matcher does not return the longest match but the first in order of preference: alternatives from left
to right, greedy repeats long first, lazy ones short first. Running all attempts at once, in order of preference, keeps
exactly that order (Pike's machine, see Cox, "Regular Expression Matching: the Virtual Machine Approach", 2009).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends import python_regex
from constrain.frontends.char_sets import ASCII_SETS, unicode_set
from constrain.frontends.python_regex import op, refusal
from constrain.ir import rx
from constrain.ir.rx import Ranges

MAX_PROGRAM = 100_000
_CHARACTERS = (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)
_EVERYTHING: Ranges = ((0, rx.MAX_CODE_POINT),)
_LINE_FEED: Ranges = ((10, 10),)
_BUT_LINE_FEED: Ranges = ((0, 9), (11, rx.MAX_CODE_POINT))


@dataclass
class Program:
    """Instructions by place. ``char``: the set that is read, then the next place. ``ways``: where to go without
    reading, best first. ``rounds``: another round of a repeat? (which repeat, is this its beginning?, round, exit,
    greedy?). ``ahead``: (entry, negated) of a look-ahead, ``behind``: (number of a look-behind, negated), then the
    next place. ``match``: places where a pattern has matched. ``look_behinds``: their entries by number."""

    char: dict[int, Ranges] = field(default_factory=dict)
    ways: dict[int, tuple[int, ...]] = field(default_factory=dict)
    rounds: dict[int, tuple[int, bool, int, int, bool]] = field(default_factory=dict)
    ahead: dict[int, tuple[int, bool]] = field(default_factory=dict)
    behind: dict[int, tuple[int, bool]] = field(default_factory=dict)
    match: set[int] = field(default_factory=set)
    look_behinds: list[int] = field(default_factory=list)
    size: int = 0

    def place(self) -> int:
        """A new place."""
        if self.size >= MAX_PROGRAM:
            raise LimitExceeded("instructions of all terminals", self.size + 1, MAX_PROGRAM, "repeat fewer times")
        self.size += 1
        return self.size - 1

    def add(self, pattern: str, flags: int) -> tuple[int, int]:
        """Compile a pattern: the place where it begins, and where it has matched. Raises ``GrammarError`` for what is
        not regular, by name."""
        try:
            return _Compiler(self, pattern).compile(flags)
        except RecursionError as error:
            raise GrammarError(f"the pattern is nested too deeply: {pattern[:60]!r}...") from error


class _Compiler:
    def __init__(self, program: Program, pattern: str) -> None:
        self.program = program
        self.reader = python_regex.Reader(pattern)
        self.looks_behind = False

    def compile(self, flags: int) -> tuple[int, int]:
        tree = python_regex.parse_tree(self.reader.pattern, flags)
        return self.whole(tree, flags | tree.state.flags)

    def whole(self, items: Iterable[tuple[Any, Any]], flags: int) -> tuple[int, int]:
        """``items`` and a match after them."""
        start = self.program.size
        self.sequence(items, flags)
        end = self.program.place()
        self.program.match.add(end)
        return start, end

    def sequence(self, items: Iterable[tuple[Any, Any]], flags: int) -> None:
        for code, argument in items:
            self.item(code, argument, flags)

    def item(self, code: Any, argument: Any, flags: int) -> None:
        if code in _CHARACTERS:
            self.read(self.reader.ranges(code, argument, flags))
        elif code is op.BRANCH:
            self.branch([lambda items=items: self.sequence(items, flags) for items in argument[1]])
        elif code is op.SUBPATTERN:
            self.sequence(argument[3], self.reader.group_flags(argument[1], argument[2], flags))
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            self.repeat(argument, code is op.MAX_REPEAT, flags)
        elif code in (op.ASSERT, op.ASSERT_NOT):
            self.look(argument, code is op.ASSERT_NOT, flags)
        elif code is op.AT:
            self.anchor(argument, flags)
        elif code is op.FAILURE:
            self.read(())
        else:
            python_regex.READ[code](self.reader, argument, flags)  # refuses

    def read(self, ranges: Ranges) -> None:
        self.program.char[self.program.place()] = ranges

    def branch(self, branches: list[Any]) -> None:
        program = self.program
        fork = program.place()
        starts, exits = [], []
        for emit in branches:
            starts.append(program.size)
            emit()
            exits.append(program.place())
        program.ways[fork] = tuple(starts)
        program.ways.update(dict.fromkeys(exits, (program.size,)))

    def repeat(self, argument: tuple[int, Any, Any], greedy: bool, flags: int) -> None:
        low, high, items = argument
        for _ in range(low):
            self.sequence(items, flags)
        if high is op.MAXREPEAT:
            self.star(items, greedy, flags)
            return
        program, forks = self.program, []
        for _ in range(int(high) - low):
            forks.append(program.place())
            self.sequence(items, flags)
        for fork in forks:
            program.rounds[fork] = (forks[0], fork == forks[0], fork + 1, program.size, greedy)

    def star(self, items: Any, greedy: bool, flags: int) -> None:
        program = self.program
        fork = program.place()
        self.sequence(items, flags)
        again = program.place()
        program.rounds[fork] = (fork, True, fork + 1, program.size, greedy)
        program.rounds[again] = (fork, False, fork + 1, program.size, greedy)

    def look(self, argument: tuple[int, Any], negated: bool, flags: int) -> None:
        direction, items = argument
        if self.looks_behind:
            self.refuse_test(flags)
        if direction >= 0:
            self.ahead(lambda: self.sequence(items, flags), negated)
        else:
            self.behind(lambda: self.sequence(items, flags), negated)

    def refuse_test(self, flags: int) -> NoReturn:
        message = "a look-around, an anchor or a word boundary inside a look-behind is not supported"
        raise refusal(self.reader.pattern, "look-behind", bool(flags & re.VERBOSE), message)

    def aside(self, emit: Any) -> int:
        """Code beside the path: its entry."""
        program = self.program
        skip = program.place()
        entry = program.size
        emit()
        program.match.add(program.place())
        program.ways[skip] = (program.size,)
        return entry

    def ahead(self, emit: Any, negated: bool) -> None:
        entry = self.aside(emit)
        self.program.ahead[self.program.place()] = (entry, negated)

    def behind(self, emit: Any, negated: bool) -> None:
        self.looks_behind = True
        self.program.look_behinds.append(self.aside(emit))
        self.looks_behind = False
        self.program.behind[self.program.place()] = (len(self.program.look_behinds) - 1, negated)

    def anchor(self, kind: Any, flags: int) -> None:
        """Anchors and word boundaries as looks at the neighbouring characters."""
        if self.looks_behind:
            self.refuse_test(flags)
        lines = bool(flags & re.MULTILINE)
        if kind in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
            before = _BUT_LINE_FEED if lines and kind is op.AT_BEGINNING else _EVERYTHING
            self.behind(lambda: self.read(before), True)
        elif kind is op.AT_END_STRING:
            self.ahead(lambda: self.read(_EVERYTHING), True)
        elif kind is op.AT_END:
            self.ahead((lambda: self.read(_BUT_LINE_FEED)) if lines else self.more_than_a_line_feed, True)
        else:
            self.boundary(kind is op.AT_BOUNDARY, flags)

    def more_than_a_line_feed(self) -> None:
        self.branch([lambda: self.read(_BUT_LINE_FEED), self.line_feed_and_more])

    def line_feed_and_more(self) -> None:
        self.read(_LINE_FEED)
        self.read(_EVERYTHING)

    def boundary(self, wanted: bool, flags: int) -> None:
        """``\\b`` (or ``\\B``): a word character on one side only (or on both or none)."""
        word = ASCII_SETS["w"] if flags & re.ASCII else unicode_set("w")

        def side(before: bool) -> None:
            self.behind(lambda: self.read(word), not before)
            self.ahead(lambda: self.read(word), before == wanted)

        self.branch([lambda: side(True), lambda: side(False)])
