"""Why a canvas of a regular grammar has no completion, for people to read."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from constrain.canvas.base import OPEN, Ids
from constrain.canvas.tokendfa import NEVER, NONE, TokenDfa

Flags = npt.NDArray[np.bool_]


def reason(automaton: TokenDfa, slots: Ids) -> str:
    """What is wrong with ``slots`` (n,), which have no completion."""
    least, n = int(automaton.remaining[0]), len(slots)
    needs = f"this grammar needs at least {_tokens(least)}{', the end included' * automaton.ending.required}"
    if least == NEVER:
        return "no text of this grammar can be put together of the tokens of this vocabulary"
    if n < least:
        return f"{needs}, and the canvas has {n} slot{'s' * (n != 1)}: give it more"
    useless = np.flatnonzero((slots != OPEN) & (automaton.class_of[slots] == NONE))
    if len(useless):
        return f"{_held(automaton, slots, useless[0])}, which is in no text of this grammar, nor an end or padding"
    return _where(automaton, slots, needs)


def _where(automaton: TokenDfa, slots: Ids, needs: str) -> str:
    """The first slot at which nothing is left, or that something is missing at the end."""
    exact = loose = np.arange(automaton.states) == 0
    for slot in range(len(slots)):
        loose = _any_number(automaton, loose) if slots[slot] == OPEN else _after(automaton, loose, slots[slot])
        exact = _after(automaton, exact, slots[slot])
        if not loose.any():
            return f"{_held(automaton, slots, slot)}, which cannot follow what is fixed before it"
        if not exact.any():
            return (
                f"{_held(automaton, slots, slot)}, which cannot follow what is fixed before it with as many slots "
                f"between; with another number of open slots it could"
            )
    if not (slots != OPEN).any():
        return f"{needs}, but no text has just as many as the canvas has slots, {len(slots)}, and there are no ends"
    missing = int(automaton.remaining[exact].min())
    if missing == NEVER:
        return "after what is fixed the text cannot be brought to its end with the tokens of this vocabulary"
    return f"the canvas is too short for what is fixed: behind it at least {_tokens(missing)} more must follow"


def _tokens(count: int) -> str:
    return f"{count} token{'s' * (count != 1)}"


def _held(automaton: TokenDfa, slots: Ids, slot: int) -> str:
    return f"slot {slot} holds token {automaton.vocabulary.describe(int(slots[slot]))}"


def _after(automaton: TokenDfa, states: Flags, token: int) -> Flags:
    """Where some states lead with a token, or with any if it is OPEN."""
    if token == OPEN:
        source, target = automaton.edge_source, automaton.edge_target
    else:
        source, target = automaton.pairs(int(automaton.class_of[token]))
    found = np.zeros_like(states)
    found[target[states[source]]] = True
    return found


def _any_number(automaton: TokenDfa, states: Flags) -> Flags:
    """Where they lead with any tokens, any number of them."""
    while True:
        more = states | _after(automaton, states, OPEN)
        if (more == states).all():
            return states
        states = more
