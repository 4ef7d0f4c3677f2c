"""``diffuse``: one call from a model, a prompt and a grammar to a text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from constrain.canvas import Canvas, Ending, canvas
from constrain.diffusion.blocks import block_sampler
from constrain.diffusion.denoiser import Denoiser, Facts
from constrain.diffusion.free import FreeCanvas
from constrain.diffusion.options import Options
from constrain.diffusion.sampler import Diffused, Sampler, State
from constrain.ir.grammar import Grammar
from constrain.sampling.lm.prompts import Prompt, encode_prompt
from constrain.vocab.vocabulary import Vocabulary


def diffuse(
    model: Any,
    tokenizer: Any,
    prompt: Prompt | None,
    grammar: Grammar | Canvas | None,
    *,
    length: int = 128,
    seed: int = 0,
    required: bool = False,
    facts: Facts | None = None,
    watch: Callable[[State], object] | None = None,
    **options: Any,
) -> Diffused:
    """A text of ``grammar`` by a masked-diffusion language model: always whole and valid, within ``length`` tokens.

    ``model``      a model in evaluation mode (LLaDA, Dream, DiffuCoder, SDAR, LLaDA2, Fast-dLLM v2, masked language
                   models), or a ``Denoiser``
    ``tokenizer``  what ``constrain.vocabulary`` reads, or a ``Vocabulary``
    ``prompt``     text, chat messages, token ids, or ``None`` for no prompt
    ``grammar``    a ``Grammar``; a ``Canvas``, whose slots may hold text already (infilling; then ``length`` and
                   ``required`` are its own); or ``None`` for no constraint
    ``required``   must there be an end of sequence? Else text may fill the canvas to its last slot
    ``facts``      of the checkpoint, where ``read_facts(model, tokenizer)`` does not know them or errs
    ``watch``      is called with every ``State``
    ``options``    of ``Options``: ``steps``, ``tokens`` or ``threshold``, ``block_length``, ``confidence``, ...

    Models that were trained by blocks (``facts.block``) are sampled so. For many texts of one grammar make
    ``constrain.canvas.Canvases`` once, and pass ``canvases.of(length)``. Raises ``NotCompletable`` where no text fits,
    ``ValueError`` for arguments that make no sense, and what compiling a grammar raises.
    """
    denoiser = denoiser_of(model, tokenizer, facts)
    known = denoiser.facts
    if grammar is None or isinstance(grammar, Grammar):
        start = _canvas(grammar, known.vocabulary(tokenizer), length, known.ending._replace(required=required))
    else:
        start = grammar
    ids = () if prompt is None else encode_prompt(tokenizer, prompt)
    chosen, n = Options(**options), len(start.slots)
    sampler = Sampler(denoiser, ids, chosen) if known.block is None else block_sampler(denoiser, ids, n, chosen)
    return sampler.run(start, seed, watch)


def _canvas(grammar: Grammar | None, vocabulary: Vocabulary, length: int, ending: Ending) -> Any:
    return FreeCanvas.of(vocabulary, length, ending) if grammar is None else canvas(grammar, vocabulary, length, ending)


def denoiser_of(model: Any, tokenizer: Any = None, facts: Facts | None = None) -> Denoiser:
    """A ``Denoiser`` of a model, by facts that are given or read; a ``Denoiser`` stays as it is."""
    if isinstance(model, Denoiser):
        if facts is not None:
            raise ValueError("a Denoiser has its facts already: leave facts out")
        return model
    if facts is None:
        return Denoiser.of(model, tokenizer)
    return Denoiser.by(model, facts)
