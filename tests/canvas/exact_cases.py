"""The grammars and cases of ``../shared/data/diffusion/exact_canvas.jsonl``, as grammars and canvases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from canvas.reference_grammars import blank_text

from constrain.canvas.base import OPEN, Ending
from constrain.frontends.regex import regex_to_rx
from constrain.ir.grammar import Choice, Expr, Grammar, Ref, Seq, Terminal
from constrain.vocab.vocabulary import Vocabulary

FOLDER = Path(__file__).parents[2] / "../shared/data/diffusion"

JSON_TEXT = """S -> V
V -> { } | { M } | [ ] | [ L ] | str | num | true | false | null
M -> str : V | str : V , M
L -> V | V , L"""
SMALL: dict[str, dict[str, Any]] = {
    "json": {
        "text": JSON_TEXT,
        "terminals": {
            "str": r'"([^"\\\x00-\x1f]|\\(["\\/bfnrt]|u[0-9a-fA-F]{4}))*"',
            "num": r"-?(0|[1-9][0-9]*)(\.[0-9]+)?",
            "true": "true", "false": "false", "null": "null",
            "{": r"\{", "}": r"\}", "[": r"\[", "]": r"\]", ":": ":", ",": ",",
        },
        "strip_chars": " \n",
    },
    "brackets": {"text": "S -> P | P S\nP -> ( ) | ( S )", "terminals": {"(": r"\(", ")": r"\)"}, "strip_chars": ""},
    "sums": {
        "text": "S -> S + T | S - T | T\nT -> ( S ) | - T | num",
        "terminals": {"+": r"\+", "-": "-", "(": r"\(", ")": r"\)", "num": "[0-9]+"},
        "strip_chars": "",
    },
    "as then bs": {"text": "S -> a S b | a b", "terminals": {"a": "a", "b": "b"}, "strip_chars": ""},
    "twice": {"text": "S -> | a S a | b S b", "terminals": {"a": "a", "b": "b"}, "strip_chars": ""},
    "ambiguous": {"text": "S -> S S | ab | a | b", "terminals": {"ab": "ab", "a": "a+", "b": "b"}, "strip_chars": ""},
}  # fmt: skip


def grammar_of(data: dict[str, Any]) -> Grammar:
    """Rules as text over terminals with patterns, blanks behind each."""
    blanks = blank_text(data["strip_chars"])
    terminals = {name: Seq(Terminal(regex_to_rx(p)), blanks) for name, p in data["terminals"].items()}
    lines = [line.split("->", 1) for line in data["text"].splitlines()]
    heads = {head.strip() for head, _ in lines}
    rules: dict[str, Expr] = {}
    for head, sides in lines:
        parts = [[Ref(s) if s in heads else terminals[s] for s in side.split()] for side in sides.split("|")]
        rules[head.strip()] = Choice(*(Seq(*symbols) for symbols in parts))
    return Grammar("text", {"text": Seq(blanks, Ref("S")), **rules})


def cases() -> list[dict[str, Any]]:
    """All rows; none where the data is not there."""
    path = FOLDER / "exact_canvas.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def grammars() -> dict[str, Grammar]:
    """The grammars that rows name."""
    data = json.loads((FOLDER / "grammars.json").read_text())["exact_k_grammars"]
    return {name: grammar_of(data["json"] if name == "json_bytes" else row) for name, row in data.items()}


def canvas_of(row: dict[str, Any]) -> tuple[Vocabulary, list[int], Ending]:
    """A row's vocabulary, slots and ending; its -1 is the end."""
    tokens = [bytes.fromhex(text) for text in row["vocab_hex"]]
    end = len(tokens)
    slots = [OPEN if token is None else end if token == -1 else token for token in row["canvas"]]
    return Vocabulary(tokens, [end]), slots, Ending(frozenset([end] if row["eos_allowed"] else []), frozenset())
