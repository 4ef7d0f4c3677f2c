"""The decorators of kernels: ``entry`` for those that Python calls, ``helper`` and ``inline`` for what these call.

A helper stays the Python function it is; the compiler reads its source. An entry becomes a ``Kernel``, whose machine
code is loaded from disk, or compiled, when first used (``library.py``). With ``NUMBA_DISABLE_JIT=1`` nothing is
compiled.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import Any, TypeVar

from constrain.kernels import library

DISABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
Function = TypeVar("Function", bound=Callable[..., Any])


class Kernel:
    """A function that Python calls. Arguments are integers and C-contiguous arrays; the result is one integer.

    ``direct`` is the fastest safe way to call it: a builtin function that checks the number and types of its arguments
    (a tenth of a microsecond for four integers, as much again for each array). Ask for it once, when it is needed.
    """

    def __init__(self, function: Callable[..., Any], arrays: dict[str, str], without_gil: bool) -> None:
        self.function, self.without_gil = function, without_gil
        code = function.__code__
        self.kinds = tuple(arrays.get(name, "int") for name in code.co_varnames[: code.co_argcount])
        self.name = f"{function.__module__}.{function.__qualname__}"
        update_wrapper(self, function)

    @cached_property
    def direct(self) -> Callable[..., Any]:
        """The builtin function, its code loaded or compiled; the Python function where nothing is compiled."""
        return self.function if DISABLED else library.builtin(self)

    def __call__(self, *arguments: Any) -> Any:
        return self.direct(*arguments)


def entry(
    function: Callable[..., Any] | None = None,
    *,
    reads: dict[str, int] | None = None,
    writes: dict[str, int] | None = None,
    without_gil: bool = False,
) -> Any:
    """A kernel that Python calls. ``reads``, ``writes``: arguments that are arrays, and the bits of their items (all
    others are integers). ``without_gil``: other Python threads run meanwhile; for calls that take long.
    """
    if function is None:
        return lambda function: entry(function, reads=reads, writes=writes, without_gil=without_gil)
    arrays = {name: f"r{bits}" for name, bits in (reads or {}).items()}
    arrays |= {name: f"w{bits}" for name, bits in (writes or {}).items()}
    kernel = Kernel(function, arrays, without_gil)
    library.ENTRIES[kernel.name] = kernel
    return kernel


def helper(function: Function) -> Function:
    """A function that only kernels call."""
    library.HELPERS.add(function)
    return function


def inline(function: Function) -> Function:
    """A helper copied into its callers: short, on the hot path."""
    library.INLINED.add(function)
    return helper(function)
