"""Numbers and pictures -> drawings. Matplotlib without any global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing
from torch import Tensor

# the decoy's class with the decoy, without it, any other class
WORN, PLAIN, REST = "#c8402f", "#2f6fb0", "#9aa3ab"
FADED = 0.3  # of its light is left to what a mask does not reveal
# a panel's name -> its boxes: a label and its values
Panels = dict[str, list[tuple[str, np.ndarray]]]


def boxes(panels: Panels, axis: str, colours: Sequence[str], line: float | None = None) -> Drawing:
    """One panel of box plots for each name, side by side; `line` marks a value across all. Whiskers
    end at 5 and 95 %.

    Every box has its values beside it as points, because a box of few values hides how few they
    are.
    """
    names = list(panels)
    across = min(3, len(names))
    down = -(-len(names) // across)
    drawing = Drawing(figsize=(4.3 * across, 3.5 * down), layout="constrained")
    axes = drawing.subplots(down, across, squeeze=False, sharey=True)
    for place in axes.flat[len(names) :]:
        place.set_visible(False)
    for place, name in zip(axes.flat, names, strict=False):
        values = [_finite(each) for _, each in panels[name]]
        parts = place.boxplot(values, whis=(5, 95), widths=0.6, patch_artist=True, showfliers=False)
        for patch, colour in zip(parts["boxes"], colours, strict=False):
            patch.set(facecolor=colour, alpha=0.55, edgecolor="#333333")
        for each in parts["medians"]:
            each.set(color="black", linewidth=2)
        for at, each in enumerate(values):
            spread = np.linspace(-0.22, 0.22, len(each)) if len(each) > 1 else np.zeros(len(each))
            place.plot(at + 1 + spread, each, ".", color="#222222", markersize=2, alpha=0.35)
        if line is not None:
            place.axhline(line, color="black", linewidth=0.8, linestyle="--")
        place.set_title(name, fontsize=10)
        place.set_xticks(
            range(1, len(values) + 1),
            [label for label, _ in panels[name]],
            rotation=35,
            ha="right",
            fontsize=8,
        )
        place.grid(axis="y", linewidth=0.4, alpha=0.6)
    for place in axes[:, 0]:
        place.set_ylabel(axis, fontsize=9)
    return drawing


def _finite(values: np.ndarray) -> np.ndarray:
    kept: np.ndarray = values[np.isfinite(values)]
    return kept


def confusions(matrices: Mapping[str, np.ndarray], classes: Sequence[str]) -> Drawing:
    """One confusion matrix (k, k) for each name: the row is what is shown, the column what is said,
    in shares of the row.
    """
    across = min(4, len(matrices))
    down = -(-len(matrices) // across)
    small = len(classes) > 6
    drawing = Drawing(figsize=(3.1 * across, 3.1 * down), layout="constrained")
    axes = drawing.subplots(down, across, squeeze=False)
    for place in axes.flat[len(matrices) :]:
        place.set_visible(False)
    for place, (name, matrix) in zip(axes.flat, matrices.items(), strict=False):
        place.imshow(matrix, vmin=0, vmax=1, cmap="Blues")
        place.set_title(name, fontsize=10)
        place.set_xticks(
            range(len(classes)), classes, rotation=60, ha="right", fontsize=6 if small else 8
        )
        place.set_yticks(range(len(classes)), classes, fontsize=6 if small else 8)
        for row, column in np.ndindex(*matrix.shape):
            dark = matrix[row, column] > 0.5
            said = (
                f"{matrix[row, column]:.2f}".removeprefix("0") if matrix[row, column] < 1 else "1"
            )
            place.text(
                column,
                row,
                said,
                ha="center",
                va="center",
                fontsize=5 if small else 7,
                color="white" if dark else "black",
            )
    return drawing


def curves(
    lines: Mapping[str, Sequence[tuple[float, float]]], horizontal: str, vertical: str
) -> Drawing:
    """Points (x, y) joined by a line, for each name; names that end in 'published' are dashed and
    take the colour before.
    """
    drawing = Drawing(figsize=(6.4, 3.8), layout="constrained")
    place = drawing.subplots()
    colour: Any = None
    for name, points in lines.items():
        published = name.endswith("published")
        (line,) = place.plot(
            *zip(*points, strict=True), marker="o", markersize=4, linestyle="--" if published else "-", label=name,
            color=colour if published else None, alpha=0.6 if published else 1,
        )  # fmt: skip
        colour = line.get_color()
    place.set_xlabel(horizontal)
    place.set_ylabel(vertical)
    place.set_ylim(-0.03, 1.03)
    place.grid(linewidth=0.4, alpha=0.6)
    place.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return drawing


def gallery(rows: Mapping[str, Sequence[tuple[np.ndarray, str, str]]]) -> Drawing:
    """Rows of pictures (h, w, 3) uint8, each with a title and a frame's colour ('' for none); the
    row's name stands before it.
    """
    across = max(len(row) for row in rows.values())
    drawing = Drawing(figsize=(1.55 * across + 0.8, 1.75 * len(rows)), layout="constrained")
    axes = drawing.subplots(len(rows), across, squeeze=False)
    for places, (name, row) in zip(axes, rows.items(), strict=True):
        for place in places:
            place.set_axis_off()
        for place, (picture, title, frame) in zip(places, row, strict=False):
            place.imshow(picture, interpolation="nearest")
            place.set_title(title, fontsize=7)
            if frame:
                place.set_axis_on()
                place.set_xticks([])
                place.set_yticks([])
                for side in place.spines.values():
                    side.set(color=frame, linewidth=3)
        places[0].text(
            -0.08,
            0.5,
            name,
            transform=places[0].transAxes,
            ha="right",
            va="center",
            rotation=90,
            fontsize=8,
        )
    return drawing


def as_picture(pixels: Tensor, mask: np.ndarray | None = None) -> np.ndarray:
    """(3, h, w) uint8 -> (h, w, 3) uint8; what a mask (h, w) bool does not reveal is faded, and the
    mask has a rim.
    """
    picture: np.ndarray = pixels.permute(1, 2, 0).numpy()
    if mask is None:
        return picture
    faded = picture * FADED + 255 * 0.12
    inner = mask.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            inner &= np.roll(mask, step, axis)
    shown = np.where(mask[..., None], picture, faded)
    shown[mask & ~inner] = (255, 214, 0)
    return shown.clip(0, 255).astype(np.uint8)


def colours_of(decoyed: Sequence[bool], first_plain: bool = True) -> list[str]:
    """A colour for each group: with the decoy, the same class without it, then the other classes."""
    found, plain = [], not first_plain
    for worn in decoyed:
        found.append(WORN if worn else (REST if plain else PLAIN))
        plain = plain or not worn
    return found
