"""A picture of the user's own that lies over the whole image: what always has the same place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.pasting import fitted, without_small_gaps
from shortcut_audit.subjects.decoys.overlay import Overlay


@register("decoy")
@dataclass(frozen=True, repr=False)
class Layer(Overlay):
    """A PNG as large as the image, transparent but for the mark: a token, a frame, a scanner's rim.

    Its transparent rim counts, so that the mark is where it is on the picture.
    """

    placement: str = "centre"
    size: float = 1.0

    def picture(self, side: int) -> np.ndarray:
        """The whole picture at max(h, w) = side, (h, w, 4) uint8 RGBA; raises as an overlay's."""
        return np.array(fitted(self.full(), side))

    def covered(self, visible: np.ndarray) -> np.ndarray:
        """The footprint (a, b) bool: what lies between a frame's sides is the picture's own."""
        return without_small_gaps(visible)
