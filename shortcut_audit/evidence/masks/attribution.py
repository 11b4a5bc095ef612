"""What explainers share: batches that fit into memory, and maps that end in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from shortcut_audit.errors import out_of_memory
from shortcut_audit.evidence.lent_network import borrowed, require_gradient

Report = Callable[[int, int], None]  # (images done, n)
Attribute = Callable[[nn.Module, Tensor, Tensor], Tensor]  # (network, images, targets) -> (n, h, w)
Part = TypeVar("Part")


def in_batches(
    step: Callable[..., Part], columns: tuple[Tensor, ...], size: int, report: Report | None = None
) -> list[Part]:
    """Runs `step` on the columns, at most `size` rows at a time, and lists what it gives.

    Where memory runs out half as many are tried, down to one.
    """
    parts: list[Part] = []
    done, n = 0, len(columns[0])
    while done < n:
        rows = [column[done : done + size] for column in columns]
        try:
            parts.append(step(*rows))
        # CUDA's and the CPU allocator's errors have no class in common
        except Exception as error:
            if len(rows[0]) == 1 or not out_of_memory(error):
                raise
            size = len(rows[0]) // 2
            continue
        done = min(done + size, n)
        if report:
            report(done, n)
    return parts


def joined(maps: list[Tensor], images: Tensor) -> Tensor:
    """Joins the batches' maps (b, h, w) to one (n, h, w), also where there is no image."""
    return torch.cat([images.new_empty(0, *images.shape[-2:]), *maps]).detach()


def stretched(saliency: Tensor) -> Tensor:
    """Stretches each map to [0, 1], from its least to its greatest value.

    Law: the order is kept, so that a stretched map reveals the same pixels. A map that is the same
    everywhere becomes 0.

    Args:
        saliency: (n, h, w), any range.

    Returns:
        (n, h, w) float32.
    """
    low, high = torch.aminmax(saliency.flatten(1), dim=1)
    low, high = low[:, None, None], high[:, None, None]
    return ((saliency - low) / (high - low).clamp(min=1e-12)).float()


def mapped(
    attribute: Attribute,
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    size: int,
    report: Report | None,
) -> Tensor:
    """Runs `attribute`, which differentiates the network itself, in batches, and stretches it.

    Returns:
        (n, h, w) float32 in [0, 1].
    """

    def step(some: Tensor, of: Tensor) -> Tensor:
        return stretched(attribute(network, some.detach().requires_grad_(), of).detach())

    require_gradient(network, images)
    with borrowed(network), torch.enable_grad():
        return joined(in_batches(step, (images, targets), size, report), images)


def gradient_size(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Gives the magnitude of the target logit's gradient, (n, h, w): the greatest of the channels.

    The images must require gradients.
    """
    (slope,) = torch.autograd.grad(network(images).gather(1, targets[:, None]).sum(), images)
    return slope.abs().amax(1)
