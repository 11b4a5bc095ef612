"""Masks by other people's tools, each used as its own documentation says: (network, images,
targets, area) -> masks, seconds.

Every function takes images (n, 3, h, w) in [0, 1] and gives (n, h, w) >= 0 and the CPU seconds of
each image, (n,).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from shortcut_audit.evidence.masks.smooth_maximum import Grid
from shortcut_audit.files.store import Store

Timed = Callable[[nn.Module, Tensor, Tensor, float], tuple[Tensor, np.ndarray]]


def image_by_image(make: Callable[[nn.Module, Tensor, int, float], Tensor]) -> Timed:
    """A tool that takes one image (1, 3, h, w) at a time and gives (h, w)."""

    def masks(
        network: nn.Module, images: Tensor, targets: Tensor, area: float
    ) -> tuple[Tensor, np.ndarray]:
        found, seconds = [], []
        for image, target in zip(images, targets.tolist(), strict=True):
            start = time.process_time()
            found.append(make(network, image[None], target, area).detach())
            seconds.append(time.process_time() - start)
        return torch.stack(found), np.array(seconds)

    return masks


def torchray(iterations: int = 800, keep: Path | None = None) -> Timed:
    """The reference, image by image, with step and sigma scaled to the image as ours are; masks may
    be kept from an earlier run.

    Args:
        iterations: of its optimiser.
        keep: a folder; its masks cost up to minutes an image, and are the same each time.
    """
    from torchray.attribution.extremal_perturbation import extremal_perturbation

    store = Store(keep) if keep else None

    def fresh(network: nn.Module, image: Tensor, target: int, area: float) -> dict[str, np.ndarray]:
        step, start = Grid(*image.shape[-2:]).step, time.process_time()
        options = {"areas": [area], "max_iter": iterations, "step": step, "sigma": 3 * step}
        mask, _ = extremal_perturbation(network, image, target, **options)
        return {
            "mask": mask[0, 0].detach().numpy(),
            "seconds": np.array(time.process_time() - start),
        }

    def masks(
        network: nn.Module, images: Tensor, targets: Tensor, area: float
    ) -> tuple[Tensor, np.ndarray]:
        weights = hashlib.sha256(
            b"".join(value.numpy().tobytes() for value in network.state_dict().values())
        ).hexdigest()
        found = []
        for image, target in zip(images, targets.tolist(), strict=True):
            pixels = hashlib.sha256(image.numpy().tobytes()).hexdigest()
            key = {
                "weights": weights,
                "pixels": pixels,
                "target": target,
                "area": area,
                "iterations": iterations,
            }
            key["step"] = Grid(*image.shape[-2:]).step
            each = (network, image[None], target, area)
            found.append(
                store.arrays("torchray", key, lambda each=each: fresh(*each))
                if store
                else fresh(*each)
            )
        return torch.stack([torch.from_numpy(each["mask"]) for each in found]), np.array(
            [each["seconds"] for each in found]
        )

    return masks


def grad_cam() -> Timed:
    """pytorch-grad-cam's Grad-CAM at the last convolution."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def one(network: nn.Module, image: Tensor, target: int, _area: float) -> Tensor:
        last = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)][-1]
        flags = [parameter.requires_grad for parameter in network.parameters()]
        network.requires_grad_(True)
        with GradCAM(network, [last]) as cam:
            shown = cam(image, [ClassifierOutputTarget(target)])
        for parameter, flag in zip(network.parameters(), flags, strict=True):
            parameter.requires_grad_(flag)
        return torch.from_numpy(shown[0])

    return image_by_image(one)
