"""The plug-in, in runs of pytest of its own; and what a case file may say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from constrain.errors import GrammarError
from constrain.testing import Case, read_cases, unescape

GRAMMAR = 'start: "a" "b"*\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with one grammar, of which one case of each kind is wrong, and a file of cases of nothing."""
    (tmp_path / "word.lark").write_text(GRAMMAR, encoding="utf-8")
    (tmp_path / "word.accept.txt").write_text("a\n\nabb\nabc\n", encoding="utf-8")
    (tmp_path / "word.reject.txt").write_text("\\e\nab\n\\x62\n", encoding="utf-8")
    (tmp_path / "other.accept.txt").write_text("what \\ever\n", encoding="utf-8")
    return tmp_path


def run(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "pytest_constrain", "-p", "no:cacheprovider", "--rootdir", folder]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command += [*options, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    return done.stdout + done.stderr


def test_it_is_off_unless_asked_for(folder: Path) -> None:
    assert "no tests ran" in run(folder)


@pytest.mark.parametrize("way", ["option", "ini"])
def test_lines_become_tests(folder: Path, way: str) -> None:
    if way == "ini":
        (folder / "pytest.ini").write_text("[pytest]\nconstrain_grammars = true\n", encoding="utf-8")
    out = run(folder, "-v", *(["--constrain-grammars"] if way == "option" else []))
    assert "2 failed, 4 passed" in out
    assert "word.accept.txt::lark-line3" in out and "other.accept.txt" not in out
    assert "word.accept.txt:4: word.lark must accept 'abc', and does not" in out
    assert "<text>:1:3: unexpected 'c' (byte 2)" in out and "expected: " in out
    assert "word.reject.txt:2: word.lark must reject 'ab', and accepts it" in out
    assert "Traceback" not in out


def test_grammars_and_case_files_that_cannot_be_read(folder: Path) -> None:
    (folder / "word.lark").write_text("start: nothing\n", encoding="utf-8")
    (folder / "word.reject.txt").write_text("\\q\n", encoding="utf-8")
    out = run(folder, "--constrain-grammars", "--continue-on-collection-errors")
    assert "word.lark cannot be used" in out and "nothing" in out
    assert "unknown escape '\\\\q' at column 1" in out and "word.reject.txt:1:1" in out


def test_each_kind_of_grammar_and_two_of_one_name(folder: Path) -> None:
    (folder / "word.regex").write_text("ab*\n", encoding="utf-8")
    (folder / "age.json").write_text('{"type": "integer"}', encoding="utf-8")
    (folder / "age.accept.txt").write_text("1\n-2\n", encoding="utf-8")
    out = run(folder, "--constrain-grammars", "-v")
    assert "4 failed, 10 passed" in out
    assert "word.accept.txt::regex-line1" in out and "age.accept.txt::json-line2 PASSED" in out


def test_runs_without_grammars_do_not_load_the_engine(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\ndef test_it():\n    assert not {'constrain', 'numpy', 'torch', 'numba'} & set(sys.modules)\n",
        encoding="utf-8",
    )
    (tmp_path / "lonely.accept.txt").write_text("x\n", encoding="utf-8")
    assert "1 passed" in run(tmp_path, "-p", "no:hypothesispytest")


def test_case_files(tmp_path: Path) -> None:
    path = tmp_path / "x.reject.txt"
    path.write_bytes(b"a\\n\\tb\r\n\n\\e\n\\x41\\\\n\xc3\xa9")
    assert read_cases(path) == [Case(1, "a\n\tb", False), Case(3, "", False), Case(4, "A\\né", False)]
    assert unescape(r"a\nb\\n\x41\e") == "a\nb\\nA"
    path.write_text("ok\nbad\\", encoding="utf-8")
    with pytest.raises(GrammarError, match=r"x\.reject\.txt:2:1: unknown escape .* at column 4"):
        read_cases(path)
