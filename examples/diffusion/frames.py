"""Pictures of a canvas while it is denoised: one PNG a step, a GIF of them, and a strip with a row for each step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from constrain.canvas.base import OPEN, Ids
from constrain.vocab.vocabulary import Vocabulary

NEW, KNOWN, MASKED, ENDED = "#f4b860", "#dbe7f3", "#ececec", "#ffffff"
CHARACTER, HEIGHT, GAP = 0.085, 0.26, 0.03  # inches
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
    used = max([1, *(int(np.flatnonzero(~_over(ids, vocabulary)).max(initial=0)) + 1 for ids in steps[-1:])])
    widths = [max(len(label(ids[slot], vocabulary)) for ids in steps[-1:]) for slot in range(used)]
    edges = np.concatenate([[0.0], np.cumsum([CHARACTER * max(width, 1) + 2 * GAP for width in widths])])
    left = 0.7
    figure = Figure(figsize=(left + edges[-1] + 0.1, HEIGHT * len(shown) + 0.16))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-left, edges[-1] + 0.1), ylim=(HEIGHT * len(shown) + 0.08, -0.08))
    axes.axis("off")
    for row, step in enumerate(shown):
        middle = HEIGHT * (row + 0.5)
        axes.text(-0.08, middle, f"step {step}", ha="right", va="center", fontsize=7, color="#777777")
        for slot in range(used):
            token = int(steps[step][slot])
            fresh = step > 0 and token != OPEN and steps[step - 1][slot] == OPEN
            colour = MASKED if token == OPEN else ENDED if token in vocabulary.eos else NEW if fresh else KNOWN
            box = (edges[slot] + GAP / 2, HEIGHT * row + GAP / 2)
            axes.add_patch(_box(box, edges[slot + 1] - edges[slot] - GAP, HEIGHT - GAP, colour))
            if token != OPEN:
                centre = (edges[slot] + edges[slot + 1]) / 2
                axes.text(centre, middle, label(token, vocabulary), ha="center", va="center", fontsize=7.5, family="monospace")
    return figure


def label(token: int, vocabulary: Vocabulary) -> str:
    """A token as it is drawn: blanks as middle dots, an end as nothing."""
    if token == OPEN or token in vocabulary.eos:
        return ""
    return vocabulary.decode([token]).decode("utf-8", "replace").replace(" ", "·").replace("$", r"\$")


def _over(ids: Ids, vocabulary: Vocabulary) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.isin(ids, list(vocabulary.eos))


def _box(corner: tuple[float, float], width: float, height: float, colour: str):  # type: ignore[no-untyped-def]
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, facecolor=colour, edgecolor="#b5b5b5", linewidth=0.4)
