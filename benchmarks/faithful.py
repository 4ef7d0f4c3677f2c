"""Divergence from the target against model calls, for all sampling methods: ``python -m benchmarks.faithful --help``.

Each method starts with nothing known, on the same tasks and model. The laws that a model gives are remembered from one
method to the next, so that the run takes an hour less; calls and tokens are counted as if they were not.

*KL* is that of the papers on grammar-aligned decoding: of the empirical law of a method's samples to the model's law
over all texts that any method found, renormalised. It cannot be zero for a finite number of samples: the column *null*
is what as many exact draws from that pooled law score.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

import constrain
from benchmarks.faithful_tasks import Task, tasks, vocabulary_for
from constrain.adapters.loading import load_model
from constrain.sampling.lm.causal import CausalModel
from constrain.sampling.lm.model import Laws, Request, Usage
from constrain.sampling.lm.prompts import encode_prompt
from constrain.sampling.methods.drawing import asap, exact, importance, mask
from constrain.sampling.methods.mcmc import mcmc
from constrain.sampling.methods.smc import smc
from constrain.sampling.problem import Problem
from constrain.sampling.results import Samples
from constrain.sampling.target import Target
from constrain.sampling.trie import Trie
from constrain.sampling.views.divergence import divergence, null_divergence, pooled_law

METHODS = {
    "mask": mask,
    "asap": asap,
    "importance": importance,
    "smc": smc,
    "mcmc": lambda problem: mcmc(problem, steps=5),
    "exact": exact,
}


class Remembered:
    """A model whose laws are asked for once in a task, and counted for each method as if they were not."""

    def __init__(self, model: CausalModel) -> None:
        self.model = model
        self.width, self.key = model.width, model.key
        self.usage = Usage()
        self._rows: dict[tuple[int, ...], np.ndarray] = {}
        self._fed: set[tuple[int, ...]] = set()

    def begin(self) -> None:
        """A method that knows nothing."""
        self.usage = Usage()
        self._fed = set()

    def laws(self, requests: list[Request]) -> list[Laws]:
        """From memory where they are there."""
        wanted = {request.prefix + request.ahead[:n] for request in requests for n in range(len(request.ahead) + 1)}
        self._count(wanted)
        missing = [Request(prefix) for prefix in sorted(wanted) if prefix not in self._rows]
        for request, rows in zip(missing, self.model.laws(missing) if missing else [], strict=True):
            self._rows[request.prefix] = rows[0].astype(np.float32)
        return [
            np.stack([self._rows[prefix + ahead[:n]] for n in range(len(ahead) + 1)]).astype(np.float64)
            for prefix, ahead in requests
        ]

    def _count(self, wanted: set[tuple[int, ...]]) -> None:
        fed = {prefix[:n] for prefix in wanted for n in range(1, len(prefix) + 1)} - self._fed
        self._fed |= fed
        self.usage.calls += 1
        self.usage.tokens += len(fed)


def run(task: Task, loaded: Any, options: argparse.Namespace) -> dict[str, Any]:
    """All methods on one task."""
    ids = encode_prompt(loaded.tokenizer, task.prompt)  # type: ignore[arg-type]
    model = Remembered(CausalModel(loaded.model, ids, name=loaded.name))
    automaton = constrain.compile(task.grammar, vocabulary_for(task, loaded.tokenizer))
    results, rows = {}, {}
    for name, method in METHODS.items():
        model.begin()
        trie = Trie(model, Target(automaton, options.max_tokens))  # type: ignore[arg-type]
        problem = Problem(trie, options.n, options.seed, options.slots)
        problem.budget = options.budget if name == "exact" else None
        walked = Counter[str]()
        if name == "exact":
            watch(problem, walked)
        begin = time.perf_counter()
        results[name] = samples = method(problem)
        rows[name] = record(samples, time.perf_counter() - begin) | {"walked": walked["tokens"]}
        print(f"{task.name} {name}: {rows[name]}", file=sys.stderr, flush=True)
    pool = pooled_law(results.values())
    for name, samples in results.items():
        rows[name]["kl"] = divergence(samples, pool) if len(samples) else None
        rows[name]["kl_unweighted"] = divergence(samples, pool, weighted=False) if len(samples) else None
    head = {"task": task.name, "family": task.family, "prompt_tokens": len(ids), "pool": len(pool)}
    return head | {"methods": rows, "null": null_divergence(pool, options.n)}


def watch(problem: Problem, walked: Counter[str]) -> None:
    """Count the tokens that walks went through: what generating each attempt anew would have fed to the model."""
    plain = problem.draws

    def draws(*arguments: Any, **options: Any) -> Any:
        found = plain(*arguments, **options)
        walked["tokens"] += sum(len(draw.tokens) for draw in found)
        return found

    problem.draws = draws  # type: ignore[method-assign]


def record(samples: Samples, seconds: float) -> dict[str, Any]:
    """What is kept of a result."""
    c = samples.certificate
    return {
        "samples": len(samples), "missing": samples.missing, "calls": c.calls, "tokens": c.tokens,
        "attempts": c.attempts,
        "log_z": c.log_z, "relative_error": c.relative_error, "lower": c.log_lower, "upper": c.log_upper, "ess": c.ess,
        "kl_masked": c.kl_masked, "kl_target": c.kl_target, "seconds": round(seconds, 2),
        "draws": [[list(s.tokens), round(s.log_p, 6), round(s.log_weight, 6)] for s in samples],
        "first": samples[0].text if len(samples) else None,
    }  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--sygus", type=Path, help="folder with SLIA/ and bv4/: grammars (.ebnf) and prompts (.txt)")
    add("--model", default="smollm2")
    add("--n", type=int, default=24, help="samples for each method")
    add("--max-tokens", type=int, default=48)
    add("--slots", type=int, default=8)
    add("--budget", type=int, default=600, help="walks for exact sampling")
    add("--seed", type=int, default=1)
    add("--part", default="1/1", metavar="I/K", help="every K-th task, from the I-th")
    add(
        "--json",
        type=Path,
        required=True,
        help="a line for each task, added to what is there; benchmarks.faithful_report",
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    part, parts = map(int, options.part.split("/"))
    loaded = load_model(options.model)
    with options.json.open("a+", encoding="utf-8") as out:
        out.seek(0)
        done = {json.loads(text)["task"] for text in out}
        for number, task in enumerate(tasks(options.sygus)):
            if number % parts == part - 1 and task.name not in done:
                row = run(task, loaded, options)
                print(json.dumps(row), file=out, flush=True)
                figures = {name: (m["kl"] and round(m["kl"], 2), m["calls"]) for name, m in row["methods"].items()}
                print(task.name, row["prompt_tokens"], figures, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
