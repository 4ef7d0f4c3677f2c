"""Lark's rules as rules over tokens.

Where no parser state matters, as they are. Where one does (the contextual lexer asks the state of the LALR parser; a
conflict has been resolved in favour of one action), for each state in which a rule begins a rule of its own: the path
of its symbols through the parse table says which state each token is shifted to, and a reduction that the table does
not make for some next tokens bars these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from constrain.frontends.lark.lexers import END, Kind
from constrain.ir.grammar import EMPTY, Choice, Expr, Ref, Repeat, Seq

Make = Callable[[Kind], Expr]
Symbols = tuple[Any, ...]


def plain_rules(rules: Sequence[Any], token: Make) -> dict[str, Expr]:
    """The rules as they are. ``token`` makes what stands for a terminal."""
    alternatives: dict[str, list[Symbols]] = {}
    for rule in rules:
        alternatives.setdefault(str(rule.origin.name), []).append(tuple(rule.expansion))

    def symbol(item: Any) -> Expr:
        return token(Kind(str(item.name))) if item.is_term else Ref(str(item.name))

    def choice(options: list[Symbols]) -> Expr:
        return either([sequence([symbol(item) for item in symbols]) for symbols in dict.fromkeys(options)])

    found = {}
    for name, options in alternatives.items():
        body = _repeated(name, options)
        found[name] = choice(options) if body is None else Repeat(choice(body), 1, None)
    return found


def either(parts: list[Expr]) -> Expr:
    """A choice, if there is one."""
    return parts[0] if len(parts) == 1 else Choice(*parts)


def sequence(parts: list[Expr]) -> Expr:
    """A sequence, if there is one."""
    return parts[0] if len(parts) == 1 else Seq(*parts) if parts else EMPTY


def _repeated(name: str, options: list[Symbols]) -> list[Symbols] | None:
    """The body of a rule that Lark made for ``x+`` or ``x*``: ``name: x | name x``."""
    base = [symbols for symbols in options if not _mentions(symbols[:1], name)]
    again = [symbols[1:] for symbols in options if _mentions(symbols[:1], name)]
    is_loop = name.startswith("__") and bool(again) and set(base) == set(again)
    return base if is_loop and not any(_mentions(symbols, name) for symbols in base) else None


def _mentions(symbols: Symbols, name: str) -> bool:
    return any(str(item.name) == name and not item.is_term for item in symbols)


class TableRules:
    """Rules by parser state. ``scanner(state)`` is the number of the scanner that reads in it."""

    def __init__(self, rules: Sequence[Any], table: Any, scanner: Callable[[int], int], token: Make) -> None:
        self.states, self.scanner, self.token = table.states, scanner, token
        self.productions: dict[str, list[Any]] = {}
        for rule in rules:
            self.productions.setdefault(str(rule.origin.name), []).append(rule)
        self.found: dict[str, Expr] = {}
        self.todo: list[tuple[int, str]] = []

    def rules(self, start_state: int, start: str) -> tuple[str, dict[str, Expr]]:
        """All rules that ``start`` leads to, and its name."""
        name = self.name(start_state, start)
        while self.todo:
            state, origin = self.todo.pop()
            parts = [self.production(state, rule) for rule in self.productions[origin]]
            self.found[self.name(state, origin)] = either(parts)
        return name, self.found

    def name(self, state: int, origin: str) -> str:
        """The rule for what begins in a state."""
        name = f"{origin}@{state}"
        if name not in self.found:
            self.found[name] = EMPTY
            self.todo.append((state, origin))
        return name

    def production(self, state: int, rule: Any) -> Expr:
        parts: list[Expr] = []
        for item in rule.expansion:
            after = self.states[state][str(item.name)][1]
            if item.is_term:
                parts.append(self.token(Kind(str(item.name), self.scanner(after))))
            else:
                parts.append(Ref(self.name(state, str(item.name))))
            state = after
        barred = self.barred(state, rule)
        if barred:
            parts.append(self.token(Kind("", 0, barred)))
        return sequence(parts)

    def barred(self, state: int, rule: Any) -> frozenset[str]:
        """The tokens before which the parser does something else here than to reduce by ``rule``."""
        others = (name for name, (_, argument) in self.states[state].items() if argument is not rule)
        return frozenset(name for name in others if name == END or name not in self.productions)
