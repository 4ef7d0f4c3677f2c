"""grammars/sqlite.lark on its cases: by Lark, by SQLite itself, and as a context-free grammar over Lark's tokens.

Lark's Earley parser needs a quarter of a second for a statement, so it gets a sample; all cases go through Lark's lexer
and then, a byte for each token, through the engine.
"""

from __future__ import annotations

import re
import sqlite3
import warnings
from collections.abc import Callable
from functools import cache

import lark
import pytest
from lark.lexer import LexerThread
from shipped_grammars import FOLDER, cases

import constrain
from constrain.ir.grammar import Choice, Expr, Grammar, Literal, Ref, Seq
from constrain.testing import byte_vocabulary

ACCEPTED, REJECTED = cases("sqlite", "accept"), cases("sqlite", "reject")
TABLES = """
CREATE TABLE a(x); CREATE TABLE b(x); CREATE TABLE c(y, z); CREATE TABLE d(y); CREATE TABLE e(q); CREATE TABLE f(r);
CREATE TABLE t(a, b, c, d, e); CREATE TABLE u(a, b, c, d); CREATE VIEW v AS SELECT a, b FROM t;
"""
# Syntax that only newer versions have, or only those compiled with an option.
NEWER = re.compile(
    r"ORDER BY a\)|ORDER BY b DESC\)|[0-9]_|ADD CONSTRAINT|WITHIN GROUP|SET a == 1 ORDER BY|SELECT left,|SELECT like,"
)


@cache
def parser() -> lark.Lark:
    text = (FOLDER / "sqlite.lark").read_text(encoding="utf-8")
    options = dict(word.split("=") for word in text.splitlines()[0].removeprefix("// constrain: ").split())
    assert options == {"parser": "earley", "lexer": "basic"}
    return lark.Lark(text, maybe_placeholders=False, **options)


@cache
def accepts_tokens() -> Callable[[str], bool]:
    """Lark's rules, compiled by the engine with one byte for each terminal, after Lark's lexer."""
    loaded = parser()
    lexer = loaded._build_lexer()
    ignored = set(loaded.ignore_tokens)
    number = {name: i for i, name in enumerate(t.name for t in loaded.terminals if t.name not in ignored)}
    rules: dict[str, list[Expr]] = {}
    for rule in loaded.rules:
        parts = (Literal(bytes([number[s.name]])) if s.is_term else Ref(s.name) for s in rule.expansion)
        rules.setdefault(rule.origin.name, []).append(Seq(*parts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", constrain.GrammarWarning)
        grammar = Grammar("start", {name: Choice(*bodies) for name, bodies in rules.items()})
        engine = constrain.compile(grammar, byte_vocabulary())

    def accepts(text: str) -> bool:
        try:
            tokens = bytes(number[token.type] for token in LexerThread.from_text(lexer, text).lex(None))
        except lark.exceptions.UnexpectedCharacters:
            return False
        state = engine.advance_bytes(engine.start(), tokens)
        return state is not None and engine.is_accepting(state)

    return accepts


def sqlite_error(statements: str) -> str:
    """What SQLite says of the first of these statements that it refuses; the empty text where all are in order."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(TABLES)
    connection.set_authorizer(_no_files)
    try:
        connection.executescript(statements)
    except sqlite3.Error as error:
        return str(error)
    return ""


def _no_files(action: int, *_: object) -> int:
    """ATTACH and VACUUM INTO are parsed, and make no files."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


def is_syntax(message: str) -> bool:
    return any(part in message for part in ("syntax error", "unrecognized token", "incomplete input"))


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted(text: str) -> None:
    assert accepts_tokens()(text)


@pytest.mark.parametrize("text", REJECTED)
def test_rejected(text: str) -> None:
    assert not accepts_tokens()(text)


@pytest.mark.parametrize("text", ACCEPTED[::11])
def test_lark_accepts(text: str) -> None:
    parser().parse(text)


@pytest.mark.parametrize("text", REJECTED[::11])
def test_lark_rejects(text: str) -> None:
    with pytest.raises(lark.exceptions.UnexpectedInput):
        parser().parse(text)


@pytest.mark.parametrize("text", [text for text in ACCEPTED if not NEWER.search(text)])
def test_sqlite_finds_no_syntax_error(text: str) -> None:
    assert not is_syntax(sqlite_error(text))


@pytest.mark.parametrize("text", REJECTED)
def test_sqlite_refuses(text: str) -> None:
    text = re.sub(r"^CREATE (VIRTUAL )?TABLE [tf]\b", "CREATE TABLE other", text)  # else it fails for being there
    message = sqlite_error(text)
    assert is_syntax(message) or "join type" in message or "complete" in message, message


def test_keywords_are_keywords_whatever_their_case() -> None:
    lexed = [token.type for token in parser().lex("SeLeCT selecta \"select\" x'00' x")]
    assert lexed == ["SELECT", "ID", "QUOTED", "BLOB", "ID"]
