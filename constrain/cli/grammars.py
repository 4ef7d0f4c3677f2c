"""GRAMMAR on the command line: a file, a name of a shipped grammar, or text given with an option."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import constrain
from constrain.cli import UsageError
from constrain.cli.schema_options import (
    add_schema_options,
    blaming_options,
    has_schema_options,
    note_unenforced,
    schema_options,
)
from constrain.ir.grammar import Grammar

KINDS = ("regex", "lark", "gbnf", "ebnf", "json_schema")
SUFFIXES = {".lark": "lark", ".gbnf": "gbnf", ".ebnf": "ebnf", ".json": "json_schema", ".regex": "regex"}
_INLINE = "--regex, --lark, --gbnf, --ebnf or --json-schema"

HELP = """\
GRAMMAR is one of
  FILE.lark     a Lark grammar
  FILE.gbnf     a grammar in the notation of llama.cpp
  FILE.ebnf     an EBNF grammar: W3C's notation or, if it defines a rule root, that of llama.cpp and xgrammar
  FILE.json     a JSON Schema, or a list of tools as chat models take them
  FILE.regex    a Python regular expression that the whole text must match
  NAME          a grammar that comes with the package: {names}
or is left out for --regex, --lark, --gbnf, --ebnf or --json-schema."""


def shipped_folder() -> Path:
    """Where the shipped grammars are: inside the installed package, or beside it in a working copy."""
    package = Path(constrain.__file__).parent
    inside = package / "grammars"
    return inside if inside.is_dir() else package.parent / "grammars"


def shipped_names() -> list[str]:
    """Names of the grammars that come with the package, sorted."""
    return sorted(path.stem for path in shipped_folder().glob("*.lark"))


def grammar_help() -> str:
    """What a grammar argument may be, for the end of a sub-command's help."""
    return HELP.format(names=", ".join(shipped_names()))


def add_grammar(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which grammar."""
    parser.add_argument("grammar", nargs="?", metavar="GRAMMAR", help="see below")
    inline = parser.add_mutually_exclusive_group()
    inline.add_argument("--regex", metavar="PATTERN", help="a Python regular expression")
    inline.add_argument("--lark", metavar="TEXT", help="the text of a Lark grammar")
    inline.add_argument("--gbnf", metavar="TEXT", help="the text of a GBNF grammar")
    inline.add_argument("--ebnf", metavar="TEXT", help="the text of an EBNF grammar")
    inline.add_argument("--json-schema", metavar="JSON", help="the text of a JSON Schema")
    parser.add_argument("--start", metavar="RULE", help="the start rule of a Lark, GBNF or EBNF grammar")
    parser.add_argument(
        "--parser", choices=("earley", "lalr", "cyk"), help="how Lark would parse a Lark grammar's texts"
    )
    lexers = ("basic", "contextual", "dynamic", "dynamic_complete")
    parser.add_argument("--lexer", choices=lexers, help="how Lark would cut them (default: its own; see docs/lark.md)")
    add_schema_options(parser)


def has_inline(options: argparse.Namespace) -> bool:
    """Was a grammar given as an option, not as a positional argument?"""
    return any(getattr(options, kind) is not None for kind in KINDS)


def read_grammar(options: argparse.Namespace) -> Grammar:
    """The grammar that the arguments of ``add_grammar`` say."""
    for kind in KINDS:
        text = getattr(options, kind)
        if text is not None:
            if options.grammar is not None:
                raise UsageError(f"two grammars: {options.grammar!r} and --{kind.replace('_', '-')}; give one")
            return _read(kind, text, options)
    if options.grammar is None:
        raise UsageError(f"which grammar? Give a file, a name, or one of {_INLINE}")
    path = Path(options.grammar)
    if options.grammar in shipped_names() and not path.is_file():
        path = shipped_folder() / f"{options.grammar}.lark"
    if path.suffix not in SUFFIXES:
        names, suffixes = ", ".join(shipped_names()), ", ".join(SUFFIXES)
        raise UsageError(
            f"{options.grammar!r} is neither a shipped grammar ({names}) nor a file ending in {suffixes}; "
            f"a grammar's text goes with {_INLINE}"
        )
    if path.suffix == ".regex":
        return _read("regex", path.read_text(encoding="utf-8").removesuffix("\n"), options)
    return _read(SUFFIXES[path.suffix], path, options)


def _read(kind: str, source: str | Path, options: argparse.Namespace) -> Grammar:
    """The grammar in a text or a file."""
    if (options.parser or options.lexer) and kind != "lark":
        raise UsageError("--parser and --lexer go with a Lark grammar only")
    if kind == "json_schema":
        with blaming_options():
            grammar = constrain.json_schema(source, **schema_options(options))
        note_unenforced(grammar)
        return grammar
    if has_schema_options(options):
        raise UsageError("the options for JSON Schema go with a JSON Schema only")
    if kind == "regex":
        return constrain.regex(str(source))
    lark = {name: value for name in ("parser", "lexer") if (value := getattr(options, name))}
    start = {"start": options.start} if options.start else {}
    read: Callable[..., Grammar] = {"lark": constrain.lark, "gbnf": constrain.gbnf, "ebnf": constrain.ebnf}[kind]
    return read(source, **start, **lark)
