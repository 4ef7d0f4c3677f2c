"""All completions of a regular canvas at once: the best, their mass, what each slot holds in them, samples.

Scores of tokens are reduced to scores of classes, those to scores of edges, and a sweep over the slots does the rest:
with maxima (Viterbi 1967) or with sums (forward-backward, Baum et al. 1970). The automaton is deterministic, so each
completion is one path and counts once. All sums are in float64, as logarithms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from constrain.canvas.base import OPEN, Ids, Scores
from constrain.canvas.tokendfa import TokenDfa

Starts = npt.NDArray[np.intp] | Ids
Total = Callable[[Scores, Starts], Scores]  # of values, in segments that begin at some places
NEVER = -np.inf
TINY = 1e-280  # a sum above has its digits: what vanishes below 1e-308 is less than 1e-16 of it, even of 1e12 terms


class Weights(NamedTuple):
    """Scores of an open slot's classes (n, classes), and of what leads along edges (n, groups); else unset."""

    classes: Scores
    groups: Scores


def best(automaton: TokenDfa, slots: Ids, classes: Ids, scores: Scores) -> Ids | None:
    """A completion with the greatest sum; ``None`` if that is -inf."""
    weights = weigh(automaton, classes, scores, greatest)
    reached = forward(automaton, classes, weights, greatest)
    last = np.where(automaton.final, reached[-1], NEVER)
    if last.max() == NEVER:
        return None

    def highest(values: Scores, *_: Any) -> int:
        return int(np.argmax(values))

    return _trace(automaton, slots, classes, scores, weights, reached, highest)


def log_mass(automaton: TokenDfa, classes: Ids, scores: Scores) -> float:
    """log of the sum over all completions."""
    reached = forward(automaton, classes, weigh(automaton, classes, scores, log_sum), log_sum)
    return float(log_sum(reached[-1][automaton.final], np.zeros(1, np.intp))[0])


def sample(automaton: TokenDfa, slots: Ids, classes: Ids, scores: Scores, rng: np.random.Generator, count: int) -> Ids:
    """(count, n): backward from the end, each choice in proportion to the mass of all that leads there."""
    weights = weigh(automaton, classes, scores, log_sum)
    reached = forward(automaton, classes, weights, log_sum)
    _check_possible(np.where(automaton.final, reached[-1], NEVER).max())
    laws: dict[tuple[int, ...], Scores] = {}

    def draw(values: Scores, *place: int) -> int:
        if place not in laws:
            laws[place] = np.cumsum(np.exp(values - values.max()))
        law = laws[place]
        at = int(np.searchsorted(law, rng.random() * law[-1], side="right"))
        return min(at, int(np.searchsorted(law, law[-1])))  # rounding must not lead past the last that is possible

    drawn = [_trace(automaton, slots, classes, scores, weights, reached, draw) for _ in range(count)]
    return np.array(drawn, np.int32).reshape(count, len(slots))


def marginals(automaton: TokenDfa, slots: Ids, classes: Ids, scores: Scores, chosen: Sequence[int]) -> Scores:
    """(len(chosen), width): the share of each token, in logarithms."""
    weights = weigh(automaton, classes, scores, log_sum)
    before = forward(automaton, classes, weights, log_sum)
    behind = backward(automaton, classes, weights)
    _check_possible(behind[0, 0])
    found = np.full((len(chosen), len(automaton.class_of)), NEVER)
    known = automaton.class_of != OPEN
    for row, slot in zip(found, chosen, strict=True):
        if slots[slot] != OPEN:
            row[slots[slot]] = 0.0
            continue
        shares = _shares(automaton, before[slot], behind[slot + 1]) - behind[0, 0]
        row[known] = scores[slot][known] + shares[automaton.class_of[known]]
    return found


def _shares(automaton: TokenDfa, before: Scores, behind: Scores) -> Scores:
    """(classes,): the mass of all that lies around a token of each class."""
    edges = automaton.edges_by_group
    around = log_sum(before[automaton.edge_source[edges.order]] + behind[automaton.edge_target[edges.order]],
                     edges.starts)  # fmt: skip
    members = automaton.groups_by_class
    return log_sum(around[members.order], members.starts)


# ---- sweeps ----------------------------------------------------------------------------------------------------


def weigh(automaton: TokenDfa, classes: Ids, scores: Scores, total: Total) -> Weights:
    """Reduce the scores of tokens. Raises ``ValueError`` for scores that are none."""
    if scores.shape != (len(classes), len(automaton.class_of)):
        raise ValueError(
            f"scores need a row for each slot and a column for each id of the vocabulary, "
            f"{(len(classes), len(automaton.class_of))}, not {scores.shape}"
        )
    by_class = np.full((len(classes), automaton.classes), np.nan)
    by_group = np.full((len(classes), len(automaton.group_first) - 1), np.nan)
    of_tokens = _class_maxima if total is greatest else _class_sums
    for slot in np.flatnonzero(classes == OPEN):
        row = np.asarray(scores[slot], np.float64)
        if not row.max() < np.inf:
            raise ValueError(f"scores are logarithms: finite, or -inf for never; slot {slot} has NaN or +inf")
        by_class[slot] = of_tokens(automaton, row)
        by_group[slot] = total(by_class[slot][automaton.group_class], automaton.group_first[:-1])
    return Weights(by_class, by_group)


def _class_maxima(automaton: TokenDfa, row: Scores) -> Scores:
    return greatest(row[automaton.tokens], automaton.token_first[:-1])


def _class_sums(automaton: TokenDfa, row: Scores) -> Scores:
    """As ``log_sum`` of each class; relative to the row's maximum, which is faster, where that loses nothing."""
    top = row.max()
    if top == NEVER:
        return np.full(automaton.classes, NEVER)
    sums = np.bincount(automaton.bins, np.exp(row - top), automaton.classes + 1)[:-1]
    with np.errstate(divide="ignore"):
        found: Scores = np.log(sums) + top
    for number in np.flatnonzero(sums < TINY):  # terms may have vanished, or lost digits
        found[number] = log_sum(row[automaton.tokens_of(number)], np.zeros(1, np.intp))[0]
    return found


def forward(automaton: TokenDfa, classes: Ids, weights: Weights, total: Total) -> Scores:
    """(n + 1, states): the total of all that leads from the start to each state."""
    edges = automaton.edges_by_target
    reached = np.full((len(classes) + 1, automaton.states), NEVER)
    reached[0, 0] = 0.0
    for slot, number in enumerate(classes):
        if number == OPEN:
            values = reached[slot][automaton.edge_source] + weights.groups[slot][automaton.edge_group]
            reached[slot + 1, edges.keys] = total(values, edges.starts)
            continue
        source, target = automaton.pairs(number)
        order = np.argsort(target, kind="stable")
        keys, starts = np.unique(target[order], return_index=True)
        reached[slot + 1, keys] = total(reached[slot][source[order]], starts)
    return reached


def backward(automaton: TokenDfa, classes: Ids, weights: Weights) -> Scores:
    """(n + 1, states): the sum of all that leads from each state to an end."""
    edges = automaton.edges_by_source
    target, group = automaton.edge_target[edges.order], automaton.edge_group[edges.order]
    behind = np.full((len(classes) + 1, automaton.states), NEVER)
    behind[-1][automaton.final] = 0.0
    for slot in range(len(classes) - 1, -1, -1):
        if classes[slot] == OPEN:
            behind[slot, edges.keys] = log_sum(behind[slot + 1][target] + weights.groups[slot][group], edges.starts)
        else:
            source, after = automaton.pairs(classes[slot])
            behind[slot, source] = behind[slot + 1][after]
    return behind


def _trace(
    automaton: TokenDfa, slots: Ids, classes: Ids, scores: Scores, weights: Weights, reached: Scores,
    choose: Callable[..., int],
) -> Ids:  # fmt: skip
    """Back from the end: ``choose`` an index of some values; what else it is given names the place."""
    filling = slots.copy()
    n = len(slots)
    state = choose(np.where(automaton.final, reached[-1], NEVER), n)
    for slot in range(n - 1, -1, -1):
        if classes[slot] != OPEN:
            source, target = automaton.pairs(classes[slot])
            source = source[target == state]
            state = int(source[choose(reached[slot][source], slot, state)])
            continue
        first, last = automaton.target_first[state : state + 2]
        group = automaton.edge_group[first:last]
        edge = choose(reached[slot][automaton.edge_source[first:last]] + weights.groups[slot][group], slot, state)
        members = automaton.group(int(group[edge]))
        number = int(members[choose(weights.classes[slot][members], slot, state, edge)])
        tokens = automaton.tokens_of(number)
        filling[slot] = tokens[choose(scores[slot][tokens].astype(np.float64), slot, -1, -1, number)]
        state = int(automaton.edge_source[first + edge])
    return filling


# ---- totals ----------------------------------------------------------------------------------------------------


def greatest(values: Scores, starts: Starts) -> Scores:
    """The maximum of each segment. ``starts`` ascend; no segment is empty."""
    return np.maximum.reduceat(values, starts) if len(starts) else np.empty(0)


def log_sum(values: Scores, starts: Starts) -> Scores:
    """log of the sum of exp of each segment."""
    if not len(starts):
        return np.empty(0)
    top = np.maximum.reduceat(values, starts)
    base = np.where(top == NEVER, 0.0, top)
    sizes = np.diff(np.append(starts, len(values)))
    with np.errstate(divide="ignore"):
        found: Scores = np.log(np.add.reduceat(np.exp(values - np.repeat(base, sizes)), starts)) + base
    return found


def _check_possible(mass: Any) -> None:
    if mass == NEVER:
        raise ValueError("no completion of this canvas has a probability above 0: each has a score of -inf somewhere")
