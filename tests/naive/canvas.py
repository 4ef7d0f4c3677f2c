"""Canvases by trying every token in every open slot: what completions are, and all that is said of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from constrain.canvas.base import OPEN, Ending
from constrain.vocab.vocabulary import Vocabulary

Member = Callable[[bytes], bool]
Filling = tuple[int, ...]


def is_completion(filling: Filling, member: Member, vocabulary: Vocabulary, ending: Ending) -> bool:
    """Text of the language up to the first end; behind it ends and padding; without an end nothing but text."""
    first = next((k for k, token in enumerate(filling) if token in ending.ends), len(filling))
    if first == len(filling) and ending.required:
        return False
    pieces = [vocabulary.tokens[token] if token < len(vocabulary) else None for token in filling[:first]]
    behind = all(token in ending.ends or token in ending.padding for token in filling[first:])
    return behind and None not in pieces and member(b"".join(piece or b"" for piece in pieces))


def completions(slots: Sequence[int], member: Member, vocabulary: Vocabulary, ending: Ending) -> list[Filling]:
    """All fillings that agree with ``slots``."""
    ways = [range(vocabulary.width) if token == OPEN else (token,) for token in slots]
    return [f for f in itertools.product(*ways) if is_completion(f, member, vocabulary, ending)]


def allowed(fillings: list[Filling], slot: int) -> list[int]:
    return sorted({filling[slot] for filling in fillings})


def fewest_tokens(member: Member, vocabulary: Vocabulary, ending: Ending, limit: int) -> int | None:
    """The least number of open slots that can be completed, text and a required end; ``None`` above ``limit``."""
    for n in range(limit + 1):
        if completions([OPEN] * n, member, vocabulary, ending._replace(padding=frozenset())):
            return n
    return None


def committed(
    fillings: list[Filling], slots: Sequence[int], proposals: Sequence[tuple[int, int]]
) -> tuple[list[int], list[bool]]:
    """Proposals in order, each taken if some completion has it with all that was taken before."""
    held, taken = list(slots), []
    for slot, token in proposals:
        left = [filling for filling in fillings if filling[slot] == token]
        taken.append(bool(left) and held[slot] == OPEN)
        if taken[-1]:
            fillings, held[slot] = left, token
    return held, taken


def weight(filling: Filling, slots: Sequence[int], scores: npt.NDArray[np.float64]) -> float:
    """The sum of scores over slots that are open."""
    return math.fsum(scores[k, token] for k, token in enumerate(filling) if slots[k] == OPEN)


def log_total(weights: Sequence[float]) -> float:
    top = max(weights, default=-math.inf)
    return top if top == -math.inf else top + math.log(math.fsum(math.exp(w - top) for w in weights))


def texts(vocabulary: Vocabulary, fillings: list[Filling], ending: Ending) -> Iterator[bytes]:
    """The text of each."""
    for filling in fillings:
        yield b"".join(
            vocabulary.tokens[t] or b"" for t in itertools.takewhile(lambda t: t not in ending.ends, filling)
        )
