"""Python's own parse of a pattern (``re._parser``), read into the nodes of ``anchored``.

The standard library parses, so what is a valid pattern and what it means is its decision, flags and all. This reader
refuses, by name and place, whatever looks at the text around it or remembers what it has matched; for patterns that
match a whole text, ``python_whole`` reads that too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NoReturn

from constrain.errors import GrammarError, UnsupportedPattern
from constrain.frontends import char_sets
from constrain.frontends.anchored import Anchor, Node, either, loop, sequence
from constrain.ir import rx
from constrain.ir.rx import Ranges, Rx

try:
    from re import _constants, _parser
except ImportError as error:  # pragma: no cover - only on an interpreter without these modules
    raise ImportError(
        f"this Python ({sys.version.split()[0]}) lacks the private module re._parser, with which constrain parses"
        " patterns; use CPython 3.11 or newer"
    ) from error

op: Any = _constants  # the opcodes of parsed patterns
_TYPE_FLAGS = re.ASCII | re.LOCALE | re.UNICODE
_CASE_FLAGS = int(re.IGNORECASE | re.ASCII)
_CATEGORIES = {
    op.CATEGORY_DIGIT: ("d", False), op.CATEGORY_NOT_DIGIT: ("d", True),
    op.CATEGORY_SPACE: ("s", False), op.CATEGORY_NOT_SPACE: ("s", True),
    op.CATEGORY_WORD: ("w", False), op.CATEGORY_NOT_WORD: ("w", True),
}  # fmt: skip
_HINTS = {
    "look-ahead": "spell out the strings that the rest may match, without the test",
    "look-behind": "spell out the strings that may stand before, without the test",
    "word boundary": "write the neighbouring characters as classes instead, such as \\W or [^a-z]",
    "back-reference": "no finite automaton can compare two parts of a text; list the alternatives that may repeat",
    "conditional group": "write both cases as alternatives",
    "atomic group": "write a plain group (?:...) if the text need not be matched without backtracking",
    "anchor": "a terminal begins and ends where it is matched; leave the anchor out",
    "possessive quantifier": "write the plain quantifier if the text need not be matched without backtracking",
    "repeat of what may be empty": "write it so that each round reads something: (?:a|b)* for (?:a?b?)*",
}
_PLACES = {
    "look-ahead": r"\(\?[=!]", "look-behind": r"\(\?<[=!]", "word boundary": r"\\[bB]",
    "back-reference": r"\\[1-9k]|\(\?P=", "conditional group": r"\(\?\(", "atomic group": r"\(\?>",
    "possessive quantifier": r"[*+?}]\+", "anchor": r"[\^$]|\\[AZz]",
    "repeat of what may be empty": r"\(\?>|[*+?}]\+",
}  # fmt: skip
EDGES = (op.AT_BEGINNING, op.AT_BEGINNING_STRING, op.AT_END, op.AT_END_STRING)
_SET = r"\[\^?\]?(?:\\.|[^\]\\])*\]"


def parse(pattern: str | bytes, flags: int) -> Node:
    """The pattern as nodes. Raises ``GrammarError`` for bad syntax, ``UnsupportedPattern`` for what is refused."""
    tree = parse_tree(pattern, flags)
    return Reader(pattern).sequence(tree, flags | tree.state.flags)


def parse_tree(pattern: str | bytes, flags: int) -> Any:
    """Python's own parse: an iterable of (opcode, argument), with the global flags in ``.state.flags``."""
    try:
        return _parser.parse(pattern, flags & ~re.DEBUG)
    except re.error as error:
        raise syntax_error(pattern, error.msg, error.pos) from error
    except (OverflowError, ValueError) as error:
        raise syntax_error(pattern, str(error), None) from error


def syntax_error(
    pattern: str | bytes,
    message: str,
    position: int | None,
    hint: str | None = None,
    kind: type[GrammarError] = GrammarError,
) -> GrammarError:
    """An error at a 0-based position of a pattern."""
    text = pattern if isinstance(pattern, str) else pattern.decode("latin-1")
    if position is None:
        return kind(f"{message} (in the pattern {text!r})", hint=hint)
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return kind(message, source=text, line=line, column=column, path="<pattern>", hint=hint)


class Reader:
    """Turns opcodes into nodes. ``pattern`` is for messages."""

    @property
    def read(self) -> ReadTable:
        """How to read each opcode."""
        return READ

    def __init__(self, pattern: str | bytes) -> None:
        self.pattern = pattern
        self.is_text = isinstance(pattern, str)
        self.top = rx.MAX_CODE_POINT if self.is_text else 255

    def sequence(self, items: Iterable[tuple[Any, Any]], flags: int) -> Node:
        return sequence([self.read[code](self, argument, flags) for code, argument in items])

    def literal(self, code: int, flags: int) -> Node:
        if not flags & re.IGNORECASE:
            return char_sets.one(code)
        if flags & re.LOCALE:
            return rx.chars(locale_set(((op.LITERAL, code),), flags))
        return rx.chars(char_sets.scalars(self.fold(code, flags)))

    def other_than(self, code: int, flags: int) -> Node:
        if flags & re.LOCALE:
            return rx.chars(locale_set(((op.NEGATE, None), (op.LITERAL, code)), flags))
        return self.complement(self.fold(code, flags))

    def any(self, _: None, flags: int) -> Node:
        return self.complement(() if flags & re.DOTALL else char_sets.LINE_FEED)

    def set(self, items: list[tuple[Any, Any]], flags: int) -> Node:
        if flags & re.LOCALE:
            return rx.chars(locale_set(items, flags))
        return _set_of(tuple(items), flags & _CASE_FLAGS, self.is_text)

    def alternatives(self, argument: tuple[None, list[Any]], flags: int) -> Node:
        return either(self.sequence(branch, flags) for branch in argument[1])

    def group(self, argument: tuple[int | None, int, int, Any], flags: int) -> Node:
        _, added, removed, items = argument
        return self.sequence(items, self.group_flags(added, removed, flags))

    def group_flags(self, added: int, removed: int, flags: int) -> int:
        """The flags within a group that adds and removes some."""
        if added & _TYPE_FLAGS:
            flags &= ~_TYPE_FLAGS
        return (flags | added) & ~removed

    def repeat(self, argument: tuple[int, int, Any], flags: int) -> Node:
        low, high, items = argument
        return loop(self.sequence(items, flags), low, None if high is op.MAXREPEAT else int(high))

    def anchor(self, kind: Any, flags: int) -> Node:
        lines = bool(flags & re.MULTILINE)
        if kind is op.AT_BEGINNING:
            return Anchor("line_start", "^", char_sets.LINE_FEED) if lines else Anchor("start", "^")
        if kind is op.AT_END:
            return Anchor("line_end", "$", char_sets.LINE_FEED) if lines else Anchor("end_or_newline", "$")
        if kind is op.AT_BEGINNING_STRING:
            return Anchor("start", "\\A")
        if kind is op.AT_END_STRING:
            return Anchor("end", "\\Z")
        self.refuse("word boundary", flags)

    def look(self, argument: tuple[int, Any], flags: int) -> Node:
        self.refuse("look-ahead" if argument[0] >= 0 else "look-behind", flags)

    def nothing(self, _: Any, flags: int) -> Node:
        return rx.NOTHING

    def ranges(self, code: Any, argument: Any, flags: int) -> Ranges:
        """The members of a one-character item."""
        members = self.read[code](self, argument, flags)
        return members.ranges if isinstance(members, rx.Chars) else ()

    def complement(self, ranges: Ranges) -> Rx:
        return rx.chars(rx.invert_ranges(ranges, self.top))

    def fold(self, code: int, flags: int) -> Ranges:
        return _fold(((code, code),), f"\\U{code:08x}", flags, self.is_text)

    def refuse(self, construct: str, flags: int) -> NoReturn:
        raise refusal(self.pattern, construct, bool(flags & re.VERBOSE))


def refusal(
    pattern: str | bytes, construct: str, verbose: bool = False, message: str | None = None, nth: int = 0
) -> GrammarError:
    """The error that names a construct and points at its first place in the pattern (or at the ``nth``, from 0)."""
    text = pattern if isinstance(pattern, str) else pattern.decode("latin-1")
    wanted = re.compile(_PLACES[construct])
    comment = r"|#[^\n]*" if verbose else ""
    places = [
        token.start()
        for token in re.finditer(rf"\\.|{_SET}{comment}|\(\?<?.|[*+?}}]\+?|.", text, re.DOTALL)
        if wanted.match(text, token.start()) and token[0][0] not in "[#"
    ]
    place = places[nth if nth < len(places) else 0] if places else None
    what = message or f"{construct} is not supported"
    return syntax_error(pattern, what, place, _HINTS[construct], UnsupportedPattern)


def _refuser(construct: str) -> Callable[[Reader, Any, int], Node]:
    def refuse(reader: Reader, _: Any, flags: int) -> Node:
        reader.refuse(construct, flags)

    return refuse


def _fold(ranges: Ranges, spelled: str, flags: int, is_text: bool) -> Ranges:
    """The other cases added, if the flags ask for it. ``spelled``: the ranges as a pattern."""
    if not flags & re.IGNORECASE or not ranges:
        return ranges
    return (
        char_sets.ignore_case(ranges, spelled, flags & _CASE_FLAGS) if is_text else char_sets.ignore_ascii_case(ranges)
    )


def locale_set(items: Iterable[tuple[Any, Any]], flags: int) -> Ranges:
    """The bytes of a bracket expression under LOCALE, which are what ``re`` says in the locale as it is now."""
    spelled = b""
    for code, argument in items:
        match code:
            case op.NEGATE:
                spelled += b"^"
            case op.CATEGORY:
                letter, inverted = _CATEGORIES[argument]
                spelled += b"\\" + (letter.upper() if inverted else letter).encode()
            case op.RANGE:
                spelled += b"\\x%02x-\\x%02x" % argument
            case _:
                spelled += b"\\x%02x" % argument
    asked = re.compile(b"[" + spelled + b"]", flags & (re.IGNORECASE | re.LOCALE))
    return rx.merge_ranges((byte, byte) for byte in range(256) if asked.match(bytes([byte])))


@lru_cache(maxsize=4096)
def _set_of(items: tuple[tuple[Any, Any], ...], flags: int, is_text: bool) -> Rx:
    """The characters of a bracket expression or of a category escape."""
    ascii_only = bool(flags & re.ASCII) or not is_text
    top = rx.MAX_CODE_POINT if is_text else 255
    listed: list[tuple[int, int]] = []
    named: list[tuple[int, int]] = []
    spelled, negated = "", False
    for code, argument in items:
        if code is op.NEGATE:
            negated = True
        elif code is op.CATEGORY:
            letter, inverted = _CATEGORIES[argument]
            ranges = char_sets.ASCII_SETS[letter] if ascii_only else char_sets.unicode_set(letter)
            named.extend(rx.invert_ranges(ranges, top) if inverted else ranges)
        elif code is op.RANGE:
            listed.append(argument)
            spelled += f"\\U{argument[0]:08x}-\\U{argument[1]:08x}"
        else:
            listed.append((argument, argument))
            spelled += f"\\U{argument:08x}"
    merged = rx.merge_ranges(listed)
    members = rx.merge_ranges((*_fold(merged, f"[{spelled}]", flags, is_text), *named))
    return rx.chars(rx.invert_ranges(members, top) if negated else char_sets.scalars(members))


ReadTable = dict[Any, Callable[[Any, Any, int], Node]]
READ: ReadTable = {
    op.LITERAL: Reader.literal,
    op.NOT_LITERAL: Reader.other_than,
    op.ANY: Reader.any,
    op.IN: Reader.set,
    op.BRANCH: Reader.alternatives,
    op.SUBPATTERN: Reader.group,
    op.MAX_REPEAT: Reader.repeat,
    op.MIN_REPEAT: Reader.repeat,
    op.AT: Reader.anchor,
    op.ASSERT: Reader.look,
    op.ASSERT_NOT: Reader.look,
    op.FAILURE: Reader.nothing,
    op.GROUPREF: _refuser("back-reference"),
    op.GROUPREF_EXISTS: _refuser("conditional group"),
    op.ATOMIC_GROUP: _refuser("atomic group"),
    op.POSSESSIVE_REPEAT: _refuser("possessive quantifier"),
}
