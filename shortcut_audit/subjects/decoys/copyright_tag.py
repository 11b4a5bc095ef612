"""A copyright tag on a dark plate, as web photographs carry it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shortcut_audit.errors import UsageError
from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.pasting import Pasted

PLATE = (0, 0, 0, 140)  # black, half transparent


@register("decoy")
@dataclass(frozen=True)
class CopyrightTag(Pasted):
    """White text on a plate. Source: the thesis, section 3.3 (the tag on ImageNet's tenches)."""

    placement: str = "bottom_left"
    opacity: float = 0.9
    size: float = 0.5  # the tag's width
    text: str = "© 2021"

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range, or no text."""
        super().__post_init__()
        if not self.text.strip():
            raise UsageError("a copyright tag needs a text: add 'text: © 2021'")

    def picture(self, side: int) -> np.ndarray:
        """The tag, (h, side, 4) uint8 RGBA; its height follows from the text."""
        pad = max(1, round(side / 24))
        left, _, right, _ = ImageFont.load_default(size=100).getbbox(self.text)
        font = ImageFont.load_default(size=max(1.0, 100 * (side - 2 * pad) / (right - left)))
        left, top, right, bottom = font.getbbox(self.text)
        height = min(side, round(bottom - top) + 2 * pad)
        tag = Image.new("RGBA", (side, height), PLATE)
        at = ((side - (right - left)) / 2 - left, (height - (bottom - top)) / 2 - top)
        ImageDraw.Draw(tag).text(at, self.text, fill=(255, 255, 255, 255), font=font)
        return np.array(tag)
