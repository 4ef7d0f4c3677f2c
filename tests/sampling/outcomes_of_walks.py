"""All outcomes of walks down a trie, by running the very same code once for each, with its decisions dictated.

The chances of tokens are worked out here, from laws and bounds, by their definition; whether ``Law.draw`` keeps to them
is another test's business (``test_weighted_trie.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from naive.outcomes import Script
from sampling.enumerable import World

import constrain
from constrain.sampling.reach import Reach
from constrain.sampling.target import Target
from constrain.sampling.trie import Law, Trie
from constrain.sampling.walk import Descent, Draw, Mode, Walk

_compiled: dict[int, tuple[World, Any, Reach | None]] = {}


def fresh_trie(world: World, predicate: Any = None) -> Trie:
    """A trie of a world, with masks that know the cap. The automaton is compiled once: its states are values."""
    if id(world) not in _compiled:
        automaton = constrain.compile(world.grammar(), world.vocabulary())
        _compiled[id(world)] = (world, automaton, Reach.of(automaton))
    _, automaton, reach = _compiled[id(world)]
    return Trie(world.model(), Target(automaton, world.max_tokens, predicate, reach))


def chances(law: Law, adaptive: bool) -> list[tuple[int, float]]:
    """Token ids with ``p(a) S(a)``, or ``p(a)``, as the definition has it."""
    found = []
    for token, log_p in zip(law.ids.tolist(), law.log_p.tolist(), strict=True):
        child = law.children.get(token)
        bound = 0.0 if child is None or not adaptive else child.bound
        found.append((token, math.exp(log_p + bound)))
    return found


def outcomes(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], Trie], mode: Mode, walks: int, slots: int = 1
) -> Iterator[tuple[float, list[Draw], Trie]]:
    """Every way in which ``walks`` walks from a fresh trie can go: its probability, the draws by number, the trie."""
    script = Script()

    def coin(walk: Walk, log_probability: float) -> bool:
        probability = math.exp(log_probability)
        return bool(script.choose([(True, probability), (False, 1.0 - probability)]))

    def choose(walk: Walk, law: Law, adaptive: bool) -> int:
        options = chances(law, adaptive)
        return script.choose(options, sum(chance for _, chance in options))

    monkeypatch.setattr(Walk, "coin", coin)
    monkeypatch.setattr(Walk, "choose", choose)
    more = True
    while more:
        trie = make()
        descent = Descent(trie, mode, walks, lambda index: None, slots, budget=walks)  # type: ignore[arg-type, return-value]
        draws = sorted(descent, key=lambda draw: (draw.index, draw.attempt))
        yield float(script.probability), draws, trie
        more = script.advance()
