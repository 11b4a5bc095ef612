"""Random crops and flips of a whole batch at once. uint8 -> float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from shortcut_audit.settings import Augmentation

# random numbers that an image needs: mirrored or not, upside down or not, the crop's area, and
# its place across and down
DRAWS = 5


def augment(pixels: Tensor, draws: Tensor, settings: Augmentation) -> Tensor:
    """(b, 3, h, w) uint8 and draws (b, 5) uniform in [0, 1) -> (b, 3, h, w) float32 in [0, 1].

    Each image has its own draws, so that neither the batch size nor the neighbours change what
    happens to it.
    Law: with `crop=None` and no flips the image is unchanged.
    """
    if settings.horizontal_flip:
        pixels = _half_flipped(pixels, draws[:, 0], axis=3)
    if settings.vertical_flip:
        pixels = _half_flipped(pixels, draws[:, 1], axis=2)
    images = pixels.float() / 255
    return images if settings.crop is None else _crop(images, draws[:, 2:], settings.crop)


def _half_flipped(pixels: Tensor, draws: Tensor, axis: int) -> Tensor:
    """The images (b, 3, h, w), flipped where their draw (b,) is below a half."""
    return torch.where((draws < 0.5)[:, None, None, None], pixels.flip(axis), pixels)


def _crop(images: Tensor, draws: Tensor, share: tuple[float, float]) -> Tensor:
    """A part of each image (b, 3, h, w), resized back to the whole image's size bilinearly.

    The part has the image's aspect and a share of its area; draws (b, 3) give area and place.
    """
    b, _, h, w = images.shape
    # the crop's side as a share of the image's, (b, 1)
    side = (share[0] + (share[1] - share[0]) * draws[:, :1]).sqrt()
    centre = (1 - side) * (2 * draws[:, 1:] - 1)  # (b, 2) across and down; the image spans -1 to 1
    across = centre[:, 0, None] + side * _middles(w, draws)  # (b, w)
    down = centre[:, 1, None] + side * _middles(h, draws)  # (b, h)
    grid = torch.stack(
        [across[:, None, :].expand(b, h, w), down[:, :, None].expand(b, h, w)], dim=3
    )
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _middles(n: int, like: Tensor) -> Tensor:
    """Where the middles of n pixels lie between -1 and 1, (n,)."""
    return (2 * torch.arange(n, device=like.device, dtype=like.dtype) + 1) / n - 1
