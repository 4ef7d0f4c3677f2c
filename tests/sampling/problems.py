"""Problems whose answers are counted out: worlds for the samplers, and the test that weights are proper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from math import exp
from typing import Any

import numpy as np
from enumerable import Ids, World, bigram
from significance import mean_is

from constrain.sampling.problem import Problem
from constrain.sampling.reach import Reach
from constrain.sampling.results import Samples
from constrain.sampling.target import Target
from constrain.sampling.trie import Trie
from constrain.tokens.pushdown import PushdownAutomaton

OFTEN = 50  # runs in which a text must be drawn, for the mean of its weights to be nearly normal
TOKENS = (b"a", b"b", b"ab")
LAW = bigram(
    [
        [Fraction(n, 20) for n in row]
        for row in ([5, 2, 4, 8, 1], [6, 6, 2, 5, 1], [4, 6, 2, 6, 2], [8, 2, 2, 5, 3])  # two ends of text
    ]
)
ANYTHING = World("anything", TOKENS, "[ab]*", 3, LAW, ends=2)
WORLD = World("paths", TOKENS, "(ab)*a|b+|(ba)+", 4, LAW, ends=2)
OTHER_LAW = bigram(
    [[Fraction(n, 20) for n in row] for row in ([1, 9, 3, 3, 4], [2, 9, 3, 2, 4], [9, 2, 1, 4, 4], [3, 6, 3, 4, 4])]
)
OTHER = World("other", TOKENS, WORLD.pattern, WORLD.max_tokens, OTHER_LAW, ends=2)
WANTED = World("wanted", TOKENS, "(ab)*a?|b", 3, LAW, ends=2)  # within ANYTHING: what a program wants of it


@dataclass
class Program:
    """Wants the members of a world, and says no to a beginning as soon as none begins so; notes what it was asked."""

    world: World
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    def prefix_ok(self, text: bytes) -> bool:
        self.asked.append(("prefix", text))
        return text in beginnings(self.world)

    def complete_ok(self, text: bytes) -> bool:
        self.asked.append(("whole", text))
        return text in wholes(self.world)


@cache
def wholes(world: World) -> frozenset[bytes]:
    return frozenset(map(world.text, world.members))


@cache
def beginnings(world: World) -> frozenset[bytes]:
    return frozenset(text[:i] for text in wholes(world) for i in range(len(text) + 1))


@cache
def automaton(world: World) -> tuple[PushdownAutomaton, Reach | None]:
    compiled = PushdownAutomaton(world.grammar(), world.vocabulary())
    return compiled, Reach.of(compiled)


def trie(world: World, predicate: Program | None = None, reach: bool = True, **options: Any) -> Trie:
    """A fresh trie. Without ``reach`` the cap is met as a dead end."""
    compiled, near = automaton(world)
    return Trie(world.model(), Target(compiled, world.max_tokens, predicate, near if reach else None), **options)


def solve(
    method: Callable[..., Samples],
    known: Trie,
    n: int,
    seed: int = 0,
    slots: int = 16,
    budget: int | None = None,
    **options: Any,
) -> Samples:
    return method(Problem(known, n, seed, slots, budget), **options)


def members(samples: Samples) -> list[Ids]:
    """What was drawn, without the ends."""
    return [sample.tokens[:-1] for sample in samples]


def weighted(samples: Samples, count: int) -> dict[Ids, float]:
    """The mean over ``count`` draws of the weight that each text got."""
    found: dict[Ids, float] = {}
    for sample in samples:
        ids = sample.tokens[:-1]
        found[ids] = found.get(ids, 0.0) + exp(sample.log_weight) / count
    return found


def properly_weighted(runs: Iterable[Mapping[Ids, float]], masses: Mapping[Ids, Fraction]) -> float:
    """``E[mean of W 1{x = w}] = P(w)`` for every ``w``, and nothing else is drawn.

    The least p-value of all, times their number (Bonferroni). Texts that are too rare for a test are put together."""
    runs = list(runs)
    assert all(set(run) <= set(masses) for run in runs)
    often = [[ids] for ids in masses if sum(ids in run for run in runs) >= OFTEN]
    rare = [ids for ids in masses if [ids] not in often]
    cells = [*often, rare] if rare else often
    p_values = [
        mean_is([sum(run.get(ids, 0.0) for ids in cell) for run in runs], float(sum(masses[ids] for ids in cell)))
        for cell in cells
    ]
    return min(p_values) * len(p_values)


def mean_of(values: Iterable[float], expected: Fraction) -> float:
    """The p-value of a mean of exponentials."""
    return mean_is(np.exp(list(values)).tolist(), float(expected))
