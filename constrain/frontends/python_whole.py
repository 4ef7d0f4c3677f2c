"""Python patterns that match a whole text: all of what ``re`` takes, as nodes of ``anchored``.

``re`` backtracks: a text matches if *some* path through the pattern leads to its end. So the language is regular as
long as what a path remembers is finite. Paths remember groups only where a conditional or a back-reference asks for
them: whether a group has matched, or which of its words, if it has few. Atomic groups and possessive quantifiers cut
paths off; ``Atomic`` says exactly which.

Where ``re`` itself goes by more than that (it leaves a repeat after a round that read nothing; it keeps what one path
of a look-ahead has captured), and where a group has too many words, the construct is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any, NoReturn

from constrain.frontends import char_sets
from constrain.frontends.anchored import (
    Anchor,
    Atomic,
    Either,
    Known,
    Look,
    Loop,
    Mark,
    Node,
    Sequenced,
    either,
    loop,
    may_be_empty,
    sequence,
)
from constrain.frontends.python_regex import READ, Reader, ReadTable, locale_set, op, parse_tree, refusal
from constrain.ir import rx
from constrain.ir.rx import Ranges

MAX_WORDS = 100  # texts of a group that a back-reference may repeat: each is remembered by states of its own
_EMPTY_ROUNDS = "repeat of what may be empty"


def parse(pattern: str | bytes, flags: int) -> Node:
    """The pattern as nodes. Raises ``GrammarError`` for bad syntax, ``UnsupportedPattern`` for what is refused."""
    tree = parse_tree(pattern, flags)
    reader = WholeReader(pattern)
    reader.groups.visit(tree)
    return reader.sequence(tree, flags | tree.state.flags)


@dataclass
class Asked:
    """A place where the pattern asks for a group: the look-arounds and groups that it stands in; how many of its
    kind stand before it."""

    group: int
    looks: tuple[tuple[int, bool], ...]
    open_groups: tuple[int, ...]
    number: int


@dataclass
class Groups:
    """Which groups are asked for, and where: found before reading, as a group comes before it is asked for.

    A look-around is (its number, is it a look-behind).
    """

    conditionals: list[Asked] = field(default_factory=list)
    references: list[Asked] = field(default_factory=list)
    home: dict[int, tuple[tuple[int, bool], ...]] = field(default_factory=dict)  # the look-arounds around a group
    looks: int = 0

    def visit(
        self, items: Iterable[tuple[Any, Any]], looks: tuple[tuple[int, bool], ...] = (), groups: tuple[int, ...] = ()
    ) -> None:
        for code, argument in items:
            inside = looks
            if code in (op.ASSERT, op.ASSERT_NOT):
                self.looks += 1
                inside = (*looks, (self.looks, argument[0] < 0))
            elif code is op.SUBPATTERN and argument[0] is not None:
                self.home[argument[0]] = looks
                self.visit(argument[3], looks, (*groups, argument[0]))
                continue
            elif code is op.GROUPREF:
                self.references.append(Asked(argument, looks, groups, len(self.references)))
            elif code is op.GROUPREF_EXISTS:
                self.conditionals.append(Asked(argument[0], looks, groups, len(self.conditionals)))
            for part in _bodies(code, argument):
                self.visit(part, inside, groups)

    def is_asked(self, group: int | None) -> bool:
        return any(asked.group == group for asked in (*self.conditionals, *self.references))

    def is_referred_to(self, group: int | None) -> bool:
        return any(asked.group == group for asked in self.references)

    def reason_against(self, asked: Asked) -> str | None:
        """Why what a path knows of the group is not what ``re`` knows of it there."""
        home = self.home.get(asked.group, ())
        if asked.looks[: len(home)] != home:
            return "to a group inside look-around, of which re keeps one match only"
        if any(behind for _, behind in asked.looks):
            return "inside look-behind"
        return "inside its own group" if asked.group in asked.open_groups else None


def _bodies(code: Any, argument: Any) -> Iterator[Any]:
    """The parts of an item that are patterns themselves."""
    if code is op.BRANCH:
        yield from argument[1]
    elif code is op.GROUPREF_EXISTS:
        yield from (part for part in argument[1:] if part is not None)
    elif code is op.ATOMIC_GROUP:
        yield argument
    elif code in (op.SUBPATTERN, op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT, op.ASSERT, op.ASSERT_NOT):
        yield argument[-1]


class WholeReader(Reader):
    """Reads tests, groups that are asked for, and atomic groups. In these the order of alternatives counts
    (``ordered``), so nothing is simplified there."""

    def __init__(self, pattern: str | bytes) -> None:
        super().__init__(pattern)
        self.groups = Groups()
        self.ordered = False
        self.words: dict[int, list[tuple[int, ...]] | None] = {}
        self.seen = {"conditional group": 0, "back-reference": 0}

    @property
    def read(self) -> ReadTable:
        return READ_WHOLE

    def sequence(self, items: Iterable[tuple[Any, Any]], flags: int) -> Node:
        if not self.ordered:
            return super().sequence(items, flags)
        parts = [self.read[code](self, argument, flags) for code, argument in items]
        return parts[0] if len(parts) == 1 else Sequenced(tuple(parts))

    def alternatives(self, argument: tuple[None, list[Any]], flags: int) -> Node:
        parts = [self.sequence(branch, flags) for branch in argument[1]]
        return Either(tuple(parts)) if self.ordered else either(parts)

    def nested(self, items: Any, flags: int, *, ordered: bool) -> Node:
        """A part where order counts, or does not, whatever it does around."""
        around, self.ordered = self.ordered, ordered
        body = self.sequence(items, flags)
        self.ordered = around
        return body

    def test(self, kind: Any, flags: int) -> Node:
        if kind is op.AT_BOUNDARY:
            return Anchor("word_edge", "\\b", self.word(flags))
        if kind is op.AT_NON_BOUNDARY:
            inside = Anchor("no_word_edge", "\\B", self.word(flags))
            return inside if _matches_empty_text() else sequence((inside, Anchor("some_text", "\\B")))
        return self.anchor(kind, flags)

    def word(self, flags: int) -> Ranges:
        """The symbols that make up words."""
        if flags & re.LOCALE:
            return locale_set(((op.CATEGORY, op.CATEGORY_WORD),), flags)
        return char_sets.unicode_set("w") if self.is_text and not flags & re.ASCII else char_sets.ASCII_SETS["w"]

    def ahead_or_behind(self, argument: tuple[int, Any], flags: int, *, negated: bool = False) -> Node:
        behind, items = argument[0] < 0, argument[1]
        least, most = items.getwidth()
        if behind and least != most:
            raise refusal(
                self.pattern, "look-behind", bool(flags & re.VERBOSE), "look-behind requires fixed-width pattern"
            )
        return Look(self.nested(items, flags, ordered=False), behind, negated)

    def not_ahead_or_behind(self, argument: tuple[int, Any], flags: int) -> Node:
        return self.ahead_or_behind(argument, flags, negated=True)

    def lazy_repeat(self, argument: tuple[int, Any, Any], flags: int) -> Node:
        return self.repeat(argument, flags, lazy=True)

    def repeat(self, argument: tuple[int, Any, Any], flags: int, *, lazy: bool = False) -> Node:
        low, high, items = argument
        body, most = self.sequence(items, flags), None if high is op.MAXREPEAT else int(high)
        if (most is None or most - low > 1) and may_be_empty(body):
            if self.ordered:
                self.refuse_this(_EMPTY_ROUNDS, f"{_EMPTY_ROUNDS}, without backtracking,", flags)
            if _has_marks(body):
                kind = "back-reference" if self.groups.references else "conditional group"
                self.refuse_this(kind, f"{kind} to a group inside a {_EMPTY_ROUNDS}", flags)
        return Loop(body, low, most, lazy) if self.ordered else loop(body, low, most)

    def possessive(self, argument: tuple[int, Any, Any], flags: int) -> Node:
        """Each round is atomic: ``re`` never goes back into one, not even for the sake of a lower bound."""
        low, high, items = argument
        around, self.ordered = self.ordered, True
        single = len(items) == 1 and items[0][0] in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)
        rounds = self.repeat((low, high, items if single else [(op.ATOMIC_GROUP, items)]), flags)
        self.ordered = around
        return Atomic(rounds)

    def atomic(self, items: Any, flags: int) -> Node:
        return Atomic(self.nested(items, flags, ordered=True))

    def group(self, argument: tuple[int | None, int, int, Any], flags: int) -> Node:
        number = argument[0]
        body = super().group(argument, flags)
        if number is None or not self.groups.is_asked(number):
            return body
        words = self.words[number] = _words(body) if self.groups.is_referred_to(number) else None
        if words is None:
            return Sequenced((body, Mark(number, 0)))
        spelled = (rx.concat(map(char_sets.one, word)) for word in words)
        return Either(tuple(Sequenced((text, Mark(number, n))) for n, text in enumerate(spelled)))

    def conditional(self, argument: tuple[int, Any, Any], flags: int) -> Node:
        number, if_known, if_not = argument
        self.check("conditional group", self.groups.conditionals, flags)
        yes, no = self.sequence(if_known, flags), self.sequence(if_not or (), flags)
        known, unknown = Known(number, None, negated=False), Known(number, None, negated=True)
        return Either((Sequenced((known, yes)), Sequenced((unknown, no))))

    def reference(self, number: int, flags: int) -> Node:
        nth = self.check("back-reference", self.groups.references, flags)
        words = self.words[number]
        if words is None:
            reason = f"back-reference to a group that matches more than {MAX_WORDS} texts, or no fixed ones,"
            self.refuse_this("back-reference", reason, flags, nth)
        spelled = (rx.concat(rx.chars(self.same(code, flags)) for code in word) for word in words)
        ways = (Sequenced((Known(number, n, negated=False), text)) for n, text in enumerate(spelled))
        return Either(tuple(ways))

    def same(self, code: int, flags: int) -> Ranges:
        """The symbols that a back-reference takes for one: those with the same lower case, if case is ignored."""
        if not flags & re.IGNORECASE:
            return ((code, code),)
        if flags & re.LOCALE:
            return locale_set(((op.LITERAL, code),), flags)
        return char_sets.same_lower_case(code, bool(flags & re.ASCII) or not self.is_text)

    def check(self, construct: str, listed: list[Asked], flags: int) -> int:
        """Refuses the next conditional or reference if it must be; its number."""
        nth = self.seen[construct]
        self.seen[construct] += 1
        reason = self.groups.reason_against(listed[nth])
        if reason:
            self.refuse_this(construct, f"{construct} {reason}", flags, nth)
        return nth

    def refuse_this(self, construct: str, message: str, flags: int, nth: int = 0) -> NoReturn:
        raise refusal(self.pattern, construct, bool(flags & re.VERBOSE), f"{message} is not supported", nth)


def _words(node: Node) -> list[tuple[int, ...]] | None:
    """The texts that a node matches, best first; ``None`` if they are not few or not plain."""
    match node:
        case rx.Chars(ranges):
            count = sum(high - low + 1 for low, high in ranges)
            return [(code,) for low, high in ranges for code in range(low, high + 1)] if count <= MAX_WORDS else None
        case rx.Union(parts) | Either(parts):
            listed = [_words(part) for part in parts]
            return None if None in listed else _few(word for words in listed for word in words or ())
        case rx.Concat(parts) | Sequenced(parts):
            found: list[tuple[int, ...]] | None = [()]
            for part in parts:
                more = _words(part)
                found = found and more and _few((*word, *rest) for word in found for rest in more)
            return found
        case rx.Repeat(body, 0, 1) | Loop(body, 0, 1, False):
            words = _words(body)
            return None if words is None else _few((*words, ()))
        case rx.Repeat(body, low, high) | Loop(body, low, high) if high is not None and low == high <= MAX_WORDS:
            return _words(Sequenced((body,) * low))
    return None


def _few(words: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]] | None:
    found = list(islice(words, MAX_WORDS + 1))
    return found if len(found) <= MAX_WORDS else None


def _has_marks(node: Node) -> bool:
    match node:
        case Mark():
            return True
        case Sequenced(parts) | Either(parts):
            return any(map(_has_marks, parts))
        case Loop(body) | Atomic(body):
            return _has_marks(body)
    return False


@cache
def _matches_empty_text() -> bool:
    r"""Is the empty text one of ``\B``? Not before Python 3.14."""
    return re.fullmatch(r"\B", "") is not None


READ_WHOLE: ReadTable = {
    **READ,
    op.BRANCH: WholeReader.alternatives,
    op.SUBPATTERN: WholeReader.group,
    op.MAX_REPEAT: WholeReader.repeat,
    op.MIN_REPEAT: WholeReader.lazy_repeat,
    op.AT: WholeReader.test,
    op.ASSERT: WholeReader.ahead_or_behind,
    op.ASSERT_NOT: WholeReader.not_ahead_or_behind,
    op.GROUPREF: WholeReader.reference,
    op.GROUPREF_EXISTS: WholeReader.conditional,
    op.ATOMIC_GROUP: WholeReader.atomic,
    op.POSSESSIVE_REPEAT: WholeReader.possessive,
}
