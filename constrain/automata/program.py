"""Grammar -> program: one list of int32 for a pushdown machine (``kernels/stack.py`` runs it).

``0..255`` match that byte; other instructions:

    END                      the text is complete (only at address 0)
    CALL rule                push the address after it, enter the rule (skipping nullable rules is explicit code)
    TAIL rule                enter the rule, return to our caller: lists do not grow the stack
    SPLIT n a1 .. an         go on at each address
    JUMP a     RETURN
    LOOP rule low high       with the register counting matches of ``rule`` so far: match again, or fall through
    BAG number               with the register naming a memory (0: before the first element): what it says
                             (``tokens/memories.py``)

Rules never match the empty string: where they would, their call sites branch around the call.
"""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from constrain.automata.analysis import (
    NonEmpty,
    nullable,
    nullable_rules,
    productive_rules,
    prune,
    reachable,
    terminal_nullable,
    why_empty,
)
from constrain.automata.elements import BagRules, compile_bag
from constrain.automata.recursion import Component, components, left_calls, strongly_connected
from constrain.errors import GrammarError, GrammarWarning, LimitExceeded
from constrain.ir.grammar import Bag, Choice, Expr, Grammar, Joined, Literal, Ref, Repeat, Seq, Terminal
from constrain.kernels.layout import BAG, CALL, END, JUMP, LOOP, RETURN, SPLIT, TAIL

MAX_CODE = 1 << 26
LAST_RANK = 1 << 30  # leaves: nothing is called from inside one


@dataclass
class Program:
    """What kernels need, and what messages need.

    code        the instructions
    entries     for each rule: its address, or minus the start state of its leaf
    ranks       for each rule: smaller than those of all rules it can call before reading a byte
    start       number of the start rule
    empty_text  is the empty text in the language
    names       (address, rule name) ascending by address, for messages
    terminals   rule number -> terminal
    bags        the bags, by the operand of their instructions
    """

    code: array[int] = field(default_factory=lambda: array("i", [END]))
    entries: list[int] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    start: int = 0
    empty_text: bool = False
    names: list[tuple[int, str]] = field(default_factory=list)
    terminals: dict[int, Terminal] = field(default_factory=dict)
    bags: list[BagRules] = field(default_factory=list)


def compile_program(grammar: Grammar, leaf: Callable[[Terminal], int], *, dead: int) -> Program:
    """Translate a grammar. ``leaf(terminal)`` gives the start state of its leaf automaton, ``dead`` if it is empty.

    Raises ``GrammarError`` when the language is empty or a rule is missing; warns (``GrammarWarning``) about rules
    that can never be used.
    """
    try:
        rules = _usable_rules(grammar, leaf, dead)
        nulls = nullable_rules(rules)
        emitter = _Emitter(rules, nulls, leaf, components(rules, nulls))
        emitter.rule(grammar.start)
        emitter.drain()
        emitter.rank()
    except RecursionError:
        raise LimitExceeded("depth of nested expressions", 1000, 1000, "name parts of it as rules") from None
    program = emitter.program
    program.empty_text = grammar.start in nulls
    return program


def _usable_rules(grammar: Grammar, leaf: Callable[[Terminal], int], dead: int) -> dict[str, Expr]:
    """Reachable rules without parts that match nothing."""
    order, terminals, has_never = reachable(grammar)
    if len(order) < len(grammar.rules):
        unused = [name for name in grammar.rules if name not in set(order)]
        warnings.warn(
            f"rules that the start rule never reaches: {', '.join(unused[:10])}", GrammarWarning, stacklevel=4
        )
    starts = {id(node): leaf(node) for node in terminals}

    def is_empty(terminal: Terminal) -> bool:
        return starts[id(terminal)] == dead

    rules = {name: grammar.rules[name] for name in order}
    found = productive_rules(rules, is_empty)
    if grammar.start not in found:
        reason = why_empty(grammar.start, rules, found, is_empty)
        raise GrammarError(f"no text at all matches: {reason}", where=f"rule {grammar.start!r}")
    if len(found) == len(rules) and not has_never and dead not in starts.values():
        return rules
    lost = [name for name in order if name not in found]
    if lost:
        reason = why_empty(lost[-1], rules, found, is_empty)
        warnings.warn(f"rule {lost[-1]!r} matches nothing: {reason}", GrammarWarning, stacklevel=4)
    return {name: prune(rules[name], found, is_empty) for name in order if name in found}


class _Emitter:
    """Appends code. ``emit(expr, tail)``: with ``tail`` the code ends by leaving the rule, else it falls through."""

    def __init__(
        self,
        rules: dict[str, Expr],
        nulls: set[str],
        leaf: Callable[[Terminal], int],
        recursive: dict[str, Component],
    ) -> None:
        self.program = Program()
        self.code = self.program.code
        self.rules, self.nulls, self.leaf, self.recursive = rules, nulls, leaf, recursive
        self.numbers: dict[str, int] = {}
        self.leaf_rules: dict[int, tuple[int, bool]] = {}  # id(terminal) -> (rule number, nullable)
        self.todo: list[tuple[int, str, Expr | None]] = []
        self.bodies: dict[int, tuple[str, Expr]] = {}  # rule number -> (name, what it reads first), for ranks
        self.emitters = {
            Literal: self._literal,
            Terminal: self._terminal,
            Ref: self._ref,
            NonEmpty: self._nonempty,
            Seq: self._seq,
            Choice: self._choice,
            Repeat: self._repeat,
            Joined: self._joined,
            Bag: self._bag,
        }

    # ---- rules ---------------------------------------------------------------------------------------------

    def rule(self, name: str) -> int:
        """Number of a named rule, queued for emission when new."""
        if name not in self.numbers:
            self.numbers[name] = self._new_rule(name, None)
        return self.numbers[name]

    def _new_rule(self, name: str, body: Expr | None) -> int:
        number = len(self.program.entries)
        self.program.entries.append(0)
        self.todo.append((number, name, body))
        return number

    def drain(self) -> None:
        """Emit all queued rules."""
        while self.todo:
            number, name, body = self.todo.pop()
            self.program.entries[number] = len(self.code)
            self.program.names.append((len(self.code), name))
            if body is None and name in self.recursive:
                body = self._left_corner(name, self.recursive[name])
            else:
                body = self.rules[name] if body is None else body
                self.emit(body, True)
            self.bodies[number] = (name, body)
            if len(self.code) > MAX_CODE:
                raise LimitExceeded("size of the grammar program", len(self.code), MAX_CODE)
        self.program.start = 0

    def rank(self) -> None:
        """Callers before callees, by the order of components of the left-call graph (acyclic by now)."""
        calls = {str(n): self._first_rules(body) for n, (_, body) in self.bodies.items()}
        ranks = [LAST_RANK] * len(self.program.entries)
        for place, names in enumerate(strongly_connected(calls)):
            for name in names:
                ranks[int(name)] = len(calls) - place
        self.program.ranks = ranks

    def _first_rules(self, body: Expr) -> set[str]:
        return {str(self.numbers[name]) for name in left_calls(body, self.nulls) if name in self.numbers}

    def _left_corner(self, name: str, component: Component) -> Expr:
        """Code of a left-recursive rule (see ``recursion.py``); returns what it can read first."""
        labels: dict[str, int] = {}
        patches: list[tuple[int, str]] = []
        seeds = [(x, seed) for x in component.names for seed in component.seeds[x]]
        self._branches([(seed, x) for x, seed in seeds], patches, leave=False)
        for x in component.names:
            labels[x] = len(self.code)
            self._branches([(rest, b) for b, rest in component.rests[x]], patches, leave=x == name)
        for place, x in patches:
            self.code[place] = labels[x]
        return Choice(*(seed for _, seed in seeds))

    def _branches(self, branches: list[tuple[Expr, str]], patches: list[tuple[int, str]], *, leave: bool) -> None:
        """A split over expressions, each followed by a jump to a label, and over leaving the rule."""
        places = self._split(len(branches) + leave)
        for place, (expr, label) in zip(places, branches, strict=False):
            self.code[place] = len(self.code)
            self.emit(expr, False)
            patches.append((len(self.code) + 1, label))
            self.code.extend((JUMP, 0))
        if leave:
            self.code[places[-1]] = len(self.code)
            self.code.append(RETURN)

    # ---- expressions ---------------------------------------------------------------------------------------

    def emit(self, expr: Expr, tail: bool) -> None:
        self.emitters[type(expr)](expr, tail)  # type: ignore[operator]

    def _split(self, ways: int) -> range:
        """Append a split; the places of its addresses."""
        first = len(self.code) + 2
        self.code.extend((SPLIT, ways))
        self.code.extend((0,) * ways)
        return range(first, first + ways)

    def _leave(self, tail: bool) -> None:
        if tail:
            self.code.append(RETURN)

    def _literal(self, expr: Literal, tail: bool) -> None:
        self.code.extend(expr.data)
        self._leave(tail)

    def _call(self, number: int, tail: bool, skip: bool) -> None:
        """A call; with ``skip`` a branch around it comes first."""
        op = TAIL if tail else CALL
        if not skip:
            self.code.extend((op, number))
            return
        at = len(self.code)
        self.code.extend((SPLIT, 2, at + 4, at + 6, op, number))
        self._leave(tail)

    def _terminal(self, expr: Terminal, tail: bool) -> None:
        known = self.leaf_rules.get(id(expr)) or self._new_leaf(expr)
        self._call(known[0], tail, known[1])

    def _new_leaf(self, expr: Terminal) -> tuple[int, bool]:
        """(Rule number, nullable) of a terminal met for the first time."""
        known = self.leaf_rules[id(expr)] = (len(self.program.entries), terminal_nullable(expr))
        self.program.entries.append(-self.leaf(expr))
        self.program.terminals[known[0]] = expr  # kept alive, so its id() stays its own
        return known

    def _ref(self, expr: Ref, tail: bool) -> None:
        self._call(self.rule(expr.name), tail, expr.name in self.nulls)

    def _nonempty(self, expr: NonEmpty, tail: bool) -> None:
        body = expr.body
        if isinstance(body, Terminal):
            known = self.leaf_rules.get(id(body)) or self._new_leaf(body)
            self._call(known[0], tail, False)
        else:
            self._call(self.rule(body.name), tail, False)

    def _seq(self, expr: Seq, tail: bool) -> None:
        code, rules, emitters = self.code, self.leaf_rules, self.emitters
        parts = expr.parts
        if tail and parts and type(parts[-1]) is not Literal:
            self._seq(Seq(*parts[:-1]), False)
            return self.emit(parts[-1], True)
        for part in parts:
            kind = type(part)
            if kind is Literal:
                code.extend(part.data)  # type: ignore[attr-defined]
            elif kind is Terminal:  # inlined: nearly all of a JSON grammar is literals and blanks
                number, skip = rules.get(id(part)) or self._new_leaf(part)  # type: ignore[arg-type]
                at = len(code)
                code.extend((SPLIT, 2, at + 4, at + 6, CALL, number) if skip else (CALL, number))
            else:
                emitters[kind](part, False)  # type: ignore[operator]
        return self._leave(tail)

    def _choice(self, expr: Choice, tail: bool) -> None:
        parts = expr.parts
        if len(parts) == 1:
            return self.emit(parts[0], tail)
        jumps = []
        for place, part in zip(self._split(len(parts)), parts, strict=True):
            self.code[place] = len(self.code)
            self.emit(part, tail)
            if not tail:
                jumps.append(len(self.code) + 1)
                self.code.extend((JUMP, 0))
        for place in jumps:
            self.code[place] = len(self.code)
        return None

    def _repeat(self, expr: Repeat, tail: bool) -> None:
        body, high = expr.body, expr.high
        low = 0 if nullable(body, self.nulls) else expr.low
        if high == 0:
            return self._leave(tail)
        if high == 1:
            return self.emit(body, tail) if low else self._optional(body, tail)
        if high is None and low == 0:
            start = len(self.code)
            places = self._split(2)
            self.code[places[0]] = len(self.code)
            self.emit(body, False)
            self.code.extend((JUMP, start))
            self.code[places[1]] = len(self.code)
        elif high is None and low == 1:
            start = len(self.code)
            self.emit(body, False)
            places = self._split(2)
            self.code[places[0]], self.code[places[1]] = start, len(self.code)
        else:
            number = self._new_rule(self.program.names[-1][1], body)
            self.code.extend((LOOP, number, low, -1 if high is None else high))
        return self._leave(tail)

    def _optional(self, body: Expr, tail: bool) -> None:
        places = self._split(2)
        self.code[places[0]] = len(self.code)
        self.emit(body, tail)
        self.code[places[1]] = len(self.code)
        self._leave(tail)

    def _joined(self, expr: Joined, tail: bool) -> None:
        """In order: item, may it end here, separator, next item. An optional item can be jumped over."""
        items = expr.items
        if not items:
            return self._leave(tail)
        last_required = max((i for i, (_, required) in enumerate(items) if required), default=-1)
        ends = []  # places to patch with the address of the end
        if last_required < 0:
            ends.append(self._exit_split())
        for i, (item, required) in enumerate(items):
            skip = None
            if not required and i < len(items) - 1:
                places = self._split(2)
                skip = places[1]
                self.code[places[0]] = len(self.code)
            self.emit(item, False)
            if i < len(items) - 1:
                if i >= last_required:
                    ends.append(self._exit_split())
                self.emit(expr.separator, False)
            if skip is not None:
                self.code[skip] = len(self.code)
        for place in ends:
            self.code[place] = len(self.code)
        return self._leave(tail)

    def _bag(self, expr: Bag, tail: bool) -> None:
        name = self.program.names[-1][1]
        self.program.bags.append(compile_bag(expr, self.nulls, name, lambda part: self._part_rule(part, name)))
        self.code.extend((BAG, len(self.program.bags) - 1))
        self._leave(tail)

    def _part_rule(self, part: Expr, name: str) -> int:
        """A rule for a part of an element, which is a rule already or becomes a nameless one."""
        if isinstance(part, Terminal):
            return (self.leaf_rules.get(id(part)) or self._new_leaf(part))[0]
        return self.rule(part.name) if isinstance(part, Ref) else self._new_rule(name, part)

    def _exit_split(self) -> int:
        """A split between what follows and a place to patch."""
        places = self._split(2)
        self.code[places[0]] = len(self.code)
        return places[1]
