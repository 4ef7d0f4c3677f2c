"""Many sequences in lockstep: ``python -m benchmarks.batchbench --help``.

Each row writes texts of a MaskBench schema of its own (schemas repeat when there are more rows than schemas). A step
commits one token in every row and fills every row's mask; that is what is timed. Each engine has first written
one text of each schema, and then writes others: a known schema, a new text. The engines take turns, step by step, so
the machine's moods hit all alike.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter_ns, thread_time_ns
from typing import Any, Protocol

import numpy as np

import constrain
from benchmarks import machine
from benchmarks.corpus import Corpus
from benchmarks.engines import create
from benchmarks.engines.base import Engine, Refused
from benchmarks.maskbench import Job, Jobs
from benchmarks.tables import table
from benchmarks.tokenizer import Tokenizer, find_tokenizer, read_tokenizer
from constrain.bits import allocate
from constrain.errors import ConstrainError


class Driver(Protocol):
    """A batch of sequences in one engine."""

    name: str

    def restart(self, row: int) -> None:
        """The row begins a new text."""

    def step(self, tokens: Sequence[int]) -> None:
        """Commit a token in each row, then fill all masks."""


class Ours:
    """One call for each row, or one for all."""

    def __init__(self, jobs: Sequence[Job], tokenizer: Tokenizer, *, rows: int, together: bool) -> None:
        self.name = "constrain, one call for all" if together else "constrain, a call for each row"
        vocabulary = constrain.vocabulary(str(tokenizer.path), width=tokenizer.width, eos=list(tokenizer.eos))
        compiled = [constrain.compile(constrain.json_schema(job.schema), vocabulary) for job in jobs]
        self.automata = [compiled[row % len(jobs)] for row in range(rows)]
        self.states: list[Any] = [automaton.start() for automaton in self.automata]
        self.matrix = allocate(tokenizer.width, rows=rows)
        self.step = self._together if together else self._one_by_one

    def restart(self, row: int) -> None:
        self.states[row] = self.automata[row].start()

    def _together(self, tokens: Sequence[int]) -> None:
        self.states = constrain.advance_all(self.automata, self.states, tokens)
        constrain.fill_masks(self.automata, self.states, self.matrix)

    def _one_by_one(self, tokens: Sequence[int]) -> None:
        for row, (automaton, token) in enumerate(zip(self.automata, tokens, strict=True)):
            self.states[row] = automaton.advance(self.states[row], token)
            automaton.fill_mask(self.states[row], self.matrix[row])


class Theirs:
    """llguidance: one call for each row (``threads`` = 0), or its executor."""

    def __init__(self, jobs: Sequence[Job], tokenizer: Tokenizer, *, rows: int, threads: int) -> None:
        self.name = f"llguidance, executor, threads: {threads}" if threads else "llguidance, a call for each row"
        engine = create("llguidance")
        engine.prepare(tokenizer)
        self.matchers = [engine.compile(jobs[row % len(jobs)].schema)[1] for row in range(rows)]
        self.matrix = allocate(tokenizer.width, rows=rows)
        self.bytes = self.matrix[0].nbytes
        self.address = self.matrix.ctypes.data
        if threads:
            from llguidance import LLExecutor  # an extra of the benchmarks, missing where only the tests run

            self.executor = LLExecutor(num_threads=threads)
        self.step = self._together if threads else self._one_by_one

    def restart(self, row: int) -> None:
        if not self.matchers[row].reset():
            raise SystemExit(f"llguidance cannot reset: {self.matchers[row].get_error()}")

    def _together(self, tokens: Sequence[int]) -> None:
        self.executor.consume_token_par(list(zip(self.matchers, tokens, strict=True)))
        numbered = [(matcher, row) for row, matcher in enumerate(self.matchers)]
        self.executor.unsafe_compute_mask_ptr(numbered, self.address, self.bytes, len(self.matchers))

    def _one_by_one(self, tokens: Sequence[int]) -> None:
        for row, (matcher, token) in enumerate(zip(self.matchers, tokens, strict=True)):
            matcher.consume_token(token)
            matcher.unsafe_compute_mask_ptr(self.address + row * self.bytes, self.bytes)


def run(drivers: Sequence[Driver], jobs: Sequence[Job], rows: int, steps: int, clock: Callable[[], int]) -> list[float]:
    """Microseconds for each row and step, the median over the steps, of each driver."""
    texts = [[t for t, valid in zip(jobs[row % len(jobs)].texts, jobs[row % len(jobs)].valid, strict=True) if valid]
             for row in range(rows)]  # fmt: skip
    for step in range(max(len(chosen[0]) for chosen in texts)):  # the first texts, not timed
        for driver in drivers:
            for row in range(rows):
                if step % len(texts[row][0]) == 0:
                    driver.restart(row)
            driver.step([chosen[0][step % len(chosen[0])] for chosen in texts])
    written = [[token for text in chosen[1:] for token in (*text, -1)] for chosen in texts]  # -1: begin anew
    places = [-1] * rows
    taken: list[list[int]] = [[] for _ in drivers]
    for step in range(steps):
        tokens = []
        for row, ids in enumerate(written):
            places[row] = (places[row] + 1) % len(ids)
            if step == 0 or ids[places[row]] < 0:
                places[row] = 0 if step == 0 else (places[row] + 1) % len(ids)
                for driver in drivers:
                    driver.restart(row)
            tokens.append(ids[places[row]])
        for turn in range(len(drivers)):
            number = (turn + step) % len(drivers)
            began = clock()
            drivers[number].step(tokens)
            taken[number].append(clock() - began)
    return [float(np.median(times)) / 1e3 / rows for times in taken]


def fit(jobs: Jobs, tokenizer: Tokenizer, count: int) -> list[Job]:
    """Jobs with two valid texts or more that both engines compile, and write."""
    vocabulary = constrain.vocabulary(str(tokenizer.path), width=tokenizer.width, eos=list(tokenizer.eos))
    rival = create("llguidance")
    rival.prepare(tokenizer)
    chosen: list[Job] = []
    for job in jobs:
        texts = [text for text, valid in zip(job.texts, job.valid, strict=True) if valid and text]
        if len(chosen) < count and len(texts) > 1 and _writes(job, texts, vocabulary, rival):
            chosen.append(job)
    return chosen


def _writes(job: Job, texts: Sequence[Sequence[int]], vocabulary: constrain.Vocabulary, rival: Engine) -> bool:
    try:
        automaton = constrain.compile(constrain.json_schema(job.schema), vocabulary)
        matcher = rival.compile(job.schema)[1]
    except (ConstrainError, Refused):
        return False
    for text in texts:
        ours = constrain.Matcher(automaton)
        if not all(ours.try_advance(token) for token in text) or not matcher.reset():
            return False
        if not all(matcher.consume_token(token) for token in text):
            return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="zip or folder of MaskBench files")
    parser.add_argument("--tokenizer", required=True, help="tokenizer.json, its folder, or a name, as maskbench")
    parser.add_argument("--schemas", type=int, default=64, help="different schemas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", default="1,4,16,64,256", help="batch sizes")
    parser.add_argument("--threads", default="1,2", help="threads of llguidance's executor; ours has one")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--cpu-time", action="store_true", help="of the calling thread: for busy machines, one thread")
    options = parser.parse_args()
    clock = thread_time_ns if options.cpu_time else perf_counter_ns
    tokenizer = read_tokenizer(find_tokenizer(options.tokenizer), None)
    corpus = Corpus(options.data)
    jobs = fit(Jobs(corpus, corpus.sample(4 * options.schemas, options.seed), tokenizer), tokenizer, options.schemas)
    makers: list[Callable[..., Driver]] = [
        partial(Ours, jobs, tokenizer, together=False),
        partial(Ours, jobs, tokenizer, together=True),
        partial(Theirs, jobs, tokenizer, threads=0),
        *(partial(Theirs, jobs, tokenizer, threads=int(n)) for n in options.threads.split(",") if n),
    ]
    lines = []
    for rows in map(int, options.rows.split(",")):
        drivers = [make(rows=rows) for make in makers]
        headings = ["rows", *(driver.name for driver in drivers)]
        lines.append([str(rows), *(f"{time:.1f}" for time in run(drivers, jobs, rows, options.steps, clock))])
    facts = machine.facts() | {"load average, end": machine.load(), "schemas": str(len(jobs))}
    sys.stdout.write(table(["fact", "value"], [[k, v] for k, v in facts.items()]) + "\n\n")
    sys.stdout.write(
        "Microseconds"
        + " of the calling thread" * options.cpu_time
        + " for each row and step (commit and mask), median over steps:\n\n"
    )
    sys.stdout.write(table(headings, lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
