"""Random walks over the masks of real schemas: does each end, in an instance that an oracle accepts?

``python -m benchmarks.schema_walks --data dev.zip --schemas 200 --walks 20 --seed 1 [--tokenizer llama3_1]``

The walks take random tokens of the masks (see ``walks.py``); the oracle is the ``jsonschema`` package, with decimal
arithmetic in place of floating point. Prints one line for each violation, and a summary.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from decimal import Decimal, DecimalException
from pathlib import Path
from random import Random
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.validators import validator_for

import constrain
from benchmarks.corpus import Corpus
from benchmarks.tokenizer import find_tokenizer
from benchmarks.walks import Walker, hints
from constrain.errors import GrammarError, GrammarWarning, LimitExceeded
from constrain.frontends.json_schema import json_schema_grammar
from constrain.testing import byte_vocabulary
from constrain.vocab.readers import read_vocabulary
from constrain.vocab.vocabulary import Vocabulary

MAX_EXPONENT = 400  # numbers beyond are not computed with


class TooLarge(Exception):
    """A number that is too large to compute with."""


def number(text: str) -> int | Decimal:
    """Whole numbers as ``int``, whatever their spelling: so ``jsonschema`` takes them for integers."""
    exponent = text.lower().partition("e")[2]
    if len(exponent) > 4 or (found := Decimal(text)).adjusted() not in range(-MAX_EXPONENT, MAX_EXPONENT):
        raise TooLarge(text)
    return int(found) if found == found.to_integral_value() else found


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without duplicate keys."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("duplicate keys")
    return dict(pairs)


def oracle(schema: Any, formats: tuple[str, ...] = ()) -> Any:
    """A validator that computes exactly, and checks some formats."""
    exact = json.loads(json.dumps(schema), parse_float=number)
    return validator_for(exact, default=Draft202012Validator)(exact, format_checker=FormatChecker(formats))


def judge(validator: Any, text: bytes) -> str:
    """``accepted``, ``rejected: why``, or ``no verdict``."""
    try:
        value = json.loads(text, parse_float=number, parse_int=number, object_pairs_hook=distinct)
    except TooLarge:
        return "no verdict"
    except ValueError as error:
        return f"rejected: {error}"
    try:
        error = next(validator.iter_errors(value), None)
    except (RecursionError, DecimalException):
        return "no verdict"
    return "accepted" if error is None else f"rejected: {error.validator} at {error.json_path}: {error.message[:100]}"


def walk_schema(name: str, schema: Any, vocabulary: Vocabulary, walks: int, rng: Random) -> Counter[str]:
    """The ends of ``walks`` walks; prints each violation."""
    count: Counter[str] = Counter()
    try:
        automaton = constrain.compile(json_schema_grammar(schema), vocabulary)
    except (GrammarError, LimitExceeded) as error:
        count[f"not compiled: {type(error).__name__}"] += 1
        return count
    count["compiled"] += 1
    walker, validator = Walker(automaton, hints(schema), soft=300, hard=20_000), oracle(schema)
    for _ in range(walks):
        walk = walker.walk(rng)
        verdict = judge(validator, walk.text) if walk.end == "finished" else ""
        if walk.end not in ("finished", "long") or verdict.startswith("rejected"):
            count["violations"] += 1
            sys.stdout.write(f"{name}: {walk.end} {verdict}: {walk.text[-200:]!r}\n")
        count[f"walks {walk.end}"] += 1
        count[f"oracle {verdict.partition(':')[0]}"] += bool(verdict)
    return count


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="zip or folder of JSON files {schema, tests: [{data, valid}]}")
    add("--schemas", type=int, help="so many, chosen at random (default: all)")
    add("--walks", type=int, default=10, help="for each schema")
    add("--seed", type=int, default=0)
    add("--tokenizer", help="tokenizer.json, its folder, or a name in ../shared/data/tokenizers (default: bytes)")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Run; 1 if any walk shows a violation."""
    options = arguments(words)
    warnings.simplefilter("ignore", GrammarWarning)
    vocabulary = read_vocabulary(find_tokenizer(options.tokenizer)) if options.tokenizer else byte_vocabulary()
    corpus, count, began = Corpus(options.data), Counter[str](), time.monotonic()
    for name in corpus.sample(options.schemas, options.seed):
        rng = Random(f"{options.seed} {name}")
        count += walk_schema(name, corpus.case(name).schema, vocabulary, options.walks, rng)
    for what, number_of in sorted(count.items()):
        sys.stdout.write(f"{number_of:8,} {what}\n")
    sys.stdout.write(f"{time.monotonic() - began:8.1f} s\n")
    return int(count["violations"] > 0)


if __name__ == "__main__":
    sys.exit(main())
