"""The shipped grammars as Lark reads them, and the cases that stand beside them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import lark
from lark.indenter import DedentError, PythonIndenter

from constrain.testing import read_cases

FOLDER = Path(__file__).parents[1] / "grammars"
NAMES = sorted(path.stem for path in FOLDER.glob("*.lark"))
POSTLEX = {"python": PythonIndenter}


def cases(name: str, kind: str) -> list[str]:
    return [case.text for case in read_cases(FOLDER / f"{name}.{kind}.txt")]


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


@cache
def python_by_lalr() -> lark.Lark:
    """Python's grammar for long texts: Earley takes minutes. LALR reads less, statements that begin with a call of a
    function ``match`` for instance."""
    return lark.Lark(source("python"), **(options("python") | {"parser": "lalr"}))


def parses(grammar: lark.Lark, text: str) -> bool:
    """Indentation is the business of a post-lexer, which has an error of its own.

    It does not expect a line that ends with the text (``IndexError``), nor brackets that close none.
    """
    try:
        grammar.parse(text)
    except (lark.exceptions.UnexpectedInput, DedentError, IndexError, AssertionError):
        return False
    return True
