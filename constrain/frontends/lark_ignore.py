"""``%ignore`` as Lark's dynamic scanner does it, as regular languages of what may stand before each terminal.

Before a terminal (and at the end of the text) any run of ignored lexemes may stand. Terminals may be cut in every
way, ignored lexemes may not: the scanner skips the longest lexeme that fits, so a comment ends at the end of
its line and not earlier where a name could begin. Hence a lexeme or terminal that follows an ignored one must not
begin with what would have made that one longer. The ways to go on depend on the accepting state
that the ignored lexeme has reached, so runs are paths in a graph of such states.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from constrain.errors import GrammarError
from constrain.frontends.lexeme_dfa import Dfa, overlap, path_language, without
from constrain.frontends.lexemes import Lexemes
from constrain.ir import rx
from constrain.ir.grammar import Choice, Expr, Seq, Terminal
from constrain.ir.rx import NOTHING, Rx


@dataclass(frozen=True, eq=False)
class _End:
    """An accepting state in which an ignored lexeme can end."""

    name: str
    whole: Lexemes
    dfa: Dfa
    state: int

    @cached_property
    def lexemes(self) -> Dfa:
        return Dfa(self.dfa.moves, frozenset((self.state,)))

    @cached_property
    def language(self) -> Rx:
        """The lexemes that end here."""
        return self.whole.language if len(self.dfa.accepting) == 1 else self.lexemes.expression


class Ignored:
    """All ignored terminals of a grammar."""

    def __init__(self, terminals: dict[str, Lexemes]) -> None:
        self.ends = [
            _End(name, lexemes, dfa, state)
            for name, lexemes in sorted(terminals.items())
            for dfa in (lexemes.dfa.smallest(),)
            for state in sorted(dfa.accepting)
        ]
        self.runs: dict[tuple[int, ...], Rx] = {}

    @cached_property
    def edges(self) -> dict[tuple[int, int], Rx]:
        """Node 0 is before the first ignored lexeme, node i + 1 behind one that stopped at ``ends[i]``."""
        edges = {(0, j + 1): end.language for j, end in enumerate(self.ends)}
        for i, before in enumerate(self.ends):
            for j, end in enumerate(self.ends):
                edges[i + 1, j + 1] = _after(before, end)
        return edges

    def run(self, ends: tuple[int, ...]) -> Rx:
        """The non-empty runs of ignored lexemes of which the last one stops at one of ``ends``."""
        if ends not in self.runs:
            self.runs[ends] = path_language(len(self.ends) + 1, self.edges, (0,), [end + 1 for end in ends])
        return self.runs[ends]

    def at_the_end(self) -> Expr:
        """What may be ignored behind the last terminal."""
        return _gap(self.run(tuple(range(len(self.ends)))))

    def before(self, name: str, lexemes: Lexemes, terminal: Expr) -> Expr:
        """``terminal`` with what may be ignored before it."""
        plain: tuple[int, ...] = ()
        options = []
        for i, end in enumerate(self.ends):
            found = overlap(lexemes.dfa, end.dfa, end.state)
            if found.straddles:
                raise _runs_on(end.name, name)
            if not found.cut:
                plain += (i,)
            elif found.free.moves:
                rest = Terminal(found.free.smallest().expression, name=name)
                options.append(Seq(_terminal(self.run((i,))), rest))
        whole = Seq(_gap(self.run(plain)), terminal) if plain else terminal
        return Choice(whole, *options) if options else whole


def _gap(run: Rx) -> Expr:
    if isinstance(run, rx.Repeat) and run.low == 1:
        return _terminal(rx.repeat(run.body, 0, run.high))
    return _terminal(rx.repeat(run, 0, 1))


def _terminal(language: Rx) -> Terminal:
    return Terminal(language, name="ignored text")


def _after(before: _End, end: _End) -> Rx:
    """The lexemes that stop at ``end`` and may follow one that stopped at ``before``."""
    found = overlap(end.lexemes, before.dfa, before.state)
    if any(not _stops(before, other, end) for _, other in found.straddles):
        raise _runs_on(before.name, end.name)
    if not found.cut:
        return end.language
    return found.free.smallest().expression if found.free.moves else NOTHING


def _stops(before: _End, state: int, end: _End) -> bool:
    """Can nothing that may follow ``end`` lead ``before`` on from ``state``?"""
    longer = [ranges for ranges, target in end.dfa.moves[end.state] if target in end.dfa.accepting]
    shut = rx.merge_ranges(span for ranges in longer for span in ranges)
    return not any(without(ranges, shut) for ranges, _ in before.dfa.moves[state])


def _runs_on(name: str, other: str) -> GrammarError:
    return GrammarError(
        f"whether it stops depends on what follows the terminal {other}",
        where=f"%ignore {name}",
        hint=f"ignore blanks and comments by terminals that do not go on with the beginning of {other}",
    )
