"""Patterns with anchors, and how to get rid of the anchors exactly.

A pattern is a plain ``Rx`` wherever it holds no anchor, and one of the nodes below where it does. ``resolve`` turns
it into an ``Rx``: the language of each node is computed for each *context*, that is for what is known about the two
ends of the stretch it matches:

* left: ``True`` the stretch begins where the text begins, ``False`` it does not;
* right: ``END`` it ends where the text ends, ``BEFORE_NEWLINE`` only a final line feed follows, ``INSIDE`` neither.

Anchors only ever ask for a boundary, so a node matches no less at a boundary than inside: languages grow from
``False`` to ``True`` and from ``INSIDE`` to the other two. This is why a sequence may be written as a union of
products without asking which of its parts are empty (the proof is at ``_pair``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from constrain.ir import rx
from constrain.ir.rx import EPSILON, NOTHING, Ranges, Rx

Right = Literal["inside", "before newline", "end"]
INSIDE: Right = "inside"
BEFORE_NEWLINE: Right = "before newline"
END: Right = "end"
Context = tuple[bool, Right]
_NEWLINE = rx.literal("\n")
MAX_CONTEXTS = 2000  # resolutions of one node in one context; real patterns need a few dozen, others automata


Kind = Literal["start", "end", "end_or_newline", "line_start", "line_end", "word_edge", "no_word_edge", "some_text"]


@dataclass(frozen=True, eq=False)
class Anchor:
    """A zero-width test. ``kind``: ``start``; ``end``; ``end_or_newline`` (Python's ``$``); the ends of lines
    (multiline); between a word and something else, or not; ``some_text`` (the text is not empty).

    ``symbols`` are those that make up words, or end lines. The tests that ask for them are resolved in ``look_around``.
    """

    kind: Kind
    spelling: str
    symbols: Ranges = ()


@dataclass(frozen=True, eq=False)
class Sequenced:
    """Parts one after another."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Either:
    """One of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Loop:
    """``body`` at least ``low`` and at most ``high`` times (``None``: no bound). ``lazy`` counts in ``Atomic`` only."""

    body: Node
    low: int
    high: int | None
    lazy: bool = False


@dataclass(frozen=True, eq=False)
class Look:
    """A test of what follows (or, if ``behind``, precedes): ``body`` must match there, or must not (``negated``)."""

    body: Node
    behind: bool
    negated: bool


@dataclass(frozen=True, eq=False)
class Atomic:
    """The match of ``body`` that a backtracking matcher finds first, and no other."""

    body: Node


@dataclass(frozen=True, eq=False)
class Mark:
    """From here on it is known that the group has matched, and which of its words that was."""

    group: int
    word: int


@dataclass(frozen=True, eq=False)
class Known:
    """A test: has the group matched (its word of that number, if one is given); or has it not, if ``negated``."""

    group: int
    word: int | None
    negated: bool


Node = Rx | Anchor | Sequenced | Either | Loop | Look | Atomic | Mark | Known


def sequence(parts: Sequence[Node]) -> Node:
    """One after the other; neighbours without anchors are joined."""
    if all(isinstance(part, Rx) for part in parts):
        return rx.concat(parts)  # type: ignore[arg-type]
    joined: list[Node] = []
    plain: list[Rx] = []
    for part in parts:
        if isinstance(part, Rx):
            plain.append(part)
            continue
        if plain:
            joined.append(rx.concat(plain))
            plain = []
        joined.extend(part.parts if isinstance(part, Sequenced) else (part,))
    if plain:
        joined.append(rx.concat(plain))
    return joined[0] if len(joined) == 1 else Sequenced(tuple(joined))


def either(parts: Iterable[Node]) -> Node:
    """Any of them."""
    listed = tuple(parts)
    plain = [part for part in listed if isinstance(part, Rx)]
    if len(plain) == len(listed):
        return rx.union(plain)
    return Either((*([rx.union(plain)] if plain else []), *(part for part in listed if not isinstance(part, Rx))))


def loop(body: Node, low: int, high: int | None) -> Node:
    """``body`` at least ``low`` and at most ``high`` times."""
    if isinstance(body, Rx):
        return rx.repeat(body, low, high)
    if high == 0:
        return EPSILON
    return body if (low, high) == (1, 1) else Loop(body, low, high)


def looks_around(node: Node) -> bool:
    """Is there a test in it that needs ``look_around``?"""
    match node:
        case Look() | Atomic() | Mark() | Known():
            return True
        case Anchor(kind):
            return kind in ("word_edge", "no_word_edge", "some_text")
        case Sequenced(parts) | Either(parts):
            return any(map(looks_around, parts))
        case Loop(body):
            return looks_around(body)
    return False


def may_be_empty(node: Node) -> bool:
    """Does it match the empty string somewhere, as far as can be seen without asking what its tests say?"""
    match node:
        case Sequenced(parts):
            return all(map(may_be_empty, parts))
        case Either(parts):
            return any(map(may_be_empty, parts))
        case Loop(body, low):
            return low == 0 or may_be_empty(body)
        case Atomic(body):
            return may_be_empty(body)
        case Anchor() | Look() | Mark() | Known():
            return True
    return rx.is_nullable(node)


class NeighboursMatter(Exception):
    """An anchor asks for a symbol beside it: ``look_around`` knows what to do."""


def resolve(node: Node) -> Rx:
    """The strings that the node matches from the beginning to the end of the text. Without look-around only.

    Raises ``NeighboursMatter`` where that is not enough to know.
    """
    return node if isinstance(node, Rx) else _Resolver().language(node, True, END)


@dataclass
class _Resolver:
    known: dict[tuple[int, bool, Right], Rx] = field(default_factory=dict)
    shorter: dict[tuple[int, int], Node] = field(default_factory=dict)

    def language(self, node: Node, left: bool, right: Right) -> Rx:
        if isinstance(node, Rx):
            return node
        key = (id(node), left, right)
        if key not in self.known:
            if len(self.known) >= MAX_CONTEXTS:
                raise NeighboursMatter
            self.known[key] = self._compute(node, left, right)
        return self.known[key]

    def _compute(self, node: Node, left: bool, right: Right) -> Rx:
        match node:
            case Anchor():
                return EPSILON if _holds(node, left, right) else NOTHING
            case Either(parts):
                return rx.union(self.language(part, left, right) for part in parts)
            case Sequenced(parts):
                return self._sequence(node, parts[0], parts[-1], left, right)
            case Loop():
                return self._loop(node, left, right)
        raise TypeError(f"not resolved here: {node!r}")

    def _sequence(self, node: Sequenced, first: Node, last: Node, left: bool, right: Right) -> Rx:
        """Anchors at the ends are decided by the context alone; the rest goes two by two."""
        if isinstance(first, Anchor) and first.kind == "start":
            return self.language(self._without(node, 0), left, right) if left else NOTHING
        if isinstance(last, Anchor) and last.kind in ("end", "end_or_newline"):
            holds = _holds(last, left, right)
            return self.language(self._without(node, -1), left, right) if holds else NOTHING
        return self._pair(first, self._without(node, 0), left, right)

    def _without(self, node: Sequenced, index: int) -> Node:
        """All but the first or last part; one object for each, because results are kept by identity."""
        key = (id(node), index)
        if key not in self.shorter:
            rest = node.parts[1:] if index == 0 else node.parts[:-1]
            self.shorter[key] = rest[0] if len(rest) == 1 else Sequenced(rest)
        return self.shorter[key]

    def _pair(self, first: Node, second: Node, left: bool, right: Right) -> Rx:
        """``first`` then ``second``.

        Let x, y be what they match. Both not empty: x in (left, INSIDE), y in (False, right). Only y empty: x in
        (left, right), and ``second`` must match the empty string in (False, right). Only x empty: the mirror image.
        Both empty: both match it in (left, right). If moreover y is exactly the final line feed, x may end
        BEFORE_NEWLINE. Letting x or y be empty in a product whose context is meant for non-empty strings
        adds nothing, since what matches inside matches at a boundary, which is one of the other cases.
        """
        after = self.language(second, False, right)
        options = []
        if after != NOTHING and after != EPSILON:  # with an empty rest the next case says more
            before = self.language(first, left, INSIDE)
            options.append(rx.concat((before, after)))
            if right == END and _matches_newline(after):
                options += self._before_newline(first, left, before)
        if rx.is_nullable(after):
            whole = self.language(first, left, right)
            if not options or whole != self.language(first, left, INSIDE):
                options.append(whole)
        if self._nullable(first, left, INSIDE):
            whole = self.language(second, left, right)
            if not options or whole != after:
                options.append(whole)
        elif right == END and self._nullable(first, left, BEFORE_NEWLINE):
            options += [_NEWLINE] if _matches_newline(self.language(second, left, right)) else []
        if self._nullable(first, left, right) and self._nullable(second, left, right):
            options.append(EPSILON)
        return _drop_needless_empty(options)

    def _before_newline(self, first: Node, left: bool, inside: Rx) -> list[Rx]:
        more = self.language(first, left, BEFORE_NEWLINE)
        return [] if more == inside else [rx.concat((more, _NEWLINE))]

    def _nullable(self, node: Node, left: bool, right: Right) -> bool:
        return rx.is_nullable(self.language(node, left, right))

    def _loop(self, node: Loop, left: bool, right: Right) -> Rx:
        """A run of m non-empty rounds, filled up to ``low`` by empty ones where an anchor lets them be empty."""
        body, low, high = node.body, node.low, node.high
        alone = self.language(body, left, right)
        can_fill = self._nullable(body, left, INSIDE) or self._nullable(body, False, right)
        least = min(low, 1) if can_fill else low
        options = [EPSILON] if low == 0 or rx.is_nullable(alone) else []
        if least <= 1:
            options.append(alone)
        if high is None or high >= 2:
            middle = self.language(body, False, INSIDE)
            last = self.language(body, False, right)
            if right == END and (_matches_newline(last) or _matches_newline(alone)):
                self._check_newline_round(body, left)
            most = None if high is None else high - 2
            inner = rx.repeat(middle, max(least - 2, 0), most)
            options.append(rx.concat((self.language(body, left, INSIDE), inner, last)))
        return _drop_needless_empty(options)

    def _check_newline_round(self, body: Node, left: bool) -> None:
        if any(self.language(body, x, BEFORE_NEWLINE) != self.language(body, x, INSIDE) for x in (left, False)):
            raise NeighboursMatter


def _holds(anchor: Anchor, left: bool, right: Right) -> bool:
    kind = anchor.kind
    if kind in ("start", "line_start") and left:
        return True
    if kind in ("end", "end_or_newline", "line_end") and right == END:
        return True
    if kind in ("end_or_newline", "line_end") and right == BEFORE_NEWLINE:
        return True
    if kind in ("line_start", "line_end"):
        raise NeighboursMatter
    return False


def _matches_newline(language: Rx) -> bool:
    """Does the expression match the text of one line feed?"""
    match language:
        case rx.Chars(ranges):
            return any(low <= 10 <= high for low, high in ranges)
        case rx.Concat(parts):
            solid = [part for part in parts if not rx.is_nullable(part)]
            if len(solid) > 1:
                return False
            return any(_matches_newline(part) for part in (solid or parts))
        case rx.Union(parts):
            return any(map(_matches_newline, parts))
        case rx.Repeat(body, low, high):
            return high != 0 and (low <= 1 or rx.is_nullable(body)) and _matches_newline(body)
        case rx.And(parts):
            return all(map(_matches_newline, parts))
        case rx.Not(body):
            return not _matches_newline(body)
    raise TypeError(f"not a regular expression: {language!r}")


def _drop_needless_empty(options: list[Rx]) -> Rx:
    solid = [option for option in options if option != EPSILON]
    if len(solid) < len(options) and not any(map(rx.is_nullable, solid)):
        solid.append(EPSILON)
    return rx.union(solid)
