"""Is an output valid, and is it right? Judged without this package: by jsonschema, SQLite and RDKit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from rdkit import Chem, rdBase

from examples.diffusion.bookings import SCHEMA

LIBRARY = Path(__file__).parents[1] / "sql/library.sql"
Scores = dict[str, float]  # shares, from 0 to 1

_BOOKING = Draft202012Validator(SCHEMA)


def of_records(outputs: Sequence[str], answers: Sequence[str]) -> Scores:
    """``valid``: by the schema. ``F1`` of members: an output that is no JSON object has none. ``exact``: all of it."""
    found = [_members(_parsed(output)) for output in outputs]
    wanted = [_members(json.loads(answer)) for answer in answers]
    right = sum(len(mine & theirs) for mine, theirs in zip(found, wanted, strict=True))
    total = sum(map(len, found)) + sum(map(len, wanted))
    return {
        "valid": _share(_BOOKING.is_valid(_parsed(output)) for output in outputs),
        "F1": 2 * right / total,
        "exact": _share(mine == theirs for mine, theirs in zip(found, wanted, strict=True)),
    }


def of_queries(outputs: Sequence[str], answers: Sequence[str]) -> Scores:
    """``valid``: SQLite runs it on the library. ``exact``: the same text. (The library is so small that most questions
    have no rows for an answer: that two queries agree there says little.)"""
    return {
        "valid": _share(_runs(output) for output in outputs),
        "exact": _share(mine == theirs for mine, theirs in zip(outputs, answers, strict=True)),
    }


def of_molecules(outputs: Sequence[str], answers: Sequence[str] = ()) -> Scores:
    """``valid``: RDKit makes a molecule of it, of one atom at least. ``distinct``: valid ones, each counted once."""
    found = [molecule(output) for output in outputs]
    made = [Chem.MolToSmiles(each) for each in found if each is not None]
    return {"valid": len(made) / len(outputs), "distinct": len(set(made)) / len(outputs)}


def molecule(smiles: str) -> Any:
    """RDKit's molecule, or ``None``."""
    with rdBase.BlockLogs():
        found = Chem.MolFromSmiles(smiles)
    return found if found is not None and found.GetNumAtoms() else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _members(value: Any) -> set[tuple[str, str]]:
    return {(key, json.dumps(member)) for key, member in value.items()} if isinstance(value, dict) else set()


def _runs(query: str) -> bool:
    """Is it a query of the library?"""
    if not query.startswith("SELECT "):
        return False
    try:
        with closing(_library().execute(query)) as cursor:
            cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning):
        return False
    return True


@cache
def _library() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(LIBRARY.read_text(encoding="utf-8"))
    return connection


def _share(verdicts: Any) -> float:
    found = list(verdicts)
    return sum(found) / len(found)


OF = {"records": of_records, "sql": of_queries, "smiles": of_molecules}
