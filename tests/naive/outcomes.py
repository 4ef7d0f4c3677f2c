"""All outcomes of a sampler, by running the very same code once for each: an oracle with no randomness in it.

A sampler's decisions go through a ``Draws``. Those here replay a ``Script`` of decisions and multiply up the
probability of having made them; the script then advances to the next leaf of the tree of decisions. ``FractionUrn``
does it in rational arithmetic (so an expectation is right or wrong, not near), ``SteeredUrn`` with the floating-point
masses of the ``Urn`` that is shipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from constrain.sampling.methods.awrs import Draws, Estimator, Limits, Outcome, Program, log_weight, run
from constrain.sampling.methods.urn import Indices, Urn

T = TypeVar("T")


@dataclass
class Script:
    """The decisions of the present run, each with how many options it had."""

    path: list[list[int]] = field(default_factory=list)
    at: int = 0
    probability: Any = 1

    def choose(self, options: Sequence[tuple[T, Any]], total: Any = 1) -> T:
        """The option that this run takes, of those with a positive chance; chances add up to ``total``."""
        possible = [option for option in options if option[1] > 0]
        if self.at == len(self.path):
            self.path.append([0, len(possible)])
        value, chance = possible[self.path[self.at][0]]
        self.at += 1
        self.probability *= chance / total
        return value

    def advance(self) -> bool:
        """Go to the next leaf; ``False`` when this was the last."""
        self.at, self.probability = 0, 1
        while self.path and self.path[-1][0] + 1 == self.path[-1][1]:
            self.path.pop()
        if self.path:
            self.path[-1][0] += 1
        return bool(self.path)


class FractionUrn:
    """``Draws`` whose masses are fractions."""

    def __init__(self, masses: Sequence[Fraction], script: Script) -> None:
        self.masses = list(masses)
        self.playing = dict(enumerate(masses))
        self.left = sum(masses, Fraction(0))
        self.script = script

    def pick(self) -> int | None:
        return self.script.choose(list(self.playing.items()), self.left) if self.left else None

    def drop(self, indices: Indices) -> None:
        for index in indices:
            self.left -= self.playing.pop(int(index), 0)

    def mass(self, indices: Indices) -> Fraction:
        return sum((self.masses[int(index)] for index in indices), Fraction(0))

    def remaining(self) -> Fraction:
        return self.left

    def phantoms(self, total: Fraction, limit: int | None) -> int:
        assert limit is not None, "as many outcomes as there are integers"
        miss = 1 - self.remaining() / total
        counts = [(count, miss**count * (1 - miss)) for count in range(limit)]
        return self.script.choose([*counts, (limit, miss**limit)])

    def flip(self, heads: Fraction, tails: Fraction, odds: int) -> bool:
        yes = odds * heads / (odds * heads + tails)
        return self.script.choose([(True, yes), (False, 1 - yes)])


class SteeredUrn(Urn):
    """The shipped urn with its decisions taken from a script; their probabilities are of its own masses."""

    def __init__(self, masses: Sequence[Fraction], script: Script) -> None:
        self.script = script
        self.playing = set(range(len(masses)))
        logs = [math.log(mass.numerator) - math.log(mass.denominator) if mass else -math.inf for mass in masses]
        super().__init__(np.array(logs), np.random.default_rng(0))

    def pick(self) -> int | None:
        left = self.remaining()
        if left == -math.inf:
            return None
        return self.script.choose([(i, math.exp(self.mass([i]) - left)) for i in sorted(self.playing)])

    def drop(self, indices: Indices) -> None:
        self.playing -= {int(index) for index in indices}
        super().drop(indices)

    def phantoms(self, total: float, limit: int | None) -> int:
        assert limit is not None, "as many outcomes as there are integers"
        miss = -math.expm1(min(self.remaining() - total, 0.0))
        counts = [(count, miss**count * (1 - miss)) for count in range(limit)]
        return self.script.choose([*counts, (limit, miss**limit)])

    def flip(self, heads: float, tails: float, odds: int) -> bool:
        yes = 1 / (1 + math.exp(tails - heads) / odds) if heads > -math.inf else 0.0
        return self.script.choose([(True, yes), (False, 1 - yes)])


@dataclass
class Moments:
    """Expectations over all outcomes of a step."""

    probability: Any
    weight: list[Any]  # E[W 1{token}], token by token
    square: Any  # E[W^2]
    calls: Any
    least: Any  # the smallest weight of an outcome that has a token

    @property
    def relative_variance(self) -> float:
        mean = float(sum(self.weight))
        return float(self.square) / mean**2 - 1


def moments(
    masses: Sequence[Fraction],
    accepted: Sequence[bool],
    estimator: Estimator[Any],
    limits: Limits,
    known: Sequence[int] | None = None,
    urn: Callable[[Sequence[Fraction], Script], Draws[Any]] = FractionUrn,
) -> Moments:
    """Run the step through every outcome."""
    found = Moments(0, [0] * len(masses), 0, 0, math.inf)
    for probability, outcome, calls in _leaves(masses, accepted, estimator, limits, known, urn):
        found.probability += probability
        found.calls += probability * calls
        if outcome.index is not None:
            weight = _weight(outcome)
            found.weight[outcome.index] += probability * weight
            found.square += probability * weight**2
            found.least = min(found.least, weight)
    return found


def _leaves(
    masses: Sequence[Fraction],
    accepted: Sequence[bool],
    estimator: Estimator[Any],
    limits: Limits,
    known: Sequence[int] | None,
    urn: Callable[[Sequence[Fraction], Script], Draws[Any]],
) -> Iterator[tuple[Any, Outcome[Any], int]]:
    script = Script()
    while True:
        program = Program(lambda index: accepted[index], None if known is None else np.array(known, np.int8))
        outcome = run(urn(masses, script), program, estimator, limits)
        yield script.probability, outcome, program.calls
        if not script.advance():
            return


def _weight(outcome: Outcome[Any]) -> Any:
    """Rational where the masses are, else through the shipped logarithms."""
    if all(isinstance(mass, Fraction) for _, mass in outcome.weight):
        return sum(coefficient * mass for coefficient, mass in outcome.weight)
    return math.exp(log_weight(outcome.weight))
