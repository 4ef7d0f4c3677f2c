"""The elements of a bag as rules to call: what the machine needs of a ``Bag`` besides its counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from constrain.automata.analysis import nullable
from constrain.automata.course import Course
from constrain.automata.wordlanguage import can_run_out
from constrain.errors import GrammarError
from constrain.ir.grammar import Bag, Encoding, Expr, Literal, Repeat, Seq, show


@dataclass(frozen=True)
class Part:
    """A part of an element: its rule (-1 where it only matches the empty string), and whether it may be left out."""

    rule: int
    optional: bool


@dataclass(frozen=True)
class Element:
    """One kind of element: ``opening`` ``word`` ``body``, or the body alone."""

    body: Part
    opening: Part
    word: Part | None
    encoding: Encoding = "utf8"


@dataclass(frozen=True)
class BagRules:
    """A bag for the machine."""

    bag: Bag
    separator: Part
    elements: tuple[Element, ...]

    @property
    def is_plain(self) -> bool:
        """May any element come at any time, whatever came before, if only its word is new?"""
        bag = self.bag
        if bag.low > 1 or bag.high is not None or (bag.ordered and len(bag.items) > 1):
            return False
        return all(
            not (item.low or item.needs) and item.high is None and (item.word is None or not can_run_out(item.word))
            for item in bag.items
        )

    @cached_property
    def course(self) -> Course:
        """The ways through the bag, thought about when the bag is first met."""
        return Course(self.bag)


NOTHING = Part(-1, True)


def compile_bag(bag: Bag, nulls: set[str], where: str, rule: Callable[[Expr], int]) -> BagRules:
    """``rule(expr)`` gives the number of a rule for ``expr``.

    Raises ``GrammarError`` for an element or a word that may be empty.
    """

    def part(expr: Expr) -> Part:
        return NOTHING if is_blank(expr) else Part(rule(expr), nullable(expr, nulls))

    elements = []
    for item in bag.items:
        first = item.body if item.word is None else item.word
        if nullable(first, nulls):
            kind = "an element" if item.word is None else "a word"
            raise GrammarError(f"{kind} of a bag may be empty: {show(first)}", where=f"rule {where!r}")
        word = None if item.word is None else Part(rule(item.word), False)
        encoding: Encoding = "utf8" if item.word is None else item.word.encoding
        opening = NOTHING if item.opening is None else part(item.opening)
        elements.append(Element(part(item.body), opening, word, encoding))
    return BagRules(bag, part(bag.separator), tuple(elements))


def is_blank(expr: Expr) -> bool:
    """Is this the empty string only, by its form?"""
    if isinstance(expr, Seq):
        return all(map(is_blank, expr.parts))
    return (isinstance(expr, Literal) and not expr.data) or (isinstance(expr, Repeat) and expr.high == 0)
