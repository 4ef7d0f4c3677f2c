"""Documents, record types, prompts, and extraction by a generator that is a plain function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from constrain.errors import GrammarError
from constrain.records import (
    Document,
    DocumentError,
    Failure,
    Generation,
    Messages,
    Record,
    RecordType,
    Settings,
    extract_one,
    prompt,
    seed_of,
)

SCHEMA = {"type": "object", "properties": {"x": {"type": "string", "description": "the thing"}}}


class Thing(BaseModel):
    size: int = Field(description="how big", le=10)


def test_a_document_is_read_as_utf8_without_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    path.write_bytes(b"\xef\xbb\xbfna\xc3\xafve\n")
    document = Document.read(path)
    assert (document.name, document.text, document.problem) == (str(path), "naïve\n", None)
    assert len(document.digest) == 64


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        (b"", "empty", "empty"),
        (b" \n", "empty", "empty"),
        (b"ab\xff", "encoding", "byte 2"),
        (None, "unreadable", "No such"),
    ],
)
def test_a_bad_document_knows_its_problem(tmp_path: Path, data: bytes | None, kind: str, says: str) -> None:
    path = tmp_path / "d.txt"
    if data is not None:
        path.write_bytes(data)
    problem = Document.read(path).problem
    assert problem is not None and problem.kind == kind and says in str(problem)


def test_record_types(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(SCHEMA))
    assert RecordType.of(path).schema == RecordType.of(SCHEMA).schema == SCHEMA
    assert RecordType.of(Thing).model_class is Thing
    assert RecordType.of(RecordType(SCHEMA)) == RecordType(SCHEMA)


def test_a_schema_file_with_a_mistake_is_shown_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{\n  "type": strin\n}')
    with pytest.raises(GrammarError) as caught:
        RecordType.of(path)
    assert (caught.value.line, caught.value.column, caught.value.path) == (2, 11, str(path))
    path.write_text("[1]")
    with pytest.raises(GrammarError, match="JSON Schema object"):
        RecordType.of(path)


def test_the_prompt_has_instruction_fields_and_document() -> None:
    kind = RecordType({"properties": {"a": {"description": "the A"}, "b": {"enum": [1, "x"]}, "c": True}})
    question = prompt("Some text.\n", kind, Settings(instruction="Do it."))[-1]["content"]
    assert question.startswith("Do it.\n")
    assert "- a: the A\n" in question and "(one of 1, x)" in question and "- c: " in question
    assert question.endswith("Document:\nSome text.")
    assert '"minimum": 3' in prompt("x", RecordType({"minimum": 3}), Settings())[-1]["content"]


def test_seeds_differ_by_document_and_by_seed() -> None:
    one, two = Document.of_bytes("a", b"1"), Document.of_bytes("a", b"2")
    seeds = {seed_of(document, Settings(seed=seed)) for document in (one, two) for seed in (0, 1)}
    assert len(seeds) == 4 and all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(one, Settings()) == seed_of(Document.of_bytes("elsewhere", b"1"), Settings())


def answer(text: str, finished: bool = True) -> object:
    return lambda messages, seed: Generation(text, 5, finished)


def run(generator: object, kind: object = SCHEMA, document: Document | None = None) -> Record | Failure:
    return extract_one(document or Document.of_bytes("d", b"text"), RecordType.of(kind), generator, Settings())


def test_a_finished_answer_is_a_record() -> None:
    result = run(answer('{"x": "y"}'))
    assert isinstance(result, Record)
    assert (result.value, result.text, result.tokens) == ({"x": "y"}, '{"x": "y"}', 5)


def test_a_cut_off_answer_is_a_failure_even_if_it_is_json() -> None:
    result = run(answer('{"x": "y"}', finished=False))
    assert isinstance(result, Failure)
    assert (result.kind, result.partial) == ("truncated", '{"x": "y"}') and "max_new_tokens" in result.error


def test_pydantic_has_the_last_word() -> None:
    assert isinstance(run(answer('{"size": 3}'), Thing), Record)
    refused = run(answer('{"size": 11}'), Thing)
    assert isinstance(refused, Failure) and refused.kind == "invalid" and "less than or equal to 10" in refused.error


def test_what_a_generator_refuses_is_a_failure() -> None:
    def refuse(messages: Messages, seed: int) -> Generation:
        raise DocumentError("too-long", "far too long")

    assert run(refuse) == Failure(Document.of_bytes("d", b"text"), "too-long", "far too long")


def test_a_bad_document_never_reaches_the_generator() -> None:
    def never(messages: Messages, seed: int) -> Generation:
        raise AssertionError("called")

    result = run(never, document=Document.of_bytes("d", b""))
    assert isinstance(result, Failure) and result.kind == "empty"
