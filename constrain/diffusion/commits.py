"""``Commits``: tokens put into a canvas one after another, each checked with those before, and what that cost."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from constrain.canvas.base import OPEN, Canvas, Ending, Ids, NotCompletable
from constrain.diffusion.laws import Floats, Tokens, draw, restricted, warped
from constrain.diffusion.options import Options
from constrain.errors import LimitExceeded

Answer = TypeVar("Answer")
Places = npt.NDArray[np.int64]


class Tally(NamedTuple):
    """Counts of a run.

    ``calls``        forward passes
    ``proposals``    tokens proposed, and ``rejections``: how many of them were not allowed
    ``certificate``  tokens that no law chose, but the certificate: where a decision took too long, or where the law
                     gives nothing to what is allowed
    ``seconds``      spent in the canvas
    """

    calls: int = 0
    proposals: int = 0
    rejections: int = 0
    certificate: int = 0
    seconds: float = 0.0


NOTHING = Tally()
CHANCE = np.random.default_rng(0)  # for where nothing is drawn: never asked


class Proposals(NamedTuple):
    """For each open slot in ``places``: a token, how sure it is, and the law it is from, ``[m, V]``."""

    places: Places
    tokens: Tokens
    confidence: Floats
    law: torch.Tensor


def settled(canvas: Canvas) -> Ids:
    """(n,) int32: the slots of the canvas, and behind the first end padding wherever it is open (any would be right).

    So the model sees that the text has ended, and nothing is left to decide there.
    """
    slots: Ids = canvas.slots
    ends = np.flatnonzero(np.isin(slots, list(canvas.ending.ends)))
    if not len(ends):
        return slots
    first = int(ends[0])
    behind = np.where(slots[first:] == OPEN, filler(canvas.ending, int(slots[first])), slots[first:])
    found: Ids = np.concatenate([slots[:first], behind]).astype(np.int32, copy=False)
    return found


def filler(ending: Ending, end: int) -> int:
    """What stands behind an end: padding, or the end again where there is none."""
    return min(ending.padding, default=end)


class Commits:
    """The commits of one step. ``canvas`` is the canvas so far, ``tally`` the counts of the run so far."""

    def __init__(self, canvas: Canvas, tally: Tally = NOTHING, patience: float | None = None) -> None:
        self.canvas, self.tally, self.done = canvas, tally, 0
        self._limit = None if patience is None else tally.seconds + patience

    @property
    def spent(self) -> bool:
        """Has patience run out? Never before the first commit, so that every step gets somewhere."""
        return self._limit is not None and self.done > 0 and self.tally.seconds >= self._limit

    def open(self, slot: int) -> bool:
        """Is anything left to decide in the slot?"""
        return bool(settled(self.canvas)[slot] == OPEN)

    def ask(self, question: Callable[..., Answer], *arguments: Any) -> Answer:
        """What the canvas answers, its time counted."""
        begin = time.perf_counter()
        try:
            return question(*arguments)
        finally:
            self._count(seconds=time.perf_counter() - begin)

    def commit(self, slot: int, token: int) -> None:
        """Commit a token. Raises ``NotCompletable`` if it is not allowed."""
        self.canvas = self.ask(self.canvas.commit, slot, token)
        self.done += 1

    def take(self, slot: int, token: int) -> bool:
        """Commit a proposal if it is allowed; says whether."""
        self._count(proposals=1)
        try:
            self.commit(slot, token)
        except NotCompletable:
            self._count(rejections=1)
            return False
        return True

    def certify(self, slot: int) -> None:
        """Commit what the certificate has there, which is always allowed."""
        self._count(certificate=1)
        self.commit(slot, int(self.canvas.filling[slot]))

    def replacement(
        self, slot: int, token: int, law: torch.Tensor, options: Options, rng: np.random.Generator
    ) -> int | None:
        """The best id of ``law`` (``[V]``) that is allowed in place of ``token``; a draw where there is a temperature.

        ``None`` where the law gives nothing to what is allowed. Some may be asked about one by one, quicker where
        refusals cost less than masks; that comes to the same: a draw is made anew without what was refused.
        """
        left = law.index_fill(0, torch.tensor([token], device=law.device), -torch.inf)[None]
        cut = options.temperature > 0 and (options.top_k is not None or options.top_p is not None)
        for _ in range(0 if cut else options.tries):  # a cut is of what is allowed: it needs the mask
            if not bool(left.isfinite().any()):
                return None
            other = int(drawn(left, options, rng)[0])
            if self.ask(self.canvas.allows, slot, other):
                return other
            left[0, other] = -torch.inf
        allowed = restricted(left, self.ask(self.canvas.mask, slot))
        return int(drawn(allowed, options, rng)[0]) if bool(allowed.isfinite().any()) else None

    @contextmanager
    def deciding(self, slot: int) -> Iterator[None]:
        """Where the canvas cannot decide within its own limits, the certificate does."""
        try:
            yield
        except LimitExceeded:
            self.certify(slot)

    def _count(self, **more: float) -> None:
        self.tally = self.tally._replace(**{name: getattr(self.tally, name) + value for name, value in more.items()})


def drawn(law: torch.Tensor, options: Options, rng: np.random.Generator) -> Tokens:
    """``[m]``: the best ids of a law ``[m, V]``, or draws where options have a temperature."""
    if options.temperature == 0:
        return draw(law, None)
    return draw(warped(law, options.temperature, options.top_k, options.top_p), rng.random(len(law)))


def commit_surest(
    commits: Commits, proposals: Proposals, count: int, last: bool, options: Options, rng: np.random.Generator
) -> None:
    """Commit ``count`` tokens, the surest first. Patience is no reason to wait in the ``last`` step of a block."""
    queue = Queue(proposals.confidence, options.alg_temp, rng)
    tokens = proposals.tokens.copy()
    goal = commits.done + count
    while commits.done < goal and (i := queue.pop()) is not None:
        slot = int(proposals.places[i])
        if not commits.open(slot):
            continue  # behind an end that was committed meanwhile
        with commits.deciding(slot):
            if commits.spent and tokens[i] != commits.canvas.filling[slot]:
                if last:
                    commits.certify(slot)
            elif not commits.take(slot, int(tokens[i])):
                other = commits.replacement(slot, int(tokens[i]), proposals.law[i], options, rng)
                if other is None:
                    commits.certify(slot)
                elif options.refused == "replace":
                    commits.commit(slot, other)
                else:
                    tokens[i] = other
                    queue.again(i, float(proposals.law[i, other].exp()) if options.confidence == SURE else None)


SURE = "low_confidence"  # the one confidence that depends on the token


class Queue:
    """Places, surest first; with ``alg_temp`` drawn without replacement, by Gumbel noise (Yellott 1977)."""

    def __init__(self, confidences: Floats, alg_temp: float | None, rng: np.random.Generator) -> None:
        self._scale = alg_temp or 1.0
        self._noise = rng.gumbel(size=len(confidences)) if alg_temp else np.zeros(len(confidences))
        self._keys = [self._key(i, float(each)) for i, each in enumerate(confidences)]
        self._heap = [(key, i) for i, key in enumerate(self._keys)]
        heapq.heapify(self._heap)

    def pop(self) -> int | None:
        """The next place; ``None`` when there are no more."""
        return heapq.heappop(self._heap)[1] if self._heap else None

    def again(self, i: int, confidence: float | None) -> None:
        """Put a place back, with another confidence or with its own."""
        heapq.heappush(self._heap, (self._keys[i] if confidence is None else self._key(i, confidence), i))

    def _key(self, i: int, confidence: float) -> float:
        return -(confidence / self._scale + float(self._noise[i]))
