"""Block diffusion: one block after another, each seen with what is before it and never with what comes later.

SDAR, LLaDA2 and Fast-dLLM v2 attend to a block and all blocks before it, so a later block is never part of a forward
pass. The canvas is still the whole budget: slots of later blocks are open, and a token is committed only if the rest
can be written in what is left. Blocks lie on a grid that begins with the prompt, as these models were trained, so the
first one is shorter where the prompt ends within a block.
"""

from __future__ import annotations

from collections.abc import Sequence

from constrain.diffusion.denoiser import Denoiser
from constrain.diffusion.options import Options
from constrain.diffusion.sampler import Sampler


def block_bounds(prompt_length: int, n: int, block: int) -> list[int]:
    """Where the blocks of a canvas of ``n`` slots end, on the grid that begins with the prompt."""
    first = block - prompt_length % block
    return [*range(first, n, block), n]


def block_sampler(
    denoiser: Denoiser,
    prompt: Sequence[int],
    n: int,
    options: Options = Options(),  # noqa: B008 (frozen)
) -> Sampler:
    """A ``Sampler`` by block diffusion, for canvases of ``n`` slots.

    Blocks are as long as ``options.block_length`` says, or else as the checkpoint's are (``denoiser.facts.block``).
    ``options.steps`` are for all blocks together. Raises ``ValueError`` where neither says how long blocks are.
    """
    block = options.block_length or denoiser.facts.block
    if block is None:
        raise ValueError("nothing says how long the blocks of this model are: give block_length=")
    return Sampler(denoiser, prompt, options, bounds=block_bounds(len(prompt), n, block), window=True)
