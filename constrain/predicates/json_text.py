"""``JsonValidates``: JSON whose value a validator accepts. Beginnings are judged by the engine, exactly, as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from constrain.frontends.gbnf import gbnf_grammar
from constrain.testing import byte_vocabulary
from constrain.tokens.pushdown import PushdownAutomaton

# RFC 8259: any value, blanks around every token, any member names, escapes of lone surrogates.
JSON = r"""
root   ::= ws value ws
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws (member ("," ws member)*)? "}"
member ::= string ws ":" ws value ws
array  ::= "[" ws (value ws ("," ws value ws)*)? "]"
string ::= "\"" ([^"\\\x00-\x1f] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))* "\""
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?
ws     ::= [ \t\n\r]*
"""
Validator = Callable[[Any], object]


class JsonValidates:
    """UTF-8 text that is JSON (RFC 8259), with a value that a validator accepts.

    ``validator`` is a function of the value that returns a truth value, or ``None``, which accepts; a validator of
    jsonschema (``Draft202012Validator(schema)``); a Pydantic model or ``TypeAdapter`` (which read the text themselves).
    An exception of the kinds ``rejects`` rejects; others are mistakes in the validator and come out. For a JSON Schema
    ``constrain.json_schema`` is a grammar: it says what comes next, and a predicate only what is wrong.

    The value is the one that Python's ``json`` makes: of equal names the last counts; what it cannot make (nested too
    deep, an integer of thousands of digits) is rejected. ``NaN`` and ``Infinity`` are no JSON.

    ``prefix_ok`` accepts exactly the beginnings of JSON texts; the validator is asked at the end only. Cost: a step of
    the engine for each byte.
    """

    def __init__(self, validator: object, rejects: type[Exception] | tuple[type[Exception], ...] = ValueError) -> None:
        """Raises ``ValueError`` for what is no validator, such as a schema."""
        self.validate, self.reads_text = _function(validator)
        self.rejects = rejects

    def complete_ok(self, text: bytes) -> bool:
        """Is the text JSON, and does the validator accept it?"""
        json_texts = automaton()
        state = json_texts.advance_bytes(json_texts.start(), text)
        return state is not None and json_texts.is_accepting(state) and self._is_accepted(text)

    def prefix_ok(self, text: bytes) -> bool:
        """Is the text a beginning of JSON?"""
        json_texts = automaton()
        return json_texts.advance_bytes(json_texts.start(), text) is not None

    def _is_accepted(self, text: bytes) -> bool:
        try:
            value = text if self.reads_text else json.loads(text)
        except (ValueError, RecursionError):  # JSON, but more than the module can make a value of
            return False
        try:
            verdict = self.validate(value)
        except self.rejects:
            return False
        return self.reads_text or verdict is None or bool(verdict)


@cache
def automaton() -> PushdownAutomaton:
    """All JSON texts, a byte a token."""
    return PushdownAutomaton(gbnf_grammar(JSON), byte_vocabulary())


def _function(validator: object) -> tuple[Validator, bool]:
    """The function to call, and does it take text rather than a value?"""
    for name, reads_text in (("model_validate_json", True), ("validate_json", True), ("is_valid", False)):
        method = getattr(validator, name, None)
        if callable(method):
            return method, reads_text
    if not callable(validator):
        hint = "for a JSON Schema: constrain.json_schema(schema) as a grammar, or Draft202012Validator(schema) here"
        raise ValueError(
            f"a validator is a function of a value, or has is_valid, not {type(validator).__name__}: {hint}"
        )
    return validator, False
