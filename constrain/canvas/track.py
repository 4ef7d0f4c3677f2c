"""The states of an automaton along a certificate: what one other token changes, from left to right."""

from __future__ import annotations

from typing import NamedTuple

from constrain.tokens.base import TokenAutomaton


class Track(NamedTuple):
    """``states[k]``: the automaton's state before the token of slot k of a text; the last one is behind it."""

    automaton: TokenAutomaton[int]
    states: tuple[int, ...]

    def spliced(self, text: list[int], slot: int, token: int, rest: int) -> Track | None:
        """The track of ``text[:slot]``, ``token``, ``text[rest:]``; ``None`` if that is no text of the grammar.

        Cost: steps until the states are those of before.
        """
        automaton, states = self.automaton, self.states
        found = list(states[: slot + 1])
        state = automaton.advance(states[slot], token)
        for k in range(rest, len(text)):
            if state is None:
                return None
            if state == states[k]:
                return Track(automaton, (*found, *states[k:]))
            found.append(state)
            state = automaton.advance(state, text[k])
        if state is None or not automaton.is_accepting(state):
            return None
        return Track(automaton, (*found, state))

    def ended(self, slot: int) -> Track | None:
        """The track of the text that ends before ``slot``, if that is one."""
        if not self.automaton.is_accepting(self.states[slot]):
            return None
        return Track(self.automaton, self.states[: slot + 1])


def track(automaton: TokenAutomaton[int], tokens: list[int], former: Track | None = None, same: int = 0) -> Track:
    """The track of a text, which begins with ``same`` tokens of that of ``former``."""
    states = list(former.states[: same + 1]) if former else [automaton.start()]
    for token in tokens[same:]:
        state = automaton.advance(states[-1], token)
        if state is None:
            raise AssertionError("a certificate is a text of the grammar")
        states.append(state)
    return Track(automaton, tuple(states))
