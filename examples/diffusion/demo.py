"""Masked diffusion with a grammar and without, side by side, on two small models: ``make demo-diffusion``.

Prints what both write, then how much of it is valid and right at one and at four tokens a step; and draws the canvas
step by step, as PNG frames and as a GIF, into a folder. Both sides go through the same sampler, and differ in the
canvas: one knows the grammar, on the other anything goes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from constrain.canvas.base import Canvas
from constrain.canvas.factory import canvas
from constrain.diffusion.free import FreeCanvas
from constrain.diffusion.options import Options
from constrain.diffusion.sampler import Sampler, State
from examples.diffusion import frames, languages, models, scores, texts
from examples.diffusion.train import PAIRS

TOKENS = (1, 4)  # a step
WAYS = ("unconstrained", "constrained")


@dataclass(frozen=True)
class Task:
    """What is asked of a model. ``options``: how it is sampled; how many tokens a step is said later."""

    name: str
    title: str
    model: models.Shipped
    options: Options
    pairs: list[texts.Pair]

    @cached_property
    def canvases(self) -> dict[str, Canvas]:
        """The empty canvas, without and with the grammar."""
        free: Canvas = FreeCanvas.of(self.model.vocabulary, self.model.canvas)
        bound = canvas(languages.LANGUAGES[self.name](), self.model.vocabulary, self.model.canvas)
        return dict(zip(WAYS, (free, bound), strict=True))

    def sampler(self, prompt: str, tokens: int) -> Sampler:
        """For one prompt."""
        return Sampler(self.model.denoiser, self.model.prompt(prompt), replace(self.options, tokens=tokens))


TITLES = {"records": "sentence -> record", "sql": "question -> query", "smiles": "molecules"}


def task_of(name: str, runs: int) -> Task:
    """Bookings, questions, molecules; pairs are of the held-out set."""
    if name == "smiles":
        pairs = [texts.Pair("", "")] * runs
        return Task(name, TITLES[name], models.load("smiles"), Options(temperature=1.0), pairs)
    return Task(name, TITLES[name], models.load("texts"), Options(), texts.test_pairs(name, runs, PAIRS))


@dataclass(frozen=True)
class Row:
    """One line of the table. ``milliseconds``: what the canvas took of each step, the mean."""

    task: str
    way: str
    tokens: int
    scores: scores.Scores
    milliseconds: float


def measure(task: Task) -> Iterator[tuple[Row, list[str]]]:
    """Each way at each number of tokens a step, with the outputs."""
    for way, start in task.canvases.items():
        for tokens in TOKENS:
            runs = [task.sampler(pair.prompt, tokens).run(start, seed) for seed, pair in enumerate(task.pairs)]
            outputs = [each.text for each in runs]
            found = scores.OF[task.name](outputs, [pair.answer for pair in task.pairs])
            cost = sum(each.tally.seconds for each in runs) / sum(each.steps for each in runs)
            yield Row(task.name, way, tokens, found, 1000 * cost), outputs


def show(task: Task, outputs: dict[tuple[str, int], list[str]], count: int = 3) -> None:
    """Some outputs, side by side."""
    print(f"\n{task.title}, {TOKENS[-1]} tokens a step\n")
    for i, pair in enumerate(task.pairs[:count]):
        if pair.prompt:
            print(f"  {pair.prompt}")
        for way in WAYS:
            print(f"    {way:14} {outputs[way, TOKENS[-1]][i]}")


def draw(task: Task, folder: Path) -> None:
    """Pictures of the first output of each way."""
    for way, start in task.canvases.items():
        states: list[State] = []
        task.sampler(task.pairs[0].prompt, TOKENS[-1]).run(start, 0, states.append)
        frames.write(folder, f"{task.name}-{way}", [state.ids for state in states], task.model.vocabulary)


def table(rows: list[Row]) -> str:
    """In Markdown."""
    lines = ["| task | tokens a step | | scores | ms in the canvas, a step |", "|---|--:|---|---|--:|"]
    for row in sorted(rows, key=lambda row: (row.task, row.tokens)):
        found = ", ".join(f"{name} {share:.1%}" for name, share in row.scores.items())
        lines.append(f"| {row.task} | {row.tokens} | {row.way} | {found} | {row.milliseconds:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, show, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="outputs for each line of the table (default: 20)")
    parser.add_argument(
        "--out", type=Path, default=Path("out/diffusion"), help="where pictures go (default: %(default)s)"
    )
    parser.add_argument("--only", choices=list(TITLES), help="one task instead of all three")
    given = parser.parse_args()
    torch.set_num_threads(1)
    began, rows = time.monotonic(), []
    for name in [given.only] if given.only else TITLES:
        task = task_of(name, given.runs)
        found = list(measure(task))
        rows += [row for row, _ in found]
        show(task, {(row.way, row.tokens): outputs for row, outputs in found})
        draw(task, given.out)
    print(f"\n{given.runs} outputs a line, {time.monotonic() - began:.0f} s; pictures: {given.out}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
