"""Lark grammars as they are: the texts that Lark itself parses, with the parser and the lexer that it would use.

Lark loads the grammar (imports, templates, EBNF, overrides) and makes the LALR table; its rules, patterns and table are
read here. Aliases and tree shaping do not change which texts are members.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import lark

from constrain.errors import GrammarError
from constrain.frontends.embedding import Assembly
from constrain.frontends.lark.balance import balance
from constrain.frontends.lark.indentation import IndentedLexing
from constrain.frontends.lark.lexers import DynamicLexing, LarkLexing, Numbers, ScanningLexing
from constrain.frontends.lark.loading import Source, load
from constrain.frontends.lark.program import Program
from constrain.frontends.lark.rules import TableRules, plain_rules
from constrain.frontends.lark.scanner import Pattern, Scanner
from constrain.frontends.lark.threads import Machine
from constrain.ir.grammar import Grammar, Ref


def lark_grammar(
    source: str | Path | lark.Lark,
    start: str | None = None,
    *,
    parser: str | None = None,
    lexer: str | None = None,
    grammars: Mapping[str, Grammar] | None = None,
) -> Grammar:
    """The grammar of all texts that Lark parses from the rule ``start``.

    ``source`` is the text of a grammar, the ``Path`` of a file, or a ``Lark`` object, whose parser and lexer count. For
    a text or a file ``parser`` and ``lexer`` are Lark's options of these names (``earley`` and ``dynamic`` unless the
    first line says something else: ``// constrain: parser=lalr lexer=contextual``). ``grammars`` defines terminals of a
    text or a file that it does not define itself: any text of the grammar may stand where such a terminal is asked for,
    whatever lexemes are in it. Raises ``GrammarError``, with the place where Lark gives it, for bad syntax, unknown
    names, terminals that may match the empty string, terminals without a pattern (``%declare``), and constructs in
    terminals that are not regular.
    """
    loaded = load(source, start, parser, lexer, list(grammars or ()))
    patterns, machine = _patterns(loaded)
    _check_names(loaded, patterns)
    build = _dynamic if loaded.lexer.startswith("dynamic") else _scanning
    found = build(loaded, patterns, machine)
    return _embed(found, grammars) if grammars else found


def _patterns(source: Source) -> tuple[dict[str, Pattern], Machine]:
    """The terminals' patterns, compiled into one program."""
    program, found = Program(), {}
    for terminal in source.lark.terminals:
        name = str(terminal.name)
        try:
            entry, end = program.add(terminal.pattern.to_regexp(), int(source.lark.options.g_regex_flags))
        except GrammarError as error:
            error.where = f"terminal {name}"
            raise
        if terminal.pattern.min_width == 0:
            raise GrammarError("it may match the empty string, which no scanner can see", where=f"terminal {name}")
        found[name] = Pattern(name, entry, end)
    return found, Machine(program)


def _embed(host: Grammar, grammars: Mapping[str, Grammar]) -> Grammar:
    """Put grammars in the place of the symbols that stand for them."""
    assert isinstance(host.lexing, LarkLexing)
    assembly = Assembly()
    assembly.rules.update(host.rules)
    host.lexing.embedded = {name: assembly.expr(grammar) for name, grammar in grammars.items()}
    whole = assembly.finish(Ref(host.start))
    return Grammar(whole.start, whole.rules, whole.unenforced, host.lexing)


def _check_names(source: Source, patterns: dict[str, Pattern]) -> None:
    """Raise for a start rule that is not there, and for terminals that only code could find."""
    if all(rule.origin.name != source.start for rule in source.lark.rules):
        raise GrammarError(f"the start rule {source.start!r} is not defined", hint="pass start=...")
    used = {str(item.name) for rule in source.lark.rules for item in rule.expansion if item.is_term}
    made = {source.indenter.INDENT_type, source.indenter.DEDENT_type} if source.indenter else set()
    for name in sorted(used - patterns.keys() - made):
        hint = "write a pattern for it; a terminal of %declare is made by code, which a grammar cannot describe"
        raise GrammarError("it has no pattern", where=f"terminal {name}", hint=hint)


def _dynamic(source: Source, patterns: dict[str, Pattern], machine: Machine) -> Grammar:
    free = source.lexer == "dynamic_complete"
    lexing = DynamicLexing(machine, patterns, list(map(str, source.lark.ignore_tokens)), free=free)
    rules = plain_rules(source.lark.rules, lexing.token)
    return _grammar(source, source.start, rules, lexing, patterns)


def _grammar(
    source: Source, start: str, rules: Any, lexing: LarkLexing, patterns: dict[str, Pattern], scanner: int = 0
) -> Grammar:
    lexing.begin(scanner)
    return Grammar(start, rules, lexing=lexing)


def _scanning(source: Source, patterns: dict[str, Pattern], machine: Machine) -> Grammar:
    parser = source.lark
    names = _Scanners(source, patterns, machine)
    lexing = ScanningLexing(machine, names.scanners, names.ignored)
    if source.indenter is not None:
        rules = balance(parser.rules, source.start, source.indenter)
        lexing = IndentedLexing(machine, names.scanners, names.ignored, source.indenter, rules)
    if parser.options.parser != "lalr":
        everything = names.number(patterns)
        return _grammar(source, source.start, plain_rules(parser.rules, lexing.token), lexing, patterns, everything)
    is_contextual = source.lexer == "contextual"
    if not is_contextual and not source.has_conflicts:
        first = names.number(patterns)
        return _grammar(source, source.start, plain_rules(parser.rules, lexing.token), lexing, patterns, first)
    table = source.table()

    def scanner(state: int) -> int:
        return names.number(table.states[state] if is_contextual else patterns)

    start_state = table.start_states[source.start]
    by_state = TableRules(parser.rules, table, scanner, lexing.token)
    start, found = by_state.rules(start_state, source.start)
    return _grammar(source, start, found, lexing, patterns, scanner(start_state))


class _Scanners:
    """Scanners by the terminals that they know."""

    def __init__(self, source: Source, patterns: dict[str, Pattern], machine: Machine) -> None:
        self.patterns, self.machine = patterns, machine
        self.flags = int(source.lark.options.g_regex_flags)
        self.terminals = {str(t.name): t for t in source.lark.terminals}
        self.ignored = frozenset(map(str, source.lark.ignore_tokens))
        self.always = frozenset({source.indenter.NL_type} if source.indenter else ())
        self.sets: Numbers[frozenset[str]] = Numbers()
        self.scanners: list[Scanner] = []

    def number(self, accepted: Iterable[str]) -> int:
        """The scanner for these terminals and those that are ignored or that a post-lexer always needs."""
        number = self.sets.of(self.always.union(accepted).intersection(self.terminals) | self.ignored)
        if number == len(self.scanners):
            self.scanners.append(self.scanner(self.sets.values[number]))
        return number

    def scanner(self, names: frozenset[str]) -> Scanner:
        """In Lark's order; fixed strings that a regular expression also matches are keywords of it."""
        order = [self.terminals[name] for name in names]
        order.sort(key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
        words: dict[str, tuple[Pattern, ...]] = {}
        embedded: set[str] = set()
        for terminal in order:
            if isinstance(terminal.pattern, lark.lexer.PatternRE):
                inside = [word for word in order if self.is_word(word, terminal)]
                embedded |= {str(w.name) for w in inside if set(w.pattern.flags) <= set(terminal.pattern.flags)}
                if str(terminal.name) not in self.ignored:
                    words[str(terminal.name)] = tuple(self.patterns[str(word.name)] for word in inside)
        patterns = []
        for terminal in order:
            if terminal.name not in embedded:
                pattern = self.patterns[str(terminal.name)]
                patterns.append(Pattern(pattern.name, pattern.entry, pattern.end, words.get(pattern.name, ())))
        return Scanner(self.machine, patterns)

    def is_word(self, word: Any, terminal: Any) -> bool:
        """Would a lexeme of ``terminal`` become this fixed string? (``_create_unless`` in Lark's lexer.)"""
        if not isinstance(word.pattern, lark.lexer.PatternStr) or word.priority != terminal.priority:
            return False
        text = word.pattern.value
        found = re.match(terminal.pattern.to_regexp(), text, self.flags)
        return found is not None and found[0] == text
