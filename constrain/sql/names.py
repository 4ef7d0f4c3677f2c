"""How names and literals are spelled in a query: expressions of the grammar, one canonical spelling or a few."""

from __future__ import annotations

import re

from constrain.ir import rx
from constrain.ir.grammar import EMPTY, Choice, Expr, Literal, Repeat, Seq, Terminal
from constrain.sql.schema import quoted

# https://sqlite.org/lang_keywords.html. All are quoted as names, also those that SQLite would take as they are.
_KEYWORDS = """
ABORT ACTION ADD AFTER ALL ALTER ALWAYS ANALYZE AND AS ASC ATTACH AUTOINCREMENT BEFORE BEGIN BETWEEN BY CASCADE CASE
CAST CHECK COLLATE COLUMN COMMIT CONFLICT CONSTRAINT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP
DATABASE DEFAULT DEFERRABLE DEFERRED DELETE DESC DETACH DISTINCT DO DROP EACH ELSE END ESCAPE EXCEPT EXCLUDE EXCLUSIVE
EXISTS EXPLAIN FAIL FALSE FILTER FIRST FOLLOWING FOR FOREIGN FROM FULL GENERATED GLOB GROUP GROUPS HAVING IF IGNORE
IMMEDIATE IN INDEX INDEXED INITIALLY INNER INSERT INSTEAD INTERSECT INTO IS ISNULL JOIN KEY KEYWORDS LAST LEFT LIKE
LIMIT MATCH MATERIALIZED NATURAL NO NOT NOTHING NOTNULL NULL NULLS OF OFFSET ON OR ORDER OTHERS OUTER OVER PARTITION
PLAN PRAGMA PRECEDING PRIMARY QUERY RAISE RANGE RECURSIVE REFERENCES REGEXP REINDEX RELEASE RENAME REPLACE RESTRICT
RETURNING RIGHT ROLLBACK ROW ROWS SAVEPOINT SELECT SET TABLE TEMP TEMPORARY THEN TIES TO TRANSACTION TRIGGER TRUE
UNBOUNDED UNION UNIQUE UPDATE USING VACUUM VALUES VIEW VIRTUAL WHEN WHERE WINDOW WITH WITHIN WITHOUT
"""
KEYWORDS = frozenset(_KEYWORDS.split())
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

DIGIT = rx.chars([(48, 57)])
MOST_DIGITS = 15  # such integers are exact in every engine, and no sum of a few overflows
MOST_CHARACTERS = 120  # of a string


def text(words: str) -> Expr:
    """Exactly these characters."""
    return Literal(words.encode())


def name(of: str) -> Expr:
    """A name as it is declared: plain where that is possible, and quoted."""
    if PLAIN.fullmatch(of) and of.upper() not in KEYWORDS:
        return Choice(text(of), text(quoted(of)))
    return text(quoted(of))


def optional(expr: Expr) -> Expr:
    """The expression or nothing."""
    return Choice(EMPTY, expr)


def listed(item: Expr, separator: str = ", ", low: int = 0, high: int | None = None) -> Expr:
    """One item and ``low`` to ``high`` more."""
    return Seq(item, Repeat(Seq(text(separator), item), low, high))


def words(*choices: str) -> Expr:
    """One of these texts."""
    return Choice(*map(text, choices))


def call(function: str, *arguments: Expr) -> Expr:
    """A call of a function, whose name may be in small letters too."""
    parts: list[Expr] = [words(function + "(", function.lower() + "(")]
    for i, argument in enumerate(arguments):
        parts += [text(", ")] * (i > 0) + [argument]
    return Seq(*parts, text(")"))


def integer(name: str = "integer", most: int = MOST_DIGITS) -> Expr:
    """An integer without a sign or leading zeros."""
    tail = rx.concat([rx.chars([(49, 57)]), rx.repeat(DIGIT, 0, most - 1)])
    return Terminal(rx.union([rx.literal("0"), tail]), name=name)


def number() -> Expr:
    """A number, with a point or without."""
    return Seq(
        optional(text("-")),
        integer(),
        optional(Terminal(rx.concat([rx.literal("."), rx.repeat(DIGIT, 1, MOST_DIGITS)]), name="fraction")),
    )


def string() -> Expr:
    """A string of one line; quotes inside are doubled."""
    plain = rx.chars([(32, 38), (40, 126), (160, rx.SURROGATES[0] - 1), (rx.SURROGATES[1] + 1, rx.MAX_CODE_POINT)])
    inside = rx.repeat(rx.union([plain, rx.literal("''")]), 0, MOST_CHARACTERS)
    return Seq(text("'"), Terminal(inside, name="string"), text("'"))


def alias(taken: frozenset[str]) -> Expr:
    """A new name in small letters, none of ``taken`` (small letters too) and no keyword."""
    first, other = rx.chars([(97, 122)]), rx.chars([(97, 122), (48, 57), (95, 95)])
    barred = sorted({*taken, *(word.lower() for word in KEYWORDS)})
    return Terminal(rx.concat([first, rx.repeat(other, 0, 29)]), name="new name", exclude=tuple(barred))
