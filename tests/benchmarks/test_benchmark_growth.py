"""Growth, batches and pictures, end to end and small."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from benchmarks import growth
from benchmarks.batch import Batch, measure_batch
from benchmarks.engines import create
from benchmarks.growth import AXES
from benchmarks.tokenizer import encode_exactly, encoder, read_tokenizer

SCHEMA = {"type": "array", "items": {"type": "integer"}}
needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="needs matplotlib")


@pytest.mark.parametrize("axis", AXES)
def test_texts_satisfy_their_schemas(axis: str) -> None:
    _, make, sizes = AXES[axis]
    sizes_and_texts = []
    for x in sizes[:3]:
        schema, texts = make(x)
        for text in texts:
            jsonschema.validate(json.loads(text), schema)
        sizes_and_texts.append(len(json.dumps(schema)) + sum(map(len, texts)))
    assert sizes_and_texts == sorted(set(sizes_and_texts))


@pytest.mark.parametrize("name", ["constrain", "llguidance", "xgrammar", "glrmask"])
def test_batches_are_measured_with_each_engine(name: str, tokenizer_file: Path) -> None:
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed (pip install constrain-lm[bench])")
    tokenizer, backend, engine = read_tokenizer(tokenizer_file, "<end>"), encoder(tokenizer_file), create(name)
    engine.prepare(tokenizer)
    texts = [encode_exactly(backend, tokenizer, text) or [] for text in ("[1, 22, 333]", "[12345678]")]
    messages: list[dict] = []
    measure_batch(engine, Batch(SCHEMA, 5, 2), texts, messages.append)
    assert [m["kind"] for m in messages] == ["compiled", "text"]
    assert len(messages[1]["mask_ns"]) == len(messages[1]["commit_ns"]) == 100
    assert min(messages[1]["mask_ns"]) > 0
    with pytest.raises(ValueError, match=r"does not allow token|is refused at token"):
        measure_batch(engine, Batch(SCHEMA, 2, 1), [encode_exactly(backend, tokenizer, "[1,x]") or []], messages.append)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory, tokenizer_file: Path) -> Path:
    folder = tmp_path_factory.mktemp("growth")
    small = {"nesting": (*AXES["nesting"][:2], (1, 2))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(growth.AXES, "nesting", small["nesting"])
        growth.main(
            f"--tokenizer {tokenizer_file} --eos <end> --axes nesting --engines constrain "
            f"--output {folder / 'growth.md'} --json {folder / 'growth.json'}".split()
        )
    return folder


def test_growth_is_tabulated(figures: Path) -> None:
    records = json.loads((figures / "growth.json").read_text())["records"]
    assert [(r["x"], r["engine"], r["status"]) for r in records] == [(1, "constrain", "ok"), (2, "constrain", "ok")]
    assert records[0]["masks"] < records[1]["masks"]
    assert "| 2 | constrain |" in (figures / "growth.md").read_text()


@needs_matplotlib
def test_pictures_are_the_same_from_the_same_figures(figures: Path) -> None:
    from benchmarks import plots

    for folder in ("a", "b"):
        plots.main([str(figures / "growth.json"), "--output", str(figures / folder)])
    first, second = ((figures / folder / "growth-nesting.svg").read_bytes() for folder in "ab")
    assert first == second
    assert b"depth of the schema" in first and b"memory added, MB" in first


@needs_matplotlib
def test_curves_end_at_the_largest_value() -> None:
    from benchmarks import plots

    samples = np.arange(1.0, 100_001.0)
    line = plots.percentile_curves({"constrain": samples}, "title").axes[0].get_lines()[0]
    x, y = line.get_data()
    assert y[-1] == 100_000 and len(y) < 500
    assert np.allclose(1 - 10**-x, (y - 0.5) / 100_000, atol=1e-4)
