"""``DreamHooks``: the two hooks of Dream's own ``diffusion_generate``, so that every row it returns is valid.

Dream and its kin (DreamCoder, DiffuCoder) bring their loop in the checkpoint's remote code. A hook on the logits keeps
tokens from being proposed that the canvas does not allow; but which slots will be filled in a step is not known there,
and tokens that are allowed one by one need not go together. So a hook on the ids commits the new ones one after
another, the surest first, and masks again those that disagree. What was committed once stays, and so does the prompt:
where rows of a batch are not equally far, the loop puts masks in places that had tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from constrain.canvas.base import OPEN, Canvas
from constrain.diffusion.commits import CHANCE, SURE, Commits, Places, Proposals, commit_surest, settled
from constrain.diffusion.denoiser import Facts
from constrain.diffusion.free import choosable
from constrain.diffusion.laws import confidence, log_law, restricted
from constrain.diffusion.options import Options
from constrain.diffusion.sampler import Diffused, State, mask_or_all, read
from constrain.errors import LimitExceeded

BEST = Options()  # what replaces a token is the best that is allowed


class DreamHooks:
    """Hooks for one call of ``model.diffusion_generate(input_ids, **hooks.options(), ...)``; also for many, in turn.

    ``canvases``  one for each row of the batch, all of one length, or one for all rows. The canvas is the last columns
    ``facts``     ``read_facts(model, tokenizer)``
    ``steps``     of the call
    ``masks``     ask the canvas for the mask of every open slot in every step, so that only allowed tokens are
                  proposed; ``False`` is quicker, and masks more of them again

    The first token of a step is always kept, if need be as the best that is allowed; the last step fills all slots.
    After the call ``results()`` has texts and counts. Raises ``ValueError`` where rows or lengths do not fit. Several
    rows with ``alg_temp`` above 0 are more than Dream's loop can do once one of them is full: it draws from nothing.
    """

    def __init__(self, canvases: Canvas | Sequence[Canvas], facts: Facts, steps: int, *, masks: bool = True) -> None:
        self._given = list(canvases) if isinstance(canvases, Sequence) else [canvases]
        if len({len(canvas.slots) for canvas in self._given}) != 1:
            raise ValueError("the canvases of a batch must be of one length, and there must be one at least")
        if steps < 1:
            raise ValueError(f"steps must be 1 or more, not {steps}")
        self.n, self.steps = len(self._given[0].slots), steps
        self._mask, self._masks = facts.mask, masks
        self._choosable = choosable(self._given[0].vocabulary, self._given[0].ending)
        self._rows: list[Commits] = []
        self._prompt = torch.zeros(0, 0, dtype=torch.int64)

    def options(self) -> dict[str, Any]:
        """What ``diffusion_generate`` must be given for these hooks."""
        return {
            "steps": self.steps,
            "max_new_tokens": self.n,
            "generation_logits_hook_func": self.on_logits,
            "generation_tokens_hook_func": self.on_tokens,
        }

    def results(self) -> list[Diffused]:
        """Text, ids and counts of each row of the last call (``steps`` and ``calls`` are the call's, for all rows)."""
        states = [State(row.canvas, settled(row.canvas), step=self.steps, tally=row.tally) for row in self._rows]
        if not states or not all(state.finished for state in states):
            raise ValueError("diffusion_generate() has not come to its last step with these hooks: pass it options()")
        return [read(state) for state in states]

    def on_logits(self, step: int, x: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Logits ``[B, L, V]`` (shifted already) with ``-inf`` for what may not be proposed: a new tensor."""
        logits = logits.clone()
        first = x.shape[1] - self.n
        for row, commits in enumerate(self._rows):
            places = np.flatnonzero(settled(commits.canvas) == OPEN)
            law = log_law(logits[row, torch.from_numpy(first + places).to(logits.device)], self._choosable)
            if self._masks and len(places):
                law = self._allowed(commits, places, law)
            logits[row, torch.from_numpy(first + places).to(logits.device)] = law.to(logits.dtype)
        return logits

    def on_tokens(self, step: int | None, x: torch.Tensor, logits: torch.Tensor | None) -> torch.Tensor:
        """Ids ``[B, L]`` with the prompt, what is committed, and masks elsewhere: ``x`` itself, changed."""
        if step is None or logits is None:
            self._begin(x)
        else:
            for row, commits in enumerate(self._rows):
                self._commit(commits, step, x[row, -self.n :], logits[row, -self.n :])
        x[:, : -self.n] = self._prompt
        for row, commits in enumerate(self._rows):
            ids = settled(commits.canvas).astype(np.int64)
            x[row, -self.n :] = torch.from_numpy(np.where(ids == OPEN, self._mask, ids)).to(x.device)
        return x

    def _begin(self, x: torch.Tensor) -> None:
        if len(self._given) not in (1, len(x)):
            raise ValueError(f"{len(self._given)} canvases for {len(x)} rows: give one for each, or one for all")
        if x.shape[1] < self.n:
            raise ValueError(f"{x.shape[1]} columns cannot hold a canvas of {self.n} slots: pass options()")
        self._prompt = x[:, : -self.n].clone()
        self._rows = [Commits(self._given[row % len(self._given)]) for row in range(len(x))]

    @staticmethod
    def _allowed(commits: Commits, places: Places, law: torch.Tensor) -> torch.Tensor:
        """The law over what each slot allows; where it gives nothing to that, all that is allowed alike."""
        words = np.stack([mask_or_all(commits, int(place)) for place in places])
        allowed = restricted(law, words)
        some = allowed.isfinite().any(dim=-1, keepdim=True)
        return torch.where(some, allowed, restricted(torch.zeros_like(law), words))

    def _commit(self, commits: Commits, step: int, ids: torch.Tensor, logits: torch.Tensor) -> None:
        """The new ids of one row; in the last step the best ids wherever there are none."""
        commits.tally = commits.tally._replace(calls=step + 1)
        places = np.flatnonzero(settled(commits.canvas) == OPEN)
        chosen = ids.cpu().numpy()
        last = step >= self.steps - 1
        if not last:
            places = places[chosen[places] != self._mask]
        if not len(places):
            return
        law = log_law(logits[torch.from_numpy(places).to(logits.device)], self._choosable)
        tokens = np.where(chosen[places] == self._mask, law.argmax(dim=-1).cpu().numpy(), chosen[places])
        proposals = Proposals(places, tokens, confidence(SURE, law, tokens, CHANCE), law)
        if last or not take_agreeing(commits, proposals):
            commit_surest(commits, proposals, len(places) if last else 1, last, BEST, CHANCE)


def take_agreeing(commits: Commits, proposals: Proposals) -> bool:
    """Commit those that are allowed with those before, the surest first, and leave the others; was any?"""
    begun = commits.done
    for i in np.argsort(-proposals.confidence, kind="stable"):
        slot = int(proposals.places[i])
        if commits.open(slot):
            with suppress(LimitExceeded):  # not decided: left as well
                commits.take(slot, int(proposals.tokens[i]))
    return commits.done > begun
