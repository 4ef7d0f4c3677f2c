"""Regular expressions: Python patterns as whole grammars, and patterns of two dialects as ``Rx``."""

from __future__ import annotations

import re
from typing import Literal, NoReturn

from constrain.errors import GrammarError, UnsupportedPattern
from constrain.frontends import ecma_regex, look_around, python_whole
from constrain.frontends.anchored import Anchor, Node, Sequenced, sequence
from constrain.ir import rx
from constrain.ir.grammar import Grammar, Terminal
from constrain.ir.rx import Rx

Dialect = Literal["python", "ecma"]
_ANY_BYTES = rx.repeat(rx.ANY_BYTE, 0, None)


def regex_grammar(pattern: str | bytes | re.Pattern[str] | re.Pattern[bytes], flags: int = 0) -> Grammar:
    """The grammar of all strings that ``re.fullmatch(pattern, string, flags)`` accepts.

    A ``str`` pattern speaks of Unicode scalar values (spelled as UTF-8), a ``bytes`` pattern of bytes; under
    ``LOCALE``, of the locale as it is now. Raises ``GrammarError`` for bad syntax and for patterns that match no string
    at all (where only automata tell, ``compile`` does), ``UnsupportedPattern`` for constructs that are not supported
    (named, with their place), ``LimitExceeded`` where look-around and the like would need too large an automaton.
    """
    if isinstance(pattern, re.Pattern):
        if flags:
            raise ValueError("a compiled pattern has its flags already: do not pass any")
        return _grammar(pattern.pattern, pattern.flags)
    if not isinstance(pattern, str | bytes):
        _refuse(pattern)
    return _grammar(pattern, flags)


def _refuse(pattern: object) -> NoReturn:
    kind = type(pattern)
    if kind.__name__ == "Pattern" and kind.__module__.partition(".")[0] in ("regex", "_regex"):
        raise UnsupportedPattern(
            "a compiled pattern of the package regex is not supported: its syntax is not that of Python's re",
            hint="pass a str or re.compile(...)",
        )
    raise TypeError(f"a pattern is a str, bytes or a compiled one of re, not {kind.__name__}")


def regex_to_rx(pattern: str | bytes, flags: int = 0, *, dialect: Dialect = "python", search: bool = False) -> Rx:
    """The strings that the pattern matches as a whole or, if ``search``, somewhere within them.

    ``dialect`` is ``python`` (``re.fullmatch`` / ``re.search`` with ``flags``) or ``ecma`` (ECMA-262, strings of code
    points as with its ``u`` flag, but with the syntax of annex B read as browsers do where its meaning is
    beyond doubt; ``flags`` must be 0). An expression that can match nothing is ``rx.NOTHING``. Raises ``GrammarError``.
    """
    try:
        node = _parse(pattern, flags, dialect)
        whole = _anywhere(node, _anything(pattern)) if search else node
        return look_around.language(whole, _anything(pattern))
    except RecursionError as error:
        raise GrammarError(f"the pattern is nested too deeply: {pattern[:60]!r}...") from error


def _parse(pattern: str | bytes, flags: int, dialect: Dialect) -> Node:
    if dialect == "python":
        return python_whole.parse(pattern, int(flags))
    if not isinstance(pattern, str) or flags:
        raise ValueError("ECMA patterns are str and take no flags")
    return ecma_regex.parse(pattern)


def _anything(pattern: str | bytes) -> Rx:
    """All texts over the symbols that the pattern speaks of."""
    return rx.ANY_TEXT if isinstance(pattern, str) else _ANY_BYTES


def _anywhere(node: Node, around: Rx) -> Node:
    """Any text before and after; none where the pattern begins or ends with an anchor, which would refuse it."""
    parts = node.parts if isinstance(node, Sequenced) else (node,)
    first, last = parts[0], parts[-1]
    before = () if isinstance(first, Anchor) and first.kind == "start" else (around,)
    after = () if isinstance(last, Anchor) and last.kind == "end" else (around,)
    return sequence((*before, *parts, *after))


def _grammar(pattern: str | bytes, flags: int) -> Grammar:
    language = regex_to_rx(pattern, flags)
    if language == rx.NOTHING:
        raise GrammarError(f"the pattern {pattern!r} matches no string")
    return Grammar("start", {"start": _terminal(language, "utf8" if isinstance(pattern, str) else "bytes")})


def _terminal(language: Rx, encoding: Literal["utf8", "bytes"]) -> Terminal:
    """A counted class becomes a window on the terminal's length: it costs a counter, not a state for each count."""
    if (
        isinstance(language, rx.Repeat)
        and isinstance(language.body, rx.Chars)
        and (language.low, language.high) != (0, 1)
    ):
        return Terminal(rx.repeat(language.body, 0, None), encoding, language.low, language.high, name="start")
    return Terminal(language, encoding, name="start")
