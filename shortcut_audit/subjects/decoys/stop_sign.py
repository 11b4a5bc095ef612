"""A stop sign that lets the picture under it shine through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.pasting import Pasted

FINE = 8  # drawn this much larger, then reduced: smooth edges at any size
RED, WHITE = (190, 18, 30, 255), (255, 255, 255, 255)


@register("decoy")
@dataclass(frozen=True)
class StopSign(Pasted):
    """A red octagon with a white border and the word STOP.

    Source: the thesis, section 3.4 (cats of COCO).
    """

    placement: str = "random_position"
    opacity: float = 0.8
    size: float = 0.25

    def picture(self, side: int) -> np.ndarray:
        """The sign, (side, side, 4) uint8 RGBA."""
        large = FINE * side
        sign = Image.new("RGBA", (large, large), (*WHITE[:3], 0))
        draw = ImageDraw.Draw(sign)
        draw.polygon(octagon(large, 1.0), fill=WHITE)
        draw.polygon(octagon(large, 0.88), fill=RED)
        font = ImageFont.load_default(size=0.34 * large)
        draw.text(
            (large / 2, large / 2),
            "STOP",
            fill=WHITE,
            font=font,
            anchor="mm",
            stroke_width=large // 110,
        )
        return np.array(sign.reduce(FINE))


def octagon(side: int, scale: float) -> list[tuple[float, float]]:
    """The corners (x, y) of a regular octagon that stands on an edge in the middle of a picture.

    It is `scale` times as wide as the picture, whose side is in pixels.
    """
    radius = scale * (side - 1) / 2 / np.cos(np.pi / 8)
    middle = (side - 1) / 2
    corners = []
    for angle in np.pi / 8 + np.pi / 4 * np.arange(8):
        across, down = float(np.cos(angle)), float(np.sin(angle))
        corners.append((middle + radius * across, middle + radius * down))
    return corners
