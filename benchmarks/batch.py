"""Many sequences at once: one fill for a whole batch, through an engine's own batch call where it has one.

An engine may have ``start_many(compiled, matrix)``, sessions that fill the rows of a matrix, and ``fill_many(sessions,
matrix, threads)``. Without them sessions are started and filled one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np

from benchmarks.engines.base import Engine, Refused, Session, Words, compile_any, has_bit

STEPS = 100  # of the whole batch, after each sequence has come to a place of its own


@dataclass(frozen=True)
class Batch:
    """``size`` sequences over one schema, each at another place of one of the texts."""

    schema: Any
    size: int
    threads: int


def measure_batch(engine: Engine, batch: Batch, texts: Sequence[Sequence[int]], emit: Callable[..., None]) -> None:
    """Fill all rows, commit a token in each, again and again; a text that is over begins anew.

    ``emit`` gets the message of a compile and one like that of a text: ns for each row, mask and commit, of each step.
    """
    began = perf_counter_ns()
    try:
        compiled = compile_any(engine, batch.schema)
    except Refused as refusal:
        emit({"kind": "refused", "reason": str(refusal), "compile_ns": perf_counter_ns() - began})
        return
    compiled_at = perf_counter_ns()
    engine.start(compiled).fill()
    emit({"kind": "compiled", "compile_ns": compiled_at - began, "ttfm_ns": perf_counter_ns() - began})
    matrix = np.zeros((batch.size, len(engine.words)), np.int32)
    chosen = [texts[i % len(texts)] for i in range(batch.size)]
    sessions = start_many(engine, compiled, matrix)
    at = [0] * batch.size
    for i, tokens in enumerate(chosen):
        for _ in range((7 * i) % len(tokens)):
            _commit(sessions, i, chosen, at)
    fill_many = getattr(engine, "fill_many", _fill_each)
    masks, commits = [], []
    for _ in range(STEPS):
        began = perf_counter_ns()
        fill_many(sessions, matrix, batch.threads)
        masks.append((perf_counter_ns() - began) // batch.size)
        _check(matrix, chosen, at)
        for i, place in enumerate(at):
            if place == len(chosen[i]):
                sessions[i] = start_many(engine, compiled, matrix[i : i + 1])[0]
                at[i] = -1
        began = perf_counter_ns()
        for i, place in enumerate(at):
            if place >= 0:
                _commit(sessions, i, chosen, at)
        commits.append((perf_counter_ns() - began) // batch.size)
        at = [max(place, 0) for place in at]
    emit({"kind": "text", "mask_ns": masks, "commit_ns": commits, "rejected_at": None, "error": "", "preemptions": 0})


def start_many(engine: Engine, compiled: Any, matrix: Words) -> list[Session]:
    """A session for each row of ``matrix``."""
    if hasattr(engine, "start_many"):
        sessions: list[Session] = engine.start_many(compiled, matrix)
        return sessions
    alone, sessions = engine.words, []
    for row in matrix:
        engine.words = row  # a session takes the row that it fills when it starts
        sessions.append(engine.start(compiled))
    engine.words = alone
    return sessions


def _fill_each(sessions: Sequence[Session], matrix: Words, threads: int) -> None:
    for session in sessions:
        session.fill()


def _commit(sessions: Sequence[Session], i: int, chosen: Sequence[Sequence[int]], at: list[int]) -> None:
    if not sessions[i].commit(chosen[i][at[i]]):
        raise ValueError(f"sequence {i} is refused at token {at[i]}")
    at[i] += 1


def _check(matrix: Words, chosen: Sequence[Sequence[int]], at: Sequence[int]) -> None:
    for row, tokens, place in zip(matrix, chosen, at, strict=True):
        if place < len(tokens) and not has_bit(row, tokens[place]):
            raise ValueError(f"a batch's mask does not allow token {place} of its text")
