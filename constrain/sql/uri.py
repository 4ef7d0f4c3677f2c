"""Databases other than SQLite files, through SQLAlchemy (extra ``sql``).

Queries are written in SQLite's SQL, since that is what the grammar knows, and put into the database's own dialect by
sqlglot (``||``, ``STRFTIME``, ``SUBSTR``, quoting ...). They run in a transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from constrain.sql.database import Answer, QueryError, answer
from constrain.sql.schema import LOOKED_AT, DatabaseError, ForeignKey, Schema, Table, checked, column_of

# SQLAlchemy's names of databases -> sqlglot's.
DIALECTS = {"postgresql": "postgres", "mssql": "tsql", "mariadb": "mysql"}
# What makes a transaction read-only and ends a query that takes too long; {} are milliseconds.
LIMITS = {
    "postgresql": ("SET TRANSACTION READ ONLY", "SET LOCAL statement_timeout = {}"),
    "mysql": ("SET TRANSACTION READ ONLY", "SET SESSION max_execution_time = {}"),
    "sqlite": ("PRAGMA query_only = ON",),
}


class UriDatabase:
    """The database at a URI such as ``postgresql://user@host/name``."""

    def __init__(self, uri: str) -> None:
        """Raises :class:`DatabaseError` when the URI, SQLAlchemy, sqlglot or a driver is missing or wrong."""
        try:
            import sqlalchemy
            import sqlglot
        except ImportError as error:
            raise DatabaseError(uri, f"{error.name} is not installed", "pip install 'constrain-lm[sql]'") from error
        self.sqlalchemy, self.sqlglot = sqlalchemy, sqlglot
        try:
            self.engine = sqlalchemy.create_engine(uri)
        except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
            raise DatabaseError(_without_password(uri), f"cannot be opened: {error}") from error
        self.source = self.engine.url.render_as_string(hide_password=True)

    @property
    def has_time_limit(self) -> bool:
        """Can this kind of database be told to give up?"""
        return any("{}" in words for words in LIMITS.get(self.engine.dialect.name, ()))

    def schema(self) -> Schema:
        """The tables and views of the default schema."""
        try:
            inspector = self.sqlalchemy.inspect(self.engine)
            names = sorted([*inspector.get_table_names(), *inspector.get_view_names()])
            with self.engine.connect() as connection:
                return checked(Schema(self.source, tuple(self._table(inspector, connection, name) for name in names)))
        except self.sqlalchemy.exc.SQLAlchemyError as error:
            raise DatabaseError(self.source, f"cannot be read: {error}") from error

    def _table(self, inspector: Any, connection: Any, name: str) -> Table:
        primary = set(inspector.get_pk_constraint(name)["constrained_columns"])
        columns = []
        for described in inspector.get_columns(name):
            column: Any = self.sqlalchemy.column(described["name"])
            select = self.sqlalchemy.select(column).select_from(self.sqlalchemy.table(name)).limit(LOOKED_AT)
            values = [value for (value,) in connection.execute(select.where(column.is_not(None)))]
            columns.append(column_of(described["name"], str(described["type"]), described["name"] in primary, values))
        keys = [self._key(found) for found in inspector.get_foreign_keys(name)]
        return Table(name, tuple(columns), tuple(keys))

    def _key(self, found: dict[str, Any]) -> ForeignKey:
        pairs: Sequence[tuple[str, str]] = list(
            zip(found["constrained_columns"], found["referred_columns"], strict=True)
        )
        return ForeignKey(found["referred_table"], tuple(pairs))

    def ask(self, query: str, seconds: float, rows: int) -> Answer:
        """See :class:`constrain.sql.database.Database`; the time is limited where ``has_time_limit``."""
        kind = self.engine.dialect.name
        text = self.sqlalchemy.text
        spelled = self.sqlglot.transpile(query, read="sqlite", write=DIALECTS.get(kind, kind))[0]
        try:
            with self.engine.connect() as connection:
                for words in LIMITS.get(kind, ()):
                    connection.execute(text(words.format(int(seconds * 1000))))
                found = connection.execution_options(no_parameters=True).exec_driver_sql(spelled)
                return answer(spelled, tuple(found.keys()), found, rows)
        except self.sqlalchemy.exc.SQLAlchemyError as error:
            raise QueryError(spelled, str(error)) from error


def _without_password(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
