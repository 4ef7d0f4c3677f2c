"""Pictures of a canvas while it is denoised: one PNG a step, a GIF of them, and a strip with a row for each step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from constrain.canvas.base import OPEN, Ids
from constrain.vocab.vocabulary import Vocabulary

NEW, KNOWN, MASKED, ENDED = "#f4b860", "#dbe7f3", "#ececec", "#ffffff"
CHARACTER, HEIGHT, GAP, LEFT, MARGIN = 0.085, 0.26, 0.03, 0.7, 0.08  # inches
DPI, MILLISECONDS = 130, 350


def write(folder: Path, name: str, steps: Sequence[Ids], vocabulary: Vocabulary) -> None:
    """``NAME-00.png``, ``NAME-01.png``, ..., ``NAME.gif`` and ``NAME.png``, the strip. ``steps``: ids, (n,) each."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i in range(len(steps)):
        paths.append(folder / f"{name}-{i:02}.png")
        picture(steps, [i], vocabulary).savefig(paths[-1], dpi=DPI)
    images = [Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE) for path in paths]
    last = [4 * MILLISECONDS if i == len(images) - 1 else MILLISECONDS for i in range(len(images))]
    images[0].save(folder / f"{name}.gif", save_all=True, append_images=images[1:], duration=last, loop=0)
    picture(steps, range(len(steps)), vocabulary).savefig(folder / f"{name}.png", dpi=DPI)


def picture(steps: Sequence[Ids], shown: Sequence[int], vocabulary: Vocabulary) -> Figure:
    """A row for each step that is shown: what is new in it, what was known, what is masked (an empty box)."""
    words = [label(int(token), vocabulary) for token in steps[-1]]
    used = max([1, *(slot + 1 for slot, word in enumerate(words) if word)])
    edges = np.cumsum([0.0, *(CHARACTER * max(len(word), 1) + 2 * GAP for word in words[:used])])
    figure = Figure(figsize=(LEFT + edges[-1] + MARGIN, HEIGHT * len(shown) + 2 * MARGIN))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-LEFT, edges[-1] + MARGIN), ylim=(HEIGHT * len(shown) + MARGIN, -MARGIN))
    axes.axis("off")
    for row, step in enumerate(shown):
        axes.text(-0.08, HEIGHT * (row + 0.5), f"step {step}", ha="right", va="center", fontsize=7, color="#777777")
        for slot in range(used):
            known = step > 0 and steps[step - 1][slot] != OPEN
            _box(axes, (edges[slot], edges[slot + 1]), row, int(steps[step][slot]), known, vocabulary)
    return figure


def label(token: int, vocabulary: Vocabulary) -> str:
    """A token as it is drawn: blanks as middle dots, an end as nothing."""
    if token == OPEN or token in vocabulary.eos:
        return ""
    return vocabulary.decode([token]).decode("utf-8", "replace").replace(" ", "·").replace("$", r"\$")


def _box(axes: Axes, sides: tuple[float, float], row: int, token: int, known: bool, vocabulary: Vocabulary) -> None:
    """One slot at one step."""
    colour = MASKED if token == OPEN else ENDED if token in vocabulary.eos else KNOWN if known else NEW
    size = sides[1] - sides[0] - GAP, HEIGHT - GAP
    axes.add_patch(Rectangle((sides[0] + GAP / 2, HEIGHT * row + GAP / 2), *size, fc=colour, ec="#b5b5b5", lw=0.4))
    middle = sum(sides) / 2, HEIGHT * (row + 0.5)
    axes.text(*middle, label(token, vocabulary), ha="center", va="center", fontsize=7.5, family="monospace")
