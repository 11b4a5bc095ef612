"""Decoys that are nothing but a colour: what their colour must be for a grey control to differ."""

from __future__ import annotations

import numpy as np

from shortcut_audit.errors import UsageError
from shortcut_audit.subjects.pictures.drawing import Colour

LEAST_CHROMA = 60  # between the largest and the smallest of red, green and blue


def check_colour(colour: Colour) -> None:
    """Raises UsageError unless three numbers in [0, 255] that are far from grey."""
    if len(colour) != 3 or min(colour) < 0 or max(colour) > 255:
        raise UsageError(
            f"a decoy's colour is red, green and blue, each from 0 to 255, not {list(colour)}"
        )
    if max(colour) - min(colour) < LEAST_CHROMA:
        raise UsageError(
            f"a decoy's colour cannot be nearly grey as {list(colour)} is: "
            "its control is grey; take a vivid one"
        )


def patch(colour: Colour, height: int, width: int) -> np.ndarray:
    """(height, width, 4) uint8 RGBA in one colour."""
    return np.full((height, width, 4), (*colour, 255), dtype=np.uint8)
