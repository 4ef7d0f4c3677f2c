"""The options that say how a JSON Schema is read and how its values are written, for all sub-commands that take one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from constrain.cli import UsageError
from constrain.cli.output import note
from constrain.frontends.json_schema.dialect import DIALECTS
from constrain.ir.grammar import Grammar

NAMES = (
    *("property_order", "extra_properties", "whitespace", "max_blanks", "number_digits"),
    *("formats", "draft", "registry"),
)


def add_schema_options(parser: argparse.ArgumentParser) -> None:
    """Add the options. ``schema_options`` reads them."""
    group = parser.add_argument_group("JSON Schema")
    add = group.add_argument
    add("--property-order", choices=("schema", "any"), help="members as declared, or in any order (default: schema)")
    add("--extra-properties", choices=("schema", "never"), help="never: objects have only the members they declare")
    add(
        "--whitespace", metavar="HOW", help="any, compact, json (as json.dumps), or a regular expression (default: any)"
    )
    add("--max-blanks", type=int, metavar="N", help="blanks in a row at most, with any whitespace (default: 40)")
    add("--number-digits", type=int, metavar="N", help="digits before and after the point at most (default: no bound)")
    add(
        "--formats",
        choices=("assert", "annotate", "strict"),
        help="strict: unknown formats are refused (default: assert)",
    )
    add("--draft", choices=tuple(DIALECTS), help="the draft of a schema without $schema (default: 2020-12, tolerantly)")
    add("--registry", action="append", metavar="PATH", help="a file, or a folder of files, that references lead to")
    add("--record", action="store_true", help="leave out what cannot be enforced, and say so, instead of refusing")


def has_schema_options(options: argparse.Namespace) -> bool:
    """Was any of the options given?"""
    return options.record or any(getattr(options, name) is not None for name in NAMES)


def schema_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options that were given, as ``constrain.json_schema`` takes them."""
    found = {name: getattr(options, name) for name in NAMES if getattr(options, name) is not None}
    if "registry" in found:
        found["registry"] = read_registry(found["registry"])
    if options.record:
        found["on_unsupported"] = "record"
    return found


@contextmanager
def blaming_options() -> Iterator[None]:
    """What makes no sense as the value of an option is a mistake in the command line."""
    try:
        yield
    except UnicodeDecodeError:  # that is about a file
        raise
    except ValueError as error:
        raise UsageError(str(error)) from error


def note_unenforced(grammar: Grammar) -> None:
    """Tell the person what the grammar leaves out."""
    for error in grammar.unenforced:
        note(f"not enforced: {error}")


def read_registry(paths: list[str]) -> dict[str, Any]:
    """The JSON files, each by its ``$id`` and by its path: in a folder, the path below that folder."""
    found: dict[str, Any] = {}
    for path in map(Path, paths):
        files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
        for file in files:
            schema = _read(file)
            found[file.relative_to(path).as_posix() if path.is_dir() else file.name] = schema
            own = schema.get("$id", schema.get("id")) if isinstance(schema, dict) else None
            if isinstance(own, str) and own.rstrip("#"):
                found[own] = schema
    return found


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise UsageError(f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
