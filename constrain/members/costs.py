"""What the cheapest member of each expression costs: first its bytes, then the expansion steps it takes.

A cost is one number, ``bytes * BYTE + steps``, so costs add up and compare as pairs. Every cost is that of a way that
was found, and each step of a way costs something: whoever always takes the cheapest way comes to an end, and writes
no more bytes than were promised. For a ``Bag`` the cheapest way is not looked for (words that must differ and items
that need others make that a hard problem); the way kept is what comes of taking the cheapest element each time.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from constrain.automata.analysis import without_unproductive
from constrain.automata.course import NO_WORDS, Course, Options, Words, add_word
from constrain.errors import GrammarError
from constrain.ir.bag import State
from constrain.ir.grammar import Bag, Choice, Expr, Grammar, Joined, Literal, Ref, Repeat, Seq, Terminal, walk
from constrain.members.strings import strings_of

BYTE = 1 << 40  # more than the steps of any member that fits into memory

Cost = float  # an int, or inf for "has no member"


def size_of(cost: Cost) -> int:
    """The bytes of a finite cost."""
    return int(cost) // BYTE


class Element(NamedTuple):
    """One element of a bag: of item ``item``, with ``state`` after it, its word as value and as text."""

    item: int
    state: State
    value: str | None
    text: bytes


class Filling(NamedTuple):
    """A way to fill a bag: its course (of a bag without items that match nothing) and the elements."""

    course: Course
    elements: list[Element]


class Costs:
    """Costs of a grammar's rules and of all expressions in them."""

    def __init__(self, grammar: Grammar) -> None:
        """Raises ``GrammarError`` when a rule is missing, ``LimitExceeded`` when a terminal is too large."""
        self.rules: dict[str, Cost] = dict.fromkeys(grammar.rules, inf)
        self._fillings: dict[int, Filling] = {}  # by the identity of bags, which live as long as the grammar
        self._known: dict[int, Cost] | None = None
        self._grammar = grammar
        self._settle(_users(grammar))
        self._known = {}  # from now on costs do not change

    def _settle(self, users: dict[str, set[str]]) -> None:
        """The least solution: rules whose parts became cheaper are looked at again."""
        waiting = dict.fromkeys(self._grammar.rules)
        while waiting:
            name, _ = waiting.popitem()
            cost = 1 + self._find(self._grammar.rules[name])
            if cost < self.rules[name]:
                self.rules[name] = cost
                waiting.update(dict.fromkeys(users[name]))

    def of(self, expr: Expr) -> Cost:
        """The cost of an expression of the grammar, or of a literal."""
        if self._known is None or isinstance(expr, Literal):
            return self._find(expr)
        cost = self._known.get(id(expr))
        if cost is None:
            cost = self._known[id(expr)] = self._find(expr)
        return cost

    def _find(self, expr: Expr) -> Cost:
        match expr:
            case Literal():
                return len(expr.data) * BYTE + 1
            case Terminal():
                return _of_bytes(strings_of(expr).least)
            case Ref():
                return self.rules[expr.name]
            case Seq():
                return 1 + sum(map(self.of, expr.parts))
            case Choice():
                return 1 + min(map(self.of, expr.parts), default=inf)
            case Repeat():
                return 1 + (expr.low * self.of(expr.body) if expr.low else 0)
            case Joined():
                required = [self.of(item) for item, needed in expr.items if needed]
                between = len(required) - 1
                return 1 + sum(required) + (between * self.of(expr.separator) if between > 0 else 0)
            case Bag():
                filling = self._fill(expr)
                return inf if filling is None else 1 + self.price(filling.course.bag, filling.elements)
        raise TypeError(f"not a grammar expression: {expr!r}")

    # ---- bags ----------------------------------------------------------------------------------------------

    def filling(self, bag: Bag) -> Filling:
        """A cheap way to fill a bag that has members."""
        self.of(bag)
        return self._fillings[id(bag)]

    def _fill(self, bag: Bag) -> Filling | None:
        """The cheaper of what was found before and what is found now. (So costs never go up while they settle.)"""
        known = self._fillings.get(id(bag))
        course = self._course(bag, known)
        if course is None:
            return None
        assert course.start is not None
        found = Filling(course, self.finish(course, course.start, NO_WORDS, 0))
        if known is None or self.price(course.bag, found.elements) <= self.price(known.course.bag, known.elements):
            self._fillings[id(bag)] = known = found
        return known

    def _course(self, bag: Bag, known: Filling | None) -> Course | None:
        finite = {name for name, cost in self.rules.items() if cost < inf}
        kept = without_unproductive(bag, finite, lambda terminal: strings_of(terminal).least == inf)
        if kept is None:
            return None
        course = known.course if known is not None and known.course.bag is kept else Course(kept)
        return course if course.start is not None else None

    def finish(self, course: Course, state: State, words: Words, count: int) -> list[Element]:
        """Elements that fill the bag from here, ``count`` being there: the cheapest each time."""
        elements: list[Element] = []
        while not course.control.is_final(state):
            ways = (self._element(course, i, after, words) for i, after in required(course, state, words))
            best = min(ways, key=lambda element: self.price(course.bag, [element], count + len(elements)))
            elements.append(best)
            state, words = best.state, with_word(words, best)
        return elements

    def _element(self, course: Course, i: int, after: State, words: Words) -> Element:
        """An element of item ``i`` with the shortest word that may be written."""
        word = course.bag.items[i].word
        if word is None:
            return Element(i, after, None, b"")
        strings = strings_of(word)
        symbols = strings.first_besides(frozenset(course.barred(after, words)))
        assert symbols is not None, "the course offers items only for which a word is left"
        return Element(i, after, word.encoding[0] + "".join(map(chr, symbols)), strings.spell(symbols))

    def price(self, bag: Bag, elements: list[Element], count: int = 0) -> Cost:
        """What elements cost, after ``count`` others."""
        total: Cost = 0
        for number, element in enumerate(elements, count):
            item = bag.items[element.item]
            total += self.of(bag.separator) if number else 0
            total += sum(self.of(part) for part in item.parts if part is not item.word)
            total += len(element.text) * BYTE + 1
        return total


def required(course: Course, state: State, words: Words) -> Options:
    """Items that can be taken; what must come first, where anything must."""
    options = course.options(state, words)
    return [option for option in options if state.missing >> option[0] & 1] or options


def with_word(words: Words, element: Element) -> Words:
    """The words when that element has been written."""
    return words if element.value is None else add_word(words, element.value)


def _of_bytes(size: float) -> Cost:
    return size if size == inf else int(size) * BYTE + 1


def _users(grammar: Grammar) -> dict[str, set[str]]:
    """The rules that refer to each rule."""
    users: dict[str, set[str]] = {name: set() for name in grammar.rules}
    for name, body in grammar.rules.items():
        for node in walk(body):
            if isinstance(node, Ref):
                if node.name not in users:
                    raise GrammarError(f"there is no rule {node.name!r}", where=f"rule {name!r}")
                users[node.name].add(name)
    if grammar.start not in users:
        raise GrammarError(f"there is no rule {grammar.start!r}, the start")
    return users
