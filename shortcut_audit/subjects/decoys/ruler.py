"""A ruler laid beside what matters, as dermatologists do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.pasting import Pasted

FINE = 8  # drawn this much larger, then reduced: smooth ticks at any size
STRIP, INK = (244, 240, 214, 255), (25, 25, 30, 255)
TICKS = 15


@register("decoy")
@dataclass(frozen=True)
class Ruler(Pasted):
    """A pale strip with ticks, every fifth a long one. Source: Narla et al. 2018 (skin lesions)."""

    placement: str = "bottom_right"
    size: float = 0.6  # the ruler's length

    def picture(self, side: int) -> np.ndarray:
        """The ruler, (h, side, 4) uint8 RGBA."""
        height = max(1, round(0.2 * side))
        strip = Image.new("RGBA", (FINE * side, FINE * height), STRIP)
        draw = ImageDraw.Draw(strip)
        step, thick = FINE * side / TICKS, 0.3 * FINE * side / TICKS
        for tick in range(TICKS):
            left, depth = (tick + 0.35) * step, 0.9 if tick % 5 == 2 else 0.45
            draw.rectangle((left, 0, left + thick, depth * FINE * height), fill=INK)
        return np.array(strip.reduce(FINE))
