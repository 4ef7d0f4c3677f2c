"""Numbers: exactly the texts whose value satisfies ``minimum``, ``multipleOf`` and the like.

A text counts with the value that it spells, a rational number, not with the float that a reader may round it to; ``-0``
is 0. Where nothing but the type is asked, the texts are those of JSON itself (``any_number``, ``any_integer``).
Otherwise they are, as far as their value is good:

* all plain decimals: ``-?(0|[1-9][0-9]*)(\\.[0-9]+)?``;
* with an exponent, the form that writers of JSON use: ``-?[1-9](\\.[0-9]+)?[eE][+-]?0*[0-9]{1,3}``, such as ``1e-05``
  or ``1.5E+300``. It lies from -307 to 307, where readers' floats hold the value; to 308 if a bound, from 10^308 to the
  largest float, sees to that. Moreover
  - of multiples (integers are multiples of 1), the digits after the point are zeros: ``3e2``, ``3.0e2``, not ``1.5e3``;
  - of numbers that must not be multiples of m, the exponent alone makes them less than m: 10^(exponent + 1) <= m.

So ``15e3``, ``0.5e3`` and ``0e1`` are left out.

Texts are read from left to right; what matters of those read so far is one state for each bound (``Limit``) and each
divisor (``Divisor``), and the automaton of all together is finite (``magnitudes.py``).
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import gcd, isfinite, lcm

from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends.json_schema.exponents import MINUS, Powers, exponent_edges
from constrain.frontends.json_schema.magnitudes import EQUAL, LESS, MORE, Divisor, Limit, Magnitudes
from constrain.ir.rx import NOTHING, Edge, Rx, chars, concat, graph, literal, repeat, union

MAX_STATES = 12_000
MAX_COMPARED = 200  # bounds and excluded numbers: the automaton grows with the square
_DIGIT: Rx = chars(((48, 57),))
_MINUS: Rx = repeat(literal("-"), 0, 1)
_E = (ord("E"), ord("e"))


def exact(value: int | float) -> Fraction:
    """The number as it was written: ``repr`` of a float, not its binary expansion.

    Raises ``GrammarError`` for infinity and what is not a number.
    """
    if isinstance(value, float) and not isfinite(value):
        raise GrammarError(f"{value} is not a JSON value")
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


@lru_cache(maxsize=64)
def any_number(digits: int | None) -> Rx:
    """The grammar of numbers in RFC 8259, section 6; at most ``digits`` digits before and after the point."""
    fraction = _optional(literal("."), repeat(_DIGIT, 1, digits))
    sign = repeat(chars(((43, 43), (45, 45))), 0, 1)
    exponent = _optional(chars((e, e) for e in _E), sign, repeat(_DIGIT, 1, None if digits is None else 3))
    return concat((_whole_part(digits), fraction, exponent))


@lru_cache(maxsize=64)
def any_integer(digits: int | None, digits_only: bool) -> Rx:
    """Spellings of whole numbers: digits, then zeros after a point, then a positive exponent of one or two digits
    (so that every reader's floating point holds the value). ``15e-1 * 10`` and the like are not regular."""
    if digits_only:
        return _whole_part(digits)
    zeros = _optional(literal("."), repeat(literal("0"), 1, digits))
    exponent = _optional(chars((e, e) for e in _E), repeat(literal("+"), 0, 1), repeat(_DIGIT, 1, 2))
    return concat((_whole_part(digits), zeros, exponent))


def _whole_part(digits: int | None) -> Rx:
    rest = repeat(_DIGIT, 0, None if digits is None else digits - 1)
    return concat((_MINUS, union((literal("0"), concat((chars(((49, 57),)), rest))))))


def _optional(*parts: Rx) -> Rx:
    return repeat(concat(parts), 0, 1)


@lru_cache(maxsize=1024)
def number_rx(
    *,
    whole: bool = True,
    fractional: bool = True,
    low: Fraction | None = None,
    low_open: bool = False,
    high: Fraction | None = None,
    high_open: bool = False,
    multiples: tuple[tuple[Fraction, bool], ...] = (),
    excluded: tuple[Fraction, ...] = (),
    digits: int | None = None,
    digits_only: bool = False,
) -> Rx:
    """The texts of the numbers that satisfy all of this; ``NOTHING`` if none does.

    whole, fractional   are whole numbers, are others among them
    low, high           bounds, part of the range unless ``low_open``, ``high_open``
    multiples           (m, negated): the value is (not) a multiple of m; m is a positive decimal
    excluded            values that are left out
    digits              at most so many digits before and after the point, and 3 in the exponent
    digits_only         draft-04: whole numbers are those *written* with digits only, ``1.0`` is fractional

    Raises:
        LimitExceeded: the automaton has more than ``MAX_STATES`` states.
        ValueError: a multiple of something that is not a positive decimal.
    """
    if not (multiples or excluded or low is not None or high is not None or not whole):
        return any_number(digits) if fractional else any_integer(digits, digits_only)
    if not whole and not fractional:
        return NOTHING
    if whole != fractional and not digits_only:
        multiples = ((Fraction(1), not whole), *multiples)
    divisors = _divisors(multiples)
    if divisors is None:
        return NOTHING
    bounds = [] if low is None else [(low, MORE if low_open else MORE | EQUAL)]
    bounds += [] if high is None else [(high, LESS if high_open else LESS | EQUAL)]
    bounds += [(value, LESS | MORE) for value in excluded]
    if len(bounds) > MAX_COMPARED:
        raise LimitExceeded("numbers to compare with at one place", len(bounds), MAX_COMPARED)
    bare, marked = whole or not digits_only, fractional or not digits_only
    automaton = _Automaton(digits)
    positive, minus = 0, automaton.new_state()
    for start, side in ((positive, bounds), (minus, [(-value, _mirrored(good)) for value, good in bounds])):
        limits = _limits(side)
        if start == minus and not bounds:
            automaton.edges[minus] += automaton.edges[positive]
        elif limits is not None:
            automaton.add(Magnitudes(limits, divisors, digits, bare=bare, marked=marked), start)
    automaton.edges[positive].append((MINUS, MINUS, minus))
    return graph(automaton.edges, automaton.finals)


def _mirrored(good: int) -> int:
    return (good & LESS) << 2 | good & EQUAL | good >> 2


def _divisors(multiples: tuple[tuple[Fraction, bool], ...]) -> list[Divisor] | None:
    """A multiple of several numbers is one of their least common multiple; ``None`` where no number is left."""
    joint = None
    for value, negated in multiples:
        rough = _without_twos_and_fives(value.denominator)
        if value <= 0 or rough != 1:
            raise ValueError(f"multiples are of positive decimals, not of {value}")
        if not negated:
            joint = value if joint is None else _common_multiple(joint, value)
    others = list(dict.fromkeys(value for value, negated in multiples if negated))
    if joint is not None and any((joint / value).denominator == 1 for value in others):
        return None
    divisors = [] if joint is None else [Divisor(joint, False)]
    divisors += [Divisor(value, True) for value in others]
    for divisor in divisors:
        states = _without_twos_and_fives(divisor.number)  # so many remainders at least are told apart
        if states > MAX_STATES:
            raise LimitExceeded("states of an automaton for multipleOf", states, MAX_STATES)
    return divisors


def _common_multiple(left: Fraction, right: Fraction) -> Fraction:
    return Fraction(lcm(left.numerator, right.numerator), gcd(left.denominator, right.denominator))


def _without_twos_and_fives(number: int) -> int:
    for prime in (2, 5):
        while number % prime == 0:
            number //= prime
    return number


def _limits(bounds: list[tuple[Fraction, int]]) -> list[Limit] | None:
    """The bounds that say something about numbers from 0 up; ``None`` if one leaves none of them."""
    limits = []
    for value, good in dict.fromkeys(bounds):
        if value < 0 and not good & MORE:
            return None
        if value > 0 or (value == 0 and good != EQUAL | MORE):
            limits.append(Limit(value, good))
    return limits


class _Automaton:
    """Joins the machines for numbers from 0 up and from 0 down, and the automata of exponents."""

    def __init__(self, digits: int | None) -> None:
        self.three_digits = digits is not None
        self.edges: list[list[Edge]] = [[]]
        self.finals: set[int] = set()
        self.exponents: dict[Powers, int] = {}

    def add(self, machine: Magnitudes, start: int) -> None:
        """All texts of ``machine``, from the state ``start``."""
        order, numbers = [machine.start], {machine.start: start}
        for state in order:  # grows while we walk it
            row = self.edges[numbers[state]]
            for low, high, after in machine.steps(state):
                number = numbers.get(after)
                if number is None:
                    number = numbers[after] = self.new_state()
                    order.append(after)
                row.append((low, high, number))
            powers = machine.powers(state)
            if powers:
                row += ((e, e, self.exponent(powers)) for e in _E)
            if machine.complete(state):
                self.finals.add(numbers[state])

    def exponent(self, powers: Powers) -> int:
        """The state before an exponent that is one of ``powers``."""
        if powers not in self.exponents:
            base = self.exponents[powers] = len(self.edges)
            edges, finals = exponent_edges(powers, self.three_digits)
            self.edges += ([(low, high, base + target) for low, high, target in row] for row in edges)
            self.finals.update(base + state for state in finals)
        return self.exponents[powers]

    def new_state(self) -> int:
        self.edges.append([])
        if len(self.edges) > MAX_STATES:
            raise LimitExceeded("states of an automaton of numbers", len(self.edges), MAX_STATES)
        return len(self.edges) - 1
