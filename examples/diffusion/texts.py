"""Pairs of a prompt and an answer as rows of byte-level tokens: bookings with their records, questions with queries.

A row is the prompt, filled up to ``PROMPT`` slots, and then the canvas: the answer, and ends to the last slot. One
token ends a text and fills what is behind it, as in LLaDA. Prompts are read word by word, without blanks, so that a
word is the same token in a prompt as behind a quotation mark in an answer, and copying is easy to learn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from examples.diffusion import bookings, queries
from examples.diffusion.training import Rows

PROMPT, CANVAS = 40, 48
VOCABULARY = 2048
MASK, END = "<mask>", "<end>"
TRAINING, TEST = 0, 1  # seeds


class Pair(NamedTuple):
    """What is asked, and what the model is to write."""

    prompt: str
    answer: str


def booking_pairs(seed: int) -> Iterator[Pair]:
    """Sentences with records, without end."""
    rng = np.random.default_rng(seed)
    while True:
        sentence, record = bookings.draw(rng)
        yield Pair(sentence, bookings.text_of(record))


def query_pairs(seed: int) -> Iterator[Pair]:
    """Questions with queries, without end."""
    rng = np.random.default_rng(seed)
    while True:
        yield Pair(*queries.draw(rng))


SOURCES = {"records": booking_pairs, "sql": query_pairs}


def training_pairs(task: str, count: int) -> list[Pair]:
    """The first ``count`` pairs to train with."""
    return [pair for _, pair in zip(range(count), SOURCES[task](TRAINING), strict=False)]


def test_pairs(task: str, count: int, trained: int) -> list[Pair]:
    """``count`` pairs whose answers no model saw that was trained with the first ``trained`` pairs; no answer twice."""
    seen = {pair.answer for pair in training_pairs(task, trained)}
    pairs: list[Pair] = []
    for pair in SOURCES[task](TEST):
        if pair.answer not in seen:
            seen.add(pair.answer)
            pairs.append(pair)
        if len(pairs) == count:
            break
    return pairs


def train_tokenizer(pairs: Iterable[Pair]) -> Tokenizer:
    """A byte-level BPE of ``VOCABULARY`` tokens, all 256 bytes and the two special ones among them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[MASK, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text for pair in pairs for text in (*pair.prompt.split(), pair.answer)), trainer)
    return tokenizer


def prompt_row(tokenizer: Tokenizer, prompt: str) -> list[int] | None:
    """The prompt's ``PROMPT`` slots; ``None`` if it is too long."""
    ids = tokenizer.encode(prompt.split(), is_pretokenized=True, add_special_tokens=False).ids
    return _filled(tokenizer, ids, PROMPT)


def rows_of(tokenizer: Tokenizer, pairs: list[Pair]) -> Rows:
    """(N, PROMPT + CANVAS). Pairs that are too long for it are left out."""
    rows = []
    for pair in pairs:
        prompt = prompt_row(tokenizer, pair.prompt)
        answer = _filled(tokenizer, tokenizer.encode(pair.answer, add_special_tokens=False).ids, CANVAS)
        if prompt is not None and answer is not None:
            rows.append(prompt + answer)
    return np.array(rows, dtype=np.int64)


def _filled(tokenizer: Tokenizer, ids: list[int], slots: int) -> list[int] | None:
    """The ids, and ends to the last slot. They may fill all of them."""
    return ids + [tokenizer.token_to_id(END)] * (slots - len(ids)) if len(ids) <= slots else None
