"""``Denoiser``: a masked-diffusion language model as a function of ids, with what must be known about its checkpoint.

A denoiser takes the prompt and the canvas, masks where nothing is decided, and gives a row of logits for each place.
Checkpoints differ in which id is the mask, which ids end a text, how attention is asked for, and in whether row ``i``
speaks of place ``i`` or, as in models that were autoregressive once, of place ``i + 1`` (Dream, Fast-dLLM v2). Facts
are read from the configuration and the tokenizer; a table of families has what configurations leave out. Nothing is
guessed: where nobody says it, an error asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from constrain.canvas.base import Ending
from constrain.vocab.readers import read_vocabulary
from constrain.vocab.vocabulary import Vocabulary

Forward = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Family:
    """What configurations of one architecture leave out. ``turn`` ends a turn (or all) of a chat, by name and id."""

    mask: int
    shifted: bool
    attention: str  # how a forward pass is asked for: a key of ``FORWARDS``
    turn: tuple[str, int]
    block: int | None = None  # the block that the checkpoint was trained with, for block diffusion


FAMILIES = {
    "LLaDAModelLM": Family(126336, False, "full", ("<|eot_id|>", 126348)),
    "DreamModel": Family(151666, True, "dream", ("<|im_end|>", 151645)),
    "Fast_dLLM_QwenForCausalLM": Family(151665, True, "block size", ("<|im_end|>", 151645), 32),
    "SDARForCausalLM": Family(151669, False, "block mask", ("<|im_end|>", 151645), 4),
    "LLaDA2MoeModelLM": Family(156895, False, "block bias", ("<|endoftext|>", 156892), 32),
}
"""By the name of the architecture in ``config.architectures`` (DiffuCoder's and DreamCoder's is Dream's)."""


@dataclass(frozen=True)
class Facts:
    """What a sampler must know of a checkpoint.

    ``mask``     the id that stands where nothing is decided
    ``ends``     the ids that end a text
    ``pad``      the id behind the end, where it is none of ``ends``
    ``shifted``  does row ``i`` of the logits speak of place ``i + 1``?
    ``block``    the length of the blocks of a block diffusion model, ``None`` for others
    ``attention``  how a forward pass is asked for: "full", "dream", "block size", "block mask" or "block bias"
    """

    mask: int
    ends: frozenset[int]
    pad: int | None = None
    shifted: bool = False
    block: int | None = None
    attention: str = "full"

    @property
    def ending(self) -> Ending:
        """How a text ends on a canvas of this model."""
        return Ending(self.ends, frozenset() if self.pad is None else frozenset((self.pad,)))

    def vocabulary(self, tokenizer: Any, width: int | None = None) -> Vocabulary:
        """The tokenizer's vocabulary with this checkpoint's ends, and the model's width if it is given."""
        if isinstance(tokenizer, Vocabulary) and width is None and tokenizer.eos == self.ends:
            return tokenizer
        return read_vocabulary(tokenizer, width=width, eos=sorted(self.ends))


def read_facts(
    model: Any,
    tokenizer: Any = None,
    *,
    mask: int | None = None,
    ends: Iterable[int] | None = None,
    pad: int | None = None,
    shifted: bool | None = None,
    block: int | None = None,
) -> Facts:
    """The facts of a checkpoint, from ``model.config`` (or a configuration), the tokenizer, and the table of families.

    Each can be given instead of read. Raises ``ValueError`` where nothing says what the mask is, what ends a text, or,
    for an architecture that is not known and is no ``...ForMaskedLM``, whether its logits are shifted.
    """
    config = getattr(model, "config", model)
    family = family_of(config)
    eos = frozenset(ends) if ends is not None else _ends(model, config, tokenizer, family)
    if not eos:
        raise ValueError(f"nothing says what ends a text of {_name(config)}: pass ends=[...]")
    found_pad = pad if pad is not None else _first("pad_token_id", tokenizer, config)
    return Facts(
        mask if mask is not None else _mask(config, tokenizer, family),
        eos,
        None if found_pad in eos else found_pad,
        _is_shifted(config, family) if shifted is None else shifted,
        block if block is not None or family is None else family.block,
        family.attention if family else "full",
    )


def family_of(config: Any) -> Family | None:
    """What is known of the architecture of a configuration."""
    return next((FAMILIES[name] for name in getattr(config, "architectures", None) or () if name in FAMILIES), None)


def _mask(config: Any, tokenizer: Any, family: Family | None) -> int:
    found = _first("mask_token_id", config, tokenizer)
    if found is None and family is not None:
        found = family.mask
    if found is None:
        raise ValueError(
            f"nothing says what the mask id of {_name(config)} is: neither its configuration nor its tokenizer has "
            f"mask_token_id, and its architecture is none of {', '.join(FAMILIES)}. Pass mask=, or another model if "
            "this one is not a masked-diffusion model"
        )
    return found


def _ends(model: Any, config: Any, tokenizer: Any, family: Family | None) -> frozenset[int]:
    """The end-of-sequence ids of model and tokenizer, and the end of a turn."""
    sources = (getattr(model, "generation_config", None), config, tokenizer)
    found = {i for source in sources for i in _ids(getattr(source, "eos_token_id", None))}
    if family is not None:
        found |= _turn(tokenizer, family)
    return frozenset(found)


def _turn(tokenizer: Any, family: Family) -> set[int]:
    """The end of a turn, where the tokenizer has it (or is not there to ask)."""
    name, number = family.turn
    if tokenizer is None:
        return {number}
    known: dict[str, int] = getattr(tokenizer, "get_vocab", dict)()
    return {int(known[name])} if name in known else set()


def _is_shifted(config: Any, family: Family | None) -> bool:
    if family is not None:
        return family.shifted
    names = getattr(config, "architectures", None) or ()
    if any(name.endswith("ForMaskedLM") for name in names):
        return False
    raise ValueError(
        f"is row i of the logits of {_name(config)} about place i, or about place i + 1? Its architecture is not "
        "known: pass shifted=False (LLaDA, masked language models) or shifted=True (Dream, once autoregressive)"
    )


def _first(attribute: str, *sources: Any) -> int | None:
    found = (getattr(source, attribute, None) for source in sources)
    return next((int(value) for value in found if isinstance(value, int) and value >= 0), None)


def _ids(value: Any) -> Sequence[int]:
    return [] if value is None else [value] if isinstance(value, int) else [int(i) for i in value]


def _name(config: Any) -> str:
    names = getattr(config, "architectures", None)
    return " or ".join(names) if names else type(config).__name__


# --- Forward passes -------------------------------------------------------------------------------------------------


def _full(model: Any, facts: Facts) -> Forward:
    return lambda ids: model(ids).logits


def _dream(model: Any, facts: Facts) -> Forward:
    """Dream's remote code takes the attention mask, or the word for none, and positions, or ``None``."""
    return lambda ids: model(ids, "full", None).logits


def _block_size(model: Any, facts: Facts) -> Forward:
    """Fast-dLLM v2 makes the mask of blocks itself."""
    return lambda ids: model(input_ids=ids, block_size=facts.block, use_cache=False).logits


def _block_mask(model: Any, facts: Facts) -> Forward:
    def forward(ids: torch.Tensor) -> torch.Tensor:
        seen = block_causal(ids.shape[1], facts.block or ids.shape[1], ids.device)
        logits: torch.Tensor = model(ids, attention_mask=seen[None, None], use_cache=False).logits
        return logits

    return forward


def _block_bias(model: Any, facts: Facts) -> Forward:
    def forward(ids: torch.Tensor) -> torch.Tensor:
        seen = block_causal(ids.shape[1], facts.block or ids.shape[1], ids.device)
        bias = torch.zeros(seen.shape, dtype=model.dtype, device=ids.device).masked_fill(~seen, -torch.inf)
        logits: torch.Tensor = model(ids, attention_mask=bias[None, None], use_cache=False).logits
        return logits

    return forward


FORWARDS: dict[str, Callable[[Any, Facts], Forward]] = {
    "full": _full,
    "dream": _dream,
    "block size": _block_size,
    "block mask": _block_mask,
    "block bias": _block_bias,
}


def block_causal(length: int, block: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """(length, length) bool: may place ``i`` see place ``j``? All of its own block, and of the blocks before it."""
    number = torch.arange(length, device=device) // block
    return number[:, None] >= number[None, :]


@dataclass(frozen=True)
class Denoiser:
    """``denoiser(ids)``: ids ``[B, L]`` (int64, prompt and canvas) -> logits ``[B, L, V]``, row ``i`` for place ``i``.

    ``forward``  the same before the shift: any function, or what ``Denoiser.of`` makes of a model
    ``device``   where ids are wanted
    """

    forward: Forward
    facts: Facts
    device: torch.device = torch.device("cpu")  # noqa: RUF009 (a value)

    @classmethod
    def of(cls, model: Any, tokenizer: Any = None, **given: Any) -> Denoiser:
        """A model of transformers, native or of remote code; ``given`` goes to ``read_facts``.

        Raises ``ValueError`` for a model in training mode, and as ``read_facts`` does.
        """
        return cls.by(model, read_facts(model, tokenizer, **given))

    @classmethod
    def by(cls, model: Any, facts: Facts) -> Denoiser:
        """The same by facts that are known."""
        if getattr(model, "training", False):
            raise ValueError("the model is in training mode, where dropout makes it random: call model.eval()")
        return cls(FORWARDS[facts.attention](model, facts), facts, torch.device(getattr(model, "device", "cpu")))

    @torch.no_grad()
    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        """Raises ``ValueError`` where the logits are not one row for each id."""
        logits = self.forward(ids.to(self.device))
        if logits.dim() != 3 or logits.shape[:2] != ids.shape:
            raise ValueError(f"logits {tuple(logits.shape)} for ids {tuple(ids.shape)}: a denoiser gives [B, L, V]")
        return torch.cat([logits[:, :1], logits[:, :-1]], 1) if self.facts.shifted else logits
