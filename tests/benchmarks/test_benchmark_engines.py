"""Each adapter drives its library rightly on one small schema. Libraries that are not installed are skipped."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.engines import ENGINES, create
from benchmarks.measure import measure
from benchmarks.tokenizer import encode_exactly, encoder, read_tokenizer

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}},
    "required": ["a"],
    "additionalProperties": False,
}
TEXTS = {
    '{"a": 12, "b": true}': True,
    '{"a": 3}': True,
    '{"a": 12.5x}': False,
    '{"b": true}': False,
    '{"a": 1': False,
    '{"a": "1"}': False,
}
LIBRARIES = {"constrain": "constrain", "glrmask_trie": "glrmask"}


@pytest.mark.parametrize("name", sorted(set(ENGINES) - {"fake"}))
def test_verdicts(name: str, tokenizer_file: Path) -> None:
    library = LIBRARIES.get(name, name)
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed (pip install constrain-lm[bench])")
    tokenizer = read_tokenizer(tokenizer_file, "<end>")
    backend = encoder(tokenizer_file)
    engine = create(name)
    engine.prepare(tokenizer)
    assert engine.version
    messages: list[dict] = []
    texts = [encode_exactly(backend, tokenizer, text) for text in TEXTS]
    measure(engine, SCHEMA, [t for t in texts if t is not None], messages.append, lambda: None)
    compiled, *written = messages
    assert compiled["kind"] == "compiled"
    assert 0 < compiled["compile_ns"] < compiled["ttfm_ns"]
    assert [m["error"] for m in written] == [""] * len(TEXTS)
    assert {text: m["rejected_at"] is None for text, m in zip(TEXTS, written, strict=True)} == TEXTS
