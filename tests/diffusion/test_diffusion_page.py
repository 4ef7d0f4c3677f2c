"""The example runs as it says, and the page tells of all options."""

from __future__ import annotations

import re
import runpy
from dataclasses import fields
from pathlib import Path

import pytest

from constrain.diffusion import Options
from constrain.diffusion.denoiser import FAMILIES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/diffusion.md").read_text("utf-8")


@pytest.mark.parametrize("seed", ["0", "3", "8"])
def test_the_example_writes_dates(
    seed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["diffuse.py", "--seed", seed])
    runpy.run_path(str(ROOT / "examples/diffuse.py"), run_name="__main__")
    *strips, last = capsys.readouterr().out.splitlines()
    assert re.match(r"'((19|20)[0-9]{2}-(0[1-9]|1[0-2])-([0-2][0-9]|3[01])|null)': ", last)
    assert strips[0] == " 0  " + "|".join("·" * 12) and "·" not in strips[-1]


def test_the_page_names_every_option_and_family() -> None:
    assert [each.name for each in fields(Options) if f"`{each.name}`" not in PAGE] == []
    kinds = {"LLaDAModelLM": "LLaDA", "DreamModel": "Dream", "Fast_dLLM_QwenForCausalLM": "Fast-dLLM v2",
             "SDARForCausalLM": "SDAR", "LLaDA2MoeModelLM": "LLaDA2"}  # fmt: skip
    assert set(kinds) == set(FAMILIES)
    assert all(name in PAGE for name in kinds.values())
