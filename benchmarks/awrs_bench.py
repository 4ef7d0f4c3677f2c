"""AWRS beside genlm-control's, in one run: ``python -m benchmarks.awrs_bench``.

The same masses, the same program, the same number of particles; engines take turns, in an order that rotates. Three
tables: single steps on few tokens (is it unbiased?) and on vocabularies of 1,000 to 128,000 tokens, and whole texts by
SMC under a model whose exact Z is known by dynamic programming. Shown for each: calls of the program, time, and the
mean of the weights over the exact Z with its distance from one in standard errors. An unbiased sampler stays within
about 4, where weights far above one are not rare: where they are, few draws cannot tell, and the standard error is too
small. ``geomean`` rows are over the cases of a table, ours over genlm's. The program is a table look-up: its time is
next to nothing. The model ends its texts before genlm's ``max_tokens``, so that both have the same target.

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
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from benchmarks import machine
from benchmarks.tables import number, table
from constrain.sampling.methods.awrs import ESTIMATORS, awrs_step
from constrain.sampling.methods.urn import Floats

SIZES = (1_000, 32_000, 128_000)
ENDS = -1  # in a sequence: the end


@dataclass
class Record:
    """What an engine did in one case."""

    nanoseconds: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)  # over the exact Z

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


Step = Callable[[], Awaitable[tuple[float, int]]]  # a log weight, and how often the program was asked


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

    async def step() -> tuple[float, int]:
        unit = awrs_step(case.log_p, case.accepted.__getitem__, rng, estimator=estimator)
        return unit.log_weight, unit.calls

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

    async def step() -> tuple[float, int]:
        before = program.asked
        _, log_weight, _ = await sampler.sample([])
        return float(log_weight), program.asked - before

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


# --- Whole texts ---------------------------------------------------------------------------------------------------


class Walk:
    """A model and a program with a Z that can be computed.

    The next token's law depends on the class of the last one, and the end comes at ``length`` tokens at the latest.
    Tokens have values; a beginning is accepted while their sum avoids two residues of seven, a text when it ends on
    one of two others.
    """

    MODULUS, FORBIDDEN, FINAL = 7, (3, 5), (0, 1)

    def __init__(self, size: int, length: int, classes: int = 8, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.size, self.length = size, length
        self.kind = rng.integers(classes, size=size)
        self.value = rng.integers(self.MODULUS, size=size)
        self.values = self.value.tolist()
        masses = rng.exponential(size=(classes, size)) ** 4
        self.ending = 0.15
        self.laws = (1 - self.ending) * masses / masses.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore"):
            self.rows = np.log(np.concatenate([self.laws, np.full((classes, 1), self.ending)], axis=1))
        self.last_row = np.append(np.full(size, -math.inf), 0.0)

    def row(self, context: Sequence[int]) -> Floats:
        """Log probabilities of the tokens, the end last."""
        if len(context) >= self.length:
            return self.last_row
        return self.rows[self.kind[context[-1]] if context else 0]

    def prefix_ok(self, context: Sequence[int]) -> bool:
        return sum(self.values[token] for token in context) % self.MODULUS not in self.FORBIDDEN

    def complete_ok(self, context: Sequence[int]) -> bool:
        return sum(self.values[token] for token in context) % self.MODULUS in self.FINAL

    def z(self) -> float:
        """The probability of an accepted text: forwards over (class of the last token, residue)."""
        classes, modulus = len(self.laws), self.MODULUS
        cells = self.kind * modulus + self.value
        steps = np.stack([np.bincount(cells, law, classes * modulus) for law in self.laws]).reshape(
            -1, classes, modulus
        )
        here = np.zeros((classes, modulus))
        here[0, 0] = 1.0
        found = 0.0
        for length in range(self.length + 1):
            found += here[:, self.FINAL].sum() * (self.ending if length < self.length else 1.0)
            after = np.zeros_like(here)
            for residue, value in itertools.product(range(modulus), repeat=2):
                after[:, (residue + value) % modulus] += here[:, residue] @ steps[:, :, value]
            after[:, self.FORBIDDEN] = 0.0
            here = after
        return float(found)


Run = Callable[[int], Awaitable[tuple[float, int]]]  # particles -> an estimate of log Z, and the calls


def our_smc(walk: Walk, estimator: str, threshold: float, seed: int) -> Run:
    """SMC over ``awrs_step``: stratified resampling when the effective sample size falls below the threshold."""
    rng = np.random.default_rng(seed)

    async def run(particles: int) -> tuple[float, int]:
        contexts: list[list[int]] = [[] for _ in range(particles)]
        weights = np.zeros(particles)
        calls = 0
        while any(live := [w > -math.inf and c[-1:] != [ENDS] for c, w in zip(contexts, weights, strict=True)]):
            for number_, context in enumerate(contexts):
                if live[number_]:
                    unit = awrs_step(walk.row(context), _next_ok(walk, context), rng, estimator=estimator)
                    calls += unit.calls
                    weights[number_] += unit.log_weight
                    if unit.index is not None:
                        contexts[number_] = [*context, ENDS if unit.index == walk.size else unit.index]
            contexts, weights = _resampled(contexts, weights, threshold, rng)
        return float(np.logaddexp.reduce(weights) - math.log(particles)), calls

    return run


def _next_ok(walk: Walk, context: list[int]) -> Callable[[int], bool]:
    return lambda index: walk.complete_ok(context) if index == walk.size else walk.prefix_ok([*context, index])


def _resampled(
    contexts: list[list[int]], weights: Floats, threshold: float, rng: np.random.Generator
) -> tuple[list[list[int]], Floats]:
    total = np.logaddexp.reduce(weights)
    if total == -math.inf:
        return contexts, weights
    shares = np.exp(weights - total)
    if 1 / np.sum(shares**2) >= threshold * len(shares):
        return contexts, weights
    marks = (np.arange(len(shares)) + rng.random(len(shares))) / len(shares)
    chosen = np.minimum(np.searchsorted(np.cumsum(shares), marks), len(shares) - 1)
    return [contexts[i] for i in chosen], np.full(len(shares), total - math.log(len(shares)))


def genlm_smc(walk: Walk, threshold: float, seed: int) -> Run:
    from genlm.control import AWRS, Potential

    class Model(Potential):
        async def complete(self, context):
            return await self.prefix(context) + float(walk.row(context)[-1])

        async def prefix(self, context):
            return sum(float(walk.row(context[:i])[token]) for i, token in enumerate(context))

        async def logw_next(self, context):
            return self.make_lazy_weights(walk.row(context))

    class Accepted(Potential):
        asked = 0

        async def complete(self, context):
            self.asked += 1
            return 0.0 if walk.complete_ok(context) else -math.inf

        async def prefix(self, context):
            self.asked += 1
            return 0.0 if walk.prefix_ok(context) else -math.inf

    tokens = list(range(walk.size))
    program = Accepted(tokens)
    sampler = AWRS(Model(tokens), program, seed=seed)

    async def run(particles: int) -> tuple[float, int]:
        before = program.asked
        sequences = await sampler.smc(n_particles=particles, ess_threshold=threshold, max_tokens=walk.length + 2)
        return float(sequences.log_ml), program.asked - before

    return run


# --- The run -------------------------------------------------------------------------------------------------------


async def measure(
    engines: dict[str, Callable[[], Awaitable[tuple[float, int]]]], z: float, rounds: int
) -> dict[str, Record]:
    """All engines in turn, in an order that rotates, after one round that is not counted."""
    records = {name: Record() for name in engines}
    names = list(engines)
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = perf_counter_ns()
            log_weight, calls = await engines[name]()
            passed = perf_counter_ns() - start
            if turn:
                records[name].nanoseconds.append(passed)
                records[name].calls.append(calls)
                records[name].weights.append(math.exp(log_weight) / z)
    return records


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


async def texts(rounds: int, seed: int, size: int, length: int, threshold: float = 0.5) -> dict[str, dict[str, Record]]:
    walk = Walk(size, length, seed=seed)
    runs = {name: our_smc(walk, name, threshold, seed + 1) for name in ESTIMATORS}
    if genlm_version():
        runs["genlm"] = genlm_smc(walk, threshold, seed + 2)
    found = {}
    for particles in (1, 5, 20):
        engines = {name: (lambda run=run, particles=particles: run(particles)) for name, run in runs.items()}
        found[f"{size:,} tokens, {particles} particles"] = await measure(engines, walk.z(), rounds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=SIZES)
    parser.add_argument("--rounds", type=int, default=200, help="steps of each engine in each case (default: 200)")
    parser.add_argument("--draws", type=int, default=5000, help="steps in each case of few tokens (default: 5000)")
    parser.add_argument("--texts", type=int, default=100, help="SMC runs of each engine in each case (default: 100)")
    parser.add_argument("--text-tokens", type=int, default=32_000, help="tokens of the model of texts")
    parser.add_argument("--length", type=int, default=12, help="tokens of the longest text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="write the report there, besides printing it")
    options = parser.parse_args()
    parts = [f"genlm-control {genlm_version() or 'is not installed: ours only'}; load {machine.load()}\n"]
    parts.append(table(["", ""], machine.facts().items()) + "\n\n`" + machine.command_line() + "`\n")
    few, many = enumerable_cases(), step_cases(options.sizes, options.seed)
    parts.append(report("Few tokens, many draws", asyncio.run(steps(few, options.draws, options.seed))))
    parts.append(report("Single steps", asyncio.run(steps(many, options.rounds, options.seed))))
    if options.texts:
        found = asyncio.run(texts(options.texts, options.seed, options.text_tokens, options.length))
        parts.append(report("Texts, by SMC (resampling below half the particles)", found))
    print("\n".join(parts))
    if options.output:
        options.output.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
