"""What every predicate must keep: no beginning of an accepted text is rejected."""

from __future__ import annotations

import random
from collections.abc import Iterable

from constrain.predicates import Predicate


def rejected_beginnings(
    predicate: Predicate, texts: Iterable[bytes], rng: random.Random, most: int = 40
) -> list[bytes]:
    """Beginnings of accepted texts that the predicate rejects; ``most`` of each text are tried, and the whole."""
    found = []
    for text in texts:
        if predicate.complete_ok(text):
            lengths = rng.sample(range(len(text)), min(most, len(text)))
            found += [text[:n] for n in (*lengths, len(text)) if not predicate.prefix_ok(text[:n])]
    return found


def edited(text: str, pieces: list[str], rng: random.Random, edits: int = 2) -> str:
    """The text with a few pieces put in, taken out or replaced."""
    for _ in range(rng.randint(1, edits)):
        i = rng.randrange(len(text) + 1)
        text = text[:i] + rng.choice(["", *pieces]) + text[i + rng.randint(0, 2) :]
    return text
