"""Meaningful perturbation: the smallest smooth mask that keeps the class, or that removes it.

Fong, Vedaldi 2017; thesis, section 2.5.
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

# images that are differentiated together: fewer would go through other routines, and Adam would
# amplify their rounding
FEWEST = 4


@register("explainer")
@dataclass(frozen=True)
class MeaningfulPerturbation:
    """The mask m that makes size * mean m + smooth * mean |grad m|^3 - p(x through m) small.

    Where the mask is deleted, the last term is + p(x through 1 - m). The mask has a coarse grid's
    cells and is drawn larger bilinearly; the optimiser is Adam. Each iteration shifts what the
    network sees by a few pixels, the same for every image. The weights decide the area of the mask;
    the harness reveals its top share.
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
        """Gives masks (n, h, w) float32 in [0, 1]; the area plays no part."""
        require_gradient(network, images)
        with lean(network, images[:2], bf16=True) as logits:
            step = partial(self.masks, logits)
            return joined(in_batches(step, (images, targets), self.batch, report), images)

    def masks(self, logits: Logits, images: Tensor, targets: Tensor) -> Tensor:
        """Gives the mask (n, h, w) after the last iteration, from cells of 1 everywhere."""
        if len(images) < FEWEST:
            filled = torch.arange(FEWEST) % len(images)
            return self.masks(logits, images[filled], targets[filled])[: len(images)]
        height, width = images.shape[-2:]
        side = min(height, width) / self.cells
        levels = perturbation_levels(images, self.perturbation)
        cells = images.new_ones(len(images), 1, round(height / side), round(width / side))
        cells.requires_grad_()
        # the size term's own slope: what is smaller is rounding, and no reason for a whole step
        least = 1 / cells[0].numel()
        optimiser = torch.optim.Adam([cells], lr=self.rate, eps=least)
        with torch.enable_grad():
            for shift in self.shifts(height, width):
                value = self.objective(logits, levels, targets, cells, shift)
                (cells.grad,) = torch.autograd.grad(value.sum(), cells)
                optimiser.step()
                cells.data.clamp_(0, 1)
        return _larger(cells.detach(), height, width)

    def objective(
        self, logits: Logits, levels: Tensor, targets: Tensor, cells: Tensor, shift: tuple[int, int]
    ) -> Tensor:
        """Gives what is made small, (n,).

        Args:
            cells: (n, 1, rows, columns).
            shift: pixels down and right.
        """
        masks = _larger(cells, *levels.shape[-2:])
        seen = perturbed(levels, masks if self.game == "preserve" else 1 - masks)
        scores = logits(seen.roll(shift, (-2, -1))).softmax(1)
        chance = scores.gather(1, targets[:, None])[:, 0]
        variation = _variation(cells, axis=2) + _variation(cells, axis=3)
        return (
            self.size * masks.mean((1, 2))
            + self.smooth * variation
            + (chance if self.game == "delete" else -chance)
        )

    def shifts(self, height: int, width: int) -> list[tuple[int, int]]:
        """Draws one shift an iteration, the same for every image and in every run."""
        reach = round(self.jitter * min(height, width) / REFERENCE_SIDE)
        rng = np.random.default_rng((height, width))
        drawn = rng.integers(-reach, reach + 1, (self.iterations, 2))
        return [(int(down), int(right)) for down, right in drawn]


def _larger(cells: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(cells, size=(height, width), mode="bilinear", align_corners=False)[:, 0]


def _variation(cells: Tensor, axis: int) -> Tensor:
    """(n,): the mean cubed difference of neighbouring cells along one axis."""
    return cells.diff(dim=axis).abs().pow(3).mean((1, 2, 3))
