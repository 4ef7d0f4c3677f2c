"""Files that save work: what was computed once, kept in the user's cache folder.

Never more than that: a file that is missing, cut short or changed is as good as none, and where no file can be
written the work is done again each time. Files are complete when they appear (written beside, then moved), so any
number of processes may read and write the same one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

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
    except OSError as error:
        return error
    return None
