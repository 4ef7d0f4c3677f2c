"""ECMA-262 patterns, as JSON Schema uses them, read into the nodes of ``anchored``.

Strings are sequences of code points (the ``u`` flag's view). Syntax that ECMA-262 allows only without that flag
(annex B: ``[\\w-.]``, a lone ``{`` or ``]``, ``\\_``) is read as browsers read it, since schemas are full of it; but
where the same spelling means something else to other engines (``\\A``, ``\\Z``, ``a{,5}``, octal escapes) it is
refused rather than guessed at.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NoReturn

from constrain.errors import UnsupportedPattern
from constrain.frontends import char_sets
from constrain.frontends.anchored import Anchor, Look, Node, either, loop, sequence
from constrain.frontends.python_regex import syntax_error
from constrain.ir import rx
from constrain.ir.rx import Ranges, Rx

_SETS: dict[str, Ranges] = {**char_sets.ASCII_SETS, "s": char_sets.ECMA_SPACE}
_DOT = rx.chars(rx.invert_ranges(char_sets.ECMA_LINE_ENDS))
_START = Anchor("start", "^")
_END = Anchor("end", "$")
_EDGES = {
    "b": Anchor("word_edge", "\\b", char_sets.ASCII_SETS["w"]),
    "B": Anchor("no_word_edge", "\\B", char_sets.ASCII_SETS["w"]),
}
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_QUANTIFIER = re.compile(r"(?:([*+?])|\{([0-9]+)(,([0-9]*))?\})\??")
_MARKS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_PLAIN = re.compile(r"[^\\^$.*+?()\[\]{}|]+")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]+)\}")
_LOW_SURROGATE = re.compile(r"\\u([dD][c-fC-F][0-9A-Fa-f]{2})")
_PROPERTY = re.compile(r"[pP]\{([A-Za-z0-9_=]*)\}")
_GROUP_NAME = re.compile(r"<([A-Za-z_$][\w$]*)>")
_REFERENCE = re.compile(r"([1-9][0-9]*)|k<([A-Za-z_$][\w$]*)>")
_LOOK = re.compile(r"\?(<?)([=!])")
_WHY_NOT_A_LETTER = {
    "A": "ECMA-262 has no \\A; write ^",
    "Z": "ECMA-262 has no \\Z; write $",
    "z": "ECMA-262 has no \\z; write $",
}


def parse(pattern: str) -> Node:
    """The pattern as nodes. Raises ``GrammarError`` for bad syntax, ``UnsupportedPattern`` for refused constructs."""
    parser = _Parser(pattern)
    node = parser.alternatives()
    if parser.at < len(pattern):
        parser.fail("unbalanced parenthesis", parser.at)
    return node


class _Parser:
    """Recursive descent over ``text``; ``at`` is the position of the next character to read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.groups: list[str | None] = []  # by number, less one: what each has matched, where that is certain
        self.names: dict[str, int] = {}
        self.behind = 0  # look-behinds around

    def alternatives(self) -> Node:
        opened = len(self.groups)
        branches = [self.branch()]
        while self.text.startswith("|", self.at):
            self.at += 1
            self.forget(opened)
            branches.append(self.branch())
        if len(branches) == 1:
            return branches[0]
        self.forget(opened)
        return either(branches)

    def forget(self, opened: int) -> None:
        """The groups from this number on need not have matched: what a reference to them matches is not certain."""
        self.groups[opened:] = [None] * (len(self.groups) - opened)

    def branch(self) -> Node:
        text, size = self.text, len(self.text)
        parts: list[Node] = []
        while self.at < size and text[self.at] not in "|)":
            plain = _PLAIN.match(text, self.at)
            if plain:
                self.plain(plain[0], parts)
                continue
            start, opened = self.at, len(self.groups)
            atom = self.atom(text[start])
            parts.append(self.quantified(atom, start, opened))
        return parts[0] if len(parts) == 1 else sequence(parts)

    def plain(self, run: str, parts: list[Node]) -> None:
        """Ordinary characters; the last one may carry a quantifier."""
        self.at += len(run)
        parts.extend(char_sets.one(ord(c)) for c in run[:-1])
        parts.append(self.quantified(char_sets.one(ord(run[-1])), self.at - 1, len(self.groups)))

    def atom(self, first: str) -> Node:
        self.at += 1
        match first:
            case "(":
                return self.group()
            case "[":
                return self.bracket()
            case "\\":
                return self.escape()
            case ".":
                return _DOT
            case "^":
                return _START
            case "$":
                return _END
            case "*" | "+" | "?":
                self.fail("nothing to repeat", self.at - 1)
            case "{":
                self.check_brace()
        return char_sets.one(ord(first))

    def check_brace(self) -> None:
        """A brace that opens no quantifier is a plain character (annex B), unless it surely was meant as one."""
        if _QUANTIFIER.match(self.text, self.at - 1):
            self.fail("nothing to repeat", self.at - 1)
        if re.compile(r"\s*,\s*[0-9]+\s*\}|\s*[0-9]+\s*(,\s*[0-9]*)?\s*\}").match(self.text, self.at):
            self.fail(
                "this is no quantifier in ECMA-262", self.at - 1, "write {0,5} for up to five; escape a plain \\{"
            )

    def quantified(self, atom: Node, start: int, opened: int) -> Node:
        """``atom``, read from ``start`` on, with the quantifier behind it; its groups are those from ``opened`` on."""
        found = _QUANTIFIER.match(self.text, self.at) if self.at < len(self.text) else None
        if not found:
            return atom
        if self.text[start] in "^$" or self.text.startswith(("\\b", "\\B", "(?<=", "(?<!"), start):
            self.fail("nothing to repeat", self.at, "a test of a position cannot be repeated")
        mark, least, comma, most = found.groups()
        low, high = _MARKS[mark] if mark else (int(least), int(most) if most else None if comma else int(least))
        if high is not None and high < low:
            self.fail("numbers out of order in a quantifier", self.at)
        self.at = found.end()
        if low == 0:
            self.forget(opened)
        return loop(atom, low, high)

    def group(self) -> Node:
        opening, opened = self.at - 1, len(self.groups)
        look = _LOOK.match(self.text, self.at)
        if look:
            self.at = look.end()
            self.behind += bool(look[1])
        number = self.capture() if not look else None
        node = self.alternatives()
        if not self.text.startswith(")", self.at):
            self.fail("missing ), unterminated group", opening)
        self.at += 1
        if look:
            self.behind -= bool(look[1])
            if look[2] == "!":
                self.forget(opened)
            return Look(node, bool(look[1]), look[2] == "!")
        if number is not None:
            self.groups[number] = _only_word(node)
        return node

    def capture(self) -> int | None:
        """Reads what tells the kind of a group; the number (less one) of a capturing one."""
        if self.text.startswith("?:", self.at):
            self.at += 2
            return None
        if self.text.startswith("?", self.at):
            rest = self.text[self.at + 1 : self.at + 3]
            name = _GROUP_NAME.match(self.text, self.at + 1)
            if not name:
                hint = "ECMA-262 writes a named group (?<name>...)" if rest == "P<" else None
                self.fail(f"(?{rest} is no group of ECMA-262", self.at - 1, hint)
            if name[1] in self.names:
                self.fail(f"there are two groups called {name[1]!r}", self.at - 1)
            self.names[name[1]] = len(self.groups)
            self.at = name.end()
        self.groups.append(None)
        return len(self.groups) - 1

    def escape(self) -> Node:
        """After a backslash outside brackets."""
        letter = self.peek_escape()
        if letter in _EDGES:
            self.at += 1
            return _EDGES[letter]
        if letter in "123456789" or (letter == "k" and "(?<" in self.text):
            return self.reference()
        ranges = self.class_escape(letter)
        return rx.chars(ranges) if ranges is not None else char_sets.one(self.character(letter))

    def reference(self) -> Node:
        """A back-reference, if what its group has matched is certain; right-to-left, in look-behinds, it never is."""
        found = _REFERENCE.match(self.text, self.at)
        number = None
        if found:
            number = int(found[1]) - 1 if found[1] else self.names.get(found[2])
        word = self.groups[number] if number is not None and number < len(self.groups) and not self.behind else None
        if word is None or not found:
            hint = "no automaton compares two parts of a text, unless the group matches one string only"
            self.refuse("back-reference is not supported", self.at - 1, hint)
        self.at = found.end()
        return rx.literal(word)

    def peek_escape(self) -> str:
        if self.at >= len(self.text):
            self.fail("the pattern ends in a backslash", self.at - 1)
        return self.text[self.at]

    def class_escape(self, letter: str) -> Ranges | None:
        """``\\d``, ``\\p{...}`` and so on; ``None`` when the escape is a single character."""
        lower = letter.lower()
        if lower in _SETS:
            self.at += 1
            return _SETS[lower] if letter == lower else _complement(letter)
        if lower != "p":
            return None
        found = _PROPERTY.match(self.text, self.at)
        members = char_sets.property_set(found[1]) if found else None
        if not found or members is None:
            what = found[0] if found else letter
            hint = (
                "general categories (L, Lu, Nd, ...), Any, ASCII, Assigned, Uppercase, Lowercase, White_Space are known"
            )
            self.refuse(f"Unicode property \\{what} is not supported", self.at - 1, hint)
        self.at = found.end()
        return members if letter == "p" else rx.invert_ranges(members)

    def character(self, letter: str) -> int:
        """The code point of a character escape; ``at`` stands on the letter after the backslash."""
        start = self.at - 1
        numbered = _HEX.match(self.text, self.at)
        if numbered:
            self.at = numbered.end()
            return self.numbered(int(next(filter(None, numbered.groups())), 16), numbered[0], start)
        self.at += 1
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter == "c" and re.compile("[A-Za-z]").match(self.text, self.at):
            self.at += 1
            return ord(self.text[self.at - 1]) % 32
        if letter == "0" and not re.compile("[0-9]").match(self.text, self.at):
            return 0
        if letter.isascii() and letter.isalnum():
            why = "octal escapes are ambiguous; write \\x.." if letter.isdigit() else None
            self.fail(f"\\{letter} is no escape of ECMA-262", start, _WHY_NOT_A_LETTER.get(letter, why))
        return ord(letter)

    def numbered(self, code: int, spelled: str, start: int) -> int:
        """Joins an escaped surrogate pair; checks the range."""
        if code > rx.MAX_CODE_POINT:
            self.fail(f"\\{spelled} is past the last code point", start)
        second = _LOW_SURROGATE.match(self.text, self.at) if 0xD800 <= code <= 0xDBFF and len(spelled) == 5 else None
        if not second:
            return code
        self.at = second.end()
        return 0x10000 + ((code - 0xD800) << 10) + (int(second[1], 16) - 0xDC00)

    def bracket(self) -> Rx:
        opening = self.at - 1
        negated = self.text.startswith("^", self.at)
        self.at += negated
        ranges: list[tuple[int, int]] = []
        while not self.text.startswith("]", self.at):
            low = self.member(opening)
            if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
                dash = self.at
                self.at += 1
                high = self.member(opening)
                ranges += self.span(low, high, dash)
            else:
                ranges += low
        self.at += 1
        return _set_of(tuple(ranges), negated)

    def span(self, low: Ranges, high: Ranges, dash: int) -> Ranges:
        """A range; with a class at either end the hyphen is a plain character (annex B)."""
        if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or high[0][0] != high[0][1]:
            return (*low, (45, 45), *high)
        if low[0][0] > high[0][0]:
            self.fail("range out of order in a character class", dash)
        return ((low[0][0], high[0][0]),)

    def member(self, opening: int) -> Ranges:
        """One character or class inside brackets."""
        if self.at >= len(self.text):
            self.fail("missing ], unterminated character class", opening)
        first = self.text[self.at]
        self.at += 1
        if first != "\\":
            return ((ord(first), ord(first)),)
        letter = self.peek_escape()
        if letter == "b":
            self.at += 1
            return ((8, 8),)
        ranges = self.class_escape(letter)
        if ranges is None:
            code = self.character(letter)
            ranges = ((code, code),)
        return ranges

    def fail(self, message: str, position: int, hint: str | None = None) -> NoReturn:
        raise syntax_error(self.text, message, position, hint)

    def refuse(self, message: str, position: int, hint: str) -> NoReturn:
        raise syntax_error(self.text, message, position, hint, UnsupportedPattern)


def _only_word(node: Node) -> str | None:
    """The only string that the node matches; ``None`` when that is not obvious."""
    parts = node.parts if isinstance(node, rx.Concat) else (node,)
    word = ""
    for part in parts:
        if not isinstance(part, rx.Chars) or len(part.ranges) != 1 or part.ranges[0][0] != part.ranges[0][1]:
            return None
        word += chr(part.ranges[0][0])
    return word


@lru_cache(maxsize=8)
def _complement(letter: str) -> Ranges:
    return rx.invert_ranges(_SETS[letter.lower()])


@lru_cache(maxsize=4096)
def _set_of(ranges: Ranges, negated: bool) -> Rx:
    merged = rx.merge_ranges(ranges)
    return rx.chars(rx.invert_ranges(merged) if negated else char_sets.scalars(merged))
