"""What a model is told of a database: its tables with a few values, how they go together, and the question."""

from __future__ import annotations

from collections.abc import Iterator

from constrain.sql.schema import Column, Schema, Table

INSTRUCTION = "Write one SQLite query that answers the question. Use only the tables and columns below."
LONGEST_VALUE = 30


def messages(schema: Schema, question: str, instruction: str = INSTRUCTION) -> list[dict[str, str]]:
    """The chat that asks for a query."""
    tables = "\n".join(line for table in schema.tables for line in _describe(table))
    return [
        {"role": "system", "content": "You answer questions about a database with SQL."},
        {"role": "user", "content": f"{instruction}\n\n{tables}\n\nQuestion: {question.strip()}\nSQL:"},
    ]


def _describe(table: Table) -> Iterator[str]:
    yield f"Table {table.name}: {', '.join(map(_show, table.columns))}"
    for key in table.keys:
        pairs = (f"{table.name}.{own} = {key.other}.{theirs}" for own, theirs in key.columns)
        yield f"  join: {' AND '.join(pairs)}"


def _show(column: Column) -> str:
    kind = "key, " * column.key + (column.type.lower() or " or ".join(sorted(column.kinds)))
    values = [repr(value) for value in column.values if len(str(value)) <= LONGEST_VALUE]
    return f"{column.name} ({kind}{': ' + ', '.join(values) if values and 'text' in column.kinds else ''})"
