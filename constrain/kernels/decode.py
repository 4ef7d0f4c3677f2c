"""Decoders: symbols out of bytes. One step a byte; a decoder state is one integer, 0 at a symbol boundary.

``kind << 24 | value``. UTF-8 kinds say (length, continuation bytes left), value the bits so far. JSON kinds
say where in an escape we are; after a high surrogate the value carries its ten bits above the twelve of the
low one's hexadecimal digits.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import helper, inline
from constrain.kernels.layout import BYTES, JSON

U2_1, U3_2, U3_1, U4_3, U4_2, U4_1 = 1, 2, 3, 4, 5, 6
ESCAPE = 7
HEX = 7  # HEX + n: n hexadecimal digits are left of a \\uXXXX (8..11)
LOW_SLASH, LOW_U = 12, 13
LOW_HEX = 13  # LOW_HEX + n: n digits left of the low surrogate (14..17)

DEAD_BYTE = -1
SYMBOL = 1 << 40  # SYMBOL | code: the byte completes that symbol
VALUE = (1 << 24) - 1


@inline
def first_code(length: Any) -> Any:
    """Smallest code point whose UTF-8 form has this many bytes (shorter forms are the only ones allowed)."""
    return 0x80 if length == 2 else 0x800 if length == 3 else 0x10000


@inline
def last_code(length: Any) -> Any:
    """Largest code point whose UTF-8 form has this many bytes."""
    return 0x7FF if length == 2 else 0xFFFF if length == 3 else 0x10FFFF


@helper
def utf8_tail(kind: Any, value: Any, byte: Any) -> Any:
    """A continuation byte in the middle of a UTF-8 sequence."""
    if byte & 0xC0 != 0x80:
        return DEAD_BYTE
    value = value << 6 | (byte & 0x3F)
    length = 2 if kind == U2_1 else 3 if kind <= U3_1 else 4
    left = 0 if kind == U2_1 or kind == U3_1 or kind == U4_1 else 1 if kind == U3_2 or kind == U4_2 else 2
    low, high = value << 6 * left, ((value + 1) << 6 * left) - 1
    if high < first_code(length) or low > last_code(length) or (low >= 0xD800 and high <= 0xDFFF):
        return DEAD_BYTE
    return SYMBOL | value if left == 0 else (kind + 1) << 24 | value


@helper
def utf8_head(byte: Any) -> Any:
    """The first byte of a UTF-8 sequence."""
    if byte < 0x80:
        return SYMBOL | byte
    if 0xC2 <= byte <= 0xDF:
        return U2_1 << 24 | (byte & 0x1F)
    if 0xE0 <= byte <= 0xEF:
        return U3_2 << 24 | (byte & 0x0F)
    if 0xF0 <= byte <= 0xF4:
        return U4_3 << 24 | (byte & 0x07)
    return DEAD_BYTE


@helper
def hex_digit(byte: Any) -> Any:
    """Value of a hexadecimal digit, -1 for other bytes."""
    if 0x30 <= byte <= 0x39:
        return byte - 0x30
    if 0x41 <= byte <= 0x46:
        return byte - 0x37
    if 0x61 <= byte <= 0x66:
        return byte - 0x57
    return -1


@helper
def short_escape(byte: Any) -> Any:
    """The symbol of a two-character escape, -1 for none (RFC 8259, section 7)."""
    if byte == 0x22 or byte == 0x5C or byte == 0x2F:
        return byte
    if byte == 0x62:
        return 0x08
    if byte == 0x66:
        return 0x0C
    if byte == 0x6E:
        return 0x0A
    if byte == 0x72:
        return 0x0D
    if byte == 0x74:
        return 0x09
    return -1


@helper
def escape_step(kind: Any, value: Any, byte: Any) -> Any:
    """A byte inside a JSON escape, or between the two halves of a surrogate pair."""
    if kind == ESCAPE:
        if byte == 0x75:
            return (HEX + 4) << 24
        symbol = short_escape(byte)
        return DEAD_BYTE if symbol < 0 else SYMBOL | symbol
    if kind == LOW_SLASH:
        return LOW_U << 24 | value if byte == 0x5C else DEAD_BYTE
    if kind == LOW_U:
        return (LOW_HEX + 4) << 24 | value << 12 if byte == 0x75 else DEAD_BYTE
    digit = hex_digit(byte)
    if digit < 0:
        return DEAD_BYTE
    if kind > LOW_HEX:
        left = kind - LOW_HEX - 1
        # The first digits must spell D and then C..F; only the last ten bits carry information.
        if left == 3:
            return DEAD_BYTE if digit != 0xD else (LOW_HEX + 3) << 24 | value
        if left == 2:
            return DEAD_BYTE if digit < 0xC else (LOW_HEX + 2) << 24 | value | (digit & 3) << 8
        value |= digit << 4 * left
        if left > 0:
            return (LOW_HEX + left) << 24 | value
        return SYMBOL | (0x10000 + ((value >> 12) << 10 | (value & 0x3FF)))
    left = kind - HEX - 1
    value = value << 4 | digit
    low, high = value << 4 * left, ((value + 1) << 4 * left) - 1
    if low >= 0xDC00 and high <= 0xDFFF:
        return DEAD_BYTE  # a low surrogate without its high one is no character
    if left > 0:
        return (HEX + left) << 24 | value
    if 0xD800 <= value <= 0xDBFF:
        return LOW_SLASH << 24 | (value & 0x3FF)
    return SYMBOL | value


@helper
def decode(encoding: Any, state: Any, byte: Any) -> Any:
    """One byte: ``DEAD_BYTE``, ``SYMBOL | code``, or the next (non-zero) decoder state."""
    if encoding == BYTES:
        return SYMBOL | byte
    kind, value = state >> 24, state & VALUE
    if kind == 0:
        if encoding == JSON:
            if byte == 0x5C:
                return ESCAPE << 24
            if byte < 0x20 or byte == 0x22:
                return DEAD_BYTE
        return utf8_head(byte)
    if kind <= U4_1:
        return utf8_tail(kind, value, byte)
    return escape_step(kind, value, byte)


@helper
def span(state: Any) -> Any:
    """The symbols that a partly read one may become: two inclusive ranges (low, high, low2, high2).

    A range is empty if its low > high. Surrogates may lie inside a range; no class contains them.
    """
    kind, value = state >> 24, state & VALUE
    if kind <= U4_1:
        length = 2 if kind == U2_1 else 3 if kind <= U3_1 else 4
        left = 1 if kind == U2_1 or kind == U3_1 or kind == U4_1 else 2 if kind == U3_2 or kind == U4_2 else 3
        low, high = value << 6 * left, ((value + 1) << 6 * left) - 1
        return max(low, first_code(length)), min(high, last_code(length)), 1, 0
    if kind == ESCAPE:
        return 0, 0x10FFFF, 1, 0
    if kind <= HEX + 4:
        left = kind - HEX
        low, high = value << 4 * left, ((value + 1) << 4 * left) - 1
        first, last = max(low, 0xD800), min(high, 0xDBFF)
        if first <= last:
            return low, high, 0x10000 + ((first & 0x3FF) << 10), 0x10000 + ((last & 0x3FF) << 10) + 0x3FF
        return low, high, 1, 0
    if kind <= LOW_U:
        return 0x10000 + (value << 10), 0x10000 + (value << 10) + 0x3FF, 1, 0
    left = kind - LOW_HEX
    base = 0x10000 + ((value >> 12) << 10)
    if left >= 3:
        return base, base + 0x3FF, 1, 0
    known = value & 0x3FF
    return base + known, base + known + (1 << 4 * left) - 1, 1, 0
