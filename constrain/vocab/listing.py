"""``Listing``: what a reader of one tokenizer format found, and how it becomes a ``Vocabulary``.

A reader gathers texts and names id by id; a ``Listed`` is the outcome in arrays, the form that is kept on disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import index

import numpy as np

from constrain.errors import VocabularyError
from constrain.vocab.token_bytes import TokenBytes
from constrain.vocab.vocabulary import Vocabulary


@dataclass
class Listing:
    """Ids of one tokenizer. ``texts[i]`` is the bytes of an id that stands for text, ``names[i]`` the name of one
    that does not (special, control, unknown). An id in neither is a gap. ``eos`` is what the source itself says.
    """

    size: int = 0
    texts: dict[int, bytes] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    eos: tuple[int, ...] = ()

    def add_text(self, token: int, data: bytes) -> None:
        """``token`` stands for ``data``; what was said of it before is forgotten."""
        self.size = max(self.size, token + 1)
        self.names.pop(token, None)
        self.texts[token] = data

    def add_special(self, token: int, name: str) -> None:
        """``token`` never stands for text; what was said of it before is forgotten."""
        self.size = max(self.size, token + 1)
        self.texts.pop(token, None)
        self.names[token] = name

    def hide(self, token: int) -> None:
        """``token`` was listed as text, but its tokenizer calls it special: keep its spelling as a name only."""
        if token in self.texts:
            self.add_special(token, self.texts[token].decode("utf-8", "backslashreplace"))

    def listed(self) -> Listed:
        """The outcome."""
        texts = TokenBytes.of(self.texts.get(i) for i in range(self.size))
        return Listed(texts, dict(self.names), tuple(self.eos))


@dataclass
class Listed:
    """All ids of a tokenizer: the bytes of each, names of those that are not text, and the ends it names itself."""

    texts: TokenBytes
    names: dict[int, str]
    eos: tuple[int, ...]

    def spelled(self, content: str) -> tuple[int, ...]:
        """The ids that are called so; if none, those that stand for this text."""
        data = content.encode("utf-8")
        named = tuple(token for token, name in self.names.items() if name == content)
        as_long = np.flatnonzero(self.texts.lengths == len(data)).tolist()
        return named or tuple(token for token in as_long if data and self.texts[token] == data)


def as_ids(eos: int | Iterable[int] | None) -> tuple[int, ...]:
    """End ids in any of the forms that configurations use: one id, several, or none."""
    if eos is None:
        return ()
    return tuple(map(index, eos)) if isinstance(eos, Iterable) else (index(eos),)


def finish(listed: Listed, eos: int | Iterable[int] | None, width: int | None) -> Vocabulary:
    """The vocabulary of what was listed. ``eos`` replaces the ends that the source names.

    Ids at or past ``width`` are cut when none of them is text or an end: such models exist (Gemma 3 for text has
    an image token one past its logits). Raises ``VocabularyError`` when no end is known, or text would be cut.
    """
    ends = listed.eos if eos is None else as_ids(eos)
    if not ends:
        raise VocabularyError(
            "no end-of-sequence id is known: pass eos=[...], the ids in the model's generation_config.json"
        )
    texts, names = listed.texts, listed.names
    if width is not None and width < len(texts):
        last = max([*np.flatnonzero(texts.lengths)[-1:].tolist(), *ends])
        if last < width:
            texts = TokenBytes(texts.starts[: width + 1], texts.data)
            names = {i: name for i, name in names.items() if i < width}
    called = {i: data.decode("utf-8", "backslashreplace") for i in ends if i < len(texts) and (data := texts[i])}
    return Vocabulary(texts, ends, width, called | names)
