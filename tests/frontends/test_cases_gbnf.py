"""The GBNF cases of other projects' tests: every verdict agrees, or the grammar is refused by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import constrain
from constrain.errors import GrammarError
from constrain.testing import byte_vocabulary

#: What is refused, and why: a token is no text, and a grammar here is one of texts.
REFUSED = {
    "ggml-org/llama.cpp tests/test-grammar-integration.cpp \"simple grammar with tokens\"": "references to tokens",
    "ggml-org/llama.cpp tests/test-grammar-integration.cpp \"complex grammar with tokens\"": "references to tokens",
}  # fmt: skip


#: Gold answers of grammar-aligned decoding that are no members of their own grammar, which has other constants.
GOLD_ELSEWHERE = {
    "phone-3-long", "find_inv_bvsge_bvashr1_4bit", "find_inv_bvsge_bvnot_4bit", "find_inv_bvsgt_bvor_4bit",
    "find_inv_bvugt_bvurem1_4bit", "find_inv_ne_bvudiv1_4bit",
}  # fmt: skip


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("cases/*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["kind"] == "gbnf":
                yield row


def wrong(row: dict[str, Any]) -> list[tuple[str, str]]:
    """The verdicts that are not ours."""
    automaton = constrain.compile(constrain.gbnf(row["grammar"]), byte_vocabulary())
    found = []
    for kind in ("accept", "reject", "prefix_accept", "prefix_reject"):
        for text in row.get(kind) or ():
            state = automaton.advance_bytes(automaton.start(), text.encode())
            member = state is not None and (kind.startswith("prefix") or automaton.is_accepting(state))
            if member != kind.endswith("accept"):
                found.append((kind, text))
    return found


pytestmark = pytest.mark.filterwarnings("ignore:rules that the start rule never reaches")  # theirs have such


def test_verdicts_of_other_projects(shared_data: Path) -> None:
    verdicts = 0
    refused = {}
    for row in rows(shared_data):
        assert not row.get("error"), "no case says that a grammar is bad: should one come, it has to be looked at"
        try:
            assert wrong(row) == [], row["source"]
        except GrammarError as error:
            refused[row["source"]] = error.message
            continue
        verdicts += sum(len(row.get(kind) or ()) for kind in ("accept", "reject", "prefix_accept", "prefix_reject"))
    assert verdicts > 600, verdicts
    assert refused.keys() == REFUSED.keys()
    assert all(REFUSED[source] in message for source, message in refused.items())


def test_grammars_of_grammar_aligned_decoding(shared_data: Path) -> None:
    """All of them load as EBNF, and the gold answers beside them are members."""
    paths = sorted((shared_data / "faithful/gad").rglob("*.ebnf"))
    members, others = set(), set()
    for path in paths:
        automaton = constrain.compile(constrain.ebnf(path), byte_vocabulary())
        gold = path.with_suffix("")
        if gold.is_file():
            state = automaton.advance_bytes(automaton.start(), gold.read_bytes().strip())
            (members if state is not None and automaton.is_accepting(state) else others).add(path.stem)
    assert len(paths) >= 30 and len(members) >= 20, (len(paths), len(members))
    assert others == GOLD_ELSEWHERE
