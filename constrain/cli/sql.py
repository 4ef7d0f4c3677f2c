"""``constrain sql``: a question to a database, answered by a query that a language model writes under a grammar."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

from constrain.adapters.bundled import BUNDLED
from constrain.cli import NO, YES, UsageError
from constrain.cli.extract import MODEL_HELP, load_generator, positive_float, positive_int
from constrain.cli.output import add_json, note, write, write_json
from constrain.places import printable
from constrain.records import DocumentError, Generation, Settings
from constrain.sql.database import Answer, Database, QueryError, SqliteFile
from constrain.sql.grammar import MOST_SCOPES, MOST_TABLES, QueryLanguage, query_language
from constrain.sql.prompt import INSTRUCTION, messages

EXAMPLES = """
DATABASE is a SQLite file, or the URI of another database (postgresql://..., needs the extra "sql"). The query that the
model writes names existing tables and columns only, and only those of tables that it joins; it is a SELECT, and it runs
without the right to change anything. What the answer says is the model's doing: look at the query.

Exit codes: 0 answered; 1 the query was cut off at the token limit, failed, or took too long; 2 a mistake in the
question or its files.

examples:
  constrain sql shop.db "Which customers ordered more than three times?"
  constrain sql shop.db "How many orders are there per month?" --json
  constrain sql shop.db "Which product is the dearest?" --model HuggingFaceTB/SmolLM2-1.7B-Instruct --dry-run"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``constrain sql``."""
    parser.epilog = EXAMPLES
    add = parser.add_argument
    add("database", metavar="DATABASE", help="a SQLite file, or a URI")
    add("question", metavar="QUESTION", help="what you want to know, in words")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", default=BUNDLED, metavar="NAME_OR_PATH", help=MODEL_HELP)
    model.add_argument("--gguf", metavar="FILE.gguf", help="a model in a GGUF file")
    add("--instruction", default=INSTRUCTION, metavar="TEXT", help="what the model is told to do")
    add("--max-new-tokens", type=positive_int, default=200, metavar="N", help="limit for the query (default: 200)")
    add("--sample", action="store_true", help="draw tokens at random instead of taking the likeliest")
    add("--temperature", type=positive_float, default=1.0, metavar="T", help="with --sample (default: 1)")
    add("--seed", type=int, default=0, metavar="N", help="with --sample: same seed, same query")
    tables = f"tables in one FROM at most (default: {MOST_TABLES})"
    add("--tables", type=positive_int, default=MOST_TABLES, metavar="N", help=tables)
    scopes = f"sets of tables that may be joined, at most (default: {MOST_SCOPES})"
    add("--scopes", type=positive_int, default=MOST_SCOPES, metavar="N", help=scopes)
    add("--timeout", type=positive_float, default=10.0, metavar="SECONDS", help="for running the query (default: 10)")
    add("--rows", type=positive_int, default=100, metavar="N", help="rows to show at most (default: 100)")
    add("--dry-run", action="store_true", help="write the query, do not run it")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run ``constrain sql``; the exit code."""
    if options.gguf is not None and not Path(options.gguf).is_file():
        raise FileNotFoundError(2, "there is no such file", options.gguf)
    if not options.question.strip():
        raise UsageError("the question is empty")
    database = open_database(options.database)
    schema = database.schema()
    for table in schema.left_out:
        note(f"left out: {table}")
    language = query_language(schema, options.tables, options.scopes)
    _note_left_out(language, options)
    try:
        generation = _generate(options, language, messages(schema, options.question, options.instruction))
        if not generation.finished:
            note(f"cut off after {generation.tokens} tokens: allow more with --max-new-tokens\n{generation.text}")
            return NO
        query = generation.text.removesuffix(";")
        _show(database.ask(query, options.timeout, options.rows) if not options.dry_run else query, options)
    except (DocumentError, QueryError) as error:
        note(str(error))
        return NO
    return YES


def open_database(source: str) -> Database:
    """A file, or what a URI leads to. Raises ``OSError`` and ``DatabaseError``."""
    if "://" not in source:
        return SqliteFile(source)
    opened: Database = import_module("constrain.sql.uri").UriDatabase(source)
    return opened


def _note_left_out(language: QueryLanguage, options: argparse.Namespace) -> None:
    if language.left_out:
        note(f"{language.left_out} sets of tables that could be joined are left out (--scopes {options.scopes})")


def _generate(options: argparse.Namespace, language: QueryLanguage, chat: list[dict[str, str]]) -> Generation:
    settings = Settings(options.instruction, options.max_new_tokens, options.sample, options.temperature, options.seed)
    return load_generator(options.gguf or options.model, language.grammar, settings)(chat, options.seed)


def _show(answer: Answer | str, options: argparse.Namespace) -> None:
    if isinstance(answer, str):
        write_json({"question": options.question, "query": answer}) if options.json else write(answer)
        return
    if options.json:
        rows = [[_plain(value) for value in row] for row in answer.rows]
        facts = {"columns": answer.columns, "rows": rows, "truncated": answer.truncated}
        write_json({"question": options.question, "query": answer.query, **facts})
        return
    write(answer.query + "\n")
    for line in table(answer):
        write(line)
    if answer.truncated:
        note(f"there are more rows than {options.rows} (--rows)")


def _plain(value: Any) -> Any:
    """As JSON can say it; bytes in hexadecimal, dates and decimals as text."""
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)


def table(answer: Answer) -> list[str]:
    """Lines of text: a heading, a rule, the rows. Numbers stand to the right; NULL is empty."""
    cells = [[_cell(value) for value in row] for row in answer.rows]
    names = [printable(name) for name in answer.columns]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    right = [all(isinstance(row[i], (int, float)) for row in answer.rows) for i in range(len(names))]

    def line(parts: list[str]) -> str:
        placed = (p.rjust(w) if r else p.ljust(w) for p, w, r in zip(parts, widths, right, strict=True))
        return "  ".join(placed).rstrip()

    return [line(names), "  ".join("-" * width for width in widths), *map(line, cells)]


def _cell(value: Any) -> str:
    return "" if value is None else printable(str(_plain(value)))
