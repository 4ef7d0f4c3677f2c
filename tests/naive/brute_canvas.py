"""A canvas by enumeration: all its fillings are listed, and every question is answered by looking through the list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from constrain.bits import from_ids
from constrain.canvas.base import OPEN, Ending, Ids, NotCompletable, Scores
from constrain.tokens.base import Words
from constrain.vocab.vocabulary import Vocabulary

Accepts = Callable[[bytes], bool]


@dataclass(frozen=True)
class BruteCanvas:
    """``completions``: all fillings, each a tuple of ids, in a fixed order."""

    vocabulary: Vocabulary
    ending: Ending
    slots: Ids
    completions: tuple[tuple[int, ...], ...]

    @classmethod
    def of(
        cls, vocabulary: Vocabulary, accepts: Accepts, slots: int | Sequence[int], ending: Ending | None = None
    ) -> BruteCanvas:
        """The canvas of the texts that ``accepts`` accepts. Raises ``NotCompletable`` where there is none."""
        ending = ending or Ending(vocabulary.eos, frozenset())
        given = np.full(slots, OPEN, np.int32) if isinstance(slots, int) else np.array(slots, np.int32)
        found = tuple(f for f in fillings(vocabulary, accepts, given, ending) if agrees(f, given))
        if not found:
            raise NotCompletable("no filling")
        return cls(vocabulary, ending, given, found)

    @property
    def filling(self) -> Ids:
        return np.array(self.completions[0], np.int32)

    def allows(self, slot: int, token: int) -> bool:
        return self.slots[slot] == OPEN and any(f[slot] == token for f in self.completions)

    def mask(self, slot: int) -> Words:
        return from_ids(sorted({f[slot] for f in self.completions}), self.vocabulary.width)

    def commit(self, slot: int, token: int) -> BruteCanvas:
        if not self.allows(slot, token):
            raise NotCompletable(f"{token} in slot {slot}")
        slots = self.slots.copy()
        slots[slot] = token
        return replace(self, slots=slots, completions=tuple(f for f in self.completions if f[slot] == token))

    def best(self, scores: Scores) -> Ids:
        return np.array(max(self.completions, key=lambda f: self._sum(f, scores)), np.int32)

    def log_mass(self, scores: Scores) -> float:
        return float(np.logaddexp.reduce([self._sum(f, scores) for f in self.completions]))

    def marginals(self, scores: Scores, slots: Iterable[int] | None = None) -> Scores:
        """Logarithms, a row for each of ``slots``."""
        found = np.zeros(scores.shape)
        for filling, p in zip(self.completions, self._law(scores), strict=True):
            found[np.arange(len(filling)), filling] += p
        with np.errstate(divide="ignore"):
            return np.log(found if slots is None else found[list(slots)])

    def sample(self, scores: Scores, rng: np.random.Generator, count: int = 1) -> Ids:
        """(count, n)."""
        return np.array(self.completions, np.int32)[rng.choice(len(self.completions), count, p=self._law(scores))]

    def _law(self, scores: Scores) -> Scores:
        total = self.log_mass(scores)
        if total == -np.inf:
            raise ValueError("nothing has a probability above 0")
        return np.exp([self._sum(filling, scores) - total for filling in self.completions])

    def _sum(self, filling: tuple[int, ...], scores: Scores) -> float:
        """Over open slots."""
        return float(scores[np.arange(len(filling)), filling][self.slots == OPEN].sum())


def agrees(filling: Sequence[int], slots: Ids) -> bool:
    return all(slot in (OPEN, token) for token, slot in zip(filling, slots.tolist(), strict=True))


def fillings(vocabulary: Vocabulary, accepts: Accepts, slots: Ids, ending: Ending) -> Iterator[tuple[int, ...]]:
    """Every text of up to ``n`` tokens that agrees with the slots, an end behind it where there is room, and whatever
    may stand behind the end (whether it agrees or not)."""
    texts = [i for i, token in enumerate(vocabulary.tokens) if token is not None]
    choices = [texts if slot == OPEN else [slot] * (slot in texts) for slot in slots.tolist()]
    for length in range(len(slots) + 1):
        if length < len(slots) and slots[length] not in (OPEN, *ending.ends):
            continue
        for text in product(*choices[:length]):
            if accepts(vocabulary.decode(text)):
                yield from (text + rest for rest in tails(len(slots) - length, ending))


def tails(room: int, ending: Ending) -> Iterator[tuple[int, ...]]:
    if room == 0:
        if not ending.required:
            yield ()
        return
    for end in sorted(ending.ends):
        for rest in product(sorted(ending.behind), repeat=room - 1):
            yield (end, *rest)
