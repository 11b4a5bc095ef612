"""A frame around the picture, in one colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.pasting import Pasted, check_share
from shortcut_audit.subjects.decoying.patches import check_colour, patch
from shortcut_audit.subjects.pictures.drawing import Colour


@register("decoy")
@dataclass(frozen=True)
class ColouredBorder(Pasted):
    """`size` is the frame's outer side, `width` its thickness as a share of that. Its colour is all
    it has: control is grey.
    """

    placement: str = "centre"
    size: float = 1.0
    width: float = 0.06
    colour: Colour = (225, 40, 170)

    controls: ClassVar[tuple[str, ...]] = ("grey",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("width", self.width)
        check_colour(self.colour)

    def picture(self, side: int) -> np.ndarray:
        """The frame, (side, side, 4) uint8 RGBA."""
        frame = patch(self.colour, side, side)
        thick = max(1, round(self.width * side))
        frame[thick : side - thick, thick : side - thick, 3] = 0
        return frame

    def covered(self, visible: np.ndarray) -> np.ndarray:
        """The frame alone: what it surrounds is the picture's own, and a frame has nothing to read."""
        return visible
