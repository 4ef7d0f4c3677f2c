"""From a text, a file or a ``Lark`` object to Lark's rules, terminals and parse table; Lark's errors as ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from constrain.errors import GrammarError

try:
    import lark
    from lark.common import ParserConf
    from lark.exceptions import LarkError
    from lark.indenter import Indenter, PythonIndenter
    from lark.parsers.lalr_analysis import LALR_Analyzer
except ImportError as missing:
    raise ImportError("Lark grammars need the package lark: pip install 'constrain-lm[lark]'") from missing

_POSITION = re.compile(r",? at line (\d+),? column (\d+)(?: in ([^\n]*?))?:? *$", re.MULTILINE)
_OPTIONS = re.compile(r"//\s*constrain:([^\n]*)")
PRIVATE = 0x100000  # the first code point of the last plane, all of which is for private use
_KNOWN = ("parser", "lexer", "start", "postlex")


class Loaded(lark.Lark):
    """A grammar that Lark has loaded, without its lexers and callbacks, which take as long again and are not needed."""

    def _build_parser(self) -> Any:
        return None


@dataclass(frozen=True)
class Source:
    """A loaded grammar, and which of Lark's lexers reads it."""

    lark: lark.Lark
    start: str

    @property
    def lexer(self) -> str:
        """``basic``, ``contextual``, ``dynamic`` or ``dynamic_complete``."""
        return str(self.lark.options.lexer)

    @property
    def indenter(self) -> Indenter | None:
        """The post-lexer."""
        found: Any = self.lark.options.postlex
        return found if isinstance(found, Indenter) else None

    def table(self) -> Any:
        """The table of the LALR parser."""
        return self.analysed.parse_table if isinstance(self.lark, Loaded) else self.lark.parser.parser._parse_table

    @cached_property
    def has_conflicts(self) -> bool:
        """Has the LALR parser decided for one of several actions?"""
        if any(rule.options.priority is not None for rule in self.lark.rules):
            return True
        try:
            self.__dict__["analysed"] = self._analyse(strict=True)
        except LarkError:
            return True
        return False

    @cached_property
    def analysed(self) -> Any:
        """The states of the LALR parser. Raises Lark's error for conflicts that it does not resolve."""
        return self.__dict__.get("analysed") or self._analyse(strict=False)

    def _analyse(self, *, strict: bool) -> Any:
        analyzer = LALR_Analyzer(ParserConf(self.lark.rules, {}, list(self.lark.options.start)), strict=strict)
        analyzer.compute_lalr()  # type: ignore[no-untyped-call]
        return analyzer


def load(
    source: str | Path | lark.Lark, start: str | None, parser: str | None, lexer: str | None, symbols: list[str]
) -> Source:
    """The grammar, with a symbol for private use as the definition of each terminal of ``symbols``. Options that are
    not given are those of the object or of the file's first line (``// constrain: parser=lalr``), else Lark's own."""
    if isinstance(source, lark.Lark):
        if parser or lexer or symbols:
            hint = "pass options and other grammars with a text or a path"
            raise GrammarError("a Lark object has its parser and lexer, and all its terminals", hint=hint)
        return _chosen(source, start)
    path = source if isinstance(source, Path) else None
    if isinstance(source, str) and source.endswith(".lark") and "\n" not in source:
        raise GrammarError(f"{source!r} is the name of a file, not a grammar", hint="pass pathlib.Path(...)")
    text = ""
    try:
        text = path.read_text(encoding="utf-8") if path else str(source)
        options = _options(text, str(path) if path else None) | _given(start=start, parser=parser, lexer=lexer)
        options |= {"source_path": str(path)} if path else {}
        definitions = "".join(f'\n{name}: "{chr(PRIVATE + i)}"' for i, name in enumerate(symbols))
        found = _chosen(Loaded(text + definitions, **options), options.get("start", "start"))
        if found.lark.options.parser == "lalr" and found.has_conflicts:
            _ = found.analysed  # raises for conflicts that are not resolved
        return found
    except GrammarError:
        raise
    except Exception as error:  # bad grammars meet Lark's own errors, but also those of re, or of its slips
        raise _located(error, text, path) from error


def _given(**options: str | None) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _options(text: str, where: str | None) -> dict[str, Any]:
    """What the first line says."""
    line = _OPTIONS.match(text)
    options: dict[str, Any] = {}
    for word in line[1].split() if line else ():
        name, _, value = word.partition("=")
        if name not in _KNOWN or not value:
            raise GrammarError(f"unknown option {word!r} in the first line", where=where, hint=f"known: {_KNOWN}")
        options[name] = value
    if "postlex" in options:
        if options["postlex"] != "python":
            raise GrammarError("postlex can be python only", where=where, hint="pass a Lark object")
        options["postlex"] = PythonIndenter()
    return options


def _chosen(parser: lark.Lark, start: str | None) -> Source:
    starts = list(parser.options.start)
    if start is None and len(starts) > 1 and "start" not in starts:
        raise GrammarError(f"this grammar has several start rules: {starts}", hint="pass start=...")
    chosen = start or (starts[0] if len(starts) == 1 else "start")
    if chosen not in starts:
        raise GrammarError(f"this Lark object has no start rule {chosen!r}", hint=f"it has {starts}: pass start=...")
    options = parser.options
    for name, given in (
        ("use_bytes", options.use_bytes),
        ("regex", options.regex),
        ("lexer_callbacks", options.lexer_callbacks),
        ("lexer", not isinstance(options.lexer, str)),
    ):
        if given:
            raise GrammarError(f"Lark's option {name} is not supported", hint="build the Lark object without it")
    if options.postlex is not None:
        _check_postlex(parser, options.postlex)
    return Source(parser, chosen)


def _check_postlex(parser: lark.Lark, postlex: Any) -> None:
    """Is it an ``Indenter`` as Lark has it, whose tokens come from it alone?"""
    kind, where = type(postlex), f"postlex {type(postlex).__name__}"
    if not isinstance(postlex, Indenter):
        raise GrammarError("only an Indenter is supported", where=where, hint="derive it from lark.indenter.Indenter")
    for name in ("process", "_process", "handle_NL", "always_accept"):
        if getattr(kind, name) is not getattr(Indenter, name) or name in vars(postlex):
            raise GrammarError(f"it overrides {name}", where=where, hint="only names and tab_len can be chosen")
    made, brackets = (postlex.INDENT_type, postlex.DEDENT_type), {*postlex.OPEN_PAREN_types, *postlex.CLOSE_PAREN_types}
    if len({*made, postlex.NL_type}) < 3 or brackets & {*made, postlex.NL_type}:
        raise GrammarError("one name has two meanings", where=where, hint="choose other names for its tokens")
    for terminal in parser.terminals:
        if terminal.name in made:
            raise GrammarError("it has a pattern", where=f"terminal {terminal.name}", hint="%declare it instead")


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
