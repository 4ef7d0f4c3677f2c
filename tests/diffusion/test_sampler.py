"""Every sampler, whatever the denoiser wants, fills the canvas with a text of the language."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusion.tiny_denoisers import (
    END,
    ENDING,
    FACTS,
    MASK,
    PAD,
    VOCABULARY,
    V,
    adversary,
    canvas,
    constant,
    contextual,
    is_valid,
)
from naive.brute_canvas import BruteCanvas
from sampling.significance import ALPHA, goodness_of_fit

from constrain.canvas.base import OPEN, NotCompletable
from constrain.diffusion.denoiser import Denoiser
from constrain.diffusion.free import FreeCanvas
from constrain.diffusion.options import Options
from constrain.diffusion.sampler import Sampler, State
from constrain.errors import ConstrainError, LimitExceeded, VocabularyError

LANGUAGES = ["pairs", "brackets", "same"]
WAYS: dict[str, dict[str, Any]] = {
    "one": {},
    "four": {"tokens": 4},
    "eight": {"tokens": 8},
    "steps": {"steps": 3},
    "blocks": {"block_length": 2, "steps": 5},
    "threshold": {"threshold": 0.4},
    "random": {"confidence": "random", "tokens": 2},
    "entropy": {"confidence": "entropy", "tokens": 2, "alg_temp": 0.5},
    "margin": {"confidence": "margin", "tokens": 3},
    "hot": {"temperature": 1.5, "tokens": 2, "top_k": 4, "top_p": 0.9},
    "waiting": {"refused": "wait", "tokens": 2},
    "waiting_hot": {"refused": "wait", "tokens": 2, "temperature": 1.0, "confidence": "entropy"},
    "trying": {"tokens": 4, "tries": 8},
    "trying_hot": {"tokens": 4, "tries": 8, "temperature": 1.0},
    "mask": {"propose": "mask", "tokens": 4},
    "marginals": {"propose": "marginals", "tokens": 4, "temperature": 1.0},
    "joint": {"propose": "joint", "tokens": 4},
    "impatient": {"patience": 0.0, "tokens": 4},
    "impatient_steps": {"patience": 0.0, "steps": 2},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_the_model_wants_the_text_is_valid(language: str, way: str) -> None:
    for n in (3, 6):
        for seed in range(2):
            for denoiser in (contextual(seed), adversary(language)):
                sampler = Sampler(denoiser, [], Options(**WAYS[way]))
                got = sampler.run(canvas(language, n), seed)
                assert is_valid(language, got.ids)
                assert got.text.encode() == VOCABULARY.decode([i for i in got.ids if i < END])
                assert got.tally.calls == got.steps <= n


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_end_can_be_required(language: str) -> None:
    got = Sampler(contextual(5), []).run(canvas(language, 5, required=True))
    assert END in got.ids and is_valid(language, got.ids)


def test_every_state_on_the_way_can_be_completed_and_only_grows() -> None:
    states: list[State] = []
    Sampler(contextual(2), [3, 1], Options(tokens=2)).run(canvas("brackets", 6), 7, states.append)
    assert states[0].ids.tolist() == [OPEN] * 6 and states[-1].finished
    for before, after in itertools.pairwise(states):
        assert isinstance(after.canvas, BruteCanvas) and after.canvas.completions
        decided = before.ids != OPEN
        assert (after.ids[decided] == before.ids[decided]).all()


def test_a_step_is_a_function_of_the_state() -> None:
    sampler = Sampler(contextual(3), [], Options(temperature=1.0, tokens=2, alg_temp=1.0))
    state = sampler.step(sampler.init(canvas("brackets", 6), 11))
    first, second = sampler.step(state), sampler.step(state)
    assert first.ids.tolist() == second.ids.tolist() and first.step == 2
    assert sampler.run(canvas("brackets", 6), 4).ids == sampler.run(canvas("brackets", 6), 4).ids


# --- What the model wants and may have, it gets -----------------------------------------------------------------------


def spelling(ids: list[int]) -> Denoiser:
    """Wants these ids, place by place, the earlier the surer."""
    logits = torch.zeros(len(ids), V)
    logits[torch.arange(len(ids)), ids] = torch.linspace(9, 5, len(ids))
    return Denoiser(lambda given: logits.expand(given.shape[0], -1, -1), FACTS)


@pytest.mark.parametrize("way", ["one", "eight", "blocks", "threshold", "waiting", "mask", "joint", "marginals"])
def test_a_valid_wish_is_fulfilled(way: str) -> None:
    wish = [0, 1, 2, 5, END, PAD]  # a b ab c
    got = Sampler(spelling(wish), [], Options(**{**WAYS[way], "temperature": 0.0})).run(canvas("pairs", 6))
    assert list(got.ids) == wish and got.text == "ababc"
    assert got.tally.rejections == got.tally.certificate == 0


def test_tokens_that_do_not_go_together_are_not_committed_together() -> None:
    """Both slots want their own: the surer one is granted, the other gets the best of what is left for it."""
    row = [[0.0] * V for _ in range(3)]
    row[0][0], row[1][1], row[2][5] = 8.0, 6.0, 4.0  # a, b, c: but text is a*c or b*c
    logits = torch.tensor(row)
    got = Sampler(Denoiser(lambda ids: logits[None], FACTS), [], Options(tokens=3)).run(canvas("same", 3))
    assert got.text == "aac" and got.tally.rejections == 1 and got.tally.proposals == 3


def test_waiting_is_in_the_order_of_what_is_left_to_say() -> None:
    """Slot 0 is sure of what it cannot have, and of little else: slot 1, less sure, goes first and decides."""
    row = [[0.0] * V for _ in range(3)]
    row[0][3], row[0][1], row[1][0], row[2][5] = 9.0, 1.0, 5.0, 3.0  # "(" is refused, then b; a; c
    denoiser = Denoiser(lambda ids: torch.tensor(row)[None], FACTS)
    assert Sampler(denoiser, [], Options(refused="replace")).run(canvas("same", 3)).text == "bbc"
    assert Sampler(denoiser, [], Options(refused="wait")).run(canvas("same", 3)).text == "aac"


def test_the_best_joint_filling() -> None:
    """The greedy way ends elsewhere: two slots want b a little more than one wants a very much."""
    row = [[0.0] * V for _ in range(4)]
    row[0][0] = 3.0
    for place in (1, 2):
        row[place][1] = 2.5
    row[3][5] = 9.0
    denoiser = Denoiser(lambda ids: torch.tensor(row)[None], FACTS)
    assert Sampler(denoiser, [], Options(tokens=4)).run(canvas("same", 4)).text == "aaac"
    assert Sampler(denoiser, [], Options(tokens=4, propose="joint")).run(canvas("same", 4)).text == "bbbc"


@pytest.mark.parametrize("language", LANGUAGES)
def test_how_many_are_tried_makes_no_difference(language: str) -> None:
    for seed in range(4):
        texts = {
            Sampler(contextual(seed), [], Options(tokens=2, tries=tries)).run(canvas(language, 6)).ids
            for tries in (0, 2, 20)
        }
        assert len(texts) == 1


@pytest.mark.parametrize("tries", [0, 3])
def test_what_replaces_a_refused_draw_is_drawn_from_what_is_allowed(tries: int) -> None:
    """The first slot of (a*|b*)c is a, b or c, whatever was drawn first: by the model's law given that."""
    row = np.random.default_rng(8).normal(size=V).tolist()
    sampler = Sampler(constant(row), [], Options(temperature=1.0, tries=tries, block_length=1))
    start = canvas("same", 3)
    draws = [int(sampler.step(sampler.init(start, seed)).ids[0]) for seed in range(1500)]
    masses = {i: float(np.exp(row[i])) for i in (0, 1, 5)}
    assert goodness_of_fit(draws, {i: mass / sum(masses.values()) for i, mass in masses.items()}) > ALPHA


def test_draws_follow_the_law_conditioned_on_validity() -> None:
    """One slot at a time from exact marginals, under a law that does not change: the product law given validity."""
    row = np.random.default_rng(3).normal(size=V).tolist()
    denoiser, start = constant(row), canvas("pairs", 3)
    sampler = Sampler(denoiser, [], Options(temperature=1.0, propose="marginals", confidence="random"))
    p = np.exp(row)
    masses = {filling: float(np.prod([p[i] for i in filling])) for filling in start.completions}
    law: Counter[str] = Counter()
    for filling, mass in masses.items():
        law[text_of(filling)] += mass / sum(masses.values())  # type: ignore[assignment]
    draws = [sampler.run(start, seed).text for seed in range(1500)]
    assert goodness_of_fit(draws, law) > ALPHA


def text_of(ids: tuple[int, ...]) -> str:
    end = ids.index(END) if END in ids else len(ids)
    return VOCABULARY.decode(ids[:end]).decode()


# --- How many, and where ----------------------------------------------------------------------------------------------


def test_steps_are_shared_by_blocks() -> None:
    states: list[State] = []
    Sampler(spelling([3, 4] * 3), [], Options(steps=3, block_length=3)).run(canvas("brackets", 6), 0, states.append)
    decided = [int((state.ids != OPEN).sum()) for state in states]
    assert decided == [0, 2, 3, 6]  # two steps for the first block, one for the second
    assert all((state.ids[3:] == OPEN).all() for state in states[:3])


def test_blocks_that_an_end_has_settled_cost_nothing() -> None:
    got = Sampler(spelling([5, END, 0, 0, 0, 0]), [], Options(block_length=2, steps=6)).run(canvas("same", 6))
    assert got.ids == (5, END, PAD, PAD, PAD, PAD) and got.steps == 2


def test_threshold_commits_all_that_is_sure_and_at_least_one() -> None:
    sure = Sampler(spelling([3, 4, 3, 4]), [], Options(threshold=0.8)).run(canvas("brackets", 4))
    assert sure.steps == 1
    assert Sampler(constant([0.0] * V), [], Options(threshold=0.9)).run(canvas("brackets", 4)).steps >= 3


def test_the_model_sees_prompt_decided_tokens_and_masks() -> None:
    seen: list[list[int]] = []

    def forward(ids: torch.Tensor) -> torch.Tensor:
        seen.append(ids[0].tolist())
        return torch.zeros(*ids.shape, V)

    given = BruteCanvas.of(VOCABULARY, lambda text: text.startswith(b"ab"), [OPEN, 1, END, OPEN], ENDING)
    Sampler(Denoiser(forward, FACTS), [3, 4]).run(given)
    assert seen == [[3, 4, MASK, 1, END, PAD]]


def test_a_window_hides_later_blocks_from_the_model_but_not_from_the_constraint() -> None:
    lengths: list[int] = []

    def forward(ids: torch.Tensor) -> torch.Tensor:
        lengths.append(ids.shape[1])
        logits = torch.zeros(*ids.shape, V)
        logits[..., 3] = 5.0  # "(" for ever
        return logits

    sampler = Sampler(Denoiser(forward, FACTS), [0], bounds=[1, 4, 6], window=True)
    got = sampler.run(canvas("brackets", 6))
    assert got.text == "((()))" and lengths == [2, 5, 5, 5, 7, 7]


# --- Undecided --------------------------------------------------------------------------------------------------------


class Tired(BruteCanvas):
    """Cannot decide about anything but its own certificate."""

    def commit(self, slot: int, token: int) -> BruteCanvas:
        if token != self.filling[slot]:
            raise LimitExceeded("steps of a closure", 2, 1)
        return super().commit(slot, token)


def test_what_cannot_be_decided_comes_from_the_certificate() -> None:
    known = canvas("brackets", 4)
    tired = Tired(known.vocabulary, known.ending, known.slots, known.completions)
    got = Sampler(contextual(1), []).run(tired)
    assert got.ids[: got.ids.index(END)] == known.completions[0][: known.completions[0].index(END)]
    assert 0 < got.tally.certificate <= got.steps and got.tally.rejections == 0


def test_a_law_that_gives_nothing_to_what_is_allowed_leaves_it_to_the_certificate() -> None:
    row = [-torch.inf] * V
    row[0] = 0.0
    got = Sampler(constant(row), []).run(canvas("brackets", 3))
    assert is_valid("brackets", got.ids) and got.tally.certificate == got.steps


# --- The twin without a constraint ------------------------------------------------------------------------------------


def test_without_a_constraint_the_model_gets_what_it_wants() -> None:
    free = FreeCanvas.of(VOCABULARY, 6, ENDING)
    wish = [4, 4, 0, 3, END, PAD]
    got = Sampler(spelling(wish), [], Options(tokens=2)).run(free)
    assert list(got.ids) == wish and got.text == "))a(" and got.tally.rejections == 0


def test_without_a_constraint_special_ids_are_not_chosen_either() -> None:
    got = Sampler(adversary("pairs"), []).run(FreeCanvas.of(VOCABULARY, 4, ENDING))
    assert set(got.ids) <= {0, 1, 2, 3, 4, 5, END, PAD}


def test_the_free_canvas_is_a_canvas() -> None:
    free = FreeCanvas.of(VOCABULARY, 3, ENDING).commit(1, 4)
    assert free.filling.tolist() == [END, 4, END]
    assert free.allows(0, 5) and not free.allows(1, 5) and not free.allows(0, MASK) and not free.allows(0, -1)
    assert [i for i in range(10) if int(free.mask(0)[0]) >> i & 1] == [0, 1, 2, 3, 4, 5, END, PAD]
    assert free.best(np.eye(10)[[9, 0, 5]]).tolist() == [0, 4, 5]
    with pytest.raises(NotCompletable, match="cannot stand"):
        free.commit(0, MASK)


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 3, "tokens": 2}, "give one of them"),
        ({"steps": 0}, "steps must be a whole number"),
        ({"tokens": True}, "tokens must be a whole number"),
        ({"tries": -1}, "tries must be a whole number"),
        ({"confidence": "high"}, "there is no confidence 'high'"),
        ({"propose": "all"}, "there is no propose 'all'"),
        ({"refused": "twice"}, "there is no refused 'twice'"),
        ({"temperature": -1.0}, "temperature must be at least 0"),
        ({"temperature": float("inf")}, "temperature must be at least 0"),
        ({"threshold": 1.5}, "at most 1"),
        ({"propose": "joint", "temperature": 1.0}, "temperature must be 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Options(**wrong)


def test_what_does_not_fit_the_canvas_is_refused() -> None:
    start = canvas("pairs", 4)
    with pytest.raises(ValueError, match="not the ends of blocks"):
        Sampler(constant([0.0] * V), [], bounds=[2, 5]).run(start)
    with pytest.raises(ValueError, match="3 steps for 4 blocks"):
        Sampler(constant([0.0] * V), [], Options(steps=3, block_length=1)).run(start)
    with pytest.raises(ValueError, match="mask id 7"):
        Sampler(Denoiser(lambda ids: torch.zeros(*ids.shape, V), replace(FACTS, mask=PAD)), []).run(start)
    with pytest.raises(ValueError, match="laws of all open slots"):
        Sampler(constant([0.0] * V), [], Options(propose="marginals"), window=True).run(start)
    with pytest.raises(ConstrainError, match="has no marginals"):
        Sampler(constant([0.0] * V), [], Options(propose="marginals")).run(FreeCanvas.of(VOCABULARY, 4, ENDING))


def test_a_model_that_is_too_narrow_or_not_finite_is_refused() -> None:
    with pytest.raises(VocabularyError, match="id 7 of the vocabulary has no logit"):
        Sampler(Denoiser(lambda ids: torch.zeros(*ids.shape, PAD), FACTS), []).run(canvas("pairs", 4))
    with pytest.raises(ValueError, match="not finite"):
        Sampler(Denoiser(lambda ids: torch.full((*ids.shape, V), torch.nan), FACTS), []).run(canvas("pairs", 4))
