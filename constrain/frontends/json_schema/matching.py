"""Is a string a member of a regular expression? For single questions; the engine has automata."""

from __future__ import annotations

from functools import cache

from constrain.ir import rx as _rx
from constrain.ir.rx import Rx


def matches(rx: Rx, text: str) -> bool:
    """Is ``text``, as a whole, a member of ``rx``? By sets of end positions: slow, obvious, exact."""
    size = len(text)

    @cache
    def ends(rx: Rx, start: int) -> frozenset[int]:
        match rx:
            case _rx.Chars(ranges):
                inside = start < size and any(a <= ord(text[start]) <= b for a, b in ranges)
                return frozenset((start + 1,)) if inside else frozenset()
            case _rx.Union(parts):
                return frozenset().union(*(ends(part, start) for part in parts))
            case _rx.Concat(parts):
                at = frozenset((start,))
                for part in parts:
                    at = step(part, at)
                return at
            case _rx.And(parts):
                return frozenset.intersection(*(ends(part, start) for part in parts))
            case _rx.Not(body):
                return frozenset(range(start, size + 1)) - ends(body, start)
            case _rx.Repeat(body, low, high):
                return repeated(body, low, high, start)
            case _rx.Graph():
                return run(rx, start)
        raise TypeError(f"not a regular expression: {rx!r}")

    def run(graph: _rx.Graph, start: int) -> frozenset[int]:
        found, state, position = set(), graph.start, start
        while True:
            if state in graph.finals:
                found.add(position)
            row = graph.edges[state] if position < size else ()
            targets = [target for low, high, target in row if low <= ord(text[position]) <= high]
            if not targets:
                return frozenset(found)
            state, position = targets[0], position + 1

    def step(rx: Rx, at: frozenset[int]) -> frozenset[int]:
        return frozenset().union(*(ends(rx, position) for position in at))

    def repeated(body: Rx, low: int, high: int | None, start: int) -> frozenset[int]:
        at = frozenset((start,))
        for _ in range(min(low, size + 1)):  # more rounds than symbols change nothing but empty ones
            at = step(body, at)
        found, fresh, rounds = at, at, 0
        while fresh and (high is None or rounds < high - low):
            fresh = step(body, fresh) - found
            found, rounds = found | fresh, rounds + 1
        return found

    return size in ends(rx, 0)
