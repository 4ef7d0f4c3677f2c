"""The queries that one database can answer, as a grammar: every text of it is a SELECT that SQLite can prepare.

One canonical spelling (one space between tokens, keywords in capitals), so that masks are tight and no lexer is needed.
Each scope (``scopes.py``) has its own rules for expressions (``expressions.py``), so only columns of tables that are in FROM can be
named. Statements other than SELECT are not in the language.
"""

from __future__ import annotations

from dataclasses import dataclass

from constrain.ir.grammar import EMPTY, Choice, Expr, Grammar, Ref, Repeat, Seq
from constrain.sql.expressions import Expressions, aggregates
from constrain.sql.names import alias, integer, listed, number, optional, string, text, words
from constrain.sql.schema import KINDS, Schema
from constrain.sql.scopes import Scope, join_condition, join_rule, scopes

MOST_TABLES = 3
MOST_SCOPES = 60
COMPOUND = 3  # columns of queries that UNION and the like combine, at most


@dataclass(frozen=True)
class QueryLanguage:
    """A grammar of queries. ``left_out``: sets of tables that may not be joined because there were too many."""

    grammar: Grammar
    scopes: tuple[Scope, ...]
    left_out: int


def query_language(
    schema: Schema, most_tables: int = MOST_TABLES, most_scopes: int = MOST_SCOPES
) -> QueryLanguage:
    """The queries over a database, with at most ``most_tables`` tables in a FROM and ``most_scopes`` sets of them.

    There are always as many sets as tables; more are taken in the order of size and of keys between the tables.
    """
    chosen, left_out = scopes(schema, most_tables, most_scopes)
    rules = _Rules(schema, chosen).rules
    return QueryLanguage(Grammar("query", rules), tuple(chosen), left_out)


class _Rules:
    """All rules. Those whose names end with a scope's key are that scope's."""

    def __init__(self, schema: Schema, chosen: list[Scope]) -> None:
        self.chosen = chosen
        self.rules: dict[str, Expr] = {}
        self._shared(schema)
        for scope in chosen:
            self._of(scope)

    def _shared(self, schema: Schema) -> None:
        names = {column.name.lower() for table in schema.tables for column in table.columns}
        names |= {table.name.lower() for table in schema.tables}
        rules = self.rules
        rules["query"] = Seq(self._any("query"), optional(text(";")))
        rules["number"], rules["string"], rules["integer"] = number(), string(), integer()
        rules["alias"] = alias(frozenset(names))
        rules["limit"] = Seq(
            text(" LIMIT "), Ref("integer"), optional(Seq(text(" OFFSET "), Ref("integer")))
        )
        rules["direction"] = Choice(EMPTY, words(" DESC", " ASC"))
        for kind in KINDS:
            rules[f"column of {kind}"] = Seq(text("("), self._any(f"column of {kind}"), text(")"))
            rules[f"one {kind}"] = Seq(text("("), self._any(f"one {kind}"), text(")"))
        operators = words(" UNION ", " UNION ALL ", " EXCEPT ", " INTERSECT ")
        for width in range(1, COMPOUND + 1):
            rules[f"part {width}"] = self._any(f"part {width}")
            rules[f"more {width}"] = Seq(
                Repeat(Seq(operators, Ref(f"part {width}")), 1, 8),
                optional(Seq(text(" ORDER BY "), words(*map(str, range(1, width + 1))), Ref("direction"))),
                optional(Ref("limit")),
            )

    def _any(self, rule: str) -> Expr:
        """The rule of any scope."""
        return Choice(*(Ref(f"{rule} of {scope.key}") for scope in self.chosen))

    def _of(self, scope: Scope) -> None:
        for i, one in enumerate(scope.members):
            for other in scope.members[i + 1 :]:
                for pair in ((one, other), (other, one)):
                    self.rules[join_rule(*pair)] = join_condition(*pair)
        expressions = Expressions(scope, self.chosen)
        self.rules.update(expressions.rules())
        self.rules.update(_Query(scope).rules())


class _Query:
    """SELECT with the tables of one scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def ref(self, rule: str) -> Expr:
        """A rule of this scope."""
        return Ref(f"{rule} of {self.scope.key}")

    def rules(self) -> dict[str, Expr]:
        """The rules, by name."""
        ref = self.ref
        grouping = Seq(text(" GROUP BY "), listed(ref("column"), high=4), optional(Seq(text(" HAVING "), ref("condition+"))))
        bodies = {
            "source": Seq(text(" FROM "), self.scope.sources(), optional(Seq(text(" WHERE "), ref("condition")))),
            "grouping": grouping,
            "order": self._order(""),
            "order+": self._order("+"),
            "result": Seq(
                Choice(ref("led number+"), ref("led text+"), ref("column")), optional(Seq(text(" AS "), Ref("alias")))
            ),
            "query": Seq(text("SELECT "), Choice(self._all(), Seq(optional(text("DISTINCT ")), ref("results 1")))),
        }
        for width in range(1, COMPOUND + 1):
            end = self._end(Ref(f"more {width}"))
            further: Expr = ref(f"results {width + 1}")
            if width == COMPOUND:
                further = Seq(listed(ref("result")), self._end(None))
            bodies[f"results {width}"] = Seq(ref("result"), Choice(end, Seq(text(", "), further)))
            bodies[f"part {width}"] = Seq(
                text("SELECT "),
                optional(text("DISTINCT ")),
                ref("result"),
                *([text(", "), ref("result")] * (width - 1)),
                ref("source"),
                optional(ref("grouping")),
            )
        for kind in KINDS:
            bodies[f"column of {kind}"] = Seq(
                words("SELECT ", "SELECT DISTINCT "), ref(f"led {kind}+"), ref("source"), optional(ref("grouping"))
            )
            bodies[f"one {kind}"] = Seq(
                text("SELECT "),
                Choice(
                    Seq(aggregates(kind, ref), ref("source")),
                    Seq(
                        ref(f"led {kind}+"),
                        ref("source"),
                        Choice(ref("order"), Seq(ref("grouping"), ref("order+"))),
                        text(" LIMIT 1"),
                    ),
                ),
            )
        return {f"{rule} of {self.scope.key}": body for rule, body in bodies.items()}

    def _all(self) -> Expr:
        """``*``, and what follows it."""
        return Seq(text("*"), self.ref("source"), optional(self.ref("order")), optional(Ref("limit")))

    def _end(self, more: Expr | None) -> Expr:
        """FROM and all that comes after it; ``more``: queries that it may be combined with."""
        ref = self.ref
        alone = Choice(optional(ref("order")), Seq(ref("grouping"), optional(ref("order+"))))
        plain = Seq(alone, optional(Ref("limit")))
        return Seq(ref("source"), Choice(plain, Seq(optional(ref("grouping")), more)) if more is not None else plain)

    def _order(self, mode: str) -> Expr:
        term = Seq(Choice(self.ref(f"led number{mode}"), self.ref(f"led text{mode}"), self.ref("column")), Ref("direction"))
        return Seq(text(" ORDER BY "), listed(term, high=3))
