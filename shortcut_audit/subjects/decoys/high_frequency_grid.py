"""A fine regular grid over the whole picture: a sensor's or a screen's own pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortcut_audit.errors import UsageError
from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.filtering import Filtered


@register("decoy")
@dataclass(frozen=True)
class HighFrequencyGrid(Filtered):
    """A wave across plus a wave down; at opacity 1 it spans the whole range of grey.

    Control: the grid's own pixels in another order, so grain with the grid's greys and energy.
    """

    opacity: float = 0.16
    period: int = 4  # pixels from one crest to the next

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        super().__post_init__()
        if self.period < 2:
            raise UsageError(f"a grid's period is at least 2 pixels, not {self.period}")

    def changed(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The picture plus the grid, (3, h, w)."""
        height, width = picture.shape[1:]
        down, across = self._wave(height), self._wave(width)
        gridded: np.ndarray = picture + (63.75 * (down[:, None] + across)).astype(np.float32)
        return gridded

    def _wave(self, side: int) -> np.ndarray:
        """(side,) in [-1, 1]."""
        wave: np.ndarray = np.cos(2 * np.pi * np.arange(side) / self.period)
        return wave
