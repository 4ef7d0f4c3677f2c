"""Every error that constrain raises on purpose. Each carries its facts as fields, not only as text."""

from __future__ import annotations


class ConstrainError(Exception):
    """Base of all errors of this package."""


class GrammarError(ConstrainError):
    """The grammar cannot be used: a syntax error, an unknown or unproductive rule, a construct we refuse.

    ``where`` names the place (a rule, a file position, a JSON pointer); ``source``, ``line`` and ``column``
    (1-based) are set when the place is a position in text, and then ``str(error)`` draws a caret.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        source: str | None = None,
        line: int | None = None,
        column: int | None = None,
        hint: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.source = source
        self.line = line
        self.column = column
        self.hint = hint
        self.path = path

    def __str__(self) -> str:
        head = self.message
        if self.where:
            head = f"{self.where}: {head}"
        if self.line is not None:
            head = f"{self.path or '<text>'}:{self.line}:{self.column or 1}: {head}"
        lines = [head]
        if self.source is not None and self.line is not None:
            rows = self.source.splitlines() or [""]
            row = rows[min(self.line, len(rows)) - 1]
            lines += [f"    {row}", "    " + " " * ((self.column or 1) - 1) + "^"]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class UnsupportedPattern(GrammarError):
    """A regular expression in order, with a construct that this version does not translate. The message names it."""


class UnsupportedSchema(GrammarError):
    """A JSON Schema keyword that this version does not enforce. ``keyword`` and ``pointer`` name it."""

    def __init__(self, keyword: str, pointer: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"keyword {keyword!r}: {reason}", where=f"schema at {pointer or '/'}", hint=hint)
        self.keyword = keyword
        self.pointer = pointer
        self.reason = reason


class VocabularyError(ConstrainError):
    """A tokenizer we cannot read exactly, or a vocabulary that cannot spell the grammar."""


class LimitExceeded(ConstrainError):
    """A construction grew past a stated bound. ``what``, ``given`` and ``limit`` say which and by how much."""

    def __init__(self, what: str, given: int, limit: int, hint: str = "") -> None:
        super().__init__(f"{what}: {given} exceeds the limit of {limit}{'; ' + hint if hint else ''}")
        self.what = what
        self.given = given
        self.limit = limit


class ConstraintViolation(ConstrainError):
    """A token or text was fed that the grammar does not allow at this point. Nothing was advanced."""


class DeadEnd(ConstrainError):
    """No token of the vocabulary can continue or end the text, although the grammar asks for more bytes."""


class GrammarWarning(UserWarning):
    """Something in a grammar that is legal but almost surely not meant, such as an unreachable rule."""
