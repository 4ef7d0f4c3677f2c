"""Tasks for the faithful samplers: a prompt, a grammar, a cap. SyGuS from the papers, records and queries of our
own."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import constrain
from constrain.sql.database import SqliteFile
from constrain.sql.grammar import query_language
from constrain.sql.prompt import INSTRUCTION, messages

EXAMPLES = Path(__file__).parents[1] / "examples"
RECORD = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "city": {"enum": ["Berlin", "Paris", "Rome", "Other"]},
        "member": {"type": "boolean"},
    },
    "required": ["name", "age", "city", "member"],
    "additionalProperties": False,
}
PEOPLE = (
    "Anna Kowalska turned 34 last week. She moved from Rome to Berlin and joined the club.",
    "Tom, who is nearly sixty, lives somewhere near Oslo and has never been a member.",
)
QUESTIONS = ("How many books are there of each genre?", "Which members have borrowed nothing?")


class Task(NamedTuple):
    """``prompt``: text or chat messages."""

    name: str
    family: str
    prompt: object
    grammar: constrain.Grammar


def tasks(sygus: Path | None) -> Iterator[Task]:
    """SyGuS tasks of a folder (the last question of each prompt: the model reads some hundred tokens, not thousands),
    then ours."""
    for path in sorted(sygus.glob("*/*.ebnf")) if sygus else ():
        question = path.with_suffix(".txt").read_text("utf-8").rpartition("Question:\n")[2]
        yield Task(path.stem, path.parent.name, question, constrain.gbnf(path))
    for number, text in enumerate(PEOPLE):
        prompt = [{"role": "user", "content": f"Write the facts as JSON with name, age, city, member.\n\n{text}"}]
        yield Task(f"record {number + 1}", "JSON", prompt, constrain.json_schema(RECORD))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library.db"
        sqlite3.connect(path).executescript((EXAMPLES / "sql/library.sql").read_text("utf-8"))
        schema = SqliteFile(str(path)).schema()
        grammar = query_language(schema).grammar
        for number, question in enumerate(QUESTIONS):
            yield Task(f"query {number + 1}", "SQL", messages(schema, question, INSTRUCTION), grammar)
