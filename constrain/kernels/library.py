"""All kernels as one piece of machine code: compiled once, kept on disk, loaded by LLVM alone.

One module, so that a helper is optimised once, not once for each kernel that reaches it. The file is named by a hash of
all sources of kernels, of LLVM, of Python and of this processor; a process that finds it needs no compiler.
"""

from __future__ import annotations

import platform
import sys
import threading
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import llvmlite
import llvmlite.binding as llvm

from constrain import disk
from constrain.kernels import compiler, wrapper

_FOLDER = Path(__file__).parent
_PACKAGE = __name__.rpartition(".")[0]
_guard = threading.RLock()


class _Kernel(Protocol):
    """What is asked of an entry (``jit.Kernel``)."""

    function: Callable[..., Any]
    kinds: tuple[str, ...]
    without_gil: bool
    name: str


ENTRIES: dict[str, _Kernel] = {}
HELPERS: set[Callable[..., Any]] = set()
INLINED: set[Callable[..., Any]] = set()


def builtin(kernel: _Kernel) -> Callable[..., Any]:
    """The builtin function that runs a kernel."""
    with _guard:
        own = kernel.name.startswith(f"{_PACKAGE}.")
        engine = _library() if own else _engine(compile_kernels([kernel]))  # else: defined elsewhere, in a test say
        address = engine.get_function_address(kernel.name)
        return wrapper.builtin_at(address, kernel.name.rpartition(".")[2], kernel.function.__doc__ or "")


@cache
def file() -> Path:
    """Where the machine code of exactly these kernels, for this process, is kept."""
    about = (llvmlite.__version__, sys.version, sys.platform, platform.machine(), *_processor())
    return disk.cache_root() / "kernels" / f"{disk.key(__file__, *about)}.bin"


def prepare() -> Path | None:
    """Load the kernels, compiled first where need be; the file that keeps them, if there is one."""
    with _guard:
        _library()
    return file() if file().is_file() else None


@cache
def _library() -> Any:
    """The code of all kernels of the package: from disk, else compiled and put there."""
    code = disk.load(file())
    if code is not None:
        return _engine(bytes(code))
    for path in _FOLDER.glob("*.py"):  # so that every kernel is known
        import_module(f"{_PACKAGE}.{path.stem}")
    compiled = compile_kernels([kernel for name, kernel in ENTRIES.items() if name.startswith(f"{_PACKAGE}.")])
    error = disk.save(file(), compiled)
    if error is not None:
        warnings.warn(
            f"compiled kernels cannot be kept on disk ({error}); each process will compile them again "
            "(some seconds). Set CONSTRAIN_CACHE_DIR to a writable folder.",
            RuntimeWarning,
            stacklevel=2,
        )
    return _engine(compiled)


def assembly(kernels: list[_Kernel]) -> str:
    """The LLVM assembly of kernels, all they call, and their wrappers."""
    entries = {kernel.function for kernel in ENTRIES.values()}
    module = compiler.Module(HELPERS | entries, INLINED)
    wrappers = []
    for kernel in kernels:
        signature = module.function(kernel.function, kernel.kinds)
        wrappers.append(wrapper.wrapper(kernel.name, kernel.kinds, signature, kernel.without_gil))
    return "\n".join([wrapper.declarations(), *module.texts, *wrappers])


def compile_kernels(kernels: list[_Kernel]) -> bytes:
    """Object code of kernels."""
    machine = _machine()
    module = llvm.parse_assembly(assembly(kernels))
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = tuning.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
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
