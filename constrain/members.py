"""Random members of a grammar's language: test data, examples, and inputs for fuzzing parsers.

Expansion is free while fewer than ``size`` steps have been taken, and from then on always takes the cheapest way to
finish, where the cost of an expression is the least number of expansion steps it needs. Cost goes down with every
such step, so the walk ends for every grammar.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf
from random import Random

from constrain.automata.analysis import without_unproductive
from constrain.automata.course import NO_WORDS, Course, Options, Words, add_word
from constrain.automata.wordlanguage import WordLanguage
from constrain.errors import GrammarError, LimitExceeded
from constrain.ir.bag import State
from constrain.ir.derivative import SymbolDfa, alphabet, symbol_dfa
from constrain.ir.grammar import (
    Bag,
    Choice,
    Encoding,
    Expr,
    Grammar,
    Item,
    Joined,
    Literal,
    Ref,
    Repeat,
    Seq,
    Terminal,
    walk,
)
from constrain.ir.words import split_word

MAX_LAYERS = 100_000
READABLE = ((97, 122), (48, 57), (65, 90), (32, 126), (160, 0x17F))  # a-z 0-9 A-Z, then ASCII, then Latin
SHORT_ESCAPES = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}

Cost = float  # an int, or inf for "has no member"


def random_member(grammar: Grammar, rng: Random, *, size: int = 40) -> bytes:
    """A random text of the language, of very roughly ``size`` bytes; no particular distribution.

    Raises ``GrammarError`` when the language is empty or a rule is missing, ``LimitExceeded`` when a terminal is too
    large to sample.
    """
    costs = rule_costs(grammar)
    if costs[grammar.start] == inf:
        raise GrammarError("no text at all matches", where=f"rule {grammar.start!r}")
    return _Expansion(grammar, costs, rng, size).run()


def rule_costs(grammar: Grammar) -> dict[str, Cost]:
    """For each rule the least number of expansion steps to a member; ``inf`` when it has none."""
    users: dict[str, set[str]] = {name: set() for name in grammar.rules}
    for name, body in grammar.rules.items():
        for node in walk(body):
            if isinstance(node, Ref):
                if node.name not in users:
                    raise GrammarError(f"there is no rule {node.name!r}", where=f"rule {name!r}")
                users[node.name].add(name)
    if grammar.start not in users:
        raise GrammarError(f"there is no rule {grammar.start!r}, the start")
    costs: dict[str, Cost] = dict.fromkeys(grammar.rules, inf)
    waiting = dict.fromkeys(grammar.rules)
    while waiting:
        name, _ = waiting.popitem()
        cost = 1 + _cost(grammar.rules[name], costs)
        if cost < costs[name]:
            costs[name] = cost
            waiting.update(dict.fromkeys(users[name]))
    return costs


def _cost(expr: Expr, costs: dict[str, Cost]) -> Cost:
    match expr:
        case Literal():
            return 1
        case Terminal():
            return 1 + min(_lengths(expr, 0), default=inf)
        case Ref():
            return costs[expr.name]
        case Seq():
            return 1 + sum(_cost(part, costs) for part in expr.parts)
        case Choice():
            return 1 + min((_cost(part, costs) for part in expr.parts), default=inf)
        case Repeat():
            return 1 + (expr.low * _cost(expr.body, costs) if expr.low else 0)
        case Joined():
            required = [_cost(item, costs) for item, needed in expr.items if needed]
            between = len(required) - 1
            return 1 + sum(required) + (between * _cost(expr.separator, costs) if between > 0 else 0)
        case Bag():
            filling = _Filling(expr, costs)
            return filling.cost() if filling.course else inf
    raise TypeError(f"not a grammar expression: {expr!r}")


class _Expansion:
    """Leftmost expansion with an explicit stack, so that deep grammars need no deep recursion."""

    def __init__(self, grammar: Grammar, costs: dict[str, Cost], rng: Random, size: int) -> None:
        self.rules = grammar.rules
        self.costs = costs
        self.rng = rng
        self.left = size  # free steps left; each expansion and each byte written takes one
        self.stack: list[Expr] = [Ref(grammar.start)]

    def run(self) -> bytes:
        out = bytearray()
        while self.stack:
            text = self.expand(self.stack.pop())
            out += text
            self.left -= 1 + len(text)
        return bytes(out)

    def expand(self, expr: Expr) -> bytes:
        """The text of a leaf; other expressions put their parts on the stack."""
        match expr:
            case Literal():
                return expr.data
            case Terminal():
                return sample_terminal(expr, self.rng, max(self.left, 0) // 3)
            case Ref():
                self.stack.append(self.rules[expr.name])
            case Seq():
                self.stack.extend(reversed(expr.parts))
            case Choice():
                self.stack.append(self.choose(expr))
            case Repeat():
                self.stack.extend([expr.body] * self.count(expr))
            case Joined():
                self.stack.extend(reversed(self.pick(expr)))
            case Bag():
                self.stack.extend(reversed(self.fill(expr)))
        return b""

    def cost(self, expr: Expr) -> Cost:
        return _cost(expr, self.costs)

    def choose(self, expr: Choice) -> Expr:
        if self.left <= 0:
            return min(expr.parts, key=self.cost)
        return self.rng.choice([part for part in expr.parts if self.cost(part) < inf])

    def count(self, expr: Repeat) -> int:
        count = expr.low
        if self.cost(expr.body) < inf:
            while (expr.high is None or count < expr.high) and self.rng.random() < 0.6 and count - expr.low < self.left:
                count += 1
        return count

    def pick(self, expr: Joined) -> list[Expr]:
        """Items to write, with separators between them."""
        picked = [(item, needed) for item, needed in expr.items if needed or self.takes(item)]
        if len(picked) > 1 and self.cost(expr.separator) == inf:
            picked = [pair for pair in picked if pair[1]] or picked[:1]
        parts = [part for item, _ in picked for part in (expr.separator, item)]
        return parts[1:]

    def fill(self, expr: Bag) -> list[Expr]:
        """Elements to write, with separators between them."""
        filling = _Filling(expr, self.costs)
        parts: list[Expr] = []
        while not filling.is_final() or (self.left > len(parts) and self.rng.random() < 0.6):
            options = filling.options()
            if not options:
                break
            if self.left > len(parts):
                i, after = self.rng.choice(options)
            else:
                i, after = filling.cheapest(options)
            parts += [filling.bag.separator] if parts else []
            parts += filling.take(i, after, self.rng, max(self.left, 0) // 3)
        return parts

    def takes(self, item: Expr) -> bool:
        return self.left > 0 and self.rng.random() < 0.5 and self.cost(item) < inf


class _Filling:
    """A bag while elements are put into it: words are written at once, so that none comes twice."""

    def __init__(self, bag: Bag, costs: dict[str, Cost]) -> None:
        self.costs = costs
        finite = {name for name, cost in costs.items() if cost < inf}
        kept = without_unproductive(bag, finite, lambda terminal: not _lengths(terminal, 0))
        self.bag = bag if kept is None else kept
        course = None if kept is None else Course(kept)
        self.course = course if course is not None and course.start is not None else None
        self.state: State | None = None if self.course is None else self.course.start
        self.words: Words = NO_WORDS

    def is_final(self) -> bool:
        assert self.course is not None and self.state is not None
        return self.course.control.is_final(self.state)

    def options(self) -> Options:
        """Items that can be taken; what must come first, where anything must."""
        assert self.course is not None and self.state is not None
        options = self.course.options(self.state, self.words)
        missing = [option for option in options if self.state.missing >> option[0] & 1]
        return missing or options

    def cheapest(self, options: Options) -> tuple[int, State]:
        return min(options, key=lambda option: self.item_cost(option[0]))

    def item_cost(self, i: int) -> Cost:
        return sum(_cost(part, self.costs) for part in self.bag.items[i].parts)

    def cost(self) -> Cost:
        """Steps for the cheapest elements that will do, words not minded."""
        total: Cost = 1
        while not self.is_final():
            i, self.state = self.cheapest(self.options())
            total += self.item_cost(i) + _cost(self.bag.separator, self.costs)
        return total

    def take(self, i: int, after: State, rng: Random, size: int) -> list[Expr]:
        """The parts of one more element; its word as the text that it is."""
        item: Item = self.bag.items[i]
        self.state = after
        if item.word is None:
            return [item.body]
        value, text = self.new_word(item.word, after, rng, size)
        self.words = add_word(self.words, value)
        return [part if part is not item.word else Literal(text) for part in item.parts]

    def new_word(self, terminal: Terminal, after: State, rng: Random, size: int) -> tuple[str, bytes]:
        """A word that may be written here: a random one, or the next shortest when those come out that may not."""
        assert self.course is not None
        barred = self.course.barred(after, self.words)
        for attempt in range(20):
            text = sample_terminal(terminal, rng, size + attempt)
            value = split_word(text, terminal.encoding)[0]
            if value not in barred:
                return value, text
        value = next(value for value in WordLanguage(terminal).values() if value not in barred)
        return value, spell([ord(symbol) for symbol in value[1:]], terminal.encoding, rng)


# --- Terminals -----------------------------------------------------------------------------------------------------


def sample_terminal(terminal: Terminal, rng: Random, size: int) -> bytes:
    """A random member of one terminal, of about ``size`` symbols at most where it has one so short."""
    lengths = _lengths(terminal, 1 << size.bit_length())  # few different sizes: they are remembered
    if not lengths:
        raise GrammarError("no text at all matches", where=f"terminal {terminal.name or terminal.rx!r}")
    dfa = _dfa(terminal)
    length = rng.choice([n for n in lengths if n <= size] or [lengths[0]])
    reach, symbols, state = _layers(dfa, length), [], 0
    for left in reversed(range(length)):
        edges = [edge for edge in dfa.edges[state] if edge[2] in reach[left]]
        low, high, state = rng.choices(edges, [_appeal(edge) for edge in edges])[0]
        symbols.append(_symbol(low, high, rng))
    return spell(symbols, terminal.encoding, rng)


def spell(symbols: list[int], encoding: Encoding, rng: Random) -> bytes:
    """Bytes of a symbol string; in JSON with the closing quote, escaping what must be and, rarely, what need not."""
    if encoding == "bytes":
        return bytes(symbols)
    if encoding == "utf8":
        return "".join(map(chr, symbols)).encode()
    return ("".join(_spell_json(symbol, rng) for symbol in symbols) + '"').encode()


def _spell_json(symbol: int, rng: Random) -> str:
    if symbol in SHORT_ESCAPES:
        return SHORT_ESCAPES[symbol]
    if symbol >= 32 and rng.random() > 0.02:
        return chr(symbol)
    units = chr(symbol).encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


@lru_cache(maxsize=1024)  # terminals are compared by identity, so this costs nothing to look up
def _dfa(terminal: Terminal) -> SymbolDfa:
    return symbol_dfa(terminal.language, alphabet(terminal.encoding))


@lru_cache(maxsize=4096)
def _lengths(terminal: Terminal, size: int) -> tuple[int, ...]:
    """The lengths of accepted strings within the window: the least one, and all others up to ``low + size``."""
    found: list[int] = []
    seen: set[frozenset[int]] = set()
    dfa, low, high = _dfa(terminal), terminal.low, terminal.high
    layer, length = _accepting(dfa), 0
    while high is None or length <= high:
        if length >= low:
            if 0 in layer:
                found.append(length)
            if (found and length >= low + size) or (not found and layer in seen):
                break  # layers follow from each other: when one comes again, so do all after it
            seen.add(layer)
        if length > MAX_LAYERS:
            raise LimitExceeded("symbols in the shortest text of a terminal", length, MAX_LAYERS)
        layer, length = _before(dfa, layer), length + 1
    return tuple(found)


def _layers(dfa: SymbolDfa, length: int) -> list[frozenset[int]]:
    """``layers[n]``: the states from which some string of exactly ``n`` symbols is accepted."""
    layers = [_accepting(dfa)]
    for _ in range(length):
        layers.append(_before(dfa, layers[-1]))
    return layers


def _accepting(dfa: SymbolDfa) -> frozenset[int]:
    return frozenset(q for q, accepts in enumerate(dfa.accepting) if accepts)


def _before(dfa: SymbolDfa, layer: frozenset[int]) -> frozenset[int]:
    return frozenset(q for q, edges in enumerate(dfa.edges) if any(target in layer for _, _, target in edges))


def _appeal(edge: tuple[int, int, int]) -> int:
    """Weight of an edge: readable ranges first."""
    low, high, _ = edge
    return next((20 >> i for i, (a, b) in enumerate(READABLE) if low <= b and high >= a), 1)


def _symbol(low: int, high: int, rng: Random) -> int:
    """A symbol of the range: nearly always one that people can read, where there is one."""
    pools = [(max(low, a), min(high, b)) for a, b in READABLE if low <= b and high >= a]
    if pools and rng.random() < 0.95:
        low, high = rng.choices(pools, [8 >> i or 1 for i in range(len(pools))])[0]
    return rng.randint(low, high)
