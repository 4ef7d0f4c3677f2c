"""Files that save work: whole or not there, found by exactly what they were made of, never in the way."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from constrain import disk


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    assert disk.save(tmp_path / "a" / "b.bin", b"one", memoryview(b"two")) is None
    assert disk.load(tmp_path / "a" / "b.bin") == b"onetwo"
    assert disk.save(tmp_path / "a" / "b.bin") is None
    assert disk.load(tmp_path / "a" / "b.bin") == b""
    assert os.listdir(tmp_path / "a") == ["b.bin"]


ARRAYS = st.dictionaries(
    st.text(max_size=4),
    st.sampled_from(["u1", "i4", "i8"]).flatmap(lambda kind: stn.arrays(kind, st.integers(0, 9))),
    max_size=4,
)


ABOUT = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5), max_size=3)


@given(arrays=ARRAYS, about=ABOUT)
def test_arrays_come_back(arrays: dict[str, np.ndarray], about: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.bin"
        assert disk.save_arrays(path, arrays, about) is None
        found = disk.load_arrays(path)
    assert found is not None and found[1] == about and found[0].keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[0][name].dtype == array.dtype and found[0][name].tolist() == array.tolist()
        assert not found[0][name].flags.writeable and found[0][name].flags.aligned


CONTENT = b"machine code, say" * 100


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: b"\0" + content[1:],
        lambda content: content[:-5] + b"\0" + content[-4:],
        lambda content: os.urandom(len(content)),
    ],
    ids=["empty", "cut in the head", "cut at the end", "longer", "head changed", "content changed", "noise"],
)
def test_a_damaged_file_is_no_file(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "file.bin"
    disk.save(path, CONTENT)
    path.write_bytes(damage(path.read_bytes()))
    assert disk.load(path) is None and disk.load_arrays(path) is None
    disk.save(path, CONTENT)
    assert disk.load(path) == CONTENT


def test_where_nothing_can_be_written_the_reason_is_given(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert isinstance(disk.save(tmp_path / "file" / "a.bin", b"x"), OSError)
    assert disk.load(tmp_path / "file" / "a.bin") is None
    (tmp_path / "folder").mkdir()
    assert isinstance(disk.save(tmp_path / "folder", b"x"), OSError)  # a folder stands in the way
    assert os.listdir(tmp_path) == ["file", "folder"] or os.listdir(tmp_path) == ["folder", "file"]


def test_the_files_used_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "KEPT", 3)
    for age, name in enumerate("abcd"):
        disk.save(tmp_path / name, name.encode())
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    assert disk.load(tmp_path / "b") == b"b"  # used now
    disk.save(tmp_path / "e", b"e")
    assert sorted(os.listdir(tmp_path)) == ["b", "d", "e"]


def test_keys_tell_all_parts_apart(tmp_path: Path) -> None:
    parts = [(), (b"",), (b"a",), (b"ab",), (b"a", b"b"), (b"b", b"a"), (b"", b"ab"), ("é",), (np.arange(3).data,)]
    assert len({disk.key(__file__, *part) for part in parts}) == len(parts)
    assert disk.key(__file__, "ab") == disk.key(__file__, b"ab")


def test_keys_change_with_the_code(tmp_path: Path) -> None:
    keys = []
    for source in ("x = 1", "x = 2"):
        (tmp_path / "a.py").write_text(source)
        disk._sources.cache_clear()
        keys.append(disk.key(str(tmp_path / "a.py"), b"same"))
    assert keys[0] != keys[1]


def _save_again_and_again(path: Path, byte: int) -> None:
    for _ in range(200):
        assert disk.save(path, bytes([byte]) * 50_000) is None


def test_two_processes_write_and_one_reads(tmp_path: Path) -> None:
    """Whatever is read is whole: one byte repeated."""
    path = tmp_path / "shared.bin"
    _save_again_and_again(path, 0)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_save_again_and_again, args=(path, byte)) for byte in (1, 2)]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        content = disk.load(path)
        assert content is not None and len(content) == 50_000 and len(set(content)) == 1
        seen.add(content[0])
    assert [writer.exitcode for writer in writers] == [0, 0] and seen & {1, 2}
    assert os.listdir(tmp_path) == ["shared.bin"]
