"""Kernels to LLVM: the subset of Python that they are written in, compiled as plain loops over int64.

All values are int64, but for bare pointers (``pointers.py``), booleans until they are stored, and tuples that
functions return. A function is compiled once for each combination of argument types that it is called with, callees
first, so types need no declaration: a variable has the type of what is first assigned to it. LLVM makes registers of
variables (its pass SROA), inlines and optimises.

Why not Numba: its analysis and typing of a hundred small functions take over ten seconds, and loading what it compiled
0.4; this reads the syntax trees once (0.3 s). What the subset lacks is refused with file and line. Arithmetic wraps
around, as in C without signed overflow, and division rounds down, as in Python.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from constrain.kernels import pointers

INT, BOOL = "int", "bool"  # other kinds: p64, p32, p8: pointers to items of so many bits
ARRAYS = "rw"  # r32, w32 ...: arrays that a kernel reads, or writes too
MAKERS = {pointers.table_at: "p64", pointers.words_at: "p32", pointers.bytes_at: "p8"}
SLOTS = {pointers.i32: "p32", pointers.u8: "p8"}  # address in a slot of an arena table
ARITHMETIC = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor",
    ast.LShift: "shl", ast.RShift: "ashr",
}  # fmt: skip
COMPARISONS = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "slt", ast.LtE: "sle", ast.Gt: "sgt", ast.GtE: "sge"}
CHOICES = {min: "llvm.smin.i64", max: "llvm.smax.i64"}
Function = Callable[..., Any]


class Unsupported(Exception):
    """A kernel uses what kernels cannot: says what, in which file and line."""


@dataclass(frozen=True, slots=True)
class Value:
    """``text`` is the LLVM operand. Arrays (``r32``: to be read only, items of 32 bits; ``w32``) have a
    ``length`` beside their address."""

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


@cache
def _functions_in(file: str) -> dict[int, ast.FunctionDef]:
    """The functions of a source file by their first line, decorators included."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {min([node.lineno, *(d.lineno for d in node.decorator_list)]): node for node in functions}


class Module:
    """LLVM assembly of all functions reached so far. ``inlined``: functions that are always copied into callers;
    ``helpers``: all that may be called."""

    def __init__(self, helpers: Iterable[Function], inlined: Iterable[Function]) -> None:
        self.helpers, self.inlined = frozenset(helpers), frozenset(inlined)
        self.texts: list[str] = []
        self._done: dict[tuple[Function, tuple[str, ...]], Signature | None] = {}

    def function(self, function: Function, kinds: tuple[str, ...]) -> Signature:
        """Compile a function for arguments of these kinds, unless that is done already."""
        key = (function, kinds)
        if key not in self._done:
            self._done[key] = None
            self._done[key] = _Compiler(self, function, kinds, f"f{len(self._done)}.{function.__name__}").run()
        signature = self._done[key]
        if signature is None:
            raise Unsupported(f"{function.__name__} calls itself: kernels use loops and stacks of their own")
        return signature


class _Compiler:
    """One function, statement by statement. Every variable is a stack slot, set to zero at first."""

    def __init__(self, module: Module, function: Function, kinds: tuple[str, ...], name: str) -> None:
        self.module, self.function, self.kinds, self.name = module, function, kinds, name
        self.tree = _functions_in(function.__code__.co_filename)[function.__code__.co_firstlineno]
        self.slots: list[str] = []
        self.lines: list[str] = []
        self.variables: dict[str, Value] = {}
        self.result: tuple[str, ...] | None = None
        self.count = self.depth = 0
        self.loops: list[tuple[str, str]] = []  # labels: (next round, after the loop)

    def run(self) -> Signature:
        """Compile, and add the text to the module."""
        names = [argument.arg for argument in self.tree.args.args]
        if len(names) != len(self.kinds):
            raise self.refuse(self.tree, f"{len(self.kinds)} arguments for {len(names)} parameters")
        parameters = []
        for name, kind in zip(names, self.kinds, strict=True):
            if kind[0] in ARRAYS:
                parameters += [f"ptr %p.{name}", f"i64 %l.{name}"]
                self.variables[name] = Value(kind, f"%p.{name}", f"%l.{name}")
            else:
                parameters.append(f"{llvm_type((kind,))} %p.{name}")
                self.assign_name(self.tree, name, Value(kind, f"%p.{name}"))
        if not self.block(self.tree.body):
            self.give_back(self.tree, (Value(INT, "0"),))
        assert self.result is not None
        how = "alwaysinline" if self.function in self.module.inlined else ""
        head = f'define internal {llvm_type(self.result)} @"{self.name}"({", ".join(parameters)}) nounwind {how} {{'
        self.module.texts.append("\n".join([head, *self.slots, *self.lines, "}"]))
        return Signature(self.name, self.result)

    # ---- writing -------------------------------------------------------------------------------------------

    def refuse(self, node: Any, what: str) -> Unsupported:
        return Unsupported(f"{self.function.__code__.co_filename}:{node.lineno}: {what}")

    def fresh(self, prefix: str = "%t") -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def emit(self, operation: str) -> str:
        target = self.fresh()
        self.lines.append(f"{target} = {operation}")
        return target

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def jump(self, name: str) -> None:
        self.lines.append(f"br label %{name}")

    def slot(self, kind: str) -> Value:
        place = self.fresh("%v")
        llvm = llvm_type((kind,))
        self.slots.append(f"{place} = alloca {llvm}\nstore {llvm} {'0' if llvm == 'i64' else 'null'}, ptr {place}")
        return Value(kind, place)

    def load_slot(self, slot: Value) -> Value:
        return Value(slot.kind, self.emit(f"load {llvm_type((slot.kind,))}, ptr {slot.text}"))

    def store_slot(self, slot: Value, value: Value) -> None:
        self.lines.append(f"store {llvm_type((slot.kind,))} {value.text}, ptr {slot.text}")

    # ---- statements ----------------------------------------------------------------------------------------

    def block(self, body: list[ast.stmt]) -> bool:
        """Compile statements; do they always leave (return, break, continue)? What comes after that is dropped."""
        for statement in body:
            compile_ = getattr(self, f"do_{type(statement).__name__}", None)
            if compile_ is None:
                raise self.refuse(statement, f"kernels have no {type(statement).__name__.lower()} statement")
            if compile_(statement):
                return True
        return False

    def inner(self, body: list[ast.stmt], after: str) -> bool:
        """A block inside another one, which goes on at a label."""
        self.depth += 1
        leaves = self.block(body)
        self.depth -= 1
        if not leaves:
            self.jump(after)
        return leaves

    def do_Pass(self, node: ast.Pass) -> None:
        pass

    def do_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.any_value(node.value)

    def do_Return(self, node: ast.Return) -> bool:
        value = self.any_value(node.value) if node.value is not None else Value(INT, "0")
        self.give_back(node, value if isinstance(value, tuple) else (value,))
        return True

    def give_back(self, node: Any, values: tuple[Value, ...]) -> None:
        values = tuple(self.stored(value) for value in values)
        kinds = tuple(value.kind for value in values)
        if self.result not in (None, kinds):
            raise self.refuse(node, f"returns {kinds}, elsewhere {self.result}")
        self.result = kinds
        if len(values) == 1:
            self.lines.append(f"ret {llvm_type(kinds)} {values[0].text}")
            return
        whole = "undef"
        for i, value in enumerate(values):
            whole = self.emit(f"insertvalue {llvm_type(kinds)} {whole}, {llvm_type((value.kind,))} {value.text}, {i}")
        self.lines.append(f"ret {llvm_type(kinds)} {whole}")

    def do_Assign(self, node: ast.Assign) -> None:
        (target,) = node.targets
        if not isinstance(target, ast.Tuple):
            self.assign(target, self.value(node.value))
            return
        if isinstance(node.value, ast.Tuple):
            values: Result = tuple(self.value(item) for item in node.value.elts)
        else:
            values = self.any_value(node.value)
        if not isinstance(values, tuple) or len(values) != len(target.elts):
            raise self.refuse(node, "not as many values as targets")
        for place, value in zip(target.elts, values, strict=True):
            self.assign(place, value)

    def do_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            old = self.value(ast.Name(node.target.id, ast.Load(), lineno=node.lineno))
            self.assign(node.target, self.arithmetic(node, node.op, old, self.value(node.value)))
        elif isinstance(node.target, ast.Subscript):
            kind, place = self.place(node.target)
            old = self.read(kind, place)
            self.write(kind, place, self.arithmetic(node, node.op, old, self.value(node.value)))

    def assign(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self.assign_name(target, target.id, value)
        elif isinstance(target, ast.Subscript):
            kind, place = self.place(target)
            self.write(kind, place, self.integer(target, value))
        else:
            raise self.refuse(target, "only names and items can be assigned to")

    def assign_name(self, node: Any, name: str, value: Value) -> None:
        value = self.stored(value)
        slot = self.variables.get(name)
        if slot is None or (slot.kind != value.kind and self.depth == 0):
            slot = self.variables[name] = self.slot(value.kind)
        if slot.kind != value.kind:
            raise self.refuse(node, f"{name} is {slot.kind}, here {value.kind}")
        self.store_slot(slot, value)

    def do_If(self, node: ast.If) -> bool:
        yes, no, after = self.fresh("yes"), self.fresh("no"), self.fresh("after")
        self.branch(node.test, yes, no)
        self.label(yes)
        leaves = self.inner(node.body, after)
        self.label(no)
        leaves = self.inner(node.orelse, after) and leaves
        if not leaves:
            self.label(after)
        return leaves

    def do_While(self, node: ast.While) -> bool:
        if node.orelse:
            raise self.refuse(node, "loops have no else")
        again, body, after = self.fresh("again"), self.fresh("body"), self.fresh("after")
        self.jump(again)
        self.label(again)
        self.branch(node.test, body, after)
        self.label(body)
        self.loops.append((again, after))
        self.inner(node.body, again)
        self.loops.pop()
        self.label(after)
        endless = isinstance(node.test, ast.Constant) and not any(isinstance(n, ast.Break) for n in ast.walk(node))
        if endless:
            self.lines.append("unreachable")
        return endless

    def do_For(self, node: ast.For) -> None:
        call, name = node.iter, node.target
        if node.orelse or not isinstance(name, ast.Name) or not isinstance(call, ast.Call) or call.keywords:
            raise self.refuse(node, "a for loop counts: for name in range(...), without else")
        if not isinstance(call.func, ast.Name) or call.func.id != "range" or len(call.args) > 3:
            raise self.refuse(node, "a for loop counts: for name in range(...), without else")
        bounds = [self.integer(node, self.value(argument)).text for argument in call.args]
        start, stop = ("0", bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])
        step = 1 if len(bounds) < 3 else ast.literal_eval(call.args[2])
        counter = self.slot(INT)
        self.store_slot(counter, Value(INT, start))
        again, body, following, after = (self.fresh(x) for x in ("again", "body", "next", "after"))
        self.jump(again)
        self.label(again)
        current = self.load_slot(counter)
        inside = self.emit(f"icmp {'slt' if step > 0 else 'sgt'} i64 {current.text}, {stop}")
        self.lines.append(f"br i1 {inside}, label %{body}, label %{after}")
        self.label(body)
        self.assign_name(node, name.id, current)
        self.loops.append((following, after))
        self.inner(node.body, following)
        self.loops.pop()
        self.label(following)
        self.store_slot(counter, Value(INT, self.emit(f"add nsw i64 {self.load_slot(counter).text}, {step}")))
        self.jump(again)
        self.label(after)

    def do_Break(self, node: ast.Break) -> bool:
        self.jump(self.loops[-1][1])
        return True

    def do_Continue(self, node: ast.Continue) -> bool:
        self.jump(self.loops[-1][0])
        return True

    # ---- expressions ---------------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Value:
        """Compile an expression with one value."""
        value = self.any_value(node)
        if isinstance(value, tuple):
            raise self.refuse(node, "one value is wanted here, not several")
        return value

    def any_value(self, node: ast.expr) -> Result:
        compile_ = getattr(self, f"get_{type(node).__name__}", None)
        if compile_ is None:
            raise self.refuse(node, f"kernels have no {type(node).__name__} expressions")
        result: Result = compile_(node)
        return result

    def constant(self, node: ast.expr) -> Any:
        """The value of a global name, or of a field of a global one; ``None`` for anything else."""
        if isinstance(node, ast.Name) and node.id not in self.variables:
            scope = {**vars(builtins), **self.function.__globals__}
            if node.id not in scope:
                raise self.refuse(node, f"{node.id} is not defined, or only after this line")
            return scope[node.id]
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
                raise self.refuse(node, "the address of an array is for kernels that declare to write to it")
            return Value(INT, self.emit(f"ptrtoint ptr {array.text} to i64"))
        return self.get_Constant(node)

    def get_Tuple(self, node: ast.Tuple) -> tuple[Value, ...]:
        return tuple(self.value(item) for item in node.elts)

    def get_BinOp(self, node: ast.BinOp) -> Value:
        return self.arithmetic(node, node.op, self.value(node.left), self.value(node.right))

    def arithmetic(self, node: Any, operator: ast.operator, left: Value, right: Value) -> Value:
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

    def get_UnaryOp(self, node: ast.UnaryOp) -> Value:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return Value(BOOL, self.emit(f"xor i1 {self.truth(node, value)}, true"))
        text = self.integer(node, value).text
        if isinstance(node.op, ast.USub):
            return Value(INT, self.emit(f"sub i64 0, {text}"))
        return Value(INT, self.emit(f"xor i64 {text}, -1") if isinstance(node.op, ast.Invert) else text)

    def get_Compare(self, node: ast.Compare) -> Value:
        """A chain is evaluated as a whole: its parts have no effects."""
        left, parts = self.value(node.left), []
        for operator, operand in zip(node.ops, node.comparators, strict=True):
            if type(operator) not in COMPARISONS:
                raise self.refuse(node, f"kernels have no {type(operator).__name__}")
            right = self.value(operand)
            a, b = self.integer(node, left).text, self.integer(node, right).text
            parts.append(self.emit(f"icmp {COMPARISONS[type(operator)]} i64 {a}, {b}"))
            left = right
        whole = parts[0]
        for part in parts[1:]:
            whole = self.emit(f"and i1 {whole}, {part}")
        return Value(BOOL, whole)

    def get_BoolOp(self, node: ast.BoolOp) -> Value:
        """Like Python's: the first operand that decides, or the last; the others are not evaluated."""
        slot, after = self.slot(INT), self.fresh("after")
        for operand in node.values:
            value = self.integer(operand, self.value(operand))
            self.store_slot(slot, value)
            if operand is node.values[-1]:
                self.jump(after)
            else:
                following = self.fresh("more")
                ways = (following, after) if isinstance(node.op, ast.And) else (after, following)
                self.lines.append(f"br i1 {self.truth(node, value)}, label %{ways[0]}, label %{ways[1]}")
                self.label(following)
        self.label(after)
        return self.load_slot(slot)

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

    def get_Subscript(self, node: ast.Subscript) -> Value:
        return self.read(*self.place(node))

    def get_Call(self, node: ast.Call) -> Result:
        function = self.constant(node.func)
        if node.keywords:
            raise self.refuse(node, "kernels take positional arguments only")
        values = [self.value(argument) for argument in node.args]
        if function is len:
            return Value(INT, values[0].length)
        if function in MAKERS:
            return Value(MAKERS[function], self.emit(f"inttoptr i64 {values[0].text} to ptr"))
        if function in SLOTS:
            place = self.emit(f"getelementptr i64, ptr {values[0].text}, i64 {values[1].text}")
            return Value(SLOTS[function], self.emit(f"load ptr, ptr {place}"))
        if function is pointers.room:
            place = self.emit(f"getelementptr i64, ptr {values[0].text}, i64 {values[1].text}")
            return self.read("p64", self.emit(f"getelementptr i64, ptr {place}, i64 1"))
        if function in CHOICES:
            best = values[0].text
            for value in values[1:]:
                best = self.emit(f"call i64 @{CHOICES[function]}(i64 {best}, i64 {value.text})")
            return Value(INT, best)
        if function not in self.module.helpers:
            raise self.refuse(node, f"{ast.unparse(node.func)} is not a helper of kernels")
        return self.call(function, tuple(self.stored(value) for value in values))

    def call(self, function: Function, values: tuple[Value, ...]) -> Result:
        name, kinds = self.module.function(function, tuple(value.kind for value in values))
        given = ", ".join(f"{llvm_type((value.kind,))} {value.text}" for value in values)
        whole = self.emit(f'call {llvm_type(kinds)} @"{name}"({given})')
        if len(kinds) == 1:
            return Value(kinds[0], whole)
        return tuple(
            Value(kind, self.emit(f"extractvalue {llvm_type(kinds)} {whole}, {i}")) for i, kind in enumerate(kinds)
        )

    # ---- conditions, items, kinds ----------------------------------------------------------------------------

    def branch(self, test: ast.expr, yes: str, no: str) -> None:
        """Jump to ``yes`` or ``no``; a condition made of others never becomes a value."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self.branch(test.operand, no, yes)
        elif isinstance(test, ast.BoolOp):
            for operand in test.values[:-1]:
                following = self.fresh("more")
                ways = (following, no) if isinstance(test.op, ast.And) else (yes, following)
                self.branch(operand, *ways)
                self.label(following)
            self.branch(test.values[-1], yes, no)
        else:
            self.lines.append(f"br i1 {self.truth(test, self.value(test))}, label %{yes}, label %{no}")

    def truth(self, node: Any, value: Value) -> str:
        if value.kind == BOOL:
            return value.text
        return self.emit(f"icmp ne i64 {self.integer(node, value).text}, 0")

    def stored(self, value: Value) -> Value:
        """What a variable holds: truth as 0 or 1."""
        return Value(INT, self.emit(f"zext i1 {value.text} to i64")) if value.kind == BOOL else value

    def integer(self, node: Any, value: Value) -> Value:
        value = self.stored(value)
        if value.kind != INT:
            raise self.refuse(node, f"an integer is wanted here, not {value.kind}")
        return value

    def place(self, node: ast.Subscript) -> tuple[str, str]:
        """The kind of a pointer or array, and the address of one of its items."""
        base, index = self.value(node.value), self.integer(node, self.value(node.slice))
        if base.kind in (INT, BOOL):
            raise self.refuse(node, f"{ast.unparse(node.value)} is an integer, it has no items")
        return base.kind, self.emit(f"getelementptr i{base.kind[1:]}, ptr {base.text}, i64 {index.text}")

    def read(self, kind: str, place: str) -> Value:
        bits = kind[1:]
        item = self.emit(f"load i{bits}, ptr {place}")
        extend = "zext" if bits == "8" else "sext"
        return Value(INT, item if bits == "64" else self.emit(f"{extend} i{bits} {item} to i64"))

    def write(self, kind: str, place: str, value: Value) -> None:
        bits, text = kind[1:], value.text
        if kind[0] == "r":
            raise Unsupported(f"{self.name} writes to an array that it only reads")
        if bits != "64":
            text = self.emit(f"trunc i64 {text} to i{bits}")
        self.lines.append(f"store i{bits} {text}, ptr {place}")
