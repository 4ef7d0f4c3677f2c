"""What a backtracking matcher takes as a lexeme: the strings whose *preferred* match is the whole string.

``re.match`` does not return the longest match but the first in order of preference: alternatives from left to
right, greedy repeats long first, lazy ones short first. A scanner built on it (Lark's) therefore never sees
``"a"b"`` as one lexeme of ``".*?"`` although the pattern matches all of it. Since ``w`` is taken somewhere if
and only if ``re.match`` on ``w`` alone ends at ``len(w)`` (there is no look-ahead here), the lexemes are a regular
language; this module builds its automaton.

The pattern becomes a program with ordered threads (Pike's machine, see Cox, "Regular Expression Matching: the
Virtual Machine Approach", 2009), and lists of threads become states: a list is cut behind a thread that has
matched, because all later threads are less preferred.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends import python_regex
from constrain.frontends.char_sets import atoms
from constrain.frontends.lexeme_dfa import MAX_STATES, Dfa, trimmed
from constrain.frontends.python_regex import op
from constrain.ir import rx
from constrain.ir.rx import Ranges, Rx

MAX_PROGRAM = 50_000
MATCH = -1
_NO_REPEATS: frozenset[int] = frozenset()
_CHARACTERS = (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)


@dataclass(frozen=True)
class Lexemes:
    """``language``: the lexemes as an expression; ``dfa``: the same as an automaton."""

    language: Rx
    dfa: Dfa


@lru_cache(maxsize=1024)
def lexemes(pattern: str, flags: int = 0) -> Lexemes:
    """The lexemes of a Python pattern. Raises ``GrammarError`` for what is refused in lexemes (anchors, look-ahead)."""
    try:
        program = _Compiler(pattern).compile(flags)
        dfa, ordered = _explore(program)
        if ordered or program.has_look_behind:
            smallest = dfa.smallest()
            return Lexemes(smallest.expression, smallest)
        return Lexemes(_plain(pattern, flags), dfa)
    except RecursionError as error:
        raise GrammarError(f"the pattern is nested too deeply: {pattern[:60]!r}...") from error


def _plain(pattern: str, flags: int) -> Rx:
    node = python_regex.parse(pattern, flags)
    if not isinstance(node, Rx):
        raise TypeError("a pattern without anchors is a plain expression")
    return node


@dataclass
class Program:
    """``char[i]`` is the set that instruction i reads (then i + 1 is next), ``ways[i]`` where it may go without
    reading, best first, ``behind[i]`` the set in which the symbol just read must be (then i + 1), and ``rounds[i]``
    asks for another round of a repeat: (which repeat, is this its beginning?, round, exit, greedy?)."""

    char: dict[int, Ranges] = field(default_factory=dict)
    ways: dict[int, tuple[int, ...]] = field(default_factory=dict)
    rounds: dict[int, tuple[int, bool, int, int, bool]] = field(default_factory=dict)
    behind: dict[int, Ranges] = field(default_factory=dict)
    size: int = 0
    pattern: str = ""

    @property
    def has_look_behind(self) -> bool:
        return bool(self.behind)

    def place(self) -> int:
        if self.size >= MAX_PROGRAM:
            raise LimitExceeded("instructions of one terminal", self.size + 1, MAX_PROGRAM, "repeat fewer times")
        self.size += 1
        return self.size - 1


class _Compiler:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.program = Program(pattern=pattern)
        self.reader = python_regex.Reader(pattern)

    def compile(self, flags: int) -> Program:
        tree = python_regex.parse_tree(self.pattern, flags)
        self.sequence(tree, flags | tree.state.flags)
        self.program.ways[self.program.place()] = (MATCH,)
        return self.program

    def sequence(self, items: Iterable[tuple[Any, Any]], flags: int) -> None:
        for code, argument in items:
            self.item(code, argument, flags)

    def item(self, code: Any, argument: Any, flags: int) -> None:
        if code in _CHARACTERS:
            self.program.char[self.program.place()] = self.reader.ranges(code, argument, flags)
        elif code is op.BRANCH:
            self.branch(argument[1], flags)
        elif code is op.SUBPATTERN:
            self.sequence(argument[3], self.reader.group_flags(argument[1], argument[2], flags))
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            self.repeat(argument, code is op.MAX_REPEAT, flags)
        elif code in (op.ASSERT, op.ASSERT_NOT) and argument[0] < 0:
            self.look_behind(argument[1], code is op.ASSERT_NOT, flags)
        elif code is op.AT:
            self.reader.refuse("anchor" if argument in python_regex.EDGES else "word boundary", flags)
        elif code is op.FAILURE:
            self.program.char[self.program.place()] = ()
        else:
            python_regex.READ[code](self.reader, argument, flags)  # refuses

    def branch(self, branches: list[Any], flags: int) -> None:
        program = self.program
        fork = program.place()
        starts, exits = [], []
        for items in branches:
            starts.append(program.size)
            self.sequence(items, flags)
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

    def look_behind(self, items: Any, negated: bool, flags: int) -> None:
        if len(items) != 1 or items[0][0] not in _CHARACTERS:
            self.reader.refuse("look-behind", flags)
        ranges = self.reader.ranges(items[0][0], items[0][1], flags)
        self.program.behind[self.program.place()] = rx.invert_ranges(ranges) if negated else ranges


def _atoms(program: Program) -> list[tuple[Ranges, frozenset[int]]]:
    """The coarsest classes of symbols that no set of the program splits, each with the instructions that allow it."""
    users: dict[Ranges, list[int]] = {}
    for table in (program.char, program.behind):
        for place, ranges in table.items():
            users.setdefault(ranges, []).append(place)
    places = list(users.values())
    return [(r, frozenset(p for i in used for p in places[i])) for r, used in atoms(list(users))]


def _explore(program: Program) -> tuple[Dfa, bool]:
    """The automaton, and whether preference makes the lexemes fewer than the strings that the pattern matches."""
    atoms = _atoms(program)
    start = (_closure(program, [0], None, cut=True), frozenset(_closure(program, [0], None, cut=False)))
    moves: dict[Hashable, dict[Hashable, Ranges]] = {}
    accepting: set[Hashable] = set()
    ordered, stack = False, [start]
    while stack:
        state = stack.pop()
        if state in moves:
            continue
        threads, loose = state
        targets: dict[Hashable, Ranges] = {}
        moves[state] = targets
        if MATCH in threads:
            accepting.add(state)
        ordered |= MATCH in loose and MATCH not in threads
        for ranges, allowed in atoms:
            target = (
                _closure(program, [t + 1 for t in threads if t in allowed], allowed, cut=True),
                frozenset(_closure(program, [t + 1 for t in loose if t in allowed], allowed, cut=False)),
            )
            if target[1]:
                targets[target] = rx.merge_ranges((*targets.get(target, ()), *ranges))
                stack.append(target)
        if len(moves) > MAX_STATES:
            raise LimitExceeded("states of one terminal", len(moves), MAX_STATES, "repeat fewer times")
    return trimmed(moves, start, accepting), ordered


def _closure(program: Program, places: list[int], read: frozenset[int] | None, *, cut: bool) -> tuple[int, ...]:
    """The threads that wait for a symbol, best first; ``read`` are the instructions that allow the symbol just read.

    Each path remembers the repeats in which it has begun a round since that symbol: like ``re``, it leaves a
    repeat after a round that read nothing.
    """
    found: dict[int, None] = {}
    seen: set[tuple[int, frozenset[int]]] = set()
    stack = [(place, _NO_REPEATS) for place in reversed(places)]
    while stack:
        step = stack.pop()
        if step in seen:
            continue
        seen.add(step)
        place, begun = step
        if place == MATCH or place in program.char:
            found[place] = None
            if place == MATCH and cut:
                break
        elif place in program.ways:
            stack.extend((way, begun) for way in reversed(program.ways[place]))
        elif place in program.rounds:
            stack.extend(_rounds(program.rounds[place], begun))
        elif read is None:
            raise python_regex.refusal(program.pattern, "look-behind")
        elif place in read:
            stack.append((place + 1, begun))
    return tuple(found)


def _rounds(choice: tuple[int, bool, int, int, bool], begun: frozenset[int]) -> list[tuple[int, frozenset[int]]]:
    """Where a repeat goes on, best last (for a stack)."""
    repeat, is_first, inside, outside, greedy = choice
    leave = (outside, begun - {repeat})
    if repeat in begun and not is_first:
        return [leave]
    enter = (inside, begun | {repeat})
    return [leave, enter] if greedy else [enter, leave]


def literal_lexemes(text: str) -> Lexemes:
    """One fixed string."""
    codes = [ord(c) for c in text]
    rows = tuple((((((code, code),)), i + 1),) for i, code in enumerate(codes))
    return Lexemes(rx.literal(text), Dfa((*rows, ()), frozenset((len(codes),))))
