"""What may come next in a ``Bag``, words included: counting (``ir/bag.py``) plus "no word twice".

With infinitely many words nothing more is to say: there is always another. Where a word terminal can be *used up*,
an element may be taken only if a word is left for it, and for all that must come after it. Such items matter only
once few of their words are left: more than can still be demanded are as good as infinitely many. Then the words
that are left are listed, and demands matched with them.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from itertools import combinations

from constrain.automata.wordlanguage import WordLanguage, can_run_out
from constrain.errors import LimitExceeded
from constrain.ir.bag import Control, State, indices
from constrain.ir.grammar import Bag

MAX_MATCHES = 10_000
MAX_PLENTY = 1 << 12

Words = tuple[str, ...]  # values, sorted
NO_WORDS: Words = ()
Options = list[tuple[int, State]]


class Course:
    """The ways through one bag. Words are values as ``ir/words.py`` makes them."""

    def __init__(self, bag: Bag) -> None:
        self.bag = bag
        self.control = Control(bag)
        self._options: dict[tuple[State, Words], Options] = {}
        self._scarce: dict[Words, dict[int, Words]] = {}

    @cached_property
    def tight(self) -> dict[int, WordLanguage]:
        """Languages of the items whose words can be used up, or those of them that begin with something."""
        words = ((i, item.word) for i, item in enumerate(self.bag.items))
        return {i: WordLanguage(word) for i, word in words if word is not None and can_run_out(word)}

    @cached_property
    def start(self) -> State | None:
        """The state before the first element; ``None`` when nothing is in the bag."""
        state = self.control.start
        return state if state is not None and self.is_open(state, NO_WORDS) else None

    def options(self, state: State, seen: Words) -> Options:
        """The items of which an element may come next, each with the state after it."""
        key = (state, seen if self.tight else NO_WORDS)
        if key not in self._options:
            self._options[key] = self._find_options(state, seen)
        return self._options[key]

    def _find_options(self, state: State, seen: Words) -> Options:
        found = []
        for i in indices(self.control.open_items(state)):
            after = self.control.take(state, i)
            if after is None or (self.tight and not self.is_open(after, seen)):
                continue
            if i in self.tight and not self.is_left(i, after, seen):
                continue
            found.append((i, after))
        return found

    def is_left(self, i: int, after: State, seen: Words) -> bool:
        """Is there a word for an element of item ``i``?"""
        return self.tight[i].is_left(self.tight[i].letter, b"", self.barred(after, seen))

    def barred(self, after: State, seen: Words) -> Words:
        """Words that must not be the word of the element after which ``after`` is reached."""
        if not self.tight:
            return seen
        more = {word for word in self.last_words(seen) if not self.is_open(after, add_word(seen, word))}
        return tuple(sorted({*seen, *more})) if more else seen

    def last_words(self, seen: Words) -> set[str]:
        """The words left of items that are nearly used up."""
        return {word for words in self.scarce(seen).values() for word in words}

    def scarce(self, seen: Words) -> dict[int, Words]:
        """The words left of each item that has so few of them that they might not meet all demands."""
        if seen not in self._scarce:
            self._scarce[seen] = scarce = {}
            for i, language in self.tight.items():
                left = language.remaining(seen, self._enough)
                if left is not None:
                    scarce[i] = left
        return self._scarce[seen]

    @cached_property
    def plenty(self) -> int:
        """However many words up to this have been written: nothing is scarce. At most ``MAX_PLENTY``."""
        most = MAX_PLENTY + self._enough + 1
        least = min(language.count(language.letter, b"", most) for language in self.tight.values())
        return least - self._enough - 1

    @cached_property
    def _enough(self) -> int:
        """More words than this are as good as infinitely many."""
        return self.control.most_owed + len(self.bag.items)

    def is_open(self, state: State, seen: Words) -> bool:
        """Can the bag be finished from here?"""
        if not self.tight:
            return True
        scarce = self.scarce(seen)
        if not scarce:
            return True
        if not self.control.is_feasible(state, {i: len(words) for i, words in scarce.items()}):
            return False
        if all(set(a).isdisjoint(b) for a, b in combinations(scarce.values(), 2)):
            return True
        return _Matching(self, scarce).finds_end(state, frozenset())


class _Matching:
    """Search for a way to the end when items must share the few words that are left."""

    def __init__(self, course: Course, scarce: dict[int, Words]) -> None:
        self.control = course.control
        self.scarce = scarce
        self.seen: set[tuple[State, frozenset[str]]] = set()

    def finds_end(self, state: State, used: frozenset[str]) -> bool:
        if self.control.is_final(state):
            return True
        if (state, used) in self.seen:
            return False
        self.seen.add((state, used))
        if len(self.seen) > MAX_MATCHES:
            hint = "write out the items whose words are few"
            raise LimitExceeded("ways to share the last words of a bag", len(self.seen), MAX_MATCHES, hint)
        left = {i: [word for word in words if word not in used] for i, words in self.scarce.items()}
        if not self.control.is_feasible(state, {i: len(words) for i, words in left.items()}):
            return False
        for i in self._next_items(state):
            after = self.control.take(state, i)
            if after is None:
                continue
            if i not in left:
                if self.finds_end(after, used):
                    return True
            elif any(self.finds_end(after, used | {word}) for word in left[i]):
                return True
        return False

    def _next_items(self, state: State) -> range:
        """Elements of an unordered bag can be rearranged: what must come may come first."""
        if state.missing and not self.control.ordered:
            first = (state.missing & -state.missing).bit_length() - 1
            return range(first, first + 1)
        return range(len(self.control.items))


def add_word(words: Words, word: str) -> Words:
    """Sorted words with one more."""
    place = bisect_left(words, word)
    return words if words[place : place + 1] == (word,) else (*words[:place], word, *words[place:])
