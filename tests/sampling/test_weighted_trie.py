"""The weighted trie: laws, bounds, forced text, forgetting, saving."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from sampling.enumerable import World
from sampling.outcomes_of_walks import chances, fresh_trie
from sampling.significance import goodness_of_fit
from sampling.worlds import WORLDS

import constrain
from constrain.sampling.lm.model import Request, TableModel
from constrain.sampling.masses import log_add, log_sum
from constrain.sampling.methods.drawing import exact, mask
from constrain.sampling.problem import Problem
from constrain.sampling.store import load, save
from constrain.sampling.target import Target
from constrain.sampling.trie import BYTES_OF_LAW, BYTES_OF_NODE, BYTES_OF_TOKEN, DEAD, Law, Node, Trie
from constrain.sampling.walk import Mode

ALPHA = 1e-6


def law_with_children(size: int, children: int, seed: int) -> Law:
    """A law some of whose tokens have nodes with bounds, one of them dead."""
    rng = np.random.default_rng(seed)
    log_p = np.log(rng.dirichlet(np.full(size, 0.3)))
    law = Law(np.arange(3, 3 + size, dtype=np.int32), log_p)
    for number, place in enumerate(rng.choice(size, size=children, replace=False).tolist()):
        child = Node(None, 3 + place, float(log_p[place]), None)
        child.bound = DEAD if number == 0 else -float(rng.exponential(2))
        law.add(child)
    return law


@pytest.mark.parametrize(("size", "children"), [(1, 0), (6, 3), (40, 40), (700, 25)])
@pytest.mark.parametrize("adaptive", [True, False])
def test_draws_keep_to_the_chances_of_the_definition(size: int, children: int, adaptive: bool) -> None:
    law = law_with_children(size, children, size)
    options = dict(chances(law, adaptive))
    total = math.fsum(options.values())
    assert math.exp(law.bound() if adaptive else law.log_mass) == pytest.approx(total, rel=1e-12)
    uniforms = (np.arange(20_000) + 0.5) / 20_000  # a regular grid: counts are right to one for each token
    drawn = [law.draw(u) if adaptive else law.draw_masked(u) for u in uniforms.tolist()]
    for token, chance in options.items():
        assert abs(drawn.count(token) - 20_000 * chance / total) <= 2.0
        assert chance > 0 or token not in drawn


def test_bounds_are_summed_anew() -> None:
    law = law_with_children(50, 20, 1)
    for child in law.places:
        child.bound -= 3.0
        law.note(child)
        assert math.exp(law.bound()) == pytest.approx(math.fsum(c for _, c in chances(law, True)), rel=1e-12)


def test_sums_of_logarithms() -> None:
    assert log_sum(np.array([])) == log_sum(np.array([DEAD, DEAD])) == DEAD
    assert log_sum(np.array([-1000.0, -1000.0])) == pytest.approx(-1000 + math.log(2))
    assert log_add(DEAD, -3.0) == -3.0


@pytest.mark.parametrize("name", list(WORLDS))
def test_bounds_tend_to_the_probability_of_what_is_wanted(name: str) -> None:
    """With all visited they are the expected futures, to the last digits; the root's is Z."""
    world = WORLDS[name]
    trie = fresh_trie(world)
    waiting = [trie.root]
    while waiting:
        trie.expand(waiting)
        waiting = [trie.child(node, t) for node in waiting if node.law for t in node.law.ids.tolist()]
        waiting = [node for node in waiting if not node.ended]
    for node in list(trie.nodes()):
        trie.settle(node)
    for node in trie.nodes():
        if not node.ended:
            future = float(world.future.get(node.tokens(), 0))
            assert math.exp(node.bound) == pytest.approx(future, rel=1e-12, abs=1e-300)
    assert math.exp(trie.lowest) == pytest.approx(float(world.z), rel=1e-12)


# --- Forced text ---


class Recording(TableModel):
    """Remembers what it was asked."""

    requests: list[Request]

    def laws(self, requests: object) -> object:  # type: ignore[override]
        self.requests += requests  # type: ignore[operator]
        return super().laws(requests)  # type: ignore[arg-type]


def forced_world() -> tuple[Recording, Target]:
    vocabulary = constrain.Vocabulary([*(bytes([b]) for b in b"SELECT *"), b"SEL", b"ECT", b" "], [11])
    model = Recording(lambda prefix: [1 / 12] * 12, 12)
    model.requests = []
    automaton = constrain.compile(constrain.regex("SELECT [*]{1,3}"), vocabulary)
    return model, Target(automaton, 12)


def test_forced_text_is_asked_about_in_one_call() -> None:
    model, target = forced_world()
    trie = Trie(model, target)
    trie.expand([trie.root])
    assert model.requests == [Request((), (8, 9, 6))]  # "SEL" "ECT" " "; not what touches the end
    bound = trie.root.bound
    node = trie.root
    for token in (8, 9, 6):
        assert trie.root.bound == bound  # what was foreseen changes no bound before it is visited
        node = trie.child(node, token)
        trie.expand([node])
        assert node.law is not None
    assert model.usage.calls == 1


def test_forced_text_changes_no_law() -> None:
    """The same draws, with and without looking ahead."""
    model, target = forced_world()
    drawn = mask(Problem(Trie(model, target), 50, 3)).texts
    blind_model, blind = forced_world()
    blind.ahead = lambda *_: ()  # type: ignore[method-assign]
    assert mask(Problem(Trie(blind_model, blind), 50, 3)).texts == drawn
    assert blind_model.usage.calls > model.usage.calls


# --- Forgetting and saving ---


@pytest.mark.parametrize("name", ["trap", "spellings", "history"])
def test_forgetting_keeps_samples_exact(name: str) -> None:
    world = WORLDS[name]
    trie = fresh_trie(world)
    trie.max_bytes = 6_000
    drawn = exact(Problem(trie, 1500, 2, 4))
    assert goodness_of_fit([s.tokens[:-1] for s in drawn], {i: float(p) for i, p in world.target.items()}) > ALPHA
    assert trie.model.usage.calls > fresh_calls(world)  # it did forget, and asked again


def fresh_calls(world: World) -> int:
    trie = fresh_trie(world)
    exact(Problem(trie, 1500, 2, 4))
    return trie.model.usage.calls


def test_what_is_forgotten_is_a_bound_as_when_it_was_met() -> None:
    world = WORLDS["history"]
    trie = fresh_trie(world)
    exact(Problem(trie, 300, 2))
    trie.max_bytes = 1
    assert trie.shrink()
    for node in trie.nodes():
        future = 1.0 if node.ended else float(world.future.get(node.tokens(), 0))
        assert math.exp(node.bound) >= future * (1 - 1e-12)
    assert trie.root.law is not None and not any(node.law for node in trie.root.law.places)
    assert trie.root.bound == pytest.approx(trie.root.law.bound())
    assert trie.lowest <= trie.root.bound


def held(trie: Trie) -> int:
    """The memory of all that hangs together, by another way than the trie's own count."""
    total, waiting = 0, [trie.root]
    while waiting:
        node = waiting.pop()
        total += BYTES_OF_NODE
        for law in (node.law, node.foreseen):
            if law is not None:
                total += law.bytes
                waiting += law.places
    return total


@pytest.mark.parametrize("mode", ["mask", "exact"])
def test_memory_is_counted_down_to_the_last_law(mode: Mode) -> None:
    """What was foreseen, and what is forgotten with it, too."""
    vocabulary = constrain.Vocabulary([*(bytes([b]) for b in b"abcdxyz"), None], [7])
    automaton = constrain.compile(constrain.regex("([xy](abcd)){1,6}"), vocabulary)
    trie = Trie(TableModel(lambda prefix: [1 / 8] * 8, 8), Target(automaton, 30))
    for seed in range(12):
        Problem(trie, 4, seed, 3).draws(mode, 4, 0, budget=60)
        assert trie.bytes == held(trie)
        trie.max_bytes = trie.bytes - 1
        assert trie.shrink()
        assert trie.bytes == held(trie)
        trie.max_bytes = 1 << 30


def test_memory_is_bounded_while_a_sample_is_tried_again_and_again() -> None:
    """Exact walks that fail begin anew at once; not while there is something to be forgotten."""
    world = WORLDS["rare"]
    trie = fresh_trie(world)
    trie.max_bytes = 20_000
    most = 0

    def watch(found: int) -> None:
        nonlocal most
        most = max(most, trie.bytes)

    problem = Problem(trie, 2, 1, 2, report=watch)
    problem.draws("exact", 2, 0, budget=3000)
    assert trie.model.usage.calls > 20
    assert most < 20_000 + 2 * 11 * (BYTES_OF_LAW + 4 * (BYTES_OF_NODE + BYTES_OF_TOKEN))


def test_a_saved_trie_goes_on_where_it_was(tmp_path: Path) -> None:
    world = WORLDS["history"]
    first = fresh_trie(world)
    exact(Problem(first, 200, 2))
    save(first, tmp_path / "trie.npz")
    second = fresh_trie(world)
    load(second, tmp_path / "trie.npz")
    assert second.lowest == second.root.bound == pytest.approx(first.lowest, rel=1e-12)
    saved, loaded = ({node.tokens(): node.bound for node in trie.nodes()} for trie in (first, second))
    assert saved == pytest.approx(loaded, rel=1e-12)
    assert second.model.usage.calls == 0
    drawn = exact(Problem(second, 200, 9))
    assert drawn.samples == exact(Problem(first, 200, 9)).samples


def test_a_dead_end_of_another_grammar_is_none_here(tmp_path: Path) -> None:
    """The laws of both grammars agree as far as they are saved; what follows a dead end does not."""
    vocabulary = constrain.Vocabulary([b"a", b"b", None], [2])
    model = TableModel(lambda prefix: [0.5, 0.25, 0.25], 3)
    one, other = (
        Trie(model, Target(constrain.compile(constrain.regex(pattern), vocabulary), 2)) for pattern in ("abb|b", "ab|b")
    )
    exact(Problem(one, 30, 1))
    assert math.exp(one.lowest) == pytest.approx(1 / 16)  # "ab" has no end within the cap: only "b" is left
    save(one, tmp_path / "trie.npz")
    load(other, tmp_path / "trie.npz")
    assert math.exp(other.lowest) >= 1 / 16 + 1 / 32
    assert set(exact(Problem(other, 60, 1)).texts) == {"b", "ab"}


def test_a_trie_of_something_else_is_refused(tmp_path: Path) -> None:
    world = WORLDS["history"]
    trie = fresh_trie(world)
    exact(Problem(trie, 5, 2))
    save(trie, tmp_path / "trie.npz")
    other_grammar = World("history", world.tokens, "[ab]*c", world.max_tokens, world.law)
    other_cap = World("history", world.tokens, world.pattern, 4, world.law)
    for other, message in ((WORLDS["free"], "model and prompt"), (other_grammar, "grammar"), (other_cap, "max_tokens")):
        with pytest.raises(ValueError, match=message):
            load(fresh_trie(other), tmp_path / "trie.npz")
    with pytest.raises(ValueError, match="fresh"):
        load(trie, tmp_path / "trie.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(1))
    with pytest.raises(ValueError, match="no saved trie"):
        load(fresh_trie(world), tmp_path / "other.npz")


# --- Wrong use ---


@pytest.mark.parametrize("law", [[0.5, math.nan, 0.2], [1.0, 1.0, 1.0], [math.e**3, 0.1, 0.1]])
def test_what_is_no_law_is_refused(law: list[float]) -> None:
    """Scores for probabilities, say; not taken for a dead end, nor cut to one."""
    automaton = constrain.compile(constrain.regex("[ab]*"), constrain.Vocabulary([b"a", b"b", None], [2]))
    with pytest.raises(ValueError, match="natural logarithms of probabilities"):
        mask(Problem(Trie(TableModel(lambda prefix: law, 3), Target(automaton, 3)), 1))


def test_a_model_is_not_asked_about_tokens_that_it_does_not_know() -> None:
    """The guess at forced text may hold some, where the vocabulary is wider than the model."""
    vocabulary = constrain.Vocabulary([b"S", b"E", None, b"L", b" ", b"SEL", b"x"], [2])
    model = Recording(lambda prefix: [1 / 5] * 5, 5)
    model.requests = []
    trie = Trie(model, Target(constrain.compile(constrain.regex("SEL S[EL]"), vocabulary), 9))
    assert mask(Problem(trie, 3, 1)).missing == 0
    assert all(token < 5 for request in model.requests for token in request.prefix + request.ahead)


def test_another_models_vocabulary_is_refused() -> None:
    world = WORLDS["free"]
    automaton = constrain.compile(world.grammar(), world.vocabulary())
    with pytest.raises(ValueError, match="another model's vocabulary"):
        Trie(TableModel(lambda prefix: [1.0], 1), Target(automaton, 3))
    with pytest.raises(ValueError, match="max_tokens"):
        Target(automaton, -1)
    trie = fresh_trie(world)
    with pytest.raises(ValueError, match="expand it first"):
        trie.child(trie.root, 0)
