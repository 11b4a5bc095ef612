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
    """A frame that is nothing but a colour, so its control is grey."""

    placement: str = "centre"
    size: float = 1.0  # the frame's outer side
    width: float = 0.06  # its thickness, as a share of its outer side
    colour: Colour = (225, 40, 170)

    controls: ClassVar[tuple[str, ...]] = ("grey",)

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
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
        """The frame alone, (a, b) bool: what it surrounds is the picture's own.

        Unlike a letter's outline, that of a frame says nothing.
        """
        return visible
