"""Scopes: which tables stand in one FROM together, and what can be named there.

A context-free grammar cannot carry the tables of a FROM clause to the columns of a WHERE clause; a nonterminal for each
set of tables can. So the sets are listed beforehand, those that keys suggest first, up to a limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

from constrain.ir.grammar import Choice, Expr, Ref, Seq
from constrain.sql.names import name, text
from constrain.sql.schema import KINDS, Column, Kind, Schema, Table

SELF_JOIN = ("t1", "t2")


@dataclass(frozen=True)
class Member:
    """A table in a FROM. ``label`` is what its columns are qualified with: its name, or the alias given to it."""

    table: Table
    label: str

    @property
    def is_aliased(self) -> bool:
        return self.label != self.table.name

    def declared(self) -> Expr:
        """As it stands in FROM."""
        return Seq(name(self.table.name), text(f" AS {self.label}")) if self.is_aliased else name(self.table.name)

    def column(self, column: Column) -> Expr:
        """A column with its qualifier."""
        return Seq(name(self.label), text("."), name(column.name))

    def columns(self, kind: Kind) -> Expr:
        """Any column of a kind, qualified."""
        return Choice(*(self.column(column) for column in self.table.of_kind(kind)))


@dataclass(frozen=True)
class Scope:
    """The tables of one FROM clause, in any order. ``key`` tells it from others in names of rules."""

    members: tuple[Member, ...]

    @property
    def key(self) -> str:
        return "+".join(f"{m.table.name} {m.label}" if m.is_aliased else m.table.name for m in self.members)

    def holds(self, kind: Kind) -> bool:
        """Is there a column of that kind?"""
        return any(member.table.of_kind(kind) for member in self.members)

    def columns(self, kind: Kind | None = None) -> Expr:
        """The columns (of a kind), with their qualifiers, and without where no other table has one of that name."""
        uses = Counter(column.name.lower() for member in self.members for column in member.table.columns)
        spellings: list[Expr] = []
        for member in self.members:
            for column in member.table.columns if kind is None else member.table.of_kind(kind):
                spellings.append(member.column(column))
                if uses[column.name.lower()] == 1:
                    spellings.append(name(column.name))
        return Choice(*spellings)

    def qualified(self, kind: Kind) -> Expr:
        """The columns of a kind, with their qualifiers."""
        return Choice(*(member.columns(kind) for member in self.members))

    def sources(self) -> Expr:
        """What may stand after FROM: the tables with commas, or joined one after another on comparable columns."""
        orders = [self._joined(order) for order in permutations(self.members)]
        return Choice(*(expr for pair in orders for expr in pair))

    def _joined(self, order: tuple[Member, ...]) -> Iterator[Expr]:
        first, *others = order
        if not others:
            yield first.declared()
            return
        parts, listed = [first.declared()], [first.declared()]
        linked = True
        for i, member in enumerate(others, 1):
            on = [Ref(join_rule(member, other)) for other in order[:i] if joinable(member.table, other.table)]
            linked = linked and bool(on)
            parts += [Choice(text(" JOIN "), text(" LEFT JOIN ")), member.declared(), text(" ON "), Choice(*on)]
            listed += [text(", "), member.declared()]
        if linked:
            yield Seq(*parts)
        yield Seq(*listed)


def join_rule(one: Member, other: Member) -> str:
    """The rule that compares a column of each of two tables."""
    return " = ".join(f"{member.table.name} {member.label}" for member in (one, other))


def join_condition(one: Member, other: Member) -> Expr:
    """Equality of two comparable columns, either first."""
    sides = [(one.columns(kind), other.columns(kind)) for kind in KINDS if comparable(one.table, other.table, kind)]
    equal = [Seq(a, text(" = "), b) for a, b in sides]
    return Choice(*equal, *(Seq(b, text(" = "), a) for a, b in sides))


def comparable(one: Table, other: Table, kind: Kind) -> bool:
    """Has each a column of that kind?"""
    return bool(one.of_kind(kind) and other.of_kind(kind))


def linked(one: Table, other: Table) -> int:
    """How strongly a join of two tables is suggested: 2 by a foreign key, 1 by columns of the same name, 0 not."""
    if any(key.other.lower() == b.name.lower() for a, b in ((one, other), (other, one)) for key in a.keys):
        return 2
    names = [{column.name.lower() for column in table.columns} for table in (one, other)]
    return 1 if names[0] & names[1] else 0


def joinable(one: Table, other: Table) -> bool:
    """Can a column of one be compared with one of the other?"""
    return any(comparable(one, other, kind) for kind in KINDS)


def scopes(schema: Schema, most_tables: int, most_scopes: int) -> tuple[list[Scope], int]:
    """The scopes of a database, most useful first, and how many were left out for lack of room.

    Single tables always; then pairs, tables joined with themselves, and larger sets that links hold together.
    """
    tables = schema.tables
    found = [Scope((Member(table, table.name),)) for table in tables]
    larger: list[tuple[tuple[int, int], Scope]] = []
    for size in range(2, most_tables + 1):
        for chosen in combinations(tables, size):
            strength = _strength(chosen)
            if strength is not None and (size == 2 or strength > 0):
                larger.append(((size, -strength), Scope(tuple(Member(table, table.name) for table in chosen))))
    if most_tables > 1:
        free = not {table.name.lower() for table in tables} & set(SELF_JOIN)
        larger += [((2, 0), Scope(tuple(Member(table, label) for label in SELF_JOIN))) for table in tables if free]
    larger.sort(key=lambda item: item[0])
    room = max(0, most_scopes - len(found))
    return found + [scope for _, scope in larger[:room]], max(0, len(larger) - room)


def _strength(chosen: tuple[Table, ...]) -> int | None:
    """The weakest link of the strongest tree that joins the tables; ``None`` when nothing can be compared."""
    joined, strengths = [chosen[0]], []
    waiting = list(chosen[1:])
    while waiting:
        links = [(linked(a, b), b) for a in joined for b in waiting if joinable(a, b)]
        if not links:
            return None
        strength, best = max(links, key=lambda link: link[0])
        strengths.append(strength)
        joined.append(best)
        waiting.remove(best)
    return min(strengths)
