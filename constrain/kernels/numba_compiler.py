"""Kernels to LLVM assembly, by Numba. Imported only where no compiled kernels are found on disk.

Numba's own way is to make optimised machine code of each function that another one calls, all that it calls included,
and once more in each that calls it. With helpers calling helpers ten deep that is most of the time a cold start takes
(35 of 52 s), for code that nobody runs. Here each function stops after lowering, once, and its assembly is kept: LLVM
gets all of it as one module.

Kernels are written with plain functions. Numba sees copies of them, in whose globals other kernels are dispatchers and
the functions of ``pointers.py`` are intrinsics; so importing kernels needs no Numba.
"""

from __future__ import annotations

import types as python
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numba
from numba.core import cgutils, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import NativeLowering

from constrain.kernels.jit import Kernel
from constrain.kernels.numba_types import INTRINSICS, Buffer

Function = Callable[..., Any]


class Compiled(NamedTuple):
    """A compiled function: its name in LLVM, and the assembly of it and of all that it calls, a text for each."""

    name: str
    texts: tuple[str, ...]


class Compiler:
    """Compiles each function once, however often it is called.

    ``helpers``: what kernels may call; ``inlined``: those always copied into their callers.
    """

    def __init__(self, helpers: Collection[Function], inlined: Collection[Function]) -> None:
        own = BUILTINS.values()
        self._helpers, self._inlined = {*helpers, *own}, {*inlined, *own}
        self._dispatchers: dict[Function, Any] = {}
        self._globals: dict[int, dict[str, Any]] = {}
        self._resolved: dict[Any, Any] = {}

    def compile(self, function: Function, kinds: tuple[str, ...]) -> Compiled:
        """Compile a function for arguments that are ``int``, ``r32`` (an array of int32 that is read), ``w8`` ..."""
        dispatcher, arguments = self._dispatcher(function), tuple(map(_type, kinds))
        with _remembered(self._resolved):
            dispatcher.compile(arguments)
        result = dispatcher.overloads[arguments]
        if result.signature.return_type not in (types.int64, types.none):
            raise TypeError(f"{function.__qualname__} returns {result.signature.return_type}, not an integer")
        return Compiled(result.fndesc.llvm_func_name, _texts(result.library))

    def _dispatcher(self, function: Function) -> Any:
        if function not in self._dispatchers:
            copy = python.FunctionType(function.__code__, self._namespace(function.__globals__))
            copy.__module__ = function.__module__
            self._dispatchers[function] = _dispatcher(copy, function in self._inlined)
        return self._dispatchers[function]

    def _namespace(self, names: dict[str, Any]) -> dict[str, Any]:
        """The globals of a module as Numba is to see them."""
        if id(names) not in self._globals:
            self._globals[id(names)] = {}  # known before it is filled, by functions with this very namespace
            self._globals[id(names)] |= {name: self._seen(value) for name, value in (BUILTINS | names).items()}
        return self._globals[id(names)]

    def _seen(self, value: Any) -> Any:
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return _module(value)
        function = value.function if isinstance(value, Kernel) else value
        if not isinstance(function, python.FunctionType):
            return value
        return self._dispatcher(function) if function in self._helpers else INTRINSICS.get(function, value)


@contextmanager
def _remembered(resolved: dict[Any, Any]) -> Iterator[None]:
    """Let Numba look up what a built-in function makes of integers once, in ``resolved`` after that.

    It tries all of NumPy's functions for each ``+`` it meets: a sixth of the time. (Only functions that it brings are
    asked this way; dispatchers have a method of their own.)
    """
    look_up = types.functions.BaseFunction.get_call_type

    def get_call_type(function: Any, context: Any, args: Any, kws: Any) -> Any:
        if kws or not all(isinstance(argument, types.Integer | types.Boolean) for argument in args):
            return look_up(function, context, args, kws)
        if (function, args) not in resolved:
            resolved[function, args] = look_up(function, context, args, kws)
        return resolved[function, args]

    types.functions.BaseFunction.get_call_type = get_call_type
    try:
        yield
    finally:
        types.functions.BaseFunction.get_call_type = look_up


def _smaller(a: Any, b: Any) -> Any:
    return a if a < b else b


def _larger(a: Any, b: Any) -> Any:
    return a if a > b else b


BUILTINS = {"min": _smaller, "max": _larger}
"""Built-in functions for two integers; Numba's own bring its runtime, and take a second to compile."""


def _module(names: Any) -> python.ModuleType:
    """A named tuple as a module: of a tuple, Numba would build the whole wherever one field is wanted."""
    module = python.ModuleType(type(names).__name__)
    module.__dict__.update(names._asdict())
    return module


def _type(kind: str) -> Any:
    return types.int64 if kind == "int" else Buffer(int(kind[1:]), kind[0] == "w")


def _dispatcher(function: Function, inlined: bool) -> Any:
    """A dispatcher that compiles one version for integers, not one more for truth and each literal."""
    dispatcher = numba.njit(
        function, _nrt=False, error_model="numpy", forceinline=inlined, no_cpython_wrapper=True, no_cfunc_wrapper=True,
        pipeline_class=LoweringOnly,
    )  # fmt: skip
    template = dispatcher.get_call_template

    def generic_template(args: Any, kws: Any) -> Any:
        plain = (types.unliteral(argument) for argument in args)
        return template(tuple(types.int64 if isinstance(kind, types.Boolean) else kind for kind in plain), kws)

    dispatcher.get_call_template = generic_template
    return dispatcher


def _texts(library: TextLibrary) -> tuple[str, ...]:
    """The assembly of a library and of those it needs."""
    found = [library]
    for each in found:
        found += [needed for needed in each.needed if needed not in found]
    return tuple(text for each in found for text in each.texts)


class TextLibrary(JITCodeLibrary):  # type: ignore[misc]
    """The assembly of one function, neither linked nor optimised nor turned into machine code."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self.texts: list[str] = []
        self.needed: list[TextLibrary] = []

    def add_linking_library(self, library: Any) -> None:
        """Note what the function calls. (Numba adds its runtime always; what kernels need of it will be missed.)"""
        if isinstance(library, TextLibrary):
            self.needed.append(library)

    def add_ir_module(self, ir_module: Any) -> None:
        """Keep a function."""
        self.texts.append(cgutils.normalize_ir_text(str(ir_module)))

    def finalize(self) -> None:
        """Nothing is left to be done."""
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class TextLowering(NativeLowering):  # type: ignore[misc]
    """Lower into a ``TextLibrary``, and register it under a name of its own instead of an executable."""

    _name = "constrain_text_lowering"

    def run_pass(self, state: Any) -> bool:
        """As Numba's pass, without an executable at the end."""
        state.library = TextLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        state.library.finalize()
        key = list[Any]().append  # Numba finds functions by a builtin that is theirs alone; it is never called
        state.targetctx.insert_user_function(key, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=key)
        return True


# Passes for closures, generators, overloads to inline, literal loops and array expressions: kernels have none of these.
NOT_NEEDED = frozenset(
    (
        "RewriteSemanticConstants",
        "DeadBranchPrune",
        "GenericRewrites",
        "RewriteDynamicRaises",
        "MakeFunctionToJitFunction",
        "InlineClosureLikes",
        "InlineInlinables",
        "FindLiterallyCalls",
        "LiteralUnroll",
        "LiteralPropagationSubPipelinePass",
        "InlineOverloads",
        "NopythonRewrites",
        "PreParforPass",
        "DumpParforDiagnostics",
    )
)


class LoweringOnly(CompilerBase):  # type: ignore[misc]
    """Numba's pipeline with ``TextLowering``, without the passes that nothing here needs."""

    def define_pipelines(self) -> list[Any]:
        """One pipeline: nopython mode."""
        pipeline = PassManager("constrain")
        for step, description in DefaultPassBuilder.define_nopython_pipeline(self.state).passes:
            if step.__name__ not in NOT_NEEDED:
                pipeline.add_pass(TextLowering if step is NativeLowering else step, description)
        pipeline.finalize()
        return [pipeline]
