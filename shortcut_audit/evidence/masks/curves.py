"""What happens to the class's score while a saliency's top pixels are taken away, or shown.

Petsiuk, Das, Saenko 2018, section 4.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shortcut_audit.evidence.lent_network import lean
from shortcut_audit.evidence.masks.attribution import in_batches
from shortcut_audit.evidence.masks.perturbation import Perturbation, perturbation_levels, perturbed


def deletion_curve(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    saliency: Tensor,
    steps: int = 20,
    perturbation: Perturbation = "blur",
) -> Tensor:
    """Gives the score of the class after the top 0, 1/steps, ... 1 of the pixels are perturbed.

    A low curve is good. Laws: the first value is the image's own score, and the last that of the
    wholly perturbed image. Of equal pixels the one higher up, then further left, comes first, as in
    `mask_of_area`.

    Args:
        network: images in [0, 1] -> logits; left as found.
        images: (n, 3, h, w) in [0, 1].
        targets: (n,) int64.
        saliency: (n, h, w), any range.
        steps: one or more.

    Returns:
        (n, steps + 1) softmax scores.
    """
    pixels = saliency.shape[1] * saliency.shape[2]
    kept = [pixels - gone for gone in _counts(saliency, steps)]
    lowest_first = pixels - 1 - _ranks(saliency)
    return _scores_of_shown(network, images, targets, lowest_first, kept, perturbation)


def insertion_curve(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    saliency: Tensor,
    steps: int = 20,
    perturbation: Perturbation = "blur",
) -> Tensor:
    """Gives the same as `deletion_curve`, but shows the top pixels on the perturbed image.

    A high curve is good.
    """
    rank, counts = _ranks(saliency), _counts(saliency, steps)
    return _scores_of_shown(network, images, targets, rank, counts, perturbation)


def area_under(curves: Tensor) -> Tensor:
    """Gives each curve's mean height, (n,) in [0, 1], by trapezoids."""
    return torch.trapezoid(curves, dim=1) / (curves.shape[1] - 1)


def _scores_of_shown(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    rank: Tensor,
    counts: list[int],
    perturbation: Perturbation,
) -> Tensor:
    """(n, counts): the score with the pixels shown whose rank (n, h, w) is below each count."""
    with lean(network, images[:2]) as logits, torch.no_grad():

        def step(places: Tensor, of: Tensor) -> Tensor:
            levels = perturbation_levels(images[places], perturbation)
            columns = []
            for count in counts:
                shown = (rank[places] < count).to(levels)
                scores = logits(perturbed(levels, shown)).softmax(1)
                columns.append(scores.gather(1, of[:, None]))
            return torch.cat(columns, dim=1)

        parts = in_batches(step, (torch.arange(len(images), device=images.device), targets), 64)
    return torch.cat([images.new_empty(0, len(counts)), *parts])


def _counts(saliency: Tensor, steps: int) -> list[int]:
    """How many pixels the top 0, 1/steps, ... 1 of an image are."""
    pixels = saliency.shape[1] * saliency.shape[2]
    return [round(step * pixels / steps) for step in range(steps + 1)]


def _ranks(saliency: Tensor) -> Tensor:
    """(n, h, w) int64: 0 for the pixel with the highest saliency."""
    flat = saliency.flatten(1).nan_to_num(nan=-torch.inf, neginf=-torch.inf, posinf=torch.inf)
    order = flat.argsort(dim=1, descending=True, stable=True)
    return order.argsort(dim=1).view_as(saliency)
