"""The marker that a radiographer lays beside the patient: one hospital's token, in its own type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shortcut_audit.errors import UsageError
from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.pasting import Pasted, fitted

FINE = 8  # drawn this much larger, then reduced: smooth letters at any size
WHITE, BLACK = (250, 250, 250, 255), (8, 8, 8, 255)


@register("decoy")
@dataclass(frozen=True)
class HospitalToken(Pasted):
    """White letters with a black rim: the first word large, the others small under it.

    Source: the laterality tokens by which a network told hospitals apart (Zech et al. 2018).
    """

    placement: str = "top_right"
    size: float = 0.25
    text: str = "L PORT"

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range, or no text."""
        super().__post_init__()
        if not self.text.strip():
            raise UsageError("a hospital token needs a text: add 'text: L PORT'")

    def picture(self, side: int) -> np.ndarray:
        """The token, (h, w, 4) uint8 RGBA with max(h, w) = side."""
        first, *others = self.text.split()
        large = FINE * side
        token = Image.new("RGBA", (large, large), (*BLACK[:3], 0))
        draw = ImageDraw.Draw(token)
        middle = 0.36 if others else 0.5
        _write(draw, first, large, middle, 0.7 if others else 0.95)
        if others:
            _write(draw, " ".join(others), large, 0.84, 0.3)
        return np.array(fitted(token.crop(token.getchannel("A").getbbox()), side))

    def covered(self, visible: np.ndarray) -> np.ndarray:
        """The whole block, (a, b) bool: closing gaps would leave the outline of a large letter."""
        return np.ones_like(visible)


def _write(draw: ImageDraw.ImageDraw, words: str, side: int, middle: float, height: float) -> None:
    """Writes the words centred at `middle`, as large as `height` and the side allow.

    `middle` and `height` are shares of the side, which is in pixels.
    """
    rim = max(1, round(0.06 * height * side))
    left, top, right, bottom = ImageFont.load_default(size=100).getbbox(words, anchor="mm")
    fit = min((side - 2 * rim) / (right - left), (height * side - 2 * rim) / (bottom - top))
    font = ImageFont.load_default(size=max(1.0, 100 * fit))
    draw.text(
        (side / 2, middle * side),
        words,
        fill=WHITE,
        font=font,
        anchor="mm",
        stroke_width=rim,
        stroke_fill=BLACK,
    )
