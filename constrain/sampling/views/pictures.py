"""Pictures of sampling: what faithfulness costs, how even weights are, what a trie knows (matplotlib, extra
``pictures``).

Each function returns a ``matplotlib.figure.Figure``, without pyplot's global state. ``write_picture`` writes a PNG, an
SVG or one HTML page that needs no other file and no network, by the file's suffix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from io import StringIO
from math import exp, log10
from pathlib import Path
from typing import Any

import numpy as np

from constrain.errors import ConstrainError
from constrain.sampling.results import Samples
from constrain.sampling.trie import DEAD, Trie
from constrain.sampling.views.branches import TIPS, Branch, heaviest
from constrain.sampling.views.summary import probability, summary

SUFFIXES = (".png", ".svg", ".html")
COLOURS = ("#1f6fb4", "#d9640f", "#2f8f4e", "#8458b3", "#b8860b", "#c23b6e", "#4a9aa5", "#6b6b6b")
DEAD_COLOUR, QUIET = "#c0392b", "#777777"
GIVEN = {"font.size": 9.5, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "path"}
WIDEST = 46  # characters of a branch's text that are shown
DPI = 150
FAINTEST = 1e-6  # smaller weights, relative to the mean, stand at the left end
LEGEND = "■ a wanted text ends    … goes on    ✗ nothing wanted follows (outlined: what the model alone would waste)"


class PicturesMissing(ConstrainError):
    """matplotlib is not installed."""


def matplotlib() -> Any:
    """matplotlib with its figures. Raises :class:`PicturesMissing` with what to install."""
    try:
        import matplotlib as found
        import matplotlib.figure
        import matplotlib.ticker
    except ImportError as error:
        raise PicturesMissing("pictures need matplotlib: pip install 'constrain-lm[pictures]'") from error
    return found


# ---- KL against cost ------------------------------------------------------------------------------------------------


def divergence_picture(
    curves: Mapping[str, Iterable[tuple[float, float]]],
    *,
    null: Iterable[tuple[float, float]] = (),
    title: str = "Distance from the target, against cost",
    cost: str = "calls of the model",
) -> Any:
    """KL in nats against model calls, a line for each method; both axes logarithmic.

    ``curves``  by the method's name: points ``(calls, nats)``, from a benchmark or from ``divergence_curve``.
    ``null``    the same for exact draws from the target: below it nothing can be told apart.
    """
    named = {name: sorted(points) for name, points in curves.items()}
    if not any(named.values()):
        raise ValueError("there are no points to draw")
    figure, axes = _figure(7.2, 4.2)
    floor = _floor([*named.values(), list(null)])
    for place, (name, points) in enumerate(named.items()):
        colour = COLOURS[place % len(COLOURS)]
        axes.plot(*_columns(points, floor), marker="o", markersize=3.5, linewidth=1.6, color=colour, label=name)
    if null := sorted(null):
        axes.plot(*_columns(null, floor), color=QUIET, linestyle=(0, (4, 3)), linewidth=1.2, label="exact draws (null)")
    axes.set(xscale="log", yscale="log", xlabel=cost, ylabel="KL(samples || target), nats", title=title)
    ticker = matplotlib().ticker
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
        axis.set_minor_locator(ticker.NullLocator())
    axes.grid(True, color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _floor(lines: Sequence[Sequence[tuple[float, float]]]) -> float:
    """What a divergence of zero is drawn as: half of the least other one."""
    positive = [nats for line in lines for _, nats in line if nats > 0]
    return min(positive, default=1e-3) / 2


def _columns(points: Sequence[tuple[float, float]], floor: float) -> tuple[list[float], list[float]]:
    return [calls for calls, _ in points], [max(nats, floor) for _, nats in points]


# ---- weights --------------------------------------------------------------------------------------------------------


def weights_picture(results: Mapping[str, Samples] | Samples) -> Any:
    """Histograms of importance weights, relative to their mean, with the effective number of samples; one below the
    other. Weights that are alike stand in one column at 1."""
    named = {results.method: results} if isinstance(results, Samples) else dict(results)
    relative = {name: _relative_weights(samples) for name, samples in named.items() if len(samples)}
    if not relative:
        raise ValueError("there are no samples whose weights could be drawn")
    figure, panels = _figure(7.2, 1.1 + 1.5 * len(relative), len(relative), sharex=True)
    bins = _bins(np.concatenate(list(relative.values())))
    for place, (axes, name) in enumerate(zip(panels, relative, strict=True)):
        axes.hist(relative[name], bins=bins, color=COLOURS[place % len(COLOURS)], edgecolor="white", linewidth=0.6)
        axes.axvline(1.0, color=QUIET, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set(xscale="log", ylabel="samples")
        axes.yaxis.get_major_locator().set_params(integer=True)
        samples = named[name]
        said = f"{name} ({samples.guarantee}): effective samples {samples.certificate.ess:.1f} of {len(samples)}"
        axes.set_title(said, loc="left", fontsize=9.5)
    faint = any((values <= FAINTEST).any() for values in relative.values())
    panels[-1].set_xlabel(f"importance weight, relative to the mean{' (at the left end: smaller ones too)' * faint}")
    return figure


def _relative_weights(samples: Samples) -> Any:
    return np.maximum(samples.weights * len(samples), FAINTEST)


def _bins(values: Any) -> Any:
    """Bins of equal width in the logarithm, one of them around 1."""
    low, high = min(log10(values.min()), -0.5), max(log10(values.max()), 0.5)
    width = max((high - low) / 30, 1 / 15)
    return 10.0 ** (width * np.arange(np.floor(low / width) - 0.5, np.ceil(high / width) + 1.0))


# ---- the trie -------------------------------------------------------------------------------------------------------


def trie_picture(trie: Trie | Branch, tips: int = TIPS) -> Any:
    """The heaviest branches: shared beginnings once, a row for each branch, and beside it the bar of what it may hold.

    The bar is ``P(u) S(u) / S(root)``: the share of wanted text that the branch holds at most. Dead branches are red
    and crossed; their bar, an outline, is the mass ``P(u)`` that the model alone would waste there.
    """
    tree = trie if isinstance(trie, Branch) else heaviest(trie, tips)
    rows = list(tree.tips())
    width = _width(tree)
    figure, axes = _figure(4.6 + 0.072 * width, 1.5 + 0.26 * len(rows))
    axes.set_axis_off()
    axes.set(xlim=(0, width + 44), ylim=(len(rows) + 0.6, -2.4))
    _draw_branch(axes, tree, 0, {id(tip): row for row, tip in enumerate(rows)})
    _draw_bars(axes, rows, tree, width)
    return figure


def _draw_branch(axes: Any, branch: Branch, column: int, row_of: Mapping[int, int]) -> None:
    """The branch's text in the row of its first tip, and those below it, joined by lines."""
    row = row_of[id(next(branch.tips()))]
    colour = {"dead": DEAD_COLOUR, "rest": QUIET}.get(branch.kind, "black")
    shown = _shown(branch)
    axes.text(column, row, shown, family="monospace", fontsize=9, va="center", color=colour, clip_on=False)
    if branch.children:
        fork = column + len(shown) + 0.8
        ends = [row_of[id(next(child.tips()))] for child in branch.children]
        axes.plot([fork, fork], [row, ends[-1]], color="#b0b0b0", linewidth=0.8)
        for child, end in zip(branch.children, ends, strict=True):
            axes.plot([fork - (0.5 if end == row else 0.0), fork + 1.0], [end, end], color="#b0b0b0", linewidth=0.8)
            _draw_branch(axes, child, int(fork + 1.8), row_of)


def _draw_bars(axes: Any, rows: Sequence[Branch], tree: Branch, width: int) -> None:
    left, full = width + 22, 20.0  # columns of characters
    for at, heading in ((width + 8, "P(prefix)"), (width + 17, "S(prefix)")):
        axes.text(at, -1.2, heading, ha="right", va="center", fontsize=8, color=QUIET)
    axes.text(left, -1.2, "share of wanted text, at most", va="center", fontsize=8, color=QUIET)
    top = max(_share(row, tree) for row in rows)
    for place, row in enumerate(rows):
        colour = {"dead": DEAD_COLOUR, "rest": QUIET}.get(row.kind, "black")
        axes.text(width + 8, place, probability(row.log_p, 2), ha="right", va="center", fontsize=8.5, color=colour)
        axes.text(width + 17, place, probability(row.bound, 2), ha="right", va="center", fontsize=8.5, color=colour)
        share = _share(row, tree)
        filled = {"dead": "white", "rest": "#c9c9c9"}.get(row.kind, COLOURS[0])
        edge = DEAD_COLOUR if row.kind == "dead" else filled
        axes.barh(place, full * share / max(top, 1e-300), 0.62, left=left, color=filled, edgecolor=edge, linewidth=0.8)
        if row.kind != "dead":
            axes.text(left + full * share / max(top, 1e-300) + 0.5, place, f"{share:.1%}", va="center", fontsize=8)
    axes.text(0, -2.2, f"Of the model's text at most {probability(tree.bound)} is wanted", fontsize=10, va="center")
    axes.text(0, len(rows) + 0.3, LEGEND, fontsize=8, va="center", color=QUIET)


def _share(branch: Branch, tree: Branch) -> float:
    """What the bar shows: of the root's bound, or for a dead branch its mass, at most the whole bar."""
    if branch.kind == "dead":
        return min(exp(branch.log_p - tree.log_mass), 1.0) if tree.bound > DEAD else 1.0
    return exp(branch.log_mass - tree.log_mass)


def _shown(branch: Branch) -> str:
    label = f"({branch.text})" if branch.kind == "rest" else branch.label()
    return label if len(label) <= WIDEST else f"{label[: WIDEST // 2]}⋯{label[-WIDEST // 2 :]}"


def _width(branch: Branch, column: int = 0) -> int:
    """Columns of characters that the tree takes."""
    end = column + len(_shown(branch))
    return max([end, *(_width(child, end + 3) for child in branch.children)])


# ---- files ----------------------------------------------------------------------------------------------------------


def check_picture_file(path: str | Path) -> Path:
    """A file that ``write_picture`` could write. Raises ``ValueError`` for another suffix, :class:`PicturesMissing`."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: a picture's name ends in {', '.join(SUFFIXES)}")
    matplotlib()
    return path


def write_picture(path: str | Path, trie: Trie, results: Mapping[str, Samples] | Samples, tips: int = TIPS) -> None:
    """A page with certificates, texts, weights and the heaviest branches (``.html``), or branches only (``.png``,
    ``.svg``)."""
    path = check_picture_file(path)
    if path.suffix == ".html":
        path.write_text(page(trie, results, tips), encoding="utf-8")
    else:
        save_figure(trie_picture(trie, tips), path)


def save_figure(figure: Any, path: str | Path) -> None:
    """Write one figure as PNG or SVG."""
    with matplotlib().rc_context(GIVEN):
        figure.savefig(path, dpi=DPI, bbox_inches="tight", facecolor="white")


def page(trie: Trie, results: Mapping[str, Samples] | Samples, tips: int = TIPS) -> str:
    """One HTML page: for each result what it is worth and its texts, then weights and the trie, as inline SVG."""
    named = {results.method: results} if isinstance(results, Samples) else dict(results)
    parts = [_section(name, samples) for name, samples in named.items()]
    if any(len(samples) for samples in named.values()):
        parts.append(f"<h2>Weights</h2>{_inline(weights_picture(named))}")
    parts.append(f"<h2>The trie's heaviest branches</h2>{_inline(trie_picture(trie, tips))}")
    return PAGE.format(body="\n".join(parts))


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>constrain: samples</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .15rem .7rem .15rem 0; text-align: right; }}
td:last-child, th:last-child {{ text-align: left; font-family: ui-monospace, monospace; white-space: pre-wrap; }}
svg {{ max-width: 100%; height: auto; }}
</style></head><body>
{body}
</body></html>
"""


def _section(name: str, samples: Samples) -> str:
    """What a result is worth, and its texts by falling weight."""
    lines = "".join(f"<li>{escape(line)}</li>" for line in summary(samples))
    order = sorted(zip(samples.weights, samples, strict=True), key=lambda pair: -pair[0])
    rows = "".join(
        f"<tr><td>{weight:.4f}</td><td>{sample.log_p:.3f}</td><td>{len(sample.tokens)}</td>"
        f"<td>{escape(sample.text)}</td></tr>"
        for weight, sample in order
    )
    heading = "<tr><th>weight</th><th>log P, nats</th><th>tokens</th><th>text</th></tr>"
    return f"<h2>{escape(name)}</h2><ul>{lines}</ul><table>{heading}{rows}</table>"


def _inline(figure: Any) -> str:
    """A figure as an SVG element, without what only a file of its own needs."""
    text = StringIO()
    with matplotlib().rc_context(GIVEN):
        figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _figure(width: float, height: float, rows: int = 1, sharex: bool = False) -> tuple[Any, Any]:
    """A figure of inches, with its axes, or a list of them where there are more rows than one."""
    found = matplotlib()
    with found.rc_context(GIVEN):
        figure = found.figure.Figure(figsize=(width, height), layout="constrained")
        panels = figure.subplots(rows, 1, sharex=sharex, squeeze=False)[:, 0]
    return figure, list(panels) if sharex else panels[0]
