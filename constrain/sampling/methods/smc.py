"""``smc``: sequential Monte Carlo. Particles go down token by token; light ones are given up for copies of heavy ones.

Weights are proper whatever is resampled when (``particles.py``), since copies all get the mean weight: so the mean of
the final weights is an unbiased estimate of ``Z`` for any number of particles and any threshold, and averages under the
weights tend to the target's. Particles that have ended take part in resampling with the weight that they have. (Del
Moral, Doucet & Jasra 2006; for language models: Lew et al. 2023, Loula et al. 2025.)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf, log, sqrt

import numpy as np

from constrain.sampling.masses import Floats, log_sum
from constrain.sampling.methods.particles import LogFactor, Particle, Steps, Twist
from constrain.sampling.methods.resampling import SCHEMES, effective_size
from constrain.sampling.problem import Problem
from constrain.sampling.results import Samples, normalised
from constrain.sampling.trie import DEAD

FEWEST = 8  # particles, where their number is not given
TOKENS, RESAMPLING = 30, 31  # names of streams of randomness


def smc(
    problem: Problem,
    particles: int | None = None,
    ess: float = 0.5,
    resampling: str = "stratified",
    twist: Twist = None,
    critic: LogFactor | None = None,
    estimator: str = "recursive",
    accepts: int = 2,
    max_rejects: int | None = None,
) -> Samples:
    """Weighted texts from one population of ``particles`` (default: ``n``, at least 8, at most the budget).

    ``ess``         resample when the effective sample size falls below this share of the particles: 0 never, 1 always.
    ``resampling``  "stratified", "systematic", "multinomial" or "residual".
    ``twist``       a guess ``log psi`` at how probable a wanted text is after a beginning (bytes), for which particles
                    to keep; any finite values leave the target as it is. ``-inf`` says that none can follow, and must
                    be right. ``"trie"``: the bounds that were learnt so far, which steer the draws too.
    ``critic``      a log factor for whole texts (bytes), finite. **It changes the target** to ``P(w) exp(critic(w))``
                    over the wanted texts; weights are for that. The certificate stays about ``P`` alone, but for
                    ``ess``.
    ``estimator``, ``accepts``, ``max_rejects``  of ``awrs_step``; used where a predicate is asked token by token.

    All particles that come to a wanted text are returned, with their weights: more than ``n`` where there are more
    particles. They share ancestors, so they are not independent of each other: ``Samples.resample`` draws from them,
    and a second call with another seed gives an independent population.

    ``facts``: ``ess`` (share of the particles, after each token), ``log_z`` (the estimate after each token; with the
    twist), ``resamplings`` (after which tokens), ``predicate_calls``, ``log_z_critic``.
    """
    count = _particles(problem, particles, ess, resampling)
    problem.trie.shrink()
    problem.trie.expand([problem.trie.root])
    steps = Steps(problem.trie, twist, critic, estimator, accepts, max_rejects)
    population = Population(problem, steps, count, ess, resampling)
    population.run()
    return _result(problem, population)


@dataclass
class Population:
    """Particles that go on together, and what happened to them."""

    problem: Problem
    steps: Steps
    count: int
    ess: float
    resampling: str
    shares: list[float] = field(default_factory=list)
    estimates: list[float] = field(default_factory=list)
    resamplings: list[int] = field(default_factory=list)

    def run(self) -> None:
        """From the root to the ends."""
        self.particles = [self.steps.begin(origin) for origin in range(self.count)]
        streams = [self.problem.stream(TOKENS, slot) for slot in range(self.count)]
        choice = self.problem.stream(RESAMPLING)
        while any(particle.alive for particle in self.particles):
            self._advance(streams)
            self._note()
            if self._uneven() and any(particle.alive for particle in self.particles):
                self._resample(choice)
        self._settle()

    @property
    def log_weights(self) -> Floats:
        """float64 ``[count]``."""
        return np.array([particle.log_weight for particle in self.particles])

    def log_mean(self, log_weights: Floats) -> float:
        """The log of the mean weight."""
        return log_sum(log_weights) - log(self.count)

    def _advance(self, streams: list[np.random.Generator]) -> None:
        """A token for each particle that lives; one call of the model."""
        trie = self.steps.trie
        trie.expand(particle.node for particle in self.particles if particle.alive)
        for particle, stream in zip(self.particles, streams, strict=True):
            if particle.alive:
                self.steps.take(particle, stream)
                if particle.found:
                    self.problem.evidence.see(particle.node.tokens(), particle.log_p)
        self.problem.report(sum(particle.found for particle in self.particles))

    def _note(self) -> None:
        log_weights = self.log_weights
        self.shares.append(effective_size(log_weights) / self.count)
        if log_weights.max() > DEAD:
            self.estimates.append(self.log_mean(log_weights))

    def _uneven(self) -> bool:
        return 0.0 < self.shares[-1] < self.ess

    def _resample(self, rng: np.random.Generator) -> None:
        self._settle()
        log_weights = self.log_weights
        ancestors = SCHEMES[self.resampling](normalised(log_weights), rng)
        mean = self.log_mean(log_weights)
        self.particles = [replace(self.particles[int(each)], log_weight=mean) for each in ancestors]
        self.resamplings.append(len(self.shares))

    def _settle(self) -> None:
        """Tell the trie what was learnt below it."""
        for node in {id(particle.node): particle.node for particle in self.particles}.values():
            self.steps.trie.settle(node)


def _result(problem: Problem, population: Population) -> Samples:
    """Certified as samples of ``P``; then with the critic in the weights."""
    found = [particle for particle in population.particles if particle.found]
    weights = population.log_weights
    plain = weights - np.array([particle.log_critic for particle in population.particles])
    problem.evidence.attempts += population.count
    samples = [particle.sample(problem) for particle in found]
    result = problem.result(
        "smc",
        "properly weighted",
        [
            replace(sample, log_weight=sample.log_weight - each.log_critic)
            for sample, each in zip(samples, found, strict=True)
        ],
        missing=max(problem.n - len(found), 0),
        estimate=(population.log_mean(plain), _relative_error(population.particles, plain)),
        ess=population.shares,
        log_z=population.estimates,
        resamplings=population.resamplings,
        predicate_calls=population.steps.calls,
    )
    if population.steps.critic is None:
        return result
    certificate = replace(result.certificate, ess=effective_size(weights))
    facts = result.facts | {"log_z_critic": population.log_mean(weights)}
    return replace(result, samples=tuple(samples), certificate=certificate, facts=facts)


def _relative_error(particles: list[Particle], log_weights: Floats) -> float:
    """The standard error of the mean weight, divided by it, from the shares of first ancestors.

    ``sum_e (w_e - 1/N)^2`` over ancestors, ``w_e`` the normalised weight of all that come from ``e`` (Chan & Lai 2013,
    *A general theory of particle filters*; Lee & Whiteley 2018, *Variance estimation in the particle filter*). Without
    resampling it is the usual standard error; where all come from one it is about 1, which says: not known.
    """
    count = len(particles)
    if count == 1 or log_weights.max() == DEAD:
        return inf
    shares = np.zeros(count)
    np.add.at(shares, [particle.origin for particle in particles], normalised(log_weights))
    return sqrt(count / (count - 1) * float(((shares - 1.0 / count) ** 2).sum()))


def _particles(problem: Problem, particles: int | None, ess: float, resampling: str) -> int:
    """How many particles; arguments that make no sense are refused."""
    if resampling not in SCHEMES:
        raise ValueError(f"there is no resampling {resampling!r}: take one of {', '.join(SCHEMES)}")
    if not 0.0 <= ess <= 1.0:
        raise ValueError(f"ess must be between 0 (never resample) and 1 (always), not {ess}")
    if particles is None:
        return min(max(problem.n, FEWEST), problem.budget or max(problem.n, FEWEST))
    if particles < 1 or (problem.budget is not None and particles > problem.budget):
        raise ValueError(f"particles must be 1 or more, and no more than the budget, not {particles}")
    return particles
