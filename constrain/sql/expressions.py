"""Expressions over the tables of one scope: numbers, texts and conditions, each with aggregates (``+``) and without.

What is *led* begins with something of the database, not with a literal: so no query says ``1 = 1``. Operators of
different precedence are mixed only as SQLite reads them, and arguments are as many as each function takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from constrain.ir.grammar import Choice, Expr, Ref, Repeat, Seq
from constrain.sql.names import call, listed, optional, text, words
from constrain.sql.schema import KINDS, Kind, quoted
from constrain.sql.scopes import Member, Scope

Reference = Callable[[str], Expr]

COMPARISONS = (" = ", " <> ", " != ", " < ", " <= ", " > ", " >= ")
FORMATS = ("%Y", "%m", "%d", "%Y-%m", "%H", "%w")


def aggregates(kind: Kind, ref: Reference) -> Expr:
    """Calls of aggregate functions that give a value of a kind; their arguments hold none."""
    distinct = optional(text("DISTINCT "))
    if kind == "text":
        joined = [call("GROUP_CONCAT", Seq(distinct, ref("text column"))), call("GROUP_CONCAT", ref("led text"), Ref("string"))]
        return Choice(*(call(function, ref("led text")) for function in ("MIN", "MAX")), *joined)
    argument = Seq(distinct, ref("led number"))
    return Choice(
        call("COUNT", Choice(text("*"), Seq(distinct, ref("column")))),
        *(call(function, argument) for function in ("SUM", "AVG", "MIN", "MAX")),
    )


class Expressions:
    """The rules of one scope."""

    def __init__(self, scope: Scope, chosen: Sequence[Scope]) -> None:
        self.scope = scope
        self.others = [other.members[0] for other in chosen if len(other.members) == 1 and self._is_free(other.members[0])]

    def _is_free(self, member: Member) -> bool:
        """May a sub-query name this table without hiding one of this scope?"""
        return all(member.label.lower() not in (own.label.lower(), own.table.name.lower()) for own in self.scope.members)

    def ref(self, rule: str) -> Expr:
        """A rule of this scope."""
        return Ref(f"{rule} of {self.scope.key}")

    def rules(self) -> dict[str, Expr]:
        """The rules, by name."""
        bodies: dict[str, Expr] = {"column": self.scope.columns()}
        for kind in KINDS:
            bodies[f"{kind} column"] = self.scope.columns(kind)
            bodies[f"outer {kind}"] = self.scope.qualified(kind)
        for mode in ("", "+"):
            bodies |= self._numbers(mode) | self._texts(mode) | self._conditions(mode)
        return {f"{rule} of {self.scope.key}": body for rule, body in bodies.items()}

    def _numbers(self, mode: str) -> dict[str, Expr]:
        ref = self.ref
        led, any_number, any_text = ref(f"led number{mode}"), ref(f"any number{mode}"), ref(f"any text{mode}")
        led_text = ref(f"led text{mode}")
        atom = Choice(
            ref("number column"),
            Seq(text("("), led, text(")")),
            *([aggregates("number", ref)] if mode else []),
            call("ABS", led),
            call("ROUND", Seq(led, optional(Seq(text(", "), words(*"0123456789"))))),
            call("LENGTH", led_text),
            call("INSTR", led_text, any_text),
            call("JULIANDAY", led_text),
            call("COALESCE", Seq(led, Repeat(Seq(text(", "), any_number), 1, 3))),
            Seq(text("CAST("), led_text, words(" AS INTEGER)", " AS REAL)")),
            Seq(text("CAST("), led, words(" AS INTEGER)", " AS REAL)")),
            self._case("number", mode),
            Ref("one number"),
        )
        operators = words(" + ", " - ", " * ", " / ", " % ")
        following = Repeat(Seq(operators, Choice(ref(f"number atom{mode}"), Ref("number"))), 0, None)
        return {
            f"number atom{mode}": atom,
            f"led number{mode}": Seq(ref(f"number atom{mode}"), following),
            f"any number{mode}": Seq(Choice(ref(f"number atom{mode}"), Ref("number")), following),
        }

    def _texts(self, mode: str) -> dict[str, Expr]:
        ref = self.ref
        led, any_text = ref(f"led text{mode}"), ref(f"any text{mode}")
        atom = Choice(
            ref("text column"),
            Seq(text("("), led, text(")")),
            *([aggregates("text", ref)] if mode else []),
            *(call(function, led) for function in ("UPPER", "LOWER", "TRIM", "DATE")),
            call("SUBSTR", Seq(led, Repeat(Seq(text(", "), optional(text("-")), Ref("integer")), 1, 2))),
            call("REPLACE", led, any_text, any_text),
            call("STRFTIME", words(*(f"'{form}'" for form in FORMATS)), led),
            call("COALESCE", Seq(led, Repeat(Seq(text(", "), any_text), 1, 3))),
            Seq(text("CAST("), ref(f"led number{mode}"), text(" AS TEXT)")),
            self._case("text", mode),
            Ref("one text"),
        )
        literal = Choice(Ref("string"), text("DATE('now')"))
        following = Repeat(Seq(text(" || "), Choice(ref(f"text atom{mode}"), literal)), 0, None)
        return {
            f"text atom{mode}": atom,
            f"led text{mode}": Seq(ref(f"text atom{mode}"), following),
            f"any text{mode}": Seq(Choice(ref(f"text atom{mode}"), literal), following),
        }

    def _case(self, kind: Kind, mode: str) -> Expr:
        value = self.ref(f"any {kind}{mode}")
        when = Seq(text(" WHEN "), self.ref(f"condition{mode}"), text(" THEN "), value)
        return Seq(text("CASE"), Repeat(when, 1, None), optional(Seq(text(" ELSE "), value)), text(" END"))

    def _conditions(self, mode: str) -> dict[str, Expr]:
        ref = self.ref
        tests = [self._tests(kind, mode) for kind in KINDS]
        null = Seq(ref("column"), words(" IS NULL", " IS NOT NULL"))
        like = Seq(ref(f"led text{mode}"), words(" LIKE ", " NOT LIKE "), ref(f"any text{mode}"))
        nested = Seq(optional(text("NOT ")), text("("), ref(f"condition{mode}"), text(")"))
        exists = Seq(optional(text("NOT ")), ref("exists")) if self.others else Choice()
        return {
            f"test{mode}": Choice(*tests, null, like, nested, exists),
            f"all{mode}": listed(ref(f"test{mode}"), " AND "),
            f"condition{mode}": listed(ref(f"all{mode}"), " OR "),
            "exists": Choice(*map(self._exists, self.others)),
        }

    def _tests(self, kind: Kind, mode: str) -> Expr:
        led, value = self.ref(f"led {kind}{mode}"), self.ref(f"any {kind}{mode}")
        negated = optional(text("NOT "))
        literal = Ref("number" if kind == "number" else "string")
        members = Choice(Seq(text("("), listed(literal), text(")")), Ref(f"column of {kind}"))
        return Choice(
            Seq(led, words(*COMPARISONS), value),
            Seq(led, text(" "), negated, text("BETWEEN "), value, text(" AND "), value),
            Seq(led, text(" "), negated, text("IN "), members),
        )

    def _exists(self, other: Member) -> Expr:
        """A sub-query on one other table that is tied to this scope by an equality."""
        scope = Scope((other,)).key
        ties = [
            Seq(other.columns(kind), text(" = "), self.ref(f"outer {kind}"))
            for kind in KINDS
            if other.table.of_kind(kind)
        ]
        further = optional(Seq(text(" AND "), Ref(f"all of {scope}")))
        return Seq(text("EXISTS (SELECT 1 FROM "), other.declared(), text(" WHERE "), Choice(*ties), further, text(")"))
