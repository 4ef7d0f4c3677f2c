"""How helper functions are compiled: to LLVM code that is linked into kernels, and no further.

Numba gives each function that another one calls its own optimised machine code, all that it calls included.
With helpers calling helpers ten deep that is most of the time a cold start takes (35 of 52 s), for code that
nobody runs: only kernels are entered from Python. Here a helper stops after lowering. LLVM still sees, inlines
and optimises it inside each kernel.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import NativeLowering

# Passes for closures, generators, overloads to inline, literal loops and array expressions: helpers have none of these.
NOT_NEEDED = frozenset(
    (
        "RewriteSemanticConstants",
        "DeadBranchPrune",
        "GenericRewrites",
        "RewriteDynamicRaises",
        "MakeFunctionToJitFunction",
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


class HelperLibrary(JITCodeLibrary):  # type: ignore[misc]
    """Code to be linked into other libraries: neither optimised as a whole nor turned into machine code."""

    def _optimize_final_module(self) -> None:
        """Left to the kernels that link this in."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class HelperLowering(NativeLowering):  # type: ignore[misc]
    """Lower into a ``HelperLibrary``, and register it under a name of its own instead of an executable."""

    _name = "constrain_helper_lowering"

    def run_pass(self, state: Any) -> bool:
        """As Numba's pass, without an executable at the end."""
        state.library = HelperLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        key = list[Any]().append  # Numba finds functions by a builtin that is theirs alone; it is never called
        state.targetctx.insert_user_function(key, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=key)
        return True


class HelperCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's pipeline with ``HelperLowering``, without the passes that nothing here needs."""

    def define_pipelines(self) -> list[Any]:
        """One pipeline: nopython mode."""
        pipeline = PassManager("constrain")
        for step, description in DefaultPassBuilder.define_nopython_pipeline(self.state).passes:
            if step.__name__ not in NOT_NEEDED:
                pipeline.add_pass(HelperLowering if step is NativeLowering else step, description)
        pipeline.finalize()
        return [pipeline]
