"""What the class's score does while a saliency's top pixels go, or come (Petsiuk, Das, Saenko 2018,
section 4.2).
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
    """(n, steps + 1) softmax score of the class after the top 0, 1/steps, ... 1 of the pixels are
    perturbed; low is good.

    Law: the first value is the image's own score, the last that of the wholly perturbed image;
        of equal pixels the one higher
    up, then further left, comes first, as in `top_area`.

    Args:
        network: images in [0, 1] -> logits; left as found.
        images: (n, 3, h, w) in [0, 1].
        targets: (n,) int64.
        saliency: (n, h, w), any range.
        steps: one or more.
    """
    return _curve(network, images, targets, saliency, steps, perturbation, deleted=True)


def insertion_curve(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    saliency: Tensor,
    steps: int = 20,
    perturbation: Perturbation = "blur",
) -> Tensor:
    """(n, steps + 1) as `deletion_curve`, but the top pixels are shown on the perturbed image; high
    is good.
    """
    return _curve(network, images, targets, saliency, steps, perturbation, deleted=False)


def area_under(curves: Tensor) -> Tensor:
    """(n,) in [0, 1]: the curve's mean height, by trapezoids."""
    return torch.trapezoid(curves, dim=1) / (curves.shape[1] - 1)


def _curve(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    saliency: Tensor,
    steps: int,
    perturbation: Perturbation,
    deleted: bool,
) -> Tensor:
    rank = _ranks(saliency)
    counts = [round(step * rank.shape[1] * rank.shape[2] / steps) for step in range(steps + 1)]
    with lean(network, images[:2]) as logits, torch.no_grad():

        def step(places: Tensor, of: Tensor) -> Tensor:
            levels = perturbation_levels(images[places], perturbation)
            shown = [(rank[places] < count) != deleted for count in counts]
            scores = [
                logits(perturbed(levels, each.to(levels))).softmax(1).gather(1, of[:, None])
                for each in shown
            ]
            return torch.cat(scores, dim=1)

        parts = in_batches(step, (torch.arange(len(images), device=images.device), targets), 64)
    return torch.cat([images.new_empty(0, steps + 1), *parts])


def _ranks(saliency: Tensor) -> Tensor:
    """(n, h, w) int64: 0 for the pixel with the highest saliency."""
    order = (
        saliency.flatten(1)
        .nan_to_num(nan=-torch.inf, neginf=-torch.inf, posinf=torch.inf)
        .argsort(dim=1, descending=True, stable=True)
    )
    return order.argsort(dim=1).view_as(saliency)
