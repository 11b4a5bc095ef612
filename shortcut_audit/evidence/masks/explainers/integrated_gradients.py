"""Integrated gradients: the gradient's mean from nothing to the image, times the difference.

Sundararajan, Taly, Yan 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

from captum.attr import IntegratedGradients as Captum
from pydantic import PositiveInt
from torch import Tensor, nn

from shortcut_audit.evidence.masks.attribution import Report, mapped
from shortcut_audit.evidence.masks.black_box import Absence
from shortcut_audit.evidence.masks.perturbation import perturbation_levels
from shortcut_audit.registry import register


@register("explainer")
@dataclass(frozen=True)
class IntegratedGradients:
    """What each pixel adds to the class's logit, summed over the channels.

    Pixels that count against the class rank last.
    """

    steps: PositiveInt = 32
    # where the path begins: the image's mean colour, or the image blurred
    absence: Absence = "fade"
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
        return mapped(self.added, network, images, targets, self.batch, report)

    def added(self, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Gives what each pixel adds, (n, h, w).

        Law: the sum is the logit less that of the absent image, up to the error of so many steps
        (completeness).
        """
        absent = perturbation_levels(images.detach(), self.absence)[:, 0]
        found: Tensor = Captum(network).attribute(
            images, absent, targets, n_steps=self.steps, internal_batch_size=len(images)
        )
        return found.sum(1)
