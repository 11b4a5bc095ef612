"""Extremal perturbation: the smooth mask of a given area that best keeps the class.

Fong, Patrick, Vedaldi 2019; thesis, section 2.6.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from shortcut_audit.evidence.lent_network import lean, require_gradient
from shortcut_audit.evidence.masks.area import checked_areas, sharpened
from shortcut_audit.evidence.masks.attribution import Report, in_batches
from shortcut_audit.evidence.masks.perturbation import Perturbation, perturbation_levels
from shortcut_audit.evidence.masks.search import Recipe, Reward, search
from shortcut_audit.evidence.masks.smooth_maximum import Grid
from shortcut_audit.registry import register

RECIPES = {
    "fast": Recipe(5, 0.32, 75.0, 186.0, momentum=0.5, patience=3),
    "paper": Recipe(800, 0.01, 300.0, 300 * 1.0035**799, exact=True),
}
CONVERGED = 0.01


@dataclass(frozen=True)
class ExtremalMasks:
    """Masks and how they came out, one value an image."""

    masks: Tensor  # (n, h, w) float32 in [0, 1]; rounded, they reveal the area exactly
    area: Tensor  # (n,) mean of the mask
    peak: Tensor  # (n,) its highest value before the edge was sharpened
    # (n,) bool: under 1 % of the revealed cells changed side at the end, or the score had stopped
    # rising
    converged: Tensor


@register("explainer")
@dataclass(frozen=True, repr=False)
class Extremal:
    """The mask of a given area through which the class's logit is highest, for many images."""

    recipe: Literal["fast", "paper"] = "fast"
    variant: Literal["preserve", "delete", "dual"] = "preserve"
    perturbation: Perturbation = "blur_pyramid"
    contrast: bool = False  # the class minus the best other class, in place of the class alone
    # `paper`: every second iteration sees the mirrored image; switch it off for text
    mirror: bool = True
    batch: PositiveInt = 32  # images; halved when memory runs out

    def __repr__(self) -> str:
        """Gives the options and the numbers behind the recipe's name.

        Masks are kept under this text, so other numbers are never answered by kept masks.
        """
        return f"Extremal({vars(self)}, {RECIPES[self.recipe]})"

    def explain(
        self,
        network: nn.Module,
        images: Tensor,
        targets: Tensor,
        area: float,
        report: Report | None = None,
    ) -> Tensor:
        """Gives masks (n, h, w) float32 in [0, 1]; see `masks`."""
        return self.masks(network, images, targets, area, report).masks

    def masks(
        self,
        network: nn.Module,
        images: Tensor,
        targets: Tensor,
        area: float | Tensor,
        report: Report | None = None,
    ) -> ExtremalMasks:
        """Gives masks with their area, peak and convergence.

        Laws: rounding reveals round(area * h * w) pixels; the mean is the area within 0.5 points;
        the result is deterministic; an image's mask does not depend on the images beside it (1e-4);
        the network is left as found.

        Args:
            network: images in [0, 1] -> logits, in any mode.
            images: (n, 3, h, w) float32 in [0, 1].
            targets: (n,) int64 class of each image.
            area: share of the image to reveal; one for all, or (n,) for one each.
            report: called with (images done, n) after each batch.

        Raises:
            UsageError: an area is no share, there are more or fewer areas than images, or the
                answers carry no gradient.
        """
        areas = checked_areas(area, images)
        require_gradient(network, images)
        with lean(network, images[:2], bf16=True) as logits, torch.no_grad():
            step = partial(self._batch, Reward(logits, self.variant, self.contrast))
            parts = in_batches(step, (images, targets, areas), self.batch, report)
        return _joined(parts, images)

    def _batch(
        self, reward: Reward, images: Tensor, targets: Tensor, areas: Tensor
    ) -> ExtremalMasks:
        recipe = RECIPES[self.recipe]
        # what is revealed or not needs no level in between
        whole = recipe.exact or self.perturbation == "fade"
        levels = perturbation_levels(images, self.perturbation if whole else "blur")
        found = search(reward, levels, targets, areas.to(images), recipe, self.mirror)
        raw = Grid(*images.shape[-2:]).exact(found.cells)
        masks = sharpened(raw, areas)
        settled = found.changed < CONVERGED
        if not recipe.exact:
            settled = settled | (found.stale >= recipe.patience)
        return ExtremalMasks(
            masks=masks,
            area=masks.mean((1, 2)),
            peak=raw.amax((1, 2)),
            converged=settled,
        )


def _joined(parts: list[ExtremalMasks], images: Tensor) -> ExtremalMasks:
    """All batches as one, also where there is no image."""
    if not parts:
        empty = images.new_empty(0)
        none = images.new_empty(0, *images.shape[-2:])
        return ExtremalMasks(none, empty, empty, empty.bool())
    whole = {}
    for field in fields(ExtremalMasks):
        whole[field.name] = torch.cat([getattr(part, field.name) for part in parts])
    return ExtremalMasks(**whole)
