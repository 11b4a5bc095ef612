"""Small windows of pictures: where the contrast is, what they look like, and what is nearest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

FINEST = 64  # side in pixels: larger pictures are made smaller, for what recurs is seen there, too
ROWS = 32  # of patches down a picture
POINTS = 8  # down and across each patch; larger patches are averaged
NUMBERS = 24  # principal components of a patch
RIDGE = 0.02  # of whitening, as a share of the largest variance
KEPT = 3  # of a picture's patches, one in so many: those with most contrast
CHUNK = 50  # pictures at once, which bounds the memory


@dataclass(frozen=True, eq=False)
class Basis:
    """How a patch becomes a few numbers that vary alike."""

    middle: Tensor  # (p,)
    axes: Tensor  # (p, NUMBERS)
    size: int  # of a patch, pixels


@dataclass(frozen=True, eq=False)
class Patches:
    """The m patches of most contrast in each of n pictures."""

    numbers: Tensor  # (n, m, d)
    corners: Tensor  # (n, m, 2) int64: top, left


def reduced(pixels: Tensor) -> Tensor:
    """Pictures (n, 3, h, w) uint8 -> float32 in [0, 1], at most FINEST pixels wide."""
    pictures, side = pixels.float() / 255, pixels.shape[2]
    return pictures if side <= FINEST else F.adaptive_avg_pool2d(pictures, FINEST)


def fitted(pictures: Tensor, size: int) -> Basis:
    """The principal components of patches of this size of pictures (n, 3, h, w), whitened."""
    every = _unfolded(pictures, size)
    sample = every.reshape(-1, every.shape[2])[:: max(1, every.shape[0] * every.shape[1] // 20000)]
    middle = sample.mean(0)
    away = sample - middle
    variances, axes = torch.linalg.eigh(away.T @ away / len(away))
    variances, axes = variances.flip(0)[:NUMBERS], axes.flip(1)[:, :NUMBERS]
    return Basis(middle, axes / (variances + RIDGE * variances[0] + 1e-9).sqrt(), size)


def patches(pictures: Tensor, basis: Basis) -> Patches:
    """The patches of pictures (n, 3, h, w) that have most contrast."""
    numbers, corners = [], []
    for some in torch.split(pictures, CHUNK):
        every = _unfolded(some, basis.size)  # (c, l, p)
        colours = every.reshape(*every.shape[:2], 3, -1)
        contrast = (colours - colours.mean(3, keepdim=True)).square().mean((2, 3))
        best = contrast.topk(max(1, every.shape[1] // KEPT), dim=1).indices  # (c, m)
        seen = (every - basis.middle) @ basis.axes
        numbers.append(seen.gather(1, best[..., None].expand(-1, -1, seen.shape[2])))
        step, across = _step(some), (some.shape[3] - basis.size) // _step(some) + 1
        corners.append(torch.stack([best // across, best % across], 2) * step)
    return Patches(torch.cat(numbers), torch.cat(corners))


def nearest(queries: Tensor, among: Patches) -> tuple[Tensor, Tensor]:
    """The most similar patch of each of n pictures: squared distances (q, n) and places (q, n)."""
    distances, places = [], []
    for some in torch.split(among.numbers, CHUNK):
        flat = some.flatten(0, 1)
        away = torch.addmm(flat.square().sum(1), queries, flat.T, alpha=-2)
        least = away.reshape(len(queries), *some.shape[:2]).min(2)
        distances.append(least.values)
        places.append(least.indices)
    return torch.cat(distances, 1) + queries.square().sum(1, keepdim=True), torch.cat(places, 1)


def differences(query: Tensor, pictures: Tensor, corners: Tensor) -> tuple[Tensor, Tensor]:
    """How far each of n pictures is from a patch at these places, one pixel more or less.

    Args:
        query: (3, s, s) in [0, 1].
        pictures: (n, 3, h, w).
        corners: (n, 2) int64, top and left.

    Returns:
        (n,) the squared difference as a share of the patch's own contrast: 0 is a copy, about 2 is
        any other patch; and (n, 2) the corners where it is least.
    """
    size, step = query.shape[1], _step(pictures)
    contrast = (query - query.mean((1, 2), keepdim=True)).square().sum() + 1e-3
    most = torch.tensor(pictures.shape[2:]) - size
    places, found = [], []
    image = torch.arange(len(pictures))[:, None, None]
    for down in range(1 - step, step):
        for across in range(1 - step, step):
            at = (corners + torch.tensor([down, across])).clamp(min=0).minimum(most)
            rows = at[:, 0, None, None] + torch.arange(size)[:, None]
            columns = at[:, 1, None, None] + torch.arange(size)
            shown = pictures[image, :, rows, columns]  # (n, s, s, 3)
            found.append((shown - query.permute(1, 2, 0)).square().sum((1, 2, 3)) / contrast)
            places.append(at)
    least = torch.stack(found).min(0)
    chosen = torch.stack(places)[least.indices, torch.arange(len(pictures))]
    return least.values, chosen


def _step(pictures: Tensor) -> int:
    """Pixels from one patch to the next."""
    return max(1, pictures.shape[2] // ROWS)


def _unfolded(pictures: Tensor, size: int) -> Tensor:
    """(n, l, p): the patches of pictures (n, 3, h, w), averaged to at most POINTS x POINTS."""
    points = min(POINTS, size)
    wide = size // points
    seen = F.avg_pool2d(pictures, wide, 1) if wide > 1 else pictures
    return F.unfold(seen, points, dilation=wide, stride=_step(pictures)).transpose(1, 2)
