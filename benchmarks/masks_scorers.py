"""Four judges of a mask that are neither ours alone nor the reference's: what is not revealed is
blurred as the reference does (zeros beyond the border), as we do (the border repeated), grey, or
noise.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from shortcut_audit.evidence.masks.perturbation import REFERENCE_SIDE, SIGMA, gaussian_blur

NOISE_SEED = 7


def hidden(images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Name -> what images (n, 3, h, w) in [0, 1] show where nothing is revealed; the reference's
    blur only where TorchRay is installed, at its own 20 pixels whatever the image's size.
    """
    try:
        from torchray.utils import imsmooth

        yield "reference's blur", imsmooth(images, sigma=SIGMA)
    except ImportError:
        pass
    yield "our blur", gaussian_blur(images, SIGMA * min(images.shape[-2:]) / REFERENCE_SIDE)
    yield "grey", torch.full_like(images, 0.5)
    draws = torch.Generator().manual_seed(NOISE_SEED)
    yield "noise", torch.rand(images.shape, generator=draws)


@torch.no_grad()
def judged(
    network: nn.Module, images: Tensor, targets: Tensor, shown: Tensor
) -> dict[str, np.ndarray]:
    """Judge -> the targets' logits, (n,), where (n, h, w) bool of each image is shown."""
    found = {}
    for name, other in hidden(images):
        views = torch.where(shown[:, None], images, other)
        pairs = zip(views.split(32), targets.split(32), strict=True)
        logits = [network(view).gather(1, each[:, None])[:, 0] for view, each in pairs]
        found[name] = torch.cat(logits).numpy()
    return found
