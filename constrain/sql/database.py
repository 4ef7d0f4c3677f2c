"""A database to ask: its schema, and queries run on it without changing it, within a time and a number of rows."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from constrain.errors import ConstrainError
from constrain.sql.schema import Schema, open_readonly, read_schema

STEPS = 1000  # instructions of SQLite's machine between two looks at the clock
READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})


class QueryError(ConstrainError):
    """A query that did not give an answer. ``query``: its text."""

    def __init__(self, query: str, reason: str) -> None:
        super().__init__(f"{reason}\nquery: {query}")
        self.query = query
        self.reason = reason


@dataclass(frozen=True)
class Answer:
    """``query`` as it was run, its rows, and whether there were more."""

    query: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool


class Database(Protocol):
    """What ``constrain sql`` needs of a database."""

    def schema(self) -> Schema:
        """Its tables. Raises ``DatabaseError``."""

    def ask(self, query: str, seconds: float, rows: int) -> Answer:
        """The answer to a query in SQLite's SQL. Raises :class:`QueryError` when it fails or takes too long."""


class SqliteFile:
    """An existing SQLite file, opened read-only; whatever the query is, it cannot write or attach another file."""

    def __init__(self, path: str) -> None:
        """Raises ``OSError`` and ``DatabaseError``."""
        self.path = path
        self.connection = open_readonly(path)

    def schema(self) -> Schema:
        """The tables and views of the file."""
        return read_schema(self.connection, self.path)

    def ask(self, query: str, seconds: float, rows: int) -> Answer:
        """See :class:`Database`. At most ``rows`` rows are read."""
        deadline = time.monotonic() + seconds
        self.connection.set_authorizer(only_reading)
        self.connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
        try:
            cursor = self.connection.execute(query)
            columns = tuple(column[0] for column in cursor.description or ())
            return answer(query, columns, cursor, rows)
        except sqlite3.Error as error:
            late = isinstance(error, sqlite3.OperationalError) and time.monotonic() > deadline
            raise QueryError(query, f"took longer than {seconds:g} s" if late else str(error)) from error
        finally:
            self.connection.set_progress_handler(None, 0)
            self.connection.set_authorizer(None)


def only_reading(action: int, *_: Any) -> int:
    """An authorizer (``sqlite3.Connection.set_authorizer``) that refuses all but reading."""
    return sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY


def answer(query: str, columns: tuple[str, ...], found: Iterable[Any], rows: int) -> Answer:
    """The first ``rows`` of what was found, and whether there is one more."""
    first = [tuple(row) for row in islice(found, rows + 1)]
    return Answer(query, columns, tuple(first[:rows]), len(first) > rows)
