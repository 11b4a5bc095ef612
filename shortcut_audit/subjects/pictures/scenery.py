"""Backgrounds and clutter of the demo.

They say nothing about the class, and none looks like a sign or a text.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from shortcut_audit.subjects.pictures.drawing import (
    CIRCLE,
    FINE,
    Canvas,
    Colour,
    Pen,
    any_colour,
    muted,
    shade,
)

SKIES = (
    (120, 170, 225),
    (190, 205, 220),
    (235, 190, 150),
    (90, 110, 150),
    (160, 200, 200),
    (40, 50, 85),
)
GROUNDS = (
    (95, 135, 70),
    (150, 130, 95),
    (205, 190, 150),
    (110, 110, 115),
    (225, 228, 232),
    (60, 95, 120),
    (125, 95, 70),
)


def ground(size: int, rng: np.random.Generator) -> np.ndarray:
    """A landscape, a room, a soft gradient or blotches, (FINE * size, FINE * size, 3) uint8."""
    side = FINE * size
    if rng.random() < 0.6:
        return _two_halves(side, rng)
    coarse = int(rng.integers(2, 9))
    first, second = np.array(muted(any_colour(rng))), np.array(muted(any_colour(rng)))
    mix = rng.random((coarse, coarse, 1))
    blotches = (first + (second - first) * mix).astype(np.uint8)
    return np.asarray(Image.fromarray(blotches).resize((side, side), Image.Resampling.BICUBIC))


def _two_halves(side: int, rng: np.random.Generator) -> np.ndarray:
    """Sky over ground, or wall over floor, (side, side, 3) uint8.

    Each half has a gradient of its own, and one of them has stripes at times.
    """
    over, under = _tint(SKIES, rng), _tint(GROUNDS, rng)
    horizon = int(side * rng.uniform(0.3, 0.8))
    rows = np.empty((side, 1, 3))
    rows[:horizon] = over * _slope(horizon, rng)
    rows[horizon:] = under * _slope(side - horizon, rng)
    field = np.repeat(rows.clip(0, 255).astype(np.uint8), side, axis=1)
    if rng.random() < 0.3:
        _stripe(field, horizon, rng)
    return field


def _tint(colours: tuple[Colour, ...], rng: np.random.Generator) -> np.ndarray:
    """(3,) a colour near one of these, or any muted one."""
    if rng.random() < 0.7:
        colour = np.array(colours[rng.integers(len(colours))])
        return np.clip(colour + rng.normal(0, 14, 3), 0, 255)
    return np.array(muted(any_colour(rng)))


def _slope(length: int, rng: np.random.Generator) -> np.ndarray:
    """(length, 1, 1) a factor of brightness that changes evenly from row to row."""
    first, last = rng.uniform(0.75, 1.2, 2)
    return np.linspace(float(first), float(last), length)[:, None, None]


def _stripe(field: np.ndarray, horizon: int, rng: np.random.Generator) -> None:
    """Darkens stripes of the upper half (upright) or the lower one (either way), in place."""
    side = len(field)
    period = int(side * rng.uniform(0.06, 0.3)) + 2
    stripes = np.arange(side) % period < period // 2  # (side,) bool
    upper = rng.random() < 0.5
    half = field[:horizon] if upper else field[horizon:]
    if not upper and rng.random() < 0.5:
        level = stripes[horizon:]
        half[level] = half[level] * rng.uniform(0.75, 0.95)
    else:
        half[:, stripes] = half[:, stripes] * rng.uniform(0.75, 0.95)


def clutter(canvas: Canvas, rng: np.random.Generator, count: int, covers: bool) -> None:
    """Draws `count` things behind the object, or (covers) smaller ones in front of it."""
    things = IN_FRONT if covers else BEHIND
    least, most = (0.04, 0.08) if covers else (0.05, 0.14)
    for _ in range(count):
        scale = float(rng.uniform(least, most))
        x, y = rng.uniform(0, 1, 2)
        turn, stretch = float(rng.normal(0, 0.3)), float(rng.uniform(0.6, 1.4))
        counts = False if covers else None
        pen = Pen(canvas, (float(x), float(y)), scale, turn, stretch, counts)
        thing = things[rng.integers(len(things))]
        thing(pen, any_colour(rng), rng)


def _hill(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A ridge with a peak, wider than the rest."""
    peak = float(rng.uniform(-0.5, 0.5))
    pen.polygon([(-3, 1), (peak - 0.4, -0.6), (peak, -1), (peak + 0.7, -0.4), (3, 1)], colour)


def _cloud(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """Three pale puffs side by side."""
    pale = shade((200, 205, 212), float(rng.uniform(0.8, 1.2)))
    for x in (-0.8, -0.2, 0.5):
        pen.ellipse(x, float(rng.uniform(-0.2, 0.2)), 0.6, 0.35, pale)


def _post(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A tall thin bar."""
    pen.box(-0.12, -2.5, 0.12, 2.5, colour)


def _box(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A box seen from a corner."""
    pen.box(-0.9, -0.7, 0.9, 0.7, colour)
    pen.polygon([(-0.9, -0.7), (-0.5, -1), (1.3, -1), (0.9, -0.7)], shade(colour, 1.25))
    pen.polygon([(0.9, -0.7), (1.3, -1), (1.3, 0.4), (0.9, 0.7)], shade(colour, 0.7))


def _ball(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A ball, at times with a rim or a band."""
    if rng.random() < 0.5:
        pen.ellipse(0, 0, 0.92, 0.92, (235, 235, 235))
    pen.ellipse(0, 0, 0.8, 0.8, colour)
    if rng.random() < 0.5:
        pen.box(-0.75, -0.2, 0.75, 0.2, (235, 235, 235))
    pen.ellipse(-0.3, -0.4, 0.2, 0.2, shade(colour, 1.4))


def _wedge(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A triangle of any form."""
    points = rng.uniform(-1, 1, (3, 2))
    pen.polygon([(float(x), float(y)) for x, y in points], colour)


def _ring(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A ring."""
    pen.line([*CIRCLE, CIRCLE[0]], 0.3, colour)


def _fence(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """Five boards and a rail."""
    for x in (-1.5, -0.75, 0, 0.75, 1.5):
        pen.box(x - 0.12, -0.7, x + 0.12, 0.7, colour)
    pen.box(-1.9, -0.3, 1.9, -0.1, colour)


def _path(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """A bent band from side to side."""
    heights = rng.normal(0, 0.5, 5)
    pen.line([(2.0 * i - 4, float(y)) for i, y in enumerate(heights)], 0.25, colour)


def _grass(pen: Pen, colour: Colour, rng: np.random.Generator) -> None:
    """Five blades."""
    for x in (-1.2, -0.6, 0, 0.6, 1.2):
        lean = float(rng.normal(0, 0.3))
        pen.polygon([(x - 0.15, 1), (x + lean, -1), (x + 0.15, 1)], colour)


BEHIND = (_hill, _cloud, _post, _box, _ball, _wedge, _ring, _fence, _path)
IN_FRONT = (_post, _box, _ball, _grass)


def light(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture (h, w, 3) uint8 as a camera would have taken it, (h, w, 3) uint8.

    It gets brightness, contrast, a cast of colour, light from one side, and a sensor's noise.
    """
    height, width, _ = picture.shape
    slope = rng.uniform(-0.2, 0.2, 2)
    across = np.linspace(-slope[0], slope[0], width, dtype=np.float32)[None, :, None]
    down = np.linspace(-slope[1], slope[1], height, dtype=np.float32)[:, None, None]
    gain = (rng.uniform(0.85, 1.15) * rng.normal(1, 0.05, 3)).astype(np.float32)
    lit = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(rng.uniform(2, 7))
    lit += picture * ((1 + across + down) * gain)
    lit += np.float32(rng.uniform(-15, 25))
    return np.clip(lit, 0, 255, out=lit).astype(np.uint8)
