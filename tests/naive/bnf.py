"""Grammars written with ``::=`` as trees, printed as GBNF or as W3C EBNF, and membership by the definitions.

The oracle for the front ends: it shares nothing with them, not even the grammar that they make. Where each rule can
end when it begins at some place is the least solution of equations over sets of places, found by iteration.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Set:
    """Characters of inclusive ranges, or all but these."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class Row:
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Either:
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Times:
    body: Node
    low: int
    high: int | None


@dataclass(frozen=True)
class Less:
    """A difference; its sides refer to no rule that refers to itself."""

    left: Node
    right: Node


Node = Text | Set | Name | Row | Either | Times | Less
MARKS = {(0, None): "*", (1, None): "+", (0, 1): "?"}


# ---- membership ----------------------------------------------------------------------------------------------------


def accepts(rules: dict[str, Node], start: str, text: str) -> bool:
    """Is the whole text a member of the rule ``start``?"""
    table: dict[tuple[str, int], frozenset[int]] = {}
    changed = True
    while changed:
        changed = False
        for name, body in rules.items():
            for begin in range(len(text) + 1):
                found = _ends(body, begin, text, rules, table)
                if found != table.get((name, begin), frozenset()):
                    table[name, begin] = found
                    changed = True
    return len(text) in table.get((start, 0), frozenset())


def _ends(
    node: Node, begin: int, text: str, rules: dict[str, Node], table: dict[tuple[str, int], frozenset[int]] | None
) -> frozenset[int]:
    """Where a member that begins at ``begin`` can end. Without a table, rules are looked into."""

    def after(part: Node, places: frozenset[int]) -> frozenset[int]:
        return frozenset(end for place in places for end in _ends(part, place, text, rules, table))

    match node:
        case Text(word):
            return frozenset([begin + len(word)] if text.startswith(word, begin) else [])
        case Set(ranges, negated):
            if begin == len(text):
                return frozenset()
            inside = any(low <= text[begin] <= high for low, high in ranges)
            return frozenset([begin + 1] if inside != negated else [])
        case Name(name):
            if table is None:
                return _ends(rules[name], begin, text, rules, None)
            return table.get((name, begin), frozenset())
        case Row(parts):
            places = frozenset([begin])
            for part in parts:
                places = after(part, places)
            return places
        case Either(parts):
            return frozenset(end for part in parts for end in _ends(part, begin, text, rules, table))
        case Less(left, right):
            return _ends(left, begin, text, rules, None) - _ends(right, begin, text, rules, None)
        case Times(body, low, high):
            places, found, count = frozenset([begin]), frozenset[int](), 0
            while places - found if count >= low else places:
                if count >= low:
                    found |= places
                if count == high or count > low + len(text):
                    break
                places, count = after(body, places), count + 1
            return found
    raise TypeError(node)


# ---- GBNF ----------------------------------------------------------------------------------------------------------


class Gbnf:
    """Prints with variety: blanks, comments, line breaks and escapes as ``rng`` says."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def grammar(self, rules: dict[str, Node]) -> str:
        gap = self.rng.choice(("\n", "\n\n", "\n# a ::= comment\n", " # another\r\n"))
        return self.rng.choice(("", "\n", "# first\n")) + gap.join(
            f"{name}{self.rng.choice((' ', '', '  '))}::={self.rng.choice((' ', '', chr(10)))}{self.node(body)}"
            for name, body in rules.items()
        )

    def blank(self) -> str:
        return self.rng.choice((" ", " ", "  ", "\t"))

    def node(self, node: Node, nested: bool = False) -> str:
        match node:
            case Text(text):
                return '"' + "".join(self.symbol(char, '"\\') for char in text) + '"'
            case Set(ranges, negated):
                return f"[{'^' if negated else ''}{''.join(map(self.span, ranges))}]"
            case Name(name):
                return name
            case Row(parts):
                body = self.blank().join(self.node(part, True) for part in parts)
                return f"({body})" if nested else body
            case Either(parts):
                bar = self.rng.choice((" | ", "|", " |\n  ", " | # comment\n "))
                body = bar.join(self.node(part, True) for part in parts)
                return f"({self.rng.choice(('', ' ', chr(10)))}{body})" if nested else body
            case Times(body, low, high):
                inner = self.node(body, True)
                inner = f"({inner})" if isinstance(body, Times) else inner
                return inner + self.count(low, high)
        raise TypeError(node)

    def count(self, low: int, high: int | None) -> str:
        if (low, high) in MARKS and self.rng.random() < 0.7:
            return MARKS[low, high]
        if low == high:
            return f"{{{low}}}"
        return f"{{{low},{'' if high is None else high}}}"

    def span(self, pair: tuple[str, str]) -> str:
        low, high = (self.symbol(char, "\\]^-[") for char in pair)
        return low if pair[0] == pair[1] and self.rng.random() < 0.7 else f"{low}-{high}"

    def symbol(self, char: str, special: str) -> str:
        named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
        ways = [f"\\u{ord(char):04x}", f"\\U{ord(char):08X}"] if ord(char) < 0x10000 else [f"\\U{ord(char):08x}"]
        if ord(char) < 256:
            ways.append(f"\\x{ord(char):02X}")
        plain = named.get(char, char)
        if char in special:
            plain = "\\x5e" if char == "^" else f"\\{char}"
        return self.rng.choice(ways) if self.rng.random() < 0.2 else plain


# ---- W3C -----------------------------------------------------------------------------------------------------------


class W3c:
    """As ``Gbnf``; there are no counts, and strings have no escapes."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def grammar(self, rules: dict[str, Node]) -> str:
        lines = []
        for number, (name, body) in enumerate(rules.items(), 1):
            label = self.rng.choice(("", f"[{number}] ", f"[{number}a]  "))
            note = self.rng.choice(("", "", " /* a ::= 'b' */", " [ wfc: Some Constraint ]", " [VC: x]"))
            lines.append(f"{label}{name} ::= {self.node(body)}{note}")
        return self.rng.choice(("\n", "\n\n", "\n/* [1] x ::=\n */\n")).join(lines)

    def node(self, node: Node, nested: bool = False) -> str:
        match node:
            case Text(text):
                return self.text(text)
            case Set(((low, high),), False) if low == high and self.rng.random() < 0.5:
                return f"#x{ord(low):X}"
            case Set(ranges, negated):
                return f"[{'^' if negated else ''}{self.spans(ranges)}]"
            case Name(name):
                return name
            case Row(parts):
                body = self.rng.choice((" ", "\n   ")).join(self.node(part, True) for part in parts)
            case Either(parts):
                body = self.rng.choice((" | ", "|", "\n  | ")).join(self.node(part, True) for part in parts)
            case Less(left, right):
                body = f"{self.node(left, True)} - {self.node(right, True)}"
            case Times(body_node, low, high):
                return f"({self.node(body_node)}){MARKS[low, high]}"
        return f"({body})" if nested else body

    def text(self, text: str) -> str:
        """A string, or several where it holds both quotes, or characters by their numbers where it breaks lines."""
        if "\n" in text or "\r" in text or ('"' in text and "'" in text):
            return "(" + " ".join(f"#x{ord(char):x}" for char in text) + ")"
        quote = '"' if "'" in text else "'" if '"' in text else self.rng.choice("'\"")
        return f"{quote}{text}{quote}"

    def spans(self, ranges: tuple[tuple[str, str], ...]) -> str:
        """All characters by their numbers or none: a letter behind a number would be a digit of it."""
        coded = any(char in "]^-#\n\r" for pair in ranges for char in pair) or self.rng.random() < 0.2
        spell = (lambda char: f"#x{ord(char):X}") if coded else str
        return "".join(spell(low) if low == high else f"{spell(low)}-{spell(high)}" for low, high in ranges)
