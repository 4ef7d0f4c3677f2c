"""``Counted``: a predicate that remembers its verdicts, in bounded memory, and counts how often it was asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from constrain.predicates.base import Predicate


class Verdicts:
    """The answers of one function to the texts last asked about. ``asked``: questions; ``calls``: to the function."""

    def __init__(self, ask: Callable[[bytes], bool], capacity: int) -> None:
        self.ask = ask
        self.capacity = capacity
        self.asked = 0
        self.calls = 0
        self._known: OrderedDict[bytes, bool] = OrderedDict()  # least recently used first

    def __len__(self) -> int:
        return len(self._known)

    def __call__(self, text: bytes) -> bool:
        self.asked += 1
        if text not in self._known:
            return self._learn(text)
        self._known.move_to_end(text)
        return self._known[text]

    def _learn(self, text: bytes) -> bool:
        self.calls += 1
        verdict = self.ask(text)
        self._known[text] = verdict
        if len(self._known) > self.capacity:
            self._known.popitem(last=False)
        return verdict


class Counted:
    """The same predicate, asked at most once about a text that is remembered.

    ``capacity`` verdicts of each kind are kept, those used last. ``prefixes`` and ``wholes`` tell how often each
    question was asked and how often the predicate was called: a sampler's cost is ``calls``.
    """

    def __init__(self, predicate: Predicate, capacity: int = 65_536) -> None:
        """Raises ``ValueError`` for a capacity below one."""
        if capacity < 1:
            raise ValueError(f"capacity is the number of verdicts to keep, at least 1, not {capacity}")
        self.predicate = predicate
        self.prefixes = Verdicts(predicate.prefix_ok, capacity)
        self.wholes = Verdicts(predicate.complete_ok, capacity)

    @property
    def calls(self) -> int:
        """How often the predicate was called, for either question."""
        return self.prefixes.calls + self.wholes.calls

    def prefix_ok(self, text: bytes) -> bool:
        """The predicate's verdict."""
        return self.prefixes(text)

    def complete_ok(self, text: bytes) -> bool:
        """The predicate's verdict."""
        return self.wholes(text)
