"""The shipped grammars as Lark reads them, and the cases that stand beside them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import lark
from lark.indenter import DedentError, PythonIndenter

FOLDER = Path(__file__).parents[1] / "grammars"
NAMES = sorted(path.stem for path in FOLDER.glob("*.lark"))
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "e": ""}
POSTLEX = {"python": PythonIndenter}


def unescape(line: str) -> str:
    """The text that a line of a case file stands for (see grammars/README.md)."""
    return re.sub(r"\\(?:x([0-9a-f]{2})|(.))", lambda m: chr(int(m[1], 16)) if m[1] else ESCAPES[m[2]], line)


def cases(name: str, kind: str) -> list[str]:
    lines = (FOLDER / f"{name}.{kind}.txt").read_text(encoding="utf-8").split("\n")
    return [unescape(line) for line in lines if line]


def source(name: str) -> str:
    return (FOLDER / f"{name}.lark").read_text(encoding="utf-8")


@cache
def options(name: str) -> dict[str, Any]:
    """What the first line says of how Lark reads the file: ``// constrain: parser=earley lexer=basic``, or nothing."""
    first = re.match(r"// constrain:(.*)", source(name))
    given: dict[str, Any] = dict(word.split("=") for word in first[1].split()) if first else {}
    if "postlex" in given:
        given["postlex"] = POSTLEX[given["postlex"]]()
    return given


@cache
def parser(name: str, kind: str | None = None) -> lark.Lark:
    """With the options of the first line, or with the parser ``kind`` where there are none.

    ``strict`` makes Lark prove with interegular that no two terminals of one context collide.
    """
    if kind is None:
        return lark.Lark(source(name), **options(name))
    return lark.Lark(source(name), parser=kind, strict=kind == "lalr")


def parses(grammar: lark.Lark, text: str) -> bool:
    """Indentation is the business of a post-lexer, which has an error of its own.

    It does not expect a line that ends with the text (``IndexError``), nor brackets that close none.
    """
    try:
        grammar.parse(text)
    except (lark.exceptions.UnexpectedInput, DedentError, IndexError, AssertionError):
        return False
    return True
