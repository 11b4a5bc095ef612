"""The search for an extremal mask: gradient ascent on the cells of many images at once.

Each image is searched on its own; no image influences another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from shortcut_audit.evidence.masks.perturbation import perturbed
from shortcut_audit.evidence.masks.smooth_maximum import Grid

Logits = Callable[[Tensor], Tensor]

MOMENTUM = DAMPENING = 0.9


@dataclass(frozen=True)
class Recipe:
    """How the cells are optimised; lambda grows geometrically from the first to the last."""

    iterations: int
    rate: float
    first_lambda: float
    last_lambda: float
    exact: bool = False  # the smooth maximum at every pixel in every iteration, not only at the end
    # iterations at which the revealed pixels are scored; the best cells seen are the result
    looks: range = range(0)
    patience: int = 0  # looks without a better score after which an image is done

    def weight(self, iteration: int) -> float:
        """Gives lambda at an iteration, counted from 0."""
        progress = iteration / max(1, self.iterations - 1)
        return float(self.first_lambda * (self.last_lambda / self.first_lambda) ** progress)


@dataclass(frozen=True)
class Reward:
    """What a mask is to make large, by variant.

    The logit on what the mask keeps (preserve), minus that on what it leaves (delete), or the sum
    of both (dual).
    """

    logits: Logits
    variant: Literal["preserve", "delete", "dual"] = "preserve"
    contrast: bool = False  # the class minus the best other class

    def __call__(
        self, levels: Tensor, masks: Tensor, targets: Tensor, mirrored: bool = False
    ) -> Tensor:
        """Gives the reward, (n,), for levels (n, l, 3, h, w), masks (n, h, w), targets (n,)."""
        rewards = []
        if self.variant != "delete":
            rewards.append(self._value(levels, masks, targets, mirrored))
        if self.variant != "preserve":
            rewards.append(-1.0 * self._value(levels, 1 - masks, targets, mirrored))
        return torch.stack(rewards).sum(0)

    def _value(self, levels: Tensor, masks: Tensor, targets: Tensor, mirrored: bool) -> Tensor:
        """(n,): the target's logit through these masks, or its lead over the best other class."""
        view = perturbed(levels, masks)
        logits = self.logits(view.flip(-1) if mirrored else view)  # (n, k)
        own = logits.gather(1, targets[:, None])[:, 0]
        if not self.contrast:
            return own
        return own - logits.scatter(1, targets[:, None], -torch.inf).amax(1)


@dataclass
class _Running:
    """The images that are still searched; `place` says which of the batch they are."""

    place: Tensor  # (r,)
    levels: Tensor
    targets: Tensor
    areas: Tensor
    cells: Tensor
    velocity: Tensor
    shown: Tensor  # (r, rows, columns) bool: the top `areas` of the masks one iteration ago
    changed: Tensor  # (r,) share of the revealed cells that changed side since

    def keep(self, going: Tensor) -> None:
        """Drops the images that are done."""
        if not bool(going.all()):
            for name, value in vars(self).items():
                setattr(self, name, value[going])


@dataclass(frozen=True)
class Found:
    """What a search ends with, one entry an image."""

    cells: Tensor  # (n, rows, columns) in [0, 1]
    score: Tensor  # (n,) the best reward of revealed pixels seen; -inf without looks
    stale: Tensor  # (n,) looks since then
    changed: Tensor  # (n,) share of the revealed cells that changed side in the last iteration

    def note(self, running: _Running, scores: Tensor) -> None:
        """Keeps the cells that score better than any before."""
        better = scores > self.score[running.place]
        place = running.place[better]
        self.cells[place], self.score[place] = running.cells[better], scores[better]
        self.stale[running.place] = torch.where(better, 0, self.stale[running.place] + 1)


def search(
    reward: Reward, levels: Tensor, targets: Tensor, areas: Tensor, recipe: Recipe, mirror: bool
) -> Found:
    """Climbs reward - lambda * mean (m - r)^2 by gradient ascent, from cells of ones.

    Momentum and dampening are as in torch's SGD. With looks, the result is the cells whose `areas`
    highest values, revealed alone, score best on the way. Images never influence each other: one
    that is done leaves the batch.

    Args:
        reward: of masks (n, h, w).
        levels: (n, l, 3, h, w).
        targets: (n,) int64.
        areas: (n,) share of the image for each image.
        recipe: steps and weights.
        mirror: whether every second iteration sees the mirrored image.
    """
    grid = Grid(*levels.shape[-2:])
    running, found = _start(levels, targets, areas, grid)
    for iteration in range(recipe.iterations):
        mirrored = mirror and iteration % 2 == 1
        slope, ideal = _slope(reward, grid, running, recipe, iteration, mirrored)
        running.changed = (ideal ^ running.shown).float().mean((1, 2)) / running.areas
        running.shown = ideal
        if iteration == 0:
            running.velocity = slope
        else:
            running.velocity = MOMENTUM * running.velocity + (1 - DAMPENING) * slope
        found.changed[running.place] = running.changed
        if iteration in recipe.looks:
            found.note(running, reward(running.levels, grid.blocks(ideal), running.targets))
            running.keep(found.stale[running.place] < recipe.patience)
            if not len(running.place):
                break
        running.cells = (running.cells + recipe.rate * running.velocity).clamp(0, 1)
    if not recipe.looks:
        found.cells[running.place] = running.cells
    return found


def _start(levels: Tensor, targets: Tensor, areas: Tensor, grid: Grid) -> tuple[_Running, Found]:
    """All images of the batch with cells of ones, and what is found so far: nothing."""
    cells, ones = levels.new_ones(len(levels), *grid.shape), levels.new_ones(len(levels))
    running = _Running(
        place=torch.arange(len(levels), device=levels.device),
        levels=levels,
        targets=targets,
        areas=areas,
        cells=cells,
        velocity=torch.zeros_like(cells),
        shown=torch.zeros_like(cells, dtype=torch.bool),
        changed=ones,
    )
    found = Found(
        cells=cells.clone(),
        score=-torch.inf * ones,
        stale=torch.zeros_like(targets),
        changed=ones.clone(),
    )
    return running, found


def _slope(
    reward: Reward, grid: Grid, running: _Running, recipe: Recipe, iteration: int, mirrored: bool
) -> tuple[Tensor, Tensor]:
    """The objective's gradient by the cells, and which cells are on the top `areas` of the mask."""
    with torch.enable_grad():
        cells = running.cells.detach().requires_grad_()
        if recipe.exact:
            masks = pixels = grid.exact(cells)  # (n, h, w)
        else:
            masks = grid.coarse(cells)  # (n, rows, columns)
            pixels = grid.to_pixels(masks)
        ideal = nearest_of_area(masks.detach(), running.areas)
        penalty = (masks - ideal).square().mean((1, 2))
        value = reward(running.levels, pixels, running.targets, mirrored)
        value = value - recipe.weight(iteration) * penalty
        (slope,) = torch.autograd.grad(value.sum(), cells)
    return slope, (grid.to_cells(ideal) if recipe.exact else ideal) > 0.5


def nearest_of_area(masks: Tensor, areas: Tensor) -> Tensor:
    """Gives the binary mask of that area nearest to each mask.

    In the paper the sorted mask is held against zeros, then ones; here the same zeros and ones
    stand at the pixels' own places. Where equal values lie on both sides of the border they share
    what is left, so that no place is favoured (law: it commutes with flips).

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
