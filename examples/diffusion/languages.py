"""What each model of the demo is to write: records of bookings, queries to the library, molecules; as grammars."""

from __future__ import annotations

from pathlib import Path

import constrain
from examples.diffusion.bookings import SCHEMA

GRAMMARS = Path(__file__).parents[2] / "grammars"

# The columns of each table of examples/sql/library.sql that questions speak of; keys lead to other tables.
TEXTS = {"book": ("title", "genre"), "author": ("name", "country"), "member": ("name", "town"), "loan": ()}
NUMBERS = {"book": ("year", "pages"), "author": ("born",), "member": (), "loan": ()}
DATES = {"book": (), "author": (), "member": ("joined",), "loan": ("borrowed", "returned")}
KEYS = {
    "book": ("book_id", "author_id"),
    "author": ("author_id",),
    "member": ("member_id",),
    "loan": ("loan_id", "book_id", "member_id"),
}

COMMON = r"""
root ::= {queries}
compare ::= " > " | " < " | " = " | " >= " | " <= "
number ::= [1-9] [0-9]? [0-9]? [0-9]?
text ::= "'" ([A-Za-z] | " " | "''")+ "'"
date ::= "'" [0-9] [0-9] [0-9] [0-9] "-" [0-9] [0-9] "-" [0-9] [0-9] "'"
limit ::= " LIMIT " number
"""

# Columns come before the table that they must be of: each table has rules of its own. What follows ``IN`` is a query
# for the same key, of any table that has it, and so on: the language is not regular.
TABLE = r"""
{t}-query ::= "SELECT " {t}-items " FROM {t}" {t}-where? ({t}-order? limit? | {t}-groups)
{t}-items ::= {t}-item (", " {t}-item)*
{t}-item ::= {t}-column | "COUNT(*)" | {t}-value
{t}-value ::= ("AVG(" | "MIN(" | "MAX(") {t}-column ")"
{t}-column ::= {columns}
{t}-where ::= " WHERE " {t}-condition ((" AND " | " OR ") {t}-condition)*
{t}-condition ::= {conditions}
{t}-order ::= " ORDER BY " {t}-column " DESC"?
{t}-groups ::= " GROUP BY " {t}-column (" HAVING COUNT(*)" compare number)? limit?
"""
SCALAR = '({t}-number compare (number | "(SELECT " {t}-average " FROM {t}" {t}-where? ")"))'
AVERAGE = '{t}-number ::= {numbers}\n{t}-average ::= ("AVG(" | "MIN(" | "MAX(") {t}-number ")"\n'
KEY = '{rule} ::= "{key}" " NOT"? " IN (SELECT {key} FROM " ({tables}) ")"\n'


def sql() -> constrain.Grammar:
    """Queries that SQLite prepares on the library: names are of the table they are asked of, kinds fit."""
    return constrain.gbnf(sql_source())


def sql_source() -> str:
    """The grammar, in GBNF."""
    keys = sorted({key for found in KEYS.values() for key in found if len(_having(key)) > 1})
    queries = " | ".join(f"{table}-query" for table in KEYS)
    rules = [COMMON.format(queries=queries)]
    rules += [_table(table, keys) for table in KEYS]
    for key in keys:
        tables = " | ".join(f'"{table}" {table}-where?' for table in _having(key))
        rules.append(KEY.format(rule=_rule(key), key=key, tables=tables))
    return "\n".join(rules)


def _rule(key: str) -> str:
    return key.replace("_", "-") + "-among"


def _having(key: str) -> list[str]:
    """The tables with that key."""
    return [table for table, keys in KEYS.items() if key in keys]


def _table(table: str, keys: list[str]) -> str:
    numbers, dates = NUMBERS[table], DATES[table]
    conditions = [f'("{column} = " text)' for column in TEXTS[table]]
    conditions += [f'("{column}" compare date) | "{column} IS" " NOT"? " NULL"' for column in dates]
    conditions += [_rule(key) for key in KEYS[table] if key in keys]
    rule = ""
    if numbers:
        conditions.append(SCALAR.format(t=table))
        rule = AVERAGE.format(t=table, numbers=_either(numbers))
    columns = _either((*KEYS[table], *TEXTS[table], *numbers, *dates))
    return TABLE.format(t=table, columns=columns, conditions=" | ".join(conditions)) + rule


def _either(names: tuple[str, ...]) -> str:
    return " | ".join(f'"{name}"' for name in names)


def records() -> constrain.Grammar:
    """Records of bookings, without blanks, members in the schema's order."""
    return constrain.json_schema(SCHEMA, whitespace="compact")


def smiles() -> constrain.Grammar:
    """Molecules as OpenSMILES writes them; ring-bond digits need not match."""
    return constrain.gbnf(GRAMMARS / "smiles.gbnf")


LANGUAGES = {"records": records, "sql": sql, "smiles": smiles}
