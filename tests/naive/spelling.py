"""How symbols are spelled in bytes, told from the reader's side: whole texts, and texts cut in mid-symbol."""

from __future__ import annotations

import json
import re
from bisect import bisect_left

from constrain.ir.grammar import Encoding
from constrain.ir.rx import MAX_CODE_POINT, SURROGATES, Ranges

ESCAPE = re.compile(rb"\\(u([0-9a-fA-F]{0,4}))?")
LOW_HALF = re.compile(rb"\\u([dD][89abAB][0-9a-fA-F]{2})(\\(u([0-9a-fA-F]{0,3}))?)?")


def decode(data: bytes, encoding: Encoding) -> list[int] | None:
    """The symbols that ``data`` spells, or ``None``."""
    if encoding == "bytes":
        return list(data)
    try:
        text = data.decode()
        if encoding == "json":
            if not text.endswith('"'):
                return None
            text = json.loads('"' + text)
    except ValueError:
        return None
    symbols = [ord(c) for c in text]
    return None if any(SURROGATES[0] <= s <= SURROGATES[1] for s in symbols) else symbols


def decode_cut(data: bytes, encoding: Encoding) -> list[tuple[list[int], Ranges | None]]:
    """All readings of ``data`` as the beginning of a longer spelling.

    A reading is the whole symbols and, when the text stops in the middle of one, the ranges in which that one
    must lie (``None`` when it stops between symbols).
    """
    readings: list[tuple[list[int], Ranges | None]] = []
    for cut in range(max(0, len(data) - 11), len(data) + 1):  # the longest cut symbol: \ud83d\ude0
        head, tail = data[:cut], data[cut:]
        symbols = decode(head + b'"' if encoding == "json" else head, encoding)
        if symbols is None:
            continue
        if not tail:
            readings.append((symbols, None))
        elif encoding != "bytes" and (ranges := started(tail, encoding)):
            readings.append((symbols, ranges))
    return readings


def started(tail: bytes, encoding: Encoding) -> Ranges:
    """The code points with a spelling of which ``tail`` is a proper, non-empty beginning."""
    if tail[0] >= 0x80:
        return started_utf8(tail)
    return started_escape(tail) if encoding == "json" else ()


def started_utf8(tail: bytes) -> Ranges:
    points = range(MAX_CODE_POINT + 1)  # UTF-8 sorts like code points
    low = bisect_left(points, tail, key=_utf8)
    high = bisect_left(points, tail + b"\xff", key=_utf8) - 1
    return () if low > high or _utf8(low) == tail else _characters(low, high)


def started_escape(tail: bytes) -> Ranges:
    if match := LOW_HALF.fullmatch(tail):
        base = 0x10000 + (int(match[1], 16) - 0xD800) * 0x400
        low, high = _units(match[4] or b"")
        low, high = max(low, 0xDC00), min(high, 0xDFFF)
        return ((base + low - 0xDC00, base + high - 0xDC00),) if low <= high else ()
    match = ESCAPE.fullmatch(tail)
    if not match or (match[2] and len(match[2]) == 4):
        return ()
    low, high = _units(match[2] or b"")
    first, last = max(low, 0xD800), min(high, 0xDBFF)  # first halves of pairs
    pairs = ((0x10000 + (first - 0xD800) * 0x400, 0x10000 + (last - 0xD800) * 0x400 + 0x3FF),) if first <= last else ()
    return _characters(low, high) + pairs


def _units(digits: bytes) -> tuple[int, int]:
    """First and last 16-bit unit whose four hexadecimal digits begin with ``digits``."""
    return int(digits.ljust(4, b"0"), 16), int(digits.ljust(4, b"f"), 16)


def _characters(low: int, high: int) -> Ranges:
    parts = (low, min(high, SURROGATES[0] - 1)), (max(low, SURROGATES[1] + 1), high)
    return tuple((a, b) for a, b in parts if a <= b)


def _utf8(point: int) -> bytes:
    return chr(point).encode("utf-8", "surrogatepass")
