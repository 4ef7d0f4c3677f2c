"""``Listing``: what a reader of one tokenizer format found, and how it becomes a ``Vocabulary``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import index

from constrain.errors import VocabularyError
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


def as_ids(eos: int | Iterable[int] | None) -> tuple[int, ...]:
    """End ids in any of the forms that configurations use: one id, several, or none."""
    if eos is None:
        return ()
    return tuple(map(index, eos)) if isinstance(eos, Iterable) else (index(eos),)


def finish(listing: Listing, eos: int | Iterable[int] | None, width: int | None) -> Vocabulary:
    """The vocabulary of a listing. ``eos`` replaces the ends that the source names.

    Ids at or past ``width`` are cut when none of them is text or an end: such models exist (Gemma 3 for text has
    an image token one past its logits). Raises ``VocabularyError`` when no end is known, or text would be cut.
    """
    ends = listing.eos if eos is None else as_ids(eos)
    if not ends:
        raise VocabularyError(
            "no end-of-sequence id is known: pass eos=[...], the ids in the model's generation_config.json"
        )
    size = listing.size
    if width is not None and width < size and max([*listing.texts, *ends]) < width:
        size = width
    names = {i: name for i, name in listing.names.items() if i < size}
    for i in ends:
        if i in listing.texts:
            names.setdefault(i, listing.texts[i].decode("utf-8", "backslashreplace"))
    return Vocabulary([listing.texts.get(i) for i in range(size)], ends, width, names)
