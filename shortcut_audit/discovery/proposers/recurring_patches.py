"""What recurs nearly unchanged at any place: a sticker, a sign, a logo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from shortcut_audit.contracts import Progress
from shortcut_audit.discovery.appearance.copies import (
    OTHERS,
    SEARCHED,
    Copies,
    Sides,
    copies,
    distinct,
)
from shortcut_audit.discovery.appearance.patches import FINEST, fitted, reduced
from shortcut_audit.discovery.appearance.standing_out import (
    FEWEST,
    box_of,
    common_part,
    in_order,
)
from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.proposal import Proposal
from shortcut_audit.records import Pictures
from shortcut_audit.registry import register

ALIKE = 0.15  # of the usual spread; a copy keeps less
COMPARED = 60  # pictures of other classes that show how much a window usually varies


@register("proposer")
@dataclass(frozen=True)
class RecurringPatches:
    """Patches that many pictures of a class, and hardly any others, contain as near copies.

    Parts of natural objects resemble each other; what was pasted is the same, pixel by pixel. The
    score is the share of the class that certainly has a copy.
    """

    least: float = 0.015  # score; honest classes stay below it
    most: int = 3  # proposals of a class
    size: float = 0.125  # of a patch, as a share of the picture's side

    of_models: ClassVar[bool] = False

    def propose(self, search: Ground, report: Progress | None = None) -> Sequence[Proposal]:
        """Things that recur at any place in a class's pictures, the likeliest first."""
        seek, rank = in_order(search.parts.search), in_order(search.parts.rank)
        size = max(3, round(self.size * min(FINEST, seek.pixels.shape[2])))
        basis = fitted(reduced(seek.pixels[: SEARCHED + OTHERS]), size)
        found: list[Proposal] = []
        for done, target in enumerate(search.targets, 1):
            ranked, recurring = copies(seek, rank, target, basis)
            found += self._proposed(rank, target, ranked, recurring, size)
            if report:
                report(done, len(search.targets))
        return sorted(found, key=lambda proposal: -proposal.score)

    def _proposed(
        self, rank: Pictures, target: int, ranked: Sides, recurring: list[Copies], size: int
    ) -> Iterator[Proposal]:
        """The class's proposals, as large as what the copies have in common."""
        certain = [each for each in recurring if each.score >= self.least]
        shown = [each for each in certain if len(each.pictures) >= FEWEST]
        for each in list(distinct(shown, size))[: self.most]:
            region, corners, kept = _grown(each, ranked, size)
            pictures = ranked.own[each.pictures[kept]]
            yield self._proposal(
                rank, target, each, _Cut(region, corners, pictures), len(ranked.own)
            )

    def _proposal(
        self, rank: Pictures, target: int, found: Copies, cut: _Cut, searched: int
    ) -> Proposal:
        region, corners, crops = _full_size(rank, cut)
        name = rank.classes[target]
        fixed = corners[0] if (corners == corners[0]).all() else None
        words = (
            f"{found.count} of {searched} pictures of '{name}' contain copies of the same "
            f"{region.shape[1]} x {region.shape[0]} pixels, and hardly any other picture does"
        )
        return Proposal(
            "recurring_patches",
            name,
            found.score,
            words,
            crops=crops,
            region=region,
            corner=None if fixed is None else (int(fixed[0]), int(fixed[1])),
            side=rank.pixels.shape[2],
            sources=tuple(rank.ids[i] for i in cut.pictures),
        )


@dataclass(frozen=True, eq=False)
class _Cut:
    """What is to be cut out of e pictures, in pixels of the reduced pictures."""

    region: np.ndarray  # (a, b) bool
    corners: np.ndarray  # (e, 2) top and left
    pictures: np.ndarray  # (e,) indices in the split


def _grown(found: Copies, ranked: Sides, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the copies have in common around the patch.

    Returns:
        the region (a, b) bool, its corners (e, 2), and which copies hold all of it, as indices (e,)
        of the copies; the patch alone where fewer than FEWEST do.
    """
    side = ranked.pictures.shape[2]
    reach = side // 2
    patch = np.zeros((2 * reach + size,) * 2, dtype=bool)
    patch[reach : reach + size, reach : reach + size] = True
    others = np.arange(len(ranked.own), len(ranked.pictures))[:COMPARED]
    corners = found.corners[np.arange(len(others)) % len(found.corners)]
    alike = common_part(
        _windows(ranked.pictures[found.pictures], found.corners, size, reach),
        _windows(ranked.pictures[others], corners, size, reach),
        ALIKE,
    )
    joined, _ = ndimage.label(ndimage.binary_opening(alike, np.ones((2, 2))) | patch)
    for region in (joined == joined[reach, reach], patch):
        rows, columns = box_of(region)
        at = found.corners - reach + [rows.start, columns.start]
        region = region[rows, columns]
        kept = np.flatnonzero((at >= 0).all(1) & (at + region.shape <= side).all(1))
        if len(kept) >= FEWEST:
            break
    return region, at[kept], kept


def _windows(pictures: Tensor, corners: np.ndarray, size: int, reach: int) -> Tensor:
    """What is around the patch in each picture, (e, a, a, 3); NaN beyond the picture."""
    wide = F.pad(pictures, (reach,) * 4, value=torch.nan)
    shown = []
    for picture, (top, left) in zip(wide, corners, strict=True):
        shown.append(picture[:, top : top + size + 2 * reach, left : left + size + 2 * reach])
    return torch.stack(shown).permute(0, 2, 3, 1)


def _full_size(pictures: Pictures, cut: _Cut) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Region (a, b), corners (e, 2) and crops (e, a, b, 3) in the pictures' own pixels."""
    side = pictures.pixels.shape[2]
    scale = side / min(side, FINEST)
    shape = [round(scale * length) for length in cut.region.shape]
    rows, columns = (
        np.minimum((np.arange(length) / scale).astype(int), limit - 1)
        for length, limit in zip(shape, cut.region.shape, strict=True)
    )
    most = side - np.array(shape)
    corners = np.minimum(np.rint(scale * cut.corners).astype(int), most)
    crops = []
    for i, (top, left) in zip(cut.pictures, corners, strict=True):
        crops.append(pictures.pixels[int(i), :, top : top + shape[0], left : left + shape[1]])
    return (
        cut.region[rows][:, columns],
        corners,
        torch.stack(crops).permute(0, 2, 3, 1).numpy(),
    )
