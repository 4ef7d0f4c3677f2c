"""Reading schemas, and asking: without writing, within time, within rows."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from constrain.sql.database import QueryError, SqliteFile
from constrain.sql.prompt import messages
from constrain.sql.schema import DatabaseError, ForeignKey, Schema

SCRIPT = """
CREATE TABLE person (
    id INTEGER PRIMARY KEY, name TEXT, height, born DATE, code TEXT, empty VARCHAR(3), amount DECIMAL(4,2));
CREATE TABLE pet (
    owner INTEGER REFERENCES person, name TEXT, other REFERENCES person(nowhere), FOREIGN KEY (name) REFERENCES gone);
CREATE VIEW names AS SELECT name FROM person;
CREATE VIEW broken AS SELECT x FROM gone;
INSERT INTO person VALUES (1, 'Ann', 1.7, '1990-01-02', '007', NULL, NULL), (2, 'Bo', 'tall', NULL, '12', NULL, NULL);
INSERT INTO pet VALUES (1, 'Rex', x'00');
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    connection = sqlite3.connect(tmp_path / "a b.db")
    connection.executescript(SCRIPT)
    connection.close()
    return str(tmp_path / "a b.db")


def read(path: str) -> Schema:
    return SqliteFile(path).schema()


def test_tables_columns_and_keys(path: str) -> None:
    schema = read(path)
    assert [table.name for table in schema.tables] == ["names", "person", "pet"]
    person, pet = schema.tables[1:]
    assert {column.name: sorted(column.kinds) for column in person.columns} == {
        "id": ["number"],
        "name": ["text"],
        "height": ["number", "text"],
        "born": ["text"],
        "code": ["number", "text"],  # a text column of numbers is both
        "empty": ["text"],
        "amount": ["number"],
    }
    assert [column.name for column in person.columns if column.key] == ["id"]
    assert person.columns[1].values == ("Ann", "Bo")
    assert pet.keys == (ForeignKey("person", (("owner", "id"),)),)  # keys to what is not there are no keys
    assert schema.left_out == ("broken: no such table: main.gone",)


def test_a_prompt_names_all_that_there_is(path: str) -> None:
    chat = messages(read(path), " How tall is Ann? ")
    text = chat[-1]["content"]
    assert "Table person: id (key, integer), name (text: 'Ann', 'Bo')" in text
    assert "join: pet.owner = person.id" in text and text.endswith("Question: How tall is Ann?\nSQL:")


def test_an_answer(path: str) -> None:
    database = SqliteFile(path)
    answer = database.ask("SELECT name, height FROM person ORDER BY id", 5, 10)
    assert (answer.columns, answer.truncated) == (("name", "height"), False)
    assert answer.rows == (("Ann", 1.7), ("Bo", "tall"))
    answer = database.ask("SELECT name FROM person ORDER BY id", 5, 1)
    assert (answer.rows, answer.truncated) == ((("Ann",),), True)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM person",
        "CREATE TEMP TABLE x(a)",
        "ATTACH 'other.db' AS other",
        "PRAGMA query_only = OFF",
        "INSERT INTO pet(name) VALUES ('x') RETURNING name",
    ],
)
def test_nothing_is_changed(path: str, query: str) -> None:
    before = Path(path).read_bytes()
    with pytest.raises(QueryError, match="not authorized"):
        SqliteFile(path).ask(query, 5, 10)
    assert Path(path).read_bytes() == before


def test_the_time_is_limited_and_the_database_stays_usable(path: str) -> None:
    database = SqliteFile(path)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(QueryError, match=r"took longer than 0\.1 s"):
        database.ask(endless, 0.1, 10)
    assert database.ask("SELECT 1", 5, 10).rows == ((1,),)


def test_an_error_while_running_names_the_query(path: str) -> None:
    with pytest.raises(QueryError, match="integer overflow\nquery: SELECT abs"):
        SqliteFile(path).ask("SELECT abs(-9223372036854775807 - 1)", 5, 10)


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "the file is empty"), (b"no database at all", "not a SQLite database")]
)
def test_what_is_no_database(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DatabaseError, match=says):
        read(str(tmp_path / "x"))


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path / "none.db"))
    assert not (tmp_path / "none.db").exists()


def test_a_database_without_tables(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.executescript("CREATE TABLE a(b); DROP TABLE a;")
    connection.close()
    with pytest.raises(DatabaseError, match="no tables in it"):
        read(str(tmp_path / "x.db"))


def test_another_database_by_its_uri(path: str) -> None:
    pytest.importorskip("sqlalchemy", reason="needs the extra sql")
    pytest.importorskip("sqlglot", reason="needs the extra sql")
    uri = pytest.importorskip("constrain.sql.uri")
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP VIEW broken; DROP TABLE pet;")
    database = uri.UriDatabase(f"sqlite:///{path}")
    native = read(path)
    assert [(t.name, [(c.name, c.kinds) for c in t.columns]) for t in database.schema().tables] == [
        (t.name, [(c.name, c.kinds) for c in t.columns]) for t in sorted(native.tables, key=lambda t: t.name)
    ]
    answer = database.ask("SELECT name FROM person WHERE name LIKE 'A%' OR name = '%(x)s:y'", 5, 10)
    assert (answer.columns, answer.rows) == (("name",), (("Ann",),))
    with pytest.raises(QueryError, match="readonly"):
        database.ask("DELETE FROM person", 5, 10)
    with pytest.raises(DatabaseError, match="cannot be opened"):
        uri.UriDatabase("nonsense://user:secret@x/y")
