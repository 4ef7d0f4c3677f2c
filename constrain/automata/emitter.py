"""Expressions -> instructions: ``Emitter`` appends the code of a rule's right-hand side (see ``program.py``)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Protocol

from constrain.automata.analysis import NonEmpty, nullable
from constrain.automata.elements import is_blank
from constrain.automata.recursion import Component
from constrain.ir.grammar import Bag, Choice, Expr, Joined, Literal, Ref, Repeat, Seq, Terminal, Token
from constrain.ir.lexing import Enter
from constrain.kernels.layout import BAG, CALL, CONTEXT, JUMP, LOOP, OPTION, PROBE, RETURN, SPLIT, TAIL, TOKEN


class Rules(Protocol):
    """Gives numbers to what instructions name."""

    def rule(self, name: str) -> int:
        """The number of a named rule."""

    def terminal(self, terminal: Terminal) -> tuple[int, bool]:
        """The number of a terminal's rule, and whether it matches the empty string too."""

    def part(self, expr: Expr) -> int:
        """The number of a nameless rule."""

    def bag(self, bag: Bag) -> int:
        """The number of a bag."""

    def context(self, context: int) -> int:
        """The number of the first of a context's rules: one for each token."""

    def blanks(self, context: int) -> int:
        """The number of the rule for what may be skipped in a context."""


def first_calls(expr: Expr, nulls: set[str]) -> Iterator[Expr]:
    """What the code of ``expr`` calls as a rule before it reads a byte: references, bodies of counted repeats, parts of
    bags; but for terminals."""
    match expr:
        case Ref():
            yield expr
        case NonEmpty():
            yield from first_calls(expr.body, nulls)
        case Seq():
            for part in expr.parts:
                yield from first_calls(part, nulls)
                if not nullable(part, nulls):
                    return
        case Choice():
            for part in expr.parts:
                yield from first_calls(part, nulls)
        case Repeat() if _is_counted(expr, nulls):
            yield from _unless_terminal(expr.body)
        case Repeat() if expr.high != 0:
            yield from first_calls(expr.body, nulls)
        case Joined():
            for item, required in expr.items:
                yield from first_calls(item, nulls)
                if nullable(item, nulls):
                    yield from first_calls(expr.separator, nulls)
                elif required:
                    return
        case Bag():
            for element in expr.items:
                for part in element.parts:
                    yield from _unless_terminal(part)
                    if not nullable(part, nulls):
                        break


def _unless_terminal(expr: Expr) -> Iterator[Expr]:
    if not isinstance(expr, Terminal) and not is_blank(expr):
        yield expr


def _is_counted(expr: Repeat, nulls: set[str]) -> bool:
    """Does a register count the iterations, with the body as a rule of its own?"""
    if expr.high is None:
        return expr.low > 1 and not nullable(expr.body, nulls)
    return expr.high > 1


_MOVABLE = (Literal, Terminal, Ref)  # their code has no addresses


class Emitter:
    """Appends code. ``emit(expr, tail)``: with ``tail`` the code ends by leaving the rule, else it falls through."""

    def __init__(self, code: array[int], rules: Rules, nulls: set[str]) -> None:
        self.code, self.rules, self.nulls = code, rules, nulls
        self._copies: dict[int, tuple[array[int], Seq]] = {}  # id -> (code, the sequence: kept alive)

    def copy(self, code: array[int], rules: Rules, nulls: set[str]) -> Emitter:
        """One that knows the same and appends to other code, which begins as this one."""
        other = Emitter(code, rules, nulls)
        other._copies = self._copies.copy()
        return other

    def emit(self, expr: Expr, tail: bool) -> None:
        _EMITTERS[type(expr)](self, expr, tail)  # type: ignore[operator]

    def _split(self, ways: int) -> range:
        """Append a split; the places of its addresses."""
        first = len(self.code) + 2
        self.code.extend((SPLIT, ways))
        self.code.extend((0,) * ways)
        return range(first, first + ways)

    def _leave(self, tail: bool) -> None:
        if tail:
            self.code.append(RETURN)

    def _literal(self, expr: Literal, tail: bool) -> None:
        self.code.extend(expr.data)
        self._leave(tail)

    def _call(self, number: int, tail: bool, skip: bool) -> None:
        """A call; with ``skip`` it may be left out."""
        if not tail:
            self.code.extend((OPTION if skip else CALL, number))
        elif skip:
            at = len(self.code)
            self.code.extend((SPLIT, 2, at + 4, at + 6, TAIL, number, RETURN))
        else:
            self.code.extend((TAIL, number))

    def _terminal(self, expr: Terminal, tail: bool) -> None:
        number, skip = self.rules.terminal(expr)
        self._call(number, tail, skip)

    def _ref(self, expr: Ref, tail: bool) -> None:
        self._call(self.rules.rule(expr.name), tail, expr.name in self.nulls)

    def _nonempty(self, expr: NonEmpty, tail: bool) -> None:
        body = expr.body
        number = self.rules.terminal(body)[0] if isinstance(body, Terminal) else self.rules.rule(body.name)
        self._call(number, tail, False)

    def _seq(self, expr: Seq, tail: bool) -> None:
        parts = expr.parts
        last = parts[-1] if tail and parts and type(parts[-1]) is not Literal else None
        self._parts(parts if last is None else parts[:-1])
        if last is not None:
            return self.emit(last, True)
        return self._leave(tail)

    def _parts(self, parts: tuple[Expr, ...]) -> None:
        """Code that falls through. Inlined for what nearly all of a JSON grammar is."""
        code, terminal = self.code, self.rules.terminal
        for part in parts:
            kind = type(part)
            if kind is Literal:
                code.extend(part.data)  # type: ignore[attr-defined]
            elif kind is Terminal:
                number, skip = terminal(part)  # type: ignore[arg-type]
                code.append(OPTION if skip else CALL)
                code.append(number)
            elif kind is Seq:
                known = self._copies.get(id(part))
                if known is None:
                    self._sequence(part)  # type: ignore[arg-type]
                else:
                    code.extend(known[0])
            elif kind is Ref:
                code.append(OPTION if part.name in self.nulls else CALL)  # type: ignore[attr-defined]
                code.append(self.rules.rule(part.name))  # type: ignore[attr-defined]
            else:
                _EMITTERS[kind](self, part, False)  # type: ignore[operator]

    def _sequence(self, expr: Seq) -> None:
        """A sequence in a sequence. Without addresses in it, its code is the same wherever it stands."""
        start = len(self.code)
        self._parts(expr.parts)
        if len(expr.parts) > 1 and all(type(part) in _MOVABLE for part in expr.parts):
            self._copies[id(expr)] = (self.code[start:], expr)

    def _choice(self, expr: Choice, tail: bool) -> None:
        parts, code = expr.parts, self.code
        if len(parts) == 1:
            return self.emit(parts[0], tail)
        jumps = []
        for place, part in zip(self._split(len(parts)), parts, strict=True):
            code[place] = len(code)
            if type(part) is Literal:
                code.extend(part.data)
                if tail:
                    code.append(RETURN)
            else:
                self.emit(part, tail)
            if not tail:
                jumps.append(len(code) + 1)
                code.extend((JUMP, 0))
        for place in jumps:
            code[place] = len(code)
        return None

    def _repeat(self, expr: Repeat, tail: bool) -> None:
        body, high = expr.body, expr.high
        low = 0 if nullable(body, self.nulls) else expr.low
        if high == 0:
            return self._leave(tail)
        if high == 1:
            return self.emit(body, tail) if low else self._optional(body, tail)
        if _is_counted(expr, self.nulls):
            self.code.extend((LOOP, self.rules.part(body), low, -1 if high is None else high))
        elif low == 0:
            start = len(self.code)
            places = self._split(2)
            self.code[places[0]] = len(self.code)
            self.emit(body, False)
            self.code.extend((JUMP, start))
            self.code[places[1]] = len(self.code)
        else:
            start = len(self.code)
            self.emit(body, False)
            places = self._split(2)
            self.code[places[0]], self.code[places[1]] = start, len(self.code)
        return self._leave(tail)

    def _optional(self, body: Expr, tail: bool) -> None:
        place = self._fork()
        self.emit(body, tail)
        self.code[place] = len(self.code)
        self._leave(tail)

    def _joined(self, expr: Joined, tail: bool) -> None:
        """In order: item, may it end here, separator, next item. An optional item can be jumped over."""
        items, code, separator = expr.items, self.code, (expr.separator,)
        if not items:
            return self._leave(tail)
        final = len(items) - 1
        last_required = max((i for i, (_, required) in enumerate(items) if required), default=-1)
        ends = []  # places to patch with the address of the end
        if last_required < 0:
            ends.append(self._fork())
        for i, (item, required) in enumerate(items):
            skip = -1 if required or i == final else self._fork()
            self._parts(item.parts if type(item) is Seq else (item,))
            if i < final:
                if i >= last_required:
                    ends.append(self._fork())
                self._parts(separator)
            if skip >= 0:
                code[skip] = len(code)
        for place in ends:
            code[place] = len(code)
        return self._leave(tail)

    def _bag(self, expr: Bag, tail: bool) -> None:
        self.code.extend((BAG, self.rules.bag(expr)))
        self._leave(tail)

    def _fork(self) -> int:
        """A split between what follows and a place to patch, which is returned."""
        at = len(self.code) + 4
        self.code.extend((SPLIT, 2, at, 0))
        return at - 1

    # ---- left recursion -------------------------------------------------------------------------------------

    def left_corner(self, name: str, component: Component) -> Expr:
        """Code of a left-recursive rule (see ``recursion.py``); returns what it can read first."""
        labels: dict[str, int] = {}
        patches: list[tuple[int, str]] = []
        seeds = [(x, seed) for x in component.names for seed in component.seeds[x]]
        self._branches([(seed, x) for x, seed in seeds], patches, leave=False)
        for x in component.names:
            labels[x] = len(self.code)
            self._branches([(rest, b) for b, rest in component.rests[x]], patches, leave=x == name)
        for place, x in patches:
            self.code[place] = labels[x]
        return Choice(*(seed for _, seed in seeds))

    def _branches(self, branches: list[tuple[Expr, str]], patches: list[tuple[int, str]], *, leave: bool) -> None:
        """A split over expressions, each followed by a jump to a label, and over leaving the rule."""
        places = self._split(len(branches) + leave)
        for place, (expr, label) in zip(places, branches, strict=False):
            self.code[place] = len(self.code)
            self.emit(expr, False)
            patches.append((len(self.code) + 1, label))
            self.code.extend((JUMP, 0))
        if leave:
            self.code[places[-1]] = len(self.code)
            self.code.append(RETURN)

    # ---- tokens ----------------------------------------------------------------------------------------------

    def _token(self, expr: Token, tail: bool) -> None:
        self.code.extend((TOKEN, expr.number))
        self._leave(tail)

    def _enter(self, expr: Enter, tail: bool) -> None:
        """What is read, then the context, and the blanks that it allows."""
        base = self.rules.context(expr.context)
        at = len(self.code) + 1
        if expr.probe:
            self.code.extend((PROBE, 0))
        if expr.body is not None:
            self.emit(expr.body, False)
        if expr.probe:
            self.code[at] = len(self.code)
        self.code.extend((CONTEXT, base))
        self._call(self.rules.blanks(expr.context), tail, True)


_EMITTERS = {
    Literal: Emitter._literal,
    Terminal: Emitter._terminal,
    Ref: Emitter._ref,
    NonEmpty: Emitter._nonempty,
    Seq: Emitter._seq,
    Choice: Emitter._choice,
    Repeat: Emitter._repeat,
    Joined: Emitter._joined,
    Bag: Emitter._bag,
    Token: Emitter._token,
    Enter: Emitter._enter,
}
