"""What a scanner takes as the next lexeme, given what its earlier choices claim about this text.

A lexeme of a terminal is taken where no thread that is more preferred goes on to a match. So the choice is a claim
about the text that follows, ``Context.never``, which the lexemes after it must keep. Following threads and
claims together gives a graph whose nodes know which terminals may end there, and with which claims: for each terminal
and each context after it a regular language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

from constrain.errors import GrammarError, LimitExceeded, UnsupportedPattern
from constrain.frontends.lark.threads import DONE, Atom, Behind, Claims, Machine, Thread, Threads
from constrain.ir import rx
from constrain.ir.rx import Ranges, Rx

MAX_NODES = 200_000

Sets = frozenset[frozenset[Thread]]
NONE: frozenset[Thread] = frozenset()
NO_SETS: Sets = frozenset()


class Text(NamedTuple):
    """What is known between two lexemes. ``never``: threads none of which may match; ``some``: sets of threads of which
    one must; ``behind``: what look-behinds see."""

    never: frozenset[Thread]
    some: Sets
    behind: Behind

    def claim(self, never: frozenset[Thread], claims: Claims) -> Text:
        """More is claimed."""
        return Text(self.never | never | claims.never, self.some | claims.some, self.behind)

    def places(self, machine: Machine) -> set[int]:
        """All places at which a symbol is awaited."""
        found = machine.places(self.never).union(*(machine.places(threads) for threads in self.some), *self.behind)
        return found & machine.program.char.keys()

    def read(self, machine: Machine, atom: Atom, behind: Behind) -> Text | None:
        """After a symbol; None: a claim is broken."""
        if not self.never and not self.some:
            return Text(NONE, NO_SETS, behind)
        claims = machine.read_claims(Claims(self.never, self.some), atom, behind)
        return None if claims is None else Text(claims.never, claims.some, behind)

    @property
    def is_free(self) -> bool:
        """Is nothing claimed?"""
        return not self.never and not self.some

    def can_be_kept(self, machine: Machine) -> bool:
        """Is there any text of which all claims are true?"""
        seen, todo = {self}, [self]
        for text in todo:  # grows
            if text.may_end(machine):
                return True
            places = text.places(machine)
            for atom in {readers & places for _, readers in machine.atoms}:
                after = text.read(machine, atom, machine.look_behind(text.behind, atom))
                if after is not None and after not in seen:
                    if after.is_free:
                        return True
                    seen.add(after)
                    todo.append(after)
        return False

    def may_end(self, machine: Machine) -> bool:
        """Are all claims kept if the text ends here?"""
        if any(map(machine.matches_at_end, self.never)):
            return False
        return all(any(map(machine.matches_at_end, threads)) for threads in self.some)


class Node(NamedTuple):
    """Inside a lexeme: the scanner's threads, the claims from before, and which fixed strings can still come."""

    threads: Threads
    text: Text
    words: frozenset[int]
    is_start: bool


@dataclass(frozen=True)
class Pattern:
    """A terminal. ``entry``, ``end``: its first and last place in the program. ``words``: terminals that are fixed
    strings, into which a lexeme of this one that equals them turns (keywords), in order."""

    name: str
    entry: int
    end: int
    words: tuple[Pattern, ...] = ()


class Lexemes:
    """The texts of ``language`` are lexemes of the terminal ``pattern``, taken for ``name``; ``after`` holds after.

    Many are only counted: the language is made when it is asked for.
    """

    def __init__(self, pattern: str, name: str, after: Text, language: Rx | Callable[[], Rx]) -> None:
        self.pattern, self.name, self.after, self._source = pattern, name, after, language

    @cached_property
    def language(self) -> Rx:
        """Not empty."""
        return self._source() if callable(self._source) else self._source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lexemes) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    @property
    def _content(self) -> tuple[str, str, Text, Rx]:
        return self.pattern, self.name, self.after, self.language


class Scanner:
    """Patterns in order of preference: one lexeme at a time."""

    def __init__(self, machine: Machine, patterns: Sequence[Pattern]) -> None:
        self.machine, self.patterns = machine, patterns
        self._by_end = {pattern.end: pattern for pattern in patterns}
        self._words = [word.entry for pattern in patterns for word in pattern.words]
        self._moves: dict[Node, tuple[tuple[Ranges, Node], ...]] = {}
        self._kept: dict[Text, bool] = {}

    def _can_be_kept(self, text: Text) -> bool:
        if text not in self._kept:
            self._kept[text] = text.can_be_kept(self.machine)
        return self._kept[text]

    def lexemes(self, text: Text) -> list[Lexemes]:
        """What may be read next. Cost: the nodes that are new, and the walks from here to the ends of lexemes."""
        start = self._start(text)
        nodes = self._explore(start)
        ends: dict[tuple[str, str, Text], list[int]] = {}
        for node, number in nodes.items():
            for exit in self._ends(node) if number else ():
                ends.setdefault(exit, []).append(number)
        ends = {exit: numbers for exit, numbers in ends.items() if self._can_be_kept(exit[2])}
        graph = _Graph([[(ranges, nodes[target]) for ranges, target in self._moves[node]] for node in nodes])
        return [Lexemes(*exit, partial(graph.language, numbers)) for exit, numbers in ends.items()]

    def _start(self, text: Text) -> Node:
        threads = self.machine.begin([pattern.entry for pattern in self.patterns], text.behind)
        words = self.machine.begin(self._words, text.behind)
        return Node(threads, text, frozenset(thread.place for thread in words), True)

    def _explore(self, start: Node) -> dict[Node, int]:
        """The nodes that can be reached, numbered from 0."""
        order, todo = {start: 0}, [start]
        for node in todo:  # grows
            if node not in self._moves:
                if len(self._moves) >= MAX_NODES:
                    raise LimitExceeded(
                        "states of a scanner", len(self._moves) + 1, MAX_NODES, "simplify the terminals"
                    )
                self._moves[node] = tuple(self._follow(node))
            for _, target in self._moves[node]:
                if target not in order:
                    order[target] = len(order)
                    todo.append(target)
        return order

    def _follow(self, node: Node) -> Iterator[tuple[Ranges, Node]]:
        """Moves by classes of symbols; those that no thread tells apart are stepped once."""
        places = self.machine.places(node.threads) | node.text.places(self.machine) | node.words
        found: dict[Node, list[tuple[int, int]]] = {}
        known: dict[Atom, Node | None] = {}
        for ranges, readers in self.machine.atoms:
            atom = readers & places
            if atom not in known:
                known[atom] = self._step(node, atom)
            target = known[atom]
            if target is not None:
                found.setdefault(target, []).extend(ranges)
        for target, spans in found.items():
            yield rx.merge_ranges(spans), target

    def _step(self, node: Node, atom: Atom) -> Node | None:
        behind = self.machine.look_behind(node.text.behind, atom)
        threads = self.machine.read(node.threads, atom, behind)
        text = node.text.read(self.machine, atom, behind)
        if text is None or all(thread.place == DONE for thread in threads):
            return None
        words = self.machine.read_places(node.words, atom, behind)
        return Node(threads, text, words, False)

    def _ends(self, node: Node) -> Iterator[tuple[str, str, Text]]:
        """The lexemes that may end here: nothing that is more preferred must match later."""
        for i, thread in enumerate(node.threads):
            pattern = self._by_end.get(thread.place)
            if pattern is not None:
                name = next((word.name for word in pattern.words if word.end in node.words), pattern.name)
                yield pattern.name, name, node.text.claim(frozenset(node.threads[:i]), thread.claims)


class _Graph:
    """A deterministic automaton from which many languages are read. Node 0 is the start."""

    def __init__(self, moves: list[list[tuple[Ranges, int]]]) -> None:
        self.moves = moves
        self.before: list[list[int]] = [[] for _ in moves]
        for node, targets in enumerate(moves):
            for _, target in targets:
                self.before[target].append(node)

    def language(self, ends: Sequence[int]) -> Rx:
        """All paths to these nodes. Cost: the nodes on them."""
        found, todo = set(ends), list(ends)
        for node in todo:  # grows
            new = [source for source in self.before[node] if source not in found]
            found.update(new)
            todo += new
        number = {node: i for i, node in enumerate(sorted(found))}  # the start, if it is there, is the first
        edges = [
            [(low, high, number[t]) for ranges, t in self.moves[node] if t in found for low, high in ranges]
            for node in number
        ]
        return rx.graph(edges, [number[node] for node in ends])


class FreeScanner(Scanner):
    """One pattern whose shorter lexemes count too: Lark's ``dynamic_complete`` matches again in what it has matched,
    cut off at each place. So a lexeme is the match, or what the pattern would prefer if the text ended behind it,
    where there is a match that is not shorter."""

    def __init__(self, machine: Machine, patterns: Sequence[Pattern]) -> None:
        super().__init__(machine, patterns)
        (pattern,) = patterns
        if machine.looks_back(pattern.entry):
            raise self._refusal(
                "look-behind sees what stands before the terminal, but not when shorter lexemes are tried"
            )

    def _ends(self, node: Node) -> Iterator[tuple[str, str, Text]]:
        (pattern,) = self.patterns
        best = next((thread for thread in node.threads if self.machine.matches_at_end(thread)), None)
        if best is not None and best.place == pattern.end:
            if self.machine.has_matched(best):
                yield pattern.name, pattern.name, node.text
                return
            if any(thread.place == DONE for thread in node.threads):
                raise self._refusal("look-ahead reads on while shorter lexemes are tried")
            longer = Claims(NONE, frozenset((frozenset(node.threads),)))
            yield pattern.name, pattern.name, node.text.claim(NONE, longer)
        yield from super()._ends(node)

    def _refusal(self, message: str) -> GrammarError:
        where = f"terminal {self.patterns[0].name}"
        return UnsupportedPattern(message, where=where, hint="use the lexer dynamic, basic or contextual")
