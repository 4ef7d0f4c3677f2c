"""The plug-in for ``transformers``: a logits processor that is right in every mode of ``generate()``.

Greedy, sampling, beams, several samples, left padding, prompt lookup, assistants, static caches, encoder-decoders,
embedded prompts and one object used for many calls differ in how they move rows and prefixes. None of it matters
here: the mask of a row is a function of the ids generated in that row. The two things that are remembered, states of
prefixes (``prefix_states.py``) and where the prompt ends (``generations.py``), are memories, not states.

A guarantee to close before ``max_new_tokens`` belongs into ``_allow``: there the mask of a state is written.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor

from constrain.adapters.generations import Generations, RowFacts, host_ids, prompt_groups
from constrain.adapters.outputs import Output, read_output
from constrain.adapters.prefix_states import Ids, PrefixStates
from constrain.bits import from_ids
from constrain.errors import ConstraintViolation, DeadEnd, VocabularyError
from constrain.ir.grammar import Grammar
from constrain.mask import Choices, apply_mask_and_look
from constrain.tokens.base import TokenAutomaton, Words
from constrain.tokens.batch import fill_masks
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.readers import read_vocabulary
from constrain.vocab.vocabulary import Vocabulary

Automaton = TokenAutomaton[Any]
Constraint = Grammar | Automaton


@dataclass(frozen=True, slots=True)
class _Row:
    """What is known of one row: its automaton, ids up to the first end, and state (``None``: not in the language)."""

    states: PrefixStates
    ids: Ids
    state: Hashable | None
    finished: bool


class GrammarLogitsProcessor(LogitsProcessor):
    """Forbids every token that the grammar does not allow. One object serves any number of ``generate()`` calls.

    ``grammar``        a ``Grammar``, a compiled ``TokenAutomaton``, or a list of them, one for each prompt of the
                       batch: row ``r`` belongs to prompt ``r // (rows / len(list))``.
    ``tokenizer``      what ``constrain.vocabulary()`` reads, or a ``Vocabulary``. May be left out when ``grammar`` is
                       compiled. ``width`` and ``eos`` are handed to ``constrain.vocabulary()``; ``eos`` should hold all
                       end-of-sequence ids of the generation config.
    ``prompt_length``  the width of the prompt block in ``input_ids`` (0 with ``inputs_embeds``; the decoder's start
                       tokens for an encoder-decoder). Left out, it is found from the calls (``generations.py``).
    ``unmasked_drafts``  set it when an assistant drafts tokens without asking this processor (Gemma 4 assistants,
                       universal assisted sampling) *and* other processors run before this one. Otherwise a draft
                       that leaves the language is recognised.

    Raises ``DeadEnd`` rather than return a row without any allowed token, ``ConstraintViolation`` when generated ids
    left the language because something replaced the choice, ``VocabularyError`` when an allowed id has no score.
    """

    supports_continuous_batching = False  # there it would see single tokens: use adapters/continuous_batching.py

    def __init__(
        self,
        grammar: Constraint | Sequence[Constraint],
        tokenizer: Any = None,
        *,
        width: int | None = None,
        eos: Iterable[int] | None = None,
        prompt_length: int | None = None,
        unmasked_drafts: bool = False,
    ) -> None:
        self.automata = _compile(_listed(grammar), _vocabulary(tokenizer, width, eos))
        self.vocabulary = self.automata[0].vocabulary
        self.prompt_length = prompt_length
        self.unmasked_drafts = unmasked_drafts
        memories = {id(a): PrefixStates(a) for a in self.automata}
        self._states = [memories[id(a)] for a in self.automata]
        self._ends = np.array(sorted(self.vocabulary.eos), dtype=np.int32)
        self._ends_only = from_ids(self._ends.astype(np.int64), 32 * self.vocabulary.words)
        self._generations = Generations()

    def reset(self) -> GrammarLogitsProcessor:
        """Begin a new generation with the next call, whatever its prompt; returns the processor itself, so that
        ``generate(..., logits_processor=[processor.reset()])`` is exact for every prompt."""
        self._generations.clear()
        return self

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """``scores`` ``[rows, width]`` with ``-inf`` at every id that is not allowed: a new tensor."""
        drafts = _is_slice(scores) or self.unmasked_drafts
        start, suffix = self._place(input_ids, drafts)
        rows = self._rows(suffix)
        if any(row.state is None for row in rows) and not (drafts and len(rows) == 1):
            self._refuse_violation(rows, prompt_groups(input_ids[:, :start]))
        words = self._allow(rows)
        masked, choices = apply_mask_and_look(scores, words)
        _refuse_no_choice(choices, words, rows)
        return masked

    def _place(self, input_ids: torch.Tensor, drafts: bool) -> tuple[int, Ids]:
        if self.prompt_length is None:
            return self._generations.place(input_ids, RowFacts(self._all_finished, self._in_language), drafts)
        if input_ids.shape[1] < self.prompt_length:
            raise ValueError(
                f"prompt_length={self.prompt_length}, but generate() shows only {input_ids.shape[1]} ids: give the "
                "width of this call's prompt block, or leave prompt_length out"
            )
        return self.prompt_length, host_ids(input_ids[:, self.prompt_length :])

    def _by_row(self, rows: int) -> list[PrefixStates]:
        """The state memory of each row."""
        prompts = len(self._states)
        if rows % prompts:
            raise ValueError(f"{prompts} grammars do not fit a batch of {rows} rows: give one for each prompt, or one")
        return [states for states in self._states for _ in range(rows // prompts)]

    def _rows(self, suffix: Ids) -> list[_Row]:
        ended: Any = np.isin(suffix, self._ends)
        rows = []
        for states, ids, ends, end in zip(
            self._by_row(len(suffix)), suffix, ended, ended.any(axis=1).tolist(), strict=True
        ):
            own = ids[: ends.argmax() + 1] if end else ids  # what follows an end is padding, whatever it is
            rows.append(_Row(states, own, states.state(own), end))
        return rows

    def _all_finished(self, suffix: Ids) -> bool:
        return bool(np.isin(suffix, self._ends).any(axis=1).all())

    def _in_language(self, suffix: Ids) -> bool:
        return all(row.state is not None for row in self._rows(suffix))

    def _allow(self, rows: list[_Row]) -> Words:
        """Mask words ``[rows, W]``. A row outside the language gets end-of-sequence only; its scores are not used:
        a draft is rejected before it, and a beam got there only because too few others were left, with ``-inf``."""
        words = np.empty((len(rows), self.vocabulary.words), dtype=np.int32)
        inside = [i for i, row in enumerate(rows) if row.state is not None]
        if len(inside) < len(rows):
            words[:] = self._ends_only
        fill_masks([rows[i].states.automaton for i in inside], [rows[i].state for i in inside], words, inside)
        return words

    def _refuse_violation(self, rows: list[_Row], groups: np.ndarray) -> None:
        """Raise when every row of a prompt has left the language: beams always keep one that has not."""
        alive = {int(group) for group, row in zip(groups, rows, strict=True) if row.state is not None}
        for number, (group, row) in enumerate(zip(groups, rows, strict=True)):
            if int(group) not in alive:
                why = read_output(row.states.automaton, row.ids.tolist()).violation
                raise ConstraintViolation(
                    f"row {number}: {why}. Something replaced the choice made under the mask (a processor after this "
                    "one, a forced token, a draft: see unmasked_drafts). If this is a new prompt that extends a former "
                    "one, call reset() before generate(), or pass prompt_length="
                )


def read_outputs(
    constraint: GrammarLogitsProcessor | Automaton,
    output_ids: torch.Tensor | Sequence[Sequence[int]],
    prompt_length: int,
) -> list[Output]:
    """What ``generate()`` returned, row by row: text, whether it is complete, and why not where it is not.

    ``output_ids`` ``[rows, width]`` with the prompt block of ``prompt_length`` columns (0 after ``inputs_embeds``).
    Rows belong to grammars as in ``GrammarLogitsProcessor``.
    """
    automata = constraint.automata if isinstance(constraint, GrammarLogitsProcessor) else [constraint]
    rows = output_ids.tolist() if isinstance(output_ids, torch.Tensor) else [list(row) for row in output_ids]
    if len(rows) % len(automata):
        raise ValueError(f"{len(automata)} grammars do not fit {len(rows)} rows")
    repeat = max(len(rows) // len(automata), 1)
    return [read_output(automata[r // repeat], row[prompt_length:]) for r, row in enumerate(rows)]


def _listed(grammar: Constraint | Sequence[Constraint]) -> list[Constraint]:
    return list(grammar) if isinstance(grammar, Sequence) else [grammar]


def _vocabulary(tokenizer: Any, width: int | None, eos: Iterable[int] | None) -> Vocabulary | None:
    if tokenizer is None or isinstance(tokenizer, Vocabulary):
        if width is not None or eos is not None:
            raise ValueError("width and eos belong to a tokenizer: a Vocabulary has its own")
        return tokenizer
    return read_vocabulary(tokenizer, width=width, eos=eos)


def _compile(given: Sequence[Constraint], vocabulary: Vocabulary | None) -> list[Automaton]:
    """One automaton for each constraint, all over one vocabulary; equal grammars are compiled once."""
    if not given:
        raise ValueError("no grammar given: pass one, or one for each prompt")
    compiled = {id(item): _compile_one(item, vocabulary) for item in {id(item): item for item in given}.values()}
    automata = [compiled[id(item)] for item in given]
    vocabularies = {id(v): v for v in [vocabulary or automata[0].vocabulary, *(a.vocabulary for a in automata)]}
    if len(vocabularies) > 1 and len({v.fingerprint for v in vocabularies.values()}) > 1:
        raise VocabularyError("the grammars of one processor must be compiled for one vocabulary")
    return automata


def _compile_one(item: Constraint, vocabulary: Vocabulary | None) -> Automaton:
    if not isinstance(item, Grammar):
        return item
    if vocabulary is None:
        raise ValueError("a Grammar needs a tokenizer or a Vocabulary to be compiled for")
    return PushdownAutomaton(item, vocabulary)


def _is_slice(scores: torch.Tensor) -> bool:
    """Are these rows cut from a larger tensor? So are the scores of a draft while assisted decoding verifies it."""
    return scores.untyped_storage().nbytes() > scores.numel() * scores.element_size()


def _refuse_no_choice(choices: Choices, words: Words, rows: list[_Row]) -> None:
    """Raise when a live row has no finite score left: ``generate()`` would emit id 0 or fail with NaN."""
    for number in np.flatnonzero(~choices).tolist():
        row = rows[number]
        if row.state is None or row.finished:
            continue
        if not words[number].any():
            raise DeadEnd(f"no token can follow {_show(row)}, although the text is not whole")
        raise DeadEnd(
            f"row {number}: after {_show(row)} every token that the grammar allows was already at -inf. Another "
            "processor forbids them (min_new_tokens, bad_words_ids, suppress_tokens, forced_bos_token_id, "
            "forced_eos_token_id): drop it, or change the grammar"
        )


def _show(row: _Row) -> str:
    return repr(row.states.automaton.vocabulary.decode(row.ids.tolist()))
