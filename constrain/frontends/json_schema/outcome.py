"""What lowering a schema gives: an expression, or the place and the reason why no value satisfies the schema."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from constrain.frontends.json_schema.facts import Branch, Facts, Keys, Located, Refusal, Text
from constrain.frontends.json_schema.layout import Layout
from constrain.frontends.json_schema.pointer import Path
from constrain.ir.grammar import Choice, Expr
from constrain.ir.rx import Rx


@dataclass(frozen=True, slots=True)
class Impossible:
    """No value satisfies the schema at ``path``."""

    path: Path
    reason: str


Outcome = Expr | Impossible


def union_of(outcomes: Iterable[Outcome]) -> Expr | None:
    """What one of ``outcomes`` gives; ``None`` if all are impossible."""
    possible = [outcome for outcome in outcomes if not isinstance(outcome, Impossible)]
    return None if not possible else possible[0] if len(possible) == 1 else Choice(*possible)


class Lowerer(Protocol):
    """What the makers of strings, arrays and objects need of the whole."""

    layout: Layout
    any_order: bool
    digits: int | None
    digits_only: bool

    def lower(self, located: Located, depth: int) -> Outcome:
        """The expression of a schema."""
        ...

    def alternatives(self, branch: Branch) -> list[Facts]:
        """Facts without choices whose union is the meeting of ``branch``."""
        ...

    def satisfies(self, value: Any, branch: Branch) -> bool:
        """Does ``value`` satisfy all of ``branch``?"""
        ...

    def possible_values(self, facts: Facts) -> list[Any]:
        """The values of ``enum`` and ``const`` that satisfy all of ``facts``."""
        ...

    def string_rx(self, facts: Facts) -> Rx:
        """The strings that satisfy ``facts``; their lengths are not looked at."""
        ...

    def text_rx(self, text: Text) -> Rx:
        """The strings that a pattern or format asks for."""
        ...

    def is_match(self, text: Text, value: str) -> bool:
        """Is ``value`` one of them?"""
        ...

    def keys_rx(self, keys: Keys) -> Rx:
        """The strings that are such keys."""
        ...

    def number_rx(self, facts: Facts) -> Rx:
        """The texts of the numbers that satisfy ``facts``."""
        ...

    def refuse(self, refusal: Refusal) -> None:
        """Raise ``UnsupportedSchema``, or note what is not enforced and go on with a superset."""
        ...

    def uses(self, how: str, path: Path, words: Iterable[str]) -> None:
        """Note for the report that these keywords are enforced by counters or by state."""
        ...

    def anything(self, expr: Expr) -> Expr:
        """``expr``, a shared part that refers to the rule of all JSON values."""
        ...

    def add_rule(self, name: str, body: Expr) -> Expr:
        """A new rule, called ``name`` or something like it, and the reference to it."""
        ...
