"""Expressions over the tables of one scope: numbers, texts and conditions, each with aggregates (``+``) and without.

Three tiers keep nesting finite, so that SQLite's parser never runs out of stack: *plain* (columns and aggregates),
*made* (a function of what is plain) and *atom* (a function of, or parentheses around, operators between made ones;
CASE; a sub-query). What is *led* begins with something of the database, not with a literal: so no query says ``1 = 1``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from constrain.ir.grammar import Choice, Expr, Ref, Repeat, Seq
from constrain.sql.names import call, listed, optional, text, words
from constrain.sql.schema import KINDS, Kind
from constrain.sql.scopes import Member, Scope, joinable

Reference = Callable[[str], Expr]

COMPARISONS = (" = ", " <> ", " != ", " < ", " <= ", " > ", " >= ")
OPERATORS: dict[Kind, tuple[str, ...]] = {"number": (" + ", " - ", " * ", " / ", " % "), "text": (" || ",)}
FORMATS = ("%Y", "%m", "%d", "%Y-%m", "%H", "%w")


def aggregates(kind: Kind, ref: Reference) -> Expr:
    """Calls of aggregate functions that give a value of a kind; their arguments hold none."""
    distinct = optional(text("DISTINCT "))
    argument = Choice(Seq(distinct, ref(f"flat {kind}")), ref(f"case {kind}"))
    if kind == "text":
        joined = (Seq(distinct, ref("column")), Seq(ref("column"), text(", "), Ref("string")))
        return Choice(call("MIN", argument), call("MAX", argument), *(call("GROUP_CONCAT", each) for each in joined))
    return Choice(
        call("COUNT", Choice(text("*"), Seq(distinct, ref("column")), ref("case number"))),
        *(call(function, argument) for function in ("SUM", "AVG", "MIN", "MAX")),
    )


class Expressions:
    """The rules of one scope. ``sub`` refers to a rule of the sub-queries that may stand in it, if any may."""

    def __init__(self, scope: Scope, chosen: Sequence[Scope], ref: Reference, sub: Reference | None) -> None:
        self.scope = scope
        self.ref = ref
        self.sub = sub
        singles = (other for other in chosen if len(other.members) == 1 and sub is not None)
        self.others = [other.members[0] for other in singles if self._is_free(other.members[0])]

    def _is_free(self, member: Member) -> bool:
        """Can a sub-query name this table without hiding one of this scope, and be tied to it?"""
        tied = any(joinable(member.table, own.table) for own in self.scope.members)
        return tied and all(
            member.label.lower() not in (own.label.lower(), own.table.name.lower()) for own in self.scope.members
        )

    def rules(self) -> dict[str, Expr]:
        """The rules, by name within the scope."""
        bodies: dict[str, Expr] = {"column": self.scope.columns()}
        for kind in KINDS:
            if self.scope.holds(kind):
                bodies[f"outer {kind}"] = self.scope.qualified(kind)
        for mode in ("", "+"):
            for kind in KINDS:
                bodies |= self._values(kind, mode)
            bodies |= self._conditions(mode)
        if self.others:
            bodies["exists"] = Choice(*map(self._exists, self.others))
        return bodies

    # ---- values --------------------------------------------------------------------------------------------------

    def _values(self, kind: Kind, mode: str) -> dict[str, Expr]:
        ref = self.ref
        plain, made, flat, atom = (ref(f"{tier} {kind}{mode}") for tier in ("plain", "made", "flat", "atom"))
        literal = Ref(kind)
        calls = self._number_calls if kind == "number" else self._text_calls
        return {
            f"plain {kind}{mode}": Choice(self._columns(kind), *([aggregates(kind, ref)] if mode else [])),
            f"made {kind}{mode}": Choice(plain, *calls("plain", mode)),
            f"flat {kind}{mode}": Seq(made, self._following(kind, Choice(made, literal))),
            f"atom {kind}{mode}": Choice(
                plain,
                *calls("flat", mode),
                Seq(text("("), flat, text(")")),
                ref(f"case {kind}{mode}"),
                *([self.sub(f"one {kind}")] if self.sub else []),
            ),
            f"led {kind}{mode}": Seq(atom, self._following(kind, Choice(atom, literal))),
            f"any {kind}{mode}": Seq(Choice(atom, literal), self._following(kind, Choice(atom, literal))),
            f"case {kind}{mode}": self._case(kind, mode),
        }

    def _columns(self, kind: Kind) -> Expr:
        """The columns of a kind; where there are none, what others can be made to be."""
        if self.scope.holds(kind):
            return self.scope.columns(kind)
        return call("LENGTH", self.ref("column")) if kind == "number" else call("UPPER", self.ref("column"))

    def _following(self, kind: Kind, operand: Expr) -> Expr:
        return Repeat(Seq(words(*OPERATORS[kind]), operand), 0, None)

    def _number_calls(self, tier: str, mode: str) -> list[Expr]:
        numeric, textual = self.ref(f"{tier} number{mode}"), self.ref(f"{tier} text{mode}")
        return [
            call("ABS", numeric),
            call("ROUND", Seq(numeric, optional(Seq(text(", "), words(*"0123456789"))))),
            call("LENGTH", textual),
            call("INSTR", textual, Ref("text")),
            call("JULIANDAY", textual),
            call("COALESCE", numeric, Choice(self.ref(f"plain number{mode}"), Ref("number"))),
            Seq(words("CAST(", "cast("), Choice(numeric, textual), words(" AS INTEGER)", " AS REAL)")),
        ]

    def _text_calls(self, tier: str, mode: str) -> list[Expr]:
        numeric, textual = self.ref(f"{tier} number{mode}"), self.ref(f"{tier} text{mode}")
        part = Seq(text(", "), optional(text("-")), Ref("integer"))
        return [
            *(call(function, textual) for function in ("UPPER", "LOWER", "TRIM", "DATE")),
            call("SUBSTR", Seq(textual, Repeat(part, 1, 2))),
            call("REPLACE", textual, Ref("text"), Ref("text")),
            call("STRFTIME", words(*(f"'{form}'" for form in FORMATS)), textual),
            call("COALESCE", textual, Choice(self.ref(f"plain text{mode}"), Ref("text"))),
            Seq(words("CAST(", "cast("), numeric, text(" AS TEXT)")),
        ]

    def _case(self, kind: Kind, mode: str) -> Expr:
        value = Choice(self.ref(f"flat {kind}{mode}"), Ref(kind))
        when = Seq(text(" WHEN "), self.ref(f"flat condition{mode}"), text(" THEN "), value)
        return Seq(text("CASE"), Repeat(when, 1, None), optional(Seq(text(" ELSE "), value)), text(" END"))

    # ---- conditions ----------------------------------------------------------------------------------------------

    def _conditions(self, mode: str) -> dict[str, Expr]:
        ref = self.ref
        grouped = Seq(optional(text("NOT ")), text("("), ref(f"bare condition{mode}"), text(")"))
        exists = [Seq(optional(text("NOT ")), ref("exists"))] if self.others else []
        both: dict[str, Expr] = {
            f"flat test{mode}": Choice(self._null(), *(self._flat(kind, mode) for kind in KINDS)),
            f"bare test{mode}": Choice(self._null(), *(self._tests(kind, mode) for kind in KINDS), *exists),
            f"test{mode}": Choice(ref(f"bare test{mode}"), grouped),
        }
        for tier in ("flat ", "bare ", ""):
            both[f"{tier}all{mode}"] = listed(ref(f"{tier}test{mode}"), " AND ")
            both[f"{tier}condition{mode}"] = listed(ref(f"{tier}all{mode}"), " OR ")
        return both

    def _null(self) -> Expr:
        return Seq(self.ref("column"), words(" IS NULL", " IS NOT NULL"))

    def _comparison(self, kind: Kind, left: Expr, right: Expr) -> Expr:
        return Seq(left, words(*COMPARISONS, *((" LIKE ", " NOT LIKE ") if kind == "text" else ())), right)

    def _flat(self, kind: Kind, mode: str) -> Expr:
        led = self.ref(f"flat {kind}{mode}")
        return self._comparison(kind, led, Choice(led, Ref(kind)))

    def _tests(self, kind: Kind, mode: str) -> Expr:
        led, value = self.ref(f"led {kind}{mode}"), self.ref(f"any {kind}{mode}")
        negated = optional(text("NOT "))
        members: list[Expr] = [Seq(text("("), listed(Ref(kind)), text(")"))]
        if self.sub is not None:
            members.append(self.sub(f"column of {kind}"))
        return Choice(
            self._comparison(kind, led, value),
            Seq(led, text(" "), negated, text("BETWEEN "), value, text(" AND "), value),
            Seq(led, text(" "), negated, text("IN "), Choice(*members)),
        )

    def _exists(self, other: Member) -> Expr:
        """A sub-query on one other table that is tied to this scope by an equality."""
        assert self.sub is not None
        kinds = [kind for kind in KINDS if self.scope.holds(kind) and other.table.of_kind(kind)]
        ties = [Seq(other.columns(kind), text(" = "), self.ref(f"outer {kind}")) for kind in kinds]
        further = optional(self.sub(f"and all of {Scope((other,)).key}"))
        return Seq(text("EXISTS (SELECT 1 FROM "), other.declared(), text(" WHERE "), Choice(*ties), further, text(")"))
