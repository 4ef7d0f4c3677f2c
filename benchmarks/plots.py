"""Pictures of measurements: ``python -m benchmarks.plots FILE... --output docs/pictures`` (matplotlib).

A FILE is the ``--json`` of ``maskbench`` or ``grammarbench`` (records) or of ``growth`` (figures); which one, it says
itself. Pictures are SVG unless ``--format png``, sharp and small; what they were made from stands under each.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from benchmarks.growth import TITLES
from benchmarks.report import read
from benchmarks.samples import Outcomes, Record, Samples, outcomes, taken_by_all, times

matplotlib.use("svg")
from matplotlib import pyplot as plt

COLOURS = {  # colour-blind safe (Okabe and Ito, 2008); the same engine has the same colour everywhere
    "constrain": "#0072B2",
    "llguidance": "#D55E00",
    "xgrammar": "#009E73",
    "glrmask": "#CC79A7",
    "glrmask_trie": "#E69F00",
    "outlines_core": "#56B4E9",
}
STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "svg.hashsalt": "constrain",  # the same picture from the same figures, byte for byte
    "svg.fonttype": "none",
}
TICKS = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)


def percentile_curves(columns: dict[str, Samples], what: str) -> Any:
    """One curve an engine: value against percentile, each nine as wide as the one before it."""
    figure, axes = plt.subplots(figsize=(7.2, 4.2))
    for engine, samples in columns.items():
        ordered = np.sort(samples)
        rank = (np.arange(len(ordered)) + 0.5) / max(len(ordered), 1)
        keep = np.unique(np.concatenate([_thinned(len(ordered)), [len(ordered) - 1]]))
        axes.plot(_nines(100 * rank)[keep], ordered[keep], label=engine, color=COLOURS.get(engine, "grey"), lw=1.6)
    longest = max((len(s) for s in columns.values()), default=1)
    ticks = [t for t in TICKS if (100 - t) / 100 * longest >= 1]
    axes.set_xticks(_nines(np.array(ticks)), [f"{t:g}" for t in ticks])
    axes.set(yscale="log", xlabel="percentile", ylabel="µs", title=what)
    _plain(axes.yaxis)
    axes.legend(frameon=False)
    return figure


def _nines(percents: Samples) -> Samples:
    """Percentile -> number of nines."""
    return -np.log10(1 - np.minimum(percents, 99.9999) / 100)


def _thinned(count: int) -> Samples:
    """Some 400 of the positions, dense towards the end."""
    steps = np.geomspace(1, max(count, 1), 400)
    return np.clip(count - steps, 0, max(count - 1, 0)).astype(int)


def bars(found: Outcomes, engines: Sequence[str]) -> Any:
    """Mean total engine time of a schema, in first masks and in the rest, on the schemas that all take."""
    common = taken_by_all(found, engines)
    figure, axes = plt.subplots(figsize=(7.2, 0.6 + 0.55 * len(engines)))
    of = {engine: times(found, engine, common, engines) for engine in engines}
    totals = {engine: float(t.total.mean()) / 1e3 for engine, t in of.items()}
    for place, engine in enumerate(engines):
        first = float(of[engine].ttfm.mean()) / 1e3 / totals[engine]
        axes.barh(place, totals[engine], color=COLOURS.get(engine, "grey"))
        axes.text(
            totals[engine], place, f"  {totals[engine]:,.3g} ms, {first:.0%} of it to the first mask", va="center"
        )
    axes.set_yticks(range(len(engines)), engines)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set(xscale="log", xlabel="ms", title=f"Total engine time of a schema, mean of {len(common)} that all take")
    low, high = min(totals.values()), max(totals.values())
    axes.set_xlim(low / 3, high * (high / low * 3) ** 0.8)
    _plain(axes.xaxis)
    return figure


def _plain(axis: Any) -> None:
    """Powers of ten as people write them, and no labels between them."""
    axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set_minor_formatter(lambda value, _: "")


def growth_curves(records: Sequence[Record], axis: str) -> Any:
    """TBM p50 and p99, TTFM, memory against the axis; points that an engine did not take or finish are left out."""
    figure, four = plt.subplots(2, 2, figsize=(8.4, 6.0), sharex=True)
    shown = (
        ("tbm_p50", "TBM p50, µs"),
        ("tbm_p99", "TBM p99, µs"),
        ("ttfm", "TTFM, µs"),
        ("memory", "memory added, MB"),
    )
    for axes, (field, label) in zip(four.flat, shown, strict=True):
        key = "added_mb" if field == "memory" else field
        if field == "memory" and axis == "vocabulary":
            key, label = "process_mb", "peak memory of the process, MB"
        for engine in dict.fromkeys(r["engine"] for r in records):
            of = [r for r in records if r["engine"] == engine and r["axis"] == axis and r["status"] != "timeout"]
            pairs = sorted((r["x"], max(r[key], 1.0) if field == "memory" else r[key]) for r in of if r[key] == r[key])
            colour = COLOURS.get(engine, "grey")
            axes.plot([x for x, _ in pairs], [y for _, y in pairs], "o-", ms=4, lw=1.4, label=engine, color=colour)
        axes.set(xscale="log", yscale="log", title=label)
        _plain(axes.xaxis)
        _plain(axes.yaxis)
    for axes in four[1]:
        axes.set_xlabel(TITLES[axis])
    four[0][0].legend(frameon=False)
    return figure


def pictures_of_records(path: Path) -> dict[str, Any]:
    """Name -> figure."""
    records, header = read(path)
    found = outcomes(records)
    engines = [e for e in header["engines"] if e in found]
    made: dict[str, Callable[[], Any]] = {}
    if header.get("kind") == "grammars":
        for name in found[engines[0]]:
            takers = [e for e in engines if found[e][name].status == "ok"]
            columns = {e: times(found, e, [name], takers).tbm for e in takers}
            made[f"tbm-{name}"] = partial(percentile_curves, columns, f"One token (mask + commit): {name}")
    else:
        suffix = f"-flushed-{header['flush_mb']}mb" if header.get("flush_mb") else ""
        cold = f", {header['flush_mb']} MB written before each" if suffix else ""
        common = taken_by_all(found, engines)
        of = {e: times(found, e, common, engines) for e in engines}
        title = f"{len(common)} schemas that all take"
        made["tbm" + suffix] = lambda: percentile_curves(
            {e: t.tbm for e, t in of.items()}, f"One token (mask + commit{cold}), {title}"
        )
        made["ttfm" + suffix] = lambda: percentile_curves(
            {e: t.ttfm for e, t in of.items()}, f"To the first mask, {title}"
        )
        made["total" + suffix] = lambda: bars(found, engines)
    return {name: _signed(make(), header["facts"]) for name, make in made.items()}


def pictures_of_growth(path: Path) -> dict[str, Any]:
    """Name -> figure."""
    data = json.loads(path.read_text(encoding="utf-8"))
    axes = dict.fromkeys(r["axis"] for r in data["records"])
    return {f"growth-{axis}": _signed(growth_curves(data["records"], axis), data["facts"]) for axis in axes}


def _signed(figure: Any, facts: dict[str, str]) -> Any:
    """The machine and the command under the picture."""
    line = (
        f"{facts['processor']}, {facts['cores']} cores, {facts['memory']}; commit {facts['commit']}; {facts['command']}"
    )
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.text(0.01, 0.01, textwrap.fill(line, 130), fontsize=6, color="grey")
    return figure


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "docs" / "pictures")
    parser.add_argument("--format", choices=("svg", "png"), default="svg")
    options = parser.parse_args(words)
    options.output.mkdir(parents=True, exist_ok=True)
    for path in options.files:
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        with plt.rc_context(STYLE):
            drawn = pictures_of_growth(path) if first == "{" else pictures_of_records(path)
            for name, figure in drawn.items():
                target = options.output / f"{name}.{options.format}"
                figure.savefig(target, dpi=150, metadata={"Date": None} if options.format == "svg" else None)
                plt.close(figure)
                sys.stdout.write(f"{target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
