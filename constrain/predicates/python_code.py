"""``PythonCompiles``: Python source that ``compile`` of the running interpreter accepts.

``prefix_ok`` asks CPython's own parser. It reads tokens one by one and does not look past the one it needs, so if it
gives up before it comes to the end of the settled part (``settled.py``), it gives up whatever follows. An unfinished
string is put behind that part; the flag that ``codeop`` uses makes CPython say whether it got there.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from constrain.predicates.settled import Lexis, decoded

ALLOW_INCOMPLETE = 0x4000  # codeop.PyCF_ALLOW_INCOMPLETE_INPUT
INCOMPLETE = "incomplete input"  # what CPython says, with that flag, when it came to the end
EXHAUSTED = "too deep or too large for the compiler"
IN_DOUBT = (INCOMPLETE, EXHAUSTED)
UNFINISHED = '"""'
REMEMBERED = 64  # verdicts on beginnings that are whole statements

_LETTERS = r"(?:[rR][bB]?|[bB][rR]?|[uU])"
_FORMAT_LETTERS = r"(?:[fFtT][rR]?|[rR][fFtT])"
# One that a line feed breaks is whole too: CPython complains of it.
_PLAIN = r"""(?:
    \"{3}(?:[^"\\]|\\.|"(?!""))*+\"{3}
  | '{3}(?:[^'\\]|\\.|'(?!''))*+'{3}
  | "(?!"")(?:"(?=[^"])|(?!")(?:[^"\\\n]|\\.)*+(?:"|(?=\n)))
  | '(?!'')(?:'(?=[^'])|(?!')(?:[^'\\\n]|\\.)*+(?:'|(?=\n)))
)"""
# From Python 3.12 on quotes may stand within quotes here. Only those are read that are read alike in either way.
_FORMATTED = r"""(?:
    \"{3}(?:[^"\\{}]|\{\{|\}\}|\\[^{}]|\{[^{}'"\\\#]*\}|"(?!""))*+\"{3}
  | '{3}(?:[^'\\{}]|\{\{|\}\}|\\[^{}]|\{[^{}'"\\\#]*\}|'(?!''))*+'{3}
  | "(?!"")(?:"(?=[^"])|(?!")(?:[^"\\\n{}]|\{\{|\}\}|\\[^{}]|\{[^{}'"\\\n\#]*\})*+")
  | '(?!'')(?:'(?=[^'])|(?!')(?:[^'\\\n{}]|\{\{|\}\}|\\[^{}]|\{[^{}'"\\\n\#]*\})*+')
)"""


def lexis(nested_quotes: bool) -> Lexis:
    """Python's strings and comments; ``nested_quotes``: may strings stand in the fields of f-strings as they like?"""
    formatted = _FORMATTED if nested_quotes else _PLAIN
    return Lexis(
        opening=re.compile(rf"(?:(?<!\w)(?:{_LETTERS}|{_FORMAT_LETTERS}))?['\"]|\#"),
        whole=re.compile(
            rf"\#[^\n]*(?=\n) | {_FORMAT_LETTERS}{formatted} | {_LETTERS}?{_PLAIN}", re.VERBOSE | re.DOTALL
        ),
        boundary=re.compile(r"[^\0]*[ \t\f\n()\[\]{},;]"),
    )


LEXIS = lexis(sys.version_info >= (3, 12))
_BLANKS = re.compile(r"[ \t\f]*")
_CONTINUED_BLANK = re.compile(r"^[ \t\f]*\\", re.MULTILINE)
# A line that begins a statement of the module: not one that goes on with an "if", a "for", a "while" or a "try".
_STATEMENT = re.compile(
    r"^(?!(?:else|elif|except|finally)\b)(?:[^\W\d]\w*\b(?![\"'])|@)(?=.)", re.MULTILINE | re.DOTALL
)


class PythonCompiles:
    """UTF-8 text that ``compile(text, ..., mode)`` accepts, in the running version of Python.

    ``mode="exec"`` is a module (an empty one too), ``"eval"`` one expression. Nothing is run. A declared encoding is
    not looked at; what the compiler gives up on (depth, memory) does not compile; warnings are ignored.

    ``prefix_ok`` never rejects a beginning of what compiles. It finds syntax errors when the token at fault is
    followed by a blank or a bracket; errors that are no matter of syntax (``return`` outside a function) when the next
    statement of the module has begun, and in an expression at its end. Cost: a few passes of the parser over the text.
    """

    def __init__(self, mode: Literal["exec", "eval"] = "exec") -> None:
        """Raises ``ValueError`` for another mode."""
        if mode not in ("exec", "eval"):
            raise ValueError(f"mode is 'exec' (a module) or 'eval' (an expression), not {mode!r}")
        self.mode = mode
        self._fault_of_head = lru_cache(REMEMBERED)(self._fault_of_beginning)

    def complete_ok(self, text: bytes) -> bool:
        """Does the text compile?"""
        try:
            return fault(text.decode("utf-8"), self.mode) is None
        except UnicodeDecodeError:
            return False

    def prefix_ok(self, text: bytes) -> bool:
        """May the text still become one that compiles?"""
        source = decoded(text)
        if source is None or "\0" in source:
            return False
        source = source.replace("\r\n", "\n").replace("\r", "\n")
        if _CONTINUED_BLANK.search(source):  # the columns of such lines are counted in a way of their own
            return True
        settled = LEXIS.settled(source)
        tried = _unfinished(source, settled)
        return self._head_compiles(settled) and any(self._fault_of_beginning(text) in IN_DOUBT for text in tried)

    def _head_compiles(self, settled: str) -> bool:
        """Is nothing wrong with the statements before the last one of the module?"""
        begins = [found.start() for found in _STATEMENT.finditer(settled)] if self.mode == "exec" else []
        return not begins or self._fault_of_head(settled[: begins[-1]]) in (None, *IN_DOUBT)

    def _fault_of_beginning(self, source: str) -> str | None:
        return fault(source, self.mode, ALLOW_INCOMPLETE)


def fault(source: str, mode: str, flags: int = 0) -> str | None:
    """What CPython says is wrong with a text; ``None`` when it compiles."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # were they errors, the verdict would depend on the caller's settings
            compile(source, "<text>", mode, flags, dont_inherit=True)
    except SyntaxError as error:
        return str(error.msg)
    except (RecursionError, MemoryError, OverflowError):
        return EXHAUSTED
    except ValueError as error:  # a NUL, in Python 3.11
        return str(error)
    return None


def _unfinished(source: str, settled: str) -> Iterator[str]:
    """The settled part with an unfinished token behind it, wherever the next token may stand."""
    start = settled.rfind("\n") + 1
    rest = source[len(settled) :]
    if not _BLANKS.fullmatch(settled, start):
        yield f"{settled} {UNFINISHED}"
    elif rest and not rest.startswith("#"):  # a token has begun, so the line's indentation is known
        yield settled + UNFINISHED
    else:
        yield from (settled[:start] + blanks + UNFINISHED for blanks in _indentations(settled[:start]))


def _indentations(before: str) -> Iterator[str]:
    """How the next line may be indented: as one of those before, or deeper than they are."""
    known = dict.fromkeys(blanks[0] for row in reversed(before.split("\n")) if (blanks := _BLANKS.match(row)))
    yield from known
    yield from (blanks + " " for blanks in known)
