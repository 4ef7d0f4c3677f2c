"""Reading JSON texts with a grammar: by the definitions, by the engine, and without caring for the order of members."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice, permutations, product
from typing import Any

from naive.language import accepts

import constrain
from constrain.errors import GrammarError, LimitExceeded, UnsupportedSchema
from constrain.frontends.json_schema import json_schema_grammar
from constrain.ir.grammar import Grammar
from constrain.testing import byte_vocabulary

BYTES = byte_vocabulary()


def spell(value: Any) -> str:
    """The text of ``value``: what need not be escaped is not, but for lone surrogates, which UTF-8 does not have."""
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if any(map(_is_surrogate, text)) else text


def _is_surrogate(symbol: str) -> bool:
    return 0xD800 <= ord(symbol) <= 0xDFFF


def orders(value: Any) -> Iterator[Any]:
    """``value`` with the members of its objects in every order."""
    if isinstance(value, list):
        yield from map(list, product(*(list(orders(item)) for item in value)))
    elif isinstance(value, dict):
        for names in permutations(value):
            for members in product(*(list(orders(value[name])) for name in names)):
                yield dict(zip(names, members, strict=True))
    else:
        yield value


def accepts_text(grammar: Grammar, text: str) -> bool:
    return accepts(grammar, text.encode("utf-8", "surrogatepass"))


def accepts_value(grammar: Grammar, value: Any, most: int = 24) -> bool:
    """Is some order of the members of ``value`` in the language? (Naive membership; the first ``most`` orders.)"""
    return any(accepts_text(grammar, json.dumps(v, ensure_ascii=False)) for v in islice(orders(value), most))


def verdict_on(schema: Any, **options: Any) -> ByteEngine | str:
    """The engine for a schema; or ``refused``, or ``impossible`` if no value satisfies it. Other errors are raised."""
    try:
        return ByteEngine(json_schema_grammar(schema, **options))
    except (UnsupportedSchema, LimitExceeded):
        return "refused"
    except GrammarError as error:
        if "no value satisfies" in str(error) or "no text at all" in str(error):
            return "impossible"
        raise


class ByteEngine:
    """The engine over single bytes: verdicts on whole texts, and on values whatever the order of their members."""

    def __init__(self, grammar: Grammar) -> None:
        self.automaton = constrain.compile(grammar, BYTES)

    def text(self, text: str | bytes) -> bool:
        data = text.encode() if isinstance(text, str) else text
        state = self.automaton.advance_bytes(self.automaton.start(), data)
        return state is not None and self.automaton.is_accepting(state)

    def value(self, value: Any) -> bool:
        return any(map(self.automaton.is_accepting, self.read({self.automaton.start()}, value)))

    def feed(self, states: set[int], text: str) -> set[int]:
        data = text.encode()
        return {s for state in states if (s := self.automaton.advance_bytes(state, data)) is not None}

    def read(self, states: set[int], value: Any) -> set[int]:
        if not states or not isinstance(value, (list, dict)):
            return self.feed(states, json.dumps(value, ensure_ascii=False)) if states else states
        if isinstance(value, list):
            states = self.feed(states, "[")
            for i, item in enumerate(value):
                states = self.read(self.feed(states, ", " if i else ""), item)
            return self.feed(states, "]")
        return self.feed(self.members(self.feed(states, "{"), value, frozenset(value), {}), "}")

    def members(self, states: set[int], value: dict[str, Any], left: frozenset[str], seen: dict[Any, Any]) -> set[int]:
        if not left or not states:
            return states
        key = (left, frozenset(states))
        if key not in seen:
            comma = ", " if len(left) < len(value) else ""
            seen[key] = set()
            for name in left:
                after = self.read(self.feed(states, f"{comma}{json.dumps(name, ensure_ascii=False)}: "), value[name])
                seen[key] |= self.members(after, value, left - {name}, seen)
        return seen[key]
