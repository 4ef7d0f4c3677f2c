"""Does every canvas end as a text? ``python -m benchmarks.canvas_validity --help``.

Canvases over a real vocabulary are filled by a sampler that has no model: slots in random order, ``k`` commits a step.
``random`` proposes any ids; ``adversarial`` those that open and close things, and ends, wherever it can. A slot that
refuses all proposals gets what the certificate has. What comes out is checked by a parser that is not ours.

Beside it the criterion of the paper (gaps are any bytes, arXiv 2508.10111) on such proposals: a token is committed if
the text with gaps can be completed; a slot that refuses all proposals, and 100 more, ends the run.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import lark
import numpy as np

import constrain
from benchmarks.canvasbench import text_before
from benchmarks.machine import facts
from benchmarks.tables import table
from benchmarks.tokenizer import find_tokenizer
from constrain.canvas import OPEN, Canvases, Ending, NotCompletable, Undecided
from constrain.canvas.analysis import Language as Prepared
from constrain.canvas.chart_canvas import may_be_completed
from constrain.ir.grammar import Grammar
from examples.diffusion import languages

GRAMMARS = Path(__file__).parents[1] / "grammars"
LIBRARY = Path(__file__).parents[1] / "examples" / "sql" / "library.sql"
RECORD = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "active": {"type": "boolean"},
    },
    "required": ["name", "age", "tags", "active"],
    "additionalProperties": False,
}
VALIDATOR = jsonschema.Draft202012Validator(RECORD)
JSON = r"""
root   ::= ws value
value  ::= ("{" ws (member ("," ws member)*)? "}" | "[" ws (value ("," ws value)*)? "]" | string | number | word) ws
member ::= string ws ":" ws value
string ::= "\"" ([^"\\\x00-\x1f\x7f] | "\\" (["\\/bfnrt] | "u" hex hex hex hex))* "\""
hex    ::= [0-9a-fA-F]
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?
word   ::= "true" | "false" | "null"
ws     ::= [ \t\n\r]*
"""
NASTY = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    '"',
    "'",
    ":",
    ",",
    ";",
    "=",
    '{"',
    '":',
    '"}',
    "}}",
    "));",
    "//",
    "/*",
    "*/",
    "\\",
]


class Language(NamedTuple):
    """``parses``: an independent parser of its texts."""

    name: str
    grammar: Callable[[], Grammar]
    parses: Callable[[str], bool]


def record_parses(text: str) -> bool:
    """By the package jsonschema."""
    try:
        return bool(VALIDATOR.is_valid(json.loads(text)))
    except ValueError:
        return False


def json_parses(text: str) -> bool:
    """By the json module, which also reads what JSON does not have."""
    try:
        json.loads(text, parse_constant=lambda name: [][0])
    except (ValueError, IndexError):
        return False
    return True


def sql_parses(text: str) -> bool:
    """By SQLite: the query is prepared on the library."""
    try:
        LIBRARY_OPEN.execute(f"EXPLAIN {text}")
    except sqlite3.Error:
        return False
    return True


def lark_parses(name: str) -> Callable[[str], bool]:
    """By Lark itself, on a grammar file that the canvas was made of, or that says the same language."""
    source = (GRAMMARS / name).read_text(encoding="utf-8")
    options = dict(re.findall(r"(\w+)=(\w+)", source.splitlines()[0])) if source.startswith("// constrain:") else {}
    parser = lark.Lark(source, **options)  # type: ignore[arg-type]

    def parses(text: str) -> bool:
        try:
            parser.parse(text)
        except lark.exceptions.LarkError:
            return False
        return True

    return parses


def library() -> sqlite3.Connection:
    """The database of the demo, empty of rows or not."""
    database = sqlite3.connect(":memory:")
    database.executescript(LIBRARY.read_text(encoding="utf-8"))
    return database


LIBRARY_OPEN = library()
LANGUAGES = (
    Language("record", lambda: constrain.json_schema(RECORD, whitespace="json"), record_parses),
    Language("json", lambda: constrain.gbnf(JSON), json_parses),
    Language("sql", languages.sql, sql_parses),
    Language("smiles", lambda: constrain.gbnf(GRAMMARS / "smiles.gbnf"), lark_parses("smiles.lark")),
    Language("cpp", lambda: constrain.lark(GRAMMARS / "cpp.lark"), lark_parses("cpp.lark")),
)


class Count(NamedTuple):
    """What came of the runs of one row."""

    runs: int = 0
    valid: int = 0
    stuck: int = 0  # runs of the paper's criterion that found no token for a slot
    committed: int = 0
    certificate: int = 0
    undecided: int = 0
    seconds: float = 0.0


def proposals(kind: str, nasty: Sequence[int], width: int, rng: np.random.Generator, count: int = 4) -> list[int]:
    """Ids to try in a slot, in this order."""
    pool: list[int] = rng.integers(0, width, count).tolist()
    return pool if kind == "random" else [*rng.choice(nasty, count).tolist(), *pool[:1]]


def exact_run(canvases: Canvases, n: int, k: int, kind: str, nasty: Sequence[int], rng: np.random.Generator) -> tuple[
    list[int], Count]:  # fmt: skip
    """One canvas of ``n`` slots; ``k`` slots are chosen at a time, and filled one after another."""
    canvas, count = canvases.of(n), Count()
    while (free := np.flatnonzero(canvas.slots == OPEN)).size:
        for slot in rng.permutation(free)[:k].tolist():
            for token in proposals(kind, nasty, canvas.vocabulary.width, rng):
                try:
                    canvas = canvas.commit(slot, token)
                    break
                except NotCompletable:
                    continue
                except Undecided:
                    count = count._replace(undecided=count.undecided + 1)
            else:
                canvas = canvas.commit(slot, int(canvas.filling[slot]))
                count = count._replace(certificate=count.certificate + 1)
            count = count._replace(committed=count.committed + 1)
    return canvas.slots.tolist(), count


def papers_run(language: Prepared, ending: Ending, n: int, k: int, kind: str, nasty: Sequence[int],
               rng: np.random.Generator) -> list[int] | None:  # fmt: skip
    """The same with the paper's criterion; ``None`` when no token was found for a slot."""
    slots = np.full(n, OPEN, np.int32)
    width = language.vocabulary.width
    while (free := np.flatnonzero(slots == OPEN)).size:
        for slot in rng.permutation(free)[:k].tolist():
            more = rng.integers(0, width, 100).tolist()
            for token in [*proposals(kind, nasty, width, rng), *more, *ending.ends]:
                slots[slot] = token
                if may_be_completed(language, slots, ending):
                    break
            else:
                return None
            if token in ending.ends:
                slots[slot:] = token
    return slots.tolist()


def rows(language: Language, vocabulary: constrain.Vocabulary, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row for each kind of proposals and number of commits."""
    canvases = Canvases(language.grammar(), vocabulary)
    nasty = [*vocabulary.eos, *(i for text in NASTY for i in vocabulary.ids_by_bytes.get(text.encode(), ()))]
    prepared = canvases.language
    for kind in ("random", "adversarial"):
        for k in options.commits:
            rng = np.random.default_rng([options.seed, k, kind == "random"])
            total, theirs = Count(), Count()
            for run in range(options.runs):
                n = int(options.lengths[run % len(options.lengths)])
                began = time.perf_counter()
                slots, count = exact_run(canvases, n, k, kind, nasty, rng)
                seconds = time.perf_counter() - began
                good = valid(vocabulary, slots, language)
                if not good:
                    print(f"INVALID {language.name} {kind} {k} {slots}", file=sys.stderr)
                total = Count(total.runs + 1, total.valid + good, 0, total.committed + count.committed,
                              total.certificate + count.certificate, total.undecided + count.undecided,
                              total.seconds + seconds)  # fmt: skip
                if prepared is not None and prepared.unbounded is not None and run < options.papers:
                    found = papers_run(prepared, canvases.ending, n, k, kind, nasty, rng)
                    theirs = theirs._replace(
                        runs=theirs.runs + 1, stuck=theirs.stuck + (found is None),
                        valid=theirs.valid + (found is not None and valid(vocabulary, found, language)),
                    )  # fmt: skip
            yield {"language": language.name, "proposals": kind, "commits": k, **total._asdict(),
                   "paper_runs": theirs.runs, "paper_valid": theirs.valid, "paper_stuck": theirs.stuck}  # fmt: skip


def valid(vocabulary: constrain.Vocabulary, slots: list[int], language: Language) -> bool:
    """Is the text before the first end one of the language, for the other parser?"""
    try:
        return language.parses(text_before(vocabulary.eos, slots, vocabulary).decode())
    except UnicodeDecodeError:
        return False


def report(found: list[dict[str, Any]], command: str) -> str:
    """Markdown."""
    head = ["language", "proposals", "commits a step", "runs", "valid", "tokens", "by the certificate", "undecided",
            "ms a commit", "paper's criterion: runs", "valid", "stuck"]  # fmt: skip
    lines = [
        [r["language"], r["proposals"], str(r["commits"]), str(r["runs"]), f"{100 * r['valid'] / r['runs']:.1f} %",
         f"{r['committed']:,}", f"{100 * r['certificate'] / max(r['committed'], 1):.0f} %", str(r["undecided"]),
         f"{1000 * r['seconds'] / max(r['committed'], 1):.1f}", str(r["paper_runs"]),
         f"{100 * r['paper_valid'] / r['paper_runs']:.0f} %" if r["paper_runs"] else "", str(r["paper_stuck"])]
        for r in found
    ]  # fmt: skip
    return "\n".join(
        [
            "# Is every canvas valid?",
            "",
            f"`{command}`",
            "",
            table(["fact", "value"], facts().items()),
            "",
            table(head, lines),
            "",
        ]
    )


def numbers(text: str) -> list[int]:
    """Numbers with commas between them."""
    return [int(number) for number in text.split(",")]


def main() -> None:
    """Run, print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", default="qwen2_5", help="a tokenizer.json, its folder, or a name in ../shared")
    parser.add_argument("--languages", default=",".join(language.name for language in LANGUAGES))
    parser.add_argument(
        "--lengths", type=lambda text: [int(n) for n in text.split(",")], default=[32, 48, 64, 128, 256]
    )
    parser.add_argument("--commits", type=lambda text: [int(n) for n in text.split(",")], default=[1, 4, 8])
    parser.add_argument("--runs", type=int, default=84, help="of each row: lengths in turn")
    parser.add_argument("--papers", type=int, default=20, help="runs of each row with the paper's criterion too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    vocabulary = constrain.vocabulary(find_tokenizer(options.tokenizer).parent)
    found = []
    for language in LANGUAGES:
        if language.name in options.languages.split(","):
            for row in rows(language, vocabulary, options):
                found.append(row)
                print(row, flush=True)
                if options.output is not None:
                    options.output.write_text(
                        report(found, "python -m benchmarks.canvas_validity " + " ".join(sys.argv[1:]))
                    )


if __name__ == "__main__":
    main()
