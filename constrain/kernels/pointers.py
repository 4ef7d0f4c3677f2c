"""Bare pointers as Numba values, and the views that kernels use.

Why not array views: an array carries seven fields, bounds and reference counts into every function, and items
of int32 and uint8 arrays give each helper a new combination of argument types to be compiled for. Items read
through these pointers are always int64, so every helper is compiled once. Without the JIT they are ctypes
pointers, whose items are plain Python integers: the same source, and no overflow surprises.
"""

from __future__ import annotations

import ctypes
import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel.models import PrimitiveModel
from numba.core.datamodel.registry import register_default
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic

from constrain.kernels.jit import DISABLED


class Pointer(types.Type):  # type: ignore[misc]
    """Address of items of ``bits`` bits, signed unless 8 bits wide. Reads give int64."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        super().__init__(name=f"constrain.Pointer({bits})")


@register_default(Pointer)
class _PointerModel(PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Pointer) -> None:
        super().__init__(dmm, fe_type, ir.IntType(fe_type.bits).as_pointer())


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if len(args) == 2 and isinstance(args[0], Pointer) and isinstance(args[1], types.Integer):
            return signature(types.int64, args[0], types.int64)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if len(args) == 3 and isinstance(args[0], Pointer) and isinstance(args[1], types.Integer):
            return signature(types.none, args[0], types.int64, types.int64)
        return None


@lower_builtin(operator.getitem, Pointer, types.int64)
def _load(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    value = builder.load(builder.gep(args[0], [args[1]]))
    if sig.args[0].bits == 64:
        return value
    extend = builder.zext if sig.args[0].bits == 8 else builder.sext
    return extend(value, cgutils.intp_t)


@lower_builtin(operator.setitem, Pointer, types.int64, types.int64)
def _store(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    value = args[2] if sig.args[0].bits == 64 else builder.trunc(args[2], ir.IntType(sig.args[0].bits))
    builder.store(value, builder.gep(args[0], [args[1]]))
    return context.get_dummy_value()


def _maker(bits: int, plain: Any) -> Any:
    """A function from an address to a pointer."""
    if DISABLED:
        kind = ctypes.POINTER(plain)
        return lambda address: ctypes.cast(int(address), kind)

    @intrinsic
    def pointer(typingctx: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], ir.IntType(bits).as_pointer())

        return Pointer(bits)(types.int64), generate

    return pointer


table_at = _maker(64, ctypes.c_int64)
words_at = _maker(32, ctypes.c_int32)
halves_at = _maker(16, ctypes.c_int16)
bytes_at = _maker(8, ctypes.c_uint8)


def _slot_reader(bits: int, plain: Any) -> Any:
    """A function from (table, slot) to a pointer: the address in that slot.

    Intrinsics, not functions: they stand at hundreds of places, and inlining as many calls took LLVM half a minute.
    """
    if DISABLED:
        kind = ctypes.POINTER(plain)
        return lambda table, slot: ctypes.cast(table[slot], kind)

    @intrinsic
    def array_in(typingctx: Any, table: Any, slot: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            address = builder.load(builder.gep(args[0], [args[1]]))
            return builder.inttoptr(address, ir.IntType(bits).as_pointer())

        return Pointer(bits)(table, types.int64), generate

    return array_in


i32 = _slot_reader(32, ctypes.c_int32)  # the int32 array in a slot of an arena table
u8 = _slot_reader(8, ctypes.c_uint8)  # the uint8 array in a slot of an arena table


def _length_reader() -> Any:
    """A function from (table, slot) to the length of the array in that slot."""
    if DISABLED:
        return lambda table, slot: table[slot + 1]

    @intrinsic
    def length_in(typingctx: Any, table: Any, slot: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.load(builder.gep(args[0], [builder.add(args[1], ir.Constant(args[1].type, 1))]))

        return types.int64(table, types.int64), generate

    return length_in


room = _length_reader()
