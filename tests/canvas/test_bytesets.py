"""Terminals as automata over bytes: strings of a bounded length, in all spellings that JSON has for a symbol."""

from __future__ import annotations

import json
from random import Random

import constrain
from constrain.canvas.bytesets import NOWHERE, ByteDfa
from constrain.canvas.normal import normal_form
from constrain.canvas.tokendfa import regular_language

PIECES = ["a", "é", "€", "😀", "\\n", '\\"', "\\u0041", "\\uD83D\\uDE00", "\\ude00", "\\x", '"', "\n"]


def strings_up_to(length: int) -> ByteDfa:
    dfa = regular_language(normal_form(constrain.json_schema({"type": "string", "maxLength": length})))
    assert dfa is not None
    return dfa


def accepts(dfa: ByteDfa, text: bytes) -> bool:
    state = 0
    for byte in text:
        if state != NOWHERE:
            state = int(dfa.step[state, byte])
    return state != NOWHERE and bool(dfa.accepts[state])


def is_string(text: str, length: int) -> bool:
    try:
        value = json.loads(text)
        value.encode()  # no half of a pair
    except ValueError:
        return False
    return isinstance(value, str) and len(value) <= length


def test_lengths_are_counted_in_symbols_however_they_are_spelled() -> None:
    rng, dfa = Random(1), strings_up_to(4)
    texts = [f'"{"".join(rng.choices(PIECES, k=rng.randint(0, 6)))}"' for _ in range(2_000)]
    expected = [is_string(text, 4) for text in texts]
    assert [accepts(dfa, text.encode()) for text in texts] == expected
    assert 200 < sum(expected) < 1_800


def test_automata_grow_with_the_length_and_not_with_the_spellings() -> None:
    sizes = [len(strings_up_to(length).accepts) for length in (10, 20, 30)]
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0]
    assert sizes[1] - sizes[0] < 10 * 30
