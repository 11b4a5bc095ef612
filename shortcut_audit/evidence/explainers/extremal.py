"""Extremal perturbation (Fong, Patrick, Vedaldi 2019; thesis 2.6): the smooth mask of a given area that best keeps the class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from shortcut_audit.evidence.lean_network import lean
from shortcut_audit.evidence.mask_search import Found, Recipe, Reward, search
from shortcut_audit.evidence.perturbation import Perturbation, perturbation_levels
from shortcut_audit.evidence.revealing import sharpened, top_area
from shortcut_audit.evidence.smooth_mask import Grid
from shortcut_audit.registry import register

RECIPES = {
    "fast": Recipe(25, 8 / 25, 150.0, 4900.0, starts=2, settled=16),
    "paper": Recipe(800, 0.01, 300.0, 300 * 1.0035**799, exact=True),
}
LOW = 0.9  # a first start that keeps less than this share of the class's logit (over the perturbed image's) gets a second
CONVERGED = 0.01


@dataclass(frozen=True)
class ExtremalMasks:
    """Masks and how they came out, one value an image."""

    masks: Tensor  # (n, h, w) float32 in [0, 1]; rounded, they reveal the area exactly
    area: Tensor  # (n,) mean of the mask
    peak: Tensor  # (n,) its highest value before the edge was sharpened
    score: Tensor  # (n,) the reward of the revealed pixels
    converged: Tensor  # (n,) bool: fewer than 1 % of the revealed cells changed side in the last iteration

    def __getitem__(self, which: Tensor) -> ExtremalMasks:
        return ExtremalMasks(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


@register("explainer")
@dataclass(frozen=True)
class Extremal:
    """The mask of a given area through which the class's logit is highest, for many images at a time."""

    recipe: Literal["fast", "paper"] = "fast"
    variant: Literal["preserve", "delete", "dual"] = "preserve"
    perturbation: Perturbation = "blur_pyramid"
    contrast: bool = False  # the class minus the best other class, in place of the class alone
    mirror: bool = True  # every second iteration sees the mirrored image; switch it off for text
    batch: int = 16  # halved when memory runs out

    def explain(
        self, network: nn.Module, images: Tensor, targets: Tensor, area: float, report: Callable[[int, int], None] | None = None
    ) -> Tensor:
        """Masks (n, h, w) float32 in [0, 1]; see `masks`."""
        return self.masks(network, images, targets, area, report).masks

    def masks(
        self, network: nn.Module, images: Tensor, targets: Tensor, area: float, report: Callable[[int, int], None] | None = None
    ) -> ExtremalMasks:
        """Masks with their area, peak, score and convergence.

        Laws: rounding reveals round(area * h * w) pixels; the mean is the area within 0.5 points; deterministic; an image's mask
        does not depend on the images beside it (1e-4); the network is left as found.

        Args:
            network: images in [0, 1] -> logits, in any mode.
            images: (n, 3, h, w) float32 in [0, 1].
            targets: (n,) int64 class of each image.
            area: share of the image to reveal.
            report: called with (images done, n) after each batch.
        """
        parts: list[ExtremalMasks] = []
        done, size = 0, self.batch
        with lean(network, images[:2]) as logits, torch.no_grad():
            reward = Reward(logits, self.variant, self.contrast)
            while done < len(images):
                try:
                    parts.append(self._batch(reward, images[done : done + size], targets[done : done + size], area))
                except RuntimeError as error:  # CUDA's and the CPU allocator's complaint have no class in common
                    if size == 1 or "memory" not in str(error):
                        raise
                    size //= 2
                    continue
                done = min(done + size, len(images))
                if report:
                    report(done, len(images))
        return _joined(parts, images)

    def _batch(self, reward: Reward, images: Tensor, targets: Tensor, area: float) -> ExtremalMasks:
        recipe, start = RECIPES[self.recipe], (False, self.mirror)
        levels = perturbation_levels(images, self.perturbation)
        best = self._start(reward, levels, targets, area, recipe, start)
        for _ in range(recipe.starts - 1):
            start = start[::-1] if self.mirror else start
            low = best.score < _satisfying(reward, levels, targets)
            if start[0] == start[1] or not bool(low.any()):
                break
            other = self._start(reward, levels[low], targets[low], area, recipe, start)
            _keep_better(best, other, low)
        return best

    def _start(
        self, reward: Reward, levels: Tensor, targets: Tensor, area: float, recipe: Recipe, mirror: tuple[bool, bool]
    ) -> ExtremalMasks:
        found: Found = search(reward, levels, targets, levels.new_full((len(levels),), area), recipe, mirror)
        raw = Grid(*levels.shape[-2:]).exact(found.cells)
        masks = sharpened(raw, area)
        score = reward(levels, top_area(masks, area).to(levels), targets)
        return ExtremalMasks(masks, masks.mean(dim=(1, 2)), raw.amax(dim=(1, 2)), score, found.moved < CONVERGED)


def _satisfying(reward: Reward, levels: Tensor, targets: Tensor) -> Tensor:
    """(n,): the score from which a second start is not worth its time."""
    whole, none = (reward(levels, levels.new_full((len(levels), *levels.shape[-2:]), fill), targets) for fill in (1.0, 0.0))
    return none + LOW * (whole - none)


def _keep_better(best: ExtremalMasks, other: ExtremalMasks, which: Tensor) -> None:
    better = other.score > best.score[which]
    place = which.nonzero()[:, 0][better]
    for name in best.__dataclass_fields__:
        getattr(best, name)[place] = getattr(other, name)[better]


def _joined(parts: list[ExtremalMasks], images: Tensor) -> ExtremalMasks:
    if not parts:
        empty = images.new_empty(0)
        return ExtremalMasks(images.new_empty(0, *images.shape[-2:]), empty, empty, empty, empty.bool())
    return ExtremalMasks(*(torch.cat([getattr(part, name) for part in parts]) for name in ExtremalMasks.__dataclass_fields__))
