"""Words of a bag as values: reading them off their bytes, and which symbols a beginning may become.

A value is the encoding's letter and the symbols, in one string: ``"jid"`` for the JSON word ``id"``, however spelled.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left

from constrain.ir.grammar import Encoding
from constrain.ir.rx import MAX_CODE_POINT, SURROGATES, Ranges

_CHARACTER = rb"[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = rb'\\(?:["\\/bfnrt]|u(?:[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))'
_WHOLE: dict[str, re.Pattern[bytes]] = {
    "utf8": re.compile(rb"(?:%b)*" % _CHARACTER),
    "json": re.compile(rb"(?:%b|%b|%b)*" % (_PAIR, _ESCAPE, _CHARACTER.replace(rb"[\x00-\x7f]", rb"[ !#-\[\]-\x7f]"))),
}
_PLAIN = re.compile(rb"[ !#-\[\]-\x7e]*")


def split_word(data: bytes, encoding: Encoding) -> tuple[str, bytes]:
    """The value of the whole symbols in the beginning of a word, and the bytes after them (part of one symbol).

    ``data`` must be the beginning of a word of that encoding. After a whole JSON word its closing quote is left.
    """
    if encoding == "bytes":
        return "b" + data.decode("latin-1"), b""
    if _PLAIN.fullmatch(data):
        return encoding[0] + data.decode("ascii"), b""
    match = _WHOLE[encoding].match(data)
    assert match is not None
    head = data[: match.end()]
    text = json.loads(b'"' + head + b'"') if encoding == "json" and b"\\" in head else head.decode()
    return encoding[0] + text, data[match.end() :]


def value_bytes(value: str) -> bytes:
    """The one form of a value as bytes that the kernels have (``kernels/wordset.py``)."""
    return value.encode("latin-1" if value[0] == "b" else "utf-8")


def value_of(data: bytes) -> str:
    """The value of that form."""
    return data.decode("latin-1" if data[:1] == b"b" else "utf-8")


def started_symbols(rest: bytes) -> Ranges:
    """The symbols with a spelling that begins with ``rest`` (as ``split_word`` gives it, not empty)."""
    if rest[0] >= 0x80:
        return _started_character(rest)
    first, second = _units(rest[2:6]), _units(rest[8:])
    if first[0] >= SURROGATES[0] and first[1] < 0xDC00:  # at least "\\ud8"
        low, high = max(second[0], 0xDC00) - 0xDC00, min(second[1], SURROGATES[1]) - 0xDC00
        bases = (0x10000 + (unit - SURROGATES[0]) * 0x400 for unit in range(first[0], first[1] + 1))
        return tuple((base + low, base + high) for base in bases)
    pairs = ((0x10000, MAX_CODE_POINT),) if first[0] <= SURROGATES[0] <= first[1] else ()
    return (*_without_surrogates(*first), *pairs)


def _units(digits: bytes) -> tuple[int, int]:
    """First and last 16-bit unit whose hexadecimal digits begin so."""
    return int(digits.ljust(4, b"0"), 16), int(digits.ljust(4, b"f"), 16)


def _without_surrogates(low: int, high: int) -> Ranges:
    parts = (low, min(high, SURROGATES[0] - 1)), (max(low, SURROGATES[1] + 1), high)
    return tuple((a, b) for a, b in parts if a <= b)


def _started_character(rest: bytes) -> Ranges:
    length = 2 if rest[0] < 0xE0 else 3 if rest[0] < 0xF0 else 4
    value = rest[0] & (0x7F >> length)
    for byte in rest[1:]:
        value = value << 6 | byte & 0x3F
    shift = 6 * (length - len(rest))
    least, most = {2: (0x80, 0x7FF), 3: (0x800, 0xFFFF), 4: (0x10000, 0x10FFFF)}[length]
    return _without_surrogates(max(value << shift, least), min(((value + 1) << shift) - 1, most))


def words_that_begin(words: tuple[str, ...], prefix: str) -> tuple[str, ...]:
    """Those of sorted ``words`` that begin with ``prefix``."""
    first = last = bisect_left(words, prefix)
    while last < len(words) and words[last].startswith(prefix):
        last += 1
    return words[first:last]
