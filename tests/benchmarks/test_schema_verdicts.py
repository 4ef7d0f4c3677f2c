"""The verdict benchmark on a small set of files: what it counts, and that it reports a wrong verdict."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from benchmarks.corpus import Corpus
from benchmarks.schema_verdicts import Tally
from constrain.testing import byte_vocabulary


@pytest.fixture
def data(tmp_path: Path) -> Path:
    files = {
        "right": ({"type": "integer"}, [(1, True), ("x", False)]),
        "mislabelled": ({"type": "null"}, [(None, False)]),
        "refused": ({"uniqueItems": True}, []),
        "impossible": (False, []),
    }
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for name, (schema, tests) in files.items():
            listed = [{"data": value, "valid": valid} for value, valid in tests]
            archive.writestr(f"{name}.json", json.dumps({"schema": schema, "tests": listed}))
    return tmp_path / "data.zip"


def test_the_report_counts_and_names(data: Path) -> None:
    corpus, tally = Corpus(data), Tally()
    for name in corpus.sample(None, 0):
        tally.judge(corpus.case(name), byte_vocabulary(), "any")
    assert tally.wrong == ["mislabelled, instance 0: accepted"]
    report = tally.report(4)
    assert "2 of 4 schemas compile (50.00%); 3 instances, **1 wrong verdicts**" in report
    assert "| `uniqueItems`: items may be arrays" in report and "no value satisfies the schema" in report
