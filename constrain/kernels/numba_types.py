"""Bare pointers, and arrays that Python passes, as Numba values.

Why not Numba's arrays: one carries seven fields, bounds and reference counts into every function, and items of int32
and uint8 arrays give each helper a new combination of argument types to be compiled for. Items read through these
pointers are always int64, so every helper is compiled once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel.models import PrimitiveModel, StructModel
from numba.core.datamodel.registry import register_default
from numba.core.imputils import lower_builtin, lower_getattr
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_getattr, infer_global, signature
from numba.extending import intrinsic

from constrain.kernels import pointers

_INT = cgutils.intp_t


class Pointer(types.Type):  # type: ignore[misc]
    """Address of items of ``bits`` bits, signed unless 8 bits wide. Reads give int64."""

    def __init__(self, bits: int) -> None:
        self.bits, self.written = bits, True
        super().__init__(name=f"constrain.Pointer({bits})")


class Buffer(types.Type):  # type: ignore[misc]
    """An array that Python has passed: address and length. It has what kernels use of NumPy's: items, ``len`` and
    ``ctypes.data``."""

    def __init__(self, bits: int, written: bool) -> None:
        self.bits, self.written = bits, written
        super().__init__(name=f"constrain.Buffer({bits}, {'written' if written else 'read only'})")


@register_default(Pointer)
class _PointerModel(PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Pointer) -> None:
        super().__init__(dmm, fe_type, ir.IntType(fe_type.bits).as_pointer())


@register_default(Buffer)
class _BufferModel(StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Buffer) -> None:
        super().__init__(dmm, fe_type, [("address", Pointer(fe_type.bits)), ("length", types.int64)])


# ---- items -------------------------------------------------------------------------------------------------


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if len(args) == 2 and isinstance(args[0], Pointer | Buffer) and isinstance(args[1], types.Integer):
            return signature(types.int64, args[0], types.int64)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        known = len(args) == 3 and isinstance(args[0], Pointer | Buffer) and isinstance(args[1], types.Integer)
        if known and args[0].written and isinstance(args[2], types.Integer | types.Boolean):
            return signature(types.none, args[0], types.int64, types.int64)
        return None


def _place(builder: Any, kind: Any, base: Any, index: Any) -> Any:
    address = builder.extract_value(base, 0) if isinstance(kind, Buffer) else base
    return builder.gep(address, [index])


@lower_builtin(operator.getitem, Pointer, types.int64)
@lower_builtin(operator.getitem, Buffer, types.int64)
def _load(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    value = builder.load(_place(builder, sig.args[0], args[0], args[1]))
    if sig.args[0].bits == 64:
        return value
    extend = builder.zext if sig.args[0].bits == 8 else builder.sext
    return extend(value, _INT)


@lower_builtin(operator.setitem, Pointer, types.int64, types.int64)
@lower_builtin(operator.setitem, Buffer, types.int64, types.int64)
def _store(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    bits = sig.args[0].bits
    value = args[2] if bits == 64 else builder.trunc(args[2], ir.IntType(bits))
    builder.store(value, _place(builder, sig.args[0], args[0], args[1]))
    return context.get_dummy_value()


# ---- arrays ------------------------------------------------------------------------------------------------


@infer_global(len)
class _Len(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(types.int64, *args) if len(args) == 1 and isinstance(args[0], Buffer) else None


@lower_builtin(len, Buffer)
def _length(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.extract_value(args[0], 1)


@infer_getattr
class _Attributes(AttributeTemplate):  # type: ignore[misc]
    key = Buffer

    def resolve_ctypes(self, array: Any) -> Any:
        return array

    def resolve_data(self, array: Any) -> Any:
        return types.int64


@lower_getattr(Buffer, "ctypes")
def _ctypes(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return value


@lower_getattr(Buffer, "data")
def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return builder.ptrtoint(builder.extract_value(value, 0), _INT)


# ---- the functions of pointers.py --------------------------------------------------------------------------
# Intrinsics, not functions: they stand at hundreds of places, and inlining as many calls took LLVM half a minute.


def _maker(bits: int) -> Any:
    @intrinsic
    def pointer(typingctx: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], ir.IntType(bits).as_pointer())

        return Pointer(bits)(types.int64), generate

    return pointer


def _slot_reader(bits: int) -> Any:
    @intrinsic
    def array_in(typingctx: Any, table: Any, slot: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(builder.load(builder.gep(args[0], [args[1]])), ir.IntType(bits).as_pointer())

        return Pointer(bits)(Pointer(64), types.int64), generate

    return array_in


@intrinsic
def _room(typingctx: Any, table: Any, slot: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(builder.gep(args[0], [builder.add(args[1], ir.Constant(_INT, 1))]))

    return types.int64(Pointer(64), types.int64), generate


INTRINSICS: dict[Callable[..., Any], Any] = {
    **{function: _maker(bits) for function, bits in pointers.MAKERS.items()},
    **{function: _slot_reader(bits) for function, bits in pointers.READERS.items()},
    pointers.room: _room,
}
"""What Numba puts in the place of the functions of ``pointers.py``."""
