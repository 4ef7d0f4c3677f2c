"""The table and the picture of what ``benchmarks.faithful`` has written."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine
from benchmarks.tables import table

METHODS = ("mask", "asap", "importance", "smc", "mcmc", "exact")
Row = dict[str, Any]


def divergence(row: Row, method: str) -> float | None:
    """Of what a user of the method gets: its draws as they are (mask, asap), or by their weights."""
    result = row["methods"][method]
    found: float | None = result["kl_unweighted" if method in ("mask", "asap") else "kl"]
    return found


def number(value: float | None, digits: int = 2) -> str:
    """A cell."""
    return "none" if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def middle(rows: Sequence[Row], value: Callable[[Row], float | None]) -> float | None:
    """The median where there is a value; infinity where there is none counts as large."""
    found = [x for row in rows if (x := value(row)) is not None]
    missing = len(rows) - len(found)
    return median([*found, *[math.inf] * missing]) if rows else None


def line(name: str, rows: Sequence[Row]) -> list[str]:
    """Medians over rows (or the figures of one)."""
    cells = [name, number(middle(rows, log_z), 1)]
    for method in METHODS:
        kl = number(middle(rows, lambda row, m=method: divergence(row, m)))  # type: ignore[misc]
        calls = middle(rows, lambda row, m=method: row["methods"][m]["calls"])  # type: ignore[misc]
        cells.append(f"{kl} @ {calls:.0f}")
    cells.append(number(middle(rows, lambda row: row["null"])))
    cells.append(number(middle(rows, saving), 1) + "x")
    cells.append(number(middle(rows, saving_with_prompts), 0) + "x")
    return cells


def log_z(row: Row) -> float | None:
    """log10 of Z: by exact sampling where it found something, else by the mixture."""
    exact, mixture = row["methods"]["exact"], row["methods"]["importance"]
    value = exact["log_z"] if exact["samples"] else mixture["log_z"]
    return value / math.log(10) if value is not None and math.isfinite(value) else None


def saving(row: Row) -> float:
    """Tokens that generating each attempt anew would have fed (without its prompt), for one that was fed."""
    exact = row["methods"]["exact"]
    return float(exact["walked"] / max(exact["tokens"], 1))


def saving_with_prompts(row: Row) -> float:
    """The same where each attempt reads the prompt again, as ``generate()`` does."""
    exact, prompt = row["methods"]["exact"], row["prompt_tokens"]
    return float((exact["walked"] + exact["attempts"] * prompt) / (exact["tokens"] + prompt))


EXPLANATION = """Each cell: KL in nats of a method's samples to the model's law over all texts that any method found,
@ calls of the model. `mask` and `asap`: the draws as they are, as `generate()` or the paper give them; `importance` and
`smc` by their weights. `null`: what as many exact draws from the pooled law score. `saved`: tokens that generating each
attempt of `exact` anew would have fed to the model for each that was fed, prompts not counted, and counted."""


def report(rows: Sequence[Row], command: str) -> str:
    """Markdown."""
    facts = table(["fact", "value"], [*machine.facts().items(), ("command", command)])
    families = sorted({row["family"] for row in rows})
    lines = [line(row["task"], [row]) for row in rows]
    lines += [line(f"**{name}, median**", [row for row in rows if row["family"] == name]) for name in families]
    lines.append(line("**all, median**", rows))
    figures = table(["task", "log10 Z", *METHODS, "null", "saved", "with prompts"], lines)
    title, missing = "# Faithful sampling: divergence against model calls", "## Fewer samples than asked for"
    return "\n\n".join([title, facts, EXPLANATION, figures, missing, "\n".join(shortfalls(rows)) or "none"]) + "\n"


def shortfalls(rows: Sequence[Row]) -> list[str]:
    """Where a method did not find all the samples."""
    found = [(row["task"], method, row["methods"][method]) for row in rows for method in ("smc", "exact")]
    return [
        f"* {task}: {method} found {result['samples']}, {result['missing']} are missing"
        for task, method, result in found
        if result["missing"]
    ]


def picture(rows: Sequence[Row], path: Path) -> None:
    """Each task a point for each method: calls across, divergence up."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for method, marker in zip(METHODS, "os^Dv*", strict=True):
        points = [(row["methods"][method]["calls"], divergence(row, method)) for row in rows]
        shown = [(calls, max(kl, 0.01)) for calls, kl in points if kl is not None]
        axes.scatter(
            *zip(*shown, strict=True), s=70 if method == "exact" else 26, marker=marker, alpha=0.75, label=method
        )
    null = median(row["null"] for row in rows)
    axes.axhline(null, color="gray", linewidth=1, linestyle="--", label="null (median)")
    axes.set(
        xscale="log", yscale="log", xlabel="calls of the model for all samples", ylabel="KL to the pooled law, nats"
    )
    axes.legend(ncols=2, fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--command", default="python -m benchmarks.faithful ...", help="what made the lines")
    options = parser.parse_args()
    rows = [json.loads(text) for text in options.lines.read_text("utf-8").splitlines()]
    options.output.write_text(report(rows, options.command), encoding="utf-8")
    if options.picture:
        picture(rows, options.picture)


if __name__ == "__main__":
    main()
