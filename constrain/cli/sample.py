"""``constrain sample``: random members of a language, to see what a grammar says."""

from __future__ import annotations

import argparse
import json
from random import Random

from constrain.cli import YES
from constrain.cli.grammars import add_grammar, grammar_help, read_grammar
from constrain.cli.output import add_json, write
from constrain.members import random_member
from constrain.places import printable

EXAMPLES = """
examples:
  constrain sample iso_date -n 3
  constrain sample schema.json --seed 7 --json
  constrain sample --regex '(ab|c)+'

The texts are no fair draw from the language (it may be infinite); they are there to be looked at. A text is one
line: line breaks and other control characters in it are written as escapes. --json writes exact JSON strings."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``constrain sample``."""
    parser.epilog = grammar_help() + "\n" + EXAMPLES
    add_grammar(parser)
    parser.add_argument("-n", "--number", type=int, default=5, metavar="N", help="how many (default: 5)")
    parser.add_argument("--seed", type=int, help="the same seed gives the same texts")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run ``constrain sample``; the exit code."""
    grammar = read_grammar(options)
    rng = Random(options.seed)
    for _ in range(options.number):
        text = random_member(grammar, rng).decode("utf-8", "backslashreplace")
        write(json.dumps(text, ensure_ascii=False) if options.json else printable(text))
    return YES
