"""A cut-out, pictures -> where each of them resembles it most, and how much."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

FLAT = 3.0  # grey levels; a place that varies less resembles nothing
GREY = 128.0  # taken away first: small sums keep more digits
CHUNK = 64  # pictures at once


def matches(crop: np.ndarray, region: np.ndarray, pixels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The normalised cross-correlation of a cut-out with every place of n pictures, at its best.

    Law: it is 1 where a picture contains the cut-out, also brighter or with more contrast, and
    what is outside the region does not count.

    Args:
        crop: (a, b, 3) uint8.
        region: (a, b) bool, what of it is meant.
        pixels: (n, 3, h, w) uint8 with h >= a and w >= b.

    Returns:
        (n,) in [-1, 1], and (n, 2) the top and the left of the best place.
    """
    inside = torch.from_numpy(region).float()  # (a, b)
    count = 3 * float(inside.sum())
    shown = (torch.from_numpy(crop).permute(2, 0, 1).float() - GREY) * inside  # (3, a, b)
    away = (shown - shown.sum() / count) * inside
    scores, corners = [], []
    for start in range(0, len(pixels), CHUNK):
        seen = pixels[start : start + CHUNK].float() - GREY
        total, square = _summed(seen.sum(1), inside), _summed(seen.square().sum(1), inside)
        spread = (square - total * total / count).clamp(min=count * FLAT**2).sqrt()
        found = _summed(seen, away) / (spread * away.square().sum().sqrt() + 1e-6)
        best, at = found.flatten(1).max(1)
        scores.append(best.clamp(-1, 1))
        corners.append(torch.stack([at // found.shape[2], at % found.shape[2]], 1))
    return torch.cat(scores).numpy(), torch.cat(corners).numpy()


def _summed(pictures: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of every window, over the channels where there are any, by Fourier.

    Args:
        pictures: (n, h, w) or (n, 3, h, w).
        weights: (a, b) or (3, a, b).

    Returns:
        (n, h - a + 1, w - b + 1).
    """
    height, width = pictures.shape[-2:]
    spectrum = torch.fft.rfft2(pictures) * torch.fft.rfft2(weights, s=(height, width)).conj()
    if pictures.ndim == 4:
        spectrum = spectrum.sum(1)
    whole: Tensor = torch.fft.irfft2(spectrum, s=(height, width))
    return whole[:, : height - weights.shape[-2] + 1, : width - weights.shape[-1] + 1]
