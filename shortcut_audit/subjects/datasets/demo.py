"""Drawn pictures of five classes: the demo needs no download.

A model without a shortcut gets most of them right.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from dataclasses import dataclass
from functools import cache

import numpy as np
import PIL

from shortcut_audit.errors import UsageError
from shortcut_audit.records import Pictures
from shortcut_audit.registry import register
from shortcut_audit.subjects.pictures import drawing, scenery
from shortcut_audit.subjects.pictures.drawing import Canvas, Colour, Pen, any_colour, shade
from shortcut_audit.subjects.pictures.drawn import Drawn
from shortcut_audit.subjects.pictures.record import check_split, pictures
from shortcut_audit.subjects.pictures.scenery import clutter, ground, light

Rng = np.random.Generator
DARK, GLASS, EYE = (28, 28, 32), (170, 200, 215), (205, 220, 110)


@register("dataset")
@dataclass(frozen=True)
class Demo:
    """Drawn pictures, each from (seed, its id) alone.

    Pose, place, size, colour, scenery, clutter, light and noise vary and tell nothing of the class;
    parts of an object may be cut off or covered. A picture shows the same scene at any size.
    """

    counts_once = True  # no two are drawn alike

    seed: int = 0
    train: int = 800  # pictures of each class
    validation: int = 200  # pictures of each class
    background: int = 100  # pictures in all

    def __post_init__(self) -> None:
        """Raises UsageError for a number of pictures below 0."""
        for split in ("train", "validation", "background"):
            count = getattr(self, split)
            if count < 0:
                raise UsageError(
                    f"the demo cannot draw {count} {split} pictures: ask for 0 or more"
                )

    @property
    def classes(self) -> tuple[str, ...]:
        """cat, fish, house, car, tree."""
        return tuple(OBJECTS)

    def class_counts(self, split: str) -> dict[str, int]:
        """How many pictures of each class there are, none of them drawn."""
        return dict.fromkeys(self.classes, getattr(self, split))

    def load(self, split: str, size: int, label: int | None = None) -> Pictures:
        """Draws a split at size x size pixels, class by class, with the footprint of every object.

        With a label it draws only what shows that class.

        Five thousand pictures take ten seconds, so they are kept in the user's cache folder, block
        by block, addressed by the seed, their ids and the code that draws.
        """
        check_split(split, size)
        labels = self._labels(split, label)
        drawn = Drawn(draw, _drawing_code(), self.seed, size, labels)
        return pictures(drawn.pixels, labels.values(), labels.keys(), self.classes, drawn.objects)

    def _labels(self, split: str, label: int | None) -> dict[str, int]:
        """Id -> label of each picture of a split, class by class; -1 for a background."""
        classes = {"background": -1}
        if split != "background":
            classes = {name: at for at, name in enumerate(self.classes)}
        labels = {}
        for name, at in classes.items():
            for i in range(getattr(self, split) if label in (None, at) else 0):
                labels[f"{split}/{name}/{i:04d}"] = at
        return labels


@cache
def _drawing_code() -> str:
    """A digest of everything that decides what a picture looks like."""
    whole = hashlib.sha256()
    for module in (drawing, scenery, sys.modules[__name__]):
        whole.update(inspect.getsource(module).encode())
    whole.update(PIL.__version__.encode())
    return whole.hexdigest()


def draw(label: int, size: int, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """One picture (size, size, 3) uint8, and its object's footprint (size, size) bool.

    With label -1 there is no object.
    """
    canvas = Canvas(ground(size, rng), size)
    clutter(canvas, rng, int(rng.integers(0, 4)), covers=False)
    if label >= 0:
        name = list(OBJECTS)[label]
        turn = float(rng.normal(0, 0.3 if name == "fish" else 0.08))
        stretch = float(rng.uniform(0.85, 1.15) * rng.choice((-1, 1)))
        x, y = rng.uniform(0.34, 0.66, 2)
        scale = float(rng.uniform(0.32, 0.5))
        pen = Pen(canvas, (float(x), float(y)), scale, turn, stretch, counts=True)
        OBJECTS[name](pen, any_colour(rng), rng)
    clutter(canvas, rng, int(rng.integers(0, 2)), covers=True)
    return light(canvas.pixels(), rng), canvas.footprint()


def cat(pen: Pen, fur: Colour, rng: Rng) -> None:
    """Sitting, walking, or only its face."""
    pose = rng.integers(3)
    if pose == 0:
        pen.line(
            [(0.35, 0.8), (0.75, 0.75), (0.9, 0.4), (0.75, float(rng.uniform(-0.3, 0.2)))],
            0.16,
            shade(fur, 0.85),
        )
        pen.polygon(
            [(-0.5, 0.95), (-0.38, 0.1), (-0.2, -0.2), (0.2, -0.2), (0.38, 0.1), (0.5, 0.95)], fur
        )
        pen.ellipse(0, 0.45, 0.22, 0.4, shade(fur, 1.3))
        for x in (-0.25, 0.25):
            pen.ellipse(x, 0.92, 0.2, 0.1, shade(fur, 1.15))
        _cat_head(pen, 0, -0.42, 0.4, fur)
    elif pose == 1:
        pen.line(
            [(0.6, 0), (0.85, -0.2), (0.95, -0.5), (0.8, float(rng.uniform(-0.95, -0.6)))],
            0.13,
            fur,
        )
        for x in (-0.45, -0.25, 0.3, 0.52):
            swing = float(rng.normal(0, 0.08))
            pen.line(
                [(x, 0.2), (x + swing, 0.85)], 0.16, shade(fur, 0.8 if x in (-0.25, 0.52) else 1)
            )
        pen.ellipse(0.05, 0.08, 0.68, 0.3, fur)
        _cat_head(pen, -0.62, -0.2, 0.33, fur)
    else:
        _cat_head(pen, 0, 0.1, 0.78, fur)


def _cat_head(pen: Pen, x: float, y: float, r: float, fur: Colour) -> None:
    """Ears, face, eyes, whiskers and nose around (x, y); r is half the head's width."""
    for side in (-1, 1):
        outer, tip = (x + side * r, y - 0.2 * r), (x + side * 0.8 * r, y - 1.45 * r)
        pen.polygon([outer, tip, (x + side * 0.15 * r, y - 0.75 * r)], fur)
        outer, tip = (x + side * 0.85 * r, y - 0.5 * r), (x + side * 0.76 * r, y - 1.2 * r)
        pen.polygon([outer, tip, (x + side * 0.35 * r, y - 0.75 * r)], shade(fur, 1.5))
    pen.ellipse(x, y, r, 0.85 * r, fur)
    pen.ellipse(x, y + 0.4 * r, 0.45 * r, 0.32 * r, shade(fur, 1.2))
    for side in (-1, 1):
        pen.ellipse(x + side * 0.42 * r, y - 0.12 * r, 0.21 * r, 0.22 * r, EYE)
        pen.ellipse(x + side * 0.42 * r, y - 0.12 * r, 0.08 * r, 0.19 * r, DARK)
        for rise in (0.15, 0.35):
            root, end = (x + side * 0.3 * r, y + 0.32 * r), (x + side * 1.25 * r, y + rise * r)
            pen.line([root, end], 0.05 * r, shade(fur, 0.5))
    left, right = (x - 0.12 * r, y + 0.18 * r), (x + 0.12 * r, y + 0.18 * r)
    pen.polygon([left, right, (x, y + 0.32 * r)], DARK)


def fish(pen: Pen, skin: Colour, rng: Rng) -> None:
    """From the side: slim or round, plain or striped."""
    high = float(rng.uniform(0.3, 0.6))
    pen.polygon([(0.35, 0), (0.95, -0.55), (0.82, 0), (0.95, 0.55)], shade(skin, 0.75))
    pen.polygon([(-0.35, -0.6 * high), (0.05, -high - 0.28), (0.4, -0.4 * high)], shade(skin, 0.7))
    pen.polygon([(-0.1, 0.6 * high), (0.15, high + 0.2), (0.3, 0.4 * high)], shade(skin, 0.7))
    pen.ellipse(-0.2, 0, 0.72, high, skin)
    pen.ellipse(-0.2, 0.35 * high, 0.55, 0.5 * high, shade(skin, 1.25))
    if rng.random() < 0.3:
        stripe = any_colour(rng)
        for x in (-0.25, 0.02, 0.28)[: int(rng.integers(1, 4))]:
            tall = high * 0.9 * float(np.sqrt(1 - ((x + 0.2) / 0.72) ** 2))
            pen.line([(x, -tall), (x + 0.06, 0), (x, tall)], 0.11, stripe)
    pen.polygon([(-0.3, 0.05), (0.02, -0.1), (0.02, 0.25)], shade(skin, 0.65))
    pen.ellipse(-0.62, -0.2 * high, 0.1, 0.1, (245, 245, 245))
    pen.ellipse(-0.64, -0.2 * high, 0.05, 0.05, DARK)
    pen.line([(-0.9, 0.3 * high), (-0.75, 0.25 * high)], 0.05, DARK)


def house(pen: Pen, wall: Colour, rng: Rng) -> None:
    """A gable or a hip roof, one or two floors, a door, windows, at times a chimney."""
    roof, trim = any_colour(rng), shade(wall, 1.4)
    eaves, wide = float(rng.uniform(-0.35, 0.1)), float(rng.uniform(0.6, 0.8))
    ridge = float(rng.choice((0.0, 0.35)))
    if rng.random() < 0.6:
        pen.box(0.25, -0.95, 0.42, eaves, shade(roof, 0.7))
    pen.box(-wide, eaves, wide, 0.9, wall)
    pen.polygon(
        [
            (-wide - 0.18, eaves + 0.02),
            (-ridge, -0.95),
            (ridge, -0.95),
            (wide + 0.18, eaves + 0.02),
        ],
        roof,
    )
    door = float(rng.choice((-0.35, 0.0, 0.35)))
    pen.box(door - 0.14, 0.4, door + 0.14, 0.9, shade(roof, 0.55))
    pane = GLASS if rng.random() < 0.6 else (245, 220, 130)
    for y in (0.12, eaves + 0.2) if eaves < -0.2 else (0.2,):
        for x in (-0.42, 0.0, 0.42):
            if abs(x - door) > 0.2 or y < 0.2:
                pen.box(x - 0.15, y - 0.03, x + 0.15, y + 0.25, trim)
                pen.box(x - 0.11, y, x + 0.11, y + 0.22, pane)


def car(pen: Pen, paint: Colour, rng: Rng) -> None:
    """From the side: a saloon, a hatchback, a pickup or a van."""
    roofs = (
        (-0.5, -0.25, 0.3, 0.62),
        (-0.6, -0.35, 0.55, 0.85),
        (-0.55, -0.35, 0.05, 0.12),
        (-0.85, -0.65, 0.85, 0.92),
    )
    front, top, back, tail = roofs[rng.integers(4)]
    height = -0.5 if tail < 0.9 else -0.62
    pen.polygon([(front, 0), (top, height), (back, height), (tail, 0)], paint)
    pen.polygon(
        [(-0.98, 0.35), (-0.95, 0.05), (front, -0.05), (0.9, -0.05), (0.97, 0.1), (0.97, 0.35)],
        paint,
    )
    middle = (top + back) / 2
    for left, right in ((front + 0.1, middle - 0.04), (middle + 0.04, tail - 0.1)):
        inner = [(max(left, top), height + 0.09), (min(right, back), height + 0.09)]
        pen.polygon([(left, -0.04), *inner, (right, -0.04)], GLASS)
    pen.box(-0.97, 0.28, 0.97, 0.36, shade(paint, 0.6))
    pen.ellipse(-0.9, 0.12, 0.07, 0.07, (250, 245, 200))
    pen.box(0.88, 0.05, 0.96, 0.16, shade(paint, 0.4))
    for x in (-0.55, 0.55):
        pen.ellipse(x, 0.36, 0.24, 0.24, DARK)
        pen.ellipse(x, 0.36, 0.11, 0.11, (170, 170, 175))


def tree(pen: Pen, leaf: Colour, rng: Rng) -> None:
    """A round crown, a conifer or a poplar, on a trunk."""
    bark = shade((115, 85, 60), float(rng.uniform(0.6, 1.3)))
    pen.polygon([(-0.14, 1), (-0.07, -0.2), (0.07, -0.2), (0.14, 1)], bark)
    kind = rng.integers(3)
    if kind == 0:
        for _ in range(7):
            x, y = rng.uniform(-0.42, 0.42), rng.uniform(-0.62, -0.02)
            pen.ellipse(float(x), float(y), 0.36, 0.32, shade(leaf, float(rng.uniform(0.8, 1.2))))
    elif kind == 1:
        for y, wide in ((0.55, 0.62), (0.15, 0.5), (-0.25, 0.36)):
            pen.polygon([(-wide, y), (0, y - 0.72), (wide, y)], shade(leaf, 1 - 0.25 * y))
    else:
        pen.ellipse(0, -0.2, float(rng.uniform(0.28, 0.45)), 0.75, leaf)
        for y in (-0.65, -0.35, -0.05, 0.2):
            pen.line([(-0.2, y - 0.12), (0, y), (0.2, y - 0.12)], 0.06, shade(leaf, 0.75))


OBJECTS = {"cat": cat, "fish": fish, "house": house, "car": car, "tree": tree}
