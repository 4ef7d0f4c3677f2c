"""``uniqueItems``: items that differ, tracked by the ``Bag`` that holds them.

Null, truth values and values of ``enum`` occur at most once each, as kinds of their own. Strings and numbers are
the words of the bag. For that each value has one spelling as a word: strings are compared by value, and numbers
are written without an exponent, without zeros at the end of a fraction, and without a fraction where they are whole.
Arrays and objects cannot be compared while they are written: such schemas are refused.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from constrain.frontends.json_schema.facts import (
    ARRAY,
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Facts,
    Located,
)
from constrain.frontends.json_schema.languages import meet_rx
from constrain.frontends.json_schema.layout import QUOTE
from constrain.frontends.json_schema.outcome import Impossible, Lowerer
from constrain.frontends.json_schema.pointer import Path
from constrain.frontends.json_schema.strings import string_terminal
from constrain.frontends.json_schema.values import equality_key, spell_value
from constrain.ir.grammar import Item, Terminal
from constrain.ir.rx import Rx, chars, concat, literal, repeat, union

_DIGIT = chars(((48, 57),))
_NONZERO = chars(((49, 57),))
_WHOLE = concat((_NONZERO, repeat(_DIGIT, 0, None)))
_FRACTION = concat((literal("."), repeat(_DIGIT, 0, None), _NONZERO))
_POSITIVE = union((concat((_WHOLE, repeat(_FRACTION, 0, 1))), concat((literal("0"), _FRACTION))))
CANONICAL_NUMBER: Rx = union((literal("0"), concat((repeat(literal("-"), 0, 1), _POSITIVE))))
CANONICAL_INTEGER: Rx = union((literal("0"), concat((repeat(literal("-"), 0, 1), _WHOLE))))


def unique_items(lowerer: Lowerer, located: Located, path: Path, depth: int) -> list[Item] | str:
    """The kinds of items that satisfy ``located``, or why they cannot be told apart."""
    ways = lowerer.alternatives((located,))
    values, open_ = _sort(lowerer, ways)
    for facts in open_:
        if facts.types & (ARRAY | OBJECT):
            return "items may be arrays or objects, and whether two of those are equal is no matter of a finite state"
    items: list[Item] = []
    open_types = 0
    for facts in open_:
        open_types |= facts.types
    once: dict[Any, Any] = {equality_key(value): value for value in values}
    if open_types & NULL:
        once[equality_key(None)] = None
    if open_types & BOOLEAN:
        once |= {equality_key(value): value for value in (True, False) if not _bans(open_, value)}
    for value in once.values():
        if isinstance(value, str) and open_types & STRING:
            items.append(_word(lowerer, Terminal(literal(value), "json", name="string"), True))
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and open_types & NUMBER:
            items.append(_word(lowerer, Terminal(literal(_canonical(value)), name="number"), False))
        else:
            spelled = spell_value(value, lowerer.layout, path, lowerer.any_order)
            items.append(Item(lowerer.layout.item(spelled), 0, 1))
    for facts in open_:
        if facts.types & STRING:
            terminal = string_terminal(lowerer, facts)
            if not isinstance(terminal, Impossible):
                items.append(_word(lowerer, terminal, True))
        if facts.types & NUMBER:
            items.append(_word(lowerer, _number(lowerer, facts), False))
    return items


def _sort(lowerer: Lowerer, ways: list[Facts]) -> tuple[list[Any], list[Facts]]:
    """The values of the alternatives that list theirs, and the other alternatives."""
    values: list[Any] = []
    open_ = []
    for facts in ways:
        if facts.values is not None:
            values += lowerer.possible_values(facts)
        else:
            open_.append(facts)
    return values, open_


def _bans(ways: list[Facts], value: bool) -> bool:
    return all(not facts.types & BOOLEAN or equality_key(value) in map(equality_key, facts.excluded) for facts in ways)


def _word(lowerer: Lowerer, terminal: Terminal, quoted: bool) -> Item:
    return Item(lowerer.layout.blanks_after, 0, None, opening=QUOTE if quoted else None, word=terminal)


def _number(lowerer: Lowerer, facts: Facts) -> Terminal:
    whole_only = facts.types & NUMBER == INTEGER
    canonical = CANONICAL_INTEGER if whole_only else CANONICAL_NUMBER
    if (
        facts.lower is None
        and facts.upper is None
        and not facts.multiples
        and not facts.excluded
        and facts.types & INTEGER
    ):
        return Terminal(canonical, name="number")
    return Terminal(meet_rx(canonical, lowerer.number_rx(facts)), name="number")


def _canonical(value: int | float) -> str:
    """The one spelling of a number as a word: ``Decimal`` knows how to do without an exponent."""
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
