"""Files that save work: what was computed once, kept in the user's cache folder.

Never more than that: a file that is missing, cut short or changed is as good as none, and where no file can be
written the work is done again each time. Files are complete when they appear (written beside, then moved), so any
number of processes may read and write the same one. Of each folder, the files used last are kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

KEPT = 64  # files of a folder
_DIGEST = hashlib.sha256().digest_size


def cache_root() -> Path:
    """Folder for everything constrain keeps on disk: ``$CONSTRAIN_CACHE_DIR``, else the user's cache folder."""
    given = os.environ.get("CONSTRAIN_CACHE_DIR")
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "constrain"


def load(path: Path) -> memoryview | None:
    """What ``save`` has put there; ``None`` if there is no such file, or not as it was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # used
    kept = memoryview(content)[_DIGEST:]
    return kept if hashlib.sha256(kept).digest() == content[:_DIGEST] else None


def save(path: Path, *parts: bytes | memoryview) -> OSError | None:
    """Put the parts, one after the other, into a file; or the reason why that cannot be done."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
        try:
            with os.fdopen(number, "wb") as file:
                file.writelines((digest.digest(), *parts))
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        _prune(path.parent)
    except OSError as error:
        return error
    return None


def _prune(folder: Path) -> None:
    """Delete what has not been used for longest. Other processes may do the same."""
    ages = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            ages.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(ages)[:-KEPT]:
        with contextlib.suppress(OSError):
            path.unlink()


@cache
def _sources(folder: Path) -> bytes:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


def key(source: str, *parts: bytes | str | memoryview) -> str:
    """A name for what is made of ``parts`` by the code in the folder of the file ``source``: other bytes or other code,
    another name."""
    digest = hashlib.sha256(_sources(Path(source).parent))
    for part in parts:
        data = memoryview(part.encode() if isinstance(part, str) else part)
        digest.update(data.nbytes.to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:32]


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], about: Any = None) -> OSError | None:
    """``save`` arrays of one dimension, and something that is JSON."""
    parts = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    shapes = {name: (part.dtype.str, len(part)) for name, part in parts.items()}
    head = json.dumps([shapes, about]).encode()
    pieces = [len(head).to_bytes(8, "little"), _padded(head), *(_padded(part.tobytes()) for part in parts.values())]
    return save(path, *pieces)


def load_arrays(path: Path) -> tuple[dict[str, npt.NDArray[Any]], Any] | None:
    """What ``save_arrays`` has put there, the arrays read-only; ``None`` as ``load`` has it."""
    content = load(path)
    if content is None:
        return None
    end = 8 + int.from_bytes(content[:8], "little")
    shapes, about = json.loads(bytes(content[8:end]))
    arrays, at = {}, _up(end)
    for name, (kind, length) in shapes.items():
        arrays[name] = np.frombuffer(content, kind, length, at)
        at = _up(at + arrays[name].nbytes)
    return arrays, about


def _up(place: int) -> int:
    """The next multiple of 8, where items of any width may begin."""
    return -place % 8 + place


def _padded(data: bytes) -> bytes:
    return data.ljust(_up(len(data)), b"\0")
