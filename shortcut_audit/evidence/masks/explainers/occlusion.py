"""Occlusion: how far the class's score falls when a patch that slides over the image hides a place.

Zeiler, Fergus 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shortcut_audit.evidence.masks.attribution import Report
from shortcut_audit.evidence.masks.black_box import Absence, Probes, Score, Share, explained
from shortcut_audit.registry import register


@register("explainer")
@dataclass(frozen=True)
class Occlusion:
    """A pixel's mean drop of the score over all patches that hide it, as in captum; black box."""

    patch: Share = 0.2  # side, as a share of the image's shorter side
    stride: Share = 0.05  # likewise
    absence: Absence = "fade"
    score: Score = "logit"

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
        """Makes one mask for each place of the patch, after a first one that hides nothing.

        Law: each pixel is hidden at least once.
        """
        shorter = min(height, width)
        side = max(1, round(self.patch * shorter))
        stride = min(side, max(1, round(self.stride * shorter)))
        rows, columns = _hidden(height, side, stride), _hidden(width, side, stride)
        # (places, h, w)
        hidden = (rows[:, None, :, None] & columns[None, :, None]).flatten(0, 1).float()
        whole = torch.ones(1, height, width)
        masks = torch.cat([whole, 1 - hidden])
        maps = torch.cat([whole, -hidden / hidden.sum(0)])
        return Probes(masks, maps, self.absence, self.score)


def _hidden(size: int, side: int, stride: int) -> Tensor:
    """(places, size) bool: what a window hides of a line; the last reaches or passes the end."""
    starts = torch.arange(-(-max(0, size - side) // stride) + 1) * stride
    pixels = torch.arange(size)
    return (pixels >= starts[:, None]) & (pixels < starts[:, None] + side)
