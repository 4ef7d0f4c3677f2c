"""Lark's ``Indenter``: a post-lexer that makes tokens of indentation, as ``Lexing``.

Outside brackets the columns of a line break's last line decide: deeper than before makes one INDENT, less deep a
DEDENT for each level that ends. Inside brackets line breaks are blanks. The end of the text ends all levels. So
contexts also know the levels, how many brackets are open, and what must be read before anything else.

The columns are counted while the last line is read, so rules take a line break in parts: *head*, up to the last
line feed; *steps*, a blank or a run of other characters each; *stop*, which says that the lexeme ends here. Where
the next step leads beyond the level, stop says so, and the steps from there on are part of INDENT: where rules do
not ask for one, no column beyond the level is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from lark.indenter import Indenter

from constrain.errors import LimitExceeded
from constrain.frontends.lark.balance import Balance
from constrain.frontends.lark.lexers import END, ENDED, Context, Inside, Kind, Line, ScanningLexing
from constrain.frontends.lark.scanner import NO_SETS, NONE, Lexemes, Scanner, Text
from constrain.frontends.lark.threads import Machine
from constrain.ir import rx
from constrain.ir.grammar import Expr, Literal, Repeat, Seq, Terminal, Token
from constrain.ir.lexing import Way
from constrain.ir.rx import Edge, Rx

MAX_COLUMN = 200
DEEPER = MAX_COLUMN + 1  # and all columns beyond; not comparable
HEAD, STEP = "head", "step"
LINE_FEED, SPACE, TAB = ord("\n"), ord(" "), ord("\t")


class LastLines:
    """The lexemes of a line break with one claim after them, cut behind the last line feed."""

    def __init__(self, lexemes: Lexemes, machine: Machine) -> None:
        assert isinstance(lexemes.language, rx.Graph), "line breaks are not empty"
        self.lexemes, self.graph = lexemes, lexemes.language
        self.rows = _without_line_feeds(self.graph)
        self.is_last = _only_the_end_follows(lexemes.after, machine)

    def heads(self) -> list[tuple[Rx, int]]:
        """What may stand before the last line, and the state behind it."""
        feeds = [(low, high, target) for row in self.graph.edges for low, high, target in row]
        states = {target for low, high, target in feeds if low <= LINE_FEED <= high}
        return [(self._behind_feed(state), state) for state in sorted(states) if self.rows[state] is not None]

    def _behind_feed(self, state: int) -> Rx:
        """All paths whose last edge is a line feed to this state. The new state is a copy of it, which ends."""
        copy = len(self.graph.edges)
        edges: list[list[Edge]] = [[] for _ in range(copy)]
        for source, row in enumerate(self.graph.edges):
            for low, high, target in row:
                if target != state or not low <= LINE_FEED <= high:
                    edges[source].append((low, high, target))
                    continue
                edges[source] += [(a, b, state) for a, b in ((low, LINE_FEED - 1), (LINE_FEED + 1, high)) if a <= b]
                edges[source].append((LINE_FEED, LINE_FEED, copy))
        return rx.graph([*edges, edges[state]], [copy], self.graph.start)

    def blanks(self, state: int) -> list[tuple[int, int]]:
        """The blanks that may come next, each with the state behind it."""
        row = self.rows[state] or ()
        return [(blank, target) for blank in (SPACE, TAB) for low, high, target in row if low <= blank <= high]

    def runs(self, state: int, *, with_blanks: bool) -> list[tuple[Rx, int]]:
        """Characters that do not move the column (blanks too if none counts any more), and the states behind them."""
        edges = [list(row or ()) if with_blanks else _without_blanks(row or ()) for row in self.rows]
        found, todo = set[int](), [state]
        for each in todo:  # grows
            new = {target for _, _, target in edges[each]} - found
            found |= new
            todo += new
        return [(_at_least_one(edges, state, target), target) for target in sorted(found)]


def _without_line_feeds(graph: rx.Graph) -> list[tuple[Edge, ...] | None]:
    """The edges of each state that lead to an end without a line feed; None: there is no such end."""
    rows = [_less(row, LINE_FEED) for row in graph.edges]
    alive = set(graph.finals)
    while True:
        new = {q for q, row in enumerate(rows) if q not in alive and any(target in alive for _, _, target in row)}
        if not new:
            break
        alive |= new
    return [tuple(edge for edge in row if edge[2] in alive) if q in alive else None for q, row in enumerate(rows)]


def _less(row: Sequence[Edge], code: int) -> list[Edge]:
    """Edges without one symbol."""
    parts = []
    for low, high, target in row:
        if low <= code <= high:
            parts += [(a, b, target) for a, b in ((low, code - 1), (code + 1, high)) if a <= b]
        else:
            parts.append((low, high, target))
    return parts


def _without_blanks(row: Sequence[Edge]) -> list[Edge]:
    return _less(_less(row, SPACE), TAB)


def _at_least_one(edges: Sequence[Sequence[Edge]], state: int, target: int) -> Rx:
    """The paths between two states, but for the empty one."""
    return rx.graph([*edges, edges[state]], [target], len(edges))


def _only_the_end_follows(text: Text, machine: Machine) -> bool:
    """Is there no character that may come next?"""
    places = text.places(machine)
    for atom in {readers & places for _, readers in machine.atoms}:
        after = text.read(machine, atom, machine.look_behind(text.behind, atom))
        if after is not None and after.can_be_kept(machine):
            return False
    return True


class IndentedLexing(ScanningLexing):
    """``basic`` and ``contextual``, behind an ``Indenter``."""

    is_finite = False

    def __init__(
        self, machine: Machine, scanners: Sequence[Scanner], skipped: Set[str], indenter: Indenter, balance: Balance
    ) -> None:
        super().__init__(machine, scanners, skipped)
        self.line_break, self.indent, self.dedent = indenter.NL_type, indenter.INDENT_type, indenter.DEDENT_type
        self.tab, self.balance = indenter.tab_len, balance
        self.opens, self.closes = frozenset(indenter.OPEN_PAREN_types), frozenset(indenter.CLOSE_PAREN_types)
        self._lines: list[LastLines] = []
        self._line_number: dict[Lexemes, int] = {}
        self._runs: dict[tuple[int, int, bool], list[tuple[Expr, int]]] = {}

    def begin(self, scanner: int) -> None:
        nothing = Text(NONE, NO_SETS, self.machine.nowhere)
        self.first = self.contexts.of(Context(nothing, scanner, line=Line(fresh=True)))

    def token(self, kind: Kind) -> Expr:
        """Line breaks and INDENT in their parts."""
        last = super().token(kind)
        steps = Token(self.kinds.of(Kind(self.line_break, part=STEP)), self.line_break)
        if kind.name == self.line_break:
            return Seq(super().token(Kind(self.line_break, part=HEAD)), Repeat(steps, 0, None), last)
        if kind.name == self.indent:
            return Seq(Repeat(steps, 1, None), last)
        return last

    # --- tokens ------------------------------------------------------------------------------------------------------

    def ways(self, context: int, token: int) -> list[Way]:
        """How a token, or a part of one, can be read."""
        kind, before = self.kinds.values[token], self.contexts.values[context]
        if kind.barred:
            return super().ways(context, token)
        name = self.indent if before.line.deeper else kind.name
        if name in before.barred:
            return []
        return [Way(body, self.contexts.of(after)) for body, after in self._choose(before, kind)]

    def _choose(self, before: Context, kind: Kind) -> list[tuple[Expr | None, Context]]:
        line, name = before.line, kind.name
        if line.inside is not None:
            if kind.part == STEP:
                return self._steps(before, line, line.inside)
            if kind.part or name != (self.indent if line.deeper else self.line_break):
                return []
            return self._indented(before, kind, line.inside) if line.deeper else self._stop(before, kind, line.inside)
        if line.dedents:
            return self._dedented(before, kind) if name == self.dedent else []
        if name == self.dedent:
            return self._dedented_at_end(before)
        if before.scanner == ENDED or name == END:
            return self._end(before) if name == END else []
        if name == self.line_break:
            return self._heads(before) if kind.part == HEAD and line.depth == 0 else []
        depth = line.depth + (name in self.opens) - (name in self.closes and name not in self.opens)
        if depth < 0:
            return []
        after = line._replace(depth=depth, fresh=False)
        return [
            (self._body(found), Context(found.after, kind.scanner, line=after)) for found in self.tokens(before, name)
        ]

    def _end(self, before: Context) -> list[tuple[Expr | None, Context]]:
        if len(before.line.levels) > 1 or not before.text.may_end(self.machine):
            return []
        return [(None, self._ended(()))]

    def _ended(self, levels: tuple[int, ...]) -> Context:
        return Context(Text(NONE, NO_SETS, self.machine.nowhere), ENDED, line=Line(levels, fresh=True))

    def _dedented(self, before: Context, kind: Kind) -> list[tuple[Expr | None, Context]]:
        line = before.line._replace(dedents=before.line.dedents - 1)
        return [(None, Context(before.text, kind.scanner, line=line))]

    def _dedented_at_end(self, before: Context) -> list[tuple[Expr | None, Context]]:
        """The end of the text ends all levels."""
        levels = before.line.levels[:-1]
        return [(None, self._ended(levels))] if levels and before.text.may_end(self.machine) else []

    # --- line breaks -------------------------------------------------------------------------------------------------

    def _heads(self, before: Context) -> list[tuple[Expr | None, Context]]:
        found: list[tuple[Expr | None, Context]] = []
        for lexemes in self.tokens(before, self.line_break):
            number = self._last_lines(lexemes)
            for language, state in self._lines[number].heads():
                body = self._body(Lexemes(lexemes.pattern, lexemes.name, lexemes.after, language))
                line = before.line._replace(inside=Inside(number, state), fresh=True)
                found.append((body, Context(lexemes.after, before.scanner, line=line)))
        return found

    def _last_lines(self, lexemes: Lexemes) -> int:
        if lexemes not in self._line_number:
            self._line_number[lexemes] = len(self._lines)
            self._lines.append(LastLines(lexemes, self.machine))
        return self._line_number[lexemes]

    def _steps(self, before: Context, line: Line, inside: Inside) -> list[tuple[Expr | None, Context]]:
        """Within the level, or beyond it."""
        lines, top = self._lines[inside.lines], line.levels[-1]
        found: list[tuple[Expr, Inside]] = []
        is_first = line.deeper and inside.column <= top
        if inside.column != DEEPER:
            for blank, state in lines.blanks(inside.state):
                column = self._column(inside.column, blank, top, lines)
                if (column > top) == line.deeper:
                    found.append((Literal(bytes([blank])), Inside(inside.lines, state, column)))
        if not is_first and not inside.ran:
            runs = self._runs_from(inside.lines, inside.state, inside.column == DEEPER)
            found += [(body, Inside(inside.lines, state, inside.column, ran=True)) for body, state in runs]
        return [(body, before._replace(line=line._replace(inside=after))) for body, after in found]

    def _column(self, column: int, blank: int, top: int, lines: LastLines) -> int:
        """The column behind a blank; where it will not be compared, not exactly."""
        column += self.tab if blank == TAB else 1
        if column > top and lines.is_last:
            return DEEPER
        if column > MAX_COLUMN and top == DEEPER:
            raise LimitExceeded("columns of indentation", column, MAX_COLUMN, "levels beyond it cannot be told apart")
        return min(column, DEEPER)

    def _runs_from(self, lines: int, state: int, with_blanks: bool) -> list[tuple[Expr, int]]:
        key = (lines, state, with_blanks)
        if key not in self._runs:
            runs = self._lines[lines].runs(state, with_blanks=with_blanks)
            self._runs[key] = [(Terminal(language, name=self.line_break), target) for language, target in runs]
        return self._runs[key]

    def _stop(self, before: Context, kind: Kind, inside: Inside) -> list[tuple[Expr | None, Context]]:
        """The line break ends here, at a level; or the next blank leads beyond the last one."""
        lines, levels = self._lines[inside.lines], before.line.levels
        found: list[tuple[Expr | None, Context]] = []
        if inside.state in lines.graph.finals and inside.column in levels:
            kept = levels[: levels.index(inside.column) + 1]
            line = before.line._replace(levels=kept, dedents=len(levels) - len(kept), inside=None)
            found.append((None, Context(before.text, kind.scanner, line=line)))
        if any(
            self._column(inside.column, blank, levels[-1], lines) > levels[-1]
            for blank, _ in lines.blanks(inside.state)
        ):
            found.append((None, before._replace(line=before.line._replace(deeper=True))))
        return found

    def _indented(self, before: Context, kind: Kind, inside: Inside) -> list[tuple[Expr | None, Context]]:
        """An INDENT ends here."""
        levels = before.line.levels
        if inside.column <= levels[-1] or inside.state not in self._lines[inside.lines].graph.finals:
            return []
        line = before.line._replace(levels=(*levels, inside.column), inside=None, deeper=False)
        return [(None, Context(before.text, kind.scanner, line=line))]

    # --- blanks, and getting stuck -----------------------------------------------------------------------------------

    def blanks(self, context: int) -> list[Way]:
        """Line breaks in brackets are blanks; in indentation there are none."""
        line = self.contexts.values[context].line
        return [] if line.inside is not None or line.dedents else super().blanks(context)

    def ignored(self, before: Context) -> list[Lexemes]:
        found = super().ignored(before)
        return found + self.tokens(before, self.line_break) if before.line.depth else found

    def may_be_stuck(self, context: int) -> bool:
        """Contexts have no end here, so this looks one token ahead only."""
        if context not in self._stuck:
            seen = [context]
            for each in seen:  # grows
                seen += [way.after for way in self.blanks(each) if way.after not in seen]
            self._stuck[context] = not any(map(self._reads, seen))
        return self._stuck[context]

    def _reads(self, context: int) -> bool:
        """Can all tokens be read here that rules may ask for?"""
        before = self.contexts.values[context]
        line = before.line
        if not self.balance.holds or line.fresh:
            return before.scanner == ENDED and not line.levels
        if before.barred or not before.text.may_end(self.machine):
            return False
        return all(self.tokens(before, name) for name in self.asked(before))

    def asked(self, before: Context) -> set[str]:
        return super().asked(before) & (self.balance.inside if before.line.depth else self.balance.outside)
