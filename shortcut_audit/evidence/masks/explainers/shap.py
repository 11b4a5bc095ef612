"""Kernel SHAP (Lundberg, Lee 2017): Shapley values of superpixels by a weighted regression on
coalitions.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import comb
from torch import Tensor, nn

from shortcut_audit.evidence.masks.attribution import Report
from shortcut_audit.evidence.masks.black_box import (
    Absence,
    Probes,
    Score,
    Several,
    explained,
    superpixels,
)
from shortcut_audit.registry import register


@register("explainer")
@dataclass(frozen=True)
class Shap:
    """Coalitions of squares, the same for every image; all of them where `samples` suffice, which
    is exact; black box.
    """

    samples: Several = 400
    across: Several = 8  # squares along the shorter side
    absence: Absence = "fade"
    score: Score = "logit"
    seed: int = 0

    def explain(
        self,
        network: nn.Module,
        images: Tensor,
        targets: Tensor,
        area: float,
        report: Report | None = None,
    ) -> Tensor:
        """Saliency (n, h, w) float32 in [0, 1]; the area plays no part."""
        return explained(
            network,
            images,
            targets,
            self.probes(*images.shape[-2:]),
            self.absence,
            self.score,
            report,
        )

    def probes(self, height: int, width: int) -> Probes:
        """Masks of nothing, everything and the coalitions; the maps are the regression's solution,
        linear in the scores.
        """
        places = superpixels(height, width, self.across)
        design, weights = self.coalitions(int(places.max()) + 1)
        return Probes(design.float()[:, places], solution(design, weights), places)

    def coalitions(self, features: int) -> tuple[Tensor, Tensor]:
        """Members (v, f) float64 and weights (v,): nothing and everything first, both with weight
        0.

        All 2^f - 2 with the Shapley kernel (f - 1) / (C(f, s) s (f - s)), or `samples` drawn from
        it, each with its complement (Covert, Lee 2021, section 4.2: half the variance or less).
        """
        if 2**features - 2 <= self.samples:
            rows = [
                row
                for row in itertools.product((0.0, 1.0), repeat=features)
                if 0 < sum(row) < features
            ]
            members = torch.tensor(rows, dtype=torch.float64).reshape(-1, features)
            sizes = members.sum(1)
            weights = (features - 1) / (
                torch.from_numpy(comb(features, sizes.numpy())) * sizes * (features - sizes)
            )
        else:
            rng = np.random.default_rng((self.seed, features))
            chances = 1 / (np.arange(1, features) * (features - np.arange(1.0, features)))
            drawn = rng.choice(
                np.arange(1, features), (self.samples // 2, 1), p=chances / chances.sum()
            )
            half = torch.from_numpy(
                (rng.random((len(drawn), features)).argsort(1).argsort(1) < drawn).astype(float)
            )
            members = torch.cat([half, 1 - half])
            weights = torch.ones(len(members), dtype=torch.float64)
        ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
        return torch.cat([ends[:, None].expand(-1, features), members]), torch.cat(
            [0 * ends, weights]
        )


def solution(design: Tensor, weights: Tensor) -> Tensor:
    """(v, f): scores (v,) @ it = argmin_b sum w (score - score of nothing - design b)^2 with b
    summing to everything - nothing.

    Covert, Lee 2021, equation 7. Law: it gives the Shapley values where all coalitions are there
    with the kernel's weights.
    """
    weighted = (weights[:, None] * design).T  # (f, v)
    inverse = torch.linalg.pinv(weighted @ design, hermitian=True)
    free = inverse @ weighted
    free[:, 0] -= free.sum(1)  # each score is counted from that of nothing
    # what each feature takes of the rest, so that the sum is right
    share = inverse.sum(1) / inverse.sum()
    exact: Tensor = free - torch.outer(share, free.sum(0))
    exact[:, 0] -= share
    exact[:, 1] += share
    return exact.T
