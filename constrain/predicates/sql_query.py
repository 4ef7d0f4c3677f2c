"""``SqlExplains``: one reading statement that SQLite prepares on a given database.

``prefix_ok`` asks SQLite's own parser. It is handed token after token and stops at the first that cannot be there, so
what it says of the settled part of a text (``settled.py``) it says whatever follows. Behind that part stands an
unfinished string, which SQLite's lexer refuses: a complaint of that string means that all before it is in order.
"""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from pathlib import Path

from constrain.predicates.settled import Lexis, decoded
from constrain.sql.database import only_reading
from constrain.sql.schema import DatabaseError, open_readonly

UNFINISHED = " '"
REACHED = 'unrecognized token: "\'"'
ENDED = "one statement at a time"  # Python's module says so when text follows the statement
NO_SUCH = "no such table"
REMEMBERED = 1024  # names of tables, or of none
# What the text is to blame for. Other codes (busy, locked, damaged, out of memory) are about the database.
BLAMED_ON_TEXT = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE})
READERS = ("select", "with", "values")

# A closing quote may be the first of two, which stand for one, so it must be followed by something else.
LEXIS = Lexis(
    opening=re.compile(r"['\"`\[]|--|/\*"),
    whole=re.compile(
        r"""'(?:[^']|'')*+'(?=[^']) | "(?:[^"]|"")*+"(?=[^"]) | `(?:[^`]|``)*+`(?=[^`])
          | \[[^\]]*\] | --[^\n]*\n | /\*.*?\*/""",
        re.VERBOSE | re.DOTALL,
    ),
    boundary=re.compile(r"[^\0]*[ \t\n\f\r(),;]"),
)
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\n\f\r]+|--[^\n]*\n?|/\*.*?(?:\*/|\Z))
      | (?P<quoted>'(?:[^']|'')*+'|"(?:[^"]|"")*+"|`(?:[^`]|``)*+`|\[[^\]]*\])
      | (?P<word>[\w$]+) | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
# SQLite takes these for keywords or for names by the token before and the two after.
_LOOKED_AHEAD = re.compile(r"over|filter|window", re.IGNORECASE)


class SqlExplains:
    """UTF-8 text that is one SELECT, VALUES or WITH ... SELECT which SQLite can ``EXPLAIN`` on a database.

    Tables, columns and functions are there, then, and their numbers are right; what happens while it runs is not
    known. A semicolon and comments may follow. Parameters (``?``, ``:name``) are refused, since nothing is bound,
    and so are table-valued functions, which SQLite builds by a CREATE.
    The database is opened read-only, an authorizer refuses all but reading, and nothing is run.

    ``prefix_ok`` never rejects a beginning of what prepares. It finds syntax errors when the token at fault is
    followed by a blank, a bracket or a comma, and an unknown table behind FROM or JOIN when the next token has begun
    (in statements without WITH); unknown columns only at the end, for the FROM that makes them known comes after them.
    Cost: one or two prepared statements, some tens of microseconds.
    """

    def __init__(self, database: str | Path | sqlite3.Connection) -> None:
        """``database``: an existing SQLite file, or a connection, which is ours from now on (its authorizer is set).

        Raises ``OSError`` and :class:`constrain.sql.schema.DatabaseError`.
        """
        is_open = isinstance(database, sqlite3.Connection)
        self.source = "the connection" if is_open else str(database)
        self.connection = database if isinstance(database, sqlite3.Connection) else open_readonly(self.source)
        self.connection.set_authorizer(only_reading)
        self._is_unknown = lru_cache(REMEMBERED)(self._asks_for_nothing)

    @classmethod
    def of_schema(cls, script: str) -> SqlExplains:
        """On an empty database in memory, made by a script of ``CREATE TABLE`` and so on.

        Raises :class:`constrain.sql.schema.DatabaseError` where the script fails.
        """
        connection = sqlite3.connect(":memory:")
        try:
            connection.executescript(script)
        except sqlite3.Error as error:
            raise DatabaseError("the schema's script", str(error), "give statements that SQLite runs") from error
        return cls(connection)

    def complete_ok(self, text: bytes) -> bool:
        """Can the text be explained? Raises ``DatabaseError`` where the database cannot be read."""
        try:
            query = text.decode("utf-8")
        except UnicodeDecodeError:
            return False
        return "\0" not in query and _may_read(_tokens(query)) and self._complaint(query) is None

    def prefix_ok(self, text: bytes) -> bool:
        """May the text still become one that can be explained? Raises as ``complete_ok`` does."""
        query = decoded(text)
        if query is None or "\0" in query:
            return False
        settled = _without_looked_ahead(LEXIS.settled(query))
        tokens = _tokens(settled)
        if not _may_read(tokens) or any(map(self._is_unknown, _relations(tokens))):
            return False
        complaint = self._complaint(settled + UNFINISHED)
        if complaint is not None and ENDED in complaint:  # by a semicolon: only comments may follow
            return self._complaint(settled) is None and _only_comments(query[len(settled) :])
        return complaint == REACHED

    def _complaint(self, query: str) -> str | None:
        """What SQLite says of a query; ``None`` when it is in order."""
        try:
            self.connection.execute("EXPLAIN " + query).close()
        except (sqlite3.Error, sqlite3.Warning) as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # Python's own complaints have none
            if code & 0xFF not in BLAMED_ON_TEXT:
                raise DatabaseError(self.source, f"cannot be asked: {error}") from error
            return str(error)
        return None

    def _asks_for_nothing(self, relation: str) -> bool:
        """Is this the name of nothing that could stand behind FROM?"""
        return (self._complaint(f"SELECT 1 FROM {relation}") or "").startswith(NO_SUCH)


def _tokens(text: str) -> list[str]:
    """The tokens, cut as SQLite does where it matters: words, quoted pieces, single marks."""
    return [found[0] for found in _TOKEN.finditer(text) if found.lastgroup != "blank"]


def _may_read(tokens: list[str]) -> bool:
    """Does a statement that begins like this only read?"""
    return not tokens or tokens[0].lower() in READERS


def _relations(tokens: list[str]) -> list[str]:
    """Names that must be a table's or a view's: behind FROM or JOIN, with another token behind them."""
    words = [token.lower() for token in tokens]
    if "with" in words:
        return []
    return [
        name
        for before, word, name, after in zip(["", *words], words, tokens[1:], tokens[2:], strict=False)
        if word in ("from", "join") and before != "distinct" and after not in (".", "(") and _is_name(name)
    ]


def _is_name(token: str) -> bool:
    return token[0] == '"' or re.fullmatch(r"[^\W\d]\w*", token, re.ASCII) is not None


def _without_looked_ahead(settled: str) -> str:
    """The text up to a keyword among the last two tokens that SQLite tells from a name by what follows."""
    found = [token for token in _TOKEN.finditer(settled) if token.lastgroup != "blank"]
    starts = [token.start() for token in found[-2:] if _LOOKED_AHEAD.fullmatch(token[0])]
    return settled[: starts[0]] if starts else settled


def _only_comments(rest: str) -> bool:
    """Is this the beginning of blanks and comments?"""
    return rest in ("-", "/") or all(found.lastgroup == "blank" for found in _TOKEN.finditer(rest))
