"""llguidance: lazy Earley parser over derivatives. Driven by its cheapest calls: raw pointer, reset between texts.

Its mask is not always the whole legal set: where bytes are forced it allows only the canonical tokens.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from llguidance import LLExecutor, LLMatcher, LLTokenizer

from benchmarks.engines.base import GrammarText, Refused, Words, empty_row, has_any_bit
from benchmarks.tokenizer import Tokenizer


class Session:
    def __init__(self, matcher: LLMatcher, words: Words, ends: tuple[int, ...]) -> None:
        self.matcher = matcher
        self.words = words
        self.ends = ends
        self.address = words.ctypes.data
        self.size = words.nbytes

    def fill(self) -> None:
        self.matcher.unsafe_compute_mask_ptr(self.address, self.size)

    def commit(self, token: int) -> bool:
        return self.matcher.consume_token(token)

    def allows_end(self) -> bool:
        return has_any_bit(self.words, self.ends)

    def error(self) -> str:
        return self.matcher.get_error() if self.matcher.is_error() else ""


class Llguidance:
    name = "llguidance"

    def __init__(self) -> None:
        self.version = version("llguidance")
        self.executor: LLExecutor | None = None

    def prepare(self, tokenizer: Tokenizer) -> None:
        self.words = empty_row(tokenizer)
        self.ends = tokenizer.eos
        text = tokenizer.path.read_text(encoding="utf-8")
        self.tokenizer = LLTokenizer(text, n_vocab=tokenizer.width, eos_token=list(tokenizer.eos))

    def compile(self, schema: Any) -> tuple[str, LLMatcher]:
        return self._compile(LLMatcher.grammar_from_json_schema(json.dumps(schema)))

    def compile_grammar(self, grammar: GrammarText) -> tuple[str, LLMatcher]:
        return self._compile(LLMatcher.grammar_from_lark(grammar.of("llguidance.lark", "lark")))

    def _compile(self, grammar: str) -> tuple[str, LLMatcher]:
        matcher = LLMatcher(self.tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise Refused(matcher.get_error())
        return grammar, matcher

    def start_many(self, compiled: tuple[str, LLMatcher], matrix: Words) -> list[Session]:
        return [Session(LLMatcher(self.tokenizer, compiled[0], log_level=0), row, self.ends) for row in matrix]

    def fill_many(self, sessions: list[Session], matrix: Words, threads: int) -> None:
        if self.executor is None:
            self.executor = LLExecutor(threads)
        pairs = [(session.matcher, i) for i, session in enumerate(sessions)]
        self.executor.unsafe_compute_mask_ptr(pairs, matrix.ctypes.data, matrix.shape[1] * 4, len(matrix))

    def start(self, compiled: tuple[str, LLMatcher]) -> Session:
        grammar, matcher = compiled
        if not matcher.reset():  # keeps its lexer's memory; a matcher in an error state cannot be reset
            matcher = LLMatcher(self.tokenizer, grammar, log_level=0)
        return Session(matcher, self.words, self.ends)


def create() -> Llguidance:
    return Llguidance()
