"""Machine code on disk: found again, made again where it is damaged, done without where nothing can be written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from constrain import disk
from constrain.kernels import jit, library

pytestmark = pytest.mark.skipif(jit.DISABLED, reason="nothing is compiled")


class Compilations:
    """Stands for the compiler: counts, and answers with code made earlier."""

    def __init__(self) -> None:
        library.prepare()
        code = disk.load(library.file())
        self.code = bytes(code) if code is not None else library.compile_kernels(list(library.ENTRIES.values()))
        self.count = 0

    def __call__(self, kernels: list[object]) -> bytes:
        self.count += 1
        return self.code


@pytest.fixture
def compilations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compilations]:
    counter = Compilations()
    monkeypatch.setattr(library, "compile_kernels", counter)
    monkeypatch.setenv("CONSTRAIN_CACHE_DIR", str(tmp_path))
    forget()
    yield counter
    forget()


def forget() -> None:
    """As a new process."""
    library.file.cache_clear()
    library._library.cache_clear()


def test_code_is_found_again(compilations: Compilations, tmp_path: Path) -> None:
    kept = library.prepare()
    assert kept is not None and kept.is_relative_to(tmp_path) and compilations.count == 1
    forget()
    assert library.prepare() == kept and compilations.count == 1


@pytest.mark.parametrize("size", [0, 10, 1000, -1])
def test_a_file_that_is_cut_short_is_made_again(compilations: Compilations, size: int) -> None:
    kept = library.prepare()
    assert kept is not None
    content = kept.read_bytes()
    kept.write_bytes(content[:size])
    forget()
    assert library.prepare() == kept and compilations.count == 2
    assert kept.read_bytes() == content


def test_another_processor_has_a_file_of_its_own(compilations: Compilations, monkeypatch: pytest.MonkeyPatch) -> None:
    first = library.file()
    library.file.cache_clear()
    monkeypatch.setattr(library, "_processor", lambda: ("another", "+none"))
    assert library.file() != first


def test_without_a_folder_kernels_are_compiled_in_memory(
    compilations: Compilations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("CONSTRAIN_CACHE_DIR", str(tmp_path / "file"))
    forget()
    with pytest.warns(RuntimeWarning, match="cannot be kept on disk.*CONSTRAIN_CACHE_DIR"):
        assert library.prepare() is None
    assert compilations.count == 1


WARM_UP = """
import sys, constrain
from constrain.testing import byte_vocabulary
automaton = constrain.compile(constrain.regex("[ab]c"), byte_vocabulary())
words = __import__("numpy").zeros(automaton.vocabulary.words, "int32")
automaton.fill_mask(automaton.start(), words)
print(words[3], "numba" in sys.modules)
"""


def test_two_processes_prepare_at_once(tmp_path: Path) -> None:
    """Both compile, both are right, one file is left."""
    command = [sys.executable, "-c", f"import os; os.environ['CONSTRAIN_CACHE_DIR'] = {str(tmp_path)!r}\n{WARM_UP}"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in running] == ["6 False\n"] * 2
    assert [process.returncode for process in running] == [0, 0]
    assert len(list((tmp_path / "kernels").iterdir())) == 1
