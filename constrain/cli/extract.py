"""``constrain extract``: a JSON record for each document, one line each, as soon as it is there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from constrain.adapters.bundled import BUNDLED
from constrain.cli import NO, YES, UsageError
from constrain.cli.names import look_up
from constrain.cli.output import note, write_json
from constrain.cli.schema_options import add_schema_options, blaming_options, note_unenforced, schema_options
from constrain.ir.grammar import Grammar
from constrain.journal import Journal, job_digest, line_of
from constrain.records import (
    INSTRUCTION,
    Document,
    Failure,
    Generator,
    RecordType,
    Result,
    Settings,
    extract_one,
)

Number = TypeVar("Number", int, float)

MODEL_HELP = "a causal language model that transformers can load (default: smollm2, the bundled one)"

EXAMPLES = """
With -o, lines are appended, and documents whose record is already there (same path, same content, same schema, model
and instruction) are skipped: run the same command again to go on after an interruption or to retry what failed.

A document that cannot be read, is empty, does not fit the model's context or is cut off at the token limit is
reported, written as a line with "error" instead of "record", and does not stop the run; the exit code is then 1.

examples:
  constrain extract --schema invoice.json mails/*.txt -o invoices.jsonl
  constrain extract --model-class shop.records:Invoice mail.txt --model HuggingFaceTB/SmolLM2-1.7B-Instruct
  constrain extract --schema invoice.json mail.txt --gguf model.gguf --sample --temperature 0.7 --seed 1"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``constrain extract``."""
    parser.epilog = EXAMPLES
    add = parser.add_argument
    add("documents", nargs="+", metavar="DOC", help="text files, UTF-8")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--schema", metavar="FILE.json", help="a JSON Schema that each record must conform to")
    kind.add_argument("--model-class", metavar="PKG.MOD:CLASS", help="a Pydantic model, importable from here")
    add("-o", "--output", default="-", metavar="FILE.jsonl", help="append to this file (default: standard output)")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", default=BUNDLED, metavar="NAME_OR_PATH", help=MODEL_HELP)
    model.add_argument("--gguf", metavar="FILE.gguf", help="a model in a GGUF file")
    _configure_generation(add)
    add("--no-progress", action="store_true", help="no progress bar")
    add_schema_options(parser)


def _configure_generation(add: Callable[..., Any]) -> None:
    add("--instruction", default=INSTRUCTION, metavar="TEXT", help="what the model is told to do")
    add("--max-new-tokens", type=positive_int, default=512, metavar="N", help="limit for one record (default: 512)")
    add("--sample", action="store_true", help="draw tokens at random instead of taking the likeliest")
    add("--temperature", type=positive_float, default=1.0, metavar="T", help="with --sample (default: 1)")
    add("--seed", type=int, default=0, metavar="N", help="with --sample: same seed, same records")


def run(options: argparse.Namespace) -> int:
    """Run ``constrain extract``; the exit code."""
    if options.gguf is not None and not Path(options.gguf).is_file():
        raise FileNotFoundError(2, "there is no such file", options.gguf)
    source_type = import_class(options.model_class) if options.model_class else options.schema
    record_type = RecordType.of(source_type, **schema_options(options))
    with blaming_options():
        grammar = record_type.grammar  # a schema that cannot be enforced is refused before the model is loaded
    note_unenforced(grammar)
    settings = Settings(options.instruction, options.max_new_tokens, options.sample, options.temperature, options.seed)
    source = options.gguf or options.model
    documents = [Document.read(path) for path in dict.fromkeys(options.documents)]
    with ExitStack() as stack:
        job = job_digest(record_type, source, settings)
        journal = None if options.output == "-" else stack.enter_context(Journal(Path(options.output), job, source))
        waiting = [document for document in documents if journal is None or not journal.has(document)]
        results: Iterable[Result] = ()
        if waiting:
            generator = load_generator(source, grammar, settings)
            results = (extract_one(document, record_type, generator, settings) for document in waiting)
        failed = _write(results, len(waiting), journal, options, lambda result: line_of(result, job, source))
    _sum_up(len(waiting) - failed, failed, len(documents) - len(waiting), options.output)
    return NO if failed else YES


def load_generator(source: str, grammar: Grammar, settings: Settings) -> Generator:
    """The model, ready to write texts of the grammar. torch and transformers are imported here, when it is certain
    that they are needed: that alone takes seconds."""
    loading = import_module("constrain.adapters.loading")
    extract = import_module("constrain.extract")
    loaded = loading.load_model(source)
    generator: Generator = extract.ModelGenerator(grammar, loaded.model, loaded.tokenizer, settings)
    return generator


def import_class(name: str) -> Any:
    """The class that ``package.module:Class`` names, looked up from the current folder too."""
    if ":" not in name:
        raise UsageError(f"--model-class {name!r}: write it as package.module:Class")
    found = look_up("--model-class", name)
    if not hasattr(found, "model_json_schema"):
        raise UsageError(f"--model-class {name!r} is not a Pydantic model: it has no model_json_schema()")
    return found


def positive_int(text: str) -> int:
    """An argparse type: a whole number above zero."""
    return _above_zero(int(text))


def positive_float(text: str) -> float:
    """An argparse type: a number above zero."""
    return _above_zero(float(text))


def _above_zero(value: Number) -> Number:
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be above zero, not {value}")
    return value


def _write(
    results: Iterable[Result],
    count: int,
    journal: Journal | None,
    options: argparse.Namespace,
    line: Callable[[Result], Any],
) -> int:
    """Write each result as it comes; returns how many failed."""
    failed = 0
    hidden = options.no_progress or count < 2
    with tqdm(results, total=count, unit="doc", file=sys.stderr, disable=hidden) as bar:
        for result in bar:
            if journal is not None:
                journal.write(result)
            else:
                write_json(line(result))
                sys.stdout.flush()
            if isinstance(result, Failure):
                failed += 1
                tqdm.write(f"{result.document.name}: {result.error}", file=sys.stderr)
    return failed


def _sum_up(done: int, failed: int, skipped: int, output: str) -> None:
    parts = [f"{done} record{'' if done == 1 else 's'}"]
    if failed:
        parts.append(f"{failed} failed")
    if skipped:
        parts.append(f"{skipped} already in {output}")
    note(", ".join(parts))
