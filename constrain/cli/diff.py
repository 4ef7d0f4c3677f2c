"""``constrain diff``: do two grammars have the same language? A shortest text of one that the other lacks."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from constrain.cli import MISUSE, NO, YES
from constrain.cli.grammars import KINDS, grammar_help, read_grammar
from constrain.cli.output import add_json, note, write, write_json
from constrain.cli.schema_options import add_schema_options
from constrain.ir.grammar import Grammar
from constrain.testing import Comparison, Recogniser, find_difference
from constrain.testing.difference import MAX_PAIRS

EXAMPLES = """
examples:
  constrain diff old.lark new.lark
  constrain diff schema.json json --up-to 4
  constrain diff old.regex new.regex --json

Exit code 0: no difference. 1: there is one, which is shown. 2: not decided: where grammars nest, texts of every length
cannot all be compared; say with --up-to how far will do."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``constrain diff``."""
    parser.epilog = grammar_help() + "\n" + EXAMPLES
    parser.add_argument("a", metavar="A", help="a grammar, as GRAMMAR below")
    parser.add_argument("b", metavar="B", help="the other")
    parser.add_argument("--up-to", type=int, metavar="N", help="compare texts of up to N bytes only")
    parser.add_argument(
        "--max-pairs", type=int, default=MAX_PAIRS, metavar="N", help=f"give up after N pairs of states ({MAX_PAIRS:,})"
    )
    parser.add_argument("--start", default="start", metavar="RULE", help="the start rule of Lark grammars")
    add_schema_options(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run ``constrain diff``; the exit code."""
    sides = {name: Recogniser(_grammar(options, name)) for name in (options.a, options.b)}
    a, b = sides[options.a].automaton, sides[options.b].automaton
    found = find_difference(a, b, up_to=options.up_to, max_pairs=options.max_pairs)
    if options.json:
        write_json({**asdict(found), "witness": _printable(found.witness), "different": bool(found)})
    elif found:
        _show(options, found, sides)
    else:
        write(str(found))
    if found:
        return NO
    if found.exact or (options.up_to is not None and found.complete_to == options.up_to):
        return YES
    note(f"constrain diff: not decided; --up-to {found.complete_to} is content with that, --max-pairs looks farther")
    return MISUSE


def _show(options: argparse.Namespace, found: Comparison, sides: dict[str, Recogniser]) -> None:
    has, lacks = (options.a, options.b) if found.accepted_by == "a" else (options.b, options.a)
    what = "begins texts of" if found.is_prefix else "is a text of"
    assert found.witness is not None
    write(f"{found.witness!r} {what} {has}, and not of {lacks}")
    write(sides[lacks].judge(found.witness).explain(lacks))


def _grammar(options: argparse.Namespace, name: str) -> Grammar:
    return read_grammar(argparse.Namespace(**{**vars(options), **dict.fromkeys(KINDS), "grammar": name}))


def _printable(witness: str | bytes | None) -> str | None:
    return witness.decode("utf-8", "backslashreplace") if isinstance(witness, bytes) else witness
