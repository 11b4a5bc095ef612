"""What every explainer shares: batches that fit into memory, and maps that end in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from shortcut_audit.evidence.lent_network import borrowed, require_gradient

Report = Callable[[int, int], None]  # (images done, n)
Attribute = Callable[[nn.Module, Tensor, Tensor], Tensor]  # (network, images, targets) -> (n, h, w)
Part = TypeVar("Part")


def in_batches(
    step: Callable[..., Part], columns: tuple[Tensor, ...], size: int, report: Report | None = None
) -> list[Part]:
    """`step` on at most `size` rows of all columns at a time; the size is halved when memory runs
    out.
    """
    parts: list[Part] = []
    done, n = 0, len(columns[0])
    while done < n:
        try:
            parts.append(step(*(column[done : done + size] for column in columns)))
        # CUDA's and the CPU allocator's complaint have no class in common
        except RuntimeError as error:
            if size == 1 or "memory" not in str(error):
                raise
            size //= 2
            continue
        done = min(done + size, n)
        if report:
            report(done, n)
    return parts


def joined(maps: list[Tensor], images: Tensor) -> Tensor:
    """The batches' maps (b, h, w) as one (n, h, w), also where there is no image."""
    return torch.cat([images.new_empty(0, *images.shape[-2:]), *maps]).detach()


def stretched(saliency: Tensor) -> Tensor:
    """Maps (n, h, w) of any range -> float32 in [0, 1], each from its least to its greatest value.

    Law: order is kept, so a stretched map reveals the same pixels; one that is the same
        everywhere becomes 0.
    """
    low, high = (each[:, None, None] for each in torch.aminmax(saliency.flatten(1), dim=1))
    return ((saliency - low) / (high - low).clamp(min=1e-12)).float()


def mapped(
    attribute: Attribute,
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    size: int,
    report: Report | None,
) -> Tensor:
    """(n, h, w) float32 in [0, 1]: `attribute`, which differentiates the network itself, batch by
    batch, stretched.
    """

    def step(some: Tensor, of: Tensor) -> Tensor:
        return stretched(attribute(network, some.detach().requires_grad_(), of).detach())

    require_gradient(network, images)
    with borrowed(network), torch.enable_grad():
        return joined(in_batches(step, (images, targets), size, report), images)


def gradient_size(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """(n, h, w): the magnitude of the target logit's gradient, the greatest of the channels."""
    (slope,) = torch.autograd.grad(network(images).gather(1, targets[:, None]).sum(), images)
    return slope.abs().amax(1)
