"""What each idea is worth: ``python -m benchmarks.ablation --help``.

MaskBench schemas, each in turn with every idea in place and with one of them switched off, cold: each way has a
vocabulary of its own, so nothing is shared. (The front end's memory of patterns is: the first way to meet one pays for
it, and each way is as often the first.) Ideas that are part of a kernel cannot be switched off; docs/performance.md has
what was measured when they came.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import perf_counter_ns
from unittest.mock import patch

import numpy as np

import constrain
from benchmarks import machine
from benchmarks.corpus import Corpus
from benchmarks.maskbench import Job, Jobs
from benchmarks.tables import table
from benchmarks.tokenizer import find_tokenizer, read_tokenizer
from constrain.bits import allocate
from constrain.errors import ConstrainError
from constrain.frontends import json_schema
from constrain.frontends.json_schema.objects import evident_object
from constrain.garbage import collected_later
from constrain.ir.grammar import RulesOnDemand
from constrain.tokens import beginnings
from constrain.tokens.pushdown import PushdownAutomaton

Off = Callable[[], AbstractContextManager[object]]


@contextmanager
def _code_at_once() -> Iterator[None]:
    """All rules become code before the first mask."""
    begin = PushdownAutomaton._first_state

    def make_all(self: PushdownAutomaton) -> int:
        list(self.grammar.rules)
        for name in self.grammar.rules:
            if name in self._builder._productive or name in self._builder._rules:
                self._builder.rule(name)
        self._builder.make_all()
        beginnings.publish(self._builder, self.arena)
        return begin(self)

    with patch.object(PushdownAutomaton, "_first_state", make_all):
        yield


@contextmanager
def _schema_at_once() -> Iterator[None]:
    begin = json_schema.begin_schema
    with patch.object(json_schema, "begin_schema", lambda *a, **k: begin(*a, **{**k, "at_once": True})):
        yield


@contextmanager
def _nothing_in_common() -> Iterator[None]:
    make = RulesOnDemand.__init__

    def without(self: RulesOnDemand, *given: object) -> None:
        made, waiting, sound, forget, _, parts = given
        make(self, made, waiting, sound, forget, None, parts)  # type: ignore[arg-type]

    with patch.object(RulesOnDemand, "__init__", without):
        yield


@contextmanager
def _collector_on() -> Iterator[None]:
    with (
        patch.object(collected_later, "__enter__", lambda self: None),
        patch.object(collected_later, "__exit__", lambda self, *exc: None),
    ):
        yield


@contextmanager
def _every_detour() -> Iterator[None]:
    with patch("constrain.frontends.json_schema.lower.evident_object", lambda *_, **__: None):
        yield


IDEAS: dict[str, Off] = {
    "all ideas": nullcontext,
    "without: evident schemas lowered when texts get there": _schema_at_once,
    "without: code of rules when they are called": _code_at_once,
    "without: the short way for plain objects": _every_detour,
    "without: what grammars have in common, made once": _nothing_in_common,
    "without: the collector waits": _collector_on,
}
assert evident_object  # patched by name


class Way:
    """One way of doing it, with a vocabulary of its own, and its samples in ns."""

    def __init__(self, name: str, make: Callable[[], constrain.Vocabulary]) -> None:
        self.name, self.off = name, IDEAS[name]
        self.vocabulary = make()
        self.words = allocate(self.vocabulary.width)
        self.first: list[int] = []
        self.each: list[int] = []

    def write(self, job: Job) -> None:
        """Compile, then write all texts as far as the masks allow."""
        with self.off():
            began = perf_counter_ns()
            try:
                automaton = constrain.compile(constrain.json_schema(job.schema), self.vocabulary)
                automaton.fill_mask(automaton.start(), self.words)
            except ConstrainError:
                return
            self.first.append(perf_counter_ns() - began)
            for tokens in job.texts:
                self._write(automaton, tokens)

    def _write(self, automaton: PushdownAutomaton, tokens: Sequence[int]) -> None:
        state = automaton.start()
        for token in tokens:
            began = perf_counter_ns()
            automaton.fill_mask(state, self.words)
            after = automaton.advance(state, token)
            self.each.append(perf_counter_ns() - began)
            if after is None:
                return
            state = after

    def row(self) -> list[str]:
        first, each = np.array(self.first) / 1e3, np.array(self.each) / 1e3
        figures = [*np.percentile(first, (50, 90, 99)), *np.percentile(each, (50, 99, 99.9)), each.mean()]
        total = (first.sum() + each.sum()) / len(first)
        return [self.name, *(f"{value:,.1f}" if value < 100 else f"{value:,.0f}" for value in (*figures, total))]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="MaskBench: zip or folder of JSON files")
    parser.add_argument("--tokenizer", required=True, help="tokenizer.json, its folder, or a name")
    parser.add_argument("--limit", type=int, default=150, help="so many schemas, chosen at random")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)
    tokenizer = read_tokenizer(find_tokenizer(options.tokenizer), None)
    corpus = Corpus(options.data)
    jobs = Jobs(corpus, corpus.sample(options.limit, options.seed), tokenizer)

    def vocabulary() -> constrain.Vocabulary:
        return constrain.vocabulary(str(tokenizer.path), width=tokenizer.width, eos=list(tokenizer.eos))

    ways = [Way(name, vocabulary) for name in IDEAS]
    for turn, job in enumerate(jobs):
        for i in range(len(ways)):
            ways[(turn + i) % len(ways)].write(job)
    head = ["µs", "TTFM p50", "p90", "p99", "TBM p50", "p99", "p99.9", "mean", "total a schema"]
    sys.stdout.write(f"{machine.command_line()}\n\n{table(head, [way.row() for way in ways])}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
