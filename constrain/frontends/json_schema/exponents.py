"""Exponents of number texts: ``[+-]?`` and digits, for a given set of whole numbers of up to three digits."""

from __future__ import annotations

from functools import lru_cache

from constrain.ir.rx import Edge

Powers = tuple[tuple[int, int], ...]  # a set of whole numbers as inclusive ranges, ascending
ZERO, PLUS, MINUS = map(ord, "0+-")

# What digits may still be read: for each count of them, the numbers that they may spell; from count 0 up.
_Rest = tuple[Powers, ...]
_Zeros = tuple[Powers, bool]  # only zeros have been read (or, ``False``, nothing yet): what the exponent may be


@lru_cache(maxsize=512)
def exponent_edges(powers: Powers, three_digits: bool) -> tuple[tuple[tuple[Edge, ...], ...], frozenset[int]]:
    """Edges and final states of the automaton of what follows ``e``; state 0 starts.

    An exponent has up to three digits, zeros before them included or, without ``three_digits``, not.
    """
    begin = _three_digits if three_digits else _after_zeros
    plus = begin(_clip(powers, 0, 999))
    minus = begin(_clip(tuple((-high, -low) for low, high in reversed(powers)), 0, 999))
    order: list[_Rest | _Zeros | None] = [None]  # the start: neither sign nor digit yet
    numbers: dict[_Rest | _Zeros | None, int] = {None: 0}
    rows = []
    for state in order:  # grows while we walk it
        steps = _steps(plus if state is None else state)
        if state is None:
            steps += [(PLUS, PLUS, plus), (MINUS, MINUS, minus)]
        row = []
        for low, high, target in steps:
            number = numbers.setdefault(target, len(order))
            if number == len(order):
                order.append(target)
            row.append((low, high, number))
        rows.append(tuple(row))
    return tuple(rows), frozenset(numbers[state] for state in order if state is not None and _complete(state))


@lru_cache(maxsize=1024)
def digit_groups(pivots: int) -> list[tuple[int, int]]:
    """The digits cut into ranges: each digit whose bit is set in ``pivots`` alone, and what lies between."""
    starts = [d for d in range(10) if d == 0 or (pivots | pivots << 1) >> d & 1]
    return list(zip(starts, [*(start - 1 for start in starts[1:]), 9], strict=True))


def _three_digits(powers: Powers) -> _Rest:
    return ((), *(_clip(powers, 0, 10**count - 1) for count in (1, 2, 3)))


def _after_zeros(powers: Powers) -> _Zeros:
    return powers, False


def _complete(state: _Rest | _Zeros) -> bool:
    if state[-1] is True:
        return bool(_clip(state[0], 0, 0))
    return state[-1] is not False and bool(state[0])


def _steps(state: _Rest | _Zeros) -> list[tuple[int, int, _Rest | _Zeros]]:
    if isinstance(state[-1], bool):
        first = [(ZERO, ZERO, (state[0], True))]
        return first + [step for step in _steps(_three_digits(state[0])) if step[0] > ZERO]
    pivots = 1
    for count, some in enumerate(state[1:]):
        for low, high in some:
            pivots |= 1 << low // 10**count | 1 << high // 10**count
    steps: list[tuple[int, int, _Rest | _Zeros]] = []
    for low, high in digit_groups(pivots):
        target = tuple(_clip(some, low * 10**count, (low + 1) * 10**count - 1) for count, some in enumerate(state[1:]))
        if any(target):
            steps.append((ZERO + low, ZERO + high, target))
    return steps


def _clip(powers: Powers, low: int, high: int) -> Powers:
    """The members from ``low`` to ``high``, less ``low``."""
    return tuple((max(a, low) - low, min(b, high) - low) for a, b in powers if a <= high and b >= low)
