"""Kernels as LLVM bitcode: all that is done to them before they become code for one kind of processor.

Numba lowers each function once; all become one module, so that a helper is optimised once, not once for each kernel
that reaches it. The result holds for every processor of one platform: nothing in it names a processor, and it has no
address of the process that made it, which is checked, not hoped for. Vectors are as wide as most processors have them
(others split them).
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any, Protocol

import llvmlite.binding as llvm

from constrain.garbage import collected_later
from constrain.kernels import wrapper
from constrain.kernels.numba_compiler import Compiler


class Kernel(Protocol):
    """What is asked of an entry (``jit.Kernel``)."""

    function: Callable[..., Any]
    kinds: tuple[str, ...]
    without_gil: bool
    name: str


def bitcode(kernels: list[Kernel], compiler: Compiler) -> bytes:
    """Optimised bitcode of kernels, of all they call, and of their wrappers; only these can be seen from outside."""
    module = _linked(kernels, compiler)
    _optimise(module)
    _check(module)
    made: bytes = module.as_bitcode()
    return made


def _linked(kernels: list[Kernel], compiler: Compiler) -> Any:
    wrappers, functions = [wrapper.declarations()], dict[str, None]()
    with collected_later():
        for kernel in kernels:
            name, texts = compiler.compile(kernel.function, kernel.kinds)
            wrappers.append(wrapper.wrapper(kernel.name, kernel.kinds, name, kernel.without_gil))
            functions |= dict.fromkeys(texts)
    module = llvm.parse_assembly("\n".join(wrappers))
    for text in functions:
        module.link_in(llvm.parse_assembly(text))
    exported = {kernel.name for kernel in kernels}
    for thing in (*module.functions, *module.global_variables):
        if not thing.is_declaration and thing.name not in exported:
            thing.linkage = "internal"
    return module


def _optimise(module: Any) -> None:
    """LLVM's -O3, short of a processor; names of what cannot be seen from outside, half of all bytes, go."""
    llvm.initialize_native_target()
    width = "x86-64-v3" if platform.machine() in ("x86_64", "AMD64") else ""  # which vectors are taken to be cheap
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=width, opt=3)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = tuning.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    names = llvm.create_new_module_pass_manager()
    names.add_strip_symbols_pass()
    names.run(module, builder)


def _check(module: Any) -> None:
    """Refuse code that would need something of Numba, or of this process, when it runs: it would end the process."""
    things = (*module.functions, *module.global_variables)
    wanted = {thing.name for thing in things if thing.is_declaration and not thing.name.startswith("llvm.")}
    missing = sorted(wanted - wrapper.API.keys())
    if missing:
        raise RuntimeError(f"kernels cannot use Numba's runtime, but these need {', '.join(missing)}")
    if "inttoptr (i64" in str(module):  # a constant as an address
        raise RuntimeError("kernels cannot use objects of Python, but these have the address of one")
