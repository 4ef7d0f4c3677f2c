"""Leap seconds of RFC 3339: the second 60 exists only at 23:59:60 UTC (section 5.7), so hour, minute and offset agree.

To tell that, an automaton remembers hour and minute until it reads the offset: 1,440 cases of ten states each, for an
event that happened 27 times. So leap seconds are written with offsets of whole and half hours only: 48 cases.
"""

from __future__ import annotations

from functools import cache

from constrain.ir import rx
from constrain.ir.rx import Rx

_STEP = 30  # minutes
_DAY = 24 * 60
_DIGITS = (ord("0"), ord("9"))


def leap_times() -> Rx:
    """Leap seconds as ``full-time``."""
    return rx.union((_leap_second(east=False), _leap_second(east=True)))


def leap_date_times() -> Rx:
    """Leap seconds as ``date-time``: at the end, in UTC, of June or December (section 5.7)."""
    year = rx.repeat(rx.Chars((_DIGITS,)), 4, 4)
    days = ((("-06-30", "-12-31"), False), (("-07-01", "-01-01"), True))
    return rx.union(
        rx.concat((year, rx.union(map(rx.literal, dates)), rx.chars(((84, 84), (116, 116))), _leap_second(east)))
        for dates, east in days
    )


@cache
def _leap_second(east: bool) -> Rx:
    """``HH:MM:60``, a fraction or none, and the offset. ``east`` of Greenwich it is the next day already."""
    builder = _Builder()
    for offset in range(_STEP if east else 0, _DAY, _STEP):
        hour, minute = divmod((_DAY - 1 + (offset if east else -offset)) % _DAY, 60)
        zone = f"{offset // 60:02}:{offset % 60:02}"
        zones = [f"+{zone}" if east else f"-{zone}"] + ([] if offset else [f"+{zone}", "Z", "z"])
        builder.add(f"{hour:02}:{minute:02}:60", zones)
    return rx.graph([[(*symbols, target) for symbols, target in row.items()] for row in builder.rows], [0], 1)


class _Builder:
    """A deterministic automaton: a tree of the beginnings, and the ends shared. State 0 ends, state 1 starts."""

    def __init__(self) -> None:
        self.rows: list[dict[tuple[int, int], int]] = [{}, {}]
        self.tails = {"": 0}

    def add(self, beginning: str, endings: list[str]) -> None:
        """``beginning``, a fraction or none, one of the ``endings``."""
        state = 1
        for letter in beginning:
            state = self.rows[state].setdefault((ord(letter), ord(letter)), len(self.rows))
            if state == len(self.rows):
                self.rows.append({})
        ways = {(ord(text[0]), ord(text[0])): self.tail(text[1:]) for text in endings}
        self.rows += [{}, {}]
        dot, more = len(self.rows) - 2, len(self.rows) - 1
        self.rows[state] = {(ord("."), ord(".")): dot, **ways}
        self.rows[dot] = {_DIGITS: more}
        self.rows[more] = {_DIGITS: more, **ways}

    def tail(self, text: str) -> int:
        """The state in which ``text`` is left to read."""
        if text not in self.tails:
            after = self.tail(text[1:])
            self.tails[text] = len(self.rows)
            self.rows.append({(ord(text[0]), ord(text[0])): after})
        return self.tails[text]
