"""Meaningful perturbation (Fong, Vedaldi 2017; thesis 2.5): the smallest smooth mask that keeps the
class, or that removes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.evidence.lent_network import lean, require_gradient
from shortcut_audit.evidence.masks.attribution import Report, in_batches, joined
from shortcut_audit.evidence.masks.perturbation import (
    REFERENCE_SIDE,
    Perturbation,
    perturbation_levels,
    perturbed,
)
from shortcut_audit.evidence.masks.search import Logits
from shortcut_audit.registry import register

# images that are differentiated together: fewer go through other routines, whose rounding Adam
# would amplify
FEWEST = 4


@register("explainer")
@dataclass(frozen=True)
class MeaningfulPerturbation:
    """min over m of size * mean m + smooth * mean |grad m|^3 - p(x through m), or + p(x through 1 -
    m) where m is deleted.

    The mask m has a coarse grid's cells and is drawn larger bilinearly; Adam. Each iteration shifts
    what the network sees by a few pixels, the same for every image. The area is what the weights
    make of it; the harness reveals its top share.
    """

    game: Literal["preserve", "delete"] = "preserve"
    iterations: PositiveInt = 100
    rate: PositiveFloat = 0.1
    size: NonNegativeFloat = 1.0  # weight of the mask's size, in probability for the whole image
    smooth: NonNegativeFloat = 1.0  # weight of the total variation
    cells: PositiveInt = 28  # along the shorter side
    jitter: NonNegativeFloat = 4.0  # pixels at a side of 224
    perturbation: Perturbation = "blur"
    batch: PositiveInt = 32  # images; halved when memory runs out

    def explain(
        self,
        network: nn.Module,
        images: Tensor,
        targets: Tensor,
        area: float,
        report: Report | None = None,
    ) -> Tensor:
        """Masks (n, h, w) float32 in [0, 1]; the area plays no part."""
        require_gradient(network, images)
        with lean(network, images[:2]) as logits:
            return joined(
                in_batches(partial(self.masks, logits), (images, targets), self.batch, report),
                images,
            )

    def masks(self, logits: Logits, images: Tensor, targets: Tensor) -> Tensor:
        """(n, h, w): the cells after the last iteration, from 1 everywhere."""
        if len(images) < FEWEST:
            filled = torch.arange(FEWEST) % len(images)
            return self.masks(logits, images[filled], targets[filled])[: len(images)]
        height, width = images.shape[-2:]
        side = min(height, width) / self.cells
        levels = perturbation_levels(images, self.perturbation)
        cells = images.new_ones(
            len(images), 1, round(height / side), round(width / side)
        ).requires_grad_()
        # the size term's own slope: what is smaller is rounding, and no reason for a whole step
        least = 1 / cells[0].numel()
        optimiser = torch.optim.Adam([cells], lr=self.rate, eps=least)
        with torch.enable_grad():
            for shift in self.shifts(height, width):
                (cells.grad,) = torch.autograd.grad(
                    self.objective(logits, levels, targets, cells, shift).sum(), cells
                )
                optimiser.step()
                cells.data.clamp_(0, 1)
        return _larger(cells.detach(), height, width)

    def objective(
        self, logits: Logits, levels: Tensor, targets: Tensor, cells: Tensor, shift: tuple[int, int]
    ) -> Tensor:
        """(n,): what is made small; `cells` (n, 1, rows, columns), `shift` pixels down and right."""
        masks = _larger(cells, *levels.shape[-2:])
        seen = perturbed(levels, masks if self.game == "preserve" else 1 - masks).roll(
            shift, (-2, -1)
        )
        chance = logits(seen).softmax(1).gather(1, targets[:, None])[:, 0]
        variation = sum(cells.diff(dim=axis).abs().pow(3).mean((1, 2, 3)) for axis in (2, 3))
        return (
            self.size * masks.mean((1, 2))
            + self.smooth * variation
            + (chance if self.game == "delete" else -chance)
        )

    def shifts(self, height: int, width: int) -> list[tuple[int, int]]:
        """One an iteration, the same for every image and in every run."""
        reach = round(self.jitter * min(height, width) / REFERENCE_SIDE)
        drawn = np.random.default_rng((height, width)).integers(
            -reach, reach + 1, (self.iterations, 2)
        )
        return [(int(down), int(right)) for down, right in drawn]


def _larger(cells: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(cells, size=(height, width), mode="bilinear", align_corners=False)[:, 0]
