"""``constrain sql`` with a generator that is a plain function: rows, JSON, limits, mistakes."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from constrain.cli import main
from constrain.cli import sql as command
from constrain.records import Generation, Messages


class Fake:
    """Writes the query that it was given; unfinished where that ends with "..."."""

    def __init__(self) -> None:
        self.query = "SELECT name, age FROM person;"
        self.asked: list[Messages] = []

    def __call__(self, messages: Messages, seed: int) -> Generation:
        self.asked.append(messages)
        return Generation(self.query, 7, not self.query.endswith("..."))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    generator = Fake()
    monkeypatch.setattr(command, "load_generator", lambda source, grammar, settings: generator)
    monkeypatch.chdir(tmp_path)
    connection = sqlite3.connect("p.db")
    connection.executescript(
        "CREATE TABLE person(name TEXT, age INT); INSERT INTO person VALUES ('Ann', 7), (NULL, 40)"
    )
    connection.close()
    return generator


def test_rows_as_a_table(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "p.db", "Who is there?"]) == 0
    assert capsys.readouterr().out == "SELECT name, age FROM person\n\nname  age\n----  ---\nAnn     7\n       40\n"
    assert "Question: Who is there?" in fake.asked[0][-1]["content"]


def test_rows_as_json(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "p.db", "Who?", "--json", "--rows", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "question": "Who?",
        "query": "SELECT name, age FROM person",
        "columns": ["name", "age"],
        "rows": [["Ann", 7]],
        "truncated": True,
    }


def test_a_dry_run_runs_nothing(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.query = "SELECT x FROM nowhere"
    assert main(["sql", "p.db", "Who?", "--dry-run"]) == 0
    assert capsys.readouterr().out == "SELECT x FROM nowhere\n"


def test_more_rows_than_are_shown(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "p.db", "Who?", "--rows", "1"]) == 0
    assert "more rows than 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT name FROM per...", "cut off after 7 tokens"),
        ("SELECT abs(-9223372036854775807 - 1)", "integer overflow"),
    ],
)
def test_no_answer(fake: Fake, capsys: pytest.CaptureFixture[str], query: str, says: str) -> None:
    fake.query = query
    assert main(["sql", "p.db", "Who?"]) == 1
    captured = capsys.readouterr()
    assert says in captured.err and captured.out == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.db", "Who?"], "missing.db: No such file"),
        (["text.db", "Who?"], "text.db: not a SQLite database"),
        (["p.db", " "], "the question is empty"),
        (["p.db", "Who?", "--gguf", "missing.gguf"], "missing.gguf: there is no such file"),
    ],
)
def test_mistakes_are_told_before_any_work(
    fake: Fake, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    Path("text.db").write_text("some text that is no database")
    assert main(["sql", *arguments]) == 2
    assert says in capsys.readouterr().err and fake.asked == []
