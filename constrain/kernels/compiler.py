"""Kernels to LLVM assembly: the subset of Python that they are written in, as plain loops over int64.

All values are int64 but for bare pointers (``pointers.py``), the arrays that entries take, and tuples that functions
return. A function is compiled once for each combination of argument kinds that it is called with, callees first, so
nothing needs a declaration: a variable is of the kind first assigned to it. What the subset lacks is refused, with file
and line.

Why not Numba: its analysis and typing of a hundred small functions took over ten seconds, and half a second of each
process after that to load what it had compiled; this reads each syntax tree once, a third of a second for all kernels.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from constrain.kernels.assembly import ARRAYS, INT, Signature, Unsupported, Value, llvm_type
from constrain.kernels.expressions import Expressions

Function = Callable[..., Any]


class Module:
    """The assembly of all functions asked for, and of all they call.

    ``helpers``: what may be called; ``inlined``: what is always copied into its callers.
    """

    def __init__(self, helpers: Iterable[Function], inlined: Iterable[Function]) -> None:
        self.texts: list[str] = []
        self._helpers, self._inlined = frozenset(helpers), frozenset(inlined)
        self._done: dict[tuple[Function, tuple[str, ...]], Signature | None] = {}

    def function(self, function: Function, kinds: tuple[str, ...]) -> Signature:
        """Compile a function for arguments of these kinds, unless that is done already."""
        key = (function, kinds)
        if key not in self._done:
            self._done[key] = None
            name = f"{len(self._done)}.{function.__name__}"
            compiler = _Statements(function, self._find)
            self._done[key] = Signature(name, compiler.run(kinds))
            self.texts.append(compiler.text(name, "alwaysinline" if function in self._inlined else ""))
        signature = self._done[key]
        if signature is None:
            raise Unsupported(f"{function.__name__} calls itself: kernels use loops, and stacks of their own")
        return signature

    def _find(self, function: Any, kinds: tuple[str, ...]) -> Signature | None:
        function = getattr(function, "function", function)  # entries may be called too
        return self.function(function, kinds) if function in self._helpers else None


@cache
def _functions_in(file: str) -> dict[int, ast.FunctionDef]:
    """The functions of a source file by their first line, decorators included."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {min([node.lineno, *(d.lineno for d in node.decorator_list)]): node for node in functions}


class _Statements(Expressions):
    """One function. ``do_...`` write a statement, and return whether it leaves for good (return, break, continue)."""

    def __init__(self, function: Function, find: Callable[[Any, tuple[str, ...]], Signature | None]) -> None:
        super().__init__(function, find)
        self.tree = _functions_in(function.__code__.co_filename)[function.__code__.co_firstlineno]
        self.parameters: list[str] = []
        self.result: tuple[str, ...] | None = None
        self.depth = 0  # of blocks inside others
        self.loops: list[tuple[str, str]] = []  # labels: the next round, after the loop

    def run(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """Compile for arguments of these kinds; the kinds of the results."""
        names = [argument.arg for argument in self.tree.args.args]
        if len(names) != len(kinds):
            raise self.refuse(self.tree, f"{len(kinds)} arguments for {len(names)} parameters")
        for name, kind in zip(names, kinds, strict=True):
            if kind[0] in ARRAYS:
                self.parameters += [f"ptr %p.{name}", f"i64 %l.{name}"]
                self.variables[name] = Value(kind, f"%p.{name}", f"%l.{name}")
            else:
                self.parameters.append(f"{llvm_type((kind,))} %p.{name}")
                self.assign_name(self.tree, name, Value(kind, f"%p.{name}"))
        if not self.block(self.tree.body):
            self.give_back(self.tree, (Value(INT, "0"),))
        assert self.result is not None
        return self.result

    def text(self, name: str, attributes: str) -> str:
        """The whole function in assembly."""
        assert self.result is not None
        given = ", ".join(self.parameters)
        head = f'define internal {llvm_type(self.result)} @"{name}"({given}) nounwind {attributes} {{'
        return "\n".join([head, *self.slots, *self.lines, "}"])

    def block(self, body: list[ast.stmt]) -> bool:
        """Statements one after the other; what stands after one that leaves is never reached, and dropped."""
        for statement in body:
            write = getattr(self, f"do_{type(statement).__name__}", None)
            if write is None:
                raise self.refuse(statement, f"kernels have no {type(statement).__name__} statements")
            if write(statement):
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

    # ---- simple statements ---------------------------------------------------------------------------------

    def do_Pass(self, node: ast.Pass) -> None:
        pass

    def do_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.any_value(node.value)

    def do_Return(self, node: ast.Return) -> bool:
        value = Value(INT, "0") if node.value is None else self.any_value(node.value)
        self.give_back(node, value if isinstance(value, tuple) else (value,))
        return True

    def give_back(self, node: Any, values: tuple[Value, ...]) -> None:
        """Return values, of the same kinds at each return."""
        values = tuple(self.stored(value) for value in values)
        kinds = tuple(value.kind for value in values)
        if self.result not in (None, kinds):
            raise self.refuse(node, f"returns {kinds}, elsewhere {self.result}")
        self.result = kinds
        whole = values[0].text
        if len(values) > 1:
            whole = "undef"
            for i, value in enumerate(values):
                part = f"{llvm_type((value.kind,))} {value.text}"
                whole = self.emit(f"insertvalue {llvm_type(kinds)} {whole}, {part}, {i}")
        self.lines.append(f"ret {llvm_type(kinds)} {whole}")

    def do_Assign(self, node: ast.Assign) -> None:
        if len(node.targets) > 1:
            raise self.refuse(node, "one assignment a statement")
        target = node.targets[0]
        if not isinstance(target, ast.Tuple):
            self.assign(target, self.value(node.value))
            return
        values = self.any_value(node.value)
        if not isinstance(values, tuple) or len(values) != len(target.elts):
            raise self.refuse(node, "not as many values as targets")
        for place, value in zip(target.elts, values, strict=True):
            self.assign(place, value)

    def do_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            old = self.value(ast.copy_location(ast.Name(node.target.id, ast.Load()), node))
            self.assign(node.target, self.arithmetic(node, node.op, old, self.value(node.value)))
        elif isinstance(node.target, ast.Subscript):
            kind, place = self.place(node.target)
            old = self.read(kind, place)
            self.write(node, kind, place, self.arithmetic(node, node.op, old, self.value(node.value)))
        else:
            raise self.refuse(node, "only names and items can be assigned to")

    def assign(self, target: ast.expr, value: Value) -> None:
        """Give a name or an item its value."""
        if isinstance(target, ast.Name):
            self.assign_name(target, target.id, value)
        elif isinstance(target, ast.Subscript):
            self.write(target, *self.place(target), value)
        else:
            raise self.refuse(target, "only names and items can be assigned to")

    def assign_name(self, node: Any, name: str, value: Value) -> None:
        """A name may change its kind outside of branches and loops only: ``v = table_at(v)``."""
        value = self.stored(value)
        slot = self.variables.get(name)
        if slot is None or (slot.kind != value.kind and self.depth == 0):
            slot = self.variables[name] = self.slot(value.kind)
        if slot.kind != value.kind:
            raise self.refuse(node, f"{name} is {slot.kind} elsewhere, here {value.kind}")
        self.store_slot(slot, value)

    # ---- branches and loops --------------------------------------------------------------------------------

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
        start, stop, step = self._range(node)
        counter = self.slot(INT)
        self.store_slot(counter, Value(INT, start))
        again, body, following, after = (self.fresh(name) for name in ("again", "body", "next", "after"))
        self.jump(again)
        self.label(again)
        current = self.load_slot(counter)
        self.fork(self.emit(f"icmp {'slt' if step > 0 else 'sgt'} i64 {current.text}, {stop}"), body, after)
        self.label(body)
        assert isinstance(node.target, ast.Name)
        self.depth += 1
        self.assign_name(node, node.target.id, current)
        self.depth -= 1
        self.loops.append((following, after))
        self.inner(node.body, following)
        self.loops.pop()
        self.label(following)
        self.store_slot(counter, Value(INT, self.emit(f"add nsw i64 {self.load_slot(counter).text}, {step}")))
        self.jump(again)
        self.label(after)

    def _range(self, node: ast.For) -> tuple[str, str, int]:
        """Start, stop (both evaluated once) and step of the range that a loop counts."""
        call = node.iter
        counts = isinstance(call, ast.Call) and self.constant(call.func) is range and not call.keywords
        if node.orelse or not isinstance(node.target, ast.Name) or not counts or not isinstance(call, ast.Call):
            raise self.refuse(node, "a for loop is: for name in range(...), without else")
        bounds = [self.integer(node, self.value(argument)).text for argument in call.args[:2]]
        step = ast.literal_eval(call.args[2]) if len(call.args) == 3 else 1
        return ("0" if len(bounds) == 1 else bounds[0]), bounds[-1], step

    def do_Break(self, node: ast.Break) -> bool:
        self.jump(self.loops[-1][1])
        return True

    def do_Continue(self, node: ast.Continue) -> bool:
        self.jump(self.loops[-1][0])
        return True
