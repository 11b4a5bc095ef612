"""Numbers and pictures -> drawings; Matplotlib is used without any global state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing
from torch import Tensor

from shortcut_audit.study.ground import Shown

# the decoy's class with the decoy, the same class without it, any other class
WORN, PLAIN, REST = "#c8402f", "#2f6fb0", "#9aa3ab"
FADED = 0.3  # share of its light that is left where a mask does not reveal the picture
# a panel's name -> its boxes, each a label and its values
Panels = dict[str, list[tuple[str, np.ndarray]]]


def boxes(panels: Panels, axis: str, colours: Sequence[str], line: float | None = None) -> Drawing:
    """One panel of box plots for each name, side by side; `line` marks one value in all of them.

    Whiskers end at 5 and 95 %. Every box has its values beside it as points: without them nobody
    sees that a box stands for a few values only. NaN is not drawn.
    """
    drawing, axes = _grid(len(panels), 3, (4.3, 3.5), sharey=True)
    for place, (name, panel) in zip(axes.flat, panels.items(), strict=False):
        _draw_boxes(place, panel, colours)
        if line is not None:
            place.axhline(line, color="black", linewidth=0.8, linestyle="--")
        place.set_title(name, fontsize=10)
        ticks, labels = range(1, len(panel) + 1), [label for label, _ in panel]
        place.set_xticks(ticks, labels, rotation=35, ha="right", fontsize=8)
        place.grid(axis="y", linewidth=0.4, alpha=0.6)
    for place in axes[:, 0]:
        place.set_ylabel(axis, fontsize=9)
    return drawing


def _grid(
    n: int, most: int, inches: tuple[float, float], sharey: bool = False
) -> tuple[Drawing, np.ndarray]:
    """A drawing with n places of so many inches, at most `most` of them side by side.

    The second value is the array (rows, columns) of the places; those beyond n are hidden.
    """
    across = min(most, n)
    down = math.ceil(n / across)
    drawing = Drawing(figsize=(inches[0] * across, inches[1] * down), layout="constrained")
    axes: np.ndarray = drawing.subplots(down, across, squeeze=False, sharey=sharey)
    for place in axes.flat[n:]:
        place.set_visible(False)
    return drawing, axes


def _draw_boxes(
    place: Any, panel: Sequence[tuple[str, np.ndarray]], colours: Sequence[str]
) -> None:
    """The boxes of one panel, in these colours, with their values as points."""
    values = [each[np.isfinite(each)] for _, each in panel]
    parts = place.boxplot(values, whis=(5, 95), widths=0.6, patch_artist=True, showfliers=False)
    for patch, colour in zip(parts["boxes"], colours, strict=False):
        patch.set(facecolor=colour, alpha=0.55, edgecolor="#333333")
    for each in parts["medians"]:
        each.set(color="black", linewidth=2)
    for at, each in enumerate(values, 1):
        spread = np.linspace(-0.22, 0.22, len(each)) if len(each) > 1 else np.zeros(len(each))
        place.plot(at + spread, each, ".", color="#222222", markersize=2, alpha=0.35)


def confusions(matrices: Mapping[str, np.ndarray], classes: Sequence[str]) -> Drawing:
    """One confusion matrix (k, k) for each name, of shares in [0, 1].

    The row is the class that is shown, the column the class that the model says.
    """
    size = 6 if len(classes) > 6 else 8  # of the class names, in points
    drawing, axes = _grid(len(matrices), 4, (3.1, 3.1))
    for place, (name, matrix) in zip(axes.flat, matrices.items(), strict=False):
        place.imshow(matrix, vmin=0, vmax=1, cmap="Blues")
        place.set_title(name, fontsize=10)
        place.set_xticks(range(len(classes)), classes, rotation=60, ha="right", fontsize=size)
        place.set_yticks(range(len(classes)), classes, fontsize=size)
        for row, column in np.ndindex(*matrix.shape):
            _write_share(place, row, column, float(matrix[row, column]), size - 1)
    return drawing


def _write_share(place: Any, row: int, column: int, share: float, size: int) -> None:
    """The share in a matrix's cell, as `.97` or `1`; white on the dark cells."""
    said = f"{share:.2f}".removeprefix("0") if share < 1 else "1"
    colour = "white" if share > 0.5 else "black"
    place.text(column, row, said, ha="center", va="center", fontsize=size, color=colour)


def curves(
    lines: Mapping[str, Sequence[tuple[float, float]]], horizontal: str, vertical: str
) -> Drawing:
    """Points (x, y) joined by a line, for each name; y is a share in [0, 1].

    A line whose name ends in 'published' is dashed, and has the colour of the line before it.
    """
    drawing = Drawing(figsize=(6.4, 3.8), layout="constrained")
    place = drawing.subplots()
    colour: Any = None
    for name, points in lines.items():
        style: dict[str, Any] = {"marker": "o", "markersize": 4, "label": name}
        if name.endswith("published"):
            style |= {"linestyle": "--", "color": colour, "alpha": 0.6}
        x, y = zip(*points, strict=True)
        (line,) = place.plot(x, y, **style)
        colour = line.get_color()
    place.set_xlabel(horizontal)
    place.set_ylabel(vertical)
    place.set_ylim(-0.03, 1.03)
    place.grid(linewidth=0.4, alpha=0.6)
    place.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return drawing


def gallery(rows: Mapping[str, Sequence[tuple[np.ndarray, str, str]]]) -> Drawing:
    """Rows of pictures (h, w, 3) uint8, each with a title and a frame's colour ('' for none).

    The row's name stands before it.
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
                _draw_frame(place, frame)
        _write_before(places[0], name)
    return drawing


def _draw_frame(place: Any, colour: str) -> None:
    place.set_axis_on()
    place.set_xticks([])
    place.set_yticks([])
    for side in place.spines.values():
        side.set(color=colour, linewidth=3)


def _write_before(place: Any, name: str) -> None:
    """A row's name, upwards, on the left of its first place."""
    side = {"ha": "right", "va": "center", "rotation": 90, "fontsize": 8}
    place.text(-0.08, 0.5, name, transform=place.transAxes, **side)


def as_picture(pixels: Tensor, mask: np.ndarray | None = None) -> np.ndarray:
    """(3, h, w) uint8 -> (h, w, 3) uint8.

    With a mask (h, w) bool, what it does not reveal is faded, and its rim is drawn.
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


def colours_of(groups: Sequence[Shown]) -> list[str]:
    """A colour for each group: with the decoy, the same class without it, then the other classes.

    The first group without the decoy is that of the decoy's class.
    """
    colours: list[str] = []
    for shown in groups:
        if shown.decoyed:
            colours.append(WORN)
        else:
            colours.append(REST if PLAIN in colours else PLAIN)
    return colours
