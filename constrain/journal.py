"""``Journal``: results as lines of JSON in a file, written as they come, and what an earlier run has left there.

The file only grows. Each line says which document it is about (``document``, ``sha256``), under which job (``job``,
a digest of all that decides the record) and either the ``record`` or the ``error``. Where a document has several
lines, the last one counts. A run that was killed can leave half a line behind: it is cut off at the next start.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from constrain.errors import ConstrainError
from constrain.records import Document, Record, RecordType, Result, Settings

_HEAD = b'{"document": "'


class JournalError(ConstrainError):
    """The output file is not a journal: ``path`` and ``line`` (1-based) say where it is not."""

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"{path}:{line}: not a line of results; give another output file, or remove this one")
        self.path = path
        self.line = line


def job_digest(record_type: RecordType, model: str, settings: Settings) -> str:
    """A digest of all that decides a record beside its document: type and how it is read, model and how it is asked.

    The token limit is left out: it decides whether a record is finished, not which.
    """
    asked = asdict(settings)
    del asked["max_new_tokens"]
    if not settings.sample:
        del asked["temperature"], asked["seed"]
    facts = json.dumps([record_type.schema, dict(record_type.options), model, asked], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def line_of(result: Result, job: str, model: str) -> dict[str, Any]:
    """The JSON object that stands for a result."""
    key = {"document": result.document.name, "sha256": result.document.digest, "job": job, "model": model}
    if isinstance(result, Record):
        spent = {"tokens": result.tokens, "seconds": round(result.seconds, 2)}
        return key | {"record": result.value, "complete": True} | spent
    return key | {"error": result.error, "kind": result.kind, "complete": False}


class Journal:
    """Results under one job, in a file. Use as a context manager."""

    def __init__(self, path: Path, job: str, model: str) -> None:
        self.path = path
        self.job = job
        self.model = model
        self.mended = _mend(path)  # bytes of half a line that were cut off
        self._finished = {_key(line) for line in _lines(path) if "record" in line}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("a", encoding="utf-8", newline="\n")

    def has(self, document: Document) -> bool:
        """Is a record of this very text, under this job, already there?"""
        return document.problem is None and (document.name, document.digest, self.job) in self._finished

    def write(self, result: Result) -> None:
        """Append one line, and see that it reaches the file."""
        self._file.write(json.dumps(line_of(result, self.job, self.model), ensure_ascii=False) + "\n")
        self._file.flush()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _key(line: dict[str, Any]) -> tuple[Any, Any, Any]:
    return line.get("document"), line.get("sha256"), line.get("job")


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = []
    for number, row in enumerate(path.read_bytes().split(b"\n") if path.exists() else [], 1):
        if not row.strip():
            continue
        try:
            line = json.loads(row)
        except ValueError as error:
            raise JournalError(path, number) from error
        if not isinstance(line, dict) or "document" not in line:
            raise JournalError(path, number)
        lines.append(line)
    return lines


def _mend(path: Path) -> int:
    """Make the file end with a whole line; returns how many bytes of half a line were dropped."""
    data = path.read_bytes() if path.exists() else b""
    whole = data.rfind(b"\n") + 1
    if whole == len(data):
        return 0
    if data[whole : whole + len(_HEAD)] != _HEAD[: len(data) - whole]:  # no line of ours: leave a stranger's file alone
        raise JournalError(path, data.count(b"\n") + 1)
    with path.open("r+b") as file:
        file.truncate(whole)
    return len(data) - whole
