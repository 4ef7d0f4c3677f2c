"""Grammar -> program: one list of int32 for a pushdown machine (``kernels/stack.py`` runs it), made rule by rule.

``0..255`` match that byte; other instructions:

    END                      the text is complete (only at address 0)
    CALL rule                push the address after it, enter the rule
    OPTION rule              the same, or go on without it (so nullable rules are called)
    TAIL rule                enter the rule, return to our caller: lists do not grow the stack
    SPLIT n a1 .. an         go on at each address
    JUMP a     RETURN
    LOOP rule low high       with the register counting matches of ``rule`` so far: match again, or fall through
    BAG number               with the register naming a memory (0: before the first element): what it says
                             (``tokens/memories.py``)
    CONTEXT base             what follows is in this context
    TOKEN number             call the rule that the context has for the token (``automata/lexed.py``)

Rules never match the empty string: where they would, their call sites branch around the call.

A rule gets its number when it is first mentioned and its code when it is first called (``ProgramBuilder.make``), so a
grammar costs what is used of it. Two things have to be known before: whether a rule matches anything, and whether it
matches the empty string. They are found for all rules that can be reached, but for those that a front end vouches for
(``RulesOnDemand``), which are not even looked at.
"""

from __future__ import annotations

import warnings
import weakref
from array import array
from collections.abc import Callable, Set
from dataclasses import dataclass, field

from constrain.automata.analysis import (
    nullable_rules,
    productive_rules,
    prune,
    reachable,
    surely_fits,
    surely_matches,
    terminal_nullable,
    why_empty,
)
from constrain.automata.elements import BagRules, compile_bag
from constrain.automata.emitter import Emitter, first_calls
from constrain.automata.lexed import OTHER, TokenRules, first_tokens, leaves
from constrain.automata.recursion import Component, components, strongly_connected
from constrain.errors import GrammarError, GrammarWarning, LimitExceeded
from constrain.ir.grammar import NEVER, Bag, Expr, Grammar, Ref, RulesOnDemand, Seq, Terminal, Token, walk
from constrain.ir.lexing import Enter, Lexing
from constrain.kernels.layout import END

MAX_CODE = 1 << 26
LAST_RANK = 1 << 30  # leaves: nothing is called from inside one
MANY = 64  # rules: for so many that have been made, one more is made ahead
UNMADE = 0  # entry of a rule without code (at address 0 there is END); its rank is 0 too, so that it is met first

NewLeaf = Callable[[Terminal], int]


@dataclass
class Program:
    """What kernels need, and what messages need.

    code        the instructions
    entries     for each rule: its address, or minus the start state of its leaf, or ``UNMADE``
    ranks       for each rule with code: smaller than those of all rules it can call before reading a byte
    start       number of the start rule
    empty_text  is the empty text in the language
    names       (address, rule name) ascending by address, for messages
    terminals   rule number -> terminal
    bags        the bags, by the operand of their instructions
    token_sets  sets of tokens, ``stride`` words each, the first of which means "not known"
    set_of      rule number -> with which tokens it can begin, or what the context can read whose first rule it is
    """

    code: array[int] = field(default_factory=lambda: array("i", [END]))
    entries: list[int] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    start: int = 0
    empty_text: bool = False
    names: list[tuple[int, str]] = field(default_factory=list)
    terminals: dict[int, Terminal] = field(default_factory=dict)
    bags: list[BagRules] = field(default_factory=list)
    token_sets: array[int] = field(default_factory=lambda: array("i"))
    stride: int = 0
    set_of: dict[int, int] = field(default_factory=dict)

    def copy(self) -> Program:
        """The same, to go on from there."""
        parts = self.code[:], self.entries[:], self.ranks[:], self.start, self.empty_text, self.names[:]
        return Program(*parts, self.terminals.copy(), self.bags[:])


# Containers of a builder that it does not share.
_OWN = ("_leaves", "_rules", "_nulls", "_productive", "_recursive", "_numbers", "_leaf_rules", "_parts", "_unmade")


class ProgramBuilder:
    """Grows the program of one grammar. Not thread-safe.

    ``leaf(terminal)`` gives the start state of its leaf automaton, ``dead`` if it is empty, ``known_leaf(terminal)``
    the same or ``None`` where it is not made yet. ``leaves_at_once``: make all leaves of a rule when the rule is first
    looked at, not when they are called (where a vocabulary cannot spell some symbols, any leaf may turn out to be
    empty).
    """

    def __init__(
        self,
        leaf: NewLeaf,
        known_leaf: Callable[[Terminal], int | None],
        *,
        dead: int,
        leaves_at_once: bool = False,
    ) -> None:
        self.program = Program()
        self.dead, self.leaves_at_once = dead, leaves_at_once
        self.changed: list[int] = []  # rules whose entry has been set since ``taken``
        self._new_leaf, self._known_leaf = leaf, known_leaf
        self._leaves: dict[int, int] = {}  # id(terminal) -> start state
        self._rules: dict[str, Expr] = {}  # all that have been looked at, without parts that match nothing
        self._nulls: set[str] = set()
        self._productive: set[str] = set()
        self._recursive: dict[str, Component] = {}
        self._numbers: dict[str, int] = {}
        self._leaf_rules: dict[int, tuple[int, bool]] = {}  # id(terminal) -> (rule number, nullable)
        self._parts: dict[int, tuple[int, Expr]] = {}  # id(expr) -> (rule number, the expression: kept alive)
        self._unmade: dict[int, tuple[str, Expr | None]] = {}  # rule number -> (name, body of a nameless rule)
        self._last_rank = LAST_RANK - 1
        self._tokens: TokenRules | None = None
        self._nothing = UNMADE  # the code that matches nothing
        # A proxy: the two would hold each other, and with them a whole vocabulary index, until a collection.
        self._emitter = Emitter(self.program.code, weakref.proxy(self), self._nulls)

    def rest(self) -> ProgramBuilder:
        """Itself, to be copied only: it lets go of what makes leaves."""
        self._new_leaf = self._known_leaf = _no_leaf
        return self

    def copy(self, leaf: NewLeaf, known_leaf: Callable[[Terminal], int | None]) -> ProgramBuilder:
        """Another one that has made the same, to go on with another grammar."""
        other = object.__new__(ProgramBuilder)
        other.__dict__.update(self.__dict__)
        other._new_leaf, other._known_leaf = leaf, known_leaf
        other.program = self.program.copy()
        other.changed = []
        for name in _OWN:
            setattr(other, name, getattr(self, name).copy())
        other._emitter = self._emitter.copy(other.program.code, weakref.proxy(other), other._nulls)
        return other

    def begin(self, grammar: Grammar) -> None:
        """Look at the start rule and what it leads to.

        Raises ``GrammarError`` when the language is empty or a rule is missing; warns (``GrammarWarning``) about rules
        that can never be used.
        """
        self.grammar, rules = grammar, grammar.rules
        self._sound: Set[str] = rules.sound if isinstance(rules, RulesOnDemand) else frozenset()
        self._where = grammar.start
        try:
            self._learn(grammar.start)
        except RecursionError:
            raise _too_deep() from None
        if isinstance(rules, RulesOnDemand):
            self._check_sizes(rules)
        self._warn_of_unused()
        self.program.start = self.rule(grammar.start)
        if grammar.lexing is None:
            self.program.empty_text = grammar.start in self._nulls
        else:
            self._begin_text(grammar.lexing)

    def _begin_text(self, lexing: Lexing) -> None:
        """The start is in the first context, and the text must be allowed to end."""
        self._tokens = TokenRules(lexing, self._reserve)
        self.program.stride = (len(lexing.names) + 31) // 32
        self.program.token_sets.extend([0] * self.program.stride)
        whole = Seq(Enter(lexing.first), Ref(self.grammar.start), Token(lexing.end))
        self.program.start = self._new_rule(self.grammar.start, whole)
        firsts = first_tokens(self._rules, self._nulls)
        for name in self._rules:
            number = self.rule(name)
            if OTHER not in firsts[name]:
                self._set_tokens(number, firsts[name])
            if self.program.entries[number] == UNMADE:
                self.make(number)

    def _set_tokens(self, number: int, tokens: Set[int]) -> None:
        """A rule's set, or that of the context whose first rule it is."""
        stride = self.program.stride
        bits = sum(1 << token for token in tokens)
        self.program.set_of[number] = len(self.program.token_sets) // stride
        self.program.token_sets.frombytes(bits.to_bytes(4 * stride, "little"))
        self.changed.append(number)

    def _make_context(self, tokens: TokenRules, number: int) -> None:
        """Make all rules of a rule's context, and their leaves: a mask that has to ask begins anew.

        But not where each way leads to a context of its own (columns of indentation): then only what is called.
        """
        if not tokens.lexing.is_finite:
            self._emit(number, tokens.name(number), tokens.body(number))
            self._set(number, self.program.entries[number], LAST_RANK - 1)
            return
        found: list[Terminal] = []
        block = tokens.block(number)
        self._set_tokens(block[0], {member - block[0] for member in block[:-1] if tokens.body(member) is not NEVER})
        for member in block:
            body = tokens.body(member)
            found += leaves(body)
            if body is NEVER and self._nothing != UNMADE:
                self._set(member, self._nothing, LAST_RANK - 1)
                continue
            self._emit(member, tokens.name(member), body)
            self._set(member, self.program.entries[member], LAST_RANK - 1)
            if body is NEVER:
                self._nothing = self.program.entries[member]
        for leaf in found:
            rule = self.terminal(leaf)[0]
            if self.program.entries[rule] == UNMADE:
                self.make(rule)

    def _reserve(self, count: int) -> int:
        """Numbers for ``count`` rules without code."""
        first = len(self.program.entries)
        self.program.entries.extend([UNMADE] * count)
        self.program.ranks.extend([0] * count)
        return first

    def context(self, context: int) -> int:
        """The number of the first of a context's rules."""
        assert self._tokens is not None
        return self._tokens.context(context)

    def blanks(self, context: int) -> int:
        """The number of the rule for what may be skipped in a context."""
        assert self._tokens is not None
        return self._tokens.blanks(context)

    def taken(self) -> list[int]:
        """The rules whose entry or rank has been set since the last call."""
        changed, self.changed = self.changed, []
        return changed

    def make(self, number: int) -> None:
        """Make the code of a rule, and of those that it calls before it reads a byte."""
        terminal = self.program.terminals.get(number)
        if terminal is not None:
            self._set(number, -self._leaf(terminal), LAST_RANK)
            return
        if self._tokens is not None and number in self._tokens:
            self._make_context(self._tokens, number)
            return
        try:
            self._rank(self._make_group(number))
        except RecursionError:
            raise _too_deep() from None

    def make_wanted(self, number: int) -> None:
        """Make the code of a rule that a kernel has called and, where a grammar turns out to need many, of some that
        wait for longest: each time a kernel has to ask it begins anew."""
        self.make(number)
        for _ in range(min(len(self.program.names) // MANY, len(self._unmade))):
            if self._unmade:
                self.make(next(iter(self._unmade)))

    def make_all(self) -> None:
        """Make the code of all rules that have been mentioned."""
        for number, entry in enumerate(self.program.entries):  # grows
            if entry == UNMADE:
                self.make(number)

    # ---- what must be known of a rule ------------------------------------------------------------------------

    def _learn(self, name: str) -> None:
        """Look at a rule and those that it leads to: drop what matches nothing, find what matches the empty text."""
        if name in self._sound:
            self._productive.add(name)
            self._rules[name] = self.grammar.rules[name]
            return
        found = reachable(self.grammar, name, self._productive)
        self._productive.update(found.waiting)
        rules = self._usable(name, found.rules, found.has_never, self._empty_leaves(found.terminals))
        nullable_rules(rules, self._nulls)
        self._recursive.update(components(rules, self._nulls))
        self._rules.update(rules)

    def _empty_leaves(self, terminals: list[Terminal]) -> set[int]:
        """Identities of the terminals that match nothing."""
        unsure = [node for node in terminals if self.leaves_at_once or not surely_matches(node)]
        return {id(node) for node in unsure if self._leaf(node) == self.dead}

    def _usable(self, name: str, rules: dict[str, Expr], has_never: bool, empty: set[int]) -> dict[str, Expr]:
        """The rules without parts that match nothing."""

        def is_empty(terminal: Terminal) -> bool:
            return id(terminal) in empty

        found = self._productive
        productive_rules(rules, found, is_empty)
        if name not in found:
            reason = why_empty(name, rules, found, is_empty)
            raise GrammarError(f"no text at all matches: {reason}", where=f"rule {name!r}")
        lost = [other for other in rules if other not in found]
        if not lost and not has_never and not empty:
            return rules
        if lost:
            reason = why_empty(lost[-1], rules, found, is_empty)
            warnings.warn(f"rule {lost[-1]!r} matches nothing: {reason}", GrammarWarning, stacklevel=6)
        return {other: prune(body, found, is_empty) for other, body in rules.items() if other in found}

    def _check_sizes(self, rules: RulesOnDemand) -> None:
        """Raise what parts that are not looked at yet would raise when their leaves are made."""
        later = [body for name, body in rules.made.items() if name not in self._rules]
        for node in (node for expr in (*later, *rules.parts) for node in walk(expr)):
            if type(node) is Terminal and not surely_fits(node):
                self._leaf(node)

    def _warn_of_unused(self) -> None:
        rules = self.grammar.rules
        if not isinstance(rules, RulesOnDemand) and len(self._rules) < len(rules):
            unused = [name for name in rules if name not in self._productive and name not in self._rules]
            if unused:
                text = f"rules that the start rule never reaches: {', '.join(unused[:10])}"
                warnings.warn(text, GrammarWarning, stacklevel=5)

    # ---- numbers ---------------------------------------------------------------------------------------------

    def rule(self, name: str) -> int:
        """The number of a named rule."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = self._new_rule(name, None)
        return number

    def terminal(self, terminal: Terminal) -> tuple[int, bool]:
        """The number of a terminal's rule, and whether it matches the empty string too."""
        known = self._leaf_rules.get(id(terminal))
        if known is None:
            number = len(self.program.entries)
            known = self._leaf_rules[id(terminal)] = (number, terminal_nullable(terminal))
            self.program.terminals[number] = terminal  # kept alive, so its id() stays its own
            start = self._leaves.get(id(terminal)) or self._known_leaf(terminal)
            self.program.entries.append(UNMADE if start is None else -start)
            self.program.ranks.append(0 if start is None else LAST_RANK)
            self.changed.append(number)
        return known

    def part(self, expr: Expr) -> int:
        """The number of the rule for a part of a rule: of a terminal, a named rule, or a nameless one."""
        if isinstance(expr, Terminal):
            return self.terminal(expr)[0]
        if isinstance(expr, Ref):
            return self.rule(expr.name)
        known = self._parts.get(id(expr))
        if known is None:
            known = self._parts[id(expr)] = (self._new_rule(self._where, expr), expr)
        return known[0]

    def bag(self, bag: Bag) -> int:
        """The number of a bag."""
        self.program.bags.append(compile_bag(bag, self._nulls, self._where, self.part))
        return len(self.program.bags) - 1

    def _new_rule(self, name: str, body: Expr | None) -> int:
        number = len(self.program.entries)
        self.program.entries.append(UNMADE)
        self.program.ranks.append(0)
        self._unmade[number] = (name, body)
        return number

    def _leaf(self, terminal: Terminal) -> int:
        start = self._leaves.get(id(terminal))
        if start is None:
            start = self._leaves[id(terminal)] = self._new_leaf(terminal)
        return start

    def _set(self, number: int, entry: int, rank: int) -> None:
        self.program.entries[number], self.program.ranks[number] = entry, rank
        self.changed.append(number)

    # ---- code ------------------------------------------------------------------------------------------------

    def _make_group(self, number: int) -> dict[int, set[int]]:
        """Emit a rule and all without code that it can call before it reads a byte; the calls of those that make any.

        Rules that a front end vouches for begin with a byte, so they need not be made together with their callers.
        """
        group: dict[int, set[int]] = {}
        waiting = [number]
        for member in waiting:  # grows
            name, body = self._unmade.pop(member)
            self._where = name
            if body is None and name not in self._rules:
                self._learn(name)
            calls = list(first_calls(self._emit(member, name, body), self._nulls))
            if not calls:
                self._set(member, self.program.entries[member], LAST_RANK - 1)
                continue
            made = (part for part in calls if not (isinstance(part, Ref) and part.name not in self._rules))
            called = group[member] = {self.part(part) for part in made}
            waiting += [other for other in called if other in self._unmade and other not in waiting]
        return {member: calls & group.keys() for member, calls in group.items()}

    def _emit(self, number: int, name: str, body: Expr | None) -> Expr:
        """Append the code of a rule; returns what it reads first, without left recursion."""
        code = self.program.code
        self.program.entries[number] = len(code)
        self.program.names.append((len(code), name))
        if body is None and name in self._recursive:
            body = self._emitter.left_corner(name, self._recursive[name])
        else:
            body = self._rules[name] if body is None else body
            self._emitter.emit(body, True)
        if len(code) > MAX_CODE:
            raise LimitExceeded("size of the grammar program", len(code), MAX_CODE)
        return body

    def _rank(self, group: dict[int, set[int]]) -> None:
        """Callers before callees. Nothing that has code calls a new rule before it reads a byte (it would have been
        made together with it), so new ranks are lower than all others."""
        order = strongly_connected(group) if len(group) > 1 else [list(group)]
        for numbers in order:  # callees first
            self._last_rank -= 1
            for number in numbers:
                self._set(number, self.program.entries[number], self._last_rank)


def _no_leaf(terminal: Terminal) -> int:
    raise AssertionError("this builder rests")


def _too_deep() -> LimitExceeded:
    return LimitExceeded("depth of nested expressions", 1000, 1000, "name parts of it as rules")
