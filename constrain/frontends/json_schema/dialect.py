"""The drafts of JSON Schema, as far as they differ in what is supported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from constrain.errors import UnsupportedSchema


@dataclass(frozen=True)
class Dialect:
    """What a draft means by the words that changed. ``year`` orders the drafts."""

    name: str
    year: int
    declared: bool = True  # named by the schema or the caller, not assumed

    @property
    def reference_stands_alone(self) -> bool:
        """Until draft-07 the siblings of ``$ref`` are ignored."""
        return self.year < 2019

    @property
    def integers_are_digits(self) -> bool:
        """Until draft-04 ``1.0`` is not an integer."""
        return self.year <= 2013

    @property
    def items_may_be_list(self) -> bool:
        """Before 2020-12 a list under ``items`` is what ``prefixItems`` is now."""
        return self.year < 2020 or not self.declared

    @property
    def id_word(self) -> str:
        return "id" if self.year <= 2013 else "$id"


DIALECTS = {
    "draft-04": Dialect("draft-04", 2013),
    "draft-06": Dialect("draft-06", 2017),
    "draft-07": Dialect("draft-07", 2018),
    "2019-09": Dialect("2019-09", 2019),
    "2020-12": Dialect("2020-12", 2020),
}
ASSUMED = Dialect("2020-12", 2020, declared=False)

_BY_ADDRESS = {f"json-schema.org/{name}/schema": dialect for name, dialect in DIALECTS.items()} | {
    f"json-schema.org/draft/{name}/schema": DIALECTS[name] for name in ("2019-09", "2020-12")
}


def dialect_of(schema: Any, fallback: Dialect) -> Dialect:
    """The draft that ``$schema`` names, or ``fallback`` where the schema names none."""
    address = schema.get("$schema") if isinstance(schema, dict) else None
    if address is None:
        return fallback
    known = _BY_ADDRESS.get(str(address).partition("://")[2].rstrip("#"))
    if known is None:
        hint = "known are " + ", ".join(DIALECTS) + "; remove $schema if the schema keeps to one of them"
        raise UnsupportedSchema("$schema", "", f"unknown draft {address!r}", hint=hint)
    return known
