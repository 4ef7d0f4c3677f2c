"""Grammars that are no JSON Schema, several engines side by side: ``python -m benchmarks.grammarbench --help``.

Each NAME in ``benchmarks/grammars`` is one language: ``NAME.lark`` (constrain, llguidance, glrmask), ``NAME.ebnf``
(xgrammar), ``NAME.ENGINE.lark`` where a dialect needs other words, and texts with their verdicts in ``NAME.texts``.
Measured as ``maskbench`` does it; every round compiles each grammar once, in a fresh process.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.corpus import Case, Instance
from benchmarks.engines.base import GrammarText
from benchmarks.maskbench import Jobs, common_arguments, run_and_write
from benchmarks.tokenizer import find_tokenizer, read_tokenizer

FOLDER = Path(__file__).parent / "grammars"
SYNTAXES = ("lark", "llguidance.lark", "glrmask.lark", "ebnf", "texts")


class Grammars:
    """The languages of a folder as cases: what ``Corpus`` is for schemas."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.names = sorted(path.stem for path in folder.glob("*.texts"))

    def case(self, name: str) -> Case:
        return Case(name, self.grammar(name), self.texts(name))

    def grammar(self, name: str) -> GrammarText:
        """A language in all the syntaxes that it is written in."""
        paths = {syntax: self.folder / f"{name}.{syntax}" for syntax in SYNTAXES}
        return GrammarText(name, {s: p.read_text(encoding="utf-8") for s, p in paths.items() if p.is_file()})

    def texts(self, name: str) -> tuple[Instance, ...]:
        """A line ``%% accept`` or ``%% reject`` stands before each text; its last line end does not count."""
        whole = (self.folder / f"{name}.texts").read_text(encoding="utf-8")
        before, *parts = re.split(r"^%% (accept|reject)\n", whole, flags=re.MULTILINE)
        if before:
            raise SystemExit(f"{name}.texts does not begin with a line %% accept or %% reject")
        pairs = zip(parts[0::2], parts[1::2], strict=True)
        return tuple(Instance(text.removesuffix("\n"), kind == "accept") for kind, text in pairs)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grammars", help="names, separated by commas (default: all)")
    common_arguments(parser)
    parser.set_defaults(engines="constrain,llguidance,xgrammar,glrmask", timeout=120.0, rounds=3)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    options = arguments(words)
    corpus = Grammars()
    chosen = options.grammars.split(",") if options.grammars else corpus.names
    if unknown := [name for name in chosen if name not in corpus.names]:
        raise SystemExit(f"unknown grammars {unknown}; known: {', '.join(corpus.names)}")
    tokenizer = read_tokenizer(find_tokenizer(options.tokenizer), options.eos)
    run_and_write(Jobs(corpus, chosen, tokenizer), options, {"kind": "grammars", "title": "Grammars, side by side"})
    return 0


if __name__ == "__main__":
    sys.exit(main())
