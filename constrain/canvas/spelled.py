"""The bytes that spell a range of symbols: sequences of byte ranges, in each encoding of a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from constrain.ir.grammar import Encoding

Span = tuple[int, int]
Spelling = tuple[Span, ...]  # a range of bytes for each place

SURROGATES = (0xD800, 0xDFFF)
SHORT = {8: b"b", 9: b"t", 10: b"n", 12: b"f", 13: b"r", 34: b'"', 47: b"/", 92: b"\\"}
UTF8 = ((0, 0x7F, 0, 1), (0x80, 0x7FF, 0xC0, 2), (0x800, 0xFFFF, 0xE0, 3), (0x10000, 0x10FFFF, 0xF0, 4))
ESCAPE: Spelling = ((92, 92), (117, 117))  # \u


def spellings(low: int, high: int, encoding: Encoding) -> Iterator[Spelling]:
    """All spellings of the symbols ``low`` to ``high``."""
    if encoding == "bytes":
        yield ((low, high),)
    elif encoding == "utf8":
        yield from utf8(low, high)
    else:
        yield from json(low, high)


def utf8(low: int, high: int) -> Iterator[Spelling]:
    """Well-formed UTF-8 (The Unicode Standard, table 3-7): surrogates have none."""
    for a, b in _without(low, high, SURROGATES):
        for first, last, lead, size in UTF8:
            if max(a, first) <= min(b, last):
                for digits in _digits(max(a, first), min(b, last), 64, size):
                    head, *rest = digits
                    yield ((head[0] + lead, head[1] + lead), *((x + 0x80, y + 0x80) for x, y in rest))


def json(low: int, high: int) -> Iterator[Spelling]:
    """In a JSON string (RFC 8259, section 7): raw, or with any escape."""
    for a, b in _without(max(low, 0x20), high, (34, 34)):
        for c, d in _without(a, b, (92, 92)):
            yield from utf8(c, d)
    for symbol, letter in SHORT.items():
        if low <= symbol <= high:
            yield ((92, 92), (letter[0], letter[0]))
    for a, b in _without(low, min(high, 0xFFFF), SURROGATES):
        for unit in _unit(a, b):
            yield ESCAPE + unit
    if high > 0xFFFF:
        for first, second in _digits(max(low, 0x10000) - 0x10000, high - 0x10000, 1024, 2):
            for lead, trail in product(list(_unit(*_add(first, 0xD800))), list(_unit(*_add(second, 0xDC00)))):
                yield ESCAPE + lead + ESCAPE + trail


def _unit(low: int, high: int) -> Iterator[Spelling]:
    """Four hexadecimal digits, in both cases."""
    for digits in _digits(low, high, 16, 4):
        yield from product(*map(_hex, digits))


def _hex(digit: Span) -> list[Span]:
    low, high = digit
    found = []
    if low < 10:
        found.append((48 + low, 48 + min(high, 9)))
    if high > 9:
        found += [(base + max(low, 10), base + high) for base in (55, 87)]
    return found


def _digits(low: int, high: int, base: int, places: int) -> Iterator[tuple[Span, ...]]:
    """Numbers ``low`` to ``high`` as products of ranges of digits, the most significant first."""
    if places == 1:
        yield ((low, high),)
        return
    unit = base ** (places - 1)
    first, last = low // unit, high // unit
    if first == last:
        yield from (((first, first), *rest) for rest in _digits(low % unit, high % unit, base, places - 1))
        return
    if low % unit:
        yield from (((first, first), *rest) for rest in _digits(low % unit, unit - 1, base, places - 1))
        first += 1
    if (high + 1) % unit:
        last -= 1
    if first <= last:
        yield ((first, last), *[(0, base - 1)] * (places - 1))
    if (high + 1) % unit:
        yield from (((last + 1, last + 1), *rest) for rest in _digits(0, high % unit, base, places - 1))


def _without(low: int, high: int, gap: Span) -> Iterator[Span]:
    for a, b in ((low, min(high, gap[0] - 1)), (max(low, gap[1] + 1), high)):
        if a <= b:
            yield a, b


def _add(span: Span, number: int) -> Span:
    return span[0] + number, span[1] + number
