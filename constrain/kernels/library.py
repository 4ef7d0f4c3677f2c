"""All kernels as one piece of machine code: kept on disk, loaded by LLVM alone.

The file is named by a hash of all sources of kernels, of Numba, of LLVM, of Python and of this processor; a process
that finds it never imports Numba. Where there is none, LLVM makes it from bitcode: that which the package carries, if
it is of these very sources (``shipped.py``), else that which Numba makes of them (``bitcode.py``).
"""

from __future__ import annotations

import platform
import sys
import threading
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import llvmlite
import llvmlite.binding as llvm

from constrain import disk
from constrain.kernels import shipped, wrapper

if TYPE_CHECKING:
    from constrain.kernels.bitcode import Kernel

_FOLDER = Path(__file__).parent
_PACKAGE = __name__.rpartition(".")[0]
_guard = threading.RLock()

ENTRIES: dict[str, Kernel] = {}
HELPERS: set[Callable[..., Any]] = set()
INLINED: set[Callable[..., Any]] = set()


class Origin(NamedTuple):
    """Where a process has its kernels from: machine code on disk, bitcode of the package, or the compiler.

    ``reason``: why it had to be the compiler.
    """

    kind: Literal["disk", "package", "compiler"]
    reason: str = ""


class _Library(NamedTuple):
    engine: Any
    origin: Origin


def builtin(kernel: Kernel) -> Callable[..., Any]:
    """The builtin function that runs a kernel."""
    with _guard:
        own = kernel.name.startswith(f"{_PACKAGE}.")
        engine = _library().engine if own else _engine(machine_code(compile_kernels([kernel])))  # else: of a test, say
        address = engine.get_function_address(kernel.name)
        return wrapper.builtin_at(address, kernel.name.rpartition(".")[2], kernel.function.__doc__ or "")


@cache
def file() -> Path:
    """Where the machine code of exactly these kernels, for this process, is kept."""
    about = (version("numba"), llvmlite.__version__, sys.version, sys.platform, platform.machine(), *_processor())
    return disk.cache_root() / "kernels" / f"{disk.key(__file__, *about)}.bin"


def prepare() -> Path | None:
    """Load the kernels, compiled first where need be; the file that keeps them, if there is one."""
    with _guard:
        _library()
    return file() if file().is_file() else None


def origin() -> Origin:
    """Where this process has the kernels from, which are loaded if they are not yet."""
    with _guard:
        return _library().origin


def ship(path: Path) -> None:
    """Compile all kernels, and write the file that a wheel carries."""
    shipped.save(path, compile_kernels(_own()))


@cache
def _library() -> _Library:
    """The code of all kernels of the package: from disk, else made and put there."""
    kept = disk.load(file())
    if kept is not None:
        return _Library(_engine(bytes(kept)), Origin("disk"))
    bitcode, origin = _bitcode()
    code = machine_code(bitcode)
    error = disk.save(file(), code)
    if error is not None:
        warnings.warn(
            f"compiled kernels cannot be kept on disk ({error}); each process will compile them again "
            "(some seconds). Set CONSTRAIN_CACHE_DIR to a writable folder.",
            RuntimeWarning,
            stacklevel=2,
        )
    return _Library(_engine(code), origin)


def _bitcode() -> tuple[bytes, Origin]:
    try:
        return shipped.load(shipped.FILE), Origin("package")
    except shipped.Unfit as error:
        return compile_kernels(_own()), Origin("compiler", str(error))


def _own() -> list[Kernel]:
    """All kernels of the package."""
    for path in _FOLDER.glob("*.py"):  # so that every kernel is known
        import_module(f"{_PACKAGE}.{path.stem}")
    return [kernel for name, kernel in ENTRIES.items() if name.startswith(f"{_PACKAGE}.")]


def compile_kernels(kernels: list[Kernel]) -> bytes:
    """Bitcode of kernels, by Numba."""
    bitcode = import_module(f"{_PACKAGE}.bitcode")  # these take a second, so only here
    numba_compiler = import_module(f"{_PACKAGE}.numba_compiler")
    compiler = numba_compiler.Compiler(HELPERS | {kernel.function for kernel in ENTRIES.values()}, INLINED)
    made: bytes = bitcode.bitcode(kernels, compiler)
    return made


def machine_code(bitcode: bytes) -> bytes:
    """Bitcode as object code for this processor."""
    machine = _machine()
    module = llvm.parse_bitcode(bitcode)
    module.verify()
    code: bytes = machine.emit_object(module)
    return code


def _engine(code: bytes) -> Any:
    """LLVM's linker and loader with some object code in it."""
    machine = _machine()
    for name, address in wrapper.api_addresses().items():
        llvm.add_symbol(name, address)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return engine


_engines: list[Any] = []  # code is gone when its engine is


@cache
def _processor() -> tuple[str, str]:
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _machine() -> Any:
    """LLVM's description of this processor, and how code for it is made: position-independent, small distances."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = _processor()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=name, features=features, opt=3, reloc="pic", codemodel="small", jit=True)
