"""A canvas being denoised under a grammar, by a "model" of random numbers: no step can lead astray.

python examples/diffuse.py          # a date, four tokens a step
python examples/diffuse.py --free   # the same model without the grammar
"""

from __future__ import annotations

import argparse

import torch

import constrain
from constrain.canvas.base import OPEN
from constrain.diffusion import Denoiser, Facts, State, diffuse
from constrain.testing import byte_vocabulary

VOCABULARY = byte_vocabulary(b"20", b"19", b"-0", b"null", b'{"')
MASK = VOCABULARY.width  # an id of the model's own, beyond the vocabulary
DATE = constrain.regex(r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])-([0-2][0-9]|3[01])|null")


def show(state: State) -> None:
    """One line for each step: what is decided, and a dot for what is not."""
    texts = ["·" if i == OPEN else VOCABULARY.decode([i]).decode("utf-8", "replace") for i in state.ids.tolist()]
    print(f"{state.step:2}  {'|'.join(text if text.isprintable() and text else ' ' for text in texts)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--free", action="store_true", help="without the grammar")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    numbers = torch.Generator().manual_seed(given.seed)
    model = Denoiser(lambda ids: torch.randn(*ids.shape, MASK + 1, generator=numbers), Facts(MASK, VOCABULARY.eos))
    grammar = None if given.free else DATE
    got = diffuse(model, VOCABULARY, None, grammar, length=12, tokens=4, seed=given.seed, watch=show)
    print(f"{got.text!r}: {got.tally.proposals} proposals, {got.tally.rejections} of them not allowed")


if __name__ == "__main__":
    main()
