"""AWRS beside genlm-control's, in one run: ``python -m benchmarks.awrs_bench``.

The same masses, the same program, the same number of particles; engines take turns, in an order that rotates. Single
steps on few tokens (is it unbiased?) and on vocabularies of 1,000 to 128,000 tokens; then whole texts by the shipped
``smc`` and ``awrs`` (no resampling): under a model of a few tokens, then of many, whose exact Z is known by dynamic
programming, and under SmolLM2, where the program is a check of JSON. Shown for each: calls of the program, time (of
texts without the model's), and the mean of the weights over the exact Z, or where that is not known over the mean of
all engines' weights, with its distance from one in standard errors. An unbiased sampler stays within
about 4, where weights far above one are not rare: where they are, few draws cannot tell, and the standard error is too
small. ``geomean`` rows are over the cases of a table, ours over genlm's. The program is a table look-up, but for
JSON: its time is next to nothing. The model ends its texts before genlm's ``max_tokens``, so that both have the same
target.

Everything runs in one thread, torch (of which genlm-control's steps are made) too.

genlm-control need not be in this environment: ``pip install --no-deps --target FOLDER genlm-control ...``, then
``PYTHONPATH=FOLDER``. Without it, only ours is measured, and the report says so.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter_ns

import numpy as np
import torch

from benchmarks import machine
from benchmarks.awrs_scenes import Causal, Outcome, Scene, Walk, genlm_smc, our_smc
from benchmarks.tables import number, table
from constrain.adapters.loading import load_model
from constrain.predicates.json_text import JsonValidates
from constrain.sampling.methods.awrs import ESTIMATORS, awrs_step
from constrain.sampling.methods.urn import Floats

SIZES = (1_000, 32_000, 128_000)
QUESTION = "How much is 2 + 3? Answer with the number only."


@dataclass
class Record:
    """What an engine did in one case."""

    nanoseconds: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)  # over Z

    @property
    def microseconds(self) -> float:
        return statistics.median(self.nanoseconds) / 1000

    @property
    def mean_calls(self) -> float:
        return statistics.mean(self.calls)

    @property
    def off(self) -> str:
        """Mean weight over Z, and how many standard errors that is from one."""
        mean, spread = statistics.mean(self.weights), statistics.stdev(self.weights)
        if spread < 1e-9 * mean or not mean:
            return f"{mean:.3f} (all equal)"
        return f"{mean:.3f} ({(mean - 1) / spread * math.sqrt(len(self.weights)):+.1f})"

    @property
    def relative_variance(self) -> float:
        return statistics.variance(self.weights) / statistics.mean(self.weights) ** 2 if any(self.weights) else math.nan


# --- Single steps --------------------------------------------------------------------------------------------------


@dataclass
class StepCase:
    """Masses and verdicts of one step."""

    name: str
    log_p: Floats
    accepted: list[bool]

    @property
    def z(self) -> float:
        return float(np.exp(self.log_p)[np.array(self.accepted)].sum())


Step = Callable[[], Awaitable[Outcome]]


def step_cases(sizes: Sequence[int], seed: int) -> list[StepCase]:
    """Laws that are certain or undecided, programs that accept much or little, the likeliest token or not."""
    rng = np.random.default_rng(seed)
    cases = []
    for size, top, share in itertools.product(sizes, (0.95, 0.2), (0.9, 0.3, 0.03)):
        tail = np.arange(1, size, dtype=np.float64) ** -1.2
        p = rng.permutation(np.concatenate([[top], (1 - top) * tail / tail.sum()]))
        accepted = rng.random(size) < share
        accepted[int(p.argmax())] = share > 0.05
        accepted[int(p.argmin())] = True
        cases.append(StepCase(f"{size:,}, top {top}, accepts {share:.0%}", np.log(p), accepted.tolist()))
    return cases


def our_step(case: StepCase, estimator: str, seed: int) -> Step:
    rng = np.random.default_rng(seed)

    async def step() -> Outcome:
        unit = awrs_step(case.log_p, case.accepted.__getitem__, rng, estimator=estimator)
        return Outcome(unit.log_weight, unit.calls)

    return step


def genlm_step(case: StepCase, seed: int) -> Step:
    """``AWRS`` of genlm-control on the same row; its end-of-sequence is the last token, of mass zero here."""
    from genlm.control import AWRS, Potential

    class Row(Potential):
        async def complete(self, context):
            return 0.0

        async def prefix(self, context):
            return 0.0

        async def logw_next(self, context):
            return self.make_lazy_weights(row)

    class Accepted(Potential):
        asked = 0

        async def complete(self, context):
            return -math.inf

        async def prefix(self, context):
            self.asked += 1
            return 0.0 if case.accepted[context[-1]] else -math.inf

    row = np.append(case.log_p, -math.inf)
    tokens = list(range(len(case.log_p)))
    program = Accepted(tokens)
    sampler = AWRS(Row(tokens), program, seed=seed)

    async def step() -> Outcome:
        before = program.asked
        _, log_weight, _ = await sampler.sample([])
        return Outcome(float(log_weight), program.asked - before)

    return step


def enumerable_cases() -> list[StepCase]:
    """Few tokens, for many draws; in the last, less than 1e-5 of the mass is accepted."""
    zipf = np.array([64, 32, 16, 8, 4, 2, 1]) / 127
    faint = np.array([0.6, 0.4 - 2e-6, 1e-6, 1e-6])
    return [
        StepCase("zipf of 7, every second accepted", np.log(zipf), [True, False] * 3 + [True]),
        StepCase("zipf of 7, the last two accepted", np.log(zipf), [False] * 5 + [True] * 2),
        StepCase("two faint tokens accepted", np.log(faint), [False, False, True, True]),
    ]


# --- The run -------------------------------------------------------------------------------------------------------


async def measure(engines: dict[str, Step], z: float | None, rounds: int) -> dict[str, Record]:
    """All engines in turn, in an order that rotates, after one round that is not counted."""
    records = {name: Record() for name in engines}
    names = list(engines)
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = perf_counter_ns()
            outcome = await engines[name]()
            passed = perf_counter_ns() - start
            if turn:
                records[name].nanoseconds.append(passed - outcome.model)
                records[name].calls.append(outcome.calls)
                records[name].weights.append(math.exp(outcome.log_weight))
    scale(records, z)
    return records


def scale(records: dict[str, Record], z: float | None) -> None:
    """Weights over Z, or over the mean of all."""
    scale = z or statistics.mean(weight for record in records.values() for weight in record.weights) or 1.0
    for record in records.values():
        record.weights = [weight / scale for weight in record.weights]


def report(title: str, found: dict[str, dict[str, Record]]) -> str:
    """A table of cases by engines, then ours over genlm's."""
    head = ["case", "engine", "calls", "µs", "mean W / Z (s.e. off)", "rel. variance"]
    rows = [
        [
            case,
            name,
            f"{record.mean_calls:.2f}",
            number(record.microseconds),
            record.off,
            f"{record.relative_variance:.3g}",
        ]
        for case, records in found.items()
        for name, record in records.items()
    ]
    for name in next(iter(found.values())):
        both = [(records[name], records["genlm"]) for records in found.values() if "genlm" in records]
        if both and name != "genlm":
            calls = statistics.geometric_mean([ours.mean_calls / theirs.mean_calls for ours, theirs in both])
            time = statistics.geometric_mean([ours.microseconds / theirs.microseconds for ours, theirs in both])
            rows.append(["geomean, over genlm's", name, f"{calls:.2f}x", f"{time:.3f}x", "", ""])
    return f"### {title}\n\n{table(head, rows)}\n"


def genlm_version() -> str:
    return machine.version_of("genlm-control")


async def steps(cases: Sequence[StepCase], rounds: int, seed: int) -> dict[str, dict[str, Record]]:
    found = {}
    for case in cases:
        engines = {name: our_step(case, name, seed + 1) for name in ESTIMATORS}
        if genlm_version():
            engines["genlm"] = genlm_step(case, seed + 2)
        found[case.name] = await measure(engines, case.z, rounds)
    return found


async def texts(
    scene: Scene, rounds: int, seed: int, particles: Sequence[int], threshold: float, estimators: Sequence[str]
) -> dict[str, dict[str, Record]]:
    """Particles on a scene; a ``threshold`` of 0 never resamples."""
    runs = {name: our_smc(scene, name, threshold, seed + 1) for name in estimators}
    if genlm_version():
        runs["genlm"] = genlm_smc(scene, threshold, seed + 2)
    found = {}
    for count in particles:
        engines = {name: partial(run, count) for name, run in runs.items()}
        kind = "particles" if threshold else "draws"
        found[f"{len(scene.tokens):,} tokens, {count} {kind}"] = await measure(engines, scene.z(), rounds)
    return found


def smollm2(length: int) -> Causal:
    """SmolLM2, asked for JSON."""
    loaded = load_model()
    prompt = [{"role": "user", "content": QUESTION}]
    return Causal(loaded.model, loaded.tokenizer, prompt, JsonValidates(lambda value: True), length)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=SIZES)
    parser.add_argument("--rounds", type=int, default=200, help="steps of each engine in each case (default: 200)")
    parser.add_argument("--draws", type=int, default=5000, help="steps in each case of few tokens (default: 5000)")
    parser.add_argument("--texts", type=int, default=100, help="SMC runs of each engine in each case (default: 100)")
    parser.add_argument("--text-tokens", type=int, default=32_000, help="tokens of the model of texts")
    parser.add_argument("--length", type=int, default=12, help="tokens of the longest text")
    parser.add_argument("--model", type=int, default=0, help="SMC runs of each engine under SmolLM2 (default: none)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="write the report there, besides printing it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = [f"genlm-control {genlm_version() or 'is not installed: ours only'}; load {machine.load()}\n"]
    parts.append(table(["", ""], machine.facts().items()) + "\n\n`" + machine.command_line() + "`\n")
    few, many = enumerable_cases(), step_cases(options.sizes, options.seed)
    parts.append(report("Few tokens, many draws", asyncio.run(steps(few, options.draws, options.seed))))
    parts.append(report("Single steps", asyncio.run(steps(many, options.rounds, options.seed))))
    if options.texts:
        few_tokens, many_tokens = (Walk(size, options.length, seed=options.seed) for size in (50, options.text_tokens))
        estimated = partial(texts, seed=options.seed, estimators=list(ESTIMATORS))
        found = asyncio.run(estimated(few_tokens, 4 * options.texts, particles=(1, 5, 20), threshold=0.5))
        found |= asyncio.run(estimated(many_tokens, options.texts, particles=(1, 5, 20), threshold=0.5))
        parts.append(report("Texts, by smc (resampling below half the particles)", found))
        found = asyncio.run(estimated(many_tokens, options.texts, particles=(20,), threshold=0.0))
        parts.append(report("Texts, by awrs (no resampling)", found))
    if options.model:
        found = asyncio.run(
            texts(smollm2(options.length), options.model, options.seed, (10,), 0.5, ("recursive", "auto"))
        )
        parts.append(report("JSON by SmolLM2, by smc", found))
    print("\n".join(parts))
    if options.output:
        options.output.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
