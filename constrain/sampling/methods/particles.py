"""Particles: beginnings of texts with weights, and the step that takes one of them a token further.

A particle at the prefix ``u`` stands for all wanted texts that begin with ``u``. Its weight ``W`` is *proper* when,
with ``c(u)`` the probability that a wanted text follows and ``psi(u)`` the guess at it that the weight contains,
``W c(u) / psi(u)`` has the expectation ``Z``. A step draws ``a`` with probability ``m(a) / M``, for masses ``m``, and
multiplies ``W`` with an unbiased estimate of ``M`` and with the change of the guess; that expectation stays:

* plain: ``m(a) = p(a|u)`` over the tokens that are wanted, ``psi = 1``. At the end ``W = P / q``.
* a twist: the same draws, and ``psi(ua) / psi(u)`` enters the weight. Whole texts have ``psi = 1``, so what a twist
  says changes which particles live on, never what they stand for.
* the trie's twist: ``m(a) = p(a|u) S(ua)`` and ``psi = S``: what was learnt about prefixes steers the draws too.

Where a mask says which tokens are wanted, ``M`` is a sum, and exact. Where a program says so, token by token, ``M`` is
estimated by adaptive weighted rejection (``awrs.py``); verdicts are kept in the trie, as nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isnan
from typing import Literal

import numpy as np
import numpy.typing as npt

from constrain.sampling.masses import Floats
from constrain.sampling.methods.awrs import awrs_step
from constrain.sampling.problem import Problem
from constrain.sampling.results import Sample
from constrain.sampling.trie import DEAD, Law, Node, Trie

LogFactor = Callable[[bytes], float]
Twist = LogFactor | Literal["trie"] | None


@dataclass
class Particle:
    """A prefix with its weight.

    ``log_weight``  log W, the guess included. ``log_guess``: log psi, as the weight contains it.
    ``log_critic``  what the critic said of the whole text; in the weight too.
    ``origin``      number of the first particle that it comes from.
    """

    node: Node
    origin: int
    log_weight: float = 0.0
    log_guess: float = 0.0
    log_p: float = 0.0
    log_mask: float = 0.0
    log_critic: float = 0.0

    @property
    def alive(self) -> bool:
        """May it go on?"""
        return self.log_weight > DEAD and not self.node.ended

    @property
    def found(self) -> bool:
        """Has it come to a wanted text?"""
        return self.log_weight > DEAD and self.node.ended

    def sample(self, problem: Problem) -> Sample:
        """It as a sample."""
        return problem.read(self.node.tokens(), self.log_p, self.log_weight, self.log_mask)


@dataclass
class Steps:
    """How particles take tokens. ``calls`` counts what the program was asked."""

    trie: Trie
    twist: Twist = None
    critic: LogFactor | None = None
    estimator: str = "recursive"
    accepts: int = 2
    max_rejects: int | None = None
    calls: int = 0

    def begin(self, origin: int) -> Particle:
        """A particle at the root, which has to be expanded."""
        root = self.trie.root
        guess = root.bound if self.twist == "trie" else self._guess(root)
        return Particle(root, origin, guess, guess)

    def take(self, particle: Particle, rng: np.random.Generator) -> None:
        """A token for a particle at an expanded node; weight zero where nothing wanted is found."""
        node = particle.node
        self.trie.touch(node)
        law = node.law
        token, log_total = (None, DEAD) if law is None else self._draw(node, law, rng)
        if law is None or token is None:
            particle.log_weight = DEAD
            return
        relied_on = _bound(law, token)
        child = particle.node = self.trie.child(node, token)
        particle.log_p += child.log_p
        particle.log_mask += child.log_p - law.log_mass
        self._weigh(particle, log_total, relied_on)

    def _draw(self, node: Node, law: Law, rng: np.random.Generator) -> tuple[int | None, float]:
        """A token, if one is wanted, and the log of (an unbiased estimate of) the mass of all that are."""
        if self.trie.target.predicate is not None:
            return self._ask(node, law, rng)
        log_total = law.bound() if self.twist == "trie" else law.log_mass
        if log_total == DEAD:
            return None, DEAD
        return (law.draw if self.twist == "trie" else law.draw_masked)(rng.random()), log_total

    def _ask(self, node: Node, law: Law, rng: np.random.Generator) -> tuple[int | None, float]:
        unit = awrs_step(
            _lowered(law) if self.twist == "trie" else law.log_p,
            lambda index: self.trie.child(node, int(law.ids[index])).bound > DEAD,
            rng,
            estimator=self.estimator,
            accepts=self.accepts,
            max_rejects=self.max_rejects,
            known=_verdicts(law) if law.places else None,
            scaled=None if self.twist == "trie" else law.scaled,
        )
        self.calls += unit.calls
        return None if unit.index is None else int(law.ids[unit.index]), unit.log_weight

    def _weigh(self, particle: Particle, log_total: float, relied_on: float) -> None:
        child = particle.node
        if child.bound == DEAD:
            particle.log_weight = DEAD
            return
        particle.log_weight += log_total - particle.log_guess
        if self.twist == "trie":  # the masses contain the guess
            particle.log_guess = relied_on
            return
        particle.log_guess = 0.0 if child.ended else self._guess(child)
        particle.log_critic = self._criticism(child) if child.ended else 0.0
        particle.log_weight += particle.log_guess + particle.log_critic

    def _guess(self, node: Node) -> float:
        if self.twist is None or self.twist == "trie":
            return 0.0
        value = float(self.twist(self.trie.text(node)))
        if isnan(value) or value == inf:
            raise ValueError(f"the twist must give the logarithm of a finite number, not {value}")
        return value

    def _criticism(self, node: Node) -> float:
        if self.critic is None:
            return 0.0
        value = float(self.critic(self.trie.text(node)))
        if not -inf < value < inf:
            raise ValueError(
                f"the critic must give a finite logarithm, not {value}: for texts that are not wanted take a predicate"
            )
        return value


def _bound(law: Law, token: int) -> float:
    """``log S`` of a token's node as it is now; that of a token without a node is 0."""
    child = law.children.get(token)
    return 0.0 if child is None else child.bound


def _places(law: Law) -> npt.NDArray[np.int64]:
    """Where the children stand among the law's tokens."""
    return np.searchsorted(law.ids, np.array([child.token for child in law.places], np.int32))


def _lowered(law: Law) -> Floats:
    """``log p(a) + log S(ua)`` of all tokens."""
    masses = law.log_p.copy()
    masses[_places(law)] += np.array([child.bound for child in law.places])
    return masses


def _verdicts(law: Law) -> npt.NDArray[np.int8]:
    """What is known of each token: 1 wanted, 0 not wanted, -1 not known."""
    known = np.full(len(law.ids), -1, np.int8)
    known[_places(law)] = [child.bound > DEAD for child in law.places]
    return known
