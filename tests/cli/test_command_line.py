"""The command line as a person or a script uses it: output, exit codes, and errors that tell what to do."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from constrain.cli import COMMANDS, main
from constrain.kernels import library

Outcome = tuple[int, str, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> Outcome:
        try:
            code = main(list(arguments))
        except SystemExit as stop:  # argparse
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return call


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(run: Any, command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0 and f"constrain {command}" in out and "examples:" in out


def test_the_top_level_help_names_all_commands(run: Any) -> None:
    code, out, _ = run("--help")
    assert code == 0 and all(command in out for command in COMMANDS)


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("check", "--nonsense"), ("sample", "json", "-n", "x")])
def test_misuse_is_two(run: Any, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert code == 2 and out == "" and "usage:" in err


# check


def test_check_yes(run: Any) -> None:
    assert run("check", "--regex", "[0-9]+", "--text", "042") == (0, "ok: a text of the language (3 bytes)\n", "")


def test_check_no_shows_the_place(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text('{"a": 1,\n "bé": tru}')
    code, out, _ = run("check", "json", str(path))
    lines = out.splitlines()
    assert code == 1
    assert lines[0] == f"{path}:2:11: unexpected '}}' (byte 20)"
    assert lines[1:3] == ['     "bé": tru}', "              ^"]
    assert lines[3].startswith("expected: ") and "e" in lines[3]


def test_check_too_short(run: Any) -> None:
    code, out, _ = run("check", "iso_date", "--text", "2024-02-")
    assert code == 1 and out.startswith("<text>:1:9: the text ends too early (byte 8)")


@pytest.mark.filterwarnings("ignore:rules that the start rule never reaches")
def test_check_with_a_bnf_file(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "list.gbnf"
    path.write_text('root ::= item ("," item)* # a list\nitem ::= [a-z]+')
    assert run("check", str(path), "--text", "a,bc")[0] == 0
    assert run("check", str(path), "--start", "item", "--text", "a,bc")[0] == 1
    assert run("check", "--gbnf", 'root ::= "\\n"', "--text", "\n")[0] == 0
    path = tmp_path / "list.ebnf"
    path.write_text("List ::= [a-z]+ - 'no'")
    assert run("check", str(path), "--text", "yes")[0] == 0 and run("check", str(path), "--text", "no")[0] == 1
    code, _, err = run("check", "--ebnf", "a ::= [x", "--text", "x")
    assert code == 2 and "1:7: this set is never closed" in err


def test_check_reads_standard_input(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"7\n")
    code, out, _ = run("check", "--regex", "[0-9]")
    assert code == 1 and out.startswith("<stdin>:1:2: unexpected '\\n' (byte 1)") and "--chomp" in out
    feed(monkeypatch, b"7\r\n")
    assert run("check", "--regex", "[0-9]", "-", "--chomp")[0] == 0


def test_check_json_output(run: Any) -> None:
    code, out, _ = run("check", "--regex", "ab", "--text", "ab", "--json")
    assert (code, json.loads(out)) == (0, {"accepted": True, "bytes": 2})
    code, out, _ = run("check", "--regex", "é\nb", "--text", "é\nx", "--json")
    facts = json.loads(out)
    assert code == 1 and facts.pop("expected")
    assert facts == {"accepted": False, "offset": 3, "line": 2, "column": 1, "at_end": False}


def test_check_bytes_that_are_no_text(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a\xff")
    code, out, _ = run("check", "--regex", "a.", str(path))
    assert code == 1 and "unexpected byte 0xff (byte 1)" in out


def test_grammars_of_every_kind(run: Any, tmp_path: Path) -> None:
    (tmp_path / "g.regex").write_text("[ab]+\n")
    (tmp_path / "g.lark").write_text('start: "a" "b"*\nother: "b"')
    (tmp_path / "g.json").write_text('{"enum": ["ab", 1]}')
    for grammar, text in [("g.regex", "ab"), ("g.lark", "ab"), ("g.json", '"ab"')]:
        assert run("check", str(tmp_path / grammar), "--text", text)[0] == 0
    assert run("check", "--lark", 'start: "a" "b"*', "--text", "abb")[0] == 0
    assert run("check", "--json-schema", '{"enum": ["ab", 1]}', "--text", "1")[0] == 0
    assert run("check", str(tmp_path / "g.lark"), "--start", "other", "--text", "b")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check"], "which grammar"),
        (["check", "nonsense"], "'nonsense' is neither a shipped grammar (arithmetic, cpp, csv"),
        (["check", "missing.lark", "--text", "x"], "missing.lark"),
        (["check", "missing.regex", "--text", "x"], "missing.regex: No such file"),
        (["check", "json", "missing.txt"], "missing.txt: No such file"),
        (["check", "json", "x", "--text", "y"], "two texts"),
        (["sample", "json", "--regex", "a"], "two grammars"),
        (["check", "--regex", "a(", "--text", "a"], "^"),
        (["check", "--lark", "start: nothing_here", "--text", "a"], "nothing_here"),
        (["check", "--json-schema", '{"type": 1', "--text", "a"], "^"),
        (["check", "--json-schema", '{"type": "strin"}', "--text", "a"], "strin"),
    ],
)
def test_mistakes_are_told(run: Any, arguments: list[str], says: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and err.startswith(f"constrain {arguments[0]}: ") and says in err


def test_a_file_that_is_not_text(run: Any, tmp_path: Path) -> None:
    (tmp_path / "g.regex").write_bytes(b"\xff")
    code, _, err = run("check", str(tmp_path / "g.regex"), "--text", "a")
    assert code == 2 and "UTF-8" in err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--regex", "a(", "--text", "a", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_interruption(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("constrain.cli.check.run", interrupt)
    assert run("check", "json") == (130, "", "constrain: interrupted\n")


# sample


def test_samples_are_members_and_repeatable(run: Any) -> None:
    code, out, _ = run("sample", "iso_date", "-n", "4", "--seed", "1")
    assert code == 0 and len(out.splitlines()) == 4
    for line in out.splitlines():
        assert run("check", "iso_date", "--text", line)[0] == 0
    assert run("sample", "iso_date", "-n", "4", "--seed", "1")[1] == out
    assert run("sample", "iso_date", "-n", "4", "--seed", "2")[1] != out


def test_samples_as_json_are_exact(run: Any) -> None:
    _, out, _ = run("sample", "--regex", r"\n\té", "-n", "1", "--json")
    assert json.loads(out) == "\n\té"
    assert run("sample", "--regex", r"\n\té", "-n", "1")[1] == "\\n\\té\n"


# mask


def test_mask_lists_allowed_tokens(run: Any) -> None:
    code, out, _ = run("mask", "--regex", "a[bc]?", "--prefix", "a")
    assert code == 0
    assert out.splitlines()[0] == "3 of 257 tokens are allowed; the text may end here"
    assert out.splitlines()[1:3] == ["  98 ('b')", "  99 ('c')"]
    assert "end of sequence" in out
    assert run("mask", "--regex", "[a-z]", "--limit", "1")[1].splitlines()[-1] == "  ... and 25 more (--limit)"


def test_mask_json_output(run: Any) -> None:
    _, out, _ = run("mask", "--regex", "[a-c]x", "--limit", "2", "--json")
    tokens = [{"id": 97, "text": "a"}, {"id": 98, "text": "b"}]
    assert json.loads(out) == {"allowed": 3, "of": 257, "may_end": False, "tokens": tokens}


def test_mask_explains_a_token(run: Any) -> None:
    code, out, _ = run("mask", "--regex", "ab", "--prefix", "a", "--explain", "b")
    assert code == 0 and "98 ('b') is allowed" in out
    code, out, _ = run("mask", "--regex", "ab", "--prefix", "a", "--explain", "text:7")
    assert code == 1 and "55 ('7') is not allowed" in out
    code, out, _ = run("mask", "--regex", "ab", "--prefix", "a", "--explain", "98", "--json")
    assert code == 0 and json.loads(out)["allowed"] is True


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--prefix", "ax"], "no text of the language begins with this prefix\n<prefix>:1:2: unexpected 'x' (byte 1)"),
        (["--explain", "abc"], "no single token"),
        (["--explain", "999"], "from 0 to 256"),
        (["--tokenizer", "nowhere/tokenizer.json"], "nowhere/tokenizer.json: there is no such file"),
    ],
)
def test_mask_mistakes(run: Any, arguments: list[str], says: str) -> None:
    code, out, err = run("mask", "--regex", "ab", *arguments)
    assert (code, out) == (2, "") and says in err


def test_mask_with_a_tokenizer_file(run: Any, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    symbols = {symbol: i for i, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=symbols | {"ab": 256}, merges=[("a", "b")]))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    arguments = ("mask", "--regex", "ab", "--tokenizer", str(tmp_path / "tokenizer.json"), "--eos", "257")
    code, out, _ = run(*arguments)
    assert code == 0 and "256 ('ab')" in out and out.startswith("2 of 258")


# warmup


def test_warmup_says_where_and_how_long(run: Any) -> None:
    code, out, _ = run("warmup")
    assert code == 0 and re.match(r"kernels ready after \d+\.\d s[;,]", out)
    assert set(json.loads(run("warmup", "--json")[1])) == {"seconds", "cache", "kernels", "reason"}


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        (library.Origin("disk"), "kernels: found compiled on disk\n"),
        (library.Origin("package"), "kernels: made from the bitcode that came with this installation\n"),
        (library.Origin("compiler", "it is damaged"), "kernels: compiled by Numba, as it is damaged\n"),
    ],
)
def test_warmup_says_where_kernels_come_from(
    run: Any, monkeypatch: pytest.MonkeyPatch, origin: library.Origin, says: str
) -> None:
    monkeypatch.setattr(library, "origin", lambda: origin)
    assert run("warmup")[1].endswith(says)
    answer = json.loads(run("warmup", "--json")[1])
    assert (answer["kernels"], answer["reason"]) == (origin.kind, origin.reason or None)
