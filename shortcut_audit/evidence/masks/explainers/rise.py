"""RISE: the mean of random masks, weighted by the class's score through each.

Petsiuk, Das, Saenko 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.evidence.masks.attribution import Report
from shortcut_audit.evidence.masks.black_box import Absence, Probes, Score, Share, explained
from shortcut_audit.registry import register


@register("explainer")
@dataclass(frozen=True)
class Rise:
    """The sum of score * mask / (samples * keep) over random smooth masks; black box.

    The masks are the same for every image.
    """

    samples: PositiveInt = 400
    cells: PositiveInt = 8  # along the shorter side, whatever its pixels
    keep: Share = 0.5  # chance that a cell is kept
    absence: Absence = "fade"
    score: Score = "probability"
    seed: int = 0

    def explain(
        self,
        network: nn.Module,
        images: Tensor,
        targets: Tensor,
        area: float,
        report: Report | None = None,
    ) -> Tensor:
        """Gives saliency (n, h, w) float32 in [0, 1]; the area plays no part."""
        return explained(network, images, targets, self.probes(*images.shape[-2:]), report)

    def probes(self, height: int, width: int) -> Probes:
        """Makes the masks (v, h, w) and their weights.

        Law: a mask's mean is `keep` at every pixel (RISE, section 3.2).
        """
        masks = self.masks(height, width)
        return Probes(masks, masks / (self.samples * self.keep), self.absence, self.score)

    def masks(self, height: int, width: int) -> Tensor:
        """Makes random masks, (samples, h, w) in [0, 1].

        Cells are on or off, drawn larger bilinearly and shifted by less than a cell.
        """
        rng = np.random.default_rng((self.seed, height, width))
        side = -(-min(height, width) // self.cells)  # pixels of a cell
        rows, columns = -(-height // side) + 1, -(-width // side) + 1
        cells = torch.from_numpy(rng.random((self.samples, 1, rows, columns)) < self.keep).float()
        large = F.interpolate(cells, scale_factor=side, mode="bilinear", align_corners=False)[:, 0]
        starts = torch.from_numpy(rng.integers(0, side, (2, self.samples, 1)))
        down = starts[0] + torch.arange(height)  # (samples, h)
        across = starts[1] + torch.arange(width)  # (samples, w)
        return large[torch.arange(self.samples)[:, None, None], down[:, :, None], across[:, None]]
