"""The journal: what is finished is known again, what failed is not, and half a line does no harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from constrain.journal import Journal, JournalError, job_digest
from constrain.records import Document, Failure, Record, RecordType, Settings

DOCUMENT = Document.of_bytes("a.txt", b"some text")
DONE = Record(DOCUMENT, {"x": "é"}, '{"x": "é"}', 7, 1.234)
FAILED = Failure(DOCUMENT, "truncated", "cut off after 7 tokens", '{"x"')


def written(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, *results: Record | Failure, job: str = "j") -> None:
    with Journal(path, job, "m") as journal:
        for result in results:
            journal.write(result)


def test_a_record_is_one_line_and_is_known_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.jsonl"
    write(path, DONE)
    expected = {"document": "a.txt", "sha256": DOCUMENT.digest, "job": "j", "model": "m", "record": {"x": "é"}}
    assert written(path) == [expected | {"complete": True, "tokens": 7, "seconds": 1.23}]
    with Journal(path, "j", "m") as journal:
        assert journal.has(DOCUMENT)


def test_failures_are_written_without_a_record_and_retried(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write(path, FAILED)
    (line,) = written(path)
    assert (line["error"], line["kind"], line["complete"]) == ("cut off after 7 tokens", "truncated", False)
    assert "record" not in line
    with Journal(path, "j", "m") as journal:
        assert not journal.has(DOCUMENT)


@pytest.mark.parametrize(
    "other",
    [Document.of_bytes("b.txt", b"some text"), Document.of_bytes("a.txt", b"other text"), Document("a.txt")],
    ids=["path", "content", "unread"],
)
def test_another_document_is_not_finished(tmp_path: Path, other: Document) -> None:
    write(tmp_path / "out.jsonl", DONE)
    with Journal(tmp_path / "out.jsonl", "j", "m") as journal:
        assert not journal.has(other)


def test_another_job_is_not_finished(tmp_path: Path) -> None:
    write(tmp_path / "out.jsonl", DONE, job="one")
    with Journal(tmp_path / "out.jsonl", "two", "m") as journal:
        assert not journal.has(DOCUMENT)


@pytest.mark.parametrize("kept", [1, 8, 13, 14, 15, 40])
def test_half_a_line_of_a_killed_run_is_cut_off(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "out.jsonl"
    write(path, DONE, DONE)
    whole, _, _ = path.read_bytes().partition(b"\n")
    path.write_bytes(whole + b"\n" + whole[:kept])
    with Journal(path, "j", "m") as journal:
        assert journal.mended == kept
        journal.write(FAILED)
    assert [line["complete"] for line in written(path)] == [True, False]


@pytest.mark.parametrize(
    ("content", "line"),
    [("my notes\n", 1), ("my notes", 1), ('{"document": "a"}\n[1]\n', 2), ('{"document": "a"}\n\n{"x": 1}\n', 3)],
)
def test_a_strangers_file_is_refused_and_left_alone(tmp_path: Path, content: str, line: int) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(JournalError) as caught:
        Journal(path, "j", "m")
    assert caught.value.line == line
    assert path.read_text() == content


def test_the_job_is_all_that_decides_a_record() -> None:
    kind = RecordType({"type": "string"})
    same = job_digest(kind, "m", Settings())
    assert job_digest(kind, "m", Settings(max_new_tokens=7, seed=5, temperature=0.1)) == same
    sampled = job_digest(kind, "m", Settings(sample=True))
    others = [
        job_digest(RecordType({"type": "number"}), "m", Settings()),
        job_digest(kind, "n", Settings()),
        job_digest(kind, "m", Settings(instruction="Do.")),
        sampled,
        job_digest(kind, "m", Settings(sample=True, seed=5)),
        job_digest(kind, "m", Settings(sample=True, temperature=0.1)),
    ]
    assert len({same, *others}) == 7
