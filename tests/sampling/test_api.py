"""``constrain.sample`` through transformers: a tiny Llama in float64, its texts counted out by plain forward passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from enumerable import Ids, World
from problems import mean_of, members, properly_weighted, weighted
from significance import ALPHA, goodness_of_fit, mean_is, same_law
from tiny_causal import PROMPT, SHAPE, Oracle
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

import constrain
from constrain.sampling.api import METHODS
from constrain.sampling.lm.causal import CausalModel
from constrain.sampling.lm.model import Laws, Request
from constrain.sampling.results import Samples
from constrain.sampling.trie import Trie
from constrain.sampling.walk import Descent
from constrain.tokens.pushdown import PushdownAutomaton

TEXTS = (b"a", b"b", b"ab", b"c", b"1", b"2", b"x", b"=", b";", b"ba")  # and two ends
PATTERN = r"a?[12]+c?|(ab)+|[ab]{2,3}c*"
LONG = r"(ab|c){3,}"
FORCED = r"x=(1|2c?);"
CAP = 4
ELSEWHERE = (2, 7, 1, 8)  # another prompt
Warpers = tuple[Any, ...]


@cache
def llama() -> Any:
    torch.manual_seed(5)
    fields = {"vocab_size": len(TEXTS) + 2, "eos_token_id": [10, 11], "initializer_range": 0.15}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SHAPE | fields)).eval().double()


@cache
def oracle(prompt: Ids) -> Oracle:
    return Oracle(llama(), prompt)


@cache
def world(pattern: str = PATTERN, cap: int = CAP, prompt: Ids = PROMPT, warpers: Warpers = ()) -> World:
    """What is wanted, by enumeration; laws are warped by transformers' own functions."""

    @cache
    def law(prefix: Ids) -> Sequence[Fraction]:
        scores = torch.tensor(oracle(prompt).law(prefix))[None]
        for warper in warpers:
            scores = warper(None, scores)
        return [Fraction(p) for p in scores[0].softmax(-1).tolist()]

    return World(pattern, TEXTS, pattern, cap, law, ends=2)


@cache
def compiled(pattern: str) -> PushdownAutomaton:
    return PushdownAutomaton(constrain.regex(pattern), world().vocabulary())


def sampler(pattern: str = PATTERN, cap: int = CAP, **options: Any) -> constrain.Sampler:
    return constrain.Sampler(llama(), world().vocabulary(), PROMPT, compiled(pattern), max_tokens=cap, **options)


class Remembered:
    """A model's laws, each computed once: for tests that begin with nothing known hundreds of times."""

    def __init__(self, model: CausalModel) -> None:
        self.model, self.width, self.key, self.usage = model, model.width, model.key, model.usage
        self._rows: dict[Request, Laws] = {}

    def laws(self, requests: Sequence[Request]) -> list[Laws]:
        missing = [request for request in dict.fromkeys(requests) if request not in self._rows]
        self._rows |= zip(missing, self.model.laws(missing), strict=True)
        return [self._rows[request].copy() for request in requests]


@cache
def remembered() -> Remembered:
    return Remembered(CausalModel(llama(), PROMPT))


def afresh(runs: int, n: int, method: str, predicate: Any = None, **options: Any) -> Iterator[Samples]:
    """Calls that begin with nothing known, one for each seed."""
    known = constrain.Sampler(
        remembered(), world().vocabulary(), None, compiled(PATTERN), max_tokens=CAP, predicate=predicate
    )
    for seed in range(runs):
        known.trie = Trie(known.model, known.trie.target)
        yield known.sample(n, method=method, seed=seed, **options)


def floats(law: Any) -> dict[Ids, float]:
    return {ids: float(p) for ids, p in law.items() if p}


def weights(samples: Samples, drawn: int) -> list[dict[Ids, float]]:
    """The weight of each draw, those that found nothing included."""
    found = [{sample.tokens[:-1]: math.exp(sample.log_weight)} for sample in samples]
    return found + [{}] * (drawn - len(found))


def brackets(samples: Samples, wanted: World) -> bool:
    """Is Z where the certificate says that it certainly is?"""
    certificate = samples.certificate
    return certificate.log_lower - 1e-9 <= math.log(wanted.z) <= certificate.log_upper + 1e-9


def test_the_world_is_difficult_enough() -> None:
    wanted = world()
    assert 0.02 < wanted.z < 0.5 and wanted.relative_variance > Fraction(1, 2)
    assert sum(wanted.gcd.values()) == pytest.approx(1.0)  # masks know the cap: no draw dies
    assert len(wanted.texts(wanted.target)) < len(wanted.target)  # some texts in several spellings
    assert goodness_of_fit(members(sampler().sample(2000, method="mask")), floats(wanted.target)) < ALPHA


# ---- what each method promises ------------------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [1, 8])
def test_exact_samples_follow_the_target(slots: int) -> None:
    found = sampler().sample(2000, method="exact", slots=slots, seed=slots)
    assert found.guarantee == "exact, independent" and not found.missing and not any(each.log_weight for each in found)
    assert goodness_of_fit(members(found), floats(world().target)) > ALPHA
    assert goodness_of_fit(members(found)[:400], floats(world().target)) > ALPHA  # drawn when little was known
    assert brackets(found, world())


def test_exact_samples_have_one_law_however_many_slots() -> None:
    alone, together = (sampler().sample(1000, method="exact", slots=slots, seed=3) for slots in (1, 8))
    assert same_law(members(alone), members(together)) > ALPHA


WEIGHTED: list[tuple[str, dict[str, Any]]] = [
    ("mask", {}), ("asap", {}), ("asap", {"defensive": True}), ("importance", {}), ("awrs", {}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "options"), WEIGHTED, ids=str)
def test_weighted_draws_are_proper(method: str, options: dict[str, Any]) -> None:
    found = sampler().sample(1500, method=method, seed=4, **options)
    assert found.guarantee == "properly weighted"
    assert properly_weighted(weights(found, 1500), world().mass) > ALPHA
    certificate = found.certificate
    assert certificate.unbiased and brackets(found, world())
    assert abs(certificate.probability / float(world().z) - 1) < 5 * certificate.relative_error < 0.5


@pytest.mark.parametrize(("method", "options"), WEIGHTED, ids=str)
def test_first_second_and_fifth_draws_are_proper(method: str, options: dict[str, Any]) -> None:
    runs = list(afresh(250, 5, method, slots=1, **options))
    assert all(len(run) == 5 for run in runs)
    for number in (0, 1, 4):
        drawn = [{run[number].tokens[:-1]: math.exp(run[number].log_weight)} for run in runs]
        assert properly_weighted(drawn, world().mass) > ALPHA
        assert mean_of((run[number].log_weight for run in runs), world().z) > ALPHA


@pytest.mark.parametrize("n", [1, 2, 5])
def test_acceptances_of_few_exact_samples_are_unbiased(n: int) -> None:
    runs = list(afresh(250, n, "exact", slots=2))
    assert mean_of((run.facts["log_z_unbiased"] for run in runs), world().z) > ALPHA


def test_the_first_and_the_fifth_exact_sample_follow_the_target() -> None:
    runs = list(afresh(250, 5, "exact", slots=2))
    for number in (0, 4):
        assert goodness_of_fit((members(run)[number] for run in runs), floats(world().target)) > ALPHA


PARTICLES: list[dict[str, Any]] = [{}, {"twist": "trie"}, {"ess": 1.0, "resampling": "systematic"}]


@pytest.mark.parametrize("options", PARTICLES, ids=str)
def test_particles_are_proper(options: dict[str, Any]) -> None:
    runs = list(afresh(250, 6, "smc", particles=6, **options))
    assert properly_weighted((weighted(run, 6) for run in runs), world().mass) > ALPHA
    assert mean_of((run.certificate.log_z for run in runs), world().z) > ALPHA
    assert all(brackets(run, world()) for run in runs)


def test_many_particles_through_the_model() -> None:
    found = sampler().sample(2000, method="smc", seed=2)
    assert abs(found.certificate.probability / float(world().z) - 1) < 5 * found.certificate.relative_error < 0.5
    assert goodness_of_fit((each.tokens[:-1] for each in found.resample(300)), floats(world().target)) > ALPHA


@pytest.mark.parametrize("proposal", ["uniform", "priority", "restart"])
def test_chains_come_to_the_target(proposal: str) -> None:
    known = sampler()
    found = known.sample(300, method="mcmc", steps=25, proposal=proposal)
    assert found.guarantee == "asymptotic" and brackets(found, world())
    assert goodness_of_fit(members(found), floats(world().target)) > ALPHA
    begun = known.sample(300, method="mcmc", steps=0, proposal=proposal)
    assert goodness_of_fit(members(begun), floats(world().target)) < ALPHA


def test_guard_with_a_bound_is_exact() -> None:
    masses, proposals = (
        with_ends(world(), world().mass),
        with_ends(world(prompt=ELSEWHERE), world(prompt=ELSEWHERE).gcd),
    )
    bound = max(mass / proposals[tokens] for tokens, mass in masses.items())
    proposal = (llama(), world().vocabulary(), ELSEWHERE)
    found = sampler().sample(150, method="guard", proposal=proposal, beta=bound)
    assert found.guarantee == "exact, independent" and not found.missing and brackets(found, world())
    assert goodness_of_fit(members(found), floats(world().target)) > ALPHA
    other = sampler().sample(150, method="guard", proposal=proposal, beta=bound / 4)
    assert other.guarantee == "asymptotic" and "is no bound" in other.notes[0]
    clipped = {tokens: min(mass, bound / 4 * proposals[tokens]) for tokens, mass in masses.items()}
    law = {tokens: mass / sum(clipped.values()) for tokens, mass in clipped.items()}
    assert goodness_of_fit((sample.tokens for sample in other), law) > ALPHA


def with_ends(wanted: World, law: Any) -> dict[Ids, float]:
    """A law of members, of which two ends each has, too."""
    return {
        (*ids, end): float(p * wanted.law(ids)[end] / wanted.end(ids)) for ids, p in law.items() for end in wanted.eos
    }


def test_auto_is_exact_where_the_budget_allows_and_weighted_where_not() -> None:
    rich, poor = sampler().sample(1000, seed=5), sampler().sample(1000, budget=1000, seed=5)
    assert (rich.method, rich.guarantee) == ("exact", "exact, independent")
    assert goodness_of_fit(members(rich), floats(world().target)) > ALPHA
    assert poor.method in ("importance", "smc") and poor.guarantee == "properly weighted"
    assert abs(poor.certificate.probability / float(world().z) - 1) < 5 * poor.certificate.relative_error < 0.5
    assert all("draws to begin with" in found.notes[0] for found in (rich, poor))


def test_every_method_is_shown_here() -> None:
    assert set(METHODS) == {*(method for method, _ in WEIGHTED), "exact", "smc", "mcmc", "guard", "auto"}


# ---- batched is unbatched -----------------------------------------------------------------------------------------


def test_masked_draws_are_the_same_in_any_number_of_slots() -> None:
    alone, together = (sampler().sample(300, method="mask", slots=slots, seed=6) for slots in (1, 8))
    assert members(alone) == members(together)
    for name in ("log_p", "log_weight", "log_mask"):
        assert [getattr(s, name) for s in alone] == pytest.approx([getattr(s, name) for s in together], abs=1e-12)
    assert members(sampler().sample(300, method="mask", seed=7)) != members(alone)


@pytest.mark.parametrize("slots", [1, 8])
def test_laws_in_the_trie_are_those_of_plain_passes(slots: int) -> None:
    known = sampler()
    known.sample(200, method="exact", slots=slots)
    nodes = [node for node in known.trie.nodes() if node.law is not None]
    assert len(nodes) > 30
    for node in nodes:
        assert np.abs(node.law.log_p - oracle(PROMPT).law(node.tokens())[node.law.ids]).max() < 1e-12


def test_weights_and_probabilities_are_those_of_a_full_pass() -> None:
    """One pass over the whole text; the mask's law by enumeration."""
    for sample in sampler().sample(100, method="importance"):
        ids = sample.tokens[:-1]
        assert sample.text.encode() == world().text(ids)
        assert sample.log_p == pytest.approx(full_pass(sample.tokens).sum(), abs=1e-11)
        end = full_pass(sample.tokens)[-1] - math.log(sum(world().law(ids)[-2:]))  # of two, which one
        assert sample.log_mask == pytest.approx(math.log(world().gcd[ids]) + end, abs=1e-11)


def full_pass(tokens: Ids) -> np.ndarray:
    """Log probabilities of the tokens behind the prompt."""
    with torch.inference_mode():
        laws = llama()(input_ids=torch.tensor([[*PROMPT, *tokens]])).logits[0].log_softmax(-1)
    return laws[len(PROMPT) - 1 : -1].gather(1, torch.tensor(tokens)[:, None])[:, 0].numpy()


# ---- honest targets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["mask", "exact", "smc", "awrs", "importance"])
def test_forced_tokens_keep_their_probability(method: str) -> None:
    wanted = world(FORCED)
    found = sampler(FORCED).sample(50, method=method)
    for sample in found:
        steps = full_pass(sample.tokens)
        assert sample.log_p == pytest.approx(steps.sum(), abs=1e-11)
        assert steps[:2].sum() < -1.0  # two tokens are forced, and the model is not sure of them
    if method == "mask":  # the mask is sure of them, and that is in the weights
        assert all(sample.log_weight < full_pass(sample.tokens)[:2].sum() + 1e-9 for sample in found)
    assert brackets(found, wanted)
    error = found.certificate.relative_error
    assert abs(found.certificate.probability / float(wanted.z) - 1) < max(5 * error, 1e-9)


WARPED: list[tuple[dict[str, Any], Warpers]] = [
    ({"temperature": 0.6}, (TemperatureLogitsWarper(0.6),)),
    ({"temperature": 2.5}, (TemperatureLogitsWarper(2.5),)),
    ({"top_k": 6}, (TopKLogitsWarper(6),)),
    ({"top_p": 0.9}, (TopPLogitsWarper(0.9),)),
    (
        {"temperature": 1.5, "top_k": 8, "top_p": 0.95},
        (TemperatureLogitsWarper(1.5), TopKLogitsWarper(8), TopPLogitsWarper(0.95)),
    ),
]


@pytest.mark.parametrize(
    ("options", "warpers"), WARPED, ids=lambda value: str(value) if isinstance(value, dict) else "-"
)
def test_warping_changes_the_target_and_nothing_else(options: dict[str, Any], warpers: Warpers) -> None:
    wanted = world(warpers=warpers)
    known = sampler(**options)
    found = known.sample(1500, method="exact")
    assert goodness_of_fit(members(found), floats(wanted.target)) > ALPHA
    assert goodness_of_fit(members(found), floats(world().target)) < ALPHA
    masked = sampler(**options).sample(1500, method="mask")
    assert properly_weighted(weights(masked, 1500), wanted.mass) > ALPHA
    assert brackets(found, wanted) and brackets(masked, wanted)


class Wants:
    """No "bab" anywhere, and no "b" at the end."""

    PATTERN = rf"(?!.*bab)(?!.*b$)(?:{PATTERN})"  # the same for ``re``

    def prefix_ok(self, text: bytes) -> bool:
        return b"bab" not in text

    def complete_ok(self, text: bytes) -> bool:
        return self.prefix_ok(text) and not text.endswith(b"b")


def test_a_program_decides_about_what_the_grammar_allows() -> None:
    wanted = world(Wants.PATTERN)
    assert 0 < len(wanted.members) < len(world().members)
    found = sampler(predicate=Wants()).sample(1500, method="exact")
    assert goodness_of_fit(members(found), floats(wanted.target)) > ALPHA
    assert goodness_of_fit(members(found), floats(world().target)) < ALPHA
    assert brackets(found, wanted)


@pytest.mark.parametrize(
    ("method", "options"), [*WEIGHTED, ("smc", {"particles": 5}), ("awrs", {"estimator": "geometric"})], ids=str
)
def test_weights_under_grammar_and_program_are_proper(method: str, options: dict[str, Any]) -> None:
    wanted = world(Wants.PATTERN)
    runs = list(afresh(200, 5, method, Wants(), slots=2, **options))
    assert properly_weighted((weighted(run, 5) for run in runs), wanted.mass) > ALPHA
    assert mean_of((run.certificate.log_z for run in runs), wanted.z) > ALPHA
    assert all(brackets(run, wanted) for run in runs)


def test_the_cap_is_part_of_the_target() -> None:
    short, long = (sampler(LONG, cap).sample(1000, method="exact") for cap in (3, 5))
    assert goodness_of_fit(members(short), floats(world(LONG, 3).target)) > ALPHA
    assert goodness_of_fit(members(long), floats(world(LONG, 5).target)) > ALPHA
    assert same_law(members(short), members(long)) < ALPHA
    assert brackets(short, world(LONG, 3)) and brackets(long, world(LONG, 5))
    assert max(map(len, members(short))) == 3


def test_dead_ends_are_rejections() -> None:
    """With its five likeliest tokens only, the model sometimes has none that the mask allows."""
    options, wanted = {"top_k": 5}, world(warpers=(TopKLogitsWarper(5),))
    alive = float(sum(wanted.gcd.values()))
    assert 0.05 < alive < 0.95
    masked = sampler(**options).sample(1000, method="mask")
    assert set(members(masked)) <= set(wanted.target)
    assert mean_is([1.0] * len(masked) + [0.0] * masked.missing, alive) > ALPHA
    assert properly_weighted(weights(masked, 1000), wanted.mass) > ALPHA
    found = sampler(**options).sample(1000, method="exact")
    assert not found.missing and brackets(found, wanted)
    assert goodness_of_fit(members(found), floats(wanted.target)) > ALPHA


NESTED = 'root ::= "a" root "b" | "1" root "2" | "c"'  # states without end: masks that do not know the cap
TWO_DEEP = "c|acb|1c2|aacbb|a1c2b|1acb2|11c22"


def test_what_reaches_the_cap_is_no_text() -> None:
    wanted = world(TWO_DEEP, 5)
    make: Callable[[], constrain.Sampler] = lambda: constrain.Sampler(  # noqa: E731
        llama(), world().vocabulary(), PROMPT, constrain.gbnf(NESTED), max_tokens=5
    )
    masked = make().sample(1500, method="mask")
    assert masked.missing > 100 and set(members(masked)) <= set(wanted.members)
    assert properly_weighted(weights(masked, 1500), wanted.mass) > ALPHA
    found = make().sample(800, method="exact")
    assert goodness_of_fit(members(found), floats(wanted.target)) > ALPHA
    assert brackets(masked, wanted) and brackets(found, wanted)


# ---- certificates and costs ---------------------------------------------------------------------------------------


def test_the_bracket_closes_on_z() -> None:
    known = sampler(cap=3)
    found = known.sample(4000, method="mask", seed=1)
    certificate = found.certificate
    assert brackets(found, world(cap=3))
    seen = {sample.tokens: sample.log_p for sample in found}  # with which of two ends, too
    assert certificate.log_lower == pytest.approx(math.log(math.fsum(map(math.exp, seen.values()))), abs=1e-12)
    assert certificate.log_upper - certificate.log_lower < 0.01
    assert len(found) == certificate.attempts == 4000


def test_the_probability_is_that_of_the_model_alone() -> None:
    """``generate()`` without a grammar: as many of its texts are wanted as the certificate says."""
    with torch.random.fork_rng():
        torch.manual_seed(8)
        rows = llama().generate(
            torch.tensor([PROMPT]), do_sample=True, top_k=0, max_new_tokens=CAP + 1, num_return_sequences=2000
        )
    wanted = {(*ids, end) for ids in world().members for end in world().eos}
    cut = [
        row[: next((i for i, token in enumerate(row, 1) if token in world().eos), None)] for row in rows[:, 6:].tolist()
    ]
    written = [float(tuple(ids) in wanted) for ids in cut]
    assert mean_is(written, float(world().z)) > ALPHA
    exact = sampler().sample(2000, method="exact").certificate
    assert abs(exact.probability / float(world().z) - 1) < 5 * exact.relative_error < 0.5
    assert mean_is(written, exact.probability) > ALPHA


@pytest.mark.parametrize("slots", [1, 8])
def test_each_prefix_is_read_once(slots: int) -> None:
    known = sampler()
    streams = [np.random.default_rng([9, i]) for i in range(300)]
    draws = list(Descent(known.trie, "exact", 300, streams.__getitem__, slots))
    read = [node for node in known.trie.nodes() if node.parent and (node.law or node.foreseen)]
    assert known.model.usage.tokens == len(PROMPT) + len(read)
    again = sum(len(PROMPT) + len(draw.tokens) for draw in draws)  # had each attempt been generated by itself
    assert 10 * known.model.usage.tokens < again
    before = known.model.usage.copy()
    found = known.sample(5, method="mask", seed=1)
    assert found.certificate.tokens == known.model.usage.since(before).tokens < 5 * (CAP + len(PROMPT))


def test_samples_say_what_they_cost() -> None:
    known = sampler()
    first, second = known.sample(200, method="exact"), known.sample(200, method="exact", seed=1)
    assert first.certificate.tokens + second.certificate.tokens == known.model.usage.tokens
    assert second.certificate.tokens < first.certificate.tokens
    assert first.certificate.calls >= CAP and first.certificate.attempts > second.certificate.attempts >= 200
    assert goodness_of_fit(members(second) + members(first), floats(world().target)) > ALPHA


# ---- arguments ----------------------------------------------------------------------------------------------------


def test_arguments_that_make_no_sense_are_refused() -> None:
    known, vocabulary = sampler(), world().vocabulary()
    for wrong in ({"method": "best"}, {"n": 0}, {"slots": 0}, {"budget": 0}):
        with pytest.raises(ValueError):
            known.sample(**wrong)
    with pytest.raises(ValueError, match="prompt"):
        constrain.sample(llama(), vocabulary, None, compiled(PATTERN))
    with pytest.raises(ValueError, match="prompt=None"):
        constrain.sample(remembered(), vocabulary, PROMPT, compiled(PATTERN))
    with pytest.raises(ValueError, match="another vocabulary"):
        constrain.sample(llama(), constrain.Vocabulary([*TEXTS, None], [10]), PROMPT, compiled(PATTERN))
