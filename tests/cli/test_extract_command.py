"""``constrain extract`` with a generator that is a plain function: streaming, resuming, reporting, refusing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from constrain.cli import extract as command
from constrain.cli import main
from constrain.records import Generation, Messages

SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}


class Fake:
    """Answers with the first word of the document; cuts off after "long"; counts its answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, messages: Messages, seed: int) -> Generation:
        word = messages[-1]["content"].split("Document:\n")[1].split()[0]
        self.asked.append(word)
        if word == "stop":
            raise KeyboardInterrupt
        return Generation(json.dumps({"word": word}), 3, word != "long")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    generator = Fake()
    monkeypatch.setattr(command, "load_generator", lambda source, grammar, settings: generator)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.json").write_text(json.dumps(SCHEMA))
    for name in ("one", "two", "long"):
        (tmp_path / f"{name}.txt").write_text(f"{name} text")
    return generator


def lines(path: str = "out.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_records_go_to_standard_output(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", "--schema", "s.json", "one.txt"]) == 0
    captured = capsys.readouterr()
    line = json.loads(captured.out)
    assert (line["document"], line["record"], line["complete"]) == ("one.txt", {"word": "one"}, True)
    assert captured.err == "1 record\n"  # one document, no progress bar


def test_more_than_one_document_has_a_progress_bar(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", "--schema", "s.json", "one.txt", "two.txt"]) == 0
    captured = capsys.readouterr()
    assert "2/2" in captured.err and len(captured.out.splitlines()) == 2
    assert main(["extract", "--schema", "s.json", "one.txt", "two.txt", "--no-progress"]) == 0
    assert capsys.readouterr().err == "2 records\n"


def test_running_again_skips_what_is_done(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["extract", "--schema", "s.json", "-o", "out.jsonl", "--no-progress"]
    assert main([*arguments, "one.txt", "one.txt"]) == 0
    assert main([*arguments, "one.txt", "two.txt"]) == 0
    assert fake.asked == ["one", "two"]
    assert capsys.readouterr().err.splitlines()[-1] == "1 record, 1 already in out.jsonl"
    Path("one.txt").write_text("changed text")
    assert main([*arguments, "one.txt", "two.txt"]) == 0
    assert main([*arguments, "two.txt", "--instruction", "Otherwise."]) == 0
    assert fake.asked == ["one", "two", "changed", "two"]
    assert [line["record"]["word"] for line in lines()] == fake.asked


def test_nothing_left_to_do_loads_no_model(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["extract", "--schema", "s.json", "-o", "out.jsonl", "one.txt"]
    assert main(arguments) == 0
    monkeypatch.delattr(command, "load_generator")
    assert main(arguments) == 0


def test_bad_documents_are_reported_and_do_not_stop_the_run(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.txt").write_bytes(b"\xff\xfe")
    Path("empty.txt").write_bytes(b"")
    arguments = ["extract", "--schema", "s.json", "-o", "out.jsonl", "--no-progress"]
    documents = ["bad.txt", "empty.txt", "missing.txt", "long.txt", "one.txt"]
    assert main([*arguments, *documents]) == 1
    err = capsys.readouterr().err
    assert "bad.txt: not UTF-8" in err and "missing.txt: No such file" in err and "1 record, 4 failed" in err
    kinds = [line.get("kind", "record") for line in lines()]
    assert kinds == ["encoding", "empty", "unreadable", "truncated", "record"]
    assert all(("record" in line) != ("error" in line) for line in lines())
    Path("empty.txt").write_text("two text")
    assert main([*arguments, "empty.txt", "one.txt"]) == 0
    assert fake.asked == ["long", "one", "two"]


def test_an_interrupted_run_keeps_what_it_has(fake: Fake) -> None:
    Path("stop.txt").write_text("stop here")
    arguments = ["extract", "--schema", "s.json", "-o", "out.jsonl", "--no-progress"]
    assert main([*arguments, "one.txt", "stop.txt", "two.txt"]) == 130
    assert [line["document"] for line in lines()] == ["one.txt"]
    Path("stop.txt").write_text("go on")
    assert main([*arguments, "one.txt", "stop.txt", "two.txt"]) == 0
    assert fake.asked == ["one", "stop", "go", "two"]


def test_a_pydantic_model_from_the_current_folder(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    Path("my_types_for_extract.py").write_text(
        "from pydantic import BaseModel, Field\nclass Word(BaseModel):\n    word: str = Field(max_length=3)\n"
    )
    assert main(["extract", "--model-class", "my_types_for_extract:Word", "one.txt"]) == 0
    Path("three.txt").write_text("three text")
    assert main(["extract", "--model-class", "my_types_for_extract:Word", "three.txt"]) == 1
    assert "at most 3 characters" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--schema", "missing.json"], "missing.json: No such file"),
        (["--schema", "bad.json"], "bad.json:1:10"),
        (["--schema", "unknown.json"], "strin"),
        (["--model-class", "nonsense"], "package.module:Class"),
        (["--model-class", "no_such_module_here:X"], "no_such_module_here"),
        (["--model-class", "json:dumps"], "not a Pydantic model"),
        (["--model-class", "json:nonsense"], "nonsense"),
        (["--schema", "s.json", "--gguf", "missing.gguf"], "missing.gguf: there is no such file"),
        (["--schema", "s.json", "-o", "one.txt"], "one.txt:1: not a line of results"),
    ],
)
def test_mistakes_are_told_before_any_work(
    fake: Fake, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    Path("bad.json").write_text('{"type": strin}')
    Path("unknown.json").write_text('{"type": "strin"}')
    assert main(["extract", *arguments, "one.txt"]) == 2
    captured = capsys.readouterr()
    assert says in captured.err and captured.out == "" and fake.asked == []
    assert Path("one.txt").read_text() == "one text"


@pytest.mark.parametrize(
    "arguments", [["--max-new-tokens", "0"], ["--temperature", "-1"], ["--temperature", "nan"], ["--model-class", "x"]]
)
def test_options_are_checked(fake: Fake, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["extract", "--schema", "s.json", "one.txt", *arguments])
    assert stop.value.code == 2
