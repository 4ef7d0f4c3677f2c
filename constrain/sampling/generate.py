"""``faithful_generate``: faithful sampling behind ``model.generate(**inputs, custom_generate=...)`` of transformers.

The callable that it returns is what ``generate()`` calls instead of its own sampling loop, after it has prepared ids,
masks, processors and the configuration. All of those are honoured, or refused by name: what changes scores other than
temperature, top-k and top-p would make another model of it, and what stops elsewhere another language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessorList
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper
from transformers.generation.stopping_criteria import EosTokenCriteria, MaxLengthCriteria
from transformers.generation.utils import GenerateDecoderOnlyOutput

from constrain.errors import ConstrainError
from constrain.ir.grammar import Grammar
from constrain.predicates.base import Predicate
from constrain.sampling.api import Sampler
from constrain.sampling.results import Sample, Samples
from constrain.tokens.base import TokenAutomaton
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.readers import read_vocabulary
from constrain.vocab.vocabulary import Vocabulary

DRAWS = 32  # weighted draws among which rows are drawn
WARPERS = {TemperatureLogitsWarper: "temperature", TopKLogitsWarper: "top_k", TopPLogitsWarper: "top_p"}
OWN = ("attention_mask", "position_ids", "past_key_values", "use_cache", "logits_to_keep", "cache_position")
EXTRAS = ("output_scores", "output_logits", "output_attentions", "output_hidden_states")

Generate = Callable[..., "torch.LongTensor | FaithfulOutput"]


class SamplesMissing(ConstrainError):
    """The budget did not suffice for all rows. ``results``: what was found for each prompt so far."""

    def __init__(self, results: tuple[Samples, ...], asked: int) -> None:
        why = "; ".join(results[-1].notes)
        super().__init__(
            f"prompt {len(results) - 1}: {len(results[-1])} of {asked} texts found{': ' + why if why else ''}"
        )
        self.results = results


@dataclass
class FaithfulOutput(GenerateDecoderOnlyOutput):
    """What ``generate(..., return_dict_in_generate=True)`` gives back; ``sequences`` as always.

    ``log_weights``        float64 ``[rows]``: log weight of each row as a sample of its prompt's target; 0 where rows
                           are exact or were drawn again by their weights.
    ``log_probabilities``  float64 ``[rows]``: the model's log probability of the row's text, its end included.
    ``results``            for each prompt all that was drawn, with guarantee and certificate.
    """

    log_weights: torch.Tensor | None = None
    log_probabilities: torch.Tensor | None = None
    results: tuple[Samples, ...] | None = None


def faithful_generate(
    grammar: Grammar | TokenAutomaton[Any],
    tokenizer: Any,
    method: str = "auto",
    *,
    seed: int | None = None,
    resample: bool = True,
    draws: int = DRAWS,
    predicate: Predicate | None = None,
    budget: int | None = None,
    slots: int = 16,
    **options: Any,
) -> Generate:
    """What to pass as ``custom_generate=`` so that ``generate(do_sample=True)`` writes texts of ``grammar``,
    distributed as the model's own law given that.

    ``grammar``    a ``Grammar``, or a compiled automaton (then ``tokenizer`` may be ``None``).
    ``method``, ``predicate``, ``budget``, ``slots``, ``options``  as for ``constrain.sample``; the budget is for each
                   prompt.
    ``seed``       of all calls of what is returned, which differ from each other; ``None``: other texts each time.
    ``resample``   where a method's samples are weighted, rows are drawn from at least ``draws`` of them in proportion
                   to their weights: approximately faithful, and some may be equal. ``False``: rows as they were drawn,
                   to be used with the output's ``log_weights`` only.

    A text has at most ``max_new_tokens`` tokens, its end of sequence counted (a text that would be cut off is not
    wanted), and temperature, top-k and top-p are those of ``generate()`` (whose ``top_k`` is 50 unless it is set:
    ``top_k=0`` for the model itself). Every row ends with an end of sequence; shorter ones are padded. Raises
    ``ValueError`` for what cannot be honoured (greedy decoding, beams, penalties, stop strings, embedded prompts ...)
    and :class:`SamplesMissing`. A streamer gets nothing: ``generate()`` does not hand it on.
    """
    rng = np.random.default_rng(seed)
    if draws < 1:
        raise ValueError(f"draws must be 1 or more, not {draws}")

    def generate(
        model: Any,
        input_ids: torch.Tensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: Iterable[Any],
        generation_config: Any,
        **model_kwargs: Any,
    ) -> torch.LongTensor | FaithfulOutput:
        _check(input_ids, stopping_criteria, generation_config, model_kwargs)
        each = int(generation_config.num_return_sequences)
        automaton = _automaton(grammar, tokenizer, generation_config)
        target = {
            "max_tokens": _limit(input_ids, generation_config),
            "predicate": predicate,
            **_warping(logits_processor),
        }
        results: list[Samples] = []
        rows: list[Sample] = []
        for prompt in _prompts(input_ids[::each], model_kwargs.get("attention_mask")):
            sampler = Sampler(model, automaton.vocabulary, prompt, automaton, **target)
            draw = partial(sampler.sample, budget=budget, slots=slots, **options)
            samples = draw(n=each, method=method, seed=_fresh(rng))
            if resample and samples.guarantee == "properly weighted" and len(samples) < draws:
                samples = draw(n=draws, method=samples.method, seed=_fresh(rng))
            results.append(samples)
            rows += _choose(tuple(results), each, resample, _fresh(rng))
        return _output(input_ids, rows, tuple(results), generation_config)

    return generate


def _fresh(rng: np.random.Generator) -> int:
    return int(rng.integers(2**63))


def _limit(input_ids: torch.Tensor, config: Any) -> int:
    """Tokens of a text at most, without its end of sequence, for which there is room too."""
    limit = int(config.max_length) - input_ids.shape[1] - 1
    if limit < 0:
        raise ValueError("max_new_tokens must be 1 or more: the end of sequence is one")
    return limit


def _choose(results: tuple[Samples, ...], n: int, resample: bool, seed: int) -> list[Sample]:
    """``n`` rows of the last prompt: drawn again by their weights, where there are any and the caller does not want
    them."""
    samples = results[-1]
    if samples.guarantee == "properly weighted" and resample and len(samples):
        return [replace(sample, log_weight=0.0) for sample in samples.resample(n, seed)]
    if len(samples) < n:
        raise SamplesMissing(results, n)
    return list(samples)[:n]


def _prompts(input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> Iterator[tuple[int, ...]]:
    """The ids of each prompt, without the padding at its left."""
    rows = input_ids.tolist()
    step = 1 if attention_mask is None else attention_mask.shape[0] // len(rows)
    masks = [[1] * len(row) for row in rows] if attention_mask is None else attention_mask[::step].tolist()
    for row, mask in zip(rows, masks, strict=True):
        length = sum(mask)
        if any(mask[: len(mask) - length]) or not length:
            raise ValueError("prompts must be padded at the left only: make the tokenizer with padding_side='left'")
        yield tuple(row[len(row) - length :])


def _warping(processors: Iterable[Any]) -> dict[str, Any]:
    """Temperature, top-k and top-p, as ``generate()`` has prepared them; anything else is refused."""
    found: dict[str, Any] = {}
    for processor in processors:
        name = WARPERS.get(type(processor))
        if name is None:
            raise ValueError(
                f"{type(processor).__name__} cannot be honoured: it changes the model's law from text to text; "
                "temperature, top_k and top_p can be"
            )
        found[name] = getattr(processor, name)
    return found


def _automaton(grammar: Grammar | TokenAutomaton[Any], tokenizer: Any, config: Any) -> TokenAutomaton[Any]:
    """The grammar over the tokenizer's vocabulary, whose ends are those of the generation."""
    ends = config.eos_token_id
    ids = {ends} if isinstance(ends, int) else set(ends or ())
    if not ids:
        raise ValueError("the generation has no eos_token_id: a text must be able to end")
    given = grammar.vocabulary if not isinstance(grammar, Grammar) else tokenizer
    if isinstance(given, Vocabulary) and given.eos != ids:
        raise ValueError(
            f"the vocabulary ends with {sorted(given.eos)}, the generation with {sorted(ids)}: make them equal"
        )
    if not isinstance(grammar, Grammar):
        return grammar
    vocabulary = tokenizer if isinstance(tokenizer, Vocabulary) else read_vocabulary(tokenizer, eos=sorted(ids))
    return PushdownAutomaton(grammar, vocabulary)


def _output(
    input_ids: torch.Tensor, rows: list[Sample], results: tuple[Samples, ...], config: Any
) -> torch.LongTensor | FaithfulOutput:
    """Prompts and texts side by side, padded at the right."""
    ends = config.eos_token_id
    pad = next(iter([ends] if isinstance(ends, int) else ends)) if config.pad_token_id is None else config.pad_token_id
    width = max(len(row.tokens) for row in rows)
    written = torch.tensor([[*row.tokens, *[pad] * (width - len(row.tokens))] for row in rows], dtype=input_ids.dtype)
    sequences = torch.cat([input_ids, written.to(input_ids.device)], dim=1)
    if not config.return_dict_in_generate:
        return sequences  # type: ignore[return-value]
    return FaithfulOutput(
        sequences=sequences,  # type: ignore[arg-type]
        log_weights=torch.tensor([row.log_weight for row in rows], dtype=torch.float64),
        log_probabilities=torch.tensor([row.log_p for row in rows], dtype=torch.float64),
        results=results,
    )


def _check(input_ids: torch.Tensor, criteria: Iterable[Any], config: Any, others: dict[str, Any]) -> None:
    """Refuse by name what would be ignored otherwise."""
    if not config.do_sample:
        raise ValueError("faithful sampling draws at random: pass do_sample=True")
    if config.num_beams != 1:
        raise ValueError(f"num_beams={config.num_beams}: faithful sampling has no beams")
    if not input_ids.shape[1] or others.get("inputs_embeds") is not None:
        raise ValueError("prompts must be token ids, at least one each")
    for name in EXTRAS:
        if getattr(config, name, False):
            raise ValueError(
                f"{name}=True: texts come from a tree that is read in another order; only ids are given back"
            )
    for criterion in criteria:
        if not isinstance(criterion, (MaxLengthCriteria, EosTokenCriteria)):
            raise ValueError(
                f"{type(criterion).__name__} cannot be honoured: a text ends where grammar and model end it"
            )
    unknown = [name for name, value in others.items() if value is not None and name not in OWN]
    if unknown:
        raise ValueError(f"{', '.join(unknown)} cannot be honoured: a prompt is its token ids and nothing else")
    cache = others.get("past_key_values")
    if cache is not None and cache.get_seq_length() > 0:
        raise ValueError(
            "past_key_values: begin with the whole prompt as token ids; its keys and values are kept inside"
        )
