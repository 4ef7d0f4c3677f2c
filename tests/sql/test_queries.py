"""The queries of a database as a grammar: all can be prepared, the useful are there, names are those of the scope."""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from random import Random

import pytest

import constrain
from constrain.members import Language, RandomChoices
from constrain.sql.grammar import QueryLanguage, query_language
from constrain.sql.schema import read_schema
from constrain.testing import byte_vocabulary

LIBRARY = Path(__file__).parents[2] / "examples/sql/library.sql"
# Names that need quotes, differ in case, hide each other, and tables whose columns are all of one kind.
ODD = """
CREATE TABLE "order" ("from" TEXT, "a b" INTEGER, "q""q" REAL, t1 TEXT);
CREATE TABLE A (x INTEGER, "from" TEXT);
CREATE TABLE numbers (n INTEGER);
CREATE TABLE texts (s TEXT);
CREATE TABLE "naïve" (é TEXT, X INTEGER, FOREIGN KEY (X) REFERENCES A(x), FOREIGN KEY (é) REFERENCES gone(z));
CREATE VIEW both AS SELECT n, s FROM numbers, texts;
INSERT INTO "order" VALUES ('x', 1, 2.5, '3');
"""
DATABASES = {"library": LIBRARY.read_text(encoding="utf-8"), "odd": ODD, "one": "CREATE TABLE t1(t2)"}


@cache
def database(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(DATABASES[name])
    return connection


@cache
def language(name: str) -> QueryLanguage:
    return query_language(read_schema(database(name), name))


@cache
def automaton(name: str) -> constrain.PushdownAutomaton:
    return constrain.compile(language(name).grammar, byte_vocabulary())


def accepts(name: str, query: str) -> bool:
    engine = automaton(name)
    state = engine.advance_bytes(engine.start(), query.encode())
    return state is not None and engine.is_accepting(state)


@pytest.mark.parametrize("name", DATABASES)
def test_every_random_query_can_be_prepared(name: str) -> None:
    grammar, rng = language(name).grammar, Random(5)
    members = Language(grammar)
    for _ in range(500):
        size = rng.choice((60, 120, 250, 500))
        query = members.member(RandomChoices(rng), size).decode()
        database(name).execute("EXPLAIN " + query)
        if size < 100:
            assert accepts(name, query), query


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM book",
        "SELECT title, pages FROM book WHERE genre = 'crime' ORDER BY year DESC LIMIT 3;",
        'SELECT "title" FROM "book"',
        "SELECT COUNT(*) FROM loan WHERE returned IS NULL",
        "SELECT author.name, COUNT(*) FROM author JOIN book ON author.author_id = book.author_id GROUP BY author.name"
        " HAVING COUNT(*) > 1 ORDER BY COUNT(*) DESC",
        "SELECT author.name FROM author, book WHERE author.author_id = book.author_id AND book.pages > 300",
        "SELECT DISTINCT member.name FROM member JOIN loan ON member.member_id = loan.member_id JOIN book ON"
        " loan.book_id = book.book_id WHERE book.genre IN ('crime', 'poetry')",
        "SELECT title FROM book WHERE pages = (SELECT MAX(pages) FROM book)",
        "SELECT name FROM author WHERE author_id NOT IN (SELECT author_id FROM book WHERE year > 1990)",
        "SELECT name FROM member WHERE NOT EXISTS (SELECT 1 FROM loan WHERE loan.member_id = member.member_id AND"
        " returned IS NULL)",
        "SELECT t1.title, t2.title FROM book AS t1 JOIN book AS t2 ON t1.author_id = t2.author_id"
        " WHERE t1.year < t2.year",
        "SELECT name FROM author UNION SELECT name FROM member ORDER BY 1",
        "SELECT STRFTIME('%Y-%m', borrowed) AS month, COUNT(*) AS loans FROM loan GROUP BY borrowed",
        "SELECT SUM(CASE WHEN genre = 'novel' THEN 1 ELSE 0 END) * 100 / COUNT(*) FROM book",
        "SELECT ROUND(AVG(pages), 1) FROM book WHERE title LIKE '%Tram%' AND (year BETWEEN 1960 AND 1980"
        " OR pages < 99)",
        "SELECT name FROM author WHERE country = 'C''est' OR name = 'Tomás'",
        'SELECT loan."order" FROM loan',
    ],
)
def test_useful_queries_are_there(query: str) -> None:
    assert accepts("library", query)
    database("library").execute(query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT title FROM author",  # a column of another table
        "SELECT titel FROM book",
        "SELECT * FROM books",
        "SELECT author.name FROM book",
        "SELECT author_id FROM author JOIN book ON author.author_id = book.author_id",  # ambiguous
        "SELECT order FROM loan",  # a keyword
        "SELECT title FROM book WHERE COUNT(*) > 1",
        "SELECT MAX(COUNT(*)) FROM book",
        "SELECT title FROM book ORDER BY COUNT(*)",
        "SELECT title FROM book UNION SELECT title, pages FROM book",
        "SELECT title AS pages FROM book",  # an alias that hides a column
        "SELECT title FROM book WHERE name = 'x'",
        "SELECT title FROM book WHERE pages > (SELECT title, pages FROM book)",
        "SELECT title FROM book WHERE 1 = 1",
        "SELECT SUBSTR(title) FROM book",
        "DELETE FROM book",
        "SELECT title FROM book; DROP TABLE book",
        "SELECT title FROM book WHERE title = 'x' -- y",
        "SELECT load_extension('x') FROM book",
    ],
)
def test_others_are_not(query: str) -> None:
    assert not accepts("library", query)


def test_sets_of_tables_are_bounded_and_counted() -> None:
    schema = read_schema(database("library"), "library")
    few = query_language(schema, most_tables=2, most_scopes=6)
    assert [scope.key for scope in few.scopes] == ["author", "book", "loan", "member", "author+book", "book+loan"]
    assert few.left_out == 8  # four pairs less strongly linked, and each table with itself
    assert query_language(schema, most_tables=1).left_out == 0
    assert len(query_language(schema, most_scopes=1).scopes) == 4  # each table alone, always


def test_tables_whose_names_are_the_aliases_are_not_joined_with_themselves() -> None:
    assert [scope.key for scope in language("one").scopes] == ["t1"]
