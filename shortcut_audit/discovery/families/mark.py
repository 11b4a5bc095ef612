"""A found mark as a decoy, before it has a file."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from shortcut_audit.subjects.decoying.pasting import Pasted, fitted, without_small_gaps


@dataclass(frozen=True, eq=False)
class Mark(Pasted):
    """The decoy that `overlay` or `layer` is once the mark is written to a file.

    rgba: as large as the image where `fixed`, else the mark alone; alpha is its opacity.
    """

    rgba: np.ndarray = field(default_factory=lambda: np.zeros((1, 1, 4), np.uint8))
    fixed: bool = False  # whether it always has the same place

    def picture(self, side: int) -> np.ndarray:
        """The mark at max(h, w) = side, (h, w, 4) uint8 RGBA."""
        return np.array(fitted(Image.fromarray(self.rgba), side))

    def covered(self, visible: np.ndarray) -> np.ndarray:
        """As of a layer where the place is fixed, else as of an overlay."""
        return without_small_gaps(visible) if self.fixed else super().covered(visible)


def mark_of(rgba: np.ndarray, corner: tuple[int, int] | None, side: int, target: str) -> Mark:
    """The decoy of a cleaned mark (c, d, 4).

    Args:
        rgba: uint8.
        corner: top and left of it in a picture, where it always has the same; None: anywhere.
        side: of the pictures it was seen in, pixels.
        target: the class that it stands for.
    """
    if corner is None:
        size = max(rgba.shape[:2]) / side
        return Mark(target=target, size=min(1.0, size), rgba=rgba)
    whole = np.zeros((side, side, 4), np.uint8)
    whole[corner[0] : corner[0] + rgba.shape[0], corner[1] : corner[1] + rgba.shape[1]] = rgba
    return Mark(target=target, size=1.0, placement="centre", rgba=whole, fixed=True)
