"""Values written down in a schema (``enum``, ``const``): equality as JSON sees it, and how they are spelled."""

from __future__ import annotations

import json
from collections.abc import Hashable
from json.encoder import encode_basestring
from math import isfinite
from reprlib import repr as brief
from typing import Any

from constrain.errors import LimitExceeded
from constrain.frontends.json_schema.facts import ARRAY, BOOLEAN, FRACTION, INTEGER, NULL, OBJECT, STRING
from constrain.frontends.json_schema.layout import Layout
from constrain.frontends.json_schema.pointer import MAX_DEPTH, Path, malformed
from constrain.ir.grammar import Bag, Choice, Expr, Item, Literal

_TYPE_BITS = {type(None): NULL, bool: BOOLEAN, int: INTEGER, str: STRING, list: ARRAY, dict: OBJECT}
MAX_FREE = 64  # values whose members may come in any order: the engine follows all of them at once
MAX_EXACT = 2**53  # up to here every whole number is a floating-point number too


def spell_string(text: str) -> bytes:
    """The canonical spelling: only what must be escaped is (lone surrogates must, as UTF-8 has none)."""
    try:
        return encode_basestring(text).encode()
    except UnicodeEncodeError:
        return json.dumps(text).encode()


def equality_key(value: Any, depth: int = 0) -> Hashable:
    """Equal for two values exactly if JSON Schema calls them equal: ``1`` is ``1.0`` and is not ``true``."""
    if value.__class__ is str:
        return value
    if depth > MAX_DEPTH:
        raise LimitExceeded("nesting of a value in enum or const", depth, MAX_DEPTH)
    if isinstance(value, bool):
        return ("truth", value)
    if isinstance(value, list):
        return ("array", tuple(equality_key(item, depth + 1) for item in value))
    if isinstance(value, dict):
        return ("object", frozenset((name, equality_key(member, depth + 1)) for name, member in value.items()))
    return ("number", value)


def type_bit(value: Any, digits_only: bool) -> int:
    """The type of a JSON value; ``digits_only``: ``1.0`` is no integer. Raises ``KeyError`` or ``ValueError`` for what
    is none."""
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(value)
        return INTEGER if value.is_integer() and not digits_only else FRACTION
    return _TYPE_BITS[type(value)]


def common_values(left: list[Any], right: list[Any]) -> list[Any]:
    """The values of ``left`` that are also in ``right``."""
    keys = {equality_key(value) for value in right}
    return [value for value in left if equality_key(value) in keys]


def spell_values(values: list[Any], layout: Layout, path: Path, any_order: bool = False) -> Expr:
    """Exactly these values, each once, in canonical spelling; blanks inside them as ``layout`` says. ``any_order``: the
    members of objects need not be in the order written, if there are few values."""
    if all(value.__class__ is str for value in values):
        parts: list[Expr] = [Literal(spell_string(value)) for value in dict.fromkeys(values)]
    else:
        distinct = {equality_key(value): value for value in reversed(values)}
        any_order = any_order and len(distinct) <= MAX_FREE
        parts = [spell_value(value, layout, path, any_order) for value in reversed(distinct.values())]
    return parts[0] if len(parts) == 1 else Choice(*parts)


def spell_value(value: Any, layout: Layout, path: Path, any_order: bool, depth: int = 0) -> Expr:
    """One value in canonical spelling. Raises ``LimitExceeded`` when it is nested too deeply."""
    if depth > MAX_DEPTH:
        raise LimitExceeded("nesting of a value in enum or const", depth, MAX_DEPTH)
    if isinstance(value, str):
        return Literal(spell_string(value))
    if isinstance(value, list):
        items = [layout.item(spell_value(v, layout, path, any_order, depth + 1)) for v in value]
        return layout.array(layout.list_of(items))
    if isinstance(value, dict):
        members = [
            layout.member(spell_string(name), spell_value(v, layout, path, any_order, depth + 1))
            for name, v in value.items()
        ]
        if any_order and len(members) > 1:
            return layout.object(Bag(tuple(Item(member, 1, 1) for member in members), layout.comma))
        return layout.object(layout.list_of(members))
    return Choice(*map(Literal, spell_scalar(value, layout, path)))


def spell_scalar(value: Any, layout: Layout, path: Path) -> list[bytes]:
    """``null``, a truth value or a number. A whole number is also spelled with ``.0``, as long as floating point holds
    it, and a float that is whole without: they are equal (but ``1.0`` is no integer until draft-04)."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (ValueError, TypeError):
        raise malformed(path, f"{brief(value)} is not a JSON value") from None
    if isinstance(value, float) and text.endswith(".0"):
        text, value = text[:-2], int(value)
    if type(value) is int and abs(value) <= MAX_EXACT and not layout.integers_are_digits:
        return [text.encode(), text.encode() + b".0"]
    return [text.encode()]
