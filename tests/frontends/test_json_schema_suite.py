"""JSON Schema on the official test suite: every case, byte by byte through the engine, with a ratchet.

A case is right if the verdict on its text is; refused if its schema is refused by name; wrong otherwise. Nothing may
be wrong but what is listed here with its reason. ``tests/data/json_schema_suite.json`` holds the counts of each part
of the suite: of right cases there may only be more, and when there are, the file is to be updated.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from json_schema_oracles import spell, verdict_on

DRAFTS = {
    "draft4": "draft-04",
    "draft6": "draft-06",
    "draft7": "draft-07",
    "draft2019-09": "2019-09",
    "draft2020-12": "2020-12",
}
PARTS = {"required": ("*.json", "annotate"), "format": ("optional/format/*.json", "assert")} | {
    "optional": ("optional/*.json", "annotate")
}
COUNTS = Path(__file__).parents[1] / "data/json_schema_suite.json"

DIGITS = "until draft-04 the whole numbers of enum are spelled with digits only"
ALABELS = "A-labels are checked for their syntax and length only where that suffices: else they are left out"
PATTERNS = "of the patterns that ECMA 262 allows, those that this package compiles"
EXPONENTS = "whole numbers have exponents of two digits at most"
ANNOTATIONS = "annotations, as the standard says"
NOT_A_WORD = "not a keyword of this draft"
# Verdicts that differ from the suite's: (part, file, description of the group) -> (verdict that differs, reason).
BY_POLICY: dict[tuple[str, str, str], tuple[bool, str]] = {
    **{
        ("required", "enum.json", f"enum with {group}"): (False, DIGITS)
        for group in (
            *("0 does not match false", "[0] does not match [false]"),
            *("1 does not match true", "[1] does not match [true]"),
        )
    },
    ("format", "hostname.json", "validation of A-label (punycode) host names"): (False, ALABELS),
    ("format", "ecmascript-regex.json", "ECMA 262 named groups and backreferences are valid"): (False, PATTERNS),
    ("format", "ecmascript-regex.json", "ECMA 262 lookbehind is valid, including variable width"): (False, PATTERNS),
    ("format", "ecmascript-regex.json", "ECMA 262 character classes and escapes"): (False, PATTERNS),
    ("optional", "float-overflow.json", "all integers are multiples of 0.5, if overflow is handled"): (
        False,
        EXPONENTS,
    ),
    **{
        ("optional", "content.json", f"validation of {group}"): (True, ANNOTATIONS)
        for group in (
            *("string-encoded content based on media type", "binary string-encoding"),
            "binary-encoded media type documents",
        )
    },
    **{
        ("optional", "format-assertion.json", f"schema that uses custom metaschema with format-assertion: {value}"): (
            True,
            "here formats are annotations by option",
        )
        for value in ("false", "true")
    },
    **{
        ("optional", "dependencies-compatibility.json", group): (True, NOT_A_WORD)
        for group in (
            *("single dependency", "multiple dependents required", "dependencies with escaped characters"),
            *("single schema dependency", "boolean subschemas", "schema dependencies with escaped characters"),
        )
    },
}


@lru_cache(maxsize=1)
def remotes(folder: Path) -> dict[str, Any]:
    """The documents that the suite's references lead to."""
    files = sorted(folder.rglob("*.json"))
    return {
        f"http://localhost:1234/{p.relative_to(folder).as_posix()}": json.loads(p.read_text("utf-8")) for p in files
    }


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("draft", DRAFTS)
def test_official_suite(draft: str, part: str, shared_data: Path) -> None:
    suite = shared_data / "json-schema-test-suite"
    files, formats = PARTS[part]
    options = {"draft": DRAFTS[draft], "formats": formats, "registry": remotes(suite / "remotes")}
    count: Counter[str] = Counter()
    wrong = []
    for path in sorted((suite / "tests" / draft).glob(files)):
        for group in json.loads(path.read_text(encoding="utf-8")):
            engine = verdict_on(group["schema"], property_order="any", **options)
            place = part, path.name, group["description"]
            for case in group["tests"]:
                count["cases"] += 1
                verdict = engine if engine == "refused" else engine != "impossible" and engine.text(spell(case["data"]))
                if verdict == "refused":
                    count["refused"] += 1
                elif verdict == case["valid"]:
                    count["right"] += 1
                elif BY_POLICY.get(place, (None, ""))[0] == verdict:
                    count["by policy"] += 1
                else:
                    wrong.append((*place, case["description"], case["valid"]))
    assert wrong == []
    expected = json.loads(COUNTS.read_text(encoding="utf-8"))[draft][part]
    assert count["right"] >= expected["right"], "fewer cases are right than before"
    assert dict(count) == expected, f"better than before: write {dict(count)} to {COUNTS}"


def test_every_exception_is_still_one(shared_data: Path) -> None:
    """An exception that names no group of the suite is a mistake."""
    named = set()
    for draft in DRAFTS:
        for part, (files, _) in PARTS.items():
            for path in (shared_data / "json-schema-test-suite/tests" / draft).glob(files):
                named |= {(part, path.name, g["description"]) for g in json.loads(path.read_text(encoding="utf-8"))}
    assert BY_POLICY.keys() <= named
