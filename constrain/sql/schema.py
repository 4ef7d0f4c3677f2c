"""What a database holds: tables, columns with the kinds of their values, foreign keys, and a few values to show.

A SQLite file is read with the standard library, read-only; other databases through SQLAlchemy (the extra ``sql``).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from constrain.errors import ConstrainError

Kind = Literal["number", "text"]
KINDS: tuple[Kind, ...] = ("number", "text")

SHOWN = 3  # values of a column that a prompt shows
LOOKED_AT = 50  # values of a column that decide what it holds
NUMERIC = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)\s*")
HEADER = b"SQLite format 3\0"

# Since SQLite 3.37. The tables in which virtual tables keep their data have the type "shadow".
LIST_TABLES = """
SELECT name FROM pragma_table_list
WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') AND name NOT LIKE 'sqlite@_%' ESCAPE '@'
ORDER BY name
"""


class DatabaseError(ConstrainError):
    """A database that cannot be used. ``source`` is the file or the URI; ``hint`` says what to do."""

    def __init__(self, source: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{source}: {reason}" + (f"\nhint: {hint}" if hint else ""))
        self.source = source
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True)
class Column:
    """``kinds``: what the values may be used as; a text column of numbers is both. ``type`` as declared."""

    name: str
    type: str
    kinds: frozenset[Kind]
    key: bool = False
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class ForeignKey:
    """``columns`` of one table are those of another: ``(column, other column)`` pairs."""

    other: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table or a view."""

    name: str
    columns: tuple[Column, ...]
    keys: tuple[ForeignKey, ...] = ()

    def of_kind(self, kind: Kind) -> tuple[Column, ...]:
        """The columns that can be used as that."""
        return tuple(column for column in self.columns if kind in column.kinds)


@dataclass(frozen=True)
class Schema:
    """All tables of one database. ``source`` is the file or the URI it was read from."""

    source: str
    tables: tuple[Table, ...]
    left_out: tuple[str, ...] = ()  # tables and views that cannot be read, each with the reason


def open_readonly(path: str) -> sqlite3.Connection:
    """A connection to an existing SQLite file that cannot write. Raises ``OSError`` and :class:`DatabaseError`."""
    file = Path(path)
    with file.open("rb") as stream:
        header = stream.read(len(HEADER))
    if header != HEADER:
        what = "the file is empty" if not header else "not a SQLite database"
        raise DatabaseError(path, what, "give a SQLite file; other databases by their URI, such as postgresql://...")
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    connection.execute("PRAGMA query_only = ON")
    return connection


def read_schema(connection: sqlite3.Connection, source: str) -> Schema:
    """Tables and views of an open SQLite database; those of SQLite itself and of virtual tables' insides are left out.

    Raises :class:`DatabaseError` when there is none, or the file is damaged.
    """
    tables, left_out = [], []
    try:
        rows = connection.execute(LIST_TABLES).fetchall()
    except sqlite3.DatabaseError as error:
        raise DatabaseError(source, f"cannot be read: {error}") from error
    for (name,) in rows:
        try:
            tables.append(_table(connection, name))
        except sqlite3.DatabaseError as error:  # a view of what is gone, a module that is not there, a damaged page
            left_out.append(f"{name}: {error}")
    return checked(Schema(source, tuple(tables), tuple(left_out)))


def _table(connection: sqlite3.Connection, name: str) -> Table:
    described = connection.execute("SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1", (name,))
    columns = tuple(
        column_of(column, declared, bool(key), _values(connection, name, column)) for column, declared, key in described
    )
    return Table(name, columns, tuple(_foreign_keys(connection, name)))


def _values(connection: sqlite3.Connection, table: str, column: str) -> list[Any]:
    """The first few values that are there."""
    query = f"SELECT {quoted(column)} FROM {quoted(table)} WHERE {quoted(column)} IS NOT NULL LIMIT {LOOKED_AT}"
    return [value for (value,) in connection.execute(query)]


def column_of(name: str, declared: str, key: bool, values: Sequence[Any]) -> Column:
    """A column with some of its values, which say what it holds where there are any."""
    shown = tuple(value for value in dict.fromkeys(values) if not isinstance(value, bytes))[:SHOWN]
    return Column(name, declared, _kinds(declared, values), key, shown)


def _kinds(declared: str, values: Iterable[Any]) -> frozenset[Kind]:
    """What a column can be used as: by its values where there are any, else by its declared type's affinity.

    Affinities: https://sqlite.org/datatype3.html#determination_of_column_affinity. Dates are text or numbers.
    """
    found: set[Kind] = set()
    for value in values:
        if isinstance(value, str):
            found |= {"text", "number"} if NUMERIC.fullmatch(value) else {"text"}
        elif isinstance(value, (int, float)):
            found.add("number")
        else:
            found |= {"text", "number"}
    if found:
        return frozenset(found)
    name = declared.upper()
    if "INT" in name:
        return frozenset({"number"})
    if any(part in name for part in ("CHAR", "CLOB", "TEXT", "DATE", "TIME")):
        return frozenset({"text"})
    return frozenset({"number", "text"}) if not name or "BLOB" in name else frozenset({"number"})


def _foreign_keys(connection: sqlite3.Connection, table: str) -> list[ForeignKey]:
    """Foreign keys whose tables and columns there are (SQLite does not check that when they are declared)."""
    by_number: dict[int, tuple[str, list[tuple[str, str | None]]]] = {}
    for number, _, other, column, target, *_ in connection.execute(f"PRAGMA foreign_key_list({quoted(table)})"):
        by_number.setdefault(number, (other, []))[1].append((column, target))
    found = []
    for other, pairs in by_number.values():
        columns = {
            name.lower(): name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (other,))
        }
        primary = [
            n for (n,) in connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", (other,))
        ]
        targets = [target for _, target in pairs]
        if None in targets:  # the other table's primary key is meant
            targets = primary if len(primary) == len(pairs) else []
        named = [columns.get(str(target).lower()) for target in targets]
        if named and None not in named:
            found.append(ForeignKey(other, tuple((c, str(n)) for (c, _), n in zip(pairs, named, strict=True))))
    return found


def quoted(name: str) -> str:
    """The name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def checked(schema: Schema) -> Schema:
    """The same schema, if anything can be asked of it. Raises :class:`DatabaseError`."""
    if not schema.tables:
        raise DatabaseError(
            schema.source, "there are no tables in it", "; ".join(schema.left_out) or "create some first"
        )
    return schema
