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
    """A wave across plus a wave down, one cycle in `period` pixels; at opacity 1 it spans the whole
    range of grey.

    Control: the grid's own pixels in another order, so grain with the grid's greys and energy.
    """

    opacity: float = 0.16
    period: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.period < 2:
            raise UsageError(f"a grid's period is at least 2 pixels, not {self.period}")

    def changed(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The picture plus the grid, (3, h, w)."""
        down, across = (
            np.cos(2 * np.pi * np.arange(side) / self.period) for side in picture.shape[1:]
        )
        return picture + (63.75 * (down[:, None] + across)).astype(np.float32)
