"""A denoiser's logits as laws: log probabilities of what may be chosen, warped, drawn from, and how sure they are.

Rows are places, in float32 or wider on the device of the logits; only what is drawn comes to the host. Draws are by
inversion of one uniform for each place, from the caller's generator, so they do not depend on the device's own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from constrain.canvas.base import Scores
from constrain.errors import VocabularyError
from constrain.mask import expand_words
from constrain.tokens.base import Words

Floats = npt.NDArray[np.float64]
Tokens = npt.NDArray[np.int64]


def log_law(logits: torch.Tensor, choosable: npt.NDArray[np.bool_]) -> torch.Tensor:
    """``[m, V]`` logits as log probabilities of the ``choosable`` ids (``(width,)``); ``-inf`` for all others.

    ``logits`` are the caller's own rows, and overwritten: a copy of 256 rows of 150,000 takes a tenth of a second.
    Raises ``VocabularyError`` where an id that may be chosen has no logit, ``ValueError`` for logits that are no
    numbers.
    """
    width = logits.shape[-1]
    if choosable[width:].any():
        last = int(np.flatnonzero(choosable)[-1])
        raise VocabularyError(f"id {last} of the vocabulary has no logit: the model has only {width}")
    known = np.zeros(width, np.bool_)
    known[: len(choosable)] = choosable[:width]
    never = torch.from_numpy(np.flatnonzero(~known)).to(logits.device)
    wide = logits if logits.dtype == torch.float64 else logits.float()
    law = torch.log_softmax(wide.index_fill_(1, never, -torch.inf), dim=-1)
    if bool(law[:, :1].isnan().any()):  # one nan, or nothing left, makes a row of them
        raise ValueError("the logits are not finite (nan, inf, or -inf for all that may be chosen)")
    return law


def restricted(law: torch.Tensor, words: Words) -> torch.Tensor:
    """``[m, V]`` with only what the bits of ``words`` (``[m, W]`` or one row for all) allow; not normalised."""
    allowed = expand_words(np.atleast_2d(words), law.shape[-1], law.device)
    return law.masked_fill(~allowed, -torch.inf)


def warped(law: torch.Tensor, temperature: float, top_k: int | None = None, top_p: float | None = None) -> torch.Tensor:
    """``[m, V]`` at a temperature above 0, cut to the ``top_k`` best, then to the best that hold ``top_p`` together.

    Rows keep at least one id, and are not normalised. Rows of nothing stay so.
    """
    law = law / temperature
    if top_k is not None and top_k < law.shape[-1]:
        least = law.topk(top_k, dim=-1).values[:, -1:]
        law = law.masked_fill(law < least, -torch.inf)
    if top_p is not None and top_p < 1:
        falling, order = law.sort(dim=-1, descending=True)
        share = falling.softmax(dim=-1)
        beyond = (share.cumsum(dim=-1) - share) >= top_p
        law = law.masked_fill(beyond.scatter(-1, order, beyond), -torch.inf)
    return law


def draw(law: torch.Tensor, uniforms: Floats | None) -> Tokens:
    """``[m]``: an id for each row, in proportion to the exponentials, by inversion; the best one without ``uniforms``.

    Rows must have something to draw. Sums are in float64.
    """
    if uniforms is None:
        return np.asarray(law.argmax(dim=-1).cpu().numpy(), np.int64)
    tokens = [_invert(row, float(u)) for row, u in zip(law, uniforms, strict=True)]  # float64 for a row at a time
    return np.array(tokens, np.int64)


def _invert(row: torch.Tensor, uniform: float) -> int:
    masses = (row.double() - row.max()).exp()
    sums = masses.cumsum(dim=0)
    place = int(torch.searchsorted(sums, sums[-1:] * uniform, right=True))
    return place if place < len(row) and bool(masses[place] > 0) else int(masses.nonzero()[-1])


# --- How sure -------------------------------------------------------------------------------------------------------


def _of_token(law: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    return law.gather(-1, tokens[:, None])[:, 0].exp()


def _entropy(law: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    terms: torch.Tensor = torch.special.entr(law.exp())
    return -terms.sum(dim=-1)


def _margin(law: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    best = law.topk(2, dim=-1).values.exp()
    return best[:, 0] - best[:, 1]


CONFIDENCES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "low_confidence": _of_token,
    "entropy": _entropy,
    "margin": _margin,
}
"""By name: the probability of the token (LLaDA, Dream's ``maskgit_plus``), the negative entropy of the law in nats
(Dream's ``entropy``), the lead of the best id over the second (Dream's ``topk_margin``)."""


def confidence(kind: str, law: torch.Tensor, tokens: Tokens, rng: np.random.Generator) -> Floats:
    """``[m]`` float64: how sure the normalised ``law`` is of ``tokens``; larger is surer. ``random``: uniform."""
    if kind == "random":
        return rng.random(len(tokens))
    found = CONFIDENCES[kind](law, torch.from_numpy(tokens).to(law.device))
    return np.asarray(found.double().cpu().numpy())


def as_scores(law: torch.Tensor, places: npt.NDArray[np.int64], n: int, width: int) -> Scores:
    """(n, width) float64: the rows of ``law`` at ``places``; 0 in all others, so that what is fixed counts nothing."""
    scores = np.zeros((n, width))
    columns = min(width, law.shape[-1])
    scores[places] = -np.inf
    scores[places, :columns] = law[:, :columns].double().cpu().numpy()
    return scores
