"""Gradient saliency: how much the class's logit feels a change of each pixel.

Simonyan, Vedaldi, Zisserman 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import PositiveInt
from torch import Tensor, nn

from shortcut_audit.evidence.masks.attribution import Report, gradient_size, mapped
from shortcut_audit.registry import register


@register("explainer")
@dataclass(frozen=True)
class Saliency:
    """The gradient's magnitude, the greatest of the three channels."""

    batch: PositiveInt = 32  # images; halved when memory runs out

    def explain(
        self,
        network: nn.Module,
        images: Tensor,
        targets: Tensor,
        area: float,
        report: Report | None = None,
    ) -> Tensor:
        """Gives saliency (n, h, w) float32 in [0, 1]; the area plays no part."""
        return mapped(gradient_size, network, images, targets, self.batch, report)
