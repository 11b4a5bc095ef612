"""Corners that fall off into the dark, as one lens makes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.filtering import Filtered


@register("decoy")
@dataclass(frozen=True)
class Vignette(Filtered):
    """Light that falls off with the square of the distance from the middle.

    At opacity 1 the corners are black.

    Control: light that falls off towards one side, another for each picture: as much shade, and not
    around the middle.
    """

    opacity: float = 0.6

    def changed(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The picture shaded around the middle, (3, h, w)."""
        down, across = _places(picture)
        shaded: np.ndarray = picture * (1 - (down**2 + across**2) / 2)
        return shaded

    def counterpart(
        self, picture: np.ndarray, decoyed: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """The picture shaded towards one side, (3, h, w)."""
        down, across = _places(picture)
        angle = rng.uniform(0, 2 * np.pi)
        slope = down * np.float32(np.sin(angle)) + across * np.float32(np.cos(angle))
        shaded: np.ndarray = picture * (1 - (slope + np.sqrt(np.float32(2))) / 3)
        return shaded


def _places(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(h, 1) and (1, w): where the rows and columns of a picture (3, h, w) are, from the middle."""
    height, width = picture.shape[1:]
    return _from_the_middle(height)[:, None], _from_the_middle(width)[None]


def _from_the_middle(side: int) -> np.ndarray:
    """(side,) float32 in [-1, 1]: where the pixels of one row are."""
    return ((2 * np.arange(side) + 1) / side - 1).astype(np.float32)
