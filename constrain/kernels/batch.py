"""The masks of a batch in one kernel call, without the interpreter lock.

Calls the machine code of ``fill_mask`` through its address, so this kernel costs no second compilation of the walk.
"""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.extending import intrinsic

from constrain.kernels.intern import mix
from constrain.kernels.jit import DISABLED, entry_without_gil, machine_code
from constrain.kernels.walk import fill_mask

ROW = types.Array(types.int32, 1, "C")
FILL_MASK = (types.int64, types.int64, types.int64, ROW)  # argument types


def _caller() -> Any:
    """A function that calls ``fill_mask`` at an address."""
    if DISABLED:
        return lambda address, v, g, state, words: fill_mask(v, g, state, words)

    @intrinsic
    def call(typingctx: Any, address: Any, v: Any, g: Any, state: Any, words: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kinds = sig.args[1:]
            kind = context.call_conv.get_function_type(sig.return_type, kinds)
            function = builder.inttoptr(args[0], kind.as_pointer())
            _, result = context.call_conv.call_function(builder, function, sig.return_type, kinds, args[1:])
            return result

        return types.int64(types.int64, *FILL_MASK), generate

    return call


_call = _caller()


def fill_mask_address() -> int:
    """Where the machine code of ``fill_mask`` lies."""
    return 0 if DISABLED else machine_code(fill_mask, FILL_MASK)


@entry_without_gil
def fill_masks(v: Any, fill: Any, grammars: Any, states: Any, rows: Any, matrix: Any, latest: Any, start: Any) -> Any:
    """Overwrite row ``rows[i]`` of ``matrix`` with the mask of ``states[i]`` of the table ``grammars[i]``, i >= start.

    0 when all is done; else ``latest[0]`` is the item at which it stopped, and the result is that one's status, as of
    ``fill_mask``. An item equal to an earlier one is copied: ``latest[1:]``, a power of two long, holds for each hash
    an item plus one. (A later item with the same hash takes its place; then a copy is missed, nothing else.)
    Invariant: rows of items in ``latest`` are whole once the caller has mended the one at which the kernel stopped.
    """
    bits = len(latest) - 2
    for i in range(start, len(states)):
        g, state, words = grammars[i], states[i], matrix[rows[i]]
        slot = 1 + (mix(mix(7, g & 0x7FFFFFFF), state) & bits)
        twin = latest[slot] - 1
        if twin >= 0 and states[twin] == state and grammars[twin] == g:
            whole = matrix[rows[twin]]
            for k in range(len(words)):
                words[k] = whole[k]
            continue
        status = _call(fill, v, g, state, words)
        if status >= 0:
            latest[slot] = i + 1
        if status != 0:
            latest[0] = i
            return status
    return 0
