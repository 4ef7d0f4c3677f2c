"""SQL that prepares: verdicts by hand, every beginning of gold queries and of members of two grammars."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path

import pytest
from shipped_grammars import cases
from soundness import edited, rejected_beginnings

from constrain.members import Language, RandomChoices
from constrain.predicates import SqlExplains
from constrain.sql.grammar import query_language
from constrain.sql.schema import DatabaseError, read_schema

SCRIPT = """
CREATE TABLE t(a, b, c, d, e); CREATE TABLE u(a, b, c, d); CREATE VIEW v AS SELECT a, b FROM t; CREATE TABLE "t 2"(x);
CREATE TABLE a(x); CREATE TABLE b(x); CREATE TABLE c(y, z); CREATE TABLE d(y); CREATE VIEW broken AS SELECT x FROM gone;
INSERT INTO t VALUES (1, 2, 3, 4, 5);
"""
QUERY = SqlExplains.of_schema(SCRIPT)

GOES_ON = [
    *(
        "",
        "s",
        "SELECT",
        "select a",
        "SELECT nosuch",
        "SELECT nosuch ",
        "SELECT a FROM",
        "SELECT a FROM nosuc",
        "SELECT 'a",
        "SELECT 'a'",
    ),
    *(
        "SELECT a FROM t ORDER",
        "SELECT x.a FROM t ",
        "WITH w AS (SELECT 1) SELECT * FROM w WHERE ",
        "SELECT /* a",
        "SELECT a -",
        "VALUES (1",
    ),
    *(
        "SELECT row_number() OVER ",
        "SELECT a FROM t ORDER BY row_number() OVER ",
        "SELECT a FROM t ORDER BY row_number() OVER /* */ ",
    ),
    *(
        "SELECT a FROM t WHERE 1 WINDOW ",
        "SELECT a FROM t WHERE 1 WINDOW w ",
        "SELECT a FROM t ORDER BY sum(a) FILTER ",
    ),
    *(
        "SELECT a IS NOT DISTINCT FROM nosuch AND ",
        "SELECT a FROM t;",
        "SELECT a FROM t; -",
        "SELECT a FROM t; -- x",
        "SELECT a FROM t ; /",
    ),
    *(
        "SELECT x FROM json_each",
        "SELECT * FROM pragma_table_info('t') ",
        "-- a\nSEL",
        'SELECT a FROM "t 2" ',
        "SELECT a FROM main.nosuch",
    ),
    *(
        "SELECT x'a",
        "SELECT 1e",
        "SELECT a FROM t LEFT ",
        "SELECT a FROM t GROUP BY a HAVING count( ",
        "SELECT 'é",
        "SELECT a FROM nosuch ",
        "SELECT ? ",
    ),
]
CERTAIN = [
    *("UPDATE ", "DELETE FROM t ", "QUERY PLAN ", "EXPLAIN ", "PRAGMA ", "; ", "SELECT FROM ", "SELECT a b c "),
    *("SELECT a FROM t t2 t3 ", "SELECT a FROM t LIMIT 1 ) "),
    *("SELECT (a FROM ", "SELECT a) ", "SELECT a FROM nosuch WHERE ", "SELECT a FROM t JOIN nosuch ON "),
    'SELECT a FROM "no such" x ',
    *("SELECT a FROM t; x", "SELECT nosuch FROM t; ", "SELECT a FROM t WHERE WHERE ", "SELECT a,, ", "SELECT x'a' "),
    *("SELECT a FROM broken b ", "SELECT (a b "),
    *("SELECT 1a ", "SELECT ?; ", "SELECT a FROM t ORDER BY ) "),
]  # fmt: skip

MORE = [
    "SELECT sum(a) OVER (PARTITION BY b ORDER BY c ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM t;",
    "SELECT a FROM t WINDOW w AS () ORDER BY row_number() OVER w, max(b) FILTER (WHERE a > 1) OVER /* x */ w",
    "SELECT sum(a) OVER w2 FROM t WINDOW w AS (PARTITION BY b), w2 AS (w ORDER BY c)",
    "SELECT count(*) FILTER (WHERE a > 1) filter FROM t window -- named window",
    "SELECT over FROM (SELECT a AS over FROM t) AS over WHERE over.over = 1 ORDER BY over",
    "SELECT x.a FROM t AS x LEFT JOIN u y ON x.a = y.a, main.v CROSS JOIN \"t 2\" WHERE 'it''s' <> x.b",
    "WITH RECURSIVE w(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM w WHERE n < 9) SELECT n FROM w JOIN t ON a = n",
    "SELECT a IS NOT DISTINCT FROM b AND a, [a], `b`, x'00' FROM t WHERE a IN (SELECT y FROM d) OR 1",
    "SELECT upper(a) || 'x' FROM t UNION SELECT a FROM t -- end",
    "SELECT (a, b) = (SELECT a, b FROM u), -a - -b, a->>'$', CASE a WHEN 1 THEN 2 END FROM t GROUP BY a;",
    "VALUES (1, 2), (3, 4) /* end */ ; -- end",
]


@pytest.mark.parametrize("text", GOES_ON)
def test_may_go_on(text: str) -> None:
    assert QUERY.prefix_ok(text.encode())


@pytest.mark.parametrize("text", CERTAIN)
def test_errors_that_nothing_can_mend(text: str) -> None:
    assert not QUERY.prefix_ok(text.encode())
    for more in ("", "1", "a FROM t", ")", ";", "SELECT 1", "'", "t", "= 1"):
        assert not QUERY.complete_ok((text + more).encode())


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a FROM t",
        "select 1;",
        "VALUES (1) -- x",
        "WITH w AS (SELECT 1 x) SELECT x FROM w",
        "/**/ SELECT a FROM v",
    ],
)
def test_whole_queries(text: str) -> None:
    assert QUERY.complete_ok(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ";",
            "SELECT nosuch FROM t",
            "SELECT a FROM t; SELECT 1",
            "DELETE FROM t",
            "CREATE TABLE z(a)",
            "ATTACH 'x' AS y",
            "PRAGMA page_size",
        ),
        *(
            "QUERY PLAN SELECT 1",
            "EXPLAIN SELECT 1",
            "WITH w AS (SELECT 1) DELETE FROM t",
            "SELECT ?",
            "SELECT a FROM t, u",
            "SELECT 1\0",
            "VACUUM",
        ),
    ],
)
def test_what_is_no_query(text: str) -> None:
    assert not QUERY.complete_ok(text.encode())


def test_bytes_that_are_no_text() -> None:
    assert not QUERY.prefix_ok(b"SELECT '\xff") and not QUERY.complete_ok(b"SELECT '\xff'")
    assert QUERY.prefix_ok(b"SELECT '\xe2\x82") and not QUERY.complete_ok(b"SELECT '\xe2\x82")
    assert not QUERY.prefix_ok(b"SELECT '\0")


def test_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(SCRIPT)
    connection.close()
    before = path.read_bytes()
    query = SqlExplains(path)
    for text in (b"SELECT a FROM t", b"DELETE FROM t", b"DROP TABLE t", b"VACUUM", b"SELECT 1; DELETE FROM t;"):
        query.prefix_ok(text), query.complete_ok(text)
    assert query.complete_ok(b"SELECT a FROM t") and path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["x.db"]


def test_a_database_that_cannot_be_asked_is_an_error_not_a_verdict(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(SCRIPT)
    connection.close()
    query = SqlExplains(path)
    locking = sqlite3.connect(path, isolation_level=None)
    locking.execute("PRAGMA locking_mode = EXCLUSIVE")
    locking.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseError, match="cannot be asked"):
        query.complete_ok(b"SELECT a FROM t")
    with pytest.raises(DatabaseError, match="not a SQLite database"):
        SqlExplains(__file__)
    with pytest.raises(DatabaseError, match="syntax error"):
        SqlExplains.of_schema("CREATE nothing")


def test_a_connection_is_taken(tmp_path: Path) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE only(x)")
    assert SqlExplains(connection).complete_ok(b"SELECT x FROM only")


def test_beginnings_of_the_cases_of_sqlite() -> None:
    statements = [text.encode() for text in (*cases("sqlite", "accept"), *MORE)]
    assert sum(map(QUERY.complete_ok, statements)) >= 21 + len(MORE)
    assert rejected_beginnings(QUERY, statements, random.Random(1), most=200) == []


def test_beginnings_of_edited_statements() -> None:
    rng = random.Random(2)
    pieces = [
        *" a(),'\";.-[]*1",
        "--",
        "/*",
        "*/",
        " FROM ",
        " OVER ",
        " WINDOW w AS ()",
        " FILTER (WHERE a)",
        " AS ",
        "t",
    ]
    known = [text for text in (*cases("sqlite", "accept"), *MORE) if QUERY.complete_ok(text.encode())]
    statements = [edited(rng.choice(known), pieces, rng).encode() for _ in range(4000)]
    assert sum(map(QUERY.complete_ok, statements)) > 300
    assert rejected_beginnings(QUERY, statements, rng, most=15) == []


def test_beginnings_of_queries_of_a_grammar() -> None:
    """The grammar of ``constrain sql`` for these tables: its members can all be prepared."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCRIPT)
    language, rng = Language(query_language(read_schema(connection, "memory")).grammar), random.Random(3)
    queries = [language.member(RandomChoices(rng), rng.choice((60, 150, 300))) for _ in range(150)]
    assert all(map(QUERY.complete_ok, queries))
    assert rejected_beginnings(QUERY, queries, rng, most=30) == []


@pytest.mark.parametrize(("name", "least"), [("geography", 257), ("restaurants", 4)])
def test_beginnings_of_gold_queries(name: str, least: int, shared_data: Path) -> None:
    folder = shared_data / "eval/text2sql-data"
    query = SqlExplains(folder / f"{name}-db.added-in-2020.sqlite")
    gold = []
    for entry in json.loads((folder / f"{name}.json").read_text(encoding="utf-8")):
        for text in entry["sql"]:
            for variable in entry["variables"]:
                text = text.replace(variable["name"], variable["example"])
            gold.append(text.encode())
    assert sum(map(query.complete_ok, gold)) >= least
    assert rejected_beginnings(query, gold, random.Random(3), most=40) == []
