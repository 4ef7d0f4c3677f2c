"""Random Lark grammars of many kinds, and texts near their languages, made without the engine.

A grammar is random rules over a pool of terminals; the pools say what is tried. Texts are random expansions of the
rules that Lark has loaded, with a random match of its pattern for each terminal and ignored text between, and such
texts with one or two edits. Neither Lark's lexer nor the engine has a say in which of them are members.
"""

from __future__ import annotations

import re
import re._constants as code  # type: ignore[import-not-found]
import re._parser as sre  # type: ignore[import-not-found]
from random import Random
from typing import Any, NamedTuple

import lark

DEEPEST, LONGEST = 12, 300  # rules inside each other; symbols in a text


class Pool(NamedTuple):
    """Terminals, ignored terminals, lines that go before the grammar, and characters for edits."""

    terminals: tuple[str, ...]
    ignored: tuple[str, ...]
    letters: str
    preamble: tuple[str, ...] = ()
    count: tuple[int, int] = (2, 5)


OVERLAPPING = Pool(
    (
        "/[ab]+/", "/a+/", "/a+?b/", "/[a-c]+c?/", "/ab?/", "/(ab|a)(bc|c)?/", "/[^a]/", "/.*?c/", "/b*c/", '"a"',
        '"ab"', '"b"', '"c"', '"abc"', '"ba"', "/[ab]{2}/", "/[ab]{1,2}?c/", '"A"i', "/(?i:aB)/", '" "', "/ +/",
        "/ ?a/", '"b"+', '"a".."c"', '("a"|"bc")~1..2', "/(a|ab)*c/s", "/(a*b?)+c/", "/a{2,3}|b/", '["a"] "c"',
        "/(?:a|(?:b|ab)*?)c/",
    ),
    (
        '" "', "/ +/", "/c/", "/ b?/", "T0", "/#.*?#/", "/(ab)+?/",
    ),
    "abc B\n",
)  # fmt: skip
LOOKING = Pool(
    (
        "/a(?=b)/", "/a(?!b)/", "/(?<!a)b/", r"/\bab*/", "/a$/", "/c(?= |$)/", "/(b|c)+(?<!cc)/", r"/a\B/", "/^b/m",
        "/[abc]+/", "/a(?=b(?!c))/", "/(?=[ab]c?)./", "/(?!ab)[abc]/", "/(?<=a)b|c/", r"/(?=.*c)a+/",
        r"/[abc]+(?=\b)/", r"/b\Z/", "/[abc]/", "/(?!a(?=b))[ab]/", "/(?<=[ab]) ?c/", "/(?<!^)c/",
        "/a(?=(?=b)b|c)/", '"c"', '"a"', "/(a(?!bb)|b)+/", '"ab"',
    ),
    (
        '" "', "/ +/", r"/ (?=\S)/", "/c(?!c)/", r"/(?<=a) /", r"/\n/",
    ),
    "abc \n",
)  # fmt: skip
KEYWORDS = Pool(
    (
        '"if"', '"IF"i', '"in"', '"int"', '"i"', "/[a-z]+/", "/[a-z]+/i", "/[a-z][a-z0-9]*/", "/[a-z]+(?!f)/",
        '"<"', '"<="', '"<<"', '"<<="', '"="', '"=="', "/[<=]+/", "/=[<=]?/", "/[0-9]+/", r"/[0-9]+\.[0-9]*/",
        '"."', '".."', '"0"', '"x"i', '"i".."n"', "/i[fn]?/", '"("', '")"', "/if|in/", "/int?/",
    ),
    (
        '" "', "/ +/", r"/\s+/", r"/#[^\n]*/", "/<!.*?>/",
    ),
    "ifnt<=.0( X\n",
    count=(4, 9),
)  # fmt: skip
UNICODE = Pool(
    (
        '"é"', '"É"i', '"ß"i', '"\u03b1".."\u03c9"', r"/\w+/", r"/\w/a", r"/[^\W\d]+/", r"/\d+/", "/[à-ü]/i", '"İ"i',
        '"k"i',
        '"日本"', "/./", '"日".."本"', r"/\s/", r"/[^\x00-\x7f]+/", '"😀"', r'"\u00e9"', r"/é(?=ß|$)/", r"/\b./",
        "/\u017f/i",
    ),
    (
        '" "', r"/\s+/", '"\u00a0"', "/[\u3000 ]/",
    ),
    "éÉß\u03b1\u03c9日本😀kK\u017f 1_",
)  # fmt: skip
COMMON = """INT WORD SIGNED_NUMBER CNAME ESCAPED_STRING NUMBER FLOAT LETTER DIGIT NEWLINE UCASE_LETTER HEXDIGIT
WS_INLINE WS C_COMMENT CPP_COMMENT SH_COMMENT SQL_COMMENT"""
LIBRARY = Pool(
    (
        "INT", "WORD", "SIGNED_NUMBER", "CNAME", "ESCAPED_STRING", "NUMBER", "FLOAT", "LETTER", "DIGIT", "NEWLINE",
        "UCASE_LETTER", "HEXDIGIT", '"("', '")"', '","', '"-"', '"e"', '"if"', "SQL_COMMENT", "WS_INLINE",
    ),
    (
        "WS", "WS_INLINE", "NEWLINE", "C_COMMENT", "CPP_COMMENT", "SH_COMMENT",
    ),
    'a1e.-"\\ \n(,F/#',
    tuple(f"%import common.{name}" for name in COMMON.split()),
    count=(3, 7),
)  # fmt: skip
CHANGED = LIBRARY._replace(
    preamble=(*LIBRARY.preamble, '%override DIGIT: "0".."3" | "e"', '%extend NUMBER: "-"+', "%extend WORD: /_/"),
)
POOLS = {
    "overlapping": OVERLAPPING,
    "look-around": LOOKING,
    "keywords": KEYWORDS,
    "Unicode": UNICODE,
    "imports": LIBRARY,
    "override, extend": CHANGED,
}


def grammar(pool: Pool, random: Random) -> str:
    """Rules with EBNF, templates, aliases, priorities, empty alternatives and recursion, over some of the terminals."""
    texts = [random.choice(pool.terminals) for _ in range(random.randint(*pool.count))]
    names = [text if text.isupper() and text[0].isalpha() else f"T{i}" for i, text in enumerate(texts)]
    rules = ["start", *(f"r{i}" for i in range(random.randint(0, 3)))]
    writer = _Rules(random, names, rules)
    lines = [*pool.preamble, *(writer.rule(name) for name in rules)]
    if random.random() < 0.25:
        lines.append("_sep{item, mark}: item (mark item)*")
        writer.templates = True
        lines[len(pool.preamble)] = writer.rule("start")
    for name, text in zip(names, texts, strict=True):
        if name != text:
            priority = f".{random.randint(-1, 3)}" if random.random() < 0.2 else ""
            lines.append(f"{name}{priority}: {text}")
    count = random.choice([0, 0, 1, 1, 2])
    ignored = random.sample(pool.ignored, count)
    return "\n".join(lines + [f"%ignore {text if text != 'T0' else names[0]}" for text in ignored]) + "\n"


class _Rules:
    """Random rules."""

    def __init__(self, random: Random, terminals: list[str], rules: list[str]) -> None:
        self.random, self.terminals, self.rules = random, terminals, rules
        self.templates = False

    def rule(self, name: str) -> str:
        chance = self.random.random()
        shape = "?" if chance < 0.1 else "!" if chance < 0.2 else ""
        priority = f".{self.random.randint(-1, 3)}" if self.random.random() < 0.15 and name != "start" else ""
        ways = [self.sequence(0) + (f" -> alias{i}" if chance > 0.9 else "") for i in range(self.random.randint(1, 3))]
        return f"{shape}{name}{priority}: {' | '.join(ways)}"

    def sequence(self, depth: int) -> str:
        count = self.random.choice([0, 1, 1, 2, 2, 3, 3] if depth == 0 else [1, 1, 2, 2])
        return " ".join(self.item(depth) for _ in range(count))

    def item(self, depth: int) -> str:
        chance = self.random.random()
        if chance < 0.12 and depth < 2:
            ways = " | ".join(self.sequence(depth + 1) for _ in range(self.random.randint(1, 2)))
            return f"[{ways}]" if chance < 0.04 else f"({ways})" + self.repeat(0.6)
        if self.templates and chance < 0.2:
            return f"_sep{{{self.symbol()}, {self.random.choice(self.terminals)}}}"
        return self.symbol() + self.repeat(0.2)

    def symbol(self) -> str:
        return self.random.choice(self.terminals if self.random.random() < 0.65 else self.rules)

    def repeat(self, chance: float) -> str:
        if self.random.random() >= chance:
            return ""
        return self.random.choice(["?", "*", "+", "?", "*", "+", "~2", "~0..2"])


class Texts:
    """Texts near the language of a loaded grammar."""

    def __init__(self, loaded: Any, letters: str, random: Random) -> None:
        self.random, self.letters = random, letters
        self.rules: dict[str, list[list[Any]]] = {}
        for rule in loaded.rules:
            self.rules.setdefault(str(rule.origin.name), []).append(list(rule.expansion))
        flags = int(loaded.options.g_regex_flags)
        self.patterns = {str(t.name): sre.parse(t.pattern.to_regexp(), flags) for t in loaded.terminals}
        self.ignored = list(map(str, loaded.ignore_tokens))
        self.depths = self._depths()
        self.spare = 0

    def _depths(self) -> dict[str, int]:
        """Rules inside each other that the flattest text of a rule takes."""
        depths: dict[str, int] = {}
        while True:
            new = {name: min(map(lambda way: self._depth(way, depths), ways)) for name, ways in self.rules.items()}
            new = {name: depth for name, depth in new.items() if depth < LONGEST}
            if new == depths:
                return depths
            depths = new

    @staticmethod
    def _depth(way: list[Any], depths: dict[str, int]) -> int:
        return 1 + max((0 if item.is_term else depths.get(str(item.name), LONGEST) for item in way), default=0)

    def member(self, start: str) -> str:
        """A random expansion, which some lexers may cut otherwise."""
        self.spare = self.random.choice([4, 12, 40])
        if start not in self.depths:
            return ""
        return "".join([self.blank(), *(self.match(name) + self.blank() for name in self.tokens(start, 0))])

    def near(self, text: str) -> str:
        """One or two edits."""
        for _ in range(self.random.choice([1, 1, 2])):
            i, j = self.random.randint(0, len(text)), self.random.randint(1, 3)
            letter = self.random.choice(self.letters)
            edits = [text[:i] + letter + text[i:], text[:i] + text[i + j :], text[:i] + letter + text[i + 1 :]]
            text = self.random.choice([*edits, text[:i] + text[max(i - j, 0) : i] + text[i:]])
        return text

    def tokens(self, name: str, depth: int) -> list[str]:
        """The names of the terminals of an expansion."""
        ways = [way for way in self.rules[name] if self._depth(way, self.depths) < LONGEST]
        if depth > DEEPEST or self.spare <= 0:
            ways = [way for way in ways if self._depth(way, self.depths) == self.depths[name]]
        found = []
        for item in self.random.choice(ways):
            self.spare -= 1
            found += [str(item.name)] if item.is_term else self.tokens(str(item.name), depth + 1)
        return found

    def blank(self) -> str:
        """Nothing, or something ignored."""
        if not self.ignored or self.random.random() < 0.5:
            return ""
        return "".join(self.match(self.random.choice(self.ignored)) for _ in range(self.random.choice([1, 1, 2])))

    def match(self, name: str) -> str:
        """A text that the pattern matches, look-around aside."""
        pattern = self.patterns[name]
        return "".join(self.parts(list(pattern), bool(pattern.state.flags & code.SRE_FLAG_IGNORECASE)))

    def parts(self, items: list[Any], fold: bool) -> list[str]:
        found: list[str] = []
        for op, value in items:
            found += self.part(op, value, fold)
        return found

    def part(self, op: Any, value: Any, fold: bool) -> list[str]:
        if op is code.LITERAL:
            letter = chr(value)
            return [self.random.choice([letter, letter.upper(), letter.lower()]) if fold else letter]
        if op is code.NOT_LITERAL:
            return [self.random.choice([c for c in self.letters if ord(c) != value])]
        if op is code.ANY:
            return [self.random.choice(self.letters.replace("\n", "") or "x")]
        if op is code.IN:
            return [self.one_of(value)]
        if op is code.BRANCH:
            return self.parts(list(self.random.choice(value[1])), fold)
        if op is code.SUBPATTERN:
            return self.parts(list(value[3]), fold or bool(value[1] & code.SRE_FLAG_IGNORECASE))
        if op in (code.MAX_REPEAT, code.MIN_REPEAT):
            low, high, body = value
            count = self.random.randint(low, min(int(high), low + 2))
            return [part for _ in range(count) for part in self.parts(list(body), fold)]
        return []  # look-around reads nothing

    def one_of(self, items: list[Any]) -> str:
        """A character of a set: one of the usual letters, if there is one."""
        usual = [letter for letter in self.letters + "azAZ09_. \n" if _contains(items, letter)]
        if usual and self.random.random() < 0.9:
            return self.random.choice(usual)
        ranges = [value for op, value in items if op is code.RANGE] + [
            (value, value) for op, value in items if op is code.LITERAL
        ]
        if items[0][0] is code.NEGATE or not ranges:
            return self.random.choice(usual or ["x"])
        return chr(self.random.randint(*self.random.choice(ranges)))


def _contains(items: list[Any], letter: str) -> bool:
    negated = items[0][0] is code.NEGATE
    return negated != any(_has(op, value, letter) for op, value in items)


def _has(op: Any, value: Any, letter: str) -> bool:
    if op is code.LITERAL:
        return bool(value == ord(letter))
    if op is code.RANGE:
        return bool(value[0] <= ord(letter) <= value[1])
    kinds = {
        code.CATEGORY_DIGIT: letter.isdecimal(),
        code.CATEGORY_SPACE: letter.isspace(),
        code.CATEGORY_WORD: letter.isalnum() or letter == "_",
    }
    inverse = {
        code.CATEGORY_NOT_DIGIT: code.CATEGORY_DIGIT,
        code.CATEGORY_NOT_SPACE: code.CATEGORY_SPACE,
        code.CATEGORY_NOT_WORD: code.CATEGORY_WORD,
    }
    if op is not code.CATEGORY:
        return False
    return not kinds[inverse[value]] if value in inverse else kinds.get(value, False)


def load(source: str, parser: str, lexer: str, **options: Any) -> lark.Lark | None:
    """What Lark makes of a grammar; None where it refuses it (conflicts, for instance)."""
    if parser == "earley":
        options["ambiguity"] = "forest"
    try:
        return lark.Lark(source, parser=parser, lexer=lexer, **options)
    except (lark.exceptions.LarkError, re.error, AssertionError, AttributeError):
        return None
