"""``constrain schema``: what becomes of each keyword of a JSON Schema, an example, sizes, and what will be slow."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from constrain.cli import NO, YES
from constrain.cli.output import add_json, read_bytes, write, write_json
from constrain.cli.schema_options import add_schema_options, blaming_options, schema_options
from constrain.places import printable
from constrain.schema_report import Entry, SchemaReport, report

EXAMPLES = """
FILE is a JSON Schema, or a list of tools as chat models take them; - is standard input. Each line tells of one keyword:

  grammar      enforced, by rules and terminals
  counter      enforced, by counting members, items or characters
  state        enforced, by remembering what was written
  spelling     enforced, and some spellings or values that conform are left out
  annotation   asserts nothing
  unused       asserts something about no value
  refused      not enforced: without --record no grammar is made

Exit codes: 0 all is enforced; 1 something is refused, or no value satisfies the schema; 2 this is no schema.

examples:
  constrain schema invoice.json
  constrain schema tools.json --property-order any --example 3
  curl -s https://json.schemastore.org/github-action.json | constrain schema - --json"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``constrain schema``."""
    parser.epilog = EXAMPLES
    parser.add_argument("file", metavar="FILE", help="the schema")
    parser.add_argument("--example", type=_count, default=1, metavar="N", help="how many examples (default: 1)")
    add_json(parser)
    add_schema_options(parser)


def run(options: argparse.Namespace) -> int:
    """Run ``constrain schema``; the exit code."""
    source = read_bytes("-") if options.file == "-" else Path(options.file)
    with blaming_options():
        found = report(source, examples=options.example, **schema_options(options))
    if options.json:
        write_json(found.to_json())
    else:
        write(printed(found))
    return YES if found.is_enforced else NO


def _count(text: str) -> int:
    if int(text) < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return int(text)


def printed(found: SchemaReport) -> str:
    """The report for people."""
    lines = [f"draft: {found.draft}", *_table(found.entries)]
    lines += [f"nothing refers to {_place(pointer)}" for pointer in found.unreached]
    lines += ["", _verdict(found)]
    lines += [f"hint: {error.hint}" for error in found.unenforced if error.hint]
    if found.problem is not None and found.problem not in found.unenforced:
        lines += [f"  {line}" for line in str(found.problem).splitlines()]
    lines += [f"slow: {hazard.count:,} {hazard.what} ({hazard.where})" for hazard in found.hazards]
    if found.size is not None:
        size = found.size
        lines.append(f"size: {_many(size.rules, 'rule')}, {_many(size.terminals, 'terminal')}, program of"
                     f" {_many(size.program_words, 'word')}; the examples take {_many(size.states, 'state')}"
                     f" and {_many(size.leaf_states, 'terminal state')}")  # fmt: skip
    lines += [f"example: {printable(text)}" for text in found.examples]
    return "\n".join(lines)


def _table(entries: tuple[Entry, ...]) -> list[str]:
    """One line an entry, in columns; each place is named once."""
    rows = []
    before = None
    for entry in entries:
        place = "" if entry.pointer == before else _place(entry.pointer)
        before = entry.pointer
        rows.append((place, f"{entry.keyword} {entry.value}".rstrip(), entry.how, entry.reason))
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    return ["  ".join([*(row[i].ljust(widths[i]) for i in range(3)), row[3]]).rstrip() for row in rows]


def _place(pointer: str) -> str:
    return pointer or "/"


def _verdict(found: SchemaReport) -> str:
    count = Counter(entry.how for entry in found.entries)
    if found.satisfiable is False:
        return "NO VALUE satisfies the schema"
    if found.problem is not None:
        return "NO GRAMMAR can be made"
    if found.unenforced:
        fate = "refused" if found.size is None else "left out"
        return f"NOT ENFORCED: {_many(len(found.unenforced), 'keyword')} {fate}"
    words = sum(count[how] for how in ("grammar", "counter", "state", "spelling"))
    return f"all enforced: {_many(words, 'keyword')}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
