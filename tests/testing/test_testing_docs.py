"""docs/testing.md: its code runs, and its examples print what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/testing.md").read_text(encoding="utf-8")


def test_the_code_on_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len(blocks) == 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)


@pytest.mark.parametrize("name", ["testing_json", "testing_sql"])
def test_examples_print_what_the_page_says(name: str) -> None:
    shown = re.search(rf"```console\n\$ python examples/{name}\.py\n(.*?)```", PAGE, re.S)
    assert shown is not None
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, f"examples/{name}.py"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    assert plain(run.stdout) == plain(shown[1])


def plain(output: str) -> str:
    """Without what may be any column: versions of Hypothesis shrink by other ways."""
    return re.sub(r"SELECT [a-z*]+ FROM", "SELECT FROM", output)
