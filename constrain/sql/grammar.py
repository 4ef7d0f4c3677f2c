"""The queries that one database can answer, as a grammar: every text of it is a SELECT that SQLite can prepare.

One canonical spelling (one space between tokens, keywords in capitals), so that masks are tight and no lexer is needed.
Each scope (``scopes.py``) has its own rules for expressions (``expressions.py``), so only columns of tables that are in
FROM can be named. Rules of sub-queries have a depth, and those of a depth are made when a text gets there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from constrain.ir.grammar import EMPTY, Choice, Expr, Grammar, Ref, Repeat, RulesOnDemand, Seq
from constrain.sql.expressions import Expressions, Reference
from constrain.sql.names import alias, integer, listed, number, optional, string, text, words
from constrain.sql.schema import KINDS, Schema
from constrain.sql.scopes import Scope, join_condition, join_rule, joinable, scopes

MOST_TABLES = 3
MOST_SCOPES = 60
MOST_NESTED = 4  # sub-queries inside each other
COMPOUND = 3  # columns of queries that UNION and the like combine, at most


@dataclass(frozen=True)
class QueryLanguage:
    """A grammar of queries. ``left_out``: how many sets of tables may not be joined because there were too many."""

    grammar: Grammar
    scopes: tuple[Scope, ...]
    left_out: int


def query_language(schema: Schema, most_tables: int = MOST_TABLES, most_scopes: int = MOST_SCOPES) -> QueryLanguage:
    """The queries over a database, with at most ``most_tables`` tables in a FROM and ``most_scopes`` sets of them.

    Every table is a set; more sets are taken in the order of size and of what links their tables.
    """
    chosen, left_out = scopes(schema, most_tables, most_scopes)
    return QueryLanguage(Grammar("query", _Rules(schema, chosen).rules), tuple(chosen), left_out)


class _Rules:
    """All rules. Names end with the scope and the depth, where a rule has them."""

    def __init__(self, schema: Schema, chosen: list[Scope]) -> None:
        self.chosen = chosen
        self.made = _shared(schema, chosen)
        self.waiting: dict[str, Callable[[], Expr]] = {}
        self.levels = 0
        self.made["query"] = Seq(self._any("query", 0), optional(text(";")))
        for width in range(1, COMPOUND + 1):
            self.made[f"part {width}"] = self._any(f"part {width}", 0)
            self.made[f"more {width}"] = _more(width)
        self._make_level(0)
        for scope in chosen:
            self._add(_query_rules(scope, partial(_reference, scope, 0)), scope, 0)
        self.rules = RulesOnDemand(self.made, self.waiting)

    def _make_level(self, depth: int) -> None:
        """The rules of a depth, once, and what waits to be the way to the next."""
        if depth < self.levels:
            return
        self.levels += 1
        below = depth + 1 if depth < MOST_NESTED else None
        if below is not None:
            self._wait(below)
        for scope in self.chosen:
            ref = partial(_reference, scope, depth)
            sub = None if below is None else partial(_sub_reference, below)
            self._add(Expressions(scope, self.chosen, ref, sub).rules(), scope, depth)
            if depth:
                self._add(_subquery_rules(scope, ref), scope, depth)

    def _wait(self, depth: int) -> None:
        """Rules that lead to those of a depth; each begins with a literal, as rules on demand must."""
        for kind in KINDS:
            for rule in (f"column of {kind}", f"one {kind}"):
                body = Seq(text("("), self._any(rule, depth), text(")"))
                self.waiting[f"{rule} {depth}"] = partial(self._reached, depth, body)
        for scope in self.chosen:
            if len(scope.members) == 1:
                body = Seq(text(" AND "), _reference(scope, depth, "all"))
                self.waiting[f"and all of {scope.key} {depth}"] = partial(self._reached, depth, body)

    def _reached(self, depth: int, body: Expr) -> Expr:
        self._make_level(depth)
        return body

    def _any(self, rule: str, depth: int) -> Expr:
        """That rule of any scope."""
        return Choice(*(_reference(scope, depth, rule) for scope in self.chosen))

    def _add(self, bodies: dict[str, Expr], scope: Scope, depth: int) -> None:
        self.made |= {f"{rule} of {scope.key} {depth}": body for rule, body in bodies.items()}


def _reference(scope: Scope, depth: int, rule: str) -> Expr:
    """The rule of that name of a scope at a depth."""
    return Ref(f"{rule} of {scope.key} {depth}")


def _sub_reference(depth: int, rule: str) -> Expr:
    """The rule of that name that leads to sub-queries of a depth."""
    return Ref(f"{rule} {depth}")


def _shared(schema: Schema, chosen: list[Scope]) -> dict[str, Expr]:
    """Literals and other rules that name nothing of the database, and conditions of joins."""
    names = {column.name.lower() for table in schema.tables for column in table.columns}
    names |= {table.name.lower() for table in schema.tables}
    shared = {
        "number": number(),
        "string": string(),
        "text": Choice(Ref("string"), text("DATE('now')")),
        "integer": integer(),
        "alias": alias(frozenset(names)),
        "limit": Seq(text(" LIMIT "), Ref("integer"), optional(Seq(text(" OFFSET "), Ref("integer")))),
        "direction": Choice(EMPTY, words(" DESC", " ASC")),
    }
    for scope in chosen:
        pairs = [(a, b) for a in scope.members for b in scope.members if a is not b and joinable(a.table, b.table)]
        shared |= {join_rule(*pair): join_condition(*pair) for pair in pairs}
    return shared


def _more(width: int) -> Expr:
    """What combines a query of so many columns with others of as many."""
    operators = words(" UNION ", " UNION ALL ", " EXCEPT ", " INTERSECT ")
    position = words(*map(str, range(1, width + 1)))
    return Seq(
        Repeat(Seq(operators, Ref(f"part {width}")), 1, 8),
        optional(Seq(text(" ORDER BY "), position, Ref("direction"))),
        optional(Ref("limit")),
    )


def _query_rules(scope: Scope, ref: Reference) -> dict[str, Expr]:
    """A whole SELECT with the tables of one scope: as many columns as it likes, a few when others are to follow."""
    alone = Choice(optional(ref("order")), Seq(ref("grouping"), optional(ref("order+"))))
    plain = Seq(alone, optional(Ref("limit")))
    everything = Seq(text("*"), ref("source"), optional(ref("order")), optional(Ref("limit")))
    rules = _clauses(scope, ref) | {
        "result": Seq(_value(ref, "+"), optional(Seq(text(" AS "), Ref("alias")))),
        "query": Seq(text("SELECT "), Choice(everything, Seq(optional(text("DISTINCT ")), ref("results 1")))),
        f"results {COMPOUND + 1}": Seq(listed(ref("result")), ref("source"), plain),
    }
    for width in range(1, COMPOUND + 1):
        combined = Seq(optional(ref("grouping")), Ref(f"more {width}"))
        end = Seq(ref("source"), Choice(plain, combined))
        rules[f"results {width}"] = Seq(ref("result"), Choice(end, Seq(text(", "), ref(f"results {width + 1}"))))
        results = listed(ref("result"), low=width - 1, high=width - 1)
        rules[f"part {width}"] = Seq(
            text("SELECT "), optional(text("DISTINCT ")), results, ref("source"), optional(ref("grouping"))
        )
    return rules


def _subquery_rules(scope: Scope, ref: Reference) -> dict[str, Expr]:
    """Queries of one column, and of one value: SQLite takes the first row where there are several."""
    rules = _clauses(scope, ref)
    for kind in KINDS:
        led = ref(f"led {kind}+")
        rules[f"column of {kind}"] = Seq(
            words("SELECT ", "SELECT DISTINCT "), led, ref("source"), optional(ref("grouping"))
        )
        ordered = Seq(Choice(ref("order"), Seq(ref("grouping"), ref("order+"))), text(" LIMIT 1"))
        first = Seq(led, ref("source"), Choice(optional(ref("grouping")), ordered))
        rules[f"one {kind}"] = Seq(text("SELECT "), first)
    return rules


def _clauses(scope: Scope, ref: Reference) -> dict[str, Expr]:
    """FROM and WHERE; GROUP BY and HAVING; ORDER BY, with aggregates only where there are groups."""
    return {
        "source": Seq(text(" FROM "), scope.sources(), optional(Seq(text(" WHERE "), ref("condition")))),
        "grouping": Seq(
            text(" GROUP BY "), listed(ref("column"), high=3), optional(Seq(text(" HAVING "), ref("condition+")))
        ),
        "order": _order(ref, ""),
        "order+": _order(ref, "+"),
    }


def _order(ref: Reference, mode: str) -> Expr:
    return Seq(text(" ORDER BY "), listed(Seq(_value(ref, mode), Ref("direction")), high=2))


def _value(ref: Reference, mode: str) -> Expr:
    """Any value of the database, of whatever kind."""
    return Choice(*(ref(f"led {kind}{mode}") for kind in KINDS), ref("column"))
