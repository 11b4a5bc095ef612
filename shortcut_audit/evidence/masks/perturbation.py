"""An image seen through a mask: kept where the mask is 1, perturbed where it is 0.

Every perturbation is a table of levels from wholly perturbed to untouched, and the mask says which
level each pixel is taken from.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Perturbation = Literal["blur_pyramid", "blur", "fade"]

REFERENCE_SIDE = 224  # pixels at which the thesis's sizes hold; they scale with the image
PYRAMID_LEVELS = 8
SIGMA = 20.0  # pixels, the strongest blur at the reference's side


def perturbation_levels(images: Tensor, kind: Perturbation = "blur_pyramid") -> Tensor:
    """Gives the images from wholly perturbed (first level) to untouched (last).

    `blur_pyramid` has eight levels with sigma = 20 px * (1 - l / 7) at 224 px (thesis 2.6, Fong et
    al. 2019); `blur` has only its first and its last; `fade` turns to the image's mean colour.

    Args:
        images: (n, 3, h, w) float32 in [0, 1].

    Returns:
        (n, levels, 3, h, w) in [0, 1].
    """
    if kind == "fade":
        return torch.stack([images.mean(dim=(2, 3), keepdim=True).expand_as(images), images], dim=1)
    count = PYRAMID_LEVELS if kind == "blur_pyramid" else 2
    strongest = SIGMA * min(images.shape[-2:]) / REFERENCE_SIDE
    levels = []
    for level in range(count - 1):
        levels.append(gaussian_blur(images, strongest * (1 - level / (count - 1))))
    return torch.stack([*levels, images], dim=1)


def perturbed(levels: Tensor, masks: Tensor) -> Tensor:
    """Shows the images through the masks.

    A mask's value m reads the levels at position m * (levels - 1), linearly between two of them.

    Args:
        levels: (n, levels, 3, h, w), from `perturbation_levels`.
        masks: (n, h, w) in [0, 1]; 1 keeps.

    Returns:
        (n, 3, h, w); differentiable by the masks.
    """
    position = masks * (levels.shape[1] - 1)
    low = position.detach().floor().clamp(0, levels.shape[1] - 2)  # (n, h, w)
    index = low.long()[:, None, None].expand(-1, 1, levels.shape[2], -1, -1)
    below, above = levels.gather(1, index)[:, 0], levels.gather(1, index + 1)[:, 0]  # (n, 3, h, w)
    return torch.addcmul(below, (position - low)[:, None], above - below)


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Blurs images by a Gaussian that repeats the border.

    Law: a uniform image stays as it is, whatever its size.

    Args:
        images: (..., h, w).
        sigma: pixels; 0 leaves the image alone.
    """
    if sigma <= 0:
        return images
    rows = _blur_matrix(images.shape[-2], sigma).to(images)
    columns = _blur_matrix(images.shape[-1], sigma).to(images)
    return rows @ images @ columns.T


def _blur_matrix(size: int, sigma: float) -> Tensor:
    """(size, size): row i holds the weights of the pixels that make pixel i.

    Taps beyond the border fall on its last pixel.
    """
    reach = math.ceil(4 * sigma)
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-(offsets.double() ** 2) / (2 * sigma**2))
    targets = (torch.arange(size)[:, None] + offsets).clamp(0, size - 1)  # (size, taps)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    return matrix.scatter_add_(1, targets, (weights / weights.sum()).expand(size, -1)).float()
