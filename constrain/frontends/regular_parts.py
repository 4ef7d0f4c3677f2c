"""Rules over single characters -> rules over terminals: what a mask reads often becomes regular expressions.

A notation without terminals of its own (GBNF, EBNF) spells words letter by letter, in rules. The engine reads a
terminal faster than rules: its masks are rows that are made once. But a terminal shares its rows with equal ones only,
so those that are long would each have the rows of the same names and blanks again. Measured on JSON, SQL and C++, what
pays is one terminal for each set of characters, for each *loop* over expressions without loops (``[a-z]*``,
``([^"\\] | "\\" .)*``, also as the rule ``x ::= a x | b``, whose least solution is ``a* b`` by Arden's lemma), and for
nothing more.

The difference of two expressions is a terminal too. It exists only here, and only of what is regular; elsewhere
``NotRegular`` is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from constrain.automata.recursion import strongly_connected
from constrain.ir import rx
from constrain.ir.grammar import NEVER, Choice, Expr, Literal, Ref, Repeat, Seq, Terminal, children
from constrain.ir.rx import Rx

MAX_SIZE = 100  # characters and sets of a loop's body, each copy of what is counted included
MAX_OPERAND = 20_000  # the same of a side of a difference, which has to be a terminal


class Difference(Expr):
    """What ``left`` matches and ``right`` does not; ``at`` is its place in the source."""

    __slots__ = ("at", "left", "right")

    def __init__(self, left: Expr, right: Expr, at: int) -> None:
        self.left, self.right, self.at = left, right, at


class NotRegular(Exception):
    """The operands of ``node`` are not both regular."""

    def __init__(self, node: Difference, message: str, hint: str) -> None:
        super().__init__(message)
        self.node, self.hint = node, hint


class Regular(NamedTuple):
    """A regular expression, how many characters and sets it has when repetitions are written out, and how deep
    repetitions without end are nested in it."""

    language: Rx
    size: int
    depth: int = 0


def with_terminals(rules: dict[str, Expr], start: str) -> dict[str, Expr]:
    """The same languages with terminals; rules that nothing needs any more are left out.

    Rules that ``start`` never reached are kept, so that the compiler can say so. Raises ``NotRegular``.
    """
    lowering = _Lowering(_Languages(rules))
    lowered = {name: lowering.rule(name) for name in rules}
    needed = _reached(lowered, start)
    idle = rules.keys() - _reached(rules, start)
    return {name: body for name, body in lowered.items() if name in needed or name in idle}


class _Languages:
    """Which expressions of a grammar are regular: ``of``. Those that are too large for their use are not."""

    def __init__(self, rules: dict[str, Expr]) -> None:
        self.rules = rules
        self.known: dict[str, Regular | None] = {}
        self.found: dict[Expr, Regular | None] = {}
        self.solved: set[str] = set()  # rules that refer to themselves, and are regular
        has_difference = any(isinstance(node, Difference) for body in rules.values() for node in _walk(body))
        self.limit = MAX_OPERAND if has_difference else MAX_SIZE
        calls = {name: _names(body) for name, body in rules.items()}
        for names in strongly_connected(calls):  # those that are called come first
            self.known.update(dict.fromkeys(names))
            if len(names) == 1:
                [name] = names
                self.known[name] = self.recursive(name) if name in calls[name] else self.of(rules[name])

    def of(self, expr: Expr) -> Regular | None:
        if expr not in self.found:
            self.found[expr] = self.read(expr)
        return self.found[expr]

    def read(self, expr: Expr) -> Regular | None:
        match expr:
            case Literal():
                text = expr.data.decode()
                return Regular(rx.literal(text), len(text)) if len(text) <= self.limit else None
            case Terminal():
                return Regular(expr.rx, 1)
            case Ref():
                return self.known[expr.name]
            case Repeat():
                return self.repeated(self.of(expr.body), expr.low, expr.high)
            case Difference():
                return self.difference(expr)
        join = rx.concat if isinstance(expr, Seq) else rx.union
        return self.joined(join, [self.of(part) for part in children(expr)])

    def difference(self, expr: Difference) -> Regular:
        left, right = self.of(expr.left), self.of(expr.right)
        if left is None or right is None:
            side = "left" if left is None else "right"
            hint = "the difference of context-free languages need not be one: take the recursion out of it"
            message = f"the {side} side of this difference is not regular, or larger than {MAX_OPERAND} characters"
            raise NotRegular(expr, message, hint)
        return Regular(_without(left.language, right.language), left.size + right.size, max(left.depth, right.depth))

    def joined(self, join: Callable[[Iterable[Rx]], Rx], parts: Sequence[Regular | None]) -> Regular | None:
        """Parts in sequence or in choice."""
        found = [part for part in parts if part]
        size = sum(part.size for part in found)
        if len(found) < len(parts) or size > self.limit:
            return None
        return Regular(join(part.language for part in found), size, max((part.depth for part in found), default=0))

    def repeated(self, body: Regular | None, low: int, high: int | None) -> Regular | None:
        if body is None:
            return None
        size = body.size * max(low, high or 1)
        if size > self.limit and not isinstance(body.language, rx.Chars):  # a counter serves those
            return None
        return Regular(rx.repeat(body.language, low, high), size, body.depth + (high is None))

    # ---- rules that refer to themselves --------------------------------------------------------------------------

    def recursive(self, name: str) -> Regular | None:
        """The language of a rule that refers to itself at one end only, and to no other that refers to it."""
        for right in (True, False):
            ways = self.ways(self.rules[name], name, right)
            if ways is not None:
                loop = self.repeated(ways[0], 0, None)
                self.solved.add(name)
                return self.joined(rx.concat, (loop, ways[1]) if right else (ways[1], loop))
        return None

    def ways(self, expr: Expr, name: str, right: bool) -> tuple[Regular | None, Regular | None] | None:
        """``expr`` written as ``a name | b`` or, if not ``right``, as ``name a | b``: ``a`` and ``b``."""
        if name not in _names(expr):
            return _NEVER, self.of(expr)
        match expr:
            case Ref():
                return Regular(rx.EPSILON, 0), _NEVER
            case Choice():
                found = [pair for part in expr.parts if (pair := self.ways(part, name, right))]
                if len(found) == len(expr.parts):
                    again, leave = zip(*found, strict=True)
                    return self.joined(rx.union, again), self.joined(rx.union, leave)
            case Seq():
                edge, rest = (expr.parts[-1], expr.parts[:-1]) if right else (expr.parts[0], expr.parts[1:])
                pair = self.ways(edge, name, right)
                if pair and not any(name in _names(part) for part in rest):
                    others = [self.of(part) for part in rest]
                    sides = [[*others, side] if right else [side, *others] for side in pair]
                    return self.joined(rx.concat, sides[0]), self.joined(rx.concat, sides[1])
            case Repeat(low=0, high=1):
                pair = self.ways(expr.body, name, right)
                return (pair[0], self.repeated(pair[1], 0, 1)) if pair else None
        return None


class _Lowering:
    """Writes expressions anew, with terminals."""

    def __init__(self, regular: _Languages) -> None:
        self.regular = regular

    def rule(self, name: str) -> Expr:
        return self.terminal(name) or self.expr(self.regular.rules[name])

    def terminal(self, name: str) -> Expr | None:
        """The terminal that all of a rule is, if it is one."""
        return _terminal(self.regular.known[name], name, whole=name in self.regular.solved)

    def expr(self, expr: Expr) -> Expr:
        match expr:
            case Literal() | Terminal():
                return expr
            case Ref():
                return self.terminal(expr.name) or expr
        terminal = _terminal(self.regular.of(expr), whole=isinstance(expr, Difference))
        if terminal is not None:
            return terminal
        match expr:
            case Seq():
                return Seq(*map(self.expr, expr.parts))
            case Choice():
                return Choice(*map(self.expr, expr.parts))
            case Repeat():
                return Repeat(self.expr(expr.body), expr.low, expr.high)
        raise TypeError(f"not an expression of a notation: {expr!r}")


_NEVER = Regular(rx.NOTHING, 0)


def _terminal(known: Regular | None, name: str = "", *, whole: bool) -> Expr | None:
    """The terminal for a set of characters or a loop and, with ``whole``, for anything regular."""
    match known:
        case None:
            return None
        case Regular(rx.Union(())):
            return NEVER
        case Regular(rx.Repeat(rx.Chars() as body, low, high)) if high != 1:  # a counter, not a copy for each count
            return Terminal(rx.repeat(body, 0, None), "utf8", low, high, name=name)
        case Regular(rx.Chars()) | Regular(rx.Repeat(_, _, None), _, 1):
            return Terminal(known.language, name=name) if known.size <= MAX_SIZE else None
    return Terminal(known.language, name=name) if whole else None


def _without(left: Rx, right: Rx) -> Rx:
    """``left - right``; of two sets of characters at once."""
    if isinstance(left, rx.Chars) and isinstance(right, rx.Chars):
        return rx.intersect((left, rx.chars(rx.invert_ranges(right.ranges))))
    return left - right


def _walk(expr: Expr) -> Iterator[Expr]:
    stack = [expr]
    while stack:
        node = stack.pop()
        yield node
        stack.extend((node.left, node.right) if isinstance(node, Difference) else children(node))


def _names(expr: Expr) -> set[str]:
    """The rules that an expression refers to."""
    return {node.name for node in _walk(expr) if isinstance(node, Ref)}


def _reached(rules: dict[str, Expr], start: str) -> set[str]:
    found, stack = {start}, [start]
    while stack:
        fresh = _names(rules[stack.pop()]) - found
        found |= fresh
        stack.extend(fresh)
    return found
