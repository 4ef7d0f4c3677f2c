"""Classes of symbols that an expression cannot tell apart."""

from __future__ import annotations

from collections.abc import Iterable

from constrain.ir import rx as _rx
from constrain.ir.rx import Chars, Rx


class Partition:
    """Symbols 0..top cut into runs; runs that lie in the same ``Chars`` of the expression share a class.

    Surrogates have a class of their own that belongs to nothing, complements included.
    """

    def __init__(self, sets: list[Chars], top: int) -> None:
        self._index = {chars: i for i, chars in enumerate(sets)}
        toggles: dict[int, int] = {0: 0}
        for bit, ranges in enumerate([_SURROGATES, *(chars.ranges for chars in sets)]):
            for low, high in ranges:
                toggles[low] = toggles.get(low, 0) ^ 1 << bit
                toggles[high + 1] = toggles.get(high + 1, 0) ^ 1 << bit
        numbers: dict[int, int] = {}
        self.cuts: list[int] = []
        self.classes: list[int] = []
        mask = 0
        for cut in sorted(toggles):
            if cut > top:
                break
            mask ^= toggles[cut]
            number = numbers.setdefault(-1 if mask & 1 else mask, len(numbers))
            if self.classes and self.classes[-1] == number:
                continue
            self.cuts.append(cut)
            self.classes.append(number)
        self.size = len(numbers)
        self._masks = numbers
        self.alphabet = tuple(number for mask, number in numbers.items() if mask >= 0)

    @classmethod
    def of(cls, rx: Rx, top: int) -> Partition:
        found: dict[Chars, None] = {}
        stack = [rx]
        while stack:
            node = stack.pop()
            match node:
                case Chars():
                    found[node] = None
                case _rx.Concat(parts) | _rx.Union(parts) | _rx.And(parts):
                    stack.extend(parts)
                case _rx.Repeat(body, _, _) | _rx.Not(body):
                    stack.append(body)
                case _rx.Graph(edges):
                    found |= dict.fromkeys(Chars((pair,)) for pair in edge_ranges(edges))
                case _:
                    raise TypeError(f"not a regular expression: {node!r}")
        return cls(list(found), top)

    def classes_of(self, chars: Chars) -> frozenset[int]:
        bit = 1 << self._index[chars] + 1
        return frozenset(number for mask, number in self._masks.items() if mask >= 0 and mask & bit)


def edge_ranges(edges: Iterable[tuple[_rx.Edge, ...]]) -> dict[tuple[int, int], None]:
    """The different ranges of symbols on the edges of a ``Graph``, in order."""
    return dict.fromkeys((low, high) for row in edges for low, high, _ in row)


_SURROGATES = (_rx.SURROGATES,)
