"""The examples in the documentation do what is printed there."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", ["regex.md", "building.md", "lark.md", "faithful.md", "predicates.md", "infilling.md"])
def test_examples(name: str) -> None:
    found = doctest.testfile(str(DOCS / name), module_relative=False)
    assert found.attempted >= 4 and not found.failed
