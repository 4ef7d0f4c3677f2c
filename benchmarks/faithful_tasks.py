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
    """``prompt``: text or chat messages. ``line``: the text ends with its line, as completions do."""

    name: str
    family: str
    prompt: object
    grammar: constrain.Grammar
    line: bool = False


def tasks(sygus: Path | None) -> Iterator[Task]:
    """SyGuS tasks of a folder, then ours. Of a SyGuS prompt the last solved question and the one that is asked, so that
    a model reads some hundred tokens and not thousands."""
    for path in sorted(sygus.glob("*/*.ebnf")) if sygus else ():
        parts = path.with_suffix(".txt").read_text("utf-8").split("Question:\n")
        prompt = "".join("Question:\n" + shortened(part) for part in parts[-2:])
        yield Task(path.stem, path.parent.name, prompt, constrain.gbnf(path), line=True)
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


def shortened(question: str) -> str:
    """A question with the first ten of its examples: some have hundreds."""
    kept, examples = [], 0
    for line in question.splitlines(keepends=True):
        examples += line.startswith("(constraint (= (f")
        if examples <= 10 or not line.startswith("(constraint (= (f"):
            kept.append(line)
    return "".join(kept)


def vocabulary_for(task: Task, tokenizer: object) -> constrain.Vocabulary:
    """The vocabulary; where a text ends with its line, tokens that begin with a line break end it too."""
    plain = constrain.vocabulary(tokenizer)
    if not task.line:
        return plain
    breaks = (i for i, token in enumerate(plain.tokens) if token is not None and token.startswith(b"\n"))
    return constrain.Vocabulary(plain.tokens, {*plain.eos, *breaks}, plain.width, plain.names)
