"""Shapes in an object's own coordinates -> pixels on a Pillow canvas."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, pi, sin

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

# the canvas has this many times the pixels of the picture on each side, so that edges are smooth
FINE = 2
CIRCLE = [(cos(pi * i / 10), sin(pi * i / 10)) for i in range(20)]


class Canvas:
    """A picture in the making, and the footprint of the one object on it that counts."""

    def __init__(self, ground: np.ndarray, size: int) -> None:
        """Everything is drawn on the ground, (FINE * size, FINE * size, 3) uint8."""
        self.size = size
        self.scene = Image.fromarray(ground)
        self.object = Image.new("L", (size, size))
        self.drawn = ImageDraw.Draw(self.scene), ImageDraw.Draw(self.object)

    def pixels(self) -> np.ndarray:
        """The picture, (size, size, 3) uint8."""
        return np.asarray(self.scene.reduce(FINE))

    def footprint(self) -> np.ndarray:
        """(size, size) bool: where the object can be seen."""
        return np.asarray(self.object) > 0


class Pen:
    """Draws a thing in coordinates of its own: it fills [-1, 1] x [-1, 1], y downwards."""

    def __init__(
        self,
        canvas: Canvas,
        at: tuple[float, float],
        scale: float,
        turn: float = 0,
        stretch: float = 1,
        counts: bool | None = None,
    ) -> None:
        """Puts the thing on a canvas.

        Args:
            canvas: what is drawn on.
            at: x and y of the thing's middle, as shares of the picture's side.
            scale: half the thing's side, as a share of the picture's.
            turn: the angle by which it is turned.
            stretch: how many times as wide as high it is; below 0 it is mirrored.
            counts: it is the object (True), covers the object (False), or is behind it (None).
        """
        self.canvas, self.counts = canvas, counts
        along, across = cos(turn) * scale, sin(turn) * scale
        self.matrix = along * stretch, -across, at[0], across * stretch, along, at[1]

    def polygon(self, points: Points, colour: Colour) -> None:
        """A filled polygon."""
        a, b, x, c, d, y = self.matrix
        shares = [(a * u + b * v + x, c * u + d * v + y) for u, v in points]
        scene, footprint = self.canvas.drawn
        scene.polygon(_in_pixels(shares, FINE * self.canvas.size), fill=colour)
        if self.counts is not None:
            footprint.polygon(_in_pixels(shares, self.canvas.size), fill=255 * self.counts)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """A filled ellipse with centre (x, y) and these half axes."""
        self.polygon([(x + rx * u, y + ry * v) for u, v in CIRCLE], colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def line(self, points: Points, width: float, colour: Colour) -> None:
        """A bent line, `width` wide, as one polygon."""
        left, right = [], []
        for i, (x, y) in enumerate(points):
            (x0, y0), (x1, y1) = points[max(i - 1, 0)], points[min(i + 1, len(points) - 1)]
            half = width / 2 / max(hypot(x1 - x0, y1 - y0), 1e-9)
            across, down = (y0 - y1) * half, (x1 - x0) * half
            left.append((x + across, y + down))
            right.append((x - across, y - down))
        self.polygon([*left, *reversed(right)], colour)


def _in_pixels(shares: Points, side: int) -> list[tuple[float, float]]:
    """Points that are given as shares of the picture's side, as Pillow's pen takes them."""
    return [(x * side - 0.5, y * side - 0.5) for x, y in shares]


def any_colour(rng: np.random.Generator) -> Colour:
    """Any colour, red too.

    A model that never saw red would answer anything to a red stop sign, and not be misled by it.
    """
    red, green, blue = rng.integers(20, 236, 3).tolist()
    return red, green, blue


def muted(colour: Colour) -> Colour:
    """The colour, a third as colourful."""
    red, green, blue = colour
    grey = (red + green + blue) // 3
    return (red + 2 * grey) // 3, (green + 2 * grey) // 3, (blue + 2 * grey) // 3


def shade(colour: Colour, share: float) -> Colour:
    """The colour, darker with a share below 1, lighter with one above."""
    red, green, blue = colour
    return min(255, int(red * share)), min(255, int(green * share)), min(255, int(blue * share))
