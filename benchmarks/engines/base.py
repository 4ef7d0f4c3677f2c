"""What the harness asks of an engine: compile a schema, start a session, fill a mask, commit a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.tokenizer import Tokenizer

Words = npt.NDArray[np.int32]


class Refused(Exception):
    """The engine says that it cannot take this schema. ``str`` is the reason, short enough for a table."""


@dataclass(frozen=True)
class GrammarText:
    """A grammar that is no JSON Schema: file ending of a syntax -> the grammar in that syntax."""

    name: str
    texts: dict[str, str]

    def of(self, *syntaxes: str) -> str:
        """The text in the first of these syntaxes that there is. Raises ``Refused`` when there is none."""
        for syntax in syntaxes:
            if syntax in self.texts:
                return self.texts[syntax]
        raise Refused(f"grammar {self.name} is not written in {' or '.join(syntaxes)}")


class Session(Protocol):
    """One text being written. ``fill`` and ``commit`` are what is timed, so they do nothing else."""

    def fill(self) -> None:
        """Write the mask of the next token into the engine's ``words``."""
        ...

    def commit(self, token: int) -> bool:
        """Append a token; False when the engine does not take it."""
        ...

    def allows_end(self) -> bool:
        """May the text end here? Asked right after ``fill``; not timed."""
        ...

    def error(self) -> str:
        """Why the engine gave up, or nothing. Asked once, at the end; not timed."""
        ...


class Engine(Protocol):
    """A library under measurement, in a process of its own, one session at a time."""

    name: str
    version: str
    words: Words  # the mask row: bit ``t & 31`` of word ``t >> 5``

    def prepare(self, tokenizer: Tokenizer) -> None:
        """Work done once for a vocabulary; not timed."""
        ...

    def compile(self, schema: Any) -> Any:
        """Schema (a Python value, as ``json.loads`` gives it) to whatever ``start`` needs. Raises ``Refused``."""
        ...

    def compile_grammar(self, grammar: GrammarText) -> Any:
        """The same for a grammar in the engine's own syntax. Raises ``Refused``, also when it has none."""
        ...

    def start(self, compiled: Any) -> Session:
        """A session at the empty text. The session before it is over."""
        ...


def compile_any(engine: Engine, source: Any) -> Any:
    """Compile a schema or a ``GrammarText``."""
    return engine.compile_grammar(source) if isinstance(source, GrammarText) else engine.compile(source)


def empty_row(tokenizer: Tokenizer) -> Words:
    return np.zeros((tokenizer.width + 31) // 32, np.int32)


def has_bit(words: Words, token: int) -> bool:
    """Is ``token`` allowed by this mask row?"""
    return bool((int(words[token >> 5]) >> (token & 31)) & 1)


def has_any_bit(words: Words, tokens: tuple[int, ...]) -> bool:
    return any(has_bit(words, token) for token in tokens)
