"""``constrain check``: membership, and the exact place and reason where a text leaves the language."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from constrain.cli import NO, YES, UsageError
from constrain.cli.grammars import add_grammar, grammar_help, has_inline, read_grammar
from constrain.cli.output import add_json, read_bytes, write, write_json
from constrain.testing import Recogniser

EXAMPLES = """
examples:
  constrain check json data.json
  constrain check iso_date --text 2023-02-29
  echo -n 0042 | constrain check --regex '[1-9][0-9]*'
  constrain check schema.json answer.json --json

The text is taken byte for byte; --chomp drops one line break at its end, as echo and editors leave it."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``constrain check``."""
    parser.epilog = grammar_help() + "\n" + EXAMPLES
    add_grammar(parser)
    parser.add_argument("file", nargs="?", metavar="FILE", help="the text; standard input if left out or -")
    parser.add_argument("--text", help="the text itself, instead of FILE")
    parser.add_argument("--chomp", action="store_true", help="drop one line break at the end of the text")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run ``constrain check``; the exit code."""
    _settle_positionals(options)
    recogniser = Recogniser(read_grammar(options))
    file, data = _text(options)
    verdict = recogniser.judge(data)
    if verdict.accepted:
        _yes(options, len(data))
        return YES
    if options.json:
        facts = {"accepted": False, **asdict(verdict.place), "at_end": verdict.at_end}
        write_json(facts | {"expected": list(verdict.expected)})
    else:
        write(verdict.explain(file))
        if data[verdict.place.offset :] in (b"\n", b"\r\n"):
            write("hint: only the line break at the end is wrong; --chomp drops it")
    return NO


def _settle_positionals(options: argparse.Namespace) -> None:
    """With an inline grammar the only positional argument is the text's file."""
    if has_inline(options) and options.grammar is not None and options.file is None:
        options.file, options.grammar = options.grammar, None
    if options.text is not None and options.file is not None:
        raise UsageError(f"two texts: --text and the file {options.file!r}; give one")


def _text(options: argparse.Namespace) -> tuple[str, bytes]:
    """The name and the bytes of the text."""
    if options.text is not None:
        return "<text>", _chomped(options, options.text.encode("utf-8", "surrogateescape"))
    file = options.file or "-"
    return ("<stdin>" if file == "-" else file), _chomped(options, read_bytes(file))


def _chomped(options: argparse.Namespace, data: bytes) -> bytes:
    if not options.chomp or not data.endswith(b"\n"):
        return data
    return data[:-1].removesuffix(b"\r")


def _yes(options: argparse.Namespace, size: int) -> None:
    if options.json:
        write_json({"accepted": True, "bytes": size})
    else:
        write(f"ok: a text of the language ({size} bytes)")
