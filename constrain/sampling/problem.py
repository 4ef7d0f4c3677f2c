"""``Problem``: what every method is given: a trie, how many samples, randomness, and where to put what it learns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from constrain.sampling.certificate import Evidence, certify
from constrain.sampling.lm.model import Usage
from constrain.sampling.results import Guarantee, Sample, Samples
from constrain.sampling.trie import Trie
from constrain.sampling.walk import Descent, Draw, Mode


@dataclass
class Problem:
    """One call of ``constrain.sample``.

    ``n``       samples wanted. ``slots``: walks, particles or chains that go on together, in one call of the model.
    ``budget``  the most walks that may be begun; ``None``: each method's own default.
    ``report``  called after each walk with the number of samples found so far, for progress.
    """

    trie: Trie
    n: int
    seed: int = 0
    slots: int = 16
    budget: int | None = None
    report: Callable[[int], None] = lambda found: None
    evidence: Evidence = field(default_factory=Evidence)
    notes: list[str] = field(default_factory=list)
    before: Usage = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.trie.model.usage.copy()

    def stream(self, *names: int) -> np.random.Generator:
        """A stream of randomness of its own for each tuple of names (a phase of a method, a number)."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=names))

    def draws(self, mode: Mode, n: int, phase: int, slots: int | None = None, budget: int | None = None) -> list[Draw]:
        """Walks in ``mode``, in the order in which they ended; all noted as evidence."""
        descent = Descent(self.trie, mode, n, lambda index: self.stream(phase, index), slots or self.slots, budget)
        found: list[Draw] = []
        wanted = 0
        for draw in descent:
            found.append(draw)
            wanted += draw.found
            self.evidence.attempts += 1
            if draw.found:
                self.evidence.see(draw.tokens, draw.log_p)
                if mode != "exact":
                    self.evidence.masked.append((draw.log_w, draw.log_p - draw.log_mask))
            self.report(wanted if mode == "exact" else len(found))
        return found

    def sample(self, draw: Draw, log_weight: float) -> Sample:
        """A draw as a sample."""
        return self.read(draw.tokens, draw.log_p, log_weight, draw.log_mask)

    def read(self, tokens: tuple[int, ...], log_p: float, log_weight: float, log_mask: float) -> Sample:
        """A sample of these tokens."""
        text = self.trie.target.vocabulary.decode(tokens).decode("utf-8", "replace")
        return Sample(text, tokens, log_p, log_weight, log_mask)

    def result(
        self, method: str, guarantee: Guarantee, samples: Iterable[Sample], *, missing: int = 0,
        estimate: tuple[float, float] | None = None, unbiased: bool = True, **facts: Any,
    ) -> Samples:  # fmt: skip
        """The result, with its certificate."""
        samples = tuple(samples)
        usage = self.trie.model.usage.since(self.before)
        certificate = certify(self.trie, samples, self.evidence, usage, estimate, unbiased)
        return Samples(samples, method, guarantee, certificate, missing, tuple(self.notes), facts)
