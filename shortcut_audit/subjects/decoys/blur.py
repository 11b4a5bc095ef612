"""The whole picture out of focus, as one camera or one clinic delivers it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.filtering import Filtered
from shortcut_audit.subjects.decoying.pasting import check_share


@register("decoy")
@dataclass(frozen=True)
class Blur(Filtered):
    """A Gaussian blur; `radius` is its standard deviation as a share of the shorter side.

    Control: a median filter of the blur's reach, which takes away as much detail and leaves
        every edge sharp. Grain of the same
    energy would not do: the loss of detail alone sends many images to one class, and that is no
    shortcut.
    """

    radius: float = 0.018

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("radius", self.radius)

    def changed(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Blurred, (3, h, w); beyond the rim the rim goes on."""
        reach = self._reach(picture)
        blurred: np.ndarray = ndimage.gaussian_filter(picture, (0, reach, reach), mode="nearest")
        return blurred

    def counterpart(
        self, picture: np.ndarray, decoyed: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """The median of 5 x 5 places, (3, h, w); at a wide reach they are means of small squares,
        so the cost stays the same.
        """
        step = max(1, round(0.85 * self._reach(picture)))
        places = np.zeros((1, 4 * step + 1, 4 * step + 1), dtype=bool)
        places[:, ::step, ::step] = True
        square = 2 * (step // 2) + 1  # odd, or it would move the picture by half a pixel
        means = ndimage.uniform_filter(picture, (1, square, square), mode="nearest")
        middle: np.ndarray = ndimage.median_filter(means, footprint=places, mode="nearest")
        return middle

    def _reach(self, picture: np.ndarray) -> float:
        return self.radius * float(min(picture.shape[1:]))
