"""Verdicts on real schemas: how many compile, and is every instance judged right?

``python -m benchmarks.schema_verdicts --data dev.zip --tokenizer llama3_1 [--limit 500 --seed 1]``

Instances are read byte by byte by the automaton that also fills the masks, with members in the order that they have.
Prints a Markdown report: what does not compile and why, wrong verdicts (none is the aim), times and memory.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import constrain
from benchmarks.corpus import Case, Corpus
from benchmarks.tokenizer import find_tokenizer
from constrain.errors import ConstrainError, GrammarWarning, LimitExceeded, UnsupportedSchema
from constrain.vocab.readers import read_vocabulary


class Tally:
    """What has been found so far. Times in seconds."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.first_masks: list[tuple[float, str]] = []
        self.texts: list[tuple[float, str]] = []

    def judge(self, case: Case, vocabulary: Any, order: Any) -> None:
        """Compile one schema, fill its first mask, read its instances."""
        began = time.perf_counter()
        try:
            automaton = constrain.compile(constrain.json_schema(case.schema, property_order=order), vocabulary)
            automaton.fill_mask(automaton.start(), np.zeros(vocabulary.words, np.int32))
        except ConstrainError as error:
            self.refused[reason(error)] += 1
            return
        self.first_masks.append((time.perf_counter() - began, case.name))
        for number, instance in enumerate(case.instances):
            began = time.perf_counter()
            state = automaton.advance_bytes(automaton.start(), instance.text.encode())
            accepted = state is not None and automaton.is_accepting(state)
            self.texts.append((time.perf_counter() - began, case.name))
            if accepted != instance.valid:
                self.wrong.append(f"{case.name}, instance {number}: {'accepted' if accepted else 'rejected'}")

    def report(self, schemas: int) -> str:
        """Markdown."""
        compiled = len(self.first_masks)
        lines = [
            f"{compiled:,} of {schemas:,} schemas compile ({compiled / max(schemas, 1):.2%}); "
            f"{len(self.texts):,} instances, **{len(self.wrong)} wrong verdicts**.",
            f"Schema to first mask, ms: {percentiles(self.first_masks)}. "
            f"Reading an instance, ms: {percentiles(self.texts)}. "
            f"Peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10:,} MB.",
            "",
            "| not compiled | schemas |",
            "|---|--:|",
            *(f"| {what} | {count} |" for what, count in self.refused.most_common()),
        ]
        return "\n".join([*lines, *(f"WRONG {what}" for what in self.wrong)])


def reason(error: ConstrainError) -> str:
    """Refusals by keyword, other errors by kind."""
    if isinstance(error, UnsupportedSchema):
        return f"`{error.keyword}`: {error.reason[:60]}"
    message = error.what.partition(" at ")[0] if isinstance(error, LimitExceeded) else str(error)
    return f"{type(error).__name__}: {message.partition(': ')[2] or message}"[:90]


def percentiles(times: list[tuple[float, str]]) -> str:
    """p50, p90, p99 and the largest, with its name."""
    values = np.array([seconds for seconds, _ in times] or [0.0]) * 1e3
    largest = max(times, default=(0.0, "-"))
    shown = ", ".join(f"p{p} {np.percentile(values, p):.1f}" for p in (50, 90, 99))
    return f"{shown}, max {largest[0] * 1e3:,.0f} ({largest[1]})"


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="zip or folder of JSON files {schema, tests: [{data, valid}]}")
    add("--tokenizer", required=True, help="tokenizer.json, its folder, or a name in ../shared/data/tokenizers")
    add("--limit", type=int, help="so many schemas, chosen at random (default: all)")
    add("--seed", type=int, default=0)
    add("--property-order", choices=("any", "schema"), default="any")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Run; 1 if a verdict is wrong."""
    options = arguments(words)
    warnings.simplefilter("ignore", GrammarWarning)
    vocabulary = read_vocabulary(find_tokenizer(options.tokenizer))
    corpus, tally = Corpus(options.data), Tally()
    names = corpus.sample(options.limit, options.seed)
    for number, name in enumerate(names):
        tally.judge(corpus.case(name), vocabulary, options.property_order)
        if number % 500 == 499:
            sys.stderr.write(f"{number + 1} of {len(names)}\n")
    sys.stdout.write(tally.report(len(names)) + "\n")
    return int(bool(tally.wrong))


if __name__ == "__main__":
    sys.exit(main())
