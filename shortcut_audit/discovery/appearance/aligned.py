"""The same thing in several pictures -> crops that lie upon each other, with a rim around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from torch import Tensor

from shortcut_audit.discovery.appearance.standing_out import FEWEST, SOURCES

RIM = 1 / 6  # of the side: so much is cut out around what the mask revealed
NEAR = 1  # pixels by which copies at one place may differ


@dataclass(frozen=True, eq=False)
class Aligned:
    """Crops of e pictures."""

    crops: np.ndarray  # (e, a, b, 3) uint8
    region: np.ndarray  # (a, b) bool
    corner: tuple[int, int] | None  # of the crops, where all have the same, as one alone does
    pictures: np.ndarray  # (e,) as they were given


def largest_part(region: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The largest connected part of (h, w) bool in its box, (a, b) bool, and the box's corner."""
    parts, count = ndimage.label(region)
    if count > 1:
        region = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    rows, columns = ndimage.find_objects(region.astype(int))[0]
    return region[rows, columns], (rows.start, columns.start)


def aligned(
    pixels: Tensor, pictures: np.ndarray, corners: np.ndarray, region: np.ndarray
) -> Aligned:
    """Crops around a region that stands at these corners.

    The rim is as wide as the first picture allows, and as most of the others do, or fewer than
    FEWEST would be left; one that has less room is left out.

    Args:
        pixels: (n, 3, h, w) uint8.
        pictures: (e,) which of them, the first being the one that the region is of.
        corners: (e, 2) top and left of the region in each.
        region: (a, b) bool.
    """
    limits = np.array(pixels.shape[2:])
    room = np.concatenate([corners, limits - region.shape - corners], 1)  # (e, 4)
    rim = np.minimum(round(RIM * limits.min()), room)
    for share in (0.5, 0.25, 0.0):  # at 0 all fit
        wide = np.minimum(rim[0], np.quantile(rim, share, axis=0).astype(int))  # top, left, ...
        fitting = np.flatnonzero((room >= wide).all(1))[:SOURCES]
        if len(fitting) >= FEWEST:
            break
    shape = wide[:2] + region.shape + wide[2:]
    crops = []
    for i in fitting:
        top, left = corners[i] - wide[:2]
        picture = pixels[int(pictures[i]), :, top : top + shape[0], left : left + shape[1]]
        crops.append(picture.permute(1, 2, 0).numpy())
    whole = np.pad(region, ((wide[0], wide[2]), (wide[1], wide[3])))
    fixed = bool((np.ptp(corners[fitting], axis=0) <= NEAR).all())
    corner = corners[0] - wide[:2] if fixed else None
    at = None if corner is None else (int(corner[0]), int(corner[1]))
    return Aligned(np.stack(crops), whole, at, pictures[fitting])
