"""``infill``: a transformers model fills the gaps of a text, one after another, and the text is always a whole one.

Each gap is generated under the exact mask of "what is before is fixed, and the rest must fit": no token that leads
nowhere is ever allowed, and what was filled in before is fixed for the gaps that follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from constrain.adapters.outputs import read_output
from constrain.adapters.transformers import GrammarLogitsProcessor
from constrain.infill.gaps import Gaps, Segments, as_bytes
from constrain.infill.prompts import Prompt, filling_in, gap_ends
from constrain.ir.grammar import Grammar
from constrain.vocab.readers import read_vocabulary
from constrain.vocab.vocabulary import Vocabulary


@dataclass(frozen=True)
class Infilled:
    """``text``: a text of the grammar. ``fillings``: what each gap became; ``closed``: what of that, at its end, is not
    the model's but was added because the model had not come to an end in time (empty where it had)."""

    text: bytes
    fillings: tuple[bytes, ...]
    closed: tuple[bytes, ...]


def infill(
    model: Any,
    tokenizer: Any,
    segments: Segments,
    grammar: Grammar | Gaps,
    *,
    prompt: Prompt | None = None,
    max_new_tokens: int = 128,
    within: bool = False,
    vocabulary: Vocabulary | None = None,
    **options: Any,
) -> Infilled:
    """Fill all gaps (``None``) in ``segments`` with at most ``max_new_tokens`` tokens each.

    ``grammar``     of the whole text; ``Gaps(grammar)`` if more than one text is filled.
    ``prompt``      (before, after) -> ids that the model is shown; by default its own format for filling in. Later gaps
                    are left out of ``after``.
    ``within``      keep the bound on tokens by masks: then a gap always ends by itself, at more cost for each token.
                    Without it, a gap that is not at its end after ``max_new_tokens`` is closed by a short text.
    ``vocabulary``  of the tokenizer, with all ids that end a gap; made of it if left out.
    ``options``     for ``model.generate`` (``do_sample``, ``temperature`` ...), for one sequence.

    Raises ``NotCompletable`` if no text of the grammar has these segments (or so few tokens are not enough),
    ``ValueError`` for a tokenizer without tokens to fill in where no ``prompt`` is given.
    """
    gaps = grammar if isinstance(grammar, Gaps) else Gaps(grammar)
    ask = prompt or filling_in(tokenizer)
    vocabulary = vocabulary or read_vocabulary(tokenizer, width=_width(model), eos=_ends(model, tokenizer))
    given, fillings, closed = as_bytes(segments), [], []
    while None in given:
        place = given.index(None)
        automaton = gaps.automaton(given, vocabulary, most_tokens=max_new_tokens if within else None)
        shown = ask(_readable(given[:place]), _readable(given[place + 1 :]))
        ids = _generate(model, automaton, list(shown), vocabulary, max_new_tokens, options)
        output = read_output(automaton, ids)
        rest = (
            b"" if output.complete or output.accepting else gaps.closing([*given[:place], output.text, *given[place:]])
        )
        given[place] = output.text + rest
        fillings.append(output.text + rest)
        closed.append(rest)
    return Infilled(b"".join(s or b"" for s in given), tuple(fillings), tuple(closed))


def _generate(
    model: Any, automaton: Any, shown: list[int], vocabulary: Vocabulary, most: int, options: dict[str, Any]
) -> list[int]:
    """The ids of one gap."""
    inputs = torch.tensor([shown], device=model.device)
    processor = GrammarLogitsProcessor(automaton, prompt_length=len(shown))
    ends = sorted(vocabulary.eos)
    settings = {"eos_token_id": ends, "pad_token_id": ends[0], **options, "max_new_tokens": most}
    rows = model.generate(inputs, attention_mask=torch.ones_like(inputs), logits_processor=[processor], **settings)
    if len(rows) != 1:
        raise ValueError("infill() makes one text: leave num_return_sequences out")
    ids: list[int] = rows[0, len(shown) :].tolist()
    return ids


def _readable(segments: list[bytes | None]) -> str:
    """Text as the model is shown it."""
    return b"".join(s or b"" for s in segments).decode(errors="replace")


def _width(model: Any) -> int:
    return int(model.config.get_text_config().vocab_size)


def _ends(model: Any, tokenizer: Any) -> list[int]:
    """All ids that may end a gap: those of the model, of the tokenizer, and of its format."""
    own = model.generation_config.eos_token_id
    listed = [] if own is None else [own] if isinstance(own, int) else list(own)
    return sorted({*listed, *gap_ends(tokenizer)})
