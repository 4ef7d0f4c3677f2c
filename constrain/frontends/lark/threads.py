"""Running a program: lists of threads, best first, and what they claim about the text to come.

A thread is a place in the program and *claims*: what a look-ahead that it has passed says about the text from there
on. ``never`` are threads none of which may match, ``some`` sets of threads of which one must. Claims read along
with the thread, also after it has matched (``DONE``), until they are settled or the text ends. So whether a match
counts may become known later; a match without claims is definite, and cuts off all threads that are less preferred.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from constrain.frontends.char_sets import atoms
from constrain.frontends.lark.program import Program
from constrain.ir.rx import Ranges

DONE = -1  # the place of a thread that has matched before
_NO_ROUNDS: frozenset[int] = frozenset()


class Claims(NamedTuple):
    """None of ``never`` may match; of each set in ``some`` one must."""

    never: frozenset[Thread]
    some: frozenset[frozenset[Thread]]


class Thread(NamedTuple):
    """A place in the program, or ``DONE``, and what is claimed about the text from here on."""

    place: int
    claims: Claims


NO_CLAIMS = Claims(frozenset(), frozenset())
Threads = tuple[Thread, ...]
Behind = tuple[frozenset[int], ...]  # for each look-behind the places where it is
Atom = frozenset[int]  # the places whose set a symbol is in


class Machine:
    """Steps of threads; pure functions of their arguments, remembered."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.atoms = _classes(program)
        self.nowhere: Behind = tuple(frozenset(self._plain([entry])) for entry in program.look_behinds)
        self.truths = lru_cache(maxsize=None)(self._truths)
        self.read = lru_cache(maxsize=None)(self._read)
        self.read_claims = lru_cache(maxsize=None)(self._read_claims)

    # --- one position ------------------------------------------------------------------------------------------------

    def begin(self, entries: Iterable[int], behind: Behind) -> Threads:
        """The threads of patterns that begin here, the first the most preferred."""
        return self._close([Thread(entry, NO_CLAIMS) for entry in entries], behind)

    def has_matched(self, thread: Thread) -> bool:
        """Has it matched here, whatever follows?"""
        return thread.claims == NO_CLAIMS and (thread.place == DONE or thread.place in self.program.match)

    def matches_at_end(self, thread: Thread) -> bool:
        """Does it match if the text ends here?"""
        if thread.place != DONE and thread.place not in self.program.match:
            return False
        never, some = thread.claims
        return not any(map(self.matches_at_end, never)) and all(any(map(self.matches_at_end, s)) for s in some)

    def places(self, threads: Iterable[Thread]) -> set[int]:
        """All places at which these threads and their claims wait for a symbol."""
        found: set[int] = set()
        for place, claims in threads:
            found.add(place)
            found |= self.places(claims.never)
            for threads_of in claims.some:
                found |= self.places(threads_of)
        return found & self.program.char.keys()

    def looks_back(self, entry: int) -> bool:
        """Can a look-behind of the pattern see what stands before the pattern?"""
        wide = [n for n, first in enumerate(self.program.look_behinds) if not self._is_one_symbol(first)]
        tests: set[int] = set()
        reached, first = {entry}, {entry}  # places in the pattern; those before its first symbol
        todo = [entry]
        for place in todo:  # grows
            is_first = place in first
            after = set(self.program.ways.get(place, ()))
            if place in self.program.rounds:
                after |= set(self.program.rounds[place][2:4])
            if place in self.program.ahead or place in self.program.behind:
                after.add(place + 1)
            if place in self.program.ahead:
                after.add(self.program.ahead[place][0])
            if place in self.program.behind and (is_first or self.program.behind[place][0] in wide):
                tests.add(place)
            if place in self.program.char:
                after.add(place + 1)
                is_first = False
            for each in after:
                if each not in reached or (is_first and each not in first):
                    reached.add(each)
                    todo.append(each)
                    if is_first:
                        first.add(each)
        return bool(tests)

    def _is_one_symbol(self, entry: int) -> bool:
        return all(place in self.program.char and place + 1 in self.program.match for place in self._plain([entry]))

    # --- one symbol --------------------------------------------------------------------------------------------------

    def _read(self, threads: Threads, atom: Atom, behind: Behind) -> Threads:
        """The threads after a symbol; ``behind`` is after it too."""
        after = []
        for place, claims in threads:
            later = claims if claims == NO_CLAIMS else self.read_claims(claims, atom, behind)
            if later is None:
                continue
            if place == DONE or place in self.program.match:
                if claims != NO_CLAIMS:  # a definite match was the last thread, and has no future
                    after.append(Thread(DONE, later))
            elif place in atom:
                after.append(Thread(place + 1, later))
        return self._close(after, behind)

    def read_set(self, threads: frozenset[Thread], atom: Atom, behind: Behind) -> frozenset[Thread]:
        """The same for threads without order; one that has surely matched is among the result."""
        return frozenset(t for thread in threads for t in self.read((thread,), atom, behind))

    def read_places(self, places: frozenset[int], atom: Atom, behind: Behind) -> frozenset[int]:
        """The same for plain places (of patterns without tests)."""
        if places.isdisjoint(atom):
            return frozenset()
        after = self._close([Thread(place + 1, NO_CLAIMS) for place in places & atom], behind, cut=False)
        return frozenset(thread.place for thread in after)

    def _read_claims(self, claims: Claims, atom: Atom, behind: Behind) -> Claims | None:
        """The claims after a symbol; None: they are broken."""
        never = self.read_set(claims.never, atom, behind)
        if any(map(self.has_matched, never)):
            return None
        some = set()
        for threads in claims.some:
            after = self.read_set(threads, atom, behind)
            if not after:
                return None
            if not any(map(self.has_matched, after)):
                some.add(after)
        return Claims(never, frozenset(some))

    def look_behind(self, behind: Behind, atom: Atom) -> Behind:
        """Where the look-behinds are after a symbol: they may begin anywhere."""
        return tuple(
            frozenset(self._plain([entry, *(place + 1 for place in places if place in atom)]))
            for places, entry in zip(behind, self.program.look_behinds, strict=True)
        )

    # --- without reading ---------------------------------------------------------------------------------------------

    def _truths(self, behind: Behind) -> tuple[bool, ...]:
        return tuple(not places.isdisjoint(self.program.match) for places in behind)

    def _plain(self, places: list[int]) -> list[int]:
        """All places that can be reached, in code without tests."""
        return [thread.place for thread in self._close([Thread(p, NO_CLAIMS) for p in places], None, cut=False)]

    def _close(self, threads: list[Thread], behind: Behind | None, *, cut: bool = True) -> Threads:
        """The threads that wait or have matched, best first.

        Each path remembers the repeats in which it has begun a round since the last symbol: like ``re``, it leaves a
        repeat after a round that read nothing.
        """
        program = self.program
        found: dict[Thread, None] = {}
        seen: set[tuple[Thread, frozenset[int]]] = set()
        stack = [(thread, _NO_ROUNDS) for thread in reversed(threads)]
        while stack:
            step = stack.pop()
            if step in seen:
                continue
            seen.add(step)
            thread, begun = step
            place, claims = thread
            if place == DONE or place in program.match or place in program.char:
                found[thread] = None
                if cut and self.has_matched(thread):
                    break
            elif place in program.ways:
                stack.extend((Thread(way, claims), begun) for way in reversed(program.ways[place]))
            elif place in program.rounds:
                stack.extend((Thread(p, claims), b) for p, b in _rounds(program.rounds[place], begun))
            elif place in program.ahead:
                after = self._look_ahead(place, claims, behind)
                if after is not None:
                    stack.append((Thread(place + 1, after), begun))
            else:
                number, negated = program.behind[place]
                assert behind is not None, "no tests within a look-behind"
                if self.truths(behind)[number] != negated:
                    stack.append((Thread(place + 1, claims), begun))
        return tuple(found)

    def _look_ahead(self, place: int, claims: Claims, behind: Behind | None) -> Claims | None:
        """The claims of a thread that passes a look-ahead; None: it does not."""
        entry, negated = self.program.ahead[place]
        threads = frozenset(self._close([Thread(entry, NO_CLAIMS)], behind))
        if any(map(self.has_matched, threads)):
            return None if negated else claims
        if not threads:
            return claims if negated else None
        if negated:
            return Claims(claims.never | threads, claims.some)
        return Claims(claims.never, claims.some | {threads})


def _rounds(choice: tuple[int, bool, int, int, bool], begun: frozenset[int]) -> list[tuple[int, frozenset[int]]]:
    """Where a repeat goes on, best last (for a stack)."""
    repeat, is_first, inside, outside, greedy = choice
    leave = (outside, begun - {repeat})
    if repeat in begun and not is_first:
        return [leave]
    enter = (inside, begun | {repeat})
    return [leave, enter] if greedy else [enter, leave]


def _classes(program: Program) -> list[tuple[Ranges, Atom]]:
    """The coarsest classes of symbols that no set of the program splits, each with the places that read it."""
    users: dict[Ranges, list[int]] = {}
    for place, ranges in program.char.items():
        users.setdefault(ranges, []).append(place)
    places = list(users.values())
    return [(r, frozenset(p for i in used for p in places[i])) for r, used in atoms(list(users))]
