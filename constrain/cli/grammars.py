"""GRAMMAR on the command line: a file, a name of a shipped grammar, or text given with an option."""

from __future__ import annotations

import argparse
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

KINDS = ("regex", "lark", "json_schema")
SUFFIXES = (".lark", ".json", ".regex")

HELP = """\
GRAMMAR is one of
  FILE.lark     a Lark grammar
  FILE.json     a JSON Schema, or a list of tools as chat models take them
  FILE.regex    a Python regular expression that the whole text must match
  NAME          a grammar that comes with the package: {names}
or is left out for --regex, --lark or --json-schema."""


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
    inline.add_argument("--json-schema", metavar="JSON", help="the text of a JSON Schema")
    parser.add_argument("--start", default="start", metavar="RULE", help="the start rule of a Lark grammar")
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
        raise UsageError("which grammar? Give a file, a name, or one of --regex, --lark, --json-schema")
    path = Path(options.grammar)
    if options.grammar in shipped_names() and not path.is_file():
        path = shipped_folder() / f"{options.grammar}.lark"
    if path.suffix not in SUFFIXES:
        names, suffixes = ", ".join(shipped_names()), ", ".join(SUFFIXES)
        raise UsageError(
            f"{options.grammar!r} is neither a shipped grammar ({names}) nor a file ending in {suffixes}; "
            "a grammar's text goes with --regex, --lark or --json-schema"
        )
    if path.suffix == ".regex":
        return _read("regex", path.read_text(encoding="utf-8").removesuffix("\n"), options)
    return _read("lark" if path.suffix == ".lark" else "json_schema", path, options)


def _read(kind: str, source: str | Path, options: argparse.Namespace) -> Grammar:
    """The grammar in a text or a file."""
    if kind == "json_schema":
        with blaming_options():
            grammar = constrain.json_schema(source, **schema_options(options))
        note_unenforced(grammar)
        return grammar
    if has_schema_options(options):
        raise UsageError("the options for JSON Schema go with a JSON Schema only")
    return constrain.lark(source, start=options.start) if kind == "lark" else constrain.regex(str(source))
