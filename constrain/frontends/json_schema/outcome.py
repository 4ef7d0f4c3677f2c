"""What lowering a schema gives: an expression, or the place and the reason why no value satisfies the schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from constrain.frontends.json_schema.layout import Layout
from constrain.frontends.json_schema.pointer import Path
from constrain.ir.grammar import Expr
from constrain.ir.rx import Rx


@dataclass(frozen=True, slots=True)
class Impossible:
    """No value satisfies the schema at ``path``."""

    path: Path
    reason: str


Outcome = Expr | Impossible


class Lowerer(Protocol):
    """What the makers of strings, arrays and objects need of the whole."""

    layout: Layout
    any_order: bool

    def lower(self, schema: Any, path: Path, depth: int, top: str | None = None) -> Outcome:
        """The expression of the schema ``schema`` at ``path``."""
        ...

    def pattern(self, text: str, path: Path) -> Rx:
        """The strings in which the regular expression ``text`` matches somewhere."""
        ...

    def anything(self, expr: Expr) -> Expr:
        """``expr``, a shared part that refers to the rule of all JSON values."""
        ...

    def add_rule(self, name: str, body: Expr) -> Expr:
        """A new rule, called ``name`` or something like it, and the reference to it."""
        ...
