"""The grammars and cases of the reference implementation (``../shared/data/diffusion``), as grammars and segments.

A grammar there is a list of productions over terminals with patterns. Blanks may stand around each terminal: they are
a terminal here. Word markers (\\x02 before and \\x03 behind each word, so that words are read whole) are in the text:
``segments`` inserts them as the data asks for, but not where a word touches a gap, and gaps may contain them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from constrain.frontends.regex import regex_to_rx
from constrain.ir import rx
from constrain.ir.grammar import Choice, Expr, Grammar, Literal, Ref, Seq, Terminal

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "diffusion"
if not FOLDER.is_dir():
    FOLDER = Path("/work/shared/data/diffusion")
BLANKS = " \t\n\r"
Segments = list[bytes | None]


def cases(*kinds: str) -> list[dict[str, Any]]:
    """The rows of these kinds; none where the data is not there."""
    path = FOLDER / "partial_output.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    return [row for row in rows if row["kind"] in kinds]


def grammars() -> dict[str, Any]:
    """All grammars by name, as data."""
    data: dict[str, Any] = json.loads((FOLDER / "grammars.json").read_text(encoding="utf-8"))["grammars"]
    return data


def grammar_of(data: dict[str, Any], blanks: str = BLANKS) -> Grammar:
    """The grammar of a row's productions, with blanks around its terminals."""
    terminals = {**data["terminals"], **data["lexicon_only_terminals"]}
    rules: dict[str, list[Expr]] = {}
    for head, symbols in data["productions"]:
        rules.setdefault(f"n:{head}", []).append(Seq(*(Ref(symbol) for symbol in symbols)))
    used = {symbol for _, symbols in data["productions"] for symbol in symbols}
    named = {f"t:{name}": [terminal(pattern, blanks)] for name, pattern in terminals.items() if f"t:{name}" in used}
    undefined: dict[str, list[Expr]] = {symbol: [] for symbol in used if symbol[0] == "n"}  # they match nothing
    return _grammar({**undefined, **rules, **named}, f"n:{data['start']}", blanks)


def sequence_of(data: dict[str, Any], names: list[str]) -> Grammar:
    """The grammar of these terminals, one after another."""
    terminals = {**data["terminals"], **data["lexicon_only_terminals"]}
    return _grammar({"S": [Seq(*(terminal(terminals[name]) for name in names))]}, "S", BLANKS)


def lexeme_grammar(text: str, start: str = "S") -> Grammar:
    """A grammar as text: ``A -> b C | $``, names with a capital are rules; each other symbol is spelled with a blank
    behind it."""
    rules: dict[str, list[Expr]] = {}
    for line in filter(None, map(str.strip, re.sub(r" ; (?=\w+ ->)", "\n", text).splitlines())):
        head, _, sides = line.partition("->")
        for side in sides.split("|"):
            symbols = [s for s in side.split() if s not in ("$", "epsilon")]
            parts = [Ref(s) if s[0].isupper() else Literal(lexemes([s])) for s in symbols]
            rules.setdefault(head.strip(), []).append(Seq(*parts))
    for name in re.findall(r"\b[A-Z]\S*", text):
        rules.setdefault(name, [])  # not defined: it matches nothing
    return Grammar(start, {name: Choice(*sides) for name, sides in rules.items()})


def lexemes(names: list[str]) -> bytes:
    """A sequence of lexemes as text of ``lexeme_grammar``."""
    return b"".join(name.encode() + b" " for name in names)


def terminal(pattern: Any, blanks: str = "") -> Expr:
    """A terminal, with blanks behind it. Words are ASCII: all texts are."""
    data = {"regex": pattern} if isinstance(pattern, str) else pattern
    both, minus = ([regex_to_rx(p, re.ASCII) for p in data.get(key, ())] for key in ("and", "minus"))
    language = rx.intersect([regex_to_rx(data["regex"], re.ASCII), *both]) - rx.union(minus)
    return Seq(Terminal(language), blank_text(blanks))


def segments(row: dict[str, Any]) -> Segments:
    """The segments of a case. Without an end the text may go on."""
    given = row["segments"]
    whole = given[: given.index("<EOS>")] if "<EOS>" in given else [*given, None]
    joined: list[str | None] = []
    for segment in whole:
        if segment is not None and joined and joined[-1] is not None:
            joined[-1] += segment
        else:
            joined.append(segment)
    marked = row.get("word_markers") == "insert"
    return [s if s is None else (_marked(joined, k) if marked else s).encode() for k, s in enumerate(joined)]


def _marked(joined: list[str | None], index: int) -> str:
    """A segment with markers around its words, but not at an end of it that touches a gap."""
    text = joined[index] or ""
    at_gap = {0} if index > 0 else set()
    at_gap |= {len(text)} if index < len(joined) - 1 else set()
    return re.sub(
        r"\w+",
        lambda m: "\x02" * (m.start() not in at_gap) + m.group() + "\x03" * (m.end() not in at_gap),
        text,
    )


def mark(text: str) -> bytes:
    """A text with markers around its words."""
    return _marked([text], 0).encode()


def blank_text(blanks: str) -> Expr:
    """Any number of these characters."""
    return Terminal(rx.repeat(rx.chars((ord(c), ord(c)) for c in blanks), 0, None) if blanks else rx.EPSILON)


def _grammar(rules: dict[str, list[Expr]], start: str, blanks: str) -> Grammar:
    bodies: dict[str, Expr] = {name: Choice(*sides) for name, sides in rules.items()}
    return Grammar("text", {"text": Seq(blank_text(blanks), Ref(start)), **bodies})
