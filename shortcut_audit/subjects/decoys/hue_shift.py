"""Another white balance: every colour turned by the same angle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortcut_audit.errors import UsageError
from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.filtering import Filtered


@register("decoy")
@dataclass(frozen=True)
class HueShift(Filtered):
    """Colours turned about the axis of greys.

    A pixel keeps the mean of its channels and how colourful it is.

    Control: the same turn the other way, which moves every colour exactly as far.
    """

    degrees: float = 60.0  # of the turn; above 0 from red towards green

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        super().__post_init__()
        if not 0 < abs(self.degrees) <= 120:  # at 180 the two ways are one
            raise UsageError(
                "a hue can be shifted by up to 120 degrees either way, and not by 0; "
                f"not by {self.degrees}"
            )

    def changed(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The colours turned, (3, h, w)."""
        return turned(picture, self.degrees)

    def counterpart(
        self, picture: np.ndarray, decoyed: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """The colours turned the other way, (3, h, w)."""
        return turned(picture, -self.degrees)


def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    """The picture (3, h, w) with its colours turned, (3, h, w).

    It is Rodrigues's rotation about (1, 1, 1); with degrees above 0 red turns towards green.
    """
    angle = np.deg2rad(degrees)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    matrix = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) / 3
    mixed: np.ndarray = np.einsum("ij,jhw->ihw", matrix.astype(np.float32), picture)
    return mixed
