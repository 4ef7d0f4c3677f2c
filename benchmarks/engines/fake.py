"""An engine for testing the harness: its "schema" says what it shall do.

``{"texts": [...]}`` accepts exactly these texts; ``{"refuse": reason}`` refuses; ``{"raise": text}`` fails while
compiling; ``{"exit": code}`` kills the process; ``{"sleep": seconds}`` hangs while compiling.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from benchmarks.engines.base import GrammarText, Refused, empty_row, has_any_bit
from benchmarks.tokenizer import Tokenizer


class Session:
    def __init__(self, engine: Fake, texts: list[bytes]) -> None:
        self.engine = engine
        self.texts = texts
        self.done = b""

    def fill(self) -> None:
        words = self.engine.words.view(np.uint32)
        words.fill(0)
        for token, data in enumerate(self.engine.tokenizer.tokens):
            if data and any(text.startswith(self.done + data) for text in self.texts):
                words[token >> 5] |= np.uint32(1 << (token & 31))
        if self.done in self.texts:
            for token in self.engine.tokenizer.eos:
                words[token >> 5] |= np.uint32(1 << (token & 31))

    def commit(self, token: int) -> bool:
        self.done += self.engine.tokenizer.tokens[token] or b""
        return any(text.startswith(self.done) for text in self.texts)

    def allows_end(self) -> bool:
        return has_any_bit(self.engine.words, self.engine.tokenizer.eos)

    def error(self) -> str:
        return ""


class Fake:
    name = "fake"
    version = "0"

    def prepare(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.words = empty_row(tokenizer)

    def compile(self, schema: Any) -> list[bytes]:
        if "refuse" in schema:
            raise Refused(schema["refuse"])
        if "raise" in schema:
            raise ZeroDivisionError(schema["raise"])
        if "exit" in schema:
            os._exit(schema["exit"])
        time.sleep(schema.get("sleep", 0))
        return [text.encode() for text in schema.get("texts", ())]

    def compile_grammar(self, grammar: GrammarText) -> list[bytes]:
        return self.compile({"texts": grammar.of("texts").splitlines()})

    def start(self, compiled: list[bytes]) -> Session:
        return Session(self, compiled)


def create() -> Fake:
    return Fake()
