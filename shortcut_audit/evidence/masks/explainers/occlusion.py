"""Occlusion (Zeiler, Fergus 2014): how far the class's score falls when a patch that slides over
the image hides a place.
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
    """A pixel's mean drop of the score over all patches that hide it, as captum has it; black box."""

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
        """One mask a place of the patch, and first one that hides nothing. Law: each pixel is
        hidden at least once.
        """
        side, stride = (
            max(1, round(share * min(height, width))) for share in (self.patch, self.stride)
        )
        stride = min(stride, side)
        rows, columns = (_hidden(size, side, stride) for size in (height, width))
        # (places, h, w)
        hidden = (rows[:, None, :, None] & columns[None, :, None]).flatten(0, 1).float()
        whole = torch.ones(1, height, width)
        return Probes(torch.cat([whole, 1 - hidden]), torch.cat([whole, -hidden / hidden.sum(0)]))


def _hidden(size: int, side: int, stride: int) -> Tensor:
    """(places, size) bool: what a window hides of a line; the last one reaches or passes the end."""
    starts = torch.arange(-(-max(0, size - side) // stride) + 1) * stride
    pixels = torch.arange(size)
    return (pixels >= starts[:, None]) & (pixels < starts[:, None] + side)
