"""JSON Schema on data of others: the official test suite and real schemas with instances."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from json_schema_oracles import ByteEngine, accepts_value

from constrain.errors import GrammarError, UnsupportedSchema
from constrain.frontends.json_schema import json_schema_grammar
from constrain.ir.grammar import Grammar

# draft: fewest schemas that must be covered
DRAFTS = {"2020-12": 115, "2019-09": 110, "draft-07": 100, "draft-06": 100, "draft-04": 65}

# Valid instances that are rejected by policy: until draft-04 the whole numbers of enum are spelled with digits only.
BY_POLICY = {
    ("draft-04", "enum with 0 does not match false", "float zero is valid"),
    ("draft-04", "enum with [0] does not match [false]", "[0.0] is valid"),
    ("draft-04", "enum with 1 does not match true", "float one is valid"),
    ("draft-04", "enum with [1] does not match [true]", "[1.0] is valid"),
}


@pytest.mark.parametrize("draft", DRAFTS)
def test_official_suite(draft: str, shared_data: Path) -> None:
    folder = (
        shared_data / "json-schema-test-suite/tests" / (draft.replace("-0", "") if draft[0] == "d" else f"draft{draft}")
    )
    wrong, covered = set(), 0
    for path in sorted(folder.glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8")):
            grammar = grammar_or_none(case["schema"], any(test["valid"] for test in case["tests"]), draft)
            covered += grammar is not None
            for test in case["tests"] if grammar else ():
                if accepts_value(grammar, test["data"]) != test["valid"]:
                    wrong.add((draft, case["description"], test["description"]))
    assert wrong == {entry for entry in BY_POLICY if entry[0] == draft}
    assert covered >= DRAFTS[draft]


def grammar_or_none(schema: Any, satisfiable: bool, draft: str | None = None) -> Grammar | None:
    """The grammar; ``None`` when a keyword is refused, or when nothing satisfies the schema and that is right."""
    try:
        return json_schema_grammar(schema, draft=draft)
    except UnsupportedSchema:
        return None
    except GrammarError as error:
        assert not satisfiable, f"{schema}: {error}"
        return None


def test_real_schemas(shared_data: Path) -> None:
    """Every 12th file of MaskBench: no wrong verdict, members in any order; and how few orders differ."""
    count: Counter[str] = Counter()
    with zipfile.ZipFile(shared_data / "maskbench/dev.zip") as archive:
        for name in archive.namelist()[::12]:
            file = json.loads(archive.read(name))
            grammar = grammar_or_none(file["schema"], any(test["valid"] for test in file["tests"]))
            if grammar is None:
                continue
            count["schemas"] += 1
            engine = ByteEngine(grammar)
            for test in file["tests"]:
                got = engine.text(json.dumps(test["data"], ensure_ascii=False))
                if got != test["valid"] and test["valid"]:
                    count["other order"] += 1
                    got = engine.value(test["data"])
                assert got == test["valid"], f"{name}: {test}"
                count["instances"] += 1
    assert count["schemas"] > 400 and count["instances"] > 1200
    assert count["other order"] < count["instances"] / 100
