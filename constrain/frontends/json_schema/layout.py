"""``Layout``: where blanks may stand, and the parts of JSON that all schemas share.

Blanks are written *after* what they follow (the bracket, the comma, the value), never before, so that each
blank of a text has one place in the grammar. One layout serves all schemas compiled with the same options: its nodes
are the same objects each time, and a later stage may compile them once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from constrain.frontends.json_schema.numbers import any_integer, any_number
from constrain.ir.grammar import EMPTY, Bag, Choice, Common, Expr, Item, Literal, Ref, Repeat, Seq, Terminal
from constrain.ir.rx import ANY_TEXT, Rx, chars, repeat

ANY_NAME = "any"  # the rule of all JSON values; other rules are called by JSON pointers, which begin with "#"
QUOTE: Expr = Literal(b'"')
ANY_STRING: Expr = Seq(QUOTE, Terminal(ANY_TEXT, "json", name="string"))
NULL_VALUE: Expr = Literal(b"null")
BOOLEAN_VALUE: Expr = Choice(Literal(b"true"), Literal(b"false"))
BLANK: Rx = chars(((9, 10), (13, 13), (32, 32)))


class Layout:
    """The shared parts under one whitespace policy.

    ``any``      up to ``max_blanks`` blanks wherever JSON allows blanks inside the document.
    ``compact``  none at all.
    ``json``     exactly what ``json.dumps`` writes by default: ``", "`` and ``": "``.
    an ``Rx``    of blanks: one of its strings wherever JSON allows blanks inside the document.
    """

    def __init__(
        self, whitespace: str | Rx, max_blanks: int, number_digits: int | None, integers_are_digits: bool
    ) -> None:
        self.free = whitespace not in ("compact", "json")
        self.integers_are_digits = integers_are_digits
        blank = " " if whitespace == "json" else ""
        blanks = whitespace if isinstance(whitespace, Rx) else repeat(BLANK, 0, max_blanks)
        self.blanks: Expr = Terminal(blanks, name="blanks")
        self.blanks_after: Expr = self.blanks if self.free else EMPTY
        self.comma: Expr = self.item(Literal(b"," + blank.encode()))
        self.colon_bytes = b":" + blank.encode()
        mark = Literal(self.colon_bytes)
        self.colon: Expr = Seq(self.blanks, mark, self.blanks) if self.free else mark
        self.open_array: Expr = self.item(Literal(b"["))
        self.open_object: Expr = self.item(Literal(b"{"))
        self.close_array: Expr = Literal(b"]")
        self.close_object: Expr = Literal(b"}")
        self.number: Expr = Terminal(any_number(number_digits), name="number")
        self.integer: Expr = Terminal(any_integer(number_digits, integers_are_digits), name="integer")
        self.plain: dict[str, Expr] = {  # of schemas that say nothing but this type
            "string": ANY_STRING,
            "integer": self.integer,
            "number": self.number,
            "boolean": BOOLEAN_VALUE,
            "null": NULL_VALUE,
        }
        self.any_value: Expr = Ref(ANY_NAME)
        self.after_any_key = self._after_key(self.any_value)
        self.any_array = self.array(self.any_number_of(self.item(self.any_value)))
        other = Item(
            self.after_key(self.any_value), 0, None, opening=QUOTE, word=Terminal(ANY_TEXT, "json", name="key")
        )
        self.any_object = self.object(Bag((other,), self.comma))
        scalars = (NULL_VALUE, BOOLEAN_VALUE, self.number, ANY_STRING)
        self.any_rule: Expr = Choice(*scalars, self.any_array, self.any_object)
        plain = (ANY_STRING, self.integer, self.number, self.comma, self.colon, self.open_array, self.open_object)
        self.common = Common({ANY_NAME: self.any_rule}, plain)

    def array(self, items: Expr) -> Expr:
        return Seq(self.open_array, items, self.close_array)

    def object(self, members: Expr) -> Expr:
        return Seq(self.open_object, members, self.close_object)

    def item(self, value: Expr) -> Expr:
        """``value`` and the blanks that may follow it."""
        return Seq(value, self.blanks) if self.free else value

    def member(self, key: bytes, value: Expr) -> Expr:
        """An object member whose key is spelled ``key``, quotes included."""
        if self.free:
            return Seq(Literal(key), self.colon, value, self.blanks)
        return Seq(Literal(key + self.colon_bytes), value)

    def after_key(self, value: Expr) -> Expr:
        """What follows the key of a member."""
        return self.after_any_key if value is self.any_value else self._after_key(value)

    def _after_key(self, value: Expr) -> Expr:
        if self.free:
            return Seq(self.colon, value, self.blanks)
        return Seq(self.colon, value)

    def list_of(self, items: Sequence[Expr]) -> Expr:
        """All the items, with commas between them."""
        parts = [part for item in items for part in (self.comma, item)]
        return Seq(*parts[1:])

    def one_or_more(self, item: Expr) -> Expr:
        return Seq(item, Repeat(Seq(self.comma, item), 0, None))

    def any_number_of(self, item: Expr) -> Expr:
        return Choice(EMPTY, self.one_or_more(item))


@lru_cache(maxsize=64)
def layout_for(whitespace: str | Rx, max_blanks: int, number_digits: int | None, integers_are_digits: bool) -> Layout:
    """The one layout for these options."""
    return Layout(whitespace, max_blanks, number_digits, integers_are_digits)
