"""One AWRS step, by enumeration of all its outcomes: E[W 1{x}] = p(x) 1[x accepted] for every token x, exactly."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive.outcomes import FractionUrn, Moments, Script, SteeredUrn, moments

from constrain.sampling.methods import awrs
from constrain.sampling.methods.awrs import ESTIMATORS, ONE, Draws, Limits, Outcome, Program, Unit, awrs_step

NAMES = list(ESTIMATORS)
UNCAPPED = Limits()
Case = tuple[tuple[Fraction, ...], tuple[bool, ...]]


def case(masses: str, accepted: str) -> Case:
    return tuple(Fraction(mass) for mass in masses.split()), tuple(letter == "y" for letter in accepted)


OWN = {
    "peaked, accepted": case("7/8 1/16 1/32 1/32", "ynyn"),
    "peaked, rejected": case("7/8 1/16 1/32 1/32", "nyny"),
    "all": case("1/2 1/3 1/6", "yyy"),
    "none": case("1/2 1/3 1/6", "nnn"),
    "one of five": case("1/5 1/5 1/5 1/5 1/5", "nnynn"),
    "not normalised": case("5 3 2 7", "nyyn"),
    "zero masses": case("0 1/3 0 2/3", "ynyy"),
    "nothing at all": case("0 0", "yy"),
    "a single token": case("2/3", "y"),
    "faint": case("1 1/1000000 1/1000000000000", "nny"),
}


def limits_of(name: str, *, caps: Sequence[int | None] = (None, 1, 2, 3)) -> list[Limits]:
    """What can be enumerated: ``geometric`` (in which ``auto`` ends) has infinitely many outcomes without a cap."""
    if name == "two_loop":
        return [UNCAPPED]
    if name in ("geometric", "auto"):
        return [Limits(accepts, cap) for accepts in (2, 3) for cap in caps if cap is not None]
    return [Limits(2, cap) for cap in caps]


def restricted(masses: Sequence[Fraction], accepted: Sequence[bool]) -> list[Fraction]:
    return [mass * yes for mass, yes in zip(masses, accepted, strict=True)]


def unbiased(found: Moments, masses: Sequence[Fraction], accepted: Sequence[bool]) -> bool:
    return found.probability == 1 and found.weight == restricted(masses, accepted)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` changes its estimator after one reject, not eight, so that small cases see it."""
    monkeypatch.setattr(awrs, "PATIENCE", 1)


ALL = [pytest.param(name, limits, id=f"{name}-{limits}") for name in NAMES for limits in limits_of(name)]


@pytest.mark.parametrize("key", OWN)
@pytest.mark.parametrize(("name", "limits"), ALL)
def test_every_token_is_properly_weighted(name: str, limits: Limits, key: str) -> None:
    found = moments(*OWN[key], ESTIMATORS[name], limits)
    assert unbiased(found, *OWN[key])
    assert found.least > 0


@st.composite
def settings(draw: st.DrawFn) -> tuple[str, Limits, Case, list[int]]:
    name = draw(st.sampled_from(NAMES))
    limits = draw(st.sampled_from(limits_of(name)))
    tokens = draw(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), min_size=1, max_size=4))
    masses, accepted, asked = zip(*tokens, strict=True)
    known = [awrs.UNKNOWN if unknown else int(yes) for yes, unknown in zip(accepted, asked, strict=True)]
    return name, limits, (tuple(map(Fraction, masses)), accepted), known


@given(settings())
def test_random_masses_constraints_caps_and_known_verdicts(setting: tuple[str, Limits, Case, list[int]]) -> None:
    name, limits, (masses, accepted), known = setting
    found = moments(masses, accepted, ESTIMATORS[name], limits, known)
    assert unbiased(found, masses, accepted)
    assert found.least > 0


@given(settings())
def test_the_shipped_arithmetic_agrees_with_the_fractions(setting: tuple[str, Limits, Case, list[int]]) -> None:
    name, limits, (masses, accepted), known = setting
    exact = moments(masses, accepted, ESTIMATORS[name], limits, known)
    found = moments(masses, accepted, ESTIMATORS[name], limits, known, urn=SteeredUrn)
    assert found.weight == pytest.approx([float(weight) for weight in exact.weight], rel=1e-12, abs=0)
    assert float(found.square) == pytest.approx(float(exact.square), rel=1e-12)
    assert float(found.calls) == pytest.approx(float(exact.calls), rel=1e-12)


# --- The stored cases ----------------------------------------------------------------------------------------------


def stored(shared_data: Path) -> list[dict[str, Any]]:
    lines = (shared_data / "faithful/exact_awrs.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def read(record: dict[str, Any]) -> Case:
    masses = tuple(Fraction(mass) for mass in record["p"])
    return masses, tuple(index in record["valid"] for index in range(len(masses)))


@pytest.mark.parametrize("name", ["recursive", "two_loop"])
def test_stored_moments_and_calls(shared_data: Path, name: str) -> None:
    records = stored(shared_data)
    assert len(records) == 42
    for record in records:
        found = moments(*read(record), ESTIMATORS[name], UNCAPPED)
        assert unbiased(found, *read(record)), record["id"]
        assert float(found.square) == pytest.approx(record[name]["E_w2"], rel=1e-12), record["id"]
        assert float(found.calls) == pytest.approx(record[name]["expected_calls"], rel=1e-12), record["id"]


def negative_binomial(z: Fraction, cap: int) -> Fraction:
    """E[W^2] of two accepts or ``cap`` rejects, in draws with replacement that are accepted with probability z."""
    miss = 1 - z
    second_accept = sum((z**2 * miss**rejects / (rejects + 1) for rejects in range(cap)), Fraction(0))
    return second_accept + z * miss**cap / cap  # one accept, in any of the cap places before the last reject


def test_stored_moments_of_the_geometric_estimator(shared_data: Path) -> None:
    """Stored without a cap, phantoms integrated out: enumerated = closed form for each cap -> its limit = stored."""
    for record in stored(shared_data):
        z = Fraction(record["Z"])
        relvar = record["geometric_r2"]["relvar"]
        if z == 1:
            assert relvar == 0
            continue
        assert relvar == pytest.approx(-math.log(float(z)) / float(1 - z) - 1, rel=1e-6)
        for cap in (1, 2) if len(record["p"]) > 4 else (1, 2, 3):
            found = moments(*read(record), ESTIMATORS["geometric"], Limits(2, cap))
            assert unbiased(found, *read(record)), record["id"]
            assert found.square == negative_binomial(z, cap), record["id"]
        if z > Fraction(1, 5):
            rounded = Fraction(round(z * 10**6), 10**6)
            limit = float(negative_binomial(rounded, 150)) / float(rounded) ** 2 - 1
            assert limit == pytest.approx(relvar, rel=1e-3)


def test_stored_cases_in_the_shipped_arithmetic(shared_data: Path) -> None:
    for record in stored(shared_data):
        masses, accepted = read(record)
        for name in ("recursive", "roulette", "two_loop") if len(masses) < 6 else ("recursive",):
            found = moments(masses, accepted, ESTIMATORS[name], UNCAPPED, urn=SteeredUrn)
            expected = [float(mass) for mass in restricted(masses, accepted)]
            assert found.weight == pytest.approx(expected, rel=1e-11, abs=0), (record["id"], name)


# --- What the estimators promise -----------------------------------------------------------------------------------


class NoPhantoms(FractionUrn):
    """Without a cap phantoms are counted but cost no call: this gives the calls of ``geometric``, and no weight."""

    def phantoms(self, total: Fraction, limit: int | None) -> int:
        return 0


@given(settings())
def test_roulette_needs_no_more_calls_than_the_others(setting: tuple[str, Limits, Case, list[int]]) -> None:
    _, _, case_, known = setting
    calls = {name: moments(*case_, ESTIMATORS[name], UNCAPPED, known, urn=NoPhantoms).calls for name in NAMES}
    assert calls["roulette"] == min(calls.values())


@pytest.mark.parametrize("key", ["all", "one of five", "faint", "a single token"])
def test_the_recursive_weight_is_constant_where_all_or_one_are_accepted(key: str) -> None:
    found = moments(*OWN[key], ESTIMATORS["recursive"], UNCAPPED)
    assert found.square == sum(restricted(*OWN[key])) ** 2


@pytest.mark.parametrize("name", ["recursive", "roulette"])
def test_known_verdicts_make_the_weight_exact_and_cost_nothing(name: str) -> None:
    masses, accepted = OWN["not normalised"]
    found = moments(masses, accepted, ESTIMATORS[name], UNCAPPED, known=[int(yes) for yes in accepted])
    assert found.calls == 0
    assert found.square == Fraction(5) ** 2


def test_known_verdicts_never_add_variance() -> None:
    masses, accepted = OWN["peaked, rejected"]
    blind = moments(masses, accepted, ESTIMATORS["recursive"], UNCAPPED)
    for index, yes in enumerate(accepted):
        known = [int(yes) if index == other else awrs.UNKNOWN for other in range(len(masses))]
        assert moments(masses, accepted, ESTIMATORS["recursive"], UNCAPPED, known).square < blind.square


def test_more_accepts_mean_less_variance() -> None:
    squares = [moments(*OWN["not normalised"], ESTIMATORS["geometric"], Limits(r, 3)).square for r in (2, 3, 4)]
    assert squares == sorted(squares, reverse=True)
    assert squares[0] > squares[-1]


def test_a_cap_bounds_the_calls() -> None:
    masses, accepted = case("1/8 1/8 1/8 1/8 1/8 1/8 1/8 1/8", "nnnnnnny")
    for cap in (1, 2, 3):
        assert moments(masses, accepted, ESTIMATORS["recursive"], Limits(2, cap)).calls <= cap + 1


# --- Planted bugs: the identity finds each -------------------------------------------------------------------------


def given_to_another(draws: Draws[Any], program: Program, limits: Limits) -> Outcome[Any]:
    """The weights are right in total and belong to the wrong tokens."""
    outcome = awrs.recursive(draws, program, limits)
    if outcome.index is not None:
        accepted = [index for index in range(4) if OWN["not normalised"][1][index]]
        outcome.index = accepted[accepted.index(outcome.index) - 1]
    return outcome


def rejects_forgotten(draws: Draws[Any], program: Program, limits: Limits) -> Outcome[Any]:
    """Without the factors 1 - q of the rejects: the mass at the start in place of the mass at the accept."""
    total = draws.remaining()
    outcome = awrs.recursive(draws, program, limits)
    return Outcome(outcome.index, [(ONE, total)]) if outcome.index is not None else outcome


def no_second_look(draws: Draws[Any], program: Program, limits: Limits) -> Outcome[Any]:
    """The first accept's word for all the rest."""
    while (index := draws.pick()) is not None and not program(index):
        draws.drop([index])
    return Outcome() if index is None else Outcome(index, [(ONE, draws.remaining())])


class KeepsWhatItDrops(FractionUrn):
    """The accepted token is drawn again as its own second look."""

    def drop(self, indices: Any) -> None:
        if len(self.playing) == len(self.masses):
            return
        super().drop(indices)


class FairCoin(FractionUrn):
    def flip(self, heads: Fraction, tails: Fraction, odds: int) -> bool:
        return super().flip(Fraction(1), Fraction(1), 1)


class SinglePrecision(SteeredUrn):
    def remaining(self) -> float:
        return float(np.float32(super().remaining()))


class UniformDraws(FractionUrn):
    """Next comes any token left, whatever its mass."""

    def pick(self) -> int | None:
        return self.script.choose([(index, Fraction(1, len(self.playing))) for index in self.playing])


def test_planted_bugs_in_the_estimators_are_found() -> None:
    for bug in (given_to_another, rejects_forgotten, no_second_look):
        found = moments(*OWN["not normalised"], bug, UNCAPPED)
        assert found.probability == 1
        assert not unbiased(found, *OWN["not normalised"]), bug.__name__
    swapped = moments(*OWN["not normalised"], given_to_another, UNCAPPED)
    assert sum(swapped.weight) == 5, "the total alone does not find it"


@pytest.mark.parametrize(
    ("urn", "name", "limits"),
    [
        (KeepsWhatItDrops, "recursive", Limits(2, 3)),
        (FairCoin, "roulette", UNCAPPED),
        (NoPhantoms, "geometric", Limits(2, 3)),
        (UniformDraws, "recursive", UNCAPPED),
        (UniformDraws, "two_loop", UNCAPPED),
    ],
)
def test_planted_bugs_in_the_draws_are_found(
    urn: Callable[[Sequence[Fraction], Script], FractionUrn], name: str, limits: Limits
) -> None:
    assert not unbiased(moments(*OWN["not normalised"], ESTIMATORS[name], limits, urn=urn), *OWN["not normalised"])


def test_sums_in_single_precision_are_found() -> None:
    masses, accepted = OWN["one of five"]
    for urn, right in ((SteeredUrn, True), (SinglePrecision, False)):
        weight = moments(masses, accepted, ESTIMATORS["two_loop"], UNCAPPED, urn=urn).weight
        assert (weight == pytest.approx([0, 0, 0.2, 0, 0], rel=1e-12, abs=0)) is right


def test_a_second_look_at_the_last_reject_would_be_biased(monkeypatch: pytest.MonkeyPatch) -> None:
    first_accept = awrs._first_accept
    monkeypatch.setattr(awrs, "_first_accept", lambda *given: (first_accept(*given)[0], 0))
    found = moments(*OWN["not normalised"], ESTIMATORS["recursive"], Limits(2, 2))
    assert not unbiased(found, *OWN["not normalised"])


# --- Real randomness, real numbers ---------------------------------------------------------------------------------

ZIPF = np.log(np.array([64, 32, 16, 8, 4, 2, 1]) / 127.0)
ODD = [True, False, True, False, True, False, True]
SIGMAS = 6.0  # two-sided 2e-9, for some fifty looks: below 1e-6 in all


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("recursive", {}),
        ("recursive", {"max_rejects": 2}),
        ("roulette", {}),
        ("geometric", {}),
        ("geometric", {"accepts": 4}),
        ("auto", {}),
        ("auto", {"accepts": 3, "max_rejects": 6}),
        ("two_loop", {}),
    ],
)
def test_simulated_weights(name: str, options: dict[str, int]) -> None:
    rng = np.random.default_rng(1)
    units = [awrs_step(ZIPF, ODD.__getitem__, rng, estimator=name, **options) for _ in range(8000)]
    weights = np.exp([unit.log_weight for unit in units])
    for token in range(len(ODD)):
        values = weights * [unit.index == token for unit in units]
        error = values.std() / math.sqrt(len(values))
        assert abs(values.mean() - math.exp(ZIPF[token]) * ODD[token]) <= SIGMAS * error
    if (name, options) == ("geometric", {}):  # uncapped: the second moment of -ln(Z) / (1 - Z) - 1
        z = 85 / 127
        squares = weights**2
        error = squares.std() / math.sqrt(len(squares))
        assert abs(squares.mean() - z * z * -math.log(z) / (1 - z)) <= SIGMAS * error


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("depth", [30.0, 700.0, 4000.0])
def test_what_is_accepted_may_be_very_improbable(name: str, depth: float) -> None:
    """Rejected mass that rounds to one: a weight, and not zero, where another library gives the token up."""
    log_p = np.array([0.0, -depth, -2 * depth])
    unit = awrs_step(log_p, lambda index: index == 2, np.random.default_rng(3), estimator=name)
    assert (unit.index, unit.calls) == (2, 3)
    assert math.isfinite(unit.log_weight)
    if name == "recursive":
        assert unit.log_weight == pytest.approx(-2 * depth, rel=1e-12)
    if name == "two_loop":
        assert unit.log_weight == pytest.approx(-2 * depth - math.log(3), rel=1e-12)


def test_a_vocabulary_that_underflows() -> None:
    log_p = np.concatenate([[0.0], -745.0 - 40.0 * np.arange(181.0)])
    for name in NAMES:
        unit = awrs_step(log_p, lambda index: index == 181, np.random.default_rng(5), estimator=name)
        assert (unit.index, unit.calls) == (181, 182)
        assert math.isfinite(unit.log_weight)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_accepted_gives_no_token_and_no_weight(name: str) -> None:
    unit = awrs_step(ZIPF, lambda index: False, np.random.default_rng(0), estimator=name)
    assert unit == Unit(None, -math.inf, 7)
    assert awrs_step(np.full(3, -np.inf), lambda index: True, np.random.default_rng(0)) == Unit(None, -math.inf, 0)


@pytest.mark.parametrize("name", NAMES)
def test_no_token_is_asked_twice_nor_one_that_is_known(name: str) -> None:
    known = np.array([1, -1, -1, 0, -1, -1, 1], np.int8)
    before = ZIPF.copy()
    for seed in range(50):
        asked: list[int] = []

        def ok(index: int, asked: list[int] = asked) -> bool:
            asked.append(index)
            return ODD[index]

        unit = awrs_step(ZIPF, ok, np.random.default_rng(seed), estimator=name, known=known)
        assert unit.calls == len(asked) == len(set(asked))
        assert not {0, 3, 6} & set(asked)
        assert type(unit.index) is int
    assert np.array_equal(before, ZIPF)


def test_the_seed_decides() -> None:
    def step(seed: int) -> Unit:
        return awrs_step(ZIPF, ODD.__getitem__, np.random.default_rng(seed), estimator="geometric")

    assert [step(seed) for seed in range(20)] == [step(seed) for seed in range(20)]
    assert len({step(seed) for seed in range(20)}) > 3


@pytest.mark.parametrize(
    ("log_p", "options", "message"),
    [
        (ZIPF.astype(np.float32), {}, "float64 vector"),
        (ZIPF[None], {}, "float64 vector"),
        (np.array([0.0, np.nan]), {}, "NaN"),
        (np.array([0.0, np.inf]), {}, "inf"),
        (ZIPF, {"known": np.zeros(3, np.int8)}, "known must be int8"),
        (ZIPF, {"known": np.zeros(7, np.int64)}, "known must be int8"),
        (ZIPF, {"estimator": "clever"}, "no estimator is called 'clever'; there are recursive"),
        (ZIPF, {"accepts": 1}, "at least 2"),
        (ZIPF, {"accepts": 3}, "only 'geometric'"),
        (ZIPF, {"max_rejects": 0}, "at least 1"),
        (ZIPF, {"max_rejects": 5, "estimator": "two_loop"}, "not for 'two_loop'"),
    ],
)
def test_wrong_arguments(log_p: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        awrs_step(log_p, lambda index: True, np.random.default_rng(0), **options)
