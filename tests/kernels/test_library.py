"""Machine code on disk: found again, made again where it is damaged, done without where nothing can be written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from constrain import disk
from constrain.kernels import jit, library, shipped

pytestmark = pytest.mark.skipif(jit.DISABLED, reason="nothing is compiled")


class Compilations:
    """Stands for both compilers, Numba and LLVM: counts, and answers with code made earlier."""

    def __init__(self) -> None:
        library.prepare()
        code = disk.load(library.file())
        self.code = library.machine_code(library.compile_kernels(OWN)) if code is None else bytes(code)
        self.count = 0

    def compile(self, kernels: list[object]) -> bytes:
        self.count += 1
        return b"bitcode"

    def generate(self, bitcode: bytes) -> bytes:
        assert bitcode == b"bitcode"
        return self.code


OWN = [kernel for name, kernel in library.ENTRIES.items() if name.startswith("constrain.")]


@pytest.fixture
def compilations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compilations]:
    counter = Compilations()
    monkeypatch.setattr(library, "compile_kernels", counter.compile)
    monkeypatch.setattr(library, "machine_code", counter.generate)
    monkeypatch.setattr(shipped, "FILE", tmp_path / "none")
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
    assert library.origin().kind == "compiler"
    forget()
    assert library.prepare() == kept and compilations.count == 1
    assert library.origin() == library.Origin("disk")


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


def test_bitcode_of_the_package_is_taken(compilations: Compilations, tmp_path: Path) -> None:
    shipped.save(shipped.FILE, b"bitcode")
    assert library.prepare() is not None and compilations.count == 0
    assert library.origin() == library.Origin("package")


def test_bitcode_of_other_sources_is_not_taken(compilations: Compilations, monkeypatch: pytest.MonkeyPatch) -> None:
    about = shipped._about()
    monkeypatch.setattr(shipped, "_about", lambda: about | {"sources": "others"})
    shipped.save(shipped.FILE, b"other bitcode")
    monkeypatch.setattr(shipped, "_about", lambda: about)
    assert library.prepare() is not None and compilations.count == 1
    assert library.origin().kind == "compiler" and "other sources" in library.origin().reason
