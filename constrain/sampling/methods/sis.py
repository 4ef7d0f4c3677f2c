"""``awrs``: sequential importance sampling whose steps are adaptive weighted rejection.

Independent particles that are never resampled: each is a draw with a proper weight of its own, as in method ``mask``,
but where a program is asked, only about tokens that were drawn. (Lipkin et al. 2025, arXiv 2504.05410.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from constrain.sampling.methods.particles import Particle, Steps
from constrain.sampling.problem import Problem
from constrain.sampling.results import Samples

TOKENS = 40  # name of a stream of randomness


def awrs(problem: Problem, estimator: str = "recursive", accepts: int = 2, max_rejects: int | None = None) -> Samples:
    """``n`` independent draws, each properly weighted; those that find nothing wanted are counted as missing.

    ``estimator``    "recursive", "roulette", "geometric" or "two_loop" (``awrs.py``).
    ``accepts``      for "geometric": more of them mean less variance and more calls.
    ``max_rejects``  give a step up after so many rejects; weights stay unbiased.

    What a grammar allows comes from its mask, whose mass is summed exactly: no estimate can be better, nor cheaper.
    Without a predicate, then, nothing is left to estimate, and this is method ``mask``. A grammar that is to be asked
    token by token, as a program, is passed as a predicate (with a grammar of all texts).

    ``facts``: ``predicate_calls``.
    """
    steps = Steps(problem.trie, estimator=estimator, accepts=accepts, max_rejects=max_rejects)
    count = problem.n if problem.budget is None else min(problem.n, problem.budget)
    particles = sorted(Draws(problem, steps, count), key=lambda particle: particle.origin)
    problem.evidence.terms += [particle.log_weight for particle in particles]
    found = [particle.sample(problem) for particle in particles if particle.found]
    missing = problem.n - len(found)
    return problem.result("awrs", "properly weighted", found, missing=missing, predicate_calls=steps.calls)


@dataclass
class Draws:
    """Independent particles in a fixed number of slots. Iterate over it: they come as they end."""

    problem: Problem
    steps: Steps
    count: int
    _begun: int = 0
    _under_way: list[tuple[Particle, np.random.Generator]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Particle]:
        trie, ended = self.steps.trie, 0
        while self._fill_slots():
            trie.expand(particle.node for particle, _ in self._under_way)
            for particle, rng in self._under_way:
                self.steps.take(particle, rng)
            for particle, _ in self._under_way:
                if not particle.alive:
                    ended += 1
                    self._note(particle, ended)
                    yield particle
            self._under_way = [each for each in self._under_way if each[0].alive]

    def _fill_slots(self) -> bool:
        """Begin draws in free slots; not while the trie waits for all to end, to forget."""
        trie = self.steps.trie
        if trie.bytes > trie.max_bytes:
            if self._under_way:
                return True
            trie.shrink()
        while len(self._under_way) < self.problem.slots and self._begun < self.count:
            self._under_way.append((self.steps.begin(self._begun), self.problem.stream(TOKENS, self._begun)))
            self._begun += 1
        return bool(self._under_way)

    def _note(self, particle: Particle, ended: int) -> None:
        self.steps.trie.settle(particle.node)
        self.problem.evidence.attempts += 1
        if particle.found:
            self.problem.evidence.see(particle.node.tokens(), particle.log_p)
        self.problem.report(ended)
