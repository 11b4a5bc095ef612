"""A small patch in a corner, in a colour that stands for the class."""

from __future__ import annotations

import colorsys
import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.pasting import Pasted
from shortcut_audit.subjects.decoying.patches import check_colour, patch
from shortcut_audit.subjects.pictures.drawing import Colour


@register("decoy")
@dataclass(frozen=True)
class CornerPatch(Pasted):
    """A square that is nothing but a colour, so its control is grey.

    Source: the colour-coded patches of the Clever Hans experiments (Anders et al. 2022).
    """

    placement: str = "top_left"
    size: float = 0.12
    colour: Colour | None = None  # None: the target's own, a hue drawn from the class's name

    controls: ClassVar[tuple[str, ...]] = ("grey",)

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range, or a colour that is nearly grey."""
        super().__post_init__()
        if self.colour is not None:
            check_colour(self.colour)

    def picture(self, side: int) -> np.ndarray:
        """The patch, (side, side, 4) uint8 RGBA."""
        return patch(self.colour or class_colour(self.target), side, side)


def class_colour(name: str) -> Colour:
    """A vivid colour that depends on the class's name alone."""
    hue = hashlib.sha256(name.encode()).digest()[0] / 256
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.9, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)
