"""The part of a text whose tokens are settled: whatever follows, a lexer will cut it in the same way.

A parser that fails within that part fails on every continuation. So a parser of whole texts tells about beginnings:
it is given the settled part and behind it something that its lexer refuses. If the parser complains of anything
earlier, that is certain; if it gets as far as the lexer's complaint, the text may go on.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Lexis:
    """What quotes and comments look like, and after which characters a new token begins for certain.

    ``opening`` finds where the next quoted piece or comment begins. ``whole`` matches one, from there, that nothing
    which follows can make longer. ``boundary`` matches a run of plain text up to its last blank or bracket.
    """

    opening: re.Pattern[str]
    whole: re.Pattern[str]
    boundary: re.Pattern[str]

    def settled(self, text: str) -> str:
        """The longest beginning of ``text`` that is known to end between two tokens."""
        at = 0
        while found := self.opening.search(text, at):
            piece = self.whole.match(text, found.start())
            if piece is None:
                break
            at = piece.end()
        run = self.boundary.match(text, at, found.start() if found else len(text))
        return text[: run.end() if run else at]


def decoded(text: bytes) -> str | None:
    """The whole characters of ``text``, without the beginning of one at its end; ``None`` where it is not UTF-8."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError:
        return None
