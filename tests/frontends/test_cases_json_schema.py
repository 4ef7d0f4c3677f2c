"""The JSON Schema cases of other projects' tests, by the standard: where a project departs from it, its row says so
(``spec_reject_valid``, ``spec_accept_invalid``), and what the rows do not say is listed here, with the reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import constrain
from constrain.errors import GrammarError
from constrain.testing import byte_vocabulary

#: What is refused (words of the message -> how many): no schemas, or without any instance.
REFUSED = {
    "a schema is an object, a boolean, JSON text": 1,  # null, which lm-format-enforcer takes for "any JSON object"
    "type is one of null, boolean, integer": 1,  # "float"
    "no value satisfies the schema": 1,  # allOf of a string and an integer, which outlines-core concatenates
}


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("cases/*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["kind"] == "json_schema":
                yield row


def by_the_standard(row: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """The texts of a row, and whether they are JSON of valid values."""
    for text in row["accept"] + row["reject"]:
        valid = text in row["accept"]
        if valid and text in (row.get("spec_accept_invalid") or ()):
            valid = False
        if not valid and text in (row.get("spec_reject_valid") or ()):
            valid = True
        yield text, valid


def departure(row: dict[str, Any], text: str) -> str:
    """Why our verdict is not the row's; empty if there is no reason."""
    if text != text.strip():
        return "no blanks around a document"
    if any(word in text for word in ("Infinity", "NaN")):
        return "Python's json reads it, RFC 8259 does not have it"
    if "exotic formats" in row["source"]:
        return "the row asserts formats, which the standard leaves open"
    return ""


def test_verdicts_of_other_projects(shared_data: Path) -> None:
    verdicts, refused, departures = 0, Counter[str](), Counter[str]()
    for row in rows(shared_data):
        schema = row["grammar"] if isinstance(row["grammar"], str) else json.dumps(row["grammar"])
        try:
            grammar = constrain.json_schema(schema, property_order="any", formats="annotate")
        except GrammarError as error:
            refused[next((known for known in REFUSED if known in str(error)), str(error))] += 1
            continue
        automaton = constrain.compile(grammar, byte_vocabulary())
        for text, valid in by_the_standard(row):
            state = automaton.advance_bytes(automaton.start(), text.encode())
            verdicts += 1
            if (state is not None and automaton.is_accepting(state)) != valid:
                reason = departure(row, text)
                assert reason, (row["source"], schema, text)
                departures[reason] += 1
    assert refused == REFUSED
    assert verdicts > 1200
    assert departures == {
        "no blanks around a document": 4,
        "Python's json reads it, RFC 8259 does not have it": 3,
        "the row asserts formats, which the standard leaves open": 4,
    }
