"""Pixels -> a picture as a report shows it, and what a model needs to see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 160  # pixels of a side; larger pictures are made smaller, small ones stay as they are
# what is left of a grey level where the mask reveals nothing: a share of it, and a little light
DIMMED, GLOW = 0.34, 22
OUTLINE = (255, 0, 200)  # no sign, tag or animal has this colour


def picture(pixels: Tensor) -> Image.Image:
    """(3, h, w) uint8 -> a picture of at most 160 pixels a side."""
    return _fitted(Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()))


def revealed(pixels: Tensor, mask: np.ndarray, footprint: np.ndarray) -> Image.Image:
    """The picture (3, h, w), grey and dark outside the mask (h, w), an outline around the decoy.

    Law: inside the mask and off the outline each pixel is as it was, at sizes that stay.
    """
    shown = picture(pixels)
    inside, decoy = (_at_size(each, shown.size) for each in (mask, footprint))
    grey = np.asarray(shown.convert("L"))[..., None] * DIMMED + GLOW
    drawn = np.where(inside[..., None], np.asarray(shown), grey.astype(np.uint8))
    drawn[around(decoy)] = OUTLINE
    return Image.fromarray(drawn)


def around(footprint: np.ndarray) -> np.ndarray:
    """(h, w) bool: the pixels outside a footprint that touch it; none where it fills all."""
    wider = np.pad(footprint, 1)
    for axis in (0, 1):
        wider = wider | np.roll(wider, 1, axis) | np.roll(wider, -1, axis)
    rim: np.ndarray = wider[1:-1, 1:-1] & ~footprint
    return rim


def _fitted(image: Image.Image) -> Image.Image:
    """Made smaller where a side has more than 160 pixels; as it is otherwise."""
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return image


def _at_size(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    scaled = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)
    return np.asarray(scaled, dtype=bool)
