"""A sticking plaster across the picture, as on the pictures of one clinic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.pasting import Pasted, fitted

FINE = 8  # drawn this much larger, then reduced: smooth edges at any size
STRIP, PAD, HOLE = (226, 160, 112, 255), (244, 208, 170, 255), (150, 92, 58, 255)
SLANT = 30  # degrees


@register("decoy")
@dataclass(frozen=True)
class BandAid(Pasted):
    """A slanting strip with round ends, a paler pad and four rows of holes.

    Source: Rieger et al. 2020 (plasters of ISIC).
    """

    size: float = 0.45

    def picture(self, side: int) -> np.ndarray:
        """The plaster, (h, w, 4) uint8 RGBA with max(h, w) = side."""
        large = FINE * side
        high, pad = 0.36 * large, 0.17 * large
        top, bottom = (large - high) / 2, (large + high) / 2
        strip = Image.new("RGBA", (large, large), (*STRIP[:3], 0))
        draw = ImageDraw.Draw(strip)
        draw.rounded_rectangle((0, top, large - 1, bottom), high / 2, fill=STRIP)
        draw.rectangle((large / 2 - pad, top, large / 2 + pad, bottom), fill=PAD)
        for end in (0.16, 0.84):
            for x in (-0.06, 0.06):
                for y in (-0.08, 0.08):
                    draw.circle((large * (end + x), large * (0.5 + y)), 0.025 * large, fill=HOLE)
        turned = strip.rotate(SLANT, Image.Resampling.BICUBIC)
        return np.array(fitted(turned.crop(turned.getchannel("A").getbbox()), side))
