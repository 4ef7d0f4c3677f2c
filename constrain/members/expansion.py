"""``Expansion``: leftmost expansion of a grammar into one member, as ``Choices`` decide.

``spare`` is how many bytes the member may be longer than the cheapest. Each decision takes from it what its way costs
more than the cheapest way; what costs more than is left is not offered. So the bound holds whatever is decided. Steps
are bounded too (a rule may go round without writing anything): when they are used up only the cheapest ways are
offered, and those come to an end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import inf
from typing import NamedTuple

from constrain.automata.course import NO_WORDS, Course, Words
from constrain.automata.recursion import strongly_connected
from constrain.errors import GrammarError
from constrain.ir.bag import State
from constrain.ir.grammar import Bag, Choice, Expr, Grammar, Joined, Literal, Ref, Repeat, Seq, Terminal, walk
from constrain.members.choices import Choices, index, pick
from constrain.members.costs import Costs, Element, size_of, with_word
from constrain.members.loose import candidates
from constrain.members.strings import strings_of

DEEPEST = 20  # parts inside each other; Hypothesis gives up at 100, of which its users need some too
LONGEST = 30  # elements that a bag must have: where there are more, only the cheap filling is written
STEPS = 1_000  # and twenty for each spare byte


class Language:
    """A grammar's language as something to take members from."""

    def __init__(self, grammar: Grammar) -> None:
        """Raises ``GrammarError`` when it is empty or a rule is missing, ``LimitExceeded`` when a terminal is too large
        to be looked at."""
        grammar, self._judge = candidates(grammar)
        self.grammar = grammar
        self.costs = Costs(grammar)
        if self.costs.rules[grammar.start] == inf:
            raise GrammarError("no text at all matches", where=f"rule {grammar.start!r}")
        self._ways: dict[int, list[Way]] = {}

    @property
    def least(self) -> int:
        """Bytes of the shortest member (of the shortest that is known, where there are bags)."""
        return size_of(self.costs.rules[self.grammar.start])

    @cached_property
    def recursive(self) -> frozenset[str]:
        """The rules that lead to themselves."""
        calls = {
            name: {node.name for node in walk(body) if isinstance(node, Ref)}
            for name, body in self.grammar.rules.items()
        }
        circles = strongly_connected(calls)
        return frozenset(name for names in circles for name in names if len(names) > 1 or name in calls[name])

    def accepts(self, text: bytes) -> bool:
        """Is what ``member`` has made a member? (Always, but for grammars with a lexer: ``loose.py``.)"""
        if self._judge is None:
            return True
        state = self._judge.advance_bytes(self._judge.start(), text)
        return state is not None and self._judge.is_accepting(state)

    def member(self, choices: Choices, spare: int) -> bytes:
        """A member of at most ``least + spare`` bytes, or a candidate: see ``accepts``."""
        return _Expansion(self, choices, spare).text(Ref(self.grammar.start))

    def size(self, expr: Expr) -> int | None:
        """Bytes of the cheapest text of an expression; ``None`` when it has none."""
        cost = self.costs.of(expr)
        return None if cost == inf else size_of(cost)

    def ways(self, expr: Choice) -> list[Way]:
        """The parts that match something, the cheapest first."""
        ways = self._ways.get(id(expr))
        if ways is None:
            costs = [(self.costs.of(part), i) for i, part in enumerate(expr.parts)]
            costs = sorted(pair for pair in costs if pair[0] < inf)
            least = size_of(costs[0][0])
            ways = [Way(size_of(cost) - least, self._weight(expr.parts[i]), expr.parts[i]) for cost, i in costs]
            self._ways[id(expr)] = ways
        return ways

    def _weight(self, expr: Expr) -> int:
        """How often a part shall be chosen: rather those that lead on than those that end, as long as there is room."""
        return 3 if any(isinstance(node, Ref) and node.name in self.recursive for node in walk(expr)) else 1


class Way(NamedTuple):
    """A part of a choice: the bytes that it costs more than the cheapest, and its weight."""

    size: int
    weight: int
    part: Expr


class _More:
    """On the stack: further copies of a repeat's body, ``left`` of them at most."""

    def __init__(self, body: Expr, left: float, size: int) -> None:
        self.body, self.left, self.size = body, left, size


class _Rest:
    """On the stack: what is still to come of a bag. ``plan`` are the elements that will do."""

    def __init__(self, course: Course, state: State, plan: list[Element]) -> None:
        self.course, self.state, self.plan = course, state, plan
        self.words: Words = NO_WORDS
        self.count = 0


class _Expansion:
    """One member in the making. An explicit stack, so that deep grammars need no deep recursion."""

    def __init__(self, language: Language, choices: Choices, spare: int) -> None:
        self.language, self.choices = language, choices
        self.rules = language.grammar.rules
        self.spare = spare
        self.steps = STEPS + 20 * spare
        self.depth = 0

    def text(self, expr: Expr) -> bytes:
        """A text of the expression."""
        out = bytearray()
        stack: list[Expr | _More | _Rest] = [expr]
        while stack:
            self.steps -= 1
            node = stack.pop()
            match node:
                case Literal():
                    out += node.data
                case Terminal():
                    out += self.string(node)
                case Ref():
                    if node.name in self.language.recursive and self.depth < DEEPEST:
                        out += self.part(self.rules[node.name])
                    else:
                        stack.append(self.rules[node.name])
                case Seq():
                    stack += reversed(node.parts)
                case Choice():
                    stack.append(self.choose(node))
                case Repeat():
                    stack += self.repeat(node)
                case _More():
                    stack += self.once_more(node)
                case Joined():
                    stack += reversed(self.pick(node))
                case Bag():
                    stack.append(self.begin(node))
                case _Rest():
                    stack += reversed(self.fill(node))
        return bytes(out)

    def part(self, expr: Expr) -> bytes:
        self.depth += 1
        try:
            return self.choices.part(lambda: self.text(expr))
        finally:
            self.depth -= 1

    @property
    def left(self) -> int:
        """Bytes that may be spent; negative when nothing but the cheapest way may be taken."""
        return self.spare if self.steps > 0 else -1

    def string(self, terminal: Terminal) -> bytes:
        strings = strings_of(terminal)
        symbols = strings.choose(self.choices, self.spare)
        self.spare -= len(strings.spell(symbols)) - int(strings.least)
        return self.spell(terminal, symbols)

    def spell(self, terminal: Terminal, symbols: Sequence[int]) -> bytes:
        strings = strings_of(terminal)
        text = strings.spell_freely(symbols, self.choices, self.spare)
        self.spare -= len(text) - len(strings.spell(symbols))
        return text

    def choose(self, expr: Choice) -> Expr:
        ways = self.language.ways(expr)
        ways = [way for way in ways if way.size <= self.left] or ways[:1]
        way = pick(ways, [way.weight for way in ways], self.choices)
        self.spare -= way.size
        self.choices.weigh(way.size)
        return way.part

    def repeat(self, expr: Repeat) -> list[Expr | _More]:
        size = self.language.size(expr.body)
        if size is None:
            return []
        left = inf if expr.high is None else expr.high - expr.low
        return [_More(expr.body, left, size), *[expr.body] * expr.low]

    def once_more(self, more: _More) -> list[Expr | _More]:
        if not more.left or more.size > self.left or not self.choices.more():
            return []
        self.spare -= more.size
        return [_More(more.body, more.left - 1, more.size), more.body]

    def pick(self, expr: Joined) -> list[Expr]:
        """Items to write, with separators between them."""
        needed = sum(required for _, required in expr.items)
        between = self.language.size(expr.separator)
        picked: list[Expr] = []
        optional = 0
        for item, required in expr.items:
            if not required:
                size, alone = self.language.size(item), not (needed or optional)
                if size is None or (between is None and not alone):
                    continue
                size += 0 if alone or between is None else between
                if size > self.left or not self.choices.more():
                    continue
                self.spare -= size
                optional += 1
            picked += [expr.separator, item] if picked else [item]
        return picked

    # ---- bags ----------------------------------------------------------------------------------------------

    def begin(self, bag: Bag) -> _Rest:
        course, elements = self.language.costs.filling(bag)
        assert course.start is not None
        return _Rest(course, course.start, elements)

    def fill(self, rest: _Rest) -> list[Expr | _Rest]:
        """The next element of a bag, with a separator before it; nothing at the end."""
        element = self.next_element(rest)
        if element is None:
            return []
        bag, item = rest.course.bag, rest.course.bag.items[element.item]
        parts: list[Expr | _Rest] = [bag.separator] if rest.count else []
        parts += [part if part is not item.word else Literal(element.text) for part in item.parts]
        rest.state, rest.words = element.state, with_word(rest.words, element)
        rest.count += 1
        return [*parts, rest]

    def next_element(self, rest: _Rest) -> Element | None:
        """That of the plan, or another one, for which a new plan is made."""
        if len(rest.plan) > LONGEST or self.left < 0:
            return self.planned(rest)
        options = rest.course.options(rest.state, rest.words)
        if rest.plan:
            first = rest.plan[0].item
            options = sorted(options, key=lambda option: option[0] != first)
            i, after = options[index(self.choices, len(options))]
            return self.other(rest, i, after) or self.planned(rest)
        if not options or self.left <= 0 or not self.choices.more():
            return None
        return self.other(rest, *options[index(self.choices, len(options))])

    def planned(self, rest: _Rest) -> Element | None:
        if not rest.plan:
            return None
        element, *rest.plan = rest.plan
        return element

    def other(self, rest: _Rest, i: int, after: State) -> Element | None:
        """An element of item ``i``, and a plan for the rest; ``None`` if they cost too much."""
        word = rest.course.bag.items[i].word
        if word is None:
            return self.adopt(rest, Element(i, after, None, b""))
        strings = strings_of(word)
        barred = frozenset(rest.course.barred(after, rest.words))
        symbols: list[int] | None = strings.choose(self.choices, self.spare)
        value = _value(word, symbols)
        if value in barred:
            symbols = strings.first_besides(barred)
            assert symbols is not None, "the course offers items only for which a word is left"
            value = _value(word, symbols)
        assert symbols is not None
        element = self.adopt(rest, Element(i, after, value, strings.spell(symbols)))
        return element and element._replace(text=self.spell(word, symbols))

    def adopt(self, rest: _Rest, element: Element) -> Element | None:
        """The element, if it and the cheapest rest are not too long; what they take is then spent."""
        costs, bag = self.language.costs, rest.course.bag
        plan = costs.finish(rest.course, element.state, with_word(rest.words, element), rest.count + 1)
        more = size_of(costs.price(bag, [element, *plan], rest.count)) - size_of(
            costs.price(bag, rest.plan, rest.count)
        )
        if more > self.left:
            return None
        self.spare -= more
        rest.plan = plan
        return element


def _value(word: Terminal, symbols: Sequence[int] | None) -> str:
    return word.encoding[0] + "".join(map(chr, symbols or ()))
