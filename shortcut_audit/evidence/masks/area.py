"""Saliency -> the pixels that a mask reveals: exactly a share of the image, for every explainer."""

from __future__ import annotations

import torch
from torch import Tensor

from shortcut_audit.errors import UsageError

STEEP = 4.0  # how much steeper than a straight line from the edge to the peak


def mask_of_area(saliency: Tensor, area: float | Tensor) -> Tensor:
    """Reveals the share `area` of each image in which its saliency is highest.

    Of equal pixels the one that is higher up, then further left, comes first, so that the result
    does not depend on the sorting algorithm. Law: exactly round(area * h * w) pixels of each image
    are revealed (at least one), whatever the ties.

    Args:
        saliency: (n, h, w), any range; NaN counts as the least.
        area: share of the IMAGE, in (0, 1); one for all, or (n,).

    Returns:
        (n, h, w) bool.

    Raises:
        UsageError: the area is no share.
    """
    shares = checked_areas(area, saliency)
    flat = saliency.flatten(1)  # (n, h * w)
    flat = flat.nan_to_num(nan=-torch.inf, neginf=-torch.inf, posinf=torch.inf)
    count = (shares * flat.shape[1]).round().clamp(min=1)  # (n,)
    first = torch.arange(flat.shape[1], device=flat.device) < count[:, None]  # (n, h * w)
    order = flat.argsort(dim=1, descending=True, stable=True)
    return torch.zeros_like(first).scatter_(1, order, first).view_as(saliency)


def checked_areas(area: float | Tensor, images: Tensor) -> Tensor:
    """Gives (n,) float64 areas for n images; a single number counts for all of them.

    Raises:
        UsageError: an area is no share of an image, or there are more or fewer areas than images.
    """
    shares = torch.as_tensor(area, dtype=torch.float64, device=images.device)
    if shares.ndim and shares.shape != images.shape[:1]:
        raise UsageError(
            f"{len(images)} images need one area, or one each, not {tuple(shares.shape)}"
        )
    if not bool(((shares > 0) & (shares < 1)).all()):
        raise UsageError(
            f"an area is a share of the image between 0 and 1, not {area}; 0.05 is five per cent"
        )
    return shares.expand(len(images))


def sharpened(masks: Tensor, area: float | Tensor, tolerance: float = 0.002) -> Tensor:
    """Steepens the edge of masks, so that what is rendered has the area that was asked for.

    A value m becomes clip(1/2 + gain * (m - t)), where t divides the top `area` from the rest. The
    gain is the least at which the mask uses the whole range up to 1, times the first of 1, 1.25,
    1.25^2, ... at which the mean is `area` too. Laws: rounding reveals what `mask_of_area` does;
    the mean is within `tolerance` of `area`.

    Args:
        masks: (n, h, w) in [0, 1].
        area: share of the image, in (0, 1); one for all, or (n,).
        tolerance: how far from the area the mean may be, as a share.

    Returns:
        (n, h, w) in [0, 1].
    """
    shares = checked_areas(area, masks)
    shown = mask_of_area(masks, shares)  # (n, h, w) bool
    lowest = masks.masked_fill(~shown, torch.inf).amin((1, 2), keepdim=True)  # (n, 1, 1)
    highest = masks.masked_fill(shown, -torch.inf).amax((1, 2), keepdim=True)
    edge = masks - (lowest + highest) / 2
    edge = edge * (STEEP * 0.5 / edge.amax((1, 2), keepdim=True).clamp(1e-6, 0.5))
    result = shown.to(masks)  # the limit of an infinite gain
    left = torch.ones(len(masks), dtype=torch.bool, device=masks.device)
    for power in range(40):
        steep = 0.5 + edge * 1.25**power
        soft = torch.where(shown, steep.clamp(0.5, 1), steep.clamp(0, 0.4999))
        fits = left & ((soft.mean((1, 2)) - shares).abs() <= tolerance)
        result[fits] = soft[fits]
        left &= ~fits
        if not bool(left.any()):
            break
    return result
