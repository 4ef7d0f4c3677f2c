"""Words of a bag as values: reading them off their bytes, and all ways to spell them.

A value is the encoding's letter and the symbols, in one string: ``"jid"`` for the JSON word ``id"``, however spelled.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from functools import lru_cache

from constrain.ir.grammar import Encoding
from constrain.ir.rx import MAX_CODE_POINT, SURROGATES, Ranges

_CHARACTER = rb"[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = rb'\\(?:["\\/bfnrt]|u(?:[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))'
_WHOLE: dict[str, re.Pattern[bytes]] = {
    "utf8": re.compile(rb"(?:%b)*" % _CHARACTER),
    "json": re.compile(rb"(?:%b|%b|%b)*" % (_PAIR, _ESCAPE, _CHARACTER.replace(rb"[\x00-\x7f]", rb"[ !#-\[\]-\x7f]"))),
}
_ENCODINGS: dict[str, Encoding] = {"b": "bytes", "u": "utf8", "j": "json"}
_PLAIN = re.compile(rb"[ !#-\[\]-\x7e]*")
_SHORT = {8: b"b", 9: b"t", 10: b"n", 12: b"f", 13: b"r", 34: b'"', 47: b"/", 92: b"\\"}


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


@lru_cache(maxsize=4096)
def spellings(symbol: str, encoding: Encoding) -> tuple[tuple[bytes, ...], ...]:
    """Ways to spell one symbol; each is a sequence of sets of bytes of which one comes next."""
    if encoding == "bytes":
        return (_exactly(symbol.encode("latin-1")),)
    raw = _exactly(symbol.encode())
    if encoding == "utf8":
        return (raw,)
    code = ord(symbol)
    ways = [_hexadecimal(symbol)]
    if code >= 32 and symbol not in '"\\':
        ways.append(raw)
    if code in _SHORT:
        ways.append(_exactly(b"\\" + _SHORT[code]))
    return tuple(ways)


def _exactly(data: bytes) -> tuple[bytes, ...]:
    return tuple(bytes([byte]) for byte in data)


def _hexadecimal(symbol: str) -> tuple[bytes, ...]:
    units = symbol.encode("utf-16-be").hex()
    digits = [bytes({*digit.encode(), *digit.upper().encode()}) for digit in units]
    return tuple(byte for i in range(0, len(digits), 4) for byte in (b"\\", b"u", *digits[i : i + 4]))


def first_bytes(word: str) -> bytes:
    """The bytes with which a spelling of a value can begin (one of JSON's empty word: its closing quote)."""
    encoding = _ENCODINGS[word[0]]
    if len(word) == 1:
        return b'"' if encoding == "json" else b""
    return b"".join(way[0] for way in spellings(word[1], encoding))


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
