"""The two masked-diffusion models that lie in this repository: ``load("texts")``, ``load("smiles")``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForMaskedLM, PreTrainedModel

from constrain.diffusion.denoiser import Denoiser
from constrain.vocab.readers import read_vocabulary
from constrain.vocab.vocabulary import Vocabulary
from examples.diffusion import texts

FOLDER = Path(__file__).parent / "models"
NAMES = ("smiles", "texts")


@dataclass(frozen=True)
class Shipped:
    """A model, ready to denoise.

    ``denoiser``    ids (B, L) -> logits (B, L, V); its ``facts`` hold mask and end. The end is also what fills up
    ``vocabulary``  what its ids stand for
    ``canvas``      the slots behind the prompt: all that it was trained with
    ``tokenizer``   cuts prompts; ``None`` for molecules, which have none
    """

    model: PreTrainedModel
    denoiser: Denoiser
    vocabulary: Vocabulary
    canvas: int
    tokenizer: Tokenizer | None

    def prompt(self, text: str = "") -> list[int]:
        """The ids before the canvas. Raises ``ValueError`` for a prompt that is too long."""
        if self.tokenizer is None:
            return [self.model.config.bos_token_id]
        ids = texts.prompt_row(self.tokenizer, text)
        if ids is None:
            raise ValueError(f"the model was trained with prompts of at most {texts.PROMPT} tokens; this one is longer")
        return ids


def load(name: str, folder: Path | None = None) -> Shipped:
    """A model by its name, from ``folder`` or from where it is shipped. Weights lie in float16 and become float32."""
    if name not in NAMES:
        raise ValueError(f"there is no model {name!r}: take one of {', '.join(NAMES)}")
    folder = folder or FOLDER / name
    model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    end = model.config.eos_token_id
    if name == "smiles":
        return Shipped(model, Denoiser.of(model), _atoms(folder, end), model.config.canvas, None)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    vocabulary = read_vocabulary(tokenizer, width=model.config.vocab_size, eos=[end])
    return Shipped(model, Denoiser.of(model), vocabulary, model.config.canvas, tokenizer)


def _atoms(folder: Path, end: int) -> Vocabulary:
    """One token a line; what stands in brackets and is no atom is no text: [PAD], [unused1], [CLS], ..."""
    names = (folder / "vocab.txt").read_text(encoding="utf-8").split()
    special = {i for i, name in enumerate(names) if name[1:-1].rstrip("0123456789") in _SPECIAL}
    tokens = [None if i in special else name.encode() for i, name in enumerate(names)]
    return Vocabulary(tokens, eos=[end], names={i: names[i] for i in special})


_SPECIAL = ("PAD", "unused", "UNK", "CLS", "SEP", "MASK")
