"""``GemmaProcessor``: transformers' own ``DiffusionGemma`` writes valid text, by a logits processor.

Its ``generate()`` denoises a canvas of random tokens, and keeps in the end the best token of each place, each taken by
itself. It may end after any step: when the best tokens did not change and the laws are sure enough. So the best tokens
must go together in *every* step. Here each step's logits become the laws given that the whole canvas is valid (where
the canvas can count; else given what each slot allows), and then, wherever the best token of a place is not that of the
best valid filling of the whole canvas, the two change places. That leaves entropies as they are, which decide what the
loop accepts and when it stops.

A text may take several canvases, one after the other. The constraint is on all of them: what is behind the present one
is open, and must be able to hold the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from constrain.canvas.base import OPEN, Canvas, Ids, Scores
from constrain.diffusion.commits import CHANCE, Commits, Places, Proposals, commit_surest, settled
from constrain.diffusion.free import choosable
from constrain.diffusion.laws import as_scores, log_law
from constrain.diffusion.options import Options
from constrain.diffusion.sampler import Diffused, State, allowed_law, as_law, read

LEAD = 1e-2  # of the best token over all others: more than division by a temperature can round away in float32


class GemmaProcessor(LogitsProcessor):
    """For one call of ``model.generate(input_ids, **processor.options())``; also for many, in turn.

    ``canvases``       one for each row of the batch, or one for all; each as long as the call's canvases together, a
                       multiple of ``model.config.canvas_length``. Slots that are fixed stay so: infilling
    ``prompt_length``  the width of ``input_ids``

    It must be the last of all processors that are given to ``generate()``. Raises ``ValueError`` where lengths or rows
    do not fit.
    """

    def __init__(self, canvases: Canvas | Sequence[Canvas], prompt_length: int) -> None:
        self._given = list(canvases) if isinstance(canvases, Sequence) else [canvases]
        if len({len(canvas.slots) for canvas in self._given}) != 1:
            raise ValueError("the canvases of a batch must be of one length, and there must be one at least")
        self.n, self.prompt_length = len(self._given[0].slots), prompt_length
        self._choosable = choosable(self._given[0].vocabulary, self._given[0].ending)
        self._rows: list[_Row] = []
        self._left = 0

    def options(self) -> dict[str, Any]:
        """What ``generate()`` must be given, anew for each call (it appends to the list of processors)."""
        ending = self._given[0].ending
        return {
            "logits_processor": LogitsProcessorList([self]),
            "max_new_tokens": self.n,
            "eos_token_id": sorted(ending.ends),
            "pad_token_id": min(ending.behind - ending.ends or ending.ends),
        }

    def results(self, sequences: torch.Tensor) -> list[Diffused]:
        """Text, ids and counts of each row of ``generate(...).sequences`` (or of the ids themselves)."""
        found = []
        for row, ids in zip(self._rows, sequences[:, self.prompt_length :].cpu().numpy(), strict=True):
            canvas = row.commits.canvas
            for place in range(self._open_from(canvas), min(len(ids), self.n)):
                if settled(canvas)[place] == OPEN:
                    canvas = canvas.commit(place, int(ids[place]))
            found.append(read(State(canvas, settled(canvas), step=row.steps, tally=row.commits.tally)))
        return found

    @staticmethod
    def _open_from(canvas: Canvas) -> int:
        left = np.flatnonzero(settled(canvas) == OPEN)
        return int(left[0]) if len(left) else len(canvas.slots)

    @torch.no_grad()
    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, cur_step: Any = None) -> torch.Tensor:
        """Logits ``[B, C, V]``, float32: a new tensor. ``input_ids`` ``[B, L]``: the prompt and finished canvases."""
        done, length = input_ids.shape[1] - self.prompt_length, scores.shape[1]
        if done < 0 or done % length or done + length > self.n:
            raise ValueError(
                f"ids of {input_ids.shape[1]} columns behind a prompt of {self.prompt_length}, canvases of {length}: "
                f"not a call for {self.n} slots. Pass options(), and a canvas of a multiple of {length} slots"
            )
        if len(self._given) not in (1, len(scores)):
            raise ValueError(f"{len(self._given)} canvases for {len(scores)} rows: give one for each, or one for all")
        self._begin_if_new(len(scores), done, 0 if cur_step is None else int(cur_step))
        found = [self._row(*each, length) for each in zip(self._rows, input_ids, scores, strict=True)]
        return torch.stack(found)

    def _begin_if_new(self, rows: int, done: int, left: int) -> None:
        """A new call of ``generate()``: with fewer ids than before, or no fewer steps ``left`` for the first canvas."""
        old = self._rows
        if not old or len(old) != rows or done < old[0].done or (done == 0 and left >= self._left):
            self._rows = [_Row(self._given[i % len(self._given)]) for i in range(rows)]
        self._left = left

    def _row(self, row: _Row, ids: torch.Tensor, logits: torch.Tensor, length: int) -> torch.Tensor:
        """``[C, V]`` for the canvas at hand."""
        row.read(ids[self.prompt_length :].cpu().numpy())
        slots = settled(row.commits.canvas)[row.done : row.done + length]
        places = row.done + np.flatnonzero(slots == OPEN)
        found = torch.full(logits.shape, -torch.inf, device=logits.device)
        found[torch.arange(length), torch.from_numpy(np.maximum(slots, 0)).long()] = 0.0  # what is fixed, for certain
        if len(places):
            inside = torch.from_numpy(places - row.done).to(logits.device)
            found[inside] = self._laws(row, places, log_law(logits[inside].float(), self._choosable), length)
        return found

    def _laws(self, row: _Row, places: Places, law: torch.Tensor, length: int) -> torch.Tensor:
        """``[m, V]`` for the open slots: laws given validity, led by the best filling."""
        commits = row.commits
        commits.tally = commits.tally._replace(calls=commits.tally.calls + 1)
        row.steps += 1
        scores = as_scores(law, places, self.n, len(self._choosable))
        given = self._conditioned(row, places, law, scores, length)
        return led(given, self._best(commits, places, given, scores))

    @staticmethod
    def _best(commits: Commits, places: Places, given: torch.Tensor, scores: Scores) -> Ids:
        """The best valid filling; of a canvas without ``best`` the greedy one: surest first, each with those before."""
        best = getattr(commits.canvas, "best", None)
        if best is not None:
            found: Ids = commits.ask(best, scores)
            return found[places]
        trial = Commits(commits.canvas, commits.tally)
        tokens = given.argmax(dim=-1).cpu().numpy()
        sure = given.max(dim=-1).values.double().cpu().numpy()
        commit_surest(trial, Proposals(places, tokens, sure, given), len(places), True, Options(), CHANCE)
        commits.tally = trial.tally
        return settled(trial.canvas)[places]

    def _conditioned(self, row: _Row, places: Places, law: torch.Tensor, scores: Scores, length: int) -> torch.Tensor:
        """Marginals, where nothing lies behind this canvas that no law is known of; else what each slot allows."""
        marginals = getattr(row.commits.canvas, "marginals", None)
        if marginals is None or row.done + length < self.n:
            return allowed_law(row.commits, places, law)
        return as_law(row.commits.ask(marginals, scores, places), law)


class _Row:
    """What is known of one row of the batch: its canvas, up to where ids were ``done``."""

    def __init__(self, canvas: Canvas) -> None:
        self.commits = Commits(canvas)
        self.done = self.steps = 0

    def read(self, ids: Ids) -> None:
        """Commit the ids of canvases that were finished since."""
        for place in range(self.done, len(ids)):
            if self.commits.open(place):
                self.commits.commit(place, int(ids[place]))
        self.done = len(ids)


def led(law: torch.Tensor, best: Ids) -> torch.Tensor:
    """``[m, V]`` with ``best`` (``(m,)``) first in its row, and by ``LEAD``: it changes places with what was first."""
    rows = torch.arange(len(law), device=law.device)
    chosen = torch.from_numpy(best.astype(np.int64)).to(law.device)
    top, first = law.max(dim=-1)
    law = law.clone()
    law[rows, first] = law[rows, chosen]
    law[rows, chosen] = top + LEAD
    return law
