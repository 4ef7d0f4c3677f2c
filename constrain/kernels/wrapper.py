"""How Python calls a kernel: builtin functions in LLVM assembly, and the objects that stand for them.

The convention is CPython's ``METH_FASTCALL``: an array of objects and how many. Integers go through
``PyLong_AsLongLong``, which raises where an object is none, arrays through the buffer protocol, which raises where one
is not contiguous.
(Python/C API Reference Manual, "Common Object Structures" and "Buffer Protocol"; all of it is in the stable ABI.)
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from constrain.kernels.assembly import INT, Signature

_METH_FASTCALL = 0x80
_BUFFER = "[16 x i64]"  # a Py_buffer (ten words), with room to spare: address, owner, length, size of an item ...

API = {
    "PyLong_AsLongLong": "i64 (ptr)",
    "PyLong_FromLongLong": "ptr (i64)",
    "PyErr_Occurred": "ptr ()",
    "PyErr_BadArgument": "i32 ()",
    "PyObject_GetBuffer": "i32 (ptr, ptr, i32)",
    "PyBuffer_Release": "void (ptr)",
    "PyEval_SaveThread": "ptr ()",
    "PyEval_RestoreThread": "void (ptr)",
}
"""What wrappers call, with its LLVM type."""


def declarations() -> str:
    """LLVM declarations of ``API``."""
    parts = ((name, *kind.split(" ", 1)) for name, kind in API.items())
    return "\n".join(f"declare {result} @{name}{arguments} nounwind" for name, result, arguments in parts)


def api_addresses() -> dict[str, int]:
    """Where the functions of ``API`` lie in this process."""
    return {name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in API}


def wrapper(name: str, kinds: Sequence[str], kernel: Signature, without_gil: bool) -> str:
    """The builtin function ``name`` around a compiled kernel whose parameters are ``int``, ``r32`` and so on."""
    arrays = [i for i, kind in enumerate(kinds) if kind != INT]
    lines = [f'define ptr @"{name}"(ptr %self, ptr %args, i64 %count) nounwind {{']
    for i in arrays:  # no owner yet: releasing is harmless
        lines += [f"%b{i} = alloca {_BUFFER}", f"%owner{i} = getelementptr i64, ptr %b{i}, i64 1",
                  f"store ptr null, ptr %owner{i}"]  # fmt: skip
    lines += [f"%right = icmp eq i64 %count, {len(kinds)}", "br i1 %right, label %a0, label %bad"]
    given = []
    for i, kind in enumerate(kinds):
        lines += [f"a{i}:", f"%p{i} = getelementptr ptr, ptr %args, i64 {i}", f"%o{i} = load ptr, ptr %p{i}"]
        lines += _integer(i) if kind == INT else _array(i, kind[0] == "w", int(kind[1:]))
        given += [f"i64 %x{i}"] if kind == INT else [f"ptr %x{i}", f"i64 %l{i}"]
    lines.append(f"a{len(kinds)}:")
    if without_gil:
        lines.append("%thread = call ptr @PyEval_SaveThread()")
    lines.append(f'%status = call i64 @"{kernel.name}"({", ".join(given)})')
    if without_gil:
        lines.append("call void @PyEval_RestoreThread(ptr %thread)")
    release = [f"call void @PyBuffer_Release(ptr %b{i})" for i in arrays]
    lines += [*release, "%result = call ptr @PyLong_FromLongLong(i64 %status)", "ret ptr %result"]
    lines += [
        "bad:",
        "%raised = call i32 @PyErr_BadArgument()",
        "br label %fail",
        "fail:",
        *release,
        "ret ptr null",
        "}",
    ]
    return "\n".join(lines)


def _integer(i: int) -> list[str]:
    """-1 may be an integer or an error."""
    return [
        f"%x{i} = call i64 @PyLong_AsLongLong(ptr %o{i})",
        f"%odd{i} = icmp eq i64 %x{i}, -1",
        f"br i1 %odd{i}, label %check{i}, label %a{i + 1}",
        f"check{i}:",
        f"%error{i} = call ptr @PyErr_Occurred()",
        f"%fine{i} = icmp eq ptr %error{i}, null",
        f"br i1 %fine{i}, label %a{i + 1}, label %fail",
    ]


def _array(i: int, written: bool, bits: int) -> list[str]:
    """Its address and its length in items, whose size must be right. (PyBUF_SIMPLE is 0, PyBUF_WRITABLE 1.)"""
    return [
        f"%got{i} = call i32 @PyObject_GetBuffer(ptr %o{i}, ptr %b{i}, i32 {int(written)})",
        f"%fine{i} = icmp eq i32 %got{i}, 0",
        f"br i1 %fine{i}, label %sized{i}, label %fail",
        f"sized{i}:",
        f"%x{i} = load ptr, ptr %b{i}",
        f"%bytes{i}p = getelementptr i64, ptr %b{i}, i64 2",
        f"%bytes{i} = load i64, ptr %bytes{i}p",
        f"%l{i} = sdiv i64 %bytes{i}, {bits // 8}",
        f"%item{i}p = getelementptr i64, ptr %b{i}, i64 3",
        f"%item{i} = load i64, ptr %item{i}p",
        f"%same{i} = icmp eq i64 %item{i}, {bits // 8}",
        f"br i1 %same{i}, label %a{i + 1}, label %bad",
    ]


class _Method(ctypes.Structure):
    """``PyMethodDef``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("documentation", ctypes.c_char_p),
    )


_methods: list[_Method] = []  # builtin functions point to them


def builtin_at(address: int, name: str, documentation: str) -> Callable[..., Any]:
    """The Python object for a builtin function whose code lies at an address."""
    method = _Method(name.encode(), address, _METH_FASTCALL, documentation.encode())
    _methods.append(method)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    made: Callable[..., Any] = make(ctypes.addressof(method), None, None)
    return made
