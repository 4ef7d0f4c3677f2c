"""Masks and steps of a batch in one kernel call, without the interpreter lock.

Calls the machine code of the kernels for single items through its address: so the walk is not compiled a second
time (its code is most of what a cold start compiles), and these kernels are a second's work.
"""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.extending import intrinsic

from constrain.kernels.intern import mix
from constrain.kernels.jit import DISABLED, entry_without_gil, machine_code
from constrain.kernels.step import advance
from constrain.kernels.walk import fill_mask

ROW = types.Array(types.int32, 1, "C")
FILL_MASK = (types.int64, types.int64, types.int64, ROW)  # argument types
ADVANCE = (types.int64,) * 6


def _invoke(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Call the function at ``args[0]`` with the other arguments, as compiled code calls compiled code."""
    kinds = sig.args[1:]
    kind = context.call_conv.get_function_type(sig.return_type, kinds)
    function = builder.inttoptr(args[0], kind.as_pointer())
    _, result = context.call_conv.call_function(builder, function, sig.return_type, kinds, args[1:])
    return result


def _callers() -> tuple[Any, Any]:
    """Functions that call ``fill_mask`` and ``advance`` at an address."""
    if DISABLED:
        return lambda address, *args: fill_mask(*args), lambda address, *args: advance(*args)

    @intrinsic
    def fill_at(typingctx: Any, address: Any, v: Any, g: Any, state: Any, words: Any) -> Any:
        return types.int64(types.int64, *FILL_MASK), _invoke

    @intrinsic
    def advance_at(typingctx: Any, address: Any, v: Any, g: Any, state: Any, token: Any, data: Any, size: Any) -> Any:
        return types.int64(types.int64, *ADVANCE), _invoke

    return fill_at, advance_at


fill_at, advance_at = _callers()


def addresses() -> tuple[int, int]:
    """Where the machine code of ``fill_mask`` and ``advance`` lies."""
    return (0, 0) if DISABLED else (machine_code(fill_mask, FILL_MASK), machine_code(advance, ADVANCE))


@entry_without_gil
def fill_masks(v: Any, fill: Any, grammars: Any, states: Any, rows: Any, matrix: Any, latest: Any, start: Any) -> Any:
    """Overwrite row ``rows[i]`` of ``matrix`` with the mask of ``states[i]`` of the table ``grammars[i]``, i >= start.

    Returns the number of items when all is done, else that of an item which the caller has to do alone (``fill_mask``
    has asked for something) before it calls again with the next one. An item equal to an earlier one is copied:
    ``latest``, a power of two long, holds for each hash an item plus one. (A later item with the same hash takes its
    place; then a copy is missed, nothing else.) Invariant: the rows of all items before ``start`` are whole.
    """
    for i in range(start, len(states)):
        g, state, words = grammars[i], states[i], matrix[rows[i]]
        slot = mix(mix(7, g & 0x7FFFFFFF), state) & (len(latest) - 1)
        twin = latest[slot] - 1
        latest[slot] = i + 1
        if twin >= 0 and states[twin] == state and grammars[twin] == g:
            whole = matrix[rows[twin]]
            for k in range(len(words)):
                words[k] = whole[k]
        elif fill_at(fill, v, g, state, words) != 0:
            return i
    return len(states)


@entry_without_gil
def advance_all(v: Any, step: Any, grammars: Any, states: Any, tokens: Any, start: Any) -> Any:
    """``states[i]`` becomes the state after ``tokens[i]``, i >= start.

    Returns the number of items when all is done, else that of an item which the caller has to do alone: ``advance``
    has asked for something, or does not allow the token, which may be an end of sequence.
    """
    for i in range(start, len(states)):
        after = advance_at(step, v, grammars[i], states[i], tokens[i], 0, 0) if tokens[i] >= 0 else 0
        if after <= 0:
            return i
        states[i] = after
    return len(states)
