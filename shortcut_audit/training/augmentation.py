"""Random crops and flips of a whole batch in one resampling. uint8 -> float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from shortcut_audit.scenario import Augmentation

DRAWS = 5  # random numbers an image needs: share of the area, place across and down, mirrored or not, upside down or not


def augment(pixels: Tensor, draws: Tensor, settings: Augmentation) -> Tensor:
    """(b, 3, h, w) uint8 and draws (b, 5) uniform in [0, 1) -> (b, 3, h, w) float32 in [0, 1].

    A crop keeps a share of the image's area and its aspect, and is resized back bilinearly; a flip mirrors the crop.
    Each image has its own draws, so that neither the batch size nor the neighbours change what happens to it.
    Law: with `crop=None` and no flips the image is unchanged.
    """
    images = pixels.float() / 255
    if settings.crop is None and not (settings.horizontal_flip or settings.vertical_flip):
        return images
    low, high = settings.crop or (1.0, 1.0)
    side = (low + (high - low) * draws[:, :1]).sqrt()  # (b, 1) of the crop, as a share of the image's side
    centre = (1 - side) * (2 * draws[:, 1:3] - 1)  # (b, 2) across and down; the image spans -1 to 1
    flipped = draws[:, 3:] < 0.5 * draws.new_tensor([settings.horizontal_flip, settings.vertical_flip])  # (b, 2)
    step = torch.where(flipped, -side, side)  # (b, 2)
    b, _, h, w = images.shape
    across, down = (centre[:, i, None] + step[:, i, None] * _middles(n, draws) for i, n in enumerate((w, h)))  # (b, w), (b, h)
    grid = torch.stack([across[:, None, :].expand(b, h, w), down[:, :, None].expand(b, h, w)], dim=3)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _middles(n: int, like: Tensor) -> Tensor:
    """Where the middles of n pixels lie between -1 and 1, (n,)."""
    return (2 * torch.arange(n, device=like.device, dtype=like.dtype) + 1) / n - 1
