"""Writing one function in LLVM assembly: values, stack slots, arithmetic on int64, items at addresses.

Variables are stack slots; LLVM makes registers of them (its pass SROA). Truth is one bit until it is stored. Arithmetic
wraps around, as that of C without signed overflow, and division rounds down, as Python's.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

INT, BOOL = "int", "bool"  # other kinds: p64, p32, p8: pointers to items of so many bits
ARRAYS = "rw"  # r32, w32 ...: arrays that a kernel reads, or writes too
ARITHMETIC = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor",
    ast.LShift: "shl", ast.RShift: "ashr",
}  # fmt: skip


class Unsupported(Exception):
    """A kernel uses what kernels cannot: says what, in which file and line."""


@dataclass(frozen=True, slots=True)
class Value:
    """``text`` is the LLVM operand; arrays have a ``length`` beside their address."""

    kind: str
    text: str
    length: str = ""


Result = Value | tuple[Value, ...]


class Signature(NamedTuple):
    """A compiled function: its name in LLVM, and the kinds of what it returns."""

    name: str
    kinds: tuple[str, ...]


def llvm_type(kinds: tuple[str, ...]) -> str:
    """The LLVM type of one value or, as a structure, of several."""
    types = ["i64" if kind in (INT, BOOL) else "ptr" for kind in kinds]
    return types[0] if len(types) == 1 else "{" + ", ".join(types) + "}"


class Writer:
    """The assembly of one Python function, line by line."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.slots: list[str] = []
        self.lines: list[str] = []
        self.variables: dict[str, Value] = {}
        self._count = 0

    def refuse(self, node: Any, what: str) -> Unsupported:
        """The error that says what a kernel cannot do, and where."""
        return Unsupported(f"{self.function.__code__.co_filename}:{node.lineno}: {what}")

    def fresh(self, prefix: str = "%t") -> str:
        """A new name."""
        self._count += 1
        return f"{prefix}{self._count}"

    def emit(self, operation: str) -> str:
        """The name of an operation's result."""
        target = self.fresh()
        self.lines.append(f"{target} = {operation}")
        return target

    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name}:")

    def jump(self, name: str) -> None:
        """End a block."""
        self.lines.append(f"br label %{name}")

    def fork(self, bit: str, yes: str, no: str) -> None:
        """End a block, two ways."""
        self.lines.append(f"br i1 {bit}, label %{yes}, label %{no}")

    # ---- variables -----------------------------------------------------------------------------------------

    def slot(self, kind: str) -> Value:
        """Room for a value, zero at first."""
        place, llvm = self.fresh("%v"), llvm_type((kind,))
        self.slots.append(f"{place} = alloca {llvm}\nstore {llvm} {'0' if llvm == 'i64' else 'null'}, ptr {place}")
        return Value(kind, place)

    def load_slot(self, slot: Value) -> Value:
        """What a slot holds."""
        return Value(slot.kind, self.emit(f"load {llvm_type((slot.kind,))}, ptr {slot.text}"))

    def store_slot(self, slot: Value, value: Value) -> None:
        """Put a value of the slot's kind into it."""
        self.lines.append(f"store {llvm_type((slot.kind,))} {value.text}, ptr {slot.text}")

    # ---- values --------------------------------------------------------------------------------------------

    def truth(self, node: Any, value: Value) -> str:
        """One bit: is the value not zero?"""
        if value.kind == BOOL:
            return value.text
        return self.emit(f"icmp ne i64 {self.integer(node, value).text}, 0")

    def stored(self, value: Value) -> Value:
        """What a variable holds: truth as 0 or 1."""
        return Value(INT, self.emit(f"zext i1 {value.text} to i64")) if value.kind == BOOL else value

    def integer(self, node: Any, value: Value) -> Value:
        """The value, which must not be a pointer."""
        value = self.stored(value)
        if value.kind != INT:
            raise self.refuse(node, f"an integer is wanted here, not {value.kind}")
        return value

    def arithmetic(self, node: Any, operator: ast.operator, left: Value, right: Value) -> Value:
        """A Python operator on two integers."""
        a, b = self.integer(node, left).text, self.integer(node, right).text
        if type(operator) in ARITHMETIC:
            return Value(INT, self.emit(f"{ARITHMETIC[type(operator)]} i64 {a}, {b}"))
        if not isinstance(operator, (ast.FloorDiv, ast.Mod)):
            raise self.refuse(node, f"kernels have no {type(operator).__name__}")
        # LLVM rounds to zero; where the remainder's sign is not the divisor's, Python's result is one lower.
        rest = self.emit(f"srem i64 {a}, {b}")
        odd = self.emit(f"icmp slt i64 {self.emit(f'xor i64 {rest}, {b}')}, 0")
        wrong = self.emit(f"and i1 {self.emit(f'icmp ne i64 {rest}, 0')}, {odd}")
        if isinstance(operator, ast.Mod):
            return Value(INT, self.emit(f"select i1 {wrong}, i64 {self.emit(f'add i64 {rest}, {b}')}, i64 {rest}"))
        quotient = self.emit(f"sdiv i64 {a}, {b}")
        return Value(INT, self.emit(f"sub i64 {quotient}, {self.emit(f'zext i1 {wrong} to i64')}"))

    # ---- items ---------------------------------------------------------------------------------------------

    def item(self, kind: str, base: str, index: str) -> str:
        """The address of an item."""
        return self.emit(f"getelementptr i{kind[1:]}, ptr {base}, i64 {index}")

    def read(self, kind: str, place: str) -> Value:
        """The item at an address."""
        bits = kind[1:]
        item = self.emit(f"load i{bits}, ptr {place}")
        return Value(INT, item if bits == "64" else self.emit(f"{_EXTEND[bits]} i{bits} {item} to i64"))

    def write(self, node: Any, kind: str, place: str, value: Value) -> None:
        """Cut an integer to an item's width and put it at an address."""
        if kind[0] == "r":
            raise self.refuse(node, "this array is declared to be read only")
        bits, text = kind[1:], self.integer(node, value).text
        if bits != "64":
            text = self.emit(f"trunc i64 {text} to i{bits}")
        self.lines.append(f"store i{bits} {text}, ptr {place}")


_EXTEND = {"16": "sext", "32": "sext", "8": "zext"}
