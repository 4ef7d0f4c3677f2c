"""Bitcode in wheels: whole and of these sources, or refused with the reason; and a wheel built, unpacked and used."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from constrain.kernels import bitcode, jit, library, shipped
from constrain.kernels.jit import entry
from constrain.kernels.pointers import words_at

pytestmark = pytest.mark.skipif(jit.DISABLED, reason="nothing is compiled")
ROOT = Path(__file__).parents[2]


def test_bitcode_comes_back(tmp_path: Path) -> None:
    shipped.save(tmp_path / "file", b"BC\n\0\n{}")
    assert shipped.load(tmp_path / "file") == b"BC\n\0\n{}"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(shipped.Unfit, match="came without their bitcode"):
        shipped.load(tmp_path / "file")


def test_no_byte_may_be_missing_or_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    shipped.save(path, b"bitcode")
    content = path.read_bytes()
    others = [content[:size] for size in range(len(content))]
    others += [content[: -1 - i] + b"?" + content[len(content) - i :] for i in range(len(b"\nbitcode"))]
    for other in [*others, content + b"\0", b"[]\nbitcode", b"{}\nbitcode"]:
        path.write_bytes(other)
        with pytest.raises(shipped.Unfit, match="is damaged"):
            shipped.load(path)


NOW = llvm.llvm_version_info


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sources": "0" * 32}, "was made of other sources"),
        ({"platform": "plan9 mips"}, "is for plan9 mips, and this is "),
        ({"layout": "E-p:32:32"}, "lays out data as E-p:32:32, LLVM here e"),
        ({"llvm": [NOW[0] + 1, 0, 0]}, rf"was made by LLVM {NOW[0] + 1}.0.0; llvmlite here has {NOW[0]}\."),
    ],
)
def test_bitcode_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], says: str
) -> None:
    about = shipped._about()
    monkeypatch.setattr(shipped, "_about", lambda: about | change)
    shipped.save(tmp_path / "file", b"bitcode")
    monkeypatch.setattr(shipped, "_about", lambda: about)
    with pytest.raises(shipped.Unfit, match=says):
        shipped.load(tmp_path / "file")


def test_bitcode_of_an_older_llvm_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = shipped._about()
    monkeypatch.setattr(shipped, "_about", lambda: about | {"llvm": [NOW[0] - 1, 9, 9]})
    shipped.save(tmp_path / "file", b"bitcode")
    monkeypatch.setattr(shipped, "_about", lambda: about)
    assert shipped.load(tmp_path / "file") == b"bitcode"


@entry(reads={"numbers": 32})
def dot(numbers: Any, times: Any) -> Any:
    """A loop that LLVM makes vectors of."""
    items, total = words_at(numbers.ctypes.data), 0
    for i in range(len(numbers)):
        total += items[i] * items[i] * times
    return total


def test_one_bitcode_for_all_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors are as wide in it as most processors have them; the plainest one gets the same results of it."""
    made = library.compile_kernels([dot])
    text = str(llvm.parse_bitcode(made))
    assert "x i64>" in text and "target-cpu" not in text and "target-features" not in text
    numbers = np.arange(-3, 1000, dtype=np.int32)
    for processor in (library._processor(), ("generic", "")):
        monkeypatch.setattr(library, "_processor", lambda processor=processor: processor)
        monkeypatch.setattr(library, "compile_kernels", lambda kernels: made)
        assert library.builtin(dot)(numbers, 7) == dot.function(numbers, 7)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("declare i64 @NRT_f()\ndefine i64 @f() {\n%x = call i64 @NRT_f()\nret i64 %x\n}", "but these need NRT_f"),
        ("define i64 @f() {\n%x = load i64, ptr inttoptr (i64 140139496232976 to ptr)\nret i64 %x\n}", "the address"),
        ("@g = internal global ptr inttoptr (i64 140139496 to ptr)\ndefine ptr @f() {\nret ptr @g\n}", "the address"),
    ],
)
def test_what_belongs_to_one_process_is_refused(body: str, says: str) -> None:
    with pytest.raises(RuntimeError, match=says):
        bitcode._check(llvm.parse_assembly(body))


FIRST_MASK = """
import sys, constrain
from constrain.kernels import library
from constrain.testing import byte_vocabulary
automaton = constrain.compile(constrain.regex("[ab]c"), byte_vocabulary())
words = __import__("numpy").zeros(automaton.vocabulary.words, "int32")
automaton.fill_mask(automaton.start(), words)
imported = sorted({name.partition(".")[0] for name in sys.modules} & {"numba", "torch", "lark"})
print(words[3], imported, library.origin().kind)
"""
REASON = "from constrain.kernels import shipped\ntry: shipped.load(shipped.FILE)\nexcept shipped.Unfit as e: print(e)"


def test_with_a_wheel_nobody_needs_numba(tmp_path: Path) -> None:
    """Of two processes at once both are right, and one file is left; a third finds it. A changed source is noticed."""
    pytest.importorskip("hatchling", reason="hatchling builds wheels")
    build = "import sys, hatch_build; print(hatch_build.build_wheel(sys.argv[1]))"
    built = subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, capture_output=True, check=True)
    name = built.stdout.decode().split()[-1]
    assert name.endswith("-py3-none-any.whl")
    package = tmp_path / "package"
    zipfile.ZipFile(tmp_path / name).extractall(package)
    assert shipped.load(package / "constrain/kernels" / shipped.FILE.name)[:2] == b"BC"

    here = os.environ | {"PYTHONPATH": str(package), "CONSTRAIN_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", FIRST_MASK]
    running = [subprocess.Popen(command, env=here, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in running] == ["6 [] package\n"] * 2
    assert [process.returncode for process in running] == [0, 0]
    assert len(list((tmp_path / "cache/kernels").iterdir())) == 1
    third = subprocess.run(command, env=here, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    assert third.stdout == "6 [] disk\n"

    with (package / "constrain/kernels/words.py").open("a") as source:
        source.write("\n")
    reason = subprocess.run([sys.executable, "-c", REASON], env=here, cwd=tmp_path, stdout=subprocess.PIPE, check=True)
    assert b"other sources" in reason.stdout


def test_an_editable_installation_is_made_without_numba() -> None:
    hatch_build = pytest.importorskip("hatch_build", reason="hatchling builds wheels")
    assert any("numba" in need for need in hatch_build.get_requires_for_build_wheel())
    assert not any("numba" in need for need in hatch_build.get_requires_for_build_editable())
    hook, data = hatch_build.KernelHook(str(ROOT), {}, None, None, str(ROOT), "wheel"), {"force_include": {}}
    hook.initialize("editable", data)
    hook.finalize("editable", data, "")
    assert data == {"force_include": {}}
