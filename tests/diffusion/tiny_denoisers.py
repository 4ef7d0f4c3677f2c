"""A language, a vocabulary, and denoisers that want all kinds of things: small enough to enumerate."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import torch
from naive.brute_canvas import BruteCanvas

from constrain.canvas.base import Ending
from constrain.diffusion.denoiser import Denoiser, Facts
from constrain.vocab.vocabulary import Vocabulary

torch.set_num_threads(1)

TOKENS = (b"a", b"b", b"ab", b"(", b")", b"c")
END, PAD, MASK, UNUSED = 6, 7, 8, 9
V = 11  # logits are wider than the vocabulary
VOCABULARY = Vocabulary([*TOKENS, None, None, None, None], [END])
ENDING = Ending(frozenset([END]), frozenset([PAD]))
FACTS = Facts(MASK, frozenset([END]), PAD)
LANGUAGES: dict[str, Callable[[bytes], bool]] = {
    "pairs": lambda text: re.fullmatch(rb"(ab)*c", text) is not None,
    "brackets": lambda text: re.fullmatch(rb"[()]+", text) is not None and balanced(text),
    "same": lambda text: re.fullmatch(rb"(a*|b*)c", text) is not None,
}
"""In the last, what stands in one slot decides about all the others."""


def balanced(text: bytes) -> bool:
    depths = [text[:i].count(b"(") - text[:i].count(b")") for i in range(len(text) + 1)]
    return min(depths) >= 0 and depths[-1] == 0


@cache
def canvas(language: str, n: int, required: bool = False) -> BruteCanvas:
    return BruteCanvas.of(VOCABULARY, LANGUAGES[language], n, ENDING._replace(required=required))


def is_valid(language: str, ids: tuple[int, ...]) -> bool:
    """Told from the ids alone: text, then an end and what may stand behind it."""
    end = ids.index(END) if END in ids else len(ids)
    text, behind = ids[:end], ids[end:]
    return (
        all(token < len(TOKENS) for token in text)
        and set(behind) <= {END, PAD}
        and LANGUAGES[language](b"".join(TOKENS[token] for token in text))
    )


def constant(row: list[float]) -> Denoiser:
    """The same law everywhere."""
    return Denoiser(lambda ids: torch.tensor(row).expand(*ids.shape, V), FACTS)


def contextual(seed: int, scale: float = 2.0) -> Denoiser:
    """Laws that are functions of all ids and the place, as if by chance: a row depends on nothing else."""

    def forward(ids: torch.Tensor) -> torch.Tensor:
        rows = []
        for row in ids.tolist():
            generator = torch.Generator().manual_seed(hash((seed, *row)) % 2**63)
            rows.append(scale * torch.randn(len(row), V, generator=generator, dtype=torch.float64))
        return torch.stack(rows)

    return Denoiser(forward, FACTS)


def adversary(language: str) -> Denoiser:
    """Wants, in every open slot, what cannot stand there: special ids and ids without a name most of all."""

    def forward(ids: torch.Tensor) -> torch.Tensor:
        slots = [-1 if token == MASK else token for token in ids[0].tolist()]
        known = canvas(language, len(slots))
        logits = torch.zeros(1, len(slots), V)
        logits[..., MASK], logits[..., UNUSED], logits[..., V - 1] = 30.0, 40.0, 50.0
        for filling in known.completions:
            if all(slot in (-1, token) for slot, token in zip(slots, filling, strict=True)):
                logits[0, torch.arange(len(slots)), list(filling)] = -20.0
        return logits

    return Denoiser(forward, FACTS)
