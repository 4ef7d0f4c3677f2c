"""Case files: ``NAME.accept.txt`` and ``NAME.reject.txt`` beside a grammar, texts that are and are not of its language.

One case a line, in UTF-8. Escapes: ``\\n`` line feed, ``\\r`` carriage return, ``\\t`` tab, ``\\\\`` backslash,
``\\xHH`` the character with that code, ``\\e`` nothing (so the line ``\\e`` is the empty text). An empty line is
skipped.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from constrain.errors import GrammarError
from constrain.ir.grammar import Grammar

KINDS = {"accept": True, "reject": False}
# How each kind of grammar file is read; modules are loaded when such a file is there.
READERS = {
    ".lark": ("constrain.frontends.lark", "lark_grammar"),
    ".gbnf": ("constrain.frontends.gbnf", "gbnf_grammar"),
    ".json": ("constrain.frontends.json_schema", "json_schema_grammar"),
    ".regex": ("constrain.frontends.regex", "regex_grammar"),
}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.?))")
_MEANING = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "e": ""}


class Case(NamedTuple):
    """One line of a case file: its number (from 1), the text it stands for, and whether that is of the language."""

    line: int
    text: str
    accepted: bool


def unescape(line: str) -> str:
    """The text that a line of a case file stands for. Raises ``ValueError`` for an escape that there is not."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _meaning(match), line)


def _meaning(match: re.Match[str]) -> str:
    if match[2] not in _MEANING:
        raise ValueError(f"unknown escape {match[0]!r} at column {match.start() + 1}")
    return _MEANING[match[2]]


def read_cases(path: Path) -> list[Case]:
    """The cases of ``NAME.accept.txt`` or ``NAME.reject.txt``. Raises ``GrammarError`` for a bad line."""
    kind = path.name.split(".")[-2]
    cases = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line := line.removesuffix("\r"):
            try:
                cases.append(Case(number, unescape(line), KINDS[kind]))
            except ValueError as error:
                hint = r"escapes are \n, \r, \t, \\, \xHH and \e (nothing)"
                raise GrammarError(str(error), path=str(path), source=line, line=number, hint=hint) from error
    return cases


def grammars_beside(path: Path) -> list[Path]:
    """The grammar files that a case file belongs to: those of its name in the same folder."""
    stem = path.name.rsplit(".", 2)[0]
    return [file for suffix in READERS if (file := path.with_name(stem + suffix)).is_file()]


def read_grammar_file(path: Path) -> Grammar:
    """The grammar in a file, read by what its name ends in, as the command line does."""
    module, name = READERS[path.suffix]
    source = path.read_text(encoding="utf-8").removesuffix("\n") if path.suffix == ".regex" else path
    grammar: Grammar = getattr(import_module(module), name)(source)
    return grammar
