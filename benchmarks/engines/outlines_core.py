"""outlines_core: schema to one regular expression to an index of every state's tokens. Eager, so slow to start."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import outlines_core
from outlines_core import json_schema

from benchmarks.engines.base import GrammarText, Refused, Words, empty_row, has_any_bit
from benchmarks.tokenizer import Tokenizer


class Session:
    def __init__(self, index: Any, words: Words, ends: tuple[int, ...]) -> None:
        self.guide = outlines_core.Guide(index)
        self.words = words
        self.ends = ends
        self.address = words.ctypes.data
        self.size = words.size

    def fill(self) -> None:
        self.guide.write_mask_into(self.address, self.size, 4)

    def commit(self, token: int) -> bool:
        try:
            self.guide.advance(token, return_tokens=False)
        except ValueError:
            return False
        return True

    def allows_end(self) -> bool:
        return has_any_bit(self.words, self.ends)

    def error(self) -> str:
        return ""


class OutlinesCore:
    name = "outlines_core"

    def __init__(self) -> None:
        self.version = version("outlines_core")

    def prepare(self, tokenizer: Tokenizer) -> None:
        self.words = empty_row(tokenizer)
        self.ends = tokenizer.eos[:1]  # it knows only one
        ids: dict[bytes, list[int]] = {}
        for i, data in enumerate(tokenizer.tokens):
            if data:
                ids.setdefault(data, []).append(i)
        self.vocabulary = outlines_core.Vocabulary(tokenizer.eos[0], ids)

    def compile(self, schema: Any) -> Any:
        try:
            regex = json_schema.build_regex_from_schema(json.dumps(schema))
            return outlines_core.Index(regex, self.vocabulary)
        except (ValueError, TypeError, RuntimeError) as error:
            raise Refused(str(error)) from error

    def compile_grammar(self, grammar: GrammarText) -> Any:
        raise Refused(f"only regular expressions and JSON Schema, so not {grammar.name}")

    def start(self, compiled: Any) -> Session:
        return Session(compiled, self.words, self.ends)


def create() -> OutlinesCore:
    return OutlinesCore()
