"""``Grammar``: context-free rules whose leaves are byte literals and regular terminals. Data and printing only.

Meaning of each expression, as a set of byte strings: ``Literal`` that string; ``Terminal`` the spellings of the
strings of a regular expression; ``Ref`` what the named rule means (least solution of all rules together);
``Seq``, ``Choice`` and ``Repeat`` as usual; ``Joined`` the items in their order, each that is not required
left out or not, with the separator between those that are there; ``Bag`` elements in any order, counted by kind,
with no word written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING
from typing import Literal as OneOf

from constrain.errors import ConstrainError
from constrain.ir import rx as _rx
from constrain.ir.rx import Rx

if TYPE_CHECKING:
    from constrain.ir.lexing import Lexing

Encoding = OneOf["utf8", "bytes", "json"]


class Expr:
    """Right-hand side of a rule. Nodes are compared by identity: grammars are built once and read often."""

    __slots__ = ()


class Literal(Expr):
    """Exactly ``data``."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Terminal(Expr):
    """A regular language. ``rx`` is over symbols; ``encoding`` says how symbols are spelled in bytes.

    ``utf8``   symbols are code points, spelled as well-formed UTF-8.
    ``bytes``  symbols are bytes.
    ``json``   symbols are code points of a JSON string's *value*: raw UTF-8 (not ``"``, ``\\``, controls) or any
               JSON escape, surrogate pairs included, lone surrogates not; **then the closing quote, which is part
               of the terminal**. The opening quote is not.

    ``low`` and ``high`` (``None``: no bound) further bound the number of symbols: the language is that of
    ``rx`` intersected with all strings of that many symbols. ``exclude`` lists strings that are left out (cheaper, and
    more readable, than a complement); ``language`` is ``rx`` without them. ``name`` is for messages only.
    """

    __slots__ = ("encoding", "exclude", "high", "low", "name", "rx")

    def __init__(
        self,
        rx: Rx,
        encoding: Encoding = "utf8",
        low: int = 0,
        high: int | None = None,
        name: str = "",
        exclude: tuple[str, ...] = (),
    ) -> None:
        self.rx = rx
        self.exclude = exclude
        self.encoding = encoding
        self.low = low
        self.high = high
        self.name = name

    @property
    def language(self) -> Rx:
        """``rx`` without the excluded strings (the window is not part of it)."""
        return self.rx - _rx.union(map(_rx.literal, self.exclude)) if self.exclude else self.rx


class Token(Expr):
    """What a lexer finds and calls ``number`` (``ir/lexing.py``); ``name`` is for messages only."""

    __slots__ = ("name", "number")

    def __init__(self, number: int, name: str = "") -> None:
        self.number = number
        self.name = name


class Ref(Expr):
    """The rule called ``name``."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Seq(Expr):
    """All parts, one after another."""

    __slots__ = ("parts",)

    def __init__(self, *parts: Expr) -> None:
        self.parts = parts


class Choice(Expr):
    """Any one of the parts; without parts it matches nothing."""

    __slots__ = ("parts",)

    def __init__(self, *parts: Expr) -> None:
        self.parts = parts


class Repeat(Expr):
    """``body`` at least ``low`` and at most ``high`` times (``None``: no bound)."""

    __slots__ = ("body", "high", "low")

    def __init__(self, body: Expr, low: int, high: int | None) -> None:
        if low < 0 or (high is not None and high < low):
            raise ValueError(f"a repeat needs 0 <= low <= high, not {low}..{high}")
        self.body = body
        self.low = low
        self.high = high


class Joined(Expr):
    """Items in order, ``items[i] = (expression, required)``, separated by ``separator``; may be empty."""

    __slots__ = ("items", "separator")

    def __init__(self, items: tuple[tuple[Expr, bool], ...], separator: Expr) -> None:
        self.items = items
        self.separator = separator


class Item:
    """One kind of element of a ``Bag``. Its text is ``body`` or, with a word, ``opening`` ``word`` ``body``.

    ``low`` and ``high`` (``None``: no bound) say how many elements of this kind the bag has; ``needs`` lists indices of
    items of which there must be at least one if there is one of this kind.
    """

    __slots__ = ("body", "high", "low", "needs", "opening", "word")

    def __init__(
        self,
        body: Expr,
        low: int = 0,
        high: int | None = 1,
        *,
        opening: Expr | None = None,
        word: Terminal | None = None,
        needs: tuple[int, ...] = (),
    ) -> None:
        if low < 0 or (high is not None and high < low):
            raise ValueError(f"an item needs 0 <= low <= high, not {low}..{high}")
        if opening is not None and word is None:
            raise ValueError("an item with an opening needs a word; without one, put the opening into the body")
        self.body = body
        self.low = low
        self.high = high
        self.opening = opening
        self.word = word
        self.needs = needs

    @property
    def parts(self) -> tuple[Expr, ...]:
        """What one element is made of, in order."""
        if self.word is None:
            return (self.body,)
        return (self.word, self.body) if self.opening is None else (self.opening, self.word, self.body)


class Bag(Expr):
    """``low`` to ``high`` (``None``: no bound) elements with ``separator`` between them; none is the empty text.

    Elements come in any order or, if ``ordered``, in the order of their items (elements of one item together). The
    bag has as many elements of each item as the item says, those that others need, and no word twice. Two words are
    the same if they have the same encoding and spell the same symbols: the JSON keys ``"a"`` and ``"\\u0061"`` are. A
    text is in the bag if some way of telling its elements apart and assigning them to items fulfils all that: items
    may overlap. Elements never match the empty text (the compiler raises ``GrammarError``).
    """

    __slots__ = ("high", "items", "low", "ordered", "separator")

    def __init__(
        self, items: tuple[Item, ...], separator: Expr, low: int = 0, high: int | None = None, *, ordered: bool = False
    ) -> None:
        if low < 0 or (high is not None and high < low):
            raise ValueError(f"a bag needs 0 <= low <= high, not {low}..{high}")
        if any(not 0 <= need < len(items) for item in items for need in item.needs):
            raise ValueError(f"what items of a bag need are indices of its {len(items)} items")
        self.items = items
        self.separator = separator
        self.low = low
        self.high = high
        self.ordered = ordered


EMPTY: Expr = Seq()
NEVER: Expr = Choice()


class Common:
    """Rules that many grammars have in common, the very same objects, and expressions that occur in many: what an
    engine makes of them it may make once. Compared by identity."""

    def __init__(self, rules: dict[str, Expr], parts: tuple[Expr, ...] = ()) -> None:
        """``rules`` refer to each other only."""
        self.rules, self.parts = rules, parts


class RulesOnDemand(Mapping[str, Expr]):
    """Rules of which some are made when they are first asked for; who looks at all of them makes all.

    ``made`` are the rules that there are, ``waiting`` what makes each of the others and returns it; making one may add
    to both (they are owned, not copied). Whoever adds a waiting rule promises that it can be made, that it matches
    something but not the empty text, and that it begins with a literal or a terminal: so the compiler need not look at
    it before it is called. ``sound`` are the names of rules of which moreover no part matches nothing: neither need it
    look at them then. ``parts`` are expressions that rules to be made will contain and that may be too large to be
    compiled, which should be known at once. Thread-safe.
    """

    def __init__(
        self,
        made: dict[str, Expr],
        waiting: dict[str, Callable[[], Expr]],
        sound: Set[str] = frozenset(),
        forget: Callable[[], None] = lambda: None,
        common: Common | None = None,
        parts: Sequence[Expr] = (),
    ) -> None:
        """``forget`` is called when the rules are gone: it lets go of what making them needs. ``common``: rules of
        these names are those."""
        self.made, self.waiting, self.sound, self._forget, self.common = made, waiting, sound, forget, common
        self.parts = parts
        self._lock = RLock()

    def __getitem__(self, name: str) -> Expr:
        if name not in self.waiting:
            return self.made[name]
        with self._lock:
            make = self.waiting.get(name)
            if make is not None:
                self.made[name] = make()
                del self.waiting[name]
            return self.made[name]

    def __contains__(self, name: object) -> bool:
        return name in self.made or name in self.waiting

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __del__(self) -> None:
        self._forget()

    def _all(self) -> dict[str, Expr]:
        while self.waiting:
            self[next(iter(self.waiting))]
        return self.made


@dataclass(frozen=True)
class Grammar:
    """Immutable set of rules. ``rules[start]`` is the whole language; ``str(grammar)`` prints it.

    ``unenforced``: what its source asks for besides, where the front end was told to leave such things out.
    ``lexing``: what reads the tokens, in grammars whose leaves are ``Token`` (``ir/lexing.py``).
    """

    start: str
    rules: Mapping[str, Expr]
    unenforced: tuple[ConstrainError, ...] = ()
    lexing: Lexing | None = None

    def __str__(self) -> str:
        width = max(map(len, self.rules), default=0)
        return "\n".join(f"{name:{width}} = {show(body)}" for name, body in self.rules.items())


def children(expr: Expr) -> tuple[Expr, ...]:
    """Direct sub-expressions."""
    match expr:
        case Seq() | Choice():
            return expr.parts
        case Repeat():
            return (expr.body,)
        case Joined():
            return (*(item for item, _ in expr.items), expr.separator)
        case Bag():
            return (*(part for item in expr.items for part in item.parts), expr.separator)
    return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and all below it, parents first. A node used twice is visited once."""
    stack, seen = [expr], set()
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        stack.extend(reversed(children(node)))


def expand_joined(expr: Joined) -> Expr:
    """The same language without ``Joined``: quadratic in the number of optional items."""
    tail: Expr = EMPTY  # what may follow once something has been written
    first: Expr = EMPTY  # the same while nothing has been written
    for item, required in reversed(expr.items):
        after, fresh = tail, first
        tail = Seq(expr.separator, item, after)
        first = Seq(item, after)
        if not required:
            tail, first = Choice(tail, after), Choice(first, fresh)
    return first


def show(expr: Expr) -> str:
    """One line of readable text."""
    match expr:
        case Literal():
            return repr(expr.data)[1:]
        case Ref():
            return expr.name
        case Token():
            return f"<{expr.name or expr.number}>"
        case Terminal():
            bounds = _bounds(expr.low, expr.high) if expr.low or expr.high is not None else ""
            less = f" - {{{', '.join(map(repr, expr.exclude))}}}" if expr.exclude else ""
            return f"{expr.encoding}/{show_rx(expr.rx)}/{bounds}{less}"
        case Seq():
            return " ".join(map(show, expr.parts)) or "()"
        case Choice():
            return "(" + " | ".join(map(show, expr.parts)) + ")" if expr.parts else "<nothing>"
        case Repeat():
            return f"({show(expr.body)}){_bounds(expr.low, expr.high)}"
        case Joined():
            items = ", ".join(show(item) + ("" if required else "?") for item, required in expr.items)
            return f"joined[{items}; {show(expr.separator)}]"
        case Bag():
            elements = ", ".join(map(_show_item, expr.items))
            name = "ordered bag" if expr.ordered else "bag"
            return f"{name}[{elements}; {show(expr.separator)}]{_bounds(expr.low, expr.high)}"
    raise TypeError(f"not a grammar expression: {expr!r}")


def _show_item(item: Item) -> str:
    """Text of one element with its word in angle brackets, counts, and what it needs."""
    parts = (f"<{show(part)}>" if part is item.word else show(part) for part in item.parts)
    needs = f" needs {', '.join(f'#{need}' for need in item.needs)}" if item.needs else ""
    return " ".join(parts) + _bounds(item.low, item.high) + needs


def _bounds(low: int, high: int | None) -> str:
    return f"{{{low},{'' if high is None else high}}}"


def show_rx(rx: Rx) -> str:
    """The expression in a regular-expression-like notation (for reading, not for parsing)."""
    match rx:
        case _rx.Chars(ranges):
            if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
                return _symbol(ranges[0][0])
            if rx == _rx.ANY_CHAR:
                return "."
            return "[" + "".join(_symbol(a) + (f"-{_symbol(b)}" if b > a else "") for a, b in ranges) + "]"
        case _rx.Concat(parts):
            return "".join(f"({show_rx(p)})" if isinstance(p, _rx.Union) else show_rx(p) for p in parts)
        case _rx.Union(parts):
            return "|".join(map(show_rx, parts)) if parts else "<nothing>"
        case _rx.Repeat(body, low, high):
            inner = show_rx(body) if isinstance(body, _rx.Chars) else f"({show_rx(body)})"
            marks = {(0, None): "*", (1, None): "+", (0, 1): "?"}
            return inner + marks.get((low, high), f"{{{low},{'' if high is None else high}}}")
        case _rx.And(parts):
            return "&".join(f"({show_rx(p)})" for p in parts)
        case _rx.Not(body):
            return f"~({show_rx(body)})"
        case _rx.Graph(edges):
            return f"<automaton of {len(edges)} states>"
    raise TypeError(f"not a regular expression: {rx!r}")


def _symbol(code: int) -> str:
    char = chr(code)
    return f"\\{char}" if char in r"\[]()*+?.|&~^$-/{}" else char if char.isprintable() else f"\\u{{{code:x}}}"
