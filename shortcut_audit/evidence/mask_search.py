"""The search for an extremal mask: gradient ascent on the cells of many images at once, each image on its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from shortcut_audit.evidence.perturbation import perturbed
from shortcut_audit.evidence.smooth_mask import Grid

Logits = Callable[[Tensor], Tensor]

MOMENTUM = DAMPENING = 0.9
SETTLED = 0.005  # share of the revealed cells that may still change side in an iteration once an image has settled


@dataclass(frozen=True)
class Recipe:
    """How the cells are optimised; lambda grows geometrically from the first to the last."""

    iterations: int
    rate: float
    first_lambda: float
    last_lambda: float
    exact: bool = False  # the smooth maximum at every pixel in every iteration, not only at the end
    starts: int = 1
    settled: int | None = None  # from this iteration on an image that no longer moves is done

    def weight(self, iteration: int) -> float:
        """Lambda at an iteration, counted from 0."""
        return float(self.first_lambda * (self.last_lambda / self.first_lambda) ** (iteration / max(1, self.iterations - 1)))


@dataclass(frozen=True)
class Reward:
    """What a mask makes large: the logit on what it keeps (preserve), minus that on what it leaves (delete), or both (dual)."""

    logits: Logits
    variant: Literal["preserve", "delete", "dual"] = "preserve"
    contrast: bool = False  # the class minus the best other class

    def __call__(self, levels: Tensor, masks: Tensor, targets: Tensor, mirrored: bool = False) -> Tensor:
        """(n,): levels (n, l, 3, h, w), masks (n, h, w), targets (n,)."""
        kept = [] if self.variant == "delete" else [masks]
        left = [] if self.variant == "preserve" else [1 - masks]
        seen = [perturbed(levels, each) for each in kept + left]
        values = [self._value(view.flip(-1) if mirrored else view, targets) for view in seen]
        signs = [1.0] * len(kept) + [-1.0] * len(left)
        return torch.stack([sign * value for sign, value in zip(signs, values, strict=True)]).sum(0)

    def _value(self, images: Tensor, targets: Tensor) -> Tensor:
        logits = self.logits(images)  # (n, k)
        own = logits.gather(1, targets[:, None])[:, 0]
        if not self.contrast:
            return own
        return own - logits.scatter(1, targets[:, None], -torch.inf).amax(1)


@dataclass(frozen=True)
class Found:
    """Cells (n, rows, columns) in [0, 1], and the share of the revealed cells that changed side at the end, (n,)."""

    cells: Tensor
    moved: Tensor


def search(reward: Reward, levels: Tensor, targets: Tensor, areas: Tensor, recipe: Recipe, mirror: tuple[bool, bool]) -> Found:
    """Gradient ascent on reward - lambda * mean (m - r)^2 from cells of ones.

    Args:
        reward: of masks (n, h, w).
        levels: (n, l, 3, h, w).
        targets: (n,) int64.
        areas: (n,) share of the image for each image.
        recipe: steps and weights.
        mirror: whether even and odd iterations see the mirrored image.

    Images never influence each other: one that has settled leaves the batch.
    """
    grid = Grid(*levels.shape[-2:])
    cells = levels.new_ones(len(levels), *grid.shape)
    velocity = torch.zeros_like(cells)
    shown = torch.zeros_like(cells, dtype=torch.bool)
    found, moved = cells.clone(), levels.new_ones(len(levels))
    active = torch.arange(len(levels), device=levels.device)
    for iteration in range(recipe.iterations):
        slope, now = _slope(reward, grid, cells, levels, targets, areas, recipe, iteration, mirror[iteration % 2])
        velocity = slope if iteration == 0 else MOMENTUM * velocity + (1 - DAMPENING) * slope
        cells = (cells + recipe.rate * velocity).clamp(0, 1)
        change = (now ^ shown).float().mean(dim=(1, 2)) / areas
        shown = now
        found[active], moved[active] = cells, change
        if recipe.settled is not None and iteration >= recipe.settled:
            going = change > SETTLED
            if not bool(going.any()):
                break
            if not bool(going.all()):
                cells, velocity, shown, active = cells[going], velocity[going], shown[going], active[going]
                levels, targets, areas = levels[going], targets[going], areas[going]
    return Found(found, moved)


def _slope(
    reward: Reward, grid: Grid, cells: Tensor, levels: Tensor, targets: Tensor, areas: Tensor, recipe: Recipe, iteration: int,
    mirrored: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The objective's gradient with respect to the cells, and which of the mask's values are on the top `areas`."""
    with torch.enable_grad():
        cells = cells.detach().requires_grad_()
        masks = grid.exact(cells) if recipe.exact else grid.coarse(cells)  # (n, h, w) or (n, rows, columns)
        pixels = masks if recipe.exact else grid.to_pixels(masks)
        ideal = nearest_of_area(masks.detach(), areas)
        penalty = (masks - ideal).square().mean(dim=(1, 2))
        value = reward(levels, pixels, targets, mirrored) - recipe.weight(iteration) * penalty
        (slope,) = torch.autograd.grad(value.sum(), cells)
    return slope, grid.to_cells(ideal.float()) > 0.5 if recipe.exact else ideal > 0.5


def nearest_of_area(masks: Tensor, areas: Tensor) -> Tensor:
    """The binary mask of that area nearest to each mask: sort(m) against zeros, then ones, without the sort's order.

    Where equal values straddle the border they share what is left, so that no place is favoured (law: it commutes with flips).

    Args:
        masks: (n, h, w).
        areas: (n,) shares.

    Returns:
        (n, h, w) in [0, 1], mean `areas`.
    """
    flat = masks.flatten(1)
    count = areas * flat.shape[1]  # (n,) not rounded
    place = (flat.shape[1] - count).floor().long().clamp(0, flat.shape[1] - 1)
    border = flat.sort(dim=1).values.gather(1, place[:, None])  # (n, 1)
    above, equal = flat > border, flat == border
    rest = (count - above.sum(1)) / equal.sum(1)
    return (above + equal * rest[:, None]).view_as(masks)
