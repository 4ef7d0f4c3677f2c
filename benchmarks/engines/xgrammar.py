"""xgrammar: eager pushdown automaton with a token-mask cache. Compliant mode: any white space, not strict."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import xgrammar
from transformers import PreTrainedTokenizerFast

from benchmarks.engines.base import GrammarText, Refused, Words, empty_row, has_any_bit
from benchmarks.tokenizer import Tokenizer


class Session:
    def __init__(self, compiled: Any, words: Words, ends: tuple[int, ...]) -> None:
        self.matcher = xgrammar.GrammarMatcher(compiled)
        self.words = words
        self.row = words.reshape(1, -1)
        self.ends = ends

    def fill(self) -> None:
        self.matcher.fill_next_token_bitmask(self.row)

    def commit(self, token: int) -> bool:
        return bool(self.matcher.accept_token(token))

    def allows_end(self) -> bool:
        return has_any_bit(self.words, self.ends)

    def error(self) -> str:
        return ""


class Xgrammar:
    name = "xgrammar"

    def __init__(self) -> None:
        self.version = version("xgrammar")
        self.batch: xgrammar.BatchGrammarMatcher | None = None

    def prepare(self, tokenizer: Tokenizer) -> None:
        self.words = empty_row(tokenizer)
        self.ends = tokenizer.eos
        fast = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer.path))
        info = xgrammar.TokenizerInfo.from_huggingface(
            fast, vocab_size=tokenizer.width, stop_token_ids=list(tokenizer.eos)
        )
        self.compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)

    def compile(self, schema: Any) -> Any:
        compiler = self.compiler
        return _or_refused(
            lambda: compiler.compile_json_schema(json.dumps(schema), any_whitespace=True, strict_mode=False)
        )

    def compile_grammar(self, grammar: GrammarText) -> Any:
        text = grammar.of("ebnf")
        return _or_refused(lambda: self.compiler.compile_grammar(text))

    def fill_many(self, sessions: list[Session], matrix: Words, threads: int) -> None:
        if self.batch is None:
            self.batch = xgrammar.BatchGrammarMatcher(threads)
        self.batch.batch_fill_next_token_bitmask([session.matcher for session in sessions], matrix)

    def start(self, compiled: Any) -> Session:
        return Session(compiled, self.words, self.ends)


def _or_refused(build: Callable[[], Any]) -> Any:
    try:
        return build()
    except (RuntimeError, ValueError, TypeError) as error:
        raise Refused(str(error)) from error


def create() -> Xgrammar:
    return Xgrammar()
