"""Kernel SHAP: Shapley values of superpixels by a weighted regression on coalitions.

Lundberg, Lee 2017.
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
    """Coalitions of squares, the same for every image; black box.

    Where `samples` suffice all coalitions are taken, which is exact.
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
        """Gives saliency (n, h, w) float32 in [0, 1]; the area plays no part."""
        return explained(network, images, targets, self.probes(*images.shape[-2:]), report)

    def probes(self, height: int, width: int) -> Probes:
        """Makes masks of nothing, of everything and of the coalitions.

        The maps are the regression's solution, linear in the scores.
        """
        places = superpixels(height, width, self.across)
        design, weights = self.coalitions(int(places.max()) + 1)
        masks = design.float()[:, places]
        return Probes(masks, solution(design, weights), self.absence, self.score, places)

    def coalitions(self, features: int) -> tuple[Tensor, Tensor]:
        """Gives members (v, f) float64 and weights (v,); nothing and everything first, weight 0.

        All 2^f - 2 others with the Shapley kernel (f - 1) / (C(f, s) s (f - s)), or `samples` drawn
        from it, each with its complement (Covert, Lee 2021, section 4.2: half the variance or
        less).
        """
        if 2**features - 2 <= self.samples:
            members, weights = _all_coalitions(features)
        else:
            members = self._drawn(features)
            weights = torch.ones(len(members), dtype=torch.float64)
        ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
        nothing_and_everything = ends[:, None].expand(-1, features)
        return torch.cat([nothing_and_everything, members]), torch.cat([0 * ends, weights])

    def _drawn(self, features: int) -> Tensor:
        """(samples, f): random coalitions, and behind them the complement of each."""
        rng = np.random.default_rng((self.seed, features))
        sizes = np.arange(1, features)
        chances = 1 / (sizes * (features - np.arange(1.0, features)))
        drawn = rng.choice(sizes, (self.samples // 2, 1), p=chances / chances.sum())
        order = rng.random((len(drawn), features)).argsort(1).argsort(1)
        half = torch.from_numpy((order < drawn).astype(float))
        return torch.cat([half, 1 - half])


def _all_coalitions(features: int) -> tuple[Tensor, Tensor]:
    """All members (v, f) but nothing and everything, and the Shapley kernel's weights (v,)."""
    rows = list(itertools.product((0.0, 1.0), repeat=features))[1:-1]
    members = torch.tensor(rows, dtype=torch.float64).reshape(-1, features)
    sizes = members.sum(1)
    ways = torch.from_numpy(comb(features, sizes.numpy()))
    return members, (features - 1) / (ways * sizes * (features - sizes))


def solution(design: Tensor, weights: Tensor) -> Tensor:
    """Gives the matrix (v, f) that turns scores (v,) into the regression's coefficients (f,).

    scores @ matrix = argmin_b sum w (score - score of nothing - design b)^2, with b summing to the
    score of everything less that of nothing (Covert, Lee 2021, equation 7). Law: it gives the
    Shapley values where all coalitions are there with the kernel's weights.
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
