"""Crops of the same thing -> the thing alone, without what is behind it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage

from shortcut_audit.discovery.appearance.standing_out import FEWEST, common_part
from shortcut_audit.discovery.proposal import Proposal
from shortcut_audit.records import Pictures

JOINED = 2  # pixels: parts of a mark, as the letters of a word, that lie nearer are one
LEAST = 0.25  # of what the proposer meant must be common to all, or the cut-out stays as it is
ALIKE = 0.35  # of the usual spread at a pixel; what varies less is the mark
OPAQUE = 0.85  # an opacity above this is 1: noise and JPEG move an opaque mark a little
COMPARED = 60  # pictures of other classes that say how much a window usually varies


class Cleaned(NamedTuple):
    """A mark without what is behind it."""

    rgba: np.ndarray  # (c, d, 4) uint8, whose alpha is the opacity as seen
    corner: tuple[int, int]  # top and left of it in the crops
    # whether the crops have it in common, as far as so many can tell; else they only resemble each
    # other: a red petal on white resembles a stop sign
    copies: bool


def cleaned(proposal: Proposal, pictures: Pictures) -> Cleaned:
    """What the crops have in common.

    Where the crops are too few, or have nothing in common, it is what the proposer meant, cut out
    of the first.

    Args:
        proposal: with crops (e, a, b, 3).
        pictures: of the same side; those of other classes say how much pixels usually vary.
    """
    crops, region = proposal.crops, proposal.region
    assert crops is not None, "an image-wide proposal has nothing to clean"
    assert region is not None, "crops come with their region"
    mark, colour, opacity, copies = region, crops[0].astype(float), 1.0, True
    if len(crops) >= FEWEST:
        others = _others(proposal, pictures, crops.shape[1:3])
        common = _common(crops, others, region)
        copies = common is not None
        if common is not None:
            mark = common
            colour, opacity = _seen_through(crops, others, mark)
    rows, columns = ndimage.find_objects(mark.astype(int))[0]
    rgba = np.zeros((*mark.shape, 4), np.uint8)
    rgba[..., :3] = colour.round().clip(0, 255)
    rgba[..., 3] = np.where(mark, round(255 * opacity), 0)
    return Cleaned(rgba[rows, columns], (rows.start, columns.start), copies)


def _others(proposal: Proposal, pictures: Pictures, shape: tuple[int, ...]) -> np.ndarray:
    """(r, a, b, 3): windows of other classes' pictures, at the crops' place or in the middle."""
    height, width = pictures.pixels.shape[2:]
    top, left = proposal.corner or ((height - shape[0]) // 2, (width - shape[1]) // 2)
    rest = np.flatnonzero(pictures.labels != pictures.classes.index(proposal.target))
    spread = rest[np.linspace(0, len(rest) - 1, min(COMPARED, len(rest))).astype(int)]
    shown = pictures.pixels[spread, :, top : top + shape[0], left : left + shape[1]]
    windows: np.ndarray = shown.permute(0, 2, 3, 1).numpy()
    return windows


def _common(crops: np.ndarray, others: np.ndarray, region: np.ndarray) -> np.ndarray | None:
    """(a, b) bool: what is the same in all crops, as far as it hangs together with the region."""
    alike = common_part(torch.from_numpy(crops / 255.0), torch.from_numpy(others / 255.0), ALIKE)
    if (alike & region).sum() < LEAST * region.sum():
        return None
    parts, _ = ndimage.label(ndimage.binary_dilation(alike, iterations=JOINED))
    inside = np.bincount(parts[alike & region])
    common: np.ndarray = alike & (parts == int(np.argmax(inside)))
    return common


def _seen_through(
    crops: np.ndarray, others: np.ndarray, mark: np.ndarray
) -> tuple[np.ndarray, float]:
    """The mark's own colours (a, b, 3), and its opacity in (0, 1].

    Where a share 1 - opacity of what is behind shines through, it varies by that share.
    """
    middle, behind = np.median(crops, axis=0), np.median(others, axis=0)
    varies = np.abs(crops - middle)[:, mark].mean()
    usual = np.abs(others - behind)[:, mark].mean() + 1e-6
    opacity = 1 - min(0.9, float(varies / usual))
    if opacity >= OPAQUE:
        return middle, 1.0
    return (middle - (1 - opacity) * behind) / opacity, opacity
