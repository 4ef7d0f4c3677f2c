"""The strings of one terminal: the least number of bytes that each needs, one after another, or one that is chosen."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property, lru_cache
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import NamedTuple

from constrain.automata.wordlanguage import WordLanguage
from constrain.errors import LimitExceeded
from constrain.ir.grammar import Encoding, Terminal
from constrain.members.choices import Choices, index

MAX_CELLS = 4_000_000  # states times symbols read, of one terminal

# Ranges of symbols that people tell apart, the simplest first, and how often each shall come. Within a range all
# symbols have spellings of one length, in every encoding.
CLASSES = (
    (48, 57, 20), (97, 122, 30), (65, 90, 10), (32, 32, 6), (33, 33, 6), (35, 47, 6), (58, 64, 4), (91, 91, 2),
    (93, 96, 2), (123, 126, 3), (34, 34, 3), (92, 92, 3), (10, 10, 2), (9, 9, 1), (13, 13, 1), (160, 0x17F, 3),
    (0x180, 0x7FF, 1), (0x800, 0xD7FF, 2), (0xE000, 0xFFFF, 1), (0x10000, 0x10FFFF, 2), (0, 7, 1), (8, 8, 1),
    (11, 11, 1), (12, 12, 1), (14, 31, 1), (127, 127, 1), (128, 159, 1),
)  # fmt: skip
UNITS = 5  # outcomes for each weight: as many as there are symbols in any range of ASCII
BLANKS = (9, 10, 13, 32)
SHORT_ESCAPES = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}

Size = float  # of bytes: an int, or inf for "there is none"


class Step(NamedTuple):
    """Symbols ``low`` to ``high`` lead to state ``target`` and are spelled in ``size`` bytes."""

    low: int
    high: int
    target: int
    size: int
    weight: int


class Strings:
    """The strings of ``terminal``, by their size in bytes. A place is a state and the number of symbols read."""

    def __init__(self, terminal: Terminal) -> None:
        """Raises ``LimitExceeded`` when the terminal is too large."""
        self.terminal = terminal
        language = WordLanguage(terminal)
        self.finals = language.finals
        self.steps = [tuple(_steps(edges, terminal.encoding)) for edges in language.edges]
        self._rows: dict[tuple[int, int | None], list[Size]] = {}

    @cached_property
    def least(self) -> Size:
        """Bytes of the shortest string; ``inf`` when there is none."""
        return self.rest(0)[0] + len(self.closing) if self.steps else inf

    @property
    def closing(self) -> bytes:
        """What ends every spelling."""
        return b'"' if self.terminal.encoding == "json" else b""

    def rest(self, read: int) -> list[Size]:
        """For each state the least number of bytes to an end, after ``read`` symbols."""
        keys = [self._key(read)]
        while keys[-1] not in self._rows and keys[-1] not in ((0, None), (0, 0)):
            read += 1
            keys.append(self._key(read))
            if len(keys) * len(self.steps) > MAX_CELLS:
                what = f"states times symbols of terminal {self.terminal.name!r}"
                raise LimitExceeded(what, len(keys) * len(self.steps), MAX_CELLS)
        for key in reversed(keys):
            if key not in self._rows:
                self._rows[key] = self._row(key, self._rows.get(self._after(key), []))
        return self._rows[keys[0]]

    def _key(self, read: int) -> tuple[int, int | None]:
        """How many symbols must and may still come; more than a shortest way can take are as good as any number."""
        low, high = self.terminal.low, self.terminal.high
        need = max(low - read, 0)
        if high is None or high - read >= need + len(self.steps):
            return need, None
        return need, high - read

    @staticmethod
    def _after(key: tuple[int, int | None]) -> tuple[int, int | None]:
        need, room = key
        return max(need - 1, 0), None if room is None else room - 1

    def _row(self, key: tuple[int, int | None], after: list[Size]) -> list[Size]:
        need, room = key
        ends: list[Size] = [0 if need == 0 and state in self.finals else inf for state in range(len(self.steps))]
        if room == 0:
            return ends
        if key == (0, None):
            return self._shortest(ends)
        return [
            min((step.size + after[step.target] for step in steps), default=inf) if end else end
            for end, steps in zip(ends, self.steps, strict=True)
        ]

    def _shortest(self, sizes: list[Size]) -> list[Size]:
        """Dijkstra's algorithm from the final states backwards."""
        before: list[list[tuple[int, int]]] = [[] for _ in self.steps]
        for state, steps in enumerate(self.steps):
            for step in steps:
                before[step.target].append((state, step.size))
        heap: list[tuple[Size, int]] = [(0, state) for state in self.finals]
        while heap:
            size, state = heappop(heap)
            if size > sizes[state]:
                continue
            for source, more in before[state]:
                if size + more < sizes[source]:
                    sizes[source] = size + more
                    heappush(heap, (sizes[source], source))
        return sizes

    def choose(self, choices: Choices, spare: Size) -> list[int]:
        """The symbols of a string that is at most ``spare`` bytes longer than the shortest: one decision a symbol, of
        which the smallest outcomes are the end."""
        symbols: list[int] = []
        state = 0
        while True:
            ways = self._ways(state, len(symbols), spare)
            ends = state in self.finals and len(symbols) >= self.terminal.low
            stop = self._stop(state) if ends else 0
            outcome = index(choices, stop + sum(step.weight for step, _ in ways)) - stop if ways else -1
            if outcome < 0:
                return symbols
            place = 0
            while outcome >= ways[place][0].weight:
                outcome -= ways[place][0].weight
                place += 1
            step, size = ways[place]
            symbols.append(step.low + self._symbol(step, outcome, choices))
            spare -= size
            state = step.target

    def _stop(self, state: int) -> int:
        """The outcomes that are the end. They do not depend on what can be afforded: so more room changes nothing
        that has been chosen."""
        total = sum(step.weight for step in self.steps[state])
        return 15 * total if all(step.low in BLANKS for step in self.steps[state]) else total // 4

    @staticmethod
    def _symbol(step: Step, outcome: int, choices: Choices) -> int:
        """Which symbol of the range; where it has more than outcomes, that is another decision."""
        count = step.high - step.low + 1
        return outcome * count // step.weight if count <= step.weight else index(choices, count)

    def _ways(self, state: int, read: int, spare: Size) -> list[tuple[Step, Size]]:
        """The steps that can be afforded, and what each takes of ``spare``; those that end soonest first."""
        if self.terminal.high is not None and read >= self.terminal.high:
            return []
        least, after = self.rest(read)[state], self.rest(read + 1)
        found = [(step.size + after[step.target] - least, i) for i, step in enumerate(self.steps[state])]
        found = sorted(pair for pair in found if pair[0] <= spare)
        return [(self.steps[state][i], size) for size, i in found]

    def first_besides(self, values: Collection[str]) -> list[int] | None:
        """The symbols of the shortest string whose value is not among ``values`` (as ``ir/words.py`` makes them)."""
        letter = self.terminal.encoding[0]
        words = self.shortest(len(values) + 1)
        return next((word for word in words if letter + "".join(map(chr, word)) not in values), None)

    def shortest(self, number: int) -> Iterator[list[int]]:
        """The first ``number`` strings, shorter ones first (A* with exact estimates, so that few are begun in vain)."""
        if self.least == inf:
            return
        order = count(0, -1)  # of ways equally long the latest, which has come farthest
        heap: list[tuple[Size, int, int, int, list[int], bool]] = [(self.rest(0)[0], 1, 0, 0, [], False)]
        while heap and number:
            _, _, state, spent, symbols, ended = heappop(heap)
            if ended:
                yield symbols
                number -= 1
                continue
            ends = state in self.finals and len(symbols) >= self.terminal.low
            if self.terminal.high is not None and len(symbols) >= self.terminal.high:
                after = [inf] * len(self.steps)
            else:
                after = self.rest(len(symbols) + 1)
            for step in reversed(self.steps[state]):
                if after[step.target] < inf:
                    for symbol in reversed(range(step.low, min(step.high, step.low + number - 1) + 1)):
                        now = spent + step.size
                        total = now + after[step.target]
                        heappush(heap, (total, next(order), step.target, now, [*symbols, symbol], False))
            if ends:
                heappush(heap, (spent, next(order), state, spent, symbols, True))

    def spell(self, symbols: Sequence[int]) -> bytes:
        """The shortest spelling; of JSON with the closing quote."""
        return b"".join(_plain(symbol, self.terminal.encoding) for symbol in symbols) + self.closing

    def spell_freely(self, symbols: Sequence[int], choices: Choices, spare: Size) -> bytes:
        """A spelling that is at most ``spare`` bytes longer than the shortest."""
        plain = self.spell(symbols)
        if self.terminal.encoding != "json" or not symbols or spare < 5 or not choices.rare():
            return plain
        out = bytearray()
        for symbol in symbols:
            ways = _json_spellings(symbol)
            ways = [way for way in ways if len(way) - len(ways[0]) <= spare]
            way = ways[index(choices, len(ways))]
            spare -= len(way) - len(ways[0])
            out += way
        return bytes(out) + self.closing


@lru_cache(maxsize=2048)  # terminals are compared by identity, so this costs nothing to look up
def strings_of(terminal: Terminal) -> Strings:
    """``Strings(terminal)``, remembered."""
    return Strings(terminal)


def _steps(edges: Sequence[tuple[int, int, int]], encoding: Encoding) -> Iterator[Step]:
    """The edges cut into classes of symbols, simple ones first."""
    for low, high, weight in CLASSES:
        size = len(_plain(low, encoding)) if encoding != "bytes" or low < 256 else 0
        for first, last, target in edges:
            a, b = max(first, low), min(last, high)
            if encoding == "bytes":
                b = min(b, 255)
            if a <= b:
                yield Step(a, b, target, size, UNITS * weight)


def _plain(symbol: int, encoding: Encoding) -> bytes:
    if encoding == "bytes":
        return bytes([symbol])
    return chr(symbol).encode() if encoding == "utf8" else _json_spellings(symbol)[0]


def _json_spellings(symbol: int) -> list[bytes]:
    """Spellings inside a JSON string, the shortest first: itself or a short escape, then by code units."""
    units = chr(symbol).encode("utf-16-be").hex()
    escaped = "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
    short = SHORT_ESCAPES.get(symbol) or (chr(symbol) if symbol >= 32 else None)
    ways = [short] if short is not None else []
    ways += ["\\/"] if symbol == 47 else []
    ways += [escaped] if escaped == (upper := escaped.upper().replace("U", "u")) else [escaped, upper]
    return [way.encode() for way in ways]
