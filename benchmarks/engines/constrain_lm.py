"""constrain itself, through its public functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import constrain
from benchmarks import machine
from benchmarks.engines.base import GrammarText, Refused, Words, empty_row, has_any_bit
from benchmarks.tokenizer import Tokenizer
from constrain.errors import ConstrainError, UnsupportedSchema

FILL_MASKS = getattr(constrain, "fill_masks", None)


class Session:
    def __init__(self, automaton: Any, words: Words, ends: tuple[int, ...]) -> None:
        self.automaton = automaton
        self.words = words
        self.ends = ends
        self.state = automaton.start()

    def fill(self) -> None:
        self.automaton.fill_mask(self.state, self.words)

    def commit(self, token: int) -> bool:
        after = self.automaton.advance(self.state, token)
        if after is None:
            return False
        self.state = after
        return True

    def allows_end(self) -> bool:
        return has_any_bit(self.words, self.ends)

    def error(self) -> str:
        return ""


class Constrain:
    name = "constrain"

    def __init__(self) -> None:
        self.version = machine.version_of("constrain-lm") or f"source tree {machine.commit()}"

    def prepare(self, tokenizer: Tokenizer) -> None:
        self.words = empty_row(tokenizer)
        self.ends = tokenizer.eos
        self.vocabulary = constrain.vocabulary(str(tokenizer.path), width=tokenizer.width, eos=list(tokenizer.eos))

    def compile(self, schema: Any) -> Any:
        return self._compile(lambda: constrain.json_schema(schema))

    def compile_grammar(self, grammar: GrammarText) -> Any:
        text = grammar.of("lark")
        return self._compile(lambda: constrain.lark(text, lexer="dynamic_complete"))

    def _compile(self, read: Callable[[], constrain.Grammar]) -> Any:
        try:
            return constrain.compile(read(), self.vocabulary)
        except UnsupportedSchema as error:
            raise Refused(f"{error.keyword}: {error.reason}") from error
        except ConstrainError as error:  # anything else is a defect of ours and counts as a failure
            raise Refused(f"{type(error).__name__}: {error}") from error

    def fill_many(self, sessions: list[Session], matrix: Words, threads: int) -> None:
        """All rows in one call, where this version has one."""
        if FILL_MASKS is None:
            for session in sessions:
                session.fill()
        else:
            FILL_MASKS([s.automaton for s in sessions], [s.state for s in sessions], matrix)

    def start(self, compiled: Any) -> Session:
        return Session(compiled, self.words, self.ends)


def create() -> Constrain:
    return Constrain()
