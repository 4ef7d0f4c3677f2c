"""``Sampler``: masked diffusion over a canvas that can always be completed, as ``init`` and ``step`` on values.

A step asks the denoiser about the canvas, proposes a token for each open slot of the current block, and commits those
it is surest of. A commit returns a canvas that can be completed again, so tokens that are committed together agree, and
no order of commits leads astray. The last step of a block fills it: every open slot has an allowed token, always.
(LLaDA: Nie et al. 2025, section 2.4; Dream: Ye et al. 2025; the invariant: docs/diffusion.md.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from constrain.canvas.base import OPEN, Canvas, Ids, Scores
from constrain.diffusion.commits import NOTHING, Commits, Places, Proposals, Tally, commit_surest, drawn, settled
from constrain.diffusion.denoiser import Denoiser
from constrain.diffusion.free import choosable
from constrain.diffusion.laws import as_scores, confidence, log_law, restricted
from constrain.diffusion.options import Options
from constrain.errors import ConstrainError, LimitExceeded
from constrain.tokens.base import Words


@dataclass(frozen=True)
class State:
    """A canvas on its way. A value: the same state gives the same next state (but for measured times).

    ``ids``    (n,) int32: what is decided, ``OPEN`` where nothing is. As the canvas, but filled behind the end
    ``step``   steps taken; with ``seed`` it gives the randomness of the next one
    ``block``  the block of the last step, and ``inside``: how many steps were spent in it
    """

    canvas: Canvas
    ids: Ids
    seed: int = 0
    step: int = 0
    block: int = 0
    inside: int = 0
    tally: Tally = NOTHING

    @property
    def finished(self) -> bool:
        """Is nothing open?"""
        return not bool((self.ids == OPEN).any())


class Diffused(NamedTuple):
    """What a run gave. ``text`` is up to the first end, ``ids`` are all slots; ``seconds`` the whole run's."""

    text: str
    ids: tuple[int, ...]
    steps: int
    tally: Tally
    seconds: float


class Sampler:
    """A denoiser behind a prompt, with options. ``init``, then ``step`` until the state is finished; or ``run``.

    ``prompt``   ids before the canvas; may be empty
    ``options``  see ``Options``
    ``bounds``   where blocks end, ascending, the last one the length of the canvas (``blocks.py``); left out, they
                 come from ``options.block_length``
    ``window``   does the denoiser see only what is up to the end of the current block (block diffusion)?
    """

    def __init__(
        self,
        denoiser: Denoiser,
        prompt: Sequence[int],
        options: Options = Options(),  # noqa: B008 (frozen)
        *,
        bounds: Sequence[int] | None = None,
        window: bool = False,
    ) -> None:
        self.denoiser, self.options, self.window = denoiser, options, window
        self.prompt = torch.tensor(list(prompt), dtype=torch.int64)
        self._bounds = bounds
        self._choosable: dict[tuple[int, object], npt.NDArray[np.bool_]] = {}

    def init(self, canvas: Canvas, seed: int = 0) -> State:
        """The state before the first step. Raises ``ValueError`` where bounds or steps do not fit the canvas."""
        self._check(self.bounds(len(canvas.slots)), len(canvas.slots))
        if self.window and self.options.propose == "marginals":
            raise ValueError('propose="marginals" needs laws of all open slots, and a block\'s model has only its own')
        if self.denoiser.facts.mask in canvas.ending.behind:
            raise ValueError(f"the mask id {self.denoiser.facts.mask} cannot be an end or padding of the canvas too")
        return State(canvas, settled(canvas), seed)

    def step(self, state: State) -> State:
        """One forward pass, and the commits that follow from it. A finished state stays as it is."""
        if state.finished:
            return state
        rng = np.random.default_rng([state.seed, state.step])
        state = self._in_block(state)
        commits = Commits(state.canvas, state.tally._replace(calls=state.tally.calls + 1), self.options.patience)
        proposals = self._propose(state, self._law(state), commits, rng)
        count = self._count(state, proposals)
        commit_surest(commits, proposals, count, self._steps_left(state) == 1, self.options, rng)
        ids = settled(commits.canvas)
        return replace(
            state, canvas=commits.canvas, ids=ids, step=state.step + 1, inside=state.inside + 1, tally=commits.tally
        )

    def run(self, canvas: Canvas, seed: int = 0, watch: Callable[[State], object] | None = None) -> Diffused:
        """Steps until nothing is open. ``watch`` sees every state, the first one included."""
        begin = time.perf_counter()
        state = self.init(canvas, seed)
        while True:
            if watch is not None:
                watch(state)
            if state.finished:
                return read(state, time.perf_counter() - begin)
            state = self.step(state)

    def bounds(self, n: int) -> list[int]:
        """Where blocks end on a canvas of ``n`` slots."""
        length = self.options.block_length or n
        return list(self._bounds) if self._bounds is not None else [*range(length, n, length), n]

    # --- Where and how many ---

    def _check(self, bounds: Sequence[int], n: int) -> None:
        if not bounds or bounds[-1] != n or any(a >= b for a, b in zip([0, *bounds], bounds, strict=False)):
            raise ValueError(f"bounds {list(bounds)} are not the ends of blocks of a canvas of {n} slots")
        if self.options.steps is not None and self.options.steps < len(bounds):
            raise ValueError(f"{self.options.steps} steps for {len(bounds)} blocks: each needs one at least")

    def _in_block(self, state: State) -> State:
        """The state in the block of its first open slot."""
        first = int(np.flatnonzero(state.ids == OPEN)[0])
        block = int(np.searchsorted(self.bounds(len(state.ids)), first, side="right"))
        return state if block == state.block else replace(state, block=block, inside=0)

    def _end(self, state: State) -> int:
        return self.bounds(len(state.ids))[state.block]

    def _steps_left(self, state: State) -> int | None:
        """Steps left in this block, this one included; blocks share the steps, earlier ones have the remainder."""
        if self.options.steps is None:
            return None
        whole, more = divmod(self.options.steps, len(self.bounds(len(state.ids))))
        return max(whole + (state.block < more) - state.inside, 1)

    def _count(self, state: State, proposals: Proposals) -> int:
        """How many to commit."""
        if self.options.threshold is not None:
            return max(int((proposals.confidence > self.options.threshold).sum()), 1)
        left = self._steps_left(state)
        if left is not None:
            return -(-len(proposals.places) // left)
        return self.options.tokens or 1

    # --- What ---

    def _law(self, state: State) -> tuple[Places, torch.Tensor]:
        """The open slots that the denoiser sees, and its law there."""
        end = self._end(state) if self.window else len(state.ids)
        places = np.flatnonzero(state.ids[:end] == OPEN)
        ids = torch.from_numpy(np.where(state.ids == OPEN, self.denoiser.facts.mask, state.ids)[:end].astype(np.int64))
        logits = self.denoiser(torch.cat([self.prompt, ids])[None])[0, len(self.prompt) :]
        if self.options.propose in ("raw", "mask"):
            places = places[places < self._end(state)]
        return places, log_law(logits[torch.from_numpy(places).to(logits.device)], self._allowed(state.canvas))

    def _allowed(self, canvas: Canvas) -> npt.NDArray[np.bool_]:
        key = id(canvas.vocabulary), canvas.ending
        if key not in self._choosable:
            self._choosable[key] = choosable(canvas.vocabulary, canvas.ending)
        return self._choosable[key]

    def _propose(
        self, state: State, seen: tuple[Places, torch.Tensor], commits: Commits, rng: np.random.Generator
    ) -> Proposals:
        """A token for each open slot of the block."""
        places, law = seen
        if self.options.propose == "mask":
            law = allowed_law(commits, places, law)
        scores = as_scores(law, places, len(state.ids), state.canvas.vocabulary.width) if self._whole else None
        if scores is not None and self.options.propose == "marginals":
            law = as_law(commits.ask(ability(state.canvas, "marginals"), scores, places), law)
        inside = int(np.searchsorted(places, self._end(state)))
        places, law = places[:inside], law[:inside]
        if scores is not None and self.options.propose == "joint":
            tokens = commits.ask(ability(state.canvas, "best"), scores)[places].astype(np.int64)
        else:
            tokens = drawn(law, self.options, rng)
        return Proposals(places, tokens, confidence(self.options.confidence, law, tokens, rng), law)

    @property
    def _whole(self) -> bool:
        """Is the canvas asked about all slots at once?"""
        return self.options.propose in ("marginals", "joint")


def allowed_law(commits: Commits, places: Places, law: torch.Tensor) -> torch.Tensor:
    """``[m, V]``: the law of each place given what its slot allows; as it is where it gives nothing to that."""
    allowed = restricted(law, np.stack([mask_or_all(commits, int(place)) for place in places]))
    some = allowed.isfinite().any(dim=-1, keepdim=True)
    return torch.where(some, allowed, law).log_softmax(dim=-1)


def mask_or_all(commits: Commits, place: int) -> Words:
    """What the slot allows; everything where that is not decided (a commit will ask again)."""
    try:
        return commits.ask(commits.canvas.mask, place)
    except LimitExceeded:
        return np.full(commits.canvas.vocabulary.words, -1, np.int32)


def read(state: State, seconds: float = 0.0) -> Diffused:
    """The text of a finished state."""
    ids = state.ids.tolist()
    end = next((i for i, token in enumerate(ids) if token in state.canvas.ending.ends), len(ids))
    text = state.canvas.vocabulary.decode(ids[:end]).decode("utf-8", "replace")
    return Diffused(text, tuple(ids), state.step, state.tally, seconds)


def ability(canvas: Canvas, name: str) -> Callable[..., Any]:
    """What not every canvas can: ``best``, and where each filling counts once ``marginals``, ``log_mass``, ``sample``.

    Raises ``ConstrainError`` for others, such as those of ambiguous grammars.
    """
    found: Callable[..., Any] | None = getattr(canvas, name, None)
    if found is None:
        raise ConstrainError(
            f"a {type(canvas).__name__} has no {name}: it cannot weigh the fillings of its grammar one by one (it may "
            'be ambiguous, or not regular). Take a regular grammar, or what needs no weighing: propose="raw" or "mask"'
        )
    return found


def as_law(rows: Scores, like: torch.Tensor) -> torch.Tensor:
    """``[m, V]``: rows ``(m, width)`` of logarithms, as wide as ``like`` and where it is."""
    found = np.full(like.shape, -np.inf)
    width = min(found.shape[1], rows.shape[1])
    found[:, :width] = rows[:, :width]
    return torch.from_numpy(found).to(like.device, like.dtype)
