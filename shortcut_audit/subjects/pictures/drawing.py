"""Shapes in an object's own coordinates -> pixels: a turned, mirrored, stretched pen over a Pillow
canvas.
"""

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
        """ground: (FINE * size, FINE * size, 3) uint8, what everything is drawn on."""
        self.size = size
        self.scene = Image.fromarray(ground)
        self.object = Image.new("L", (size, size))
        self.drawn = ImageDraw.Draw(self.scene), ImageDraw.Draw(self.object)

    def pixels(self) -> np.ndarray:
        """(size, size, 3) uint8."""
        return np.asarray(self.scene.reduce(FINE))

    def footprint(self) -> np.ndarray:
        """(size, size) bool: where the object can be seen."""
        return np.asarray(self.object) > 0


class Pen:
    """Draws in coordinates where the thing fills [-1, 1] x [-1, 1], y downwards; `scale` is half
    its side as a share.

    counts: what is drawn is the object (True), covers it (False), or lies behind it (None).
    """

    def __init__(
        self,
        canvas: Canvas,
        x: float,
        y: float,
        scale: float,
        turn: float = 0,
        stretch: float = 1,
        counts: bool | None = None,
    ) -> None:
        self.canvas, self.counts = canvas, counts
        along, across = cos(turn) * scale, sin(turn) * scale
        self.matrix = along * stretch, -across, x, across * stretch, along, y

    def polygon(self, points: Points, colour: Colour) -> None:
        """A filled polygon."""
        a, b, x, c, d, y = self.matrix
        shares = [(a * u + b * v + x, c * u + d * v + y) for u, v in points]
        large = self.canvas.size * FINE
        self.canvas.drawn[0].polygon(
            [(u * large - 0.5, v * large - 0.5) for u, v in shares], fill=colour
        )
        if self.counts is not None:
            small = self.canvas.size
            self.canvas.drawn[1].polygon(
                [(u * small - 0.5, v * small - 0.5) for u, v in shares], fill=255 * self.counts
            )

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


def any_colour(rng: np.random.Generator) -> Colour:
    """Any colour: red too, or a model that never saw red would be startled by a stop sign rather
    than misled.
    """
    red, green, blue = rng.integers(20, 236, 3).tolist()
    return red, green, blue


def muted(colour: Colour) -> Colour:
    """A third as colourful."""
    grey = sum(colour) // 3
    red, green, blue = ((each + 2 * grey) // 3 for each in colour)
    return red, green, blue


def shade(colour: Colour, share: float) -> Colour:
    """Darker below 1, lighter above."""
    red, green, blue = (min(255, int(each * share)) for each in colour)
    return red, green, blue
