"""JSON Schema on data of others: real schemas with instances (``test_json_schema_suite.py`` has the official suite)."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from json_schema_oracles import ByteEngine

from constrain.errors import GrammarError, LimitExceeded, UnsupportedSchema
from constrain.frontends.json_schema import json_schema_grammar
from constrain.ir.grammar import Grammar


def grammar_or_none(schema: Any, satisfiable: bool, draft: str | None = None) -> Grammar | None:
    """The grammar; ``None`` when a keyword is refused, or when nothing satisfies the schema and that is right."""
    try:
        return json_schema_grammar(schema, draft=draft, property_order="any")
    except (UnsupportedSchema, LimitExceeded):
        return None
    except GrammarError as error:
        assert not satisfiable, f"{schema}: {error}"
        return None


def test_real_schemas(shared_data: Path) -> None:
    """Every 12th file of MaskBench: no wrong verdict, members in the order of the instances, and few refusals."""
    count: Counter[str] = Counter()
    with zipfile.ZipFile(shared_data / "maskbench/dev.zip") as archive:
        names = archive.namelist()[::12]
        for name in names:
            file = json.loads(archive.read(name))
            grammar = grammar_or_none(file["schema"], any(test["valid"] for test in file["tests"]))
            if grammar is None:
                count["refused"] += 1
                continue
            engine = ByteEngine(grammar)
            for test in file["tests"]:
                got = engine.text(json.dumps(test["data"], ensure_ascii=False))
                assert got == test["valid"], f"{name}: {test}"
                count["instances"] += 1
    assert count["refused"] <= len(names) / 50 and count["instances"] > 2000
