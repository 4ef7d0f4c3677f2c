"""``Predicate``: a constraint that is a program, asked about whole texts and beginnings of texts."""

from __future__ import annotations

from typing import Protocol


class Predicate(Protocol):
    """What may come out, besides what the grammar says. Both answers must depend on the text alone."""

    def prefix_ok(self, text: bytes) -> bool:
        """May ``text`` still become a text that is wanted? ``True`` when in doubt: a wrong ``False`` loses texts,
        a wrong ``True`` only costs time. ``text`` may end within a character."""
        ...

    def complete_ok(self, text: bytes) -> bool:
        """Is ``text`` wanted, as a whole?"""
        ...
