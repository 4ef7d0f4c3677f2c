"""``constrain schema``, and the schema options of the other commands."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from constrain.cli import main
from constrain.records import Generation

GOOD = {
    "type": "object",
    "properties": {"when": {"type": "string", "format": "time"}, "n": {"$ref": "#/$defs/n"}},
    "required": ["n"],
    "additionalProperties": False,
    "$defs": {"n": {"enum": [1, 2]}, "old": {"type": "null"}},
}
PARTLY = {
    "type": "object",
    "properties": {"x": {"type": "array", "uniqueItems": True}, "h": {"format": "idn-hostname"}},
}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(list(arguments))
        except SystemExit as stop:  # argparse
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return call


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, schema in {"good": GOOD, "partly": PARTLY, "none": False}.items():
        Path(f"{name}.json").write_text(json.dumps(schema), encoding="utf-8")
    return tmp_path


def test_a_schema_that_is_enforced(run: Any, folder: Path) -> None:
    code, out, err = run("schema", "good.json")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "draft: 2020-12, which nothing declares"
    assert lines[1].split() == ["/", "type", '"object"', "grammar"]
    assert ["/properties/when", "type", '"string"', "grammar"] in map(str.split, lines)
    assert any(line.split()[:3] == ["format", '"time"', "spelling"] and "leap seconds" in line for line in lines)
    assert "nothing refers to /$defs/old" in lines and "all enforced: 8 keywords" in lines
    assert any(line.startswith("size: 2 rules, ") for line in lines)
    (example,) = (line.removeprefix("example: ") for line in lines if line.startswith("example: "))
    assert json.loads(example)["n"] in (1, 2)
    assert run("schema", "good.json")[1] == out


def test_columns_are_aligned(run: Any, folder: Path) -> None:
    rows = run("schema", "good.json")[1].split("\nnothing refers")[0].splitlines()[1:]
    assert {row.index(word) for row in rows for word in (" grammar", " spelling", " annotation") if word in row} == {
        rows[0].index(" grammar")
    }


def test_refusals_are_all_told(run: Any, folder: Path) -> None:
    code, out, _ = run("schema", "partly.json")
    assert code == 1 and "NOT ENFORCED: 2 keywords refused" in out
    assert [line.split()[-1] for line in out.splitlines() if " refused" in line and "uniqueItems" in line] == ["state"]
    assert "idn-hostname" in out and "example:" not in out and "size:" not in out
    code, out, _ = run("schema", "partly.json", "--record", "--example", "2")
    assert code == 1 and "NOT ENFORCED: 2 keywords left out" in out
    assert out.count("example: ") == 2 and "size:" in out


def test_nothing_satisfies(run: Any, folder: Path) -> None:
    code, out, _ = run("schema", "none.json")
    assert code == 1 and "NO VALUE satisfies the schema\n  schema at /: no value satisfies" in out


def test_json_output(run: Any, folder: Path) -> None:
    code, out, _ = run("schema", "partly.json", "--json")
    facts = json.loads(out)
    assert code == 1 and facts["enforced"] is False and facts["satisfiable"] is True
    assert [(e["pointer"], e["keyword"]) for e in facts["unenforced"]] == [
        ("/properties/x", "uniqueItems"),
        ("/properties/h", "format"),
    ]
    code, out, _ = run("schema", "good.json", "--json", "--example", "0")
    facts = json.loads(out)
    assert code == 0 and facts["enforced"] is True and facts["examples"] == [] and facts["size"]["rules"] == 2


def test_standard_input_and_tools(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "null"}}}}]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(tools).encode())))
    code, out, _ = run("schema", "-", "--whitespace", "compact")
    assert code == 0 and "/definitions/f/properties/a" in out and 'example: {"name":"f","arguments":' in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["schema", "missing.json"], "missing.json: No such file"),
        (["schema", "bad.json"], "bad.json:1:2: the schema is not JSON"),
        (["schema", "odd.json"], "schema at /: type is one of"),
        (["schema", "good.json", "--whitespace", "["], "whitespace '['"),
        (["schema", "good.json", "--max-blanks", "-1"], "max_blanks is 0 or more"),
        (["schema", "good.json", "--example", "-1"], "argument --example: -1 is less than 0"),
        (["schema", "good.json", "--registry", "bad.json"], "bad.json:1:2: not JSON"),
        (["schema", "good.json", "--registry", "nowhere"], "nowhere: No such file"),
        (["sample", "json", "--property-order", "any"], "the options for JSON Schema go with a JSON Schema"),
        (["check", "--regex", "a", "--text", "a", "--record"], "the options for JSON Schema go with a JSON Schema"),
        (["sample", "partly.json"], "keyword 'uniqueItems'"),
    ],
)
def test_mistakes(run: Any, folder: Path, arguments: list[str], says: str) -> None:
    Path("bad.json").write_text("{", encoding="utf-8")
    Path("odd.json").write_text('{"type": "strin"}', encoding="utf-8")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and says in err


def test_extract_takes_the_options(run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("doc.txt").write_text("some text", encoding="utf-8")
    asked = []

    def load(source: str, grammar: Any, settings: Any) -> Any:
        asked.append(grammar)
        return lambda messages, seed: Generation('{"x": [1, 1]}', 3, True)

    monkeypatch.setattr("constrain.cli.extract.load_generator", load)
    arguments = ("extract", "--schema", "partly.json", "doc.txt", "-o", "out.jsonl")
    assert run(*arguments)[0] == 2 and asked == []
    code, _, err = run(*arguments, "--record", "--property-order", "any")
    assert code == 0 and len(asked[0].unenforced) == 2 and err.count("not enforced: schema at") == 2
    assert run(*arguments, "--record", "--property-order", "any")[2].endswith("0 records, 1 already in out.jsonl\n")
    assert run(*arguments, "--record", "--whitespace", "compact")[2].endswith("1 record\n")  # another job
    assert run(*arguments, "--record", "--whitespace", "[")[0] == 2


def test_unknown_choices_are_told_by_argparse(run: Any, folder: Path) -> None:
    for option in (["--draft", "draft-03"], ["--formats", "x"], ["--property-order", "x"], []):
        code, out, err = run("schema", *(["good.json", *option] if option else []))
        assert code == 2 and out == "" and "usage:" in err


# the other commands


@pytest.mark.parametrize(
    ("options", "text", "verdict"),
    [
        ([], '{"n": 1, "when": "01:02:03Z"}', 1),
        (["--property-order", "any"], '{"n": 1, "when": "01:02:03Z"}', 0),
        ([], '{"when": "01:02:03Z", "n": 1}', 0),
        (["--whitespace", "compact"], '{"when": "01:02:03Z", "n": 1}', 1),
        (["--whitespace", "compact"], '{"when":"01:02:03Z","n":1}', 0),
        (["--max-blanks", "1"], '{"n":  1}', 1),
        (["--formats", "annotate"], '{"when": "noon", "n": 1}', 0),
    ],
)
def test_check_takes_the_options(run: Any, folder: Path, options: list[str], text: str, verdict: int) -> None:
    assert run("check", "good.json", "--text", text, *options)[0] == verdict


def test_sample_and_mask_take_the_options(run: Any, folder: Path) -> None:
    code, out, err = run("sample", "partly.json", "--record", "-n", "2", "--whitespace", "json")
    assert code == 0 and len(out.splitlines()) == 2
    assert [line.split(":")[0] for line in err.splitlines() if line.startswith("not enforced")] == ["not enforced"] * 2
    code, out, _ = run("mask", "good.json", "--prefix", "{", "--json", "--whitespace", "compact")
    assert [token["text"] for token in json.loads(out)["tokens"]] == ['"']


def test_other_options_reach_the_schema(run: Any, folder: Path) -> None:
    Path("open.json").write_text('{"type": "object", "properties": {"a": {"type": "number"}}}', encoding="utf-8")
    assert run("check", "open.json", "--text", '{"b": 1}')[0] == 0
    assert run("check", "open.json", "--text", '{"b": 1}', "--extra-properties", "never")[0] == 1
    assert run("check", "open.json", "--text", '{"a": 1234}', "--number-digits", "3")[0] == 1
    Path("old.json").write_text('{"minimum": 1, "exclusiveMinimum": true}', encoding="utf-8")
    assert run("check", "old.json", "--text", "1", "--draft", "draft-04")[0] == 1
    assert run("check", "old.json", "--text", "1", "--draft", "draft-07")[0] == 2


def test_registry_of_files_and_folders(run: Any, folder: Path) -> None:
    Path("defs/sub").mkdir(parents=True)
    Path("defs/sub/named.json").write_text('{"$id": "http://example.org/n", "const": 1}', encoding="utf-8")
    Path("defs/plain.json").write_text('{"$defs": {"s": {"const": 2}}}', encoding="utf-8")
    Path("one.json").write_text('{"$ref": "http://example.org/n"}', encoding="utf-8")
    Path("two.json").write_text('{"$ref": "plain.json#/$defs/s"}', encoding="utf-8")
    Path("three.json").write_text('{"$ref": "sub/named.json"}', encoding="utf-8")
    assert run("schema", "one.json")[0] == 1
    for file, text in (("one.json", "1"), ("two.json", "2"), ("three.json", "1")):
        assert run("check", file, "--text", text, "--registry", "defs")[0] == 0
        assert run("schema", file, "--registry", "defs")[0] == 0
    assert run("check", "two.json", "--text", "2", "--registry", "defs/plain.json", "--registry", "defs/sub")[0] == 0
