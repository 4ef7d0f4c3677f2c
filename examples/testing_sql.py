"""A grammar of SQL against SQLite: which statement does the grammar allow that the database cannot prepare?

The grammar is a small part of SQL on purpose, so only one direction is asked (subset=True).
Run it: python examples/testing_sql.py
"""

import sqlite3
from pathlib import Path

import constrain
from constrain.testing import Disagreement, assert_matches_parser

GRAMMAR = Path(__file__).parent / "grammars" / "select_with_a_bug.lark"
DATABASE = sqlite3.connect(":memory:")
DATABASE.execute("CREATE TABLE city (name TEXT, country TEXT, people INTEGER)")


def prepare(statement: str) -> None:
    """EXPLAIN compiles the statement against the schema and does not run it."""
    DATABASE.execute("EXPLAIN " + statement)


if __name__ == "__main__":
    try:
        assert_matches_parser(constrain.lark(GRAMMAR), prepare, subset=True, rejects=sqlite3.Error)
    except Disagreement as found:
        print(found)
