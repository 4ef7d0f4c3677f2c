"""glrmask: masks precomputed per parser state (AUTO), or a walk of the vocabulary (TOKEN_TRIE)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import glrmask

from benchmarks.engines.base import GrammarText, Refused, Words, empty_row
from benchmarks.tokenizer import Tokenizer


class Session:
    def __init__(self, constraint: Any, words: Words) -> None:
        self.state = constraint.start()
        self.words = words

    def fill(self) -> None:
        self.state.fill_mask(self.words)

    def commit(self, token: int) -> bool:
        return bool(self.state.commit_token(token))

    def allows_end(self) -> bool:
        return bool(self.state.is_accepting())  # its masks have no end-of-sequence bit

    def error(self) -> str:
        return ""


class Glrmask:
    def __init__(self, strategy: str) -> None:
        self.name = "glrmask" if strategy == "AUTO" else "glrmask_trie"
        self.version = str(glrmask.__version__)
        self.strategy = getattr(glrmask.MaskStrategy, strategy)

    def prepare(self, tokenizer: Tokenizer) -> None:
        self.words = empty_row(tokenizer)
        texts = {i: data for i, data in enumerate(tokenizer.tokens) if data}
        self.vocabulary = glrmask.Vocab.from_id_to_bytes(texts)

    def compile(self, schema: Any) -> Any:
        return self._compile(glrmask.Grammar.from_json_schema, schema)

    def compile_grammar(self, grammar: GrammarText) -> Any:
        return self._compile(glrmask.Grammar.from_lark, grammar.of("glrmask.lark", "lark"))

    def _compile(self, read: Callable[[Any], Any], source: Any) -> Any:
        try:
            grammar = read(source)
            return grammar.compile(self.vocabulary, mask_strategy=self.strategy)
        except (ValueError, TypeError, RuntimeError) as error:
            raise Refused(str(error)) from error

    def start(self, compiled: Any) -> Session:
        return Session(compiled, self.words)


def create(strategy: str) -> Glrmask:
    return Glrmask(strategy)
