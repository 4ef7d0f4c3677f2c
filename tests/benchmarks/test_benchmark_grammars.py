"""The languages of ``benchmarks/grammars``: every engine, in its own syntax, reads the same texts."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import lark
import pytest

from benchmarks import grammarbench
from benchmarks.engines import create
from benchmarks.grammarbench import Grammars
from benchmarks.measure import measure
from benchmarks.report import read
from benchmarks.tokenizer import encode_exactly, encoder, read_tokenizer

NAMES = Grammars().names


def test_there_are_texts_enough() -> None:
    assert NAMES == ["arithmetic", "cpp", "sql"]
    for name in NAMES:
        valid = [i.text for i in Grammars().texts(name) if i.valid]
        assert len(valid) == len(set(valid)) >= 30
        assert len(Grammars().texts(name)) - len(valid) >= 8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine_name", ["constrain", "llguidance", "xgrammar"])
def test_verdicts(engine_name: str, name: str, tokenizer_file: Path) -> None:
    if find_spec(engine_name) is None:
        pytest.skip(f"{engine_name} is not installed (pip install constrain-lm[bench])")
    tokenizer, backend, engine = read_tokenizer(tokenizer_file, "<end>"), encoder(tokenizer_file), create(engine_name)
    engine.prepare(tokenizer)
    case = Grammars().case(name)
    texts = [encode_exactly(backend, tokenizer, i.text) for i in case.instances]
    messages: list[dict] = []
    measure(engine, case.schema, [t for t in texts if t is not None], messages.append, lambda: None)
    verdicts = {i.text: m["rejected_at"] is None for i, m in zip(case.instances, messages[1:], strict=True)}
    assert verdicts == {i.text: i.valid for i in case.instances}


def test_larks_own_parser_agrees() -> None:
    parser = lark.Lark(Grammars().grammar("arithmetic").of("lark"), parser="earley", lexer="dynamic_complete")
    for instance in Grammars().texts("arithmetic"):
        try:
            parser.parse(instance.text)
            accepted = True
        except lark.exceptions.LarkError:
            accepted = False
        assert accepted == instance.valid, instance.text


def test_texts_may_have_many_lines(tmp_path: Path) -> None:
    (tmp_path / "x.texts").write_text("%% accept\na\n b\n\n%% reject\n\n%% accept\nc\n", encoding="utf-8")
    texts = Grammars(tmp_path).texts("x")
    assert [(i.text, i.valid) for i in texts] == [("a\n b\n", True), ("", False), ("c", True)]
    (tmp_path / "y.texts").write_text("a\n%% accept\nb\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"y\.texts does not begin"):
        Grammars(tmp_path).texts("y")


def test_the_command(tmp_path: Path, tokenizer_file: Path) -> None:
    raw, report = tmp_path / "raw.jsonl", tmp_path / "report.md"
    grammarbench.main(
        f"--tokenizer {tokenizer_file} --eos <end> --engines constrain --grammars arithmetic --rounds 1 "
        f"--json {raw} --output {report}".split()
    )
    records, header = read(raw)
    assert header["kind"] == "grammars"
    assert [(r["schema"], r["status"]) for r in records] == [("arithmetic", "ok")]
    assert records[0]["peak_mb"] >= records[0]["memory_mb"] > 0
    assert "## arithmetic" in report.read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match=r"unknown grammars \['nonesuch'\]"):
        grammarbench.main(["--tokenizer", str(tokenizer_file), "--grammars", "nonesuch"])
