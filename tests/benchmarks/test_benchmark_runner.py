"""The harness end to end, with an engine that does as its schema says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import maskbench
from benchmarks.corpus import Corpus
from benchmarks.report import markdown, read
from benchmarks.samples import outcomes
from benchmarks.tokenizer import encode_exactly, encoder, find_tokenizer, read_tokenizer
from constrain.vocab.readers import read_vocabulary

CASES = {
    "right": ({"texts": ['{"a": 1}']}, [({"a": 1}, True), ({"a": 2}, False)]),
    "wrong": ({"texts": ["[]"]}, [([], False), ("é", True), ([1], False)]),
    "longer": ({"texts": ["12"]}, [(1, True)]),
    "refused": ({"refuse": "too odd"}, [(1, True)]),
    "raises": ({"raise": "oops"}, [(1, True)]),
    "crashes": ({"exit": 9}, [(1, True)]),
    "hangs": ({"sleep": 60}, [(1, True)]),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, tokenizer_file: Path) -> Path:
    folder = tmp_path_factory.mktemp("maskbench")
    (folder / "data").mkdir()
    for name, (schema, tests) in CASES.items():
        instances = [{"data": data, "valid": valid} for data, valid in tests]
        (folder / "data" / f"{name}.json").write_text(json.dumps({"schema": schema, "tests": instances}))
    maskbench.main(
        f"--data {folder / 'data'} --tokenizer {tokenizer_file} --eos <end> --engines fake --timeout 1.5 "
        f"--output {folder / 'report.md'} --json {folder / 'raw.jsonl'}".split()
    )
    return folder


def test_every_kind_of_ending_is_recorded(results: Path) -> None:
    records, _ = read(results / "raw.jsonl")
    status = {r["schema"]: (r["status"], r["reason"]) for r in records}
    assert status["right"] == status["wrong"] == status["longer"] == ("ok", "")
    assert status["refused"] == ("refused", "too odd")
    assert status["raises"][0] == "failed"
    assert status["raises"][1].startswith("ZeroDivisionError: oops (fake.py:")
    assert status["crashes"] == ("crash", "process ended with exit code 9")
    assert status["hangs"][0] == "timeout"
    assert max(r["restarts"] for r in records) == 2


def test_verdicts_follow_the_masks(results: Path) -> None:
    records, _ = read(results / "raw.jsonl")
    texts = {r["schema"]: [t["rejected_at"] for t in r["texts"]] for r in records}
    assert texts["right"] == [None, 4]  # {" a ": space 2
    assert texts["wrong"] == [None, 0, 1]
    assert texts["longer"] == [1]  # the end is not allowed yet
    of = outcomes(records)["fake"]
    assert [(n, of[n].wrong_valid, of[n].wrong_invalid) for n in ("right", "wrong", "longer")] == [
        ("right", 0, 0),
        ("wrong", 1, 1),
        ("longer", 1, 0),
    ]


def test_samples_match_positions(results: Path) -> None:
    records, _ = read(results / "raw.jsonl")
    first, second = next(r["texts"] for r in records if r["schema"] == "right")
    assert first["mask_ns"][0] == -1  # the schema's first mask is part of its time to first mask
    assert len(first["mask_ns"]) == len(first["commit_ns"]) + 1 == 7
    assert len(second["mask_ns"]) == second["rejected_at"] + 1 == len(second["commit_ns"]) + 1
    assert min(*first["mask_ns"][1:], *second["mask_ns"], *second["commit_ns"]) > 0


def test_report_is_made_again_from_the_raw_file(results: Path) -> None:
    shown = (results / "report.md").read_text(encoding="utf-8")
    assert markdown(*read(results / "raw.jsonl")) == shown
    assert "| crashes | 1 |" in shown
    assert "| time-outs | 1 |" in shown


def test_only_supported_by_leaves_out_the_refused(results: Path, tokenizer_file: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    maskbench.main(
        f"--data {results / 'data'} --tokenizer {tokenizer_file} --eos <end> --engines fake --timeout 1.5 --rounds 2 "
        f"--only-supported-by fake --json {raw} --output {tmp_path / 'report.md'}".split()
    )
    records, _ = read(raw)
    assert sorted(r["schema"] for r in records if r["round"] == 1) == ["longer", "right", "wrong"]
    assert len(records) == 6


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(SystemExit, match="nonesuch"):
        maskbench.main(["--data", ".", "--tokenizer", ".", "--engines", "nonesuch"])


def test_samples_are_reproducible(results: Path) -> None:
    corpus = Corpus(results / "data")
    assert corpus.sample(3, 7) == corpus.sample(None, 7)[:3]
    assert sorted(corpus.sample(None, 1)) == corpus.names


def test_texts_are_spelled_exactly(tokenizer_file: Path) -> None:
    tokenizer = read_tokenizer(tokenizer_file, "<end>")
    assert sorted(t for t in tokenizer.tokens if t is not None and len(t) == 1) == [bytes([b]) for b in range(256)]
    assert tokenizer.tokens[tokenizer.eos[0]] is None
    backend = encoder(tokenizer_file)
    ids = encode_exactly(backend, tokenizer, '{"ä": "\U0001f600"}')
    assert ids is not None
    assert b"".join(tokenizer.tokens[i] or b"" for i in ids).decode() == '{"ä": "\U0001f600"}'
    assert encode_exactly(backend, tokenizer, "a<end>b") is None


@pytest.mark.parametrize(("name", "eos"), [("llama3_1", None), ("llama2", "</s>")])
def test_the_harness_and_the_package_read_the_same_bytes(name: str, eos: str | None) -> None:
    shared = Path(__file__).parents[2] / "../shared/data/tokenizers"
    if not shared.is_dir():
        pytest.skip(f"{shared} is not there")
    tokenizer = read_tokenizer(find_tokenizer(name), eos)
    assert read_vocabulary(tokenizer.path, eos=list(tokenizer.eos)).tokens == tokenizer.tokens
