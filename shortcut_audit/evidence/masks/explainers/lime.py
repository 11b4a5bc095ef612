"""LIME: a linear model of the score near the image, one coefficient a superpixel.

Ribeiro, Singh, Guestrin 2016.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from shortcut_audit.evidence.masks.attribution import Report
from shortcut_audit.evidence.masks.black_box import Absence, Probes, Score, explained, superpixels
from shortcut_audit.registry import register


@register("explainer")
@dataclass(frozen=True)
class Lime:
    """Weighted ridge regression on random halves of the superpixels; black box.

    The halves are the same for every image. The superpixels are squares: found by segmentation they
    would differ between images, and a decoy's edge would be given away.
    """

    samples: PositiveInt = 400
    across: PositiveInt = 8  # squares along the shorter side
    # of the kernel exp(-d^2 / width^2), d the cosine distance to the whole image
    width: PositiveFloat = 0.25
    ridge: PositiveFloat = 1.0
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
        """Makes one mask a sample; the maps are the ridge regression, linear in the scores."""
        places = superpixels(height, width, self.across)
        rng = np.random.default_rng((self.seed, height, width))
        kept = rng.random((self.samples, int(places.max()) + 1)) < 0.5  # (v, f)
        kept[0] = True
        design = torch.from_numpy(kept.astype(float))
        masks = design.float()[:, places]
        maps = self.solution(design, self.weights(design))
        return Probes(masks, maps, self.absence, self.score, places)

    def weights(self, design: Tensor) -> Tensor:
        """Says how near each sample is to the whole image, (v,)."""
        # the cosine of a 0-1 vector with k of f ones and the ones is sqrt(k / f)
        distance = 1 - design.mean(1).sqrt()
        return torch.exp(-(distance**2) / self.width**2)

    def solution(self, design: Tensor, weights: Tensor) -> Tensor:
        """Gives the matrix (v, f) that turns scores (v,) into the regression's coefficients (f,).

        scores @ matrix = argmin_b sum w (score - b0 - design b)^2 + ridge |b|^2.
        """
        centred = design - (weights @ design) / weights.sum()
        weighted = weights[:, None] * centred
        square = centred.T @ weighted + self.ridge * torch.eye(design.shape[1]).to(design)
        solved: Tensor = torch.linalg.solve(square, weighted.T)
        return solved.T
