"""``LanguageModel``: what the samplers ask of a model, in one method: the next-token laws of prefixes.

The law is the model's own, end-of-sequence included, over all ids of the vocabulary's width. Whoever implements it
may remember whatever it likes (``causal.py`` keeps a tree of keys and values); the samplers never ask twice for what
they still hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Laws = npt.NDArray[np.float64]


class Request(NamedTuple):
    """Ask for the laws after ``prefix``, and after ``prefix`` and each beginning of ``ahead``.

    Token ids, behind the prompt and without it. ``ahead`` is text that is known to come, or thought to: its laws cost
    no further call.
    """

    prefix: tuple[int, ...]
    ahead: tuple[int, ...] = ()


@dataclass
class Usage:
    """What a model has done so far: forward passes, and tokens fed to it, prompt included and padding not."""

    calls: int = 0
    tokens: int = 0

    def since(self, before: Usage) -> Usage:
        """What was done after ``before`` was copied."""
        return Usage(self.calls - before.calls, self.tokens - before.tokens)

    def copy(self) -> Usage:
        """The figures as they are now."""
        return Usage(self.calls, self.tokens)


class LanguageModel(Protocol):
    """A law over token sequences, behind a fixed prompt."""

    width: int
    key: str  # names the model, its number format, the prompt and the warping: laws of equal keys are equal
    usage: Usage

    def laws(self, requests: Sequence[Request]) -> list[Laws]:
        """For each request a fresh float64 array ``[1 + len(ahead), width]`` of natural logarithms of probabilities.

        Each row is normalised (its exponentials sum to one); ``-inf`` is probability zero.
        """
        ...


@dataclass
class TableModel:
    """A model given by a function from a prefix to probabilities: for tests, and for laws that are known exactly."""

    next_probabilities: Callable[[tuple[int, ...]], Sequence[float]]
    width: int
    key: str = "table"
    usage: Usage = field(default_factory=Usage)

    def laws(self, requests: Sequence[Request]) -> list[Laws]:
        """The logarithms of what the function says."""
        self.usage.calls += 1
        self.usage.tokens += sum(1 + len(request.ahead) for request in requests)
        return [np.stack([self._law(prefix) for prefix in _beginnings(request)]) for request in requests]

    def _law(self, prefix: tuple[int, ...]) -> Laws:
        probabilities = np.asarray(self.next_probabilities(prefix), np.float64)
        with np.errstate(divide="ignore"):
            return np.log(probabilities)


def _beginnings(request: Request) -> list[tuple[int, ...]]:
    """The prefixes whose laws a request asks for."""
    prefix, ahead = request
    return [prefix + ahead[:length] for length in range(len(ahead) + 1)]
