"""Expressions of kernels, from Python's syntax trees to LLVM values."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from typing import Any

from constrain.kernels import pointers
from constrain.kernels.assembly import ARRAYS, BOOL, INT, Result, Signature, Value, Writer, llvm_type

MAKERS: dict[Any, str] = {
    pointers.table_at: "p64",
    pointers.words_at: "p32",
    pointers.halves_at: "p16",
    pointers.bytes_at: "p8",
}
SLOTS: dict[Any, str] = {pointers.i32: "p32", pointers.u8: "p8"}  # the address in a slot of an arena table
COMPARISONS = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "slt", ast.LtE: "sle", ast.Gt: "sgt", ast.GtE: "sge"}
CHOICES: dict[Any, str] = {min: "llvm.smin.i64", max: "llvm.smax.i64"}


class Expressions(Writer):
    """``value(node)`` writes an expression and says where its value is.

    ``find(function, kinds)`` gives the compiled form of a helper for arguments of these kinds, ``None`` if it is none.
    """

    def __init__(self, function: Callable[..., Any], find: Callable[[Any, tuple[str, ...]], Signature | None]) -> None:
        super().__init__(function)
        self._find = find

    def value(self, node: ast.expr) -> Value:
        """An expression with one value."""
        value = self.any_value(node)
        if isinstance(value, tuple):
            raise self.refuse(node, "one value is wanted here, not several")
        return value

    def any_value(self, node: ast.expr) -> Result:
        """An expression with one value or several."""
        write = getattr(self, f"get_{type(node).__name__}", None)
        if write is None:
            raise self.refuse(node, f"kernels have no {type(node).__name__} expressions")
        result: Result = write(node)
        return result

    # ---- names and constants -------------------------------------------------------------------------------

    def constant(self, node: ast.expr) -> Any:
        """The value of a literal, of a global name, or of a field of one; ``None`` for anything else."""
        if isinstance(node, ast.Name) and node.id not in self.variables:
            for scope in (self.function.__globals__, vars(builtins)):
                if node.id in scope:
                    return scope[node.id]
            raise self.refuse(node, f"{node.id} is not defined, or not before this line")
        if isinstance(node, ast.Attribute):
            owner = self.constant(node.value)
            return None if owner is None else getattr(owner, node.attr)
        return node.value if isinstance(node, ast.Constant) else None

    def get_Constant(self, node: ast.expr) -> Value:
        found = self.constant(node)
        if not isinstance(found, int):
            raise self.refuse(node, f"{ast.unparse(node)} is not an integer")
        return Value(INT, str(int(found)))

    def get_Name(self, node: ast.Name) -> Value:
        slot = self.variables.get(node.id)
        if slot is None:
            return self.get_Constant(node)
        return slot if slot.kind[0] in ARRAYS else self.load_slot(slot)

    def get_Attribute(self, node: ast.Attribute) -> Value:
        inner = node.value
        if node.attr == "data" and isinstance(inner, ast.Attribute) and inner.attr == "ctypes":
            array = self.value(inner.value)
            if array.kind[0] != "w":
                raise self.refuse(node, "only arrays that a kernel declares to write to have an address")
            return Value(INT, self.emit(f"ptrtoint ptr {array.text} to i64"))
        return self.get_Constant(node)

    def get_Tuple(self, node: ast.Tuple) -> tuple[Value, ...]:
        return tuple(self.value(item) for item in node.elts)

    # ---- operators -----------------------------------------------------------------------------------------

    def get_BinOp(self, node: ast.BinOp) -> Value:
        return self.arithmetic(node, node.op, self.value(node.left), self.value(node.right))

    def get_UnaryOp(self, node: ast.UnaryOp) -> Value:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return Value(BOOL, self.emit(f"xor i1 {self.truth(node, value)}, true"))
        text = self.integer(node, value).text
        if isinstance(node.op, ast.USub):
            return Value(INT, self.emit(f"sub i64 0, {text}"))
        return Value(INT, self.emit(f"xor i64 {text}, -1") if isinstance(node.op, ast.Invert) else text)

    def get_Compare(self, node: ast.Compare) -> Value:
        """A chain stops at the first part that is false, as Python's does."""
        if len(node.ops) > 1:
            operands = [node.left, *node.comparators]
            pairs = zip(operands, node.ops, operands[1:], strict=False)
            parts: list[ast.expr] = [
                ast.copy_location(ast.Compare(left, [operator], [right]), node) for left, operator, right in pairs
            ]
            if any(not isinstance(operand, (ast.Name, ast.Constant, ast.Attribute)) for operand in operands[1:-1]):
                raise self.refuse(node, "the middle of a chain of comparisons is a name or a constant")
            return self.get_BoolOp(ast.copy_location(ast.BoolOp(ast.And(), parts), node))
        operator = COMPARISONS.get(type(node.ops[0]))
        if operator is None:
            raise self.refuse(node, f"kernels have no {type(node.ops[0]).__name__}")
        left, right = (self.integer(node, self.value(side)) for side in (node.left, node.comparators[0]))
        return Value(BOOL, self.emit(f"icmp {operator} i64 {left.text}, {right.text}"))

    def get_BoolOp(self, node: ast.BoolOp) -> Value:
        """Like Python's: the first operand that decides, or the last; those after it are not evaluated."""
        slot, after = self.slot(INT), self.fresh("after")
        for operand in node.values:
            value = self.integer(operand, self.value(operand))
            self.store_slot(slot, value)
            if operand is node.values[-1]:
                self.jump(after)
            else:
                following = self.fresh("more")
                self.fork(self.truth(node, value), *self._ways(node.op, following, after, after))
                self.label(following)
        self.label(after)
        return self.load_slot(slot)

    def branch(self, test: ast.expr, yes: str, no: str) -> None:
        """Jump to ``yes`` or ``no``; a condition made of others never becomes a value."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self.branch(test.operand, no, yes)
        elif isinstance(test, ast.BoolOp):
            for operand in test.values[:-1]:
                following = self.fresh("more")
                self.branch(operand, *self._ways(test.op, following, yes, no))
                self.label(following)
            self.branch(test.values[-1], yes, no)
        else:
            self.fork(self.truth(test, self.value(test)), yes, no)

    @staticmethod
    def _ways(operator: ast.boolop, following: str, yes: str, no: str) -> tuple[str, str]:
        """Where to go after an operand that is true, and after one that is false."""
        return (following, no) if isinstance(operator, ast.And) else (yes, following)

    def get_IfExp(self, node: ast.IfExp) -> Value:
        yes, no, after = self.fresh("yes"), self.fresh("no"), self.fresh("after")
        self.branch(node.test, yes, no)
        slot = None
        for name, choice in ((yes, node.body), (no, node.orelse)):
            self.label(name)
            value = self.stored(self.value(choice))
            slot = slot or self.slot(value.kind)
            if slot.kind != value.kind:
                raise self.refuse(node, f"either {slot.kind} or {value.kind}")
            self.store_slot(slot, value)
            self.jump(after)
        self.label(after)
        assert slot is not None
        return self.load_slot(slot)

    # ---- items and calls -----------------------------------------------------------------------------------

    def get_Subscript(self, node: ast.Subscript) -> Value:
        return self.read(*self.place(node))

    def place(self, node: ast.Subscript) -> tuple[str, str]:
        """The kind of a pointer or array, and the address of one of its items."""
        base, index = self.value(node.value), self.integer(node, self.value(node.slice))
        if base.kind in (INT, BOOL):
            raise self.refuse(node, f"{ast.unparse(node.value)} is an integer, it has no items")
        return base.kind, self.item(base.kind, base.text, index.text)

    def get_Call(self, node: ast.Call) -> Result:
        if node.keywords:
            raise self.refuse(node, "kernels take positional arguments only")
        function, values = self.constant(node.func), [self.value(argument) for argument in node.args]
        if function is len:
            return Value(INT, values[0].length)
        if function in MAKERS:
            return Value(MAKERS[function], self.emit(f"inttoptr i64 {self.integer(node, values[0]).text} to ptr"))
        if function in SLOTS:
            return Value(SLOTS[function], self.emit(f"load ptr, ptr {self._slot(node, values)}"))
        if function is pointers.room:
            return self.read("p64", self.item("p64", self._slot(node, values), "1"))
        if function in CHOICES:
            best = self.integer(node, values[0]).text
            for value in values[1:]:
                best = self.emit(f"call i64 @{CHOICES[function]}(i64 {best}, i64 {self.integer(node, value).text})")
            return Value(INT, best)
        return self._call(node, function, tuple(self.stored(value) for value in values))

    def _slot(self, node: ast.Call, values: list[Value]) -> str:
        """The address of a slot of a table."""
        table, slot = values
        if table.kind != "p64":
            raise self.refuse(node, f"an arena table is wanted here (see table_at), not {table.kind}")
        return self.item("p64", table.text, self.integer(node, slot).text)

    def _call(self, node: ast.Call, function: Any, values: tuple[Value, ...]) -> Result:
        if any(value.kind[0] in ARRAYS for value in values):
            raise self.refuse(node, "helpers take pointers, not arrays")
        found = self._find(function, tuple(value.kind for value in values))
        if found is None:
            raise self.refuse(node, f"{ast.unparse(node.func)} is not a kernel's helper")
        given = ", ".join(f"{llvm_type((value.kind,))} {value.text}" for value in values)
        whole = self.emit(f'call {llvm_type(found.kinds)} @"{found.name}"({given})')
        if len(found.kinds) == 1:
            return Value(found.kinds[0], whole)
        parts = (self.emit(f"extractvalue {llvm_type(found.kinds)} {whole}, {i}") for i in range(len(found.kinds)))
        return tuple(Value(kind, part) for kind, part in zip(found.kinds, parts, strict=True))
