"""Lark grammars in the reading without a separate lexer: every way to cut the text into terminals counts.

The language is that of ``Lark(grammar, parser="earley", lexer="dynamic_complete")``. Lark itself loads the grammar
(imports, templates, EBNF, overrides); only its rules over terminals and its patterns are read here. Priorities,
aliases and tree shaping do not change which texts are members and are ignored.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from constrain.errors import GrammarError
from constrain.frontends.lark_ignore import Ignored
from constrain.frontends.lexemes import Lexemes, lexemes, literal_lexemes
from constrain.ir import rx
from constrain.ir.grammar import EMPTY, NEVER, Choice, Expr, Grammar, Literal, Ref, Repeat, Seq, Terminal

try:
    import lark
    from lark.exceptions import LarkError
except ImportError as missing:
    raise ImportError("Lark grammars need the package lark: pip install 'constrain-lm[lark]'") from missing

_POSITION = re.compile(r",? at line (\d+),? column (\d+)(?: in ([^\n]*?))?:? *$", re.MULTILINE)
_TEXT = "__text"  # Lark reserves names with two underscores for itself, and makes none like this


def lark_grammar(source: str | Path | lark.Lark, start: str = "start") -> Grammar:
    """The grammar of all texts that Lark's ``dynamic_complete`` Earley parser accepts from the rule ``start``.

    ``source`` is the text of a grammar, the ``Path`` of a file, or a ``Lark`` object (whose parser and lexer do not
    matter: its rules and terminals do). Rules keep Lark's names. Raises ``GrammarError``, with the place where Lark
    gives it, for bad syntax, unknown names, terminals that match the empty string, terminals without a pattern
    (``%declare``), and constructs in terminals that are not supported.
    """
    parser = source if isinstance(source, lark.Lark) else _load(source, start)
    _check_options(parser, start)
    return _Reader(parser).grammar(start)


class _Loaded(lark.Lark):
    """A grammar that Lark has loaded, without the parser, which takes as long again and is not needed."""

    def _build_parser(self) -> Any:
        return None


def _load(source: str | Path, start: str) -> lark.Lark:
    path = source if isinstance(source, Path) else None
    if isinstance(source, str) and source.endswith(".lark") and "\n" not in source:
        raise GrammarError(f"{source!r} is the name of a file, not a grammar", hint="pass pathlib.Path(...)")
    text = ""
    try:
        text = path.read_text(encoding="utf-8") if path else str(source)
        options = {"source_path": str(path)} if path else {}
        return _Loaded(text, parser="earley", lexer="dynamic_complete", start=start, **options)
    except (
        Exception
    ) as error:  # Lark meets bad grammars with its own errors, but also with those of re, or of its slips
        raise _located(error, text, path) from error


def _located(error: Exception, text: str, path: Path | None) -> GrammarError:
    """Lark's error as ours: with a caret where Lark names a place in this very text."""
    where = str(path) if path else None
    if isinstance(error, FileNotFoundError):
        return GrammarError(
            f"file not found: {error.filename}", where=where, hint="imports are looked up beside the file"
        )
    if not isinstance(error, LarkError):
        return GrammarError(f"Lark cannot load the grammar: {type(error).__name__}: {error}", where=where)
    message = str(error).strip()
    place = _POSITION.search(message)
    rows = text.splitlines()
    if place and 1 <= int(place[1]) <= len(rows) and rows[int(place[1]) - 1].strip() in message[place.end() :]:
        summary = message[: place.start()].splitlines()[0]
        return GrammarError(summary, source=text, line=int(place[1]), column=int(place[2]), path=where or "<grammar>")
    return GrammarError(message, where=where)


def _check_options(parser: lark.Lark, start: str) -> None:
    options = parser.options
    if start not in options.start:
        raise GrammarError(
            f"this Lark object has no start rule {start!r}", hint=f"it has {options.start}: pass start=..."
        )
    for name, given in (("postlex", options.postlex), ("use_bytes", options.use_bytes), ("regex", options.regex)):
        if given:
            raise GrammarError(f"Lark's option {name} is not supported", hint="build the Lark object without it")


class _Reader:
    def __init__(self, parser: lark.Lark) -> None:
        self.flags = int(parser.options.g_regex_flags)
        self.rules = parser.rules
        self.patterns = {str(t.name): t.pattern for t in parser.terminals}
        self.ignored = Ignored({str(name): self.lexemes(str(name)) for name in parser.ignore_tokens})
        self.terminals: dict[str, Expr] = {}

    def grammar(self, start: str) -> Grammar:
        alternatives: dict[str, list[tuple[object, ...]]] = {}
        for rule in self.rules:
            alternatives.setdefault(str(rule.origin.name), []).append(tuple(rule.expansion))
        if start not in alternatives:
            raise GrammarError(f"the start rule {start!r} is not defined", hint="pass start=...")
        rules = {name: self.rule(name, options) for name, options in alternatives.items()}
        if not self.ignored.ends:
            return Grammar(start, rules)
        return Grammar(_TEXT, {_TEXT: Seq(Ref(start), self.ignored.at_the_end()), **rules})

    def rule(self, name: str, options: list[tuple[object, ...]]) -> Expr:
        body = _repeated(name, options)
        if body is not None:
            return Repeat(self.choice(body), 1, None)
        return self.choice(options)

    def choice(self, options: list[tuple[object, ...]]) -> Expr:
        parts = [self.sequence(symbols) for symbols in dict.fromkeys(options)]
        return parts[0] if len(parts) == 1 else Choice(*parts)

    def sequence(self, symbols: tuple[object, ...]) -> Expr:
        parts = [self.symbol(symbol) for symbol in symbols]
        return parts[0] if len(parts) == 1 else Seq(*parts) if parts else EMPTY

    def symbol(self, symbol: object) -> Expr:
        name = str(symbol.name)  # type: ignore[attr-defined]
        if not symbol.is_term:  # type: ignore[attr-defined]
            return Ref(name)
        if name not in self.terminals:
            self.terminals[name] = self.terminal(name)
        return self.terminals[name]

    def terminal(self, name: str) -> Expr:
        known = self.lexemes(name)
        if known.language == rx.NOTHING:
            return NEVER
        text = self.fixed_text(name)
        plain = Terminal(known.language, name=name) if text is None else Literal(text.encode())
        return self.ignored.before(name, known, plain) if self.ignored.ends else plain

    def fixed_text(self, name: str) -> str | None:
        """The text of a terminal that is nothing but a string."""
        pattern = self.patterns[name]
        is_plain = isinstance(pattern, lark.lexer.PatternStr) and not pattern.flags and not self.flags & re.IGNORECASE
        return str(pattern.value) if is_plain else None

    def lexemes(self, name: str) -> Lexemes:
        if name not in self.patterns:
            hint = "write a pattern for it; a terminal of %declare is made by code, which a grammar cannot describe"
            raise GrammarError("it has no pattern", where=f"terminal {name}", hint=hint)
        text = self.fixed_text(name)
        if text is not None:
            return literal_lexemes(text)
        try:
            found = lexemes(self.patterns[name].to_regexp(), self.flags)
        except GrammarError as error:
            error.where = f"terminal {name}"
            raise
        if rx.is_nullable(found.language):
            raise GrammarError("it may match the empty string, which no scanner can see", where=f"terminal {name}")
        return found


def _repeated(name: str, options: list[tuple[object, ...]]) -> list[tuple[object, ...]] | None:
    """The body of a rule that Lark made for ``x+`` or ``x*``: ``name: x | name x``."""
    base = [symbols for symbols in options if not _mentions(symbols[:1], name)]
    again = [symbols[1:] for symbols in options if _mentions(symbols[:1], name)]
    is_loop = name.startswith("__") and bool(again) and set(base) == set(again)
    return base if is_loop and not any(_mentions(symbols, name) for symbols in base) else None


def _mentions(symbols: tuple[object, ...], name: str) -> bool:
    return any(str(s.name) == name and not s.is_term for s in symbols)  # type: ignore[attr-defined]
