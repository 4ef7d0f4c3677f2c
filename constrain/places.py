"""Places in a text for people: line, column, the line itself and a caret. Shared by verdicts and commands."""

from __future__ import annotations

from dataclasses import dataclass

WIDEST = 100  # columns of the text's own line that are shown around the caret


@dataclass(frozen=True)
class Place:
    """A position in a text: ``offset`` in bytes from 0; ``line`` and ``column`` (in characters) from 1."""

    offset: int
    line: int
    column: int


def place_of(data: bytes, offset: int) -> Place:
    """Where byte ``offset`` of ``data`` is; inside a character, the place of that character."""
    before = data[:offset]
    start = before.rfind(b"\n") + 1
    column = len(before[start:].decode("utf-8", "ignore")) + 1
    return Place(offset, before.count(b"\n") + 1, column)


def caret(data: bytes, offset: int) -> str:
    """Two lines: the line of text around byte ``offset``, made printable, and a caret below that place."""
    start = data.rfind(b"\n", 0, offset) + 1
    end = data.find(b"\n", offset)
    left = data[start:offset].decode("utf-8", "replace")
    right = data[offset : len(data) if end < 0 else end].decode("utf-8", "replace")
    if len(left) > WIDEST // 2:
        left = "…" + left[-WIDEST // 2 :]
    if len(right) > WIDEST // 2:
        right = right[: WIDEST // 2] + "…"
    shown = printable(left)
    return f"    {shown}{printable(right)}\n    {' ' * len(shown)}^"


def printable(text: str) -> str:
    """Control characters as a terminal cannot misread them."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
