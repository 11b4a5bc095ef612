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
    """A Gaussian blur.

    Control: a median filter of the blur's reach, which takes away as much detail and leaves every
    edge sharp. Grain of the same energy would not do: the loss of detail alone sends many images to
    one class, and that is no shortcut.
    """

    radius: float = 0.018  # the standard deviation, as a share of the picture's shorter side

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        super().__post_init__()
        check_share("radius", self.radius)

    def changed(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The picture blurred, (3, h, w); beyond its border the border's pixels go on."""
        reach = self._reach(picture)
        blurred: np.ndarray = ndimage.gaussian_filter(picture, (0, reach, reach), mode="nearest")
        return blurred

    def counterpart(
        self, picture: np.ndarray, decoyed: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """The median of 5 x 5 places, (3, h, w).

        At a wide reach the places are means of small squares, so the cost stays the same.
        """
        step = max(1, round(0.85 * self._reach(picture)))
        places = np.zeros((1, 4 * step + 1, 4 * step + 1), dtype=bool)
        places[:, ::step, ::step] = True
        square = 2 * (step // 2) + 1  # odd, or it would move the picture by half a pixel
        means = ndimage.uniform_filter(picture, (1, square, square), mode="nearest")
        middle: np.ndarray = ndimage.median_filter(means, footprint=places, mode="nearest")
        return middle

    def _reach(self, picture: np.ndarray) -> float:
        """The blur's standard deviation in pixels."""
        return self.radius * float(min(picture.shape[1:]))
