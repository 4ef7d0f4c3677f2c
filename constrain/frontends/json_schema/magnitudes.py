"""``Magnitudes``: the texts of numbers from 0 up, without sign, that obey limits and divisors, as a state machine.

A text is read from left to right. What matters of the part read so far is: how it compares with each limit, its
remainder by each divisor (both as long as it is a plain decimal), and, as it may yet become the mantissa of an
exponent (which has one digit before the point), how its digits compare with those of each limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import gcd
from typing import Any, NamedTuple

from constrain.errors import LimitExceeded
from constrain.frontends.json_schema.exponents import ZERO, Powers, digit_groups

LESS, EQUAL, MORE = 1, 2, 4  # outcomes of comparing a text with a limit
LARGEST_FLOAT = 2**1024 - 2**971
MAX_BITS = 1 << 13  # of a numerator or denominator
SETTLED, BELOW, ABOVE = -1, -2, -3  # marks of comparisons; from 0 up: what is left of the limit's digits
ALL_DIGITS = 1023
FIRST, LONE_ZERO, WHOLE, POINT, FRACTION = range(5)  # before the first digit; after 0; after digits; after the point

Marks = tuple[int, ...]
Awaited = tuple[int, int] | None  # what makes a multiple (``Divisor.after``); ``None``: nothing will
Plain = tuple[int, Marks, tuple[Any, ...]]  # digits read; comparisons; remainders or, after the point, ``Awaited``
Mantissa = tuple[int, int, Marks]  # bounds of the exponent, comparisons


class State(NamedTuple):
    """What matters of the text so far."""

    phase: int
    room: int  # how many more digits may follow; -1: any number
    plain: Plain | None  # ``None``: it is not the beginning of a good plain decimal
    mantissa: Mantissa | None  # ``None``: no exponent makes it good


class Limit:
    """A number from 0 up that texts are compared with, and which outcomes are ``good``."""

    def __init__(self, value: Fraction, good: int) -> None:
        self.value = value
        self.good = good
        self.den = value.denominator
        whole, self.rest = divmod(value.numerator, self.den)  # after the point: ``rest`` of ``den``
        check_size(value)
        self.whole = tuple(map(int, str(whole)))
        self.power = power_of(value) if value else 0
        self.lead, self.tail, self.scale = 0, 0, 1
        if value:
            mantissa = value / Fraction(10) ** self.power
            self.scale = mantissa.denominator
            self.lead, self.tail = divmod(mantissa.numerator, self.scale)


class Divisor:
    """Texts are to be multiples of ``number`` / 10^``places``, or, if ``negated``, not to be."""

    def __init__(self, value: Fraction, negated: bool) -> None:
        check_size(value)
        self.negated = negated
        self.places = 0
        while 10**self.places % value.denominator:
            self.places += 1
        self.number = int(value * 10**self.places)
        self.power = power_of(value)
        self._counts = range(self.places, max(self.places, len(str(self.number))) + 1)
        self._alike: dict[tuple[int, ...], int] = {}

    def canonical(self, remainder: int) -> int:
        """The first remainder met that no continuation tells from this one.

        It takes ``count`` more digits that spell ``missing`` to make a multiple; they spell less than 10^count.
        """
        if self.number == 1:
            return 0
        missing = (-remainder * 10**count % self.number for count in self._counts)
        key = tuple(m if m < 10**count else -1 for count, m in zip(self._counts, missing, strict=True))
        return self._alike.setdefault(key, remainder)

    def at_point(self, remainder: int) -> Awaited:
        return self._awaiting(self.places, -remainder * 10**self.places % self.number)

    def after(self, awaited: tuple[int, int], digit: int) -> Awaited:
        """``awaited``: how many digits are left before all must be zeros, and what they must spell."""
        count, missing = awaited
        if count == 0:
            return None if digit else awaited
        return self._awaiting(count - 1, (missing - digit * 10 ** (count - 1)) % self.number)

    def _awaiting(self, count: int, missing: int) -> Awaited:
        return (count, missing) if missing < 10**count else None

    def least_power(self, digit: int) -> int | None:
        """The least e for which ``digit`` times 10^e is a multiple (then it is for every greater e); ``None``: none."""
        left = self.number // gcd(self.number, digit)
        twos = (left & -left).bit_length() - 1
        fives = 0
        left >>= twos
        while left % 5 == 0:
            left //= 5
            fives += 1
        return max(twos, fives) - self.places if left == 1 else None


class Magnitudes:
    """The machine: ``start``, ``steps`` and ``complete``.

    ``bare``: are texts of digits alone members? ``marked``: those with a point or an exponent?
    """

    def __init__(
        self, limits: list[Limit], divisors: list[Divisor], digits: int | None, *, bare: bool, marked: bool
    ) -> None:
        self.limits = limits
        self.divisors = divisors
        self.room = -1 if digits is None else digits
        self.settled = (SETTLED,) * len(limits)
        self.rough = any(divisor.number > 1 for divisor in divisors)  # then digits differ in their remainders
        self.any_decimals = all(divisor.negated for divisor in divisors)  # in mantissas; else zeros only
        self.bare = bare
        self.marked = marked
        bounded = any(not limit.good & MORE and 10**308 <= limit.value <= LARGEST_FLOAT for limit in limits)
        self.highest = 308 if bounded else 307
        self.start = State(FIRST, self.room, (0, (EQUAL,) * len(limits), (0,) * len(divisors)), None)

    def complete(self, state: State) -> bool:
        """Is the text a member as it stands?"""
        if state.phase in (FIRST, POINT) or (state.phase != FRACTION and not self.bare):
            return False
        return self._is_good(state)

    def steps(self, state: State) -> Iterator[tuple[int, int, State]]:
        """Ranges of digits, and the point, with the state after them."""
        if state.phase != LONE_ZERO and state.room != 0:
            for low, high in digit_groups(self._pivots(state)):
                after = self._digit(state, low)
                if after.plain is not None or after.mantissa is not None:
                    yield ZERO + low, ZERO + high, after
        if state.phase in (LONE_ZERO, WHOLE) and self.marked:
            after = State(POINT, self.room, self._at_point(state.plain), state.mantissa)
            if after.plain is not None or after.mantissa is not None:
                yield ord("."), ord("."), after

    def powers(self, state: State) -> Powers:
        """The exponents that may follow."""
        if state.mantissa is None or state.phase in (FIRST, POINT) or not self.marked:
            return ()
        lowest, highest, marks = state.mantissa
        powers: Powers = ((lowest, highest),)
        for limit, mark in zip(self.limits, marks, strict=True):
            if mark != SETTLED:
                ranges = (
                    (LESS, -999, limit.power - 1),
                    (_outcome(mark), limit.power, limit.power),
                    (MORE, limit.power + 1, 999),
                )
                powers = tuple(
                    (max(low, a), min(high, b))
                    for outcome, a, b in ranges
                    for low, high in powers
                    if outcome & limit.good and max(low, a) <= min(high, b)
                )
        return powers

    def _digit(self, state: State, digit: int) -> State:
        room = state.room - 1 if state.room > 0 else state.room
        if state.phase == FIRST:
            phase = WHOLE if digit else LONE_ZERO
            return State(phase, room, self._whole_digit(state.plain, digit), self._first_digit(digit))
        if state.phase == WHOLE:
            return State(WHOLE, room, self._whole_digit(state.plain, digit), None)
        return State(FRACTION, room, self._decimal(state.plain, digit), self._next_digit(state.mantissa, digit))

    def _pivots(self, state: State) -> int:
        """A set of bits: the digits that make a difference."""
        pivots = 1
        if state.phase in (FIRST, WHOLE):
            if self.rough:
                return ALL_DIGITS
            if state.phase == FIRST:
                for limit in self.limits:
                    pivots |= 1 << limit.lead
            if state.plain is not None:
                read, marks, _ = state.plain
                for limit, mark in zip(self.limits, marks, strict=True):
                    if mark == EQUAL and read < len(limit.whole):
                        pivots |= 1 << limit.whole[read]
            return pivots
        if state.plain is not None:
            _, marks, remainders = state.plain
            if self.rough and any(isinstance(r, tuple) and r[0] for r in remainders):
                return ALL_DIGITS
            for limit, mark in zip(self.limits, marks, strict=True):
                if mark >= 0:
                    pivots |= 1 << 10 * mark // limit.den
        if state.mantissa is not None:
            for limit, mark in zip(self.limits, state.mantissa[2], strict=True):
                if mark >= 0:
                    pivots |= 1 << 10 * mark // limit.scale
        return pivots

    # ---- plain decimals ------------------------------------------------------------------------------------

    def _whole_digit(self, plain: Plain | None, digit: int) -> Plain | None:
        """A number of more digits is greater: a comparison is settled by the first digit too many, or by the end."""
        if plain is None:
            return None
        read, marks, remainders = plain
        if self.rough:
            remainders = tuple(
                d.canonical((10 * r + digit) % d.number) for d, r in zip(self.divisors, remainders, strict=True)
            )
        if marks == self.settled:
            return 0, marks, remainders
        after = []
        for limit, mark in zip(self.limits, marks, strict=True):
            if mark != SETTLED:
                if mark == EQUAL and read < len(limit.whole):
                    mark = _compare(digit, limit.whole[read])
                if read >= len(limit.whole) or (mark == MORE and read + 1 == len(limit.whole)):
                    if not limit.good & MORE:
                        return None
                    mark = SETTLED
            after.append(mark)
        marks = tuple(after)
        return 0 if marks == self.settled else read + 1, marks, remainders

    def _at_point(self, plain: Plain | None) -> Plain | None:
        """Settle what the digits before the point decide."""
        if plain is None:
            return None
        read, marks, remainders = plain
        after = []
        for limit, mark in zip(self.limits, marks, strict=True):
            if mark == EQUAL and read == len(limit.whole):
                after.append(limit.rest)
            elif mark == SETTLED or limit.good & LESS:
                after.append(SETTLED)
            else:
                return None
        return self._decimals(after, [d.at_point(r) for d, r in zip(self.divisors, remainders, strict=True)])

    def _decimal(self, plain: Plain | None, digit: int) -> Plain | None:
        if plain is None:
            return None
        _, marks, remainders = plain
        if marks == self.settled and not remainders:
            return plain
        after = []
        for limit, mark in zip(self.limits, marks, strict=True):
            if mark != SETTLED:
                expected, mark = divmod(10 * mark, limit.den)
                if digit != expected:
                    if not limit.good & _compare(digit, expected):
                        return None
                    mark = SETTLED
            after.append(mark)
        return self._decimals(
            after, [None if r is None else d.after(r, digit) for d, r in zip(self.divisors, remainders, strict=True)]
        )

    def _decimals(self, marks: list[int], remainders: list[Awaited]) -> Plain | None:
        if None in remainders:
            for divisor, remainder in zip(self.divisors, remainders, strict=True):
                if remainder is None and not divisor.negated:
                    return None
        return 0, tuple(marks), tuple(remainders)

    def _is_good(self, state: State) -> bool:
        """Does the plain decimal that has been read obey all limits and divisors?"""
        plain = state.plain if state.phase == FRACTION else self._at_point(state.plain)
        if plain is None:
            return False
        _, marks, remainders = plain
        return all(
            mark == SETTLED or limit.good & (LESS if mark else EQUAL)
            for limit, mark in zip(self.limits, marks, strict=True)
        ) and all(
            (remainder is not None and remainder[1] == 0) != divisor.negated
            for divisor, remainder in zip(self.divisors, remainders, strict=True)
        )

    # ---- mantissas -----------------------------------------------------------------------------------------

    def _first_digit(self, digit: int) -> Mantissa | None:
        """A multiple remains one under greater exponents; what must not be one has to be less than the divisor."""
        if not digit:
            return None
        lowest, highest = -307, self.highest
        for divisor in self.divisors:
            if divisor.negated:
                highest = min(highest, divisor.power - 1)
                continue
            least = divisor.least_power(digit)
            if least is None:
                return None
            lowest = max(lowest, least)
        marks = []
        for limit in self.limits:
            if limit.value:
                marks.append(limit.tail if digit == limit.lead else BELOW if digit < limit.lead else ABOVE)
            elif limit.good & MORE:
                marks.append(SETTLED)
            else:
                return None
        return (lowest, highest, tuple(marks)) if lowest <= highest else None

    def _next_digit(self, mantissa: Mantissa | None, digit: int) -> Mantissa | None:
        if mantissa is None or (digit and not self.any_decimals):
            return None
        lowest, highest, marks = mantissa
        after = []
        for limit, mark in zip(self.limits, marks, strict=True):
            if mark >= 0:
                expected, mark = divmod(10 * mark, limit.scale)
                if digit != expected:
                    mark = BELOW if digit < expected else ABOVE
            after.append(mark)
        return lowest, highest, tuple(after)


def power_of(value: Fraction) -> int:
    """The greatest e for which 10^e is at most ``value``."""
    power = len(str(value.numerator)) - len(str(value.denominator))
    return power if value >= Fraction(10) ** power else power - 1


def check_size(value: Fraction) -> None:
    """Raise ``LimitExceeded`` for numbers with thousands of digits."""
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    if bits > MAX_BITS:
        raise LimitExceeded("bits of a number in a schema", bits, MAX_BITS)


def _compare(digit: int, other: int) -> int:
    return EQUAL if digit == other else LESS if digit < other else MORE


def _outcome(mark: int) -> int:
    """Of the comparison of mantissas, when no more digits follow."""
    return EQUAL if mark == 0 else MORE if mark == ABOVE else LESS
