"""The one place that knows Numba's options: the decorators and the kernel cache.

Numba's own cache serves stale machine code when a callee in another file changes, and fails at import where
no folder is writable. So compiled kernels lie in a folder of ours whose name contains a hash of all kernel
sources; where it cannot be written they are compiled in memory, with a warning that says so.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core import caching, types

from constrain.kernels.helpers import HelperCompiler

DISABLED = bool(numba.config.DISABLE_JIT)


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


def _sources_stamp() -> str:
    digest = hashlib.sha256(f"{numba.__version__};{np.__version__};{sys.version}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _kernel_folder() -> Path | None:
    """The folder for compiled kernels of exactly these sources, or ``None`` where it cannot be written."""
    try:
        folder = cache_root() / "kernels" / _sources_stamp()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError) as error:
        warnings.warn(
            f"compiled kernels cannot be kept on disk ({error}); each process will compile them again "
            "(about 10 s). Set CONSTRAIN_CACHE_DIR to a writable folder.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


CACHE_FOLDER = None if DISABLED else _kernel_folder()


class _Locator(caching._CacheLocator):  # type: ignore[misc]
    """Tells Numba to keep one function's machine code in ``CACHE_FOLDER``."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._name = f"{Path(py_file).stem}-{py_func.__code__.co_firstlineno}"

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Locator:
        return cls(py_func, py_file)

    def get_cache_path(self) -> str:
        return str(CACHE_FOLDER)

    def get_source_stamp(self) -> str:
        return "constrain"  # the folder's name already is the stamp

    def get_disambiguator(self) -> str:
        return self._name


class _CacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]  # noqa: RUF012


class _Cache(caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _CacheImpl


def _compile(function: Callable[..., Any], **options: Any) -> Any:
    """A dispatcher that compiles one version for integers, not one more for each literal it is called with."""
    dispatcher = numba.njit(function, _nrt=False, no_cfunc_wrapper=True, **options)
    template = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: template(tuple(types.unliteral(a) for a in args), kws)
    return dispatcher


_HELPER: dict[str, Any] = {"no_cpython_wrapper": True, "pipeline_class": HelperCompiler}


def entry(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """A kernel that Python calls. Compiled at its first call, kept on disk."""
    if DISABLED:
        return function
    dispatcher = _compile(function, **options)
    if CACHE_FOLDER is not None:
        dispatcher._cache = _Cache(function)
    return dispatcher


def entry_without_gil(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel during which other Python threads run: for calls that take long, whose caller locks what they touch.

    For short calls the interpreter lock is kept: to get it back from a busy thread takes up to 5 ms.
    """
    return entry(function, nogil=True)


def machine_code(kernel: Any, arguments: tuple[Any, ...]) -> int:
    """The address of an entry's machine code for these argument types, compiled or loaded where need be."""
    kernel.compile(arguments)
    compiled = kernel.overloads[arguments]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that only kernels call."""
    return function if DISABLED else _compile(function, **_HELPER)


def inline(function: Callable[..., Any]) -> Callable[..., Any]:
    """A helper copied into its callers: short, on the hot path."""
    return function if DISABLED else _compile(function, forceinline=True, **_HELPER)
