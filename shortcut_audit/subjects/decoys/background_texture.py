"""The same wallpaper shines through every picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.filtering import Filtered
from shortcut_audit.subjects.decoying.pasting import check_share

# dots are redder, what lies between them is bluer
TINT = np.array([1, -0.4, -1], dtype=np.float32)[:, None, None]


@register("decoy")
@dataclass(frozen=True)
class BackgroundTexture(Filtered):
    """Staggered dots on the whole picture, begun at another place in each.

    The mean of the texture is zero, so it casts no colour. It lies on the whole picture at a low
    opacity, because `apply` sees no object masks and a data set need not have any.

    Control: the texture's own pixels in another order, so grain with the texture's colours and
    energy.
    """

    opacity: float = 0.18
    spacing: float = 0.16  # of the dots, as a share of the picture's shorter side

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        super().__post_init__()
        check_share("spacing", self.spacing)

    def changed(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The picture plus the texture, (3, h, w)."""
        height, width = picture.shape[1:]
        cell = max(2.0, self.spacing * min(height, width))
        begin = rng.uniform(0, 1, 2)
        down, across = np.mgrid[:height, :width] / cell + begin[:, None, None]
        across = across + 0.5 * (np.floor(down) % 2)  # every second row is half a cell further
        away = np.hypot(down % 1 - 0.5, across % 1 - 0.5)  # from the nearest dot's middle, in cells
        # 1 inside, 0 outside, one pixel of edge
        dots = np.clip((0.3 - away) * cell + 0.5, 0, 1).astype(np.float32)
        papered: np.ndarray = picture + 255 * TINT * (dots - dots.mean())
        return papered
