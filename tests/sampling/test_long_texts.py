"""Texts of up to fifty tokens, too many to be counted out: samplers against dynamic programming."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import pytest
from dynamic import Ids, NgramWorld
from significance import ALPHA, goodness_of_fit, mean_is

import constrain
from constrain.sampling.api import METHODS
from constrain.sampling.lm.model import TableModel
from constrain.sampling.problem import Problem
from constrain.sampling.reach import Reach
from constrain.sampling.results import Samples
from constrain.sampling.target import Target
from constrain.sampling.trie import Trie

TOKENS = (b"a", b"b", b"c", b"ab", b"ca")
ENDS = (5, 6)
VOCABULARY = constrain.Vocabulary([*TOKENS, None, None], ENDS)
CAP = 50
PLACES = (0, 1, 2, 5, 10, 20, 35)
OVER = -1  # where a text has ended before


@dataclass(frozen=True)
class Case:
    """A grammar, and a model that looks at the last ``order - 1`` tokens and ends with probability ``ending``."""

    name: str
    pattern: str
    order: int
    ending: float
    seed: int = 1

    def law(self, context: Ids) -> Sequence[float]:
        return _law(self.seed, self.ending, context)

    @cached_property
    def automaton(self) -> Any:
        return constrain.compile(constrain.regex(self.pattern), VOCABULARY)

    @cached_property
    def oracle(self) -> NgramWorld:
        return NgramWorld(self.law, self.order, self.automaton, ENDS, len(TOKENS) + 2, CAP)

    @cached_property
    def target(self) -> Target:
        return Target(self.automaton, CAP, None, Reach.of(self.automaton))

    def model(self) -> TableModel:
        return TableModel(lambda prefix: self.law(self.oracle.context(prefix)), len(TOKENS) + 2)

    def sample(self, method: str, n: int, seed: int = 3, **options: Any) -> Samples:
        """From a fresh trie."""
        return METHODS[method](Problem(Trie(self.model(), self.target), n, seed), **options)

    @cached_property
    def exact(self) -> Samples:
        return self.sample("exact", 400)

    @cached_property
    def masked(self) -> Samples:
        return self.sample("mask", 400)


@cache
def _law(seed: int, ending: float, context: Ids) -> list[float]:
    shares = np.random.default_rng([seed, *(token + 1 for token in context)]).dirichlet([2.0] * len(TOKENS))
    return [*(shares * (1 - ending)), 0.7 * ending, 0.3 * ending]


CASES = [
    Case("an even number of a", "(b|c|a(b|c)*a)*", 2, 0.05),  # nothing is masked but ends
    Case("no two b", "(b?[ac])*b?", 3, 0.02),  # many texts come near the cap
    Case("twelve or more", "([ac]|b(a|c)){12,}", 2, 0.06),
]
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def lengths(case: Case) -> dict[int, float]:
    """The target's law of the number of tokens, the end not counted."""
    return dict(enumerate(case.oracle.marginals[:, ENDS[0]].tolist()))


def tokens_at(case: Case, place: int) -> dict[int, float]:
    """The target's law of the token at a place."""
    row = case.oracle.marginals[place].tolist()
    return {**dict(enumerate(row)), OVER: max(0.0, 1.0 - math.fsum(row))}


def token_at(tokens: Ids, place: int) -> int:
    """Two ends count as one."""
    if place >= len(tokens):
        return OVER
    return ENDS[0] if tokens[place] in ENDS else tokens[place]


@every
def test_the_cases_are_long_and_not_trivial(case: Case) -> None:
    assert sum(i * p for i, p in lengths(case).items()) > 8
    assert sum(p for i, p in lengths(case).items() if i > 30) > 0.02
    assert -4 < case.oracle.log_z < -0.5


METHODS_AND_COUNTS: list[tuple[str, int, dict[str, Any]]] = [
    ("asap", 200, {}),
    ("importance", 200, {}),
    ("awrs", 200, {}),
    ("smc", 150, {}),
    ("smc", 150, {"twist": "trie"}),
]


@every
@pytest.mark.parametrize(("method", "n", "options"), METHODS_AND_COUNTS, ids=str)
def test_z_is_within_its_interval(case: Case, method: str, n: int, options: dict[str, Any]) -> None:
    check_z(case, case.sample(method, n, **options), least=0.02)


@every
def test_z_by_masked_draws(case: Case) -> None:
    check_z(case, case.masked, least=0.02)


@every
def test_z_by_exact_samples(case: Case) -> None:
    assert case.exact.guarantee == "exact, independent" and not case.exact.missing
    check_z(case, case.exact, least=0.005)


def check_z(case: Case, found: Samples, least: float) -> None:
    """Within four standard errors, which are neither large nor next to nothing; and within the certain bounds."""
    certificate = found.certificate
    assert certificate.log_lower <= case.oracle.log_z <= certificate.log_upper + 1e-9
    assert least < certificate.relative_error < 0.2
    assert abs(math.expm1(certificate.log_z - case.oracle.log_z)) < 4 * certificate.relative_error


@every
def test_z_by_another_models_proposals(case: Case) -> None:
    """It proposes by the same law, flattened; so weights are bounded, if not by anything small."""
    flat = TableModel(lambda prefix: flattened(case.law(case.oracle.context(prefix))), len(TOKENS) + 2)
    found = case.sample("guard", 8, proposal=flat, pilot=150)
    check_z(case, found, least=0.02)


def flattened(law: Sequence[float]) -> list[float]:
    shares = np.array(law[: len(TOKENS)]) ** 0.8
    return [*((1 - sum(law[len(TOKENS) :])) * shares / shares.sum()), *law[len(TOKENS) :]]


@every
def test_exact_samples_have_the_targets_lengths(case: Case) -> None:
    found = [len(sample.tokens) - 1 for sample in case.exact]
    assert goodness_of_fit(found, lengths(case)) > ALPHA
    assert mean_is(found, sum(i * p for i, p in lengths(case).items())) > ALPHA


@every
def test_exact_samples_have_the_targets_tokens_at_every_place(case: Case) -> None:
    for place in PLACES:
        drawn = (token_at(sample.tokens, place) for sample in case.exact)
        assert goodness_of_fit(drawn, tokens_at(case, place)) > ALPHA, place


@every
def test_masking_has_other_lengths(case: Case) -> None:
    """The tests above can fail."""
    masked = [len(sample.tokens) - 1 for sample in case.masked]
    assert goodness_of_fit(masked, lengths(case)) < ALPHA


@every
def test_weights_give_the_targets_mean_length(case: Case) -> None:
    """``E[W (length - mean)] = 0`` for every draw of a masked walk, though they are too long or too short."""
    mean = sum(i * p for i, p in lengths(case).items())
    gaps = [math.exp(sample.log_weight) * (len(sample.tokens) - 1 - mean) for sample in case.masked]
    assert mean_is(gaps, 0.0) > ALPHA
    assert mean_is([float(len(sample.tokens) - 1) for sample in case.masked], mean) < ALPHA
