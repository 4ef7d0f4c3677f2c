"""Where does the prompt end? ``generate()`` never says, so it is read from how the calls follow one another.

A logits processor sees ``input_ids`` (prompt and generated ids together) and no sign of a new ``generate()``. But
the calls of one generation have a shape. With several rows (batches, samples, beams) each call is one token wider
than the last, and every row extends a row of the last call that had the same prompt. With one row, drafts of an
assistant or of prompt lookup also make prefixes jump back: to one that was seen (a draft is walked again to be
verified), and after that to a seen one plus one new token (the next round). Everything else is a new generation,
and then all of ``input_ids`` is its prompt.

So one question stays open: a new prompt that is exactly a former output of the same processor, cut short or not
ended, possibly plus one token. It is read as going on with that output. Whoever means it as a fresh prompt says so
with ``reset()`` or ``prompt_length=``.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from constrain.adapters.prefix_states import Ids

_REMEMBERED = 4  # generations that may be interleaved: threads, or an assistant with another tokenizer


@dataclass(frozen=True)
class RowFacts:
    """What the grammar knows of generated rows, asked only where the shape of the calls leaves a doubt."""

    all_finished: Callable[[Ids], bool]
    in_language: Callable[[Ids], bool]


@dataclass(eq=False)
class Generation:
    """One run of ``generate()``: its prompt block and the rows of its calls.

    ``groups[r]`` numbers the prompt of row ``r``: equal neighbours are one prompt, expanded to beams or samples.
    ``seen`` holds hashes of the generated prefixes (of a single row only: only there do calls jump back).
    ``verifying`` says that a seen prefix has come back since the last round began, ``drafts`` that a call was known
    to verify a draft: either way, the next jump back may begin a round.
    """

    prompt: torch.Tensor
    groups: np.ndarray
    last: Ids
    seen: set[int] = field(default_factory=set)
    verifying: bool = False
    drafts: bool = False

    @property
    def start(self) -> int:
        return int(self.prompt.shape[1])

    def suffix(self, input_ids: torch.Tensor) -> Ids | None:
        """The generated ids of ``input_ids``, or ``None`` when its prompt columns are not those of this generation."""
        if input_ids.shape[0] != self.prompt.shape[0] or input_ids.shape[1] < self.start:
            return None
        if input_ids.device != self.prompt.device or not torch.equal(input_ids[:, : self.start], self.prompt):
            return None
        return host_ids(input_ids[:, self.start :])

    def takes(self, suffix: Ids, facts: RowFacts) -> bool:
        """Is a call with these generated rows a call of this generation? If so, remember it."""
        drafting = len(suffix) == 1 and (self.verifying or self.drafts)
        if self._extends_last(suffix):
            ended = not drafting and len(set(self.groups.tolist())) == len(suffix) and facts.all_finished(suffix)
            if ended:  # generate() has stopped there: what follows the end is another prompt
                return False
        elif len(suffix) > 1:
            return False
        elif _key(suffix) in self.seen:
            self.verifying = True
        elif drafting and _key(suffix[:, :-1]) in self.seen and facts.in_language(suffix):
            self.verifying = False
        else:
            return False
        self.remember(suffix)
        return True

    def _extends_last(self, suffix: Ids) -> bool:
        if suffix.shape[1] != self.last.shape[1] + 1:
            return False
        if np.array_equal(suffix[:, :-1], self.last):
            return True
        known = {(g, row.tobytes()) for g, row in zip(self.groups.tolist(), self.last, strict=True)}
        return all((g, row[:-1].tobytes()) in known for g, row in zip(self.groups.tolist(), suffix, strict=True))

    def remember(self, suffix: Ids) -> None:
        """This call was the last one so far."""
        self.last = suffix
        if len(suffix) == 1:
            self.seen.add(_key(suffix))


class Generations:
    """The last few generations; finds the one that a call belongs to, or begins a new one. Thread-safe."""

    def __init__(self) -> None:
        self._recent: deque[Generation] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forget all: the next call begins a new generation."""
        with self._lock:
            self._recent.clear()

    def place(self, input_ids: torch.Tensor, facts: RowFacts, drafts: bool) -> tuple[int, Ids]:
        """``(start, suffix)``: the width of the prompt, and the generated ids ``[rows, width - start]``.

        ``drafts`` says that this call is known to verify a draft.
        """
        with self._lock:
            generation, suffix = self._find(input_ids, facts) or _begin(input_ids)
            generation.drafts |= drafts
            if generation in self._recent:
                self._recent.remove(generation)
            self._recent.append(generation)
            return generation.start, suffix

    def _find(self, input_ids: torch.Tensor, facts: RowFacts) -> tuple[Generation, Ids] | None:
        for generation in reversed(self._recent):
            suffix = generation.suffix(input_ids)
            if suffix is not None and generation.takes(suffix, facts):
                return generation, suffix
        return None


def _begin(input_ids: torch.Tensor) -> tuple[Generation, Ids]:
    nothing = np.zeros((input_ids.shape[0], 0), dtype=np.int32)
    generation = Generation(input_ids.clone(), prompt_groups(input_ids), nothing)
    generation.remember(nothing)
    return generation, nothing


def prompt_groups(prompt: torch.Tensor) -> np.ndarray:
    """A number for each row of ``prompt`` ``[rows, width]``: neighbours with equal ids have the same."""
    changed = (prompt[1:] != prompt[:-1]).any(dim=1).cpu().numpy()
    return np.concatenate([[0], np.cumsum(changed)])


def host_ids(ids: torch.Tensor) -> Ids:
    """A contiguous int32 copy on the host."""
    return np.ascontiguousarray(ids.detach().cpu().numpy(), dtype=np.int32).copy()


def _key(suffix: Ids) -> int:
    return hash((suffix.shape[1], suffix.tobytes()))
