"""The exact canvas of any context-free grammar: a certificate, which is repaired, and a chart where that fails.

A token that the certificate has is allowed. Else a completion with it is looked for, with more and more freedom: the
token in the place of another; few slots open, those near it and near the end of the text, while all others keep what
they have; all slots open, but most of them to simple tokens only; at last all to any. The first success is a new
certificate; that none exists is known at the end, or when not even gaps of any length would help (``unbounded.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from constrain.bits import from_ids
from constrain.canvas.analysis import Analysis, Flags, Language, completed, end_positions, text_length
from constrain.canvas.base import OPEN, Ending, Ids, NotCompletable, checked_slots
from constrain.canvas.track import Track, track
from constrain.tokens.base import Words
from constrain.vocab.vocabulary import Vocabulary

REACH = 1  # slots that are opened on each side, before all are


@dataclass(frozen=True, eq=False)
class ChartCanvas:
    """``Canvas`` by charts. Make the first one with ``chart_canvas``."""

    language: Language
    ending: Ending
    slots: Ids
    filling: Ids
    track: Track

    @property
    def vocabulary(self) -> Vocabulary:
        """What the ids stand for."""
        return self.language.vocabulary

    def allows(self, slot: int, token: int) -> bool:
        """Is there a completion with ``token`` in the open ``slot``? Raises ``Undecided`` if the chart is too large."""
        return self._with(slot, token) is not None

    def commit(self, slot: int, token: int) -> ChartCanvas:
        """The canvas with ``token`` in the open ``slot``. Raises ``NotCompletable``, ``Undecided``."""
        found = self._with(slot, token)
        if found is None:
            what = self.vocabulary.describe(token)
            raise NotCompletable(f"no text of the grammar has {what} in slot {slot} of this canvas")
        return replace(self, slots=_changed(self.slots, slot, token), filling=found[0], track=found[1])

    def mask(self, slot: int) -> Words:
        """(vocabulary.words,) int32: all ids that are allowed in the open ``slot``. Raises ``Undecided``."""
        self._check_open(slot)
        return from_ids(self._analysis.tokens(slot), self.vocabulary.width)

    @cached_property
    def _analysis(self) -> Analysis:
        return Analysis(self.language, self.slots, self.ending)

    def _check_open(self, slot: int) -> None:
        if not 0 <= slot < len(self.slots) or self.slots[slot] != OPEN:
            raise ValueError(f"slot {slot} is not an open slot of this canvas of {len(self.slots)}")

    def _with(self, slot: int, token: int) -> tuple[Ids, Track] | None:
        """A completion with ``token`` in ``slot``, and its track; ``None`` if there is none."""
        self._check_open(slot)
        if self.filling[slot] == token:
            return self.filling, self.track
        return self._exchanged(slot, token) or self._repaired(slot, token)

    def _exchanged(self, slot: int, token: int) -> tuple[Ids, Track] | None:
        """A completion in which the token takes the place of another, is put in, or ends the text."""
        length = len(self.track.states) - 1
        if token in self.ending.behind:
            if slot > length:
                return _changed(self.filling, slot, token), self.track
            if token in self.ending.ends and slot < length and self._may_end_at(slot):
                ended = self.track.ended(slot)
                return ended and (self._ended(self.filling[:slot].tolist()), ended)
            return None
        if slot > length or not self.language.spelling.data(token):
            return None
        text = self.filling[:length].tolist()
        for rest in (slot + 1, slot, slot + 2):
            size = slot + 1 + max(length - rest, 0)
            if size == length or (rest <= length and self._may_move(slot, size)):
                other = self.track.spliced(text, slot, token, rest)
                if other is not None:
                    return self._ended([*text[:slot], token, *text[rest:]]), other
        return None

    def _may_move(self, slot: int, length: int) -> bool:
        """May what is behind ``slot`` be written anew, so that there are ``length`` tokens?"""
        return (
            length <= len(self.slots)
            and bool((self.slots[slot + 1 : length] == OPEN).all())
            and self._may_end_at(length)
        )

    def _may_end_at(self, length: int) -> bool:
        """Is everything from a slot on open, an end, or padding (and an end there)?"""
        return length in end_positions(self.slots, self.ending)

    def _ended(self, text: list[int]) -> Ids:
        """The canvas full of ``text``, an end and padding."""
        given = self.slots.copy()
        given[: len(text)] = text
        return _frozen(completed(given, len(text), self.ending))

    def _repaired(self, slot: int, token: int) -> tuple[Ids, Track] | None:
        """A completion that differs where it must."""
        wanted = _changed(self.slots, slot, token)
        if not may_be_completed(self.language, wanted, self.ending):
            return None
        for given, limit, simple in self._openings(wanted, slot):
            analysis = Analysis(self.language, given, self.ending, limit=limit, simple=simple)
            if analysis.completable:
                filling = _frozen(analysis.filling(self.filling))
                return filling, self._tracked(filling)
        return None

    def _tracked(self, filling: Ids) -> Track:
        """The track of a completion; what is as it was before is kept."""
        length = text_length(filling, self.ending)
        differing = np.flatnonzero(filling[:length] != self.filling[:length])
        same = int(differing[0]) if len(differing) else length
        same = min(same, len(self.track.states) - 1)
        return track(self.language.automaton, filling[:length].tolist(), self.track, same)

    def _openings(self, wanted: Ids, slot: int) -> Iterator[tuple[Ids, int | None, Flags | None]]:
        """The canvas with more and more freedom (slots, how long its text may be, which open slots are simple): first
        a few slots are open, near this one and near the end; then all, but most of them simple; at last all."""
        length = len(self.track.states) - 1
        places = np.arange(len(wanted))
        near = (abs(places - slot) <= REACH) | (places >= length - REACH)
        limit = min(max(length, slot + 1) + REACH, len(wanted))
        simple = np.ones(len(wanted), np.bool_)
        if slot <= length + REACH and not (near | (wanted != OPEN)).all():
            frozen = np.where(near, wanted, np.where(wanted == OPEN, self.filling, wanted))
            yield frozen, limit, simple
            yield frozen, limit, None
        yield wanted, None, simple
        yield wanted, None, ~((abs(places - slot) <= REACH) | (places == len(wanted) - 1))
        yield wanted, None, None


def may_be_completed(language: Language, slots: Ids, ending: Ending) -> bool:
    """Could the slots be completed if there were as many tokens in each gap as one likes? What says no is cheap, and
    nothing more is asked where the grammar has a lexer."""
    if language.unbounded is None:
        return True
    segments: list[bytes | None] = [b""]
    for token in slots.tolist():
        if token in ending.behind:
            break
        if token != OPEN:
            data = language.spelling.data(token)
            if not data:
                return False
            segments = [*segments[:-1], segments[-1] + data] if segments[-1] is not None else [*segments, data]
        elif segments[-1] is not None:
            segments.append(None)
    return language.unbounded.completable(segments)


def chart_canvas(language: Language, slots: int | Sequence[int] | Ids, ending: Ending) -> ChartCanvas:
    """A canvas with a first certificate. Raises ``NotCompletable`` where there is none, ``Undecided``, and
    ``ValueError`` for what is no slot."""
    given = checked_slots(slots, language.vocabulary.width)
    for limit, simple in _limits(given, ending):
        kinds = np.full(len(given), simple)
        analysis = Analysis(language, given, ending, limit=limit, simple=kinds)
        if analysis.completable:
            filling = _frozen(analysis.filling(given))
            text = filling[: text_length(filling, ending)].tolist()
            return ChartCanvas(language, ending, _frozen(given), filling, track(language.automaton, text))
    raise NotCompletable(_why(language, given, ending))


def _limits(given: Ids, ending: Ending) -> Iterator[tuple[int, bool]]:
    """How long texts may be, and whether their tokens are simple: small charts first."""
    fixed = np.flatnonzero((given != OPEN) & ~np.isin(given, list(ending.behind)))
    limit = max(int(fixed[-1]) + 1 if len(fixed) else 1, 1)
    while limit < len(given) and ending.ends:
        yield limit, True
        limit *= 2
    yield len(given), True
    yield len(given), False


def _why(language: Language, given: Ids, ending: Ending) -> str:
    """What to say of a canvas that has no completion."""
    n = len(given)
    if (given != OPEN).any():
        return f"no text of the grammar fits into {n} slots around what is fixed"
    fewest = fewest_tokens(language, 4 * n + 64)
    if fewest is None:
        return f"no text of the grammar fits into {n} slots"
    return f"no text of the grammar fits into {n} slots: this grammar needs at least {fewest} tokens"


def fewest_tokens(language: Language, most: int) -> int | None:
    """The fewest tokens that a text needs; ``None`` if more than ``most``. Raises ``Undecided``."""
    size = 1
    while True:
        analysis = Analysis(language, np.full(size, OPEN, np.int32), Ending(language.vocabulary.eos, frozenset()))
        if analysis.completable:
            return analysis.live_ends()[0]
        if size == most:
            return None
        size = min(2 * size, most)


def _changed(ids: Ids, slot: int, token: int) -> Ids:
    changed = ids.copy()
    changed[slot] = token
    return _frozen(changed)


def _frozen(ids: Ids) -> Ids:
    ids.flags.writeable = False
    return ids
