"""Documents, record types and results: what extraction is about, without a model (``extract.py`` brings that).

A document that cannot be done is a :class:`Failure` beside the records of the others, never half a record: text
that was cut off at the token limit is a failure too.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from constrain.errors import ConstrainError, GrammarError
from constrain.frontends.json_schema import json_schema_grammar
from constrain.ir.grammar import Grammar

Messages = list[dict[str, str]]

INSTRUCTION = "Read the document and fill in the record. Copy names, dates and numbers exactly from the document."


class DocumentError(ConstrainError):
    """A document that gives no record. ``kind`` is one word for programs, ``str(error)`` a sentence for people.

    Kinds: ``unreadable``, ``encoding``, ``empty``, ``too-long``, ``truncated``, ``invalid``, ``generation``.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Document:
    """A text and where it came from. ``digest`` is the SHA-256 of its bytes, ``problem`` why there is no text."""

    name: str
    text: str = ""
    digest: str = ""
    problem: DocumentError | None = None

    @classmethod
    def read(cls, path: str | Path) -> Document:
        """The document in a file. What is wrong with it is kept as ``problem``, not raised."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            return cls(str(path), problem=DocumentError("unreadable", error.strerror or str(error)))
        return cls.of_bytes(str(path), data)

    @classmethod
    def of_bytes(cls, name: str, data: bytes) -> Document:
        digest = hashlib.sha256(data).hexdigest()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            problem = DocumentError("encoding", f"not UTF-8: {error.reason} at byte {error.start}")
            return cls(name, digest=digest, problem=problem)
        if not text.strip():
            return cls(name, digest=digest, problem=DocumentError("empty", "the document is empty"))
        return cls(name, text, digest)


@dataclass(frozen=True)
class RecordType:
    """What a record must be: a JSON Schema, the Pydantic model that it came from, if it did, and the options with which
    ``json_schema_grammar`` reads it."""

    schema: Mapping[str, Any]
    model_class: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Any, **options: Any) -> RecordType:
        """From a schema (a dict, or the path of a JSON file), a Pydantic model class, or a ``RecordType``, which has
        its options.

        Raises ``GrammarError`` for what is none of these, ``OSError`` for a file that cannot be read.
        """
        if isinstance(source, RecordType):
            return source
        if isinstance(source, (str, Path)):
            source = _read_schema(Path(source))
        if hasattr(source, "model_json_schema"):
            # as ``json_schema_grammar`` of the class itself: Pydantic drops other members
            return cls(source.model_json_schema(), source, {"extra_properties": "never", **options})
        if not isinstance(source, Mapping):
            raise GrammarError(f"a record type is a JSON Schema object, not {source!r}")
        return cls(source, options=options)

    @property
    def grammar(self) -> Grammar:
        return json_schema_grammar(dict(self.schema), **self.options)

    def parse(self, text: str) -> Any:
        """The value that ``text`` is, checked by the Pydantic model if there is one. Raises ``DocumentError``."""
        try:
            if self.model_class is not None:
                self.model_class.model_validate_json(text)
            return json.loads(text)
        except ValueError as error:  # json.JSONDecodeError and pydantic.ValidationError both are
            raise DocumentError("invalid", f"the record is not valid: {error}") from error


@dataclass(frozen=True)
class Settings:
    """How to ask. ``sample=False`` takes the likeliest token; ``seed`` matters only when sampling."""

    instruction: str = INSTRUCTION
    max_new_tokens: int = 512
    sample: bool = False
    temperature: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Generation:
    """What a generator made of a prompt. ``finished`` is false when the token limit cut it off."""

    text: str
    tokens: int
    finished: bool


Generator = Callable[[Messages, int], Generation]
"""Writes the answer to a chat; the integer seeds its random choices. May raise ``DocumentError``."""


@dataclass(frozen=True)
class Record:
    """A finished record: ``value`` is the JSON value of ``text``, written in ``tokens`` tokens."""

    document: Document
    value: Any
    text: str
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Failure:
    """A document without a record, and why. ``partial`` is what had been written when the limit came."""

    document: Document
    kind: str
    error: str
    partial: str = ""


Result = Record | Failure


def extract_one(document: Document, record_type: RecordType, generator: Generator, settings: Settings) -> Result:
    """The record of one document by any generator."""
    started = time.perf_counter()
    if document.problem:
        return Failure(document, document.problem.kind, str(document.problem))
    try:
        generation = generator(prompt(document.text, record_type, settings), seed_of(document, settings))
        if not generation.finished:
            error = f"cut off after {generation.tokens} tokens: allow more with max_new_tokens"
            return Failure(document, "truncated", error, generation.text)
        value = record_type.parse(generation.text)
    except DocumentError as error:
        return Failure(document, error.kind, str(error))
    seconds = time.perf_counter() - started
    return Record(document, value, generation.text, generation.tokens, seconds)


def prompt(text: str, record_type: RecordType, settings: Settings) -> Messages:
    """The chat that asks for the record of a text: what to do, the fields with their descriptions, the document."""
    fields = "\n".join(_describe(record_type.schema))
    question = f"{settings.instruction}\n\nFields of the record:\n{fields}\n\nDocument:\n{text.strip()}"
    return [
        {"role": "system", "content": "You turn documents into JSON records."},
        {"role": "user", "content": question},
    ]


def seed_of(document: Document, settings: Settings) -> int:
    """A seed for this document alone, so that its record does not hang on which others were done before it."""
    return int.from_bytes(hashlib.sha256(f"{settings.seed}:{document.digest}".encode()).digest()[:6], "big")


def _describe(schema: Mapping[str, Any]) -> Iterator[str]:
    properties = schema.get("properties", {})
    if not properties:
        yield f"(a JSON value of this schema) {json.dumps(schema, ensure_ascii=False)}"
    for name, schema_of_field in properties.items():
        details = schema_of_field if isinstance(schema_of_field, Mapping) else {}
        note = details.get("description") or details.get("title") or details.get("type", "")
        choices = details.get("enum")
        yield f"- {name}: {note}" + (f" (one of {', '.join(map(str, choices))})" if choices else "")


def _read_schema(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise GrammarError(
            f"not JSON: {error.msg}", source=text, line=error.lineno, column=error.colno, path=str(path)
        ) from error
